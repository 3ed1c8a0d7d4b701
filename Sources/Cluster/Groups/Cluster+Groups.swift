import Bytes
import KafkaMessages
import NIOCore

extension Cluster {
    /// All groups of all coordinators, sorted by id.
    package func groups() async throws(ClusterError) -> [GroupListing] {
        let requests = requests
        var listings: [String: GroupListing] = [:]
        for broker in try await describeCluster().brokers {
            let answer = try await requests.coordinated(by: .broker(broker.id), "list groups") { _ in
                ListGroupsRequest()
            } code: {
                $0.errorCode
            }
            try check(answer.errorCode, "list groups")
            for group in answer.groups {
                listings[group.groupId] = GroupListing(
                    id: group.groupId, protocolType: group.protocolType,
                    state: group.groupState.isEmpty ? nil : GroupState(rawValue: group.groupState),
                    type: group.groupType.isEmpty ? nil : GroupType(rawValue: group.groupType))
            }
        }
        return listings.values.sorted { $0.id < $1.id }
    }

    /// One group with its members.
    ///
    /// - Throws: `.groupIdNotFound`, `.groupAuthorizationFailed`.
    package func group(_ id: String) async throws(ClusterError) -> GroupDescription {
        let coordinator = try await requests.coordinator(of: id)
        // Only the members of the consumer protocol are seen by its own request, and it knows no other groups.
        if let described = try await consumerGroup(id, coordinator) { return described }
        do throws(ClusterError) {
            return try await classicGroup(id, coordinator)
        } catch {
            guard error.code == .groupIdNotFound else { throw error }
            if let shared = try await shareGroup(id, coordinator) { return shared }
            guard let streams = try await streamsGroup(id, coordinator) else { throw error }
            return streams
        }
    }

    private func consumerGroup(
        _ id: String, _ coordinator: BrokerDescription
    ) async throws(ClusterError) -> GroupDescription? {
        let described = try await described(id, ConsumerGroupDescribeRequest(groupIds: [id])) { answer in
            answer.groups.first.map { ($0, $0.errorCode, $0.errorMessage) }
        }
        guard let group = described else { return nil }
        return GroupDescription(
            id: id, type: .consumer, state: GroupState(rawValue: group.groupState), protocolType: "consumer",
            assignor: group.assignorName, coordinator: coordinator,
            members: group.members.map { member in
                GroupMember(
                    id: member.memberId, instanceId: member.instanceId, clientId: member.clientId,
                    host: Self.host(member.clientHost),
                    assignment: member.assignment.topicPartitions.flatMap { topic in
                        topic.partitions.map { TopicPartition(topic.topicName, $0) }
                    }.sorted())
            }.sorted { ($0.clientId, $0.id) < ($1.clientId, $1.id) })
    }

    /// What a request for groups of one type tells of one of them.
    ///
    /// - Parameter first: the group in an answer, with its error.
    /// - Returns: nil for a group that is not there or of another type, and from brokers that know no such groups.
    func described<Request: KafkaRequest, Group>(
        _ id: String, _ request: Request,
        _ first: @Sendable (Request.Response) -> (group: Group, errorCode: Int16, message: String?)?
    ) async throws(ClusterError) -> Group? {
        let attempt = "describe group '\(id)'"
        let answer: Request.Response
        do throws(ClusterError) {
            answer = try await requests.coordinated(by: .groupCoordinator(id), attempt) { _ in
                request
            } code: {
                first($0)?.errorCode ?? 0
            }
        } catch {
            guard error.code == .unsupportedVersion else { throw error }
            return nil
        }
        guard let found = first(answer) else { return nil }
        if [ErrorCode.groupIdNotFound, .unsupportedVersion].contains(ErrorCode(rawValue: found.errorCode)) {
            return nil
        }
        try check(found.errorCode, attempt, detail: found.message)
        return found.group
    }

