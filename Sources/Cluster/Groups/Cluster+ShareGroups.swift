import Bytes
import KafkaMessages

/// Where a share group is in a partition (KIP-932).
package struct ShareGroupOffset: Hashable, Sendable {
    /// All records before are done with.
    package var start: Int64
    /// Records that are still to be accepted or given up; nil where the broker does not tell (before Kafka 4.2).
    package var lag: Int64?

    package init(start: Int64, lag: Int64?) {
        self.start = start
        self.lag = lag
    }
}

extension Cluster {
    /// One share group with its members; nil for a group that is not there or of another type, and from brokers that
    /// know no share groups.
    func shareGroup(_ id: String, _ coordinator: BrokerDescription) async throws(ClusterError) -> GroupDescription? {
        let described = try await described(id, ShareGroupDescribeRequest(groupIds: [id])) { answer in
            answer.groups.first.map { ($0, $0.errorCode, $0.errorMessage) }
        }
        guard let group = described else { return nil }
        return GroupDescription(
            id: id, type: .share, state: GroupState(rawValue: group.groupState), protocolType: "share",
            assignor: group.assignorName, coordinator: coordinator,
            members: group.members.map { member in
                GroupMember(
                    id: member.memberId, instanceId: nil, clientId: member.clientId, host: Self.host(member.clientHost),
                    assignment: member.assignment.topicPartitions.flatMap { topic in
                        topic.partitions.map { TopicPartition(topic.topicName, $0) }
                    }.sorted())
            }.sorted { ($0.clientId, $0.id) < ($1.clientId, $1.id) })
    }

    /// Where a share group is in all partitions that it has begun to read; those where nobody has fetched yet are left
    /// out.
    ///
    /// - Throws: `.groupAuthorizationFailed`. A group that does not exist has no offsets.
    package func shareGroupOffsets(_ group: String) async throws(ClusterError) -> [TopicPartition: ShareGroupOffset] {
        try await shareGroupOffsets([group], at: .groupCoordinator(group))[group] ?? [:]
    }

    /// The same for several groups of one broker, without those that it does not tell of.
    package func shareGroupOffsets(
        _ groups: [String], at target: RequestTarget
    ) async throws(ClusterError) -> [String: [TopicPartition: ShareGroupOffset]] {
        guard !groups.isEmpty else { return [:] }
        let attempt = "fetch the offsets of share groups"
        let answer = try await requests.coordinated(by: target, attempt) { _ in
            DescribeShareGroupOffsetsRequest(groups: groups.map { .init(groupId: $0, topics: nil) })
        } code: { answer in
            answer.groups.count == 1 ? answer.groups[0].errorCode : 0
        }
        var found: [String: [TopicPartition: ShareGroupOffset]] = [:]
        for group in answer.groups {
            if answer.groups.count == 1 { try check(group.errorCode, attempt, detail: group.errorMessage) }
            var offsets: [TopicPartition: ShareGroupOffset] = [:]
            for topic in group.topics {
                for partition in topic.partitions where partition.errorCode == 0 && partition.startOffset >= 0 {
                    offsets[TopicPartition(topic.topicName, partition.partitionIndex)] = ShareGroupOffset(
                        start: partition.startOffset, lag: partition.lag >= 0 ? partition.lag : nil)
                }
            }
            if group.errorCode == 0 { found[group.groupId] = offsets }
        }
        return found
    }

    /// Begins delivery of partitions to a share group anew, which must have no members.
    ///
    /// - Throws: `.groupIdNotFound`, `.nonEmptyGroup`, `.unknownTopicOrPartition`, `.groupAuthorizationFailed`; then some
    ///   of the offsets may have been set.
    package func alterShareGroupOffsets(
        _ group: String, _ offsets: [TopicPartition: Int64]
    ) async throws(ClusterError) {
        guard !offsets.isEmpty else { return }
        let attempt = "alter the offsets of group '\(group)'"
        let topics = Dictionary(grouping: offsets.sorted { $0.key < $1.key }, by: \.key.topic)
        let answer = try await requests.coordinated(by: .groupCoordinator(group), attempt) { _ in
            AlterShareGroupOffsetsRequest(
                groupId: group,
                topics: topics.sorted { $0.key < $1.key }.map { topic, offsets in
                    .init(
                        topicName: topic,
                        partitions: offsets.map { .init(partitionIndex: $0.partition, startOffset: $1) })
                })
        } code: {
            $0.errorCode
        }
        try check(answer.errorCode, attempt, detail: answer.errorMessage)
        for topic in answer.responses {
            for partition in topic.partitions {
                let place = TopicPartition(topic.topicName, partition.partitionIndex)
                try check(partition.errorCode, "\(attempt) in \(place)", detail: partition.errorMessage)
            }
        }
    }

    /// Forgets where a share group is in whole topics; the group must have no members.
    ///
    /// - Throws: `.groupIdNotFound`, `.nonEmptyGroup`, `.unknownTopicOrPartition`, `.groupAuthorizationFailed`.
    package func deleteShareGroupOffsets(_ group: String, topics: [String]) async throws(ClusterError) {
        let attempt = "delete offsets of group '\(group)'"
        let answer = try await requests.coordinated(by: .groupCoordinator(group), attempt) { _ in
            DeleteShareGroupOffsetsRequest(groupId: group, topics: topics.map { .init(topicName: $0) })
        } code: {
            $0.errorCode
        }
        try check(answer.errorCode, attempt, detail: answer.errorMessage)
        for topic in answer.responses {
            try check(topic.errorCode, "\(attempt) in '\(topic.topicName)'", detail: topic.errorMessage)
        }
    }
}
