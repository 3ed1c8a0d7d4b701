package import Cluster
import KafkaMessages

/// One group among all.
package struct GroupOverview: Sendable {
    package var id: String
    /// `consumer`, `connect`, `sr`, ...; empty for a group that only ever had offsets committed.
    package var protocolType: String
    package var state: GroupState
    package var memberCount: Int
    package var offsets: [TopicPartition: CommittedOffset]
    /// Where the broker counts what is still to be read (share groups).
    package var lags: [TopicPartition: Int64] = [:]
}

extension Cluster {
    /// All groups with their members counted and their offsets, in three requests to each broker however many groups
    /// there are. Sorted by id.
    package func surveyGroups() async throws(ClusterError) -> [GroupOverview] {
        var found: [String: GroupOverview] = [:]
        for broker in try await describeCluster().brokers {
            for group in try await groups(of: broker.id) { found[group.id] = group }
        }
        return found.values.sorted { $0.id < $1.id }
    }

    private func groups(of broker: Int32) async throws(ClusterError) -> [GroupOverview] {
        let target = RequestTarget.broker(broker)
        let requests = requests
        let listed = try await requests.coordinated(by: target, "list groups") { _ in
            ListGroupsRequest()
        } code: {
            $0.errorCode
        }
        try check(listed.errorCode, "list groups")
        var groups = Dictionary(
            listed.groups.map { group in
                (
                    group.groupId,
                    GroupOverview(
                        id: group.groupId, protocolType: group.protocolType,
                        state: GroupState(rawValue: group.groupState), memberCount: 0, offsets: [:])
                )
            }
        ) { first, _ in first }
        let consumers = listed.groups.filter { $0.groupType.lowercased() == "consumer" }.map(\.groupId)
        let shares = listed.groups.filter { $0.groupType.lowercased() == "share" }.map(\.groupId)
        let streams = listed.groups.filter { $0.groupType.lowercased() == "streams" }.map(\.groupId)
        let classic = listed.groups.filter {
            !["consumer", "share", "streams"].contains($0.groupType.lowercased())
        }.map(\.groupId)
        if !classic.isEmpty {
            let answer = try await requests.call(
                to: target, versions: DescribeGroupsRequest.versions, timeout: requests.timeout
            ) { _ in DescribeGroupsRequest(groups: classic) }
            // A group may end between the list and the look at it.
            for group in answer.groups where group.errorCode == 0 {
                groups[group.groupId]?.memberCount = group.members.count
                groups[group.groupId]?.state = GroupState(rawValue: group.groupState)
            }
        }
        if !consumers.isEmpty {
            let answer = try await requests.call(
                to: target, versions: ConsumerGroupDescribeRequest.versions, timeout: requests.timeout
            ) { _ in ConsumerGroupDescribeRequest(groupIds: consumers) }
            for group in answer.groups where group.errorCode == 0 {
                groups[group.groupId]?.memberCount = group.members.count
                groups[group.groupId]?.state = GroupState(rawValue: group.groupState)
            }
        }
        if !streams.isEmpty {
            let answer = try await requests.call(
                to: target, versions: StreamsGroupDescribeRequest.versions, timeout: requests.timeout
            ) { _ in StreamsGroupDescribeRequest(groupIds: streams) }
            for group in answer.groups where group.errorCode == 0 {
                groups[group.groupId]?.memberCount = group.members.count
                groups[group.groupId]?.state = GroupState(rawValue: group.groupState)
            }
        }
        if !shares.isEmpty {
            let answer = try await requests.call(
                to: target, versions: ShareGroupDescribeRequest.versions, timeout: requests.timeout
            ) { _ in ShareGroupDescribeRequest(groupIds: shares) }
            for group in answer.groups where group.errorCode == 0 {
                groups[group.groupId]?.memberCount = group.members.count
                groups[group.groupId]?.state = GroupState(rawValue: group.groupState)
            }
            for (id, shared) in try await shareGroupOffsets(shares, at: target) {
                let positions = GroupPositions(shared)
                groups[id]?.offsets = positions.offsets
                groups[id]?.lags = positions.lags
            }
        }
        let others = (classic + consumers + streams).sorted()
        for (id, offsets) in try await offsets(of: others, target) { groups[id]?.offsets = offsets }
        return groups.values.filter { $0.state != .dead }
    }

    private func offsets(
        of groups: [String], _ target: RequestTarget
    ) async throws(ClusterError) -> [String: [TopicPartition: CommittedOffset]] {
        guard !groups.isEmpty else { return [:] }
        var found: [String: [TopicPartition: CommittedOffset]] = [:]
        let answer: OffsetFetchResponse
        do throws(ClusterError) {
            // Version 8 is the first with several groups; from 10 on topics go by their ids.
            answer = try await requests.call(to: target, versions: 8...9, timeout: requests.timeout) { _ in
                var request = OffsetFetchRequest()
                request.groups = groups.map { id in
                    var group = OffsetFetchRequest.OffsetFetchRequestGroup()
                    group.groupId = id
                    group.topics = nil
                    return group
                }
                return request
            }
        } catch {
            guard error.code == .unsupportedVersion else { throw error }
            for id in groups { found[id] = try await groupOffsets(id) }
            return found
        }
        for group in answer.groups where group.errorCode == 0 {
            var offsets: [TopicPartition: CommittedOffset] = [:]
            for topic in group.topics {
                for partition in topic.partitions where partition.errorCode == 0 && partition.committedOffset >= 0 {
                    offsets[TopicPartition(topic.name, partition.partitionIndex)] = CommittedOffset(
                        partition.committedOffset, metadata: partition.metadata ?? "")
                }
            }
            found[group.groupId] = offsets
        }
        return found
    }
}