    private func classicGroup(
        _ id: String, _ coordinator: BrokerDescription
    ) async throws(ClusterError) -> GroupDescription {
        let attempt = "describe group '\(id)'"
        let answer = try await requests.coordinated(by: .groupCoordinator(id), attempt) { _ in
            DescribeGroupsRequest(groups: [id])
        } code: {
            $0.groups.first?.errorCode ?? 0
        }
        guard let group = answer.groups.first else {
            throw ClusterError(.unknownServerError, "\(attempt): the answer is empty")
        }
        // Up to version 5 a group that is not there is one that is dead.
        guard group.errorCode != ErrorCode.groupIdNotFound.rawValue, group.groupState != GroupState.dead.rawValue else {
            throw ClusterError(.groupIdNotFound, "group '\(id)' does not exist")
        }
        try check(group.errorCode, attempt, detail: group.errorMessage)
        return GroupDescription(
            id: id, type: .classic, state: GroupState(rawValue: group.groupState), protocolType: group.protocolType,
            assignor: group.protocolData, coordinator: coordinator,
            members: group.members.map { member in
                let isConsumer = group.protocolType == ConsumerProtocol.type
                return GroupMember(
                    id: member.memberId, instanceId: member.groupInstanceId, clientId: member.clientId,
                    host: Self.host(member.clientHost),
                    // Clients write these bytes as they like; what cannot be read is shown as nothing assigned.
                    assignment: isConsumer
                        ? ((try? ConsumerProtocol.assignment(member.memberAssignment)) ?? []).sorted() : [],
                    metadata: member.memberMetadata, assignmentBytes: member.memberAssignment)
            }.sorted { ($0.clientId, $0.id) < ($1.clientId, $1.id) })
    }

    /// Without the slash that Kafka writes before it.
    static func host(_ text: String) -> String { text.hasPrefix("/") ? String(text.dropFirst()) : text }

    // MARK: Offsets

    /// What a group has committed, in all partitions where it has.
    ///
    /// - Parameter requireStable: waits for open transactions that commit offsets of the group.
    /// - Throws: `.unstableOffsetCommit` when such a transaction stays open, `.groupAuthorizationFailed`. A group that
    ///   does not exist has no offsets.
    package func groupOffsets(
        _ group: String, requireStable: Bool = false
    ) async throws(ClusterError) -> [TopicPartition: CommittedOffset] {
        try await requests.committedOffsets(of: .outside(group), in: nil, requireStable: requireStable)
    }

    /// What a group has committed in `partitions`; those without an offset are left out.
    ///
    /// - Parameter requireStable: waits for open transactions that commit offsets of these partitions.
    /// - Throws: `.unstableOffsetCommit` when such a transaction stays open, `.groupAuthorizationFailed`.
    package func groupOffsets(
        _ group: String, in partitions: [TopicPartition], requireStable: Bool
    ) async throws(ClusterError) -> [TopicPartition: CommittedOffset] {
        guard !partitions.isEmpty else { return [:] }
        return try await requests.committedOffsets(of: .outside(group), in: partitions, requireStable: requireStable)
    }

    /// Sets offsets of a group that has no members, or makes such a group.
    ///
    /// - Throws: `.nonEmptyGroup`, `.unknownTopicOrPartition`, `.groupAuthorizationFailed`; then some of the offsets may
    ///   have been set.
    package func alterGroupOffsets(
        _ group: String, _ offsets: [TopicPartition: CommittedOffset]
    ) async throws(ClusterError) {
        do throws(ClusterError) {
            try await requests.commit(offsets, by: .outside(group), attempt: "alter the offsets of group '\(group)'")
        } catch {
            let isTaken: [ClusterError.Code] = [.unknownMemberId, .illegalGeneration, .rebalanceInProgress]
            guard isTaken.contains(error.code) || error.code == .fencedMemberEpoch else { throw error }
            throw ClusterError(.nonEmptyGroup, "alter the offsets of group '\(group)': the group has members")
        }
    }

    /// Commits offsets as a member of a group.
    ///
    /// - Throws: `.unknownMemberId`, `.illegalGeneration`, `.fencedInstanceId` when the member has lost its place;
    ///   `.rebalanceInProgress` while the group settles.
    package func commitOffsets(
        _ offsets: [TopicPartition: CommittedOffset], by member: GroupIdentity
    ) async throws(ClusterError) {
        try await requests.commit(offsets, by: member, attempt: "commit offsets of group '\(member.group)'")
    }

    /// Deletes offsets of a group.
    ///
    /// - Throws: `.groupIdNotFound`, `.groupSubscribedToTopic` when a member reads the topic, `.nonEmptyGroup` when the
    ///   group is no group of consumers and has members.
    package func deleteGroupOffsets(
        _ group: String, _ partitions: [TopicPartition]
    ) async throws(ClusterError) {
        let attempt = "delete offsets of group '\(group)'"
        let topics = Dictionary(grouping: partitions, by: \.topic).sorted { $0.key < $1.key }
        let answer = try await requests.coordinated(by: .groupCoordinator(group), attempt) { _ in
            OffsetDeleteRequest(
                groupId: group,
                topics: topics.map { topic, partitions in
                    .init(name: topic, partitions: partitions.map { .init(partitionIndex: $0.partition) })
                })
        } code: {
            $0.errorCode
        }
        try check(answer.errorCode, attempt)
        for topic in answer.topics {
            for partition in topic.partitions {
                try check(partition.errorCode, "\(attempt) in \(TopicPartition(topic.name, partition.partitionIndex))")
            }
        }
    }

    /// Puts members out of a group, whose partitions the others take over at once.
    ///
    /// - Throws: `.unknownMemberId` when one of them is not there any more, `.groupAuthorizationFailed`,
    ///   `.unsupportedVersion` by brokers before Kafka 2.4.
    package func removeMembers(_ ids: [String], from group: String) async throws(ClusterError) {
        let attempt = "put members out of group '\(group)'"
        let answer = try await requests.coordinated(by: .groupCoordinator(group), attempt, versions: 3...5) { _ in
            LeaveGroupRequest(groupId: group, members: ids.map { .init(memberId: $0, groupInstanceId: nil) })
        } code: {
            $0.errorCode
        }
        for member in answer.members { try check(member.errorCode, "\(attempt): '\(member.memberId)'") }
    }

    /// Deletes a group that has no members, with its offsets.
    ///
    /// - Throws: `.groupIdNotFound`, `.nonEmptyGroup`, `.groupAuthorizationFailed`.
    package func deleteGroup(_ group: String) async throws(ClusterError) {
        let attempt = "delete group '\(group)'"
        let answer = try await requests.coordinated(by: .groupCoordinator(group), attempt) { _ in
            DeleteGroupsRequest(groupsNames: [group])
        } code: {
            $0.results.first?.errorCode ?? 0
        }
        try check(answer.results.first?.errorCode ?? -1, attempt)
    }
}

extension RequestChannel {
    /// The broker that coordinates a group, waited for while the cluster starts.
    func coordinator(of group: String) async throws(ClusterError) -> BrokerDescription {
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        while true {
            do throws(ClusterError) {
                return try await broker(.groupCoordinator(group))
            } catch {
                let isPassing = [.coordinatorNotAvailable, .coordinatorLoadInProgress].contains(error.code)
                guard isPassing, clock.now < deadline, !Task.isCancelled else { throw error }
                try? await Task.sleep(for: .milliseconds(100))  // a cancelled wait ends at the look above
            }
        }
    }

    /// Commits offsets as a member, or from outside of a group.
    ///
    /// - Throws: the first partition's failure; the others may have been committed. Of a member that is none any more:
    ///   `.unknownMemberId`, `.illegalGeneration`, `.fencedInstanceId`, `.staleMemberEpoch`; `.rebalanceInProgress` while
    ///   the group settles.
    func commit(
        _ offsets: [TopicPartition: CommittedOffset], by member: GroupIdentity, attempt: String
    ) async throws(ClusterError) {
        guard !offsets.isEmpty else { return }
        let topics = Dictionary(grouping: offsets.sorted { $0.key < $1.key }, by: \.key.topic)
        // From version 10 on topics go by their ids, which not every caller has.
        let answer = try await coordinated(
            by: .groupCoordinator(member.group), attempt, versions: 2...9
        ) { _ in
            OffsetCommitRequest(
                groupId: member.group, generationIdOrMemberEpoch: member.generation, memberId: member.memberId,
                groupInstanceId: member.instanceId,
                topics: topics.sorted { $0.key < $1.key }.map { topic, offsets in
                    .init(
                        name: topic,
                        partitions: offsets.map { partition, offset in
                            .init(
                                partitionIndex: partition.partition, committedOffset: offset.offset,
                                committedLeaderEpoch: offset.leaderEpoch ?? -1, committedMetadata: offset.metadata)
                        })
                })
        } code: { answer in
            answer.topics.lazy.flatMap(\.partitions).map(\.errorCode).first { $0 != 0 } ?? 0
        }
        for topic in answer.topics {
            for partition in topic.partitions {
                try check(partition.errorCode, "\(attempt) in \(TopicPartition(topic.name, partition.partitionIndex))")
            }
        }
    }

    /// What a group has committed.
    ///
    /// - Parameters:
    ///   - member: who asks; the coordinator refuses a member that is none any more.
    ///   - partitions: nil for all.
    func committedOffsets(
        of member: GroupIdentity, in partitions: [TopicPartition]?, requireStable: Bool
    ) async throws(ClusterError) -> [TopicPartition: CommittedOffset] {
        let attempt = "fetch the offsets of group '\(member.group)'"
        let topics = partitions.map { Dictionary(grouping: $0, by: \.topic).sorted { $0.key < $1.key } }
        let answer = try await coordinated(
            by: .groupCoordinator(member.group), attempt, versions: 2...9, retried: [.unstableOffsetCommit]
        ) { version in
            var request = OffsetFetchRequest()
            request.requireStable = requireStable && version >= 7
            if version >= 8 {
                var group = OffsetFetchRequest.OffsetFetchRequestGroup()
                group.groupId = member.group
                // Only members of the consumer protocol are checked by it, and only from version 9 on.
                if version >= 9, !member.memberId.isEmpty, member.generation >= 0 {
                    group.memberId = member.memberId
                    group.memberEpoch = member.generation
                }
                group.topics = topics?.map { topic, partitions in
                    .init(name: topic, partitionIndexes: partitions.map(\.partition))
                }
                request.groups = [group]
            } else {
                request.groupId = member.group
                request.topics = topics?.map { topic, partitions in
                    .init(name: topic, partitionIndexes: partitions.map(\.partition))
                }
            }
            return request
        } code: { answer in
            if let group = answer.groups.first {
                return group.errorCode != 0
                    ? group.errorCode : group.topics.lazy.flatMap(\.partitions).map(\.errorCode).first { $0 != 0 } ?? 0
            }
            return answer.errorCode != 0
                ? answer.errorCode : answer.topics.lazy.flatMap(\.partitions).map(\.errorCode).first { $0 != 0 } ?? 0
        }
        var found: [TopicPartition: CommittedOffset] = [:]
        func take(
            _ topic: String, _ partition: Int32, _ offset: Int64, _ epoch: Int32, _ metadata: String?, _ code: Int16
        ) throws(ClusterError) {
            try check(code, "\(attempt) in \(TopicPartition(topic, partition))")
            guard offset >= 0 else { return }  // nothing is committed there
            found[TopicPartition(topic, partition)] = CommittedOffset(
                offset, leaderEpoch: epoch < 0 ? nil : epoch, metadata: metadata ?? "")
        }
        if let group = answer.groups.first {
            try check(group.errorCode, attempt)
            for topic in group.topics {
                for p in topic.partitions {
                    try take(
                        topic.name, p.partitionIndex, p.committedOffset, p.committedLeaderEpoch, p.metadata, p.errorCode
                    )
                }
            }
        } else {
            try check(answer.errorCode, attempt)
            for topic in answer.topics {
                for p in topic.partitions {
                    try take(
                        topic.name, p.partitionIndex, p.committedOffset, p.committedLeaderEpoch, p.metadata, p.errorCode
                    )
                }
            }
        }
        return found
    }
}
