import KafkaMessages

extension StreamsGroup {
    typealias Described = StreamsGroupDescribeResponse

    /// One group of StreamsGroupDescribe. Topics have their numbers of partitions when all are there, else those that the
    /// application asks for.
    func describe() -> Described.DescribedGroup {
        .init(
            groupId: groupId, groupState: state.rawValue, groupEpoch: epoch, assignmentEpoch: assignmentEpoch,
            topology: topology.map(describe), members: members.values.sorted { $0.memberId < $1.memberId }.map(describe)
        )
    }

    private func describe(_ topology: StreamsTopology) -> Described.Topology {
        let counts = configured?.isReady == true ? configured?.partitionCounts ?? [:] : [:]
        func topics(_ infos: [StreamsTopology.TopicInfo]) -> [Described.TopicInfo] {
            infos.map { info in
                .init(
                    name: info.name, partitions: counts[info.name] ?? info.partitions,
                    replicationFactor: info.replicationFactor,
                    topicConfigs: info.topicConfigs.map { .init(key: $0.key, value: $0.value) })
            }
        }
        return .init(
            epoch: topology.epoch,
            subtopologies: topology.subtopologies.map { subtopology in
                .init(
                    subtopologyId: subtopology.subtopologyId, sourceTopics: subtopology.sourceTopics.sorted(),
                    repartitionSinkTopics: subtopology.repartitionSinkTopics.sorted(),
                    stateChangelogTopics: topics(subtopology.stateChangelogTopics),
                    repartitionSourceTopics: topics(subtopology.repartitionSourceTopics))
            })
    }

    private func describe(_ member: StreamsGroupMember) -> Described.Member {
        let told = taskOffsets[member.memberId] ?? .init()
        return .init(
            memberId: member.memberId, memberEpoch: member.memberEpoch, instanceId: member.instanceId,
            rackId: member.rackId, clientId: member.clientId, clientHost: member.clientHost,
            topologyEpoch: member.topologyEpoch, processId: member.processId,
            userEndpoint: member.userEndpoint.map { .init(host: $0.host, port: $0.port) },
            clientTags: member.clientTags.sorted { $0.key < $1.key }.map { .init(key: $0.key, value: $0.value) },
            taskOffsets: Self.offsets(told.current), taskEndOffsets: Self.offsets(told.end),
            assignment: Self.assignment(member.assigned),
            targetAssignment: Self.assignment(targets[member.memberId] ?? StreamsTasks()))
    }

    private static func offsets(_ offsets: [String: [Int32: Int64]]) -> [Described.TaskOffset] {
        offsets.sorted { $0.key < $1.key }.flatMap { id, partitions in
            partitions.sorted { $0.key < $1.key }.map {
                .init(subtopologyId: id, partition: $0.key, offset: $0.value)
            }
        }
    }

    private static func assignment(_ tasks: StreamsTasks) -> Described.Assignment {
        func ids(_ set: TaskSet) -> [Described.TaskIds] {
            set.sorted.map { .init(subtopologyId: $0.id, partitions: $0.partitions) }
        }
        return .init(activeTasks: ids(tasks.active), standbyTasks: ids(tasks.standby), warmupTasks: ids(tasks.warmup))
    }

    // MARK: Offsets

    /// - Parameters:
    ///   - version: of OffsetCommit; members need 9. nil for commits of a transaction, which need not say who of the group
    ///     has read: who is replaced is fenced as a producer.
    /// - Throws: 25, 35, 113.
    func validateOffsetCommit(
        memberId: String, instanceId: String?, memberEpoch: Int32, version: Int16?
    ) throws(ConsumerGroupError) -> ConsumerGroup.Commit {
        if memberEpoch < 0, members.isEmpty { return .all }
        if version == nil, memberEpoch == -1, memberId.isEmpty, instanceId == nil { return .all }
        let member = try member(memberId)
        if let version, version < 9 {
            throw ConsumerGroupError(
                .unsupportedVersion,
                "OffsetCommit version 9 or above must be used by members using the streams group protocol")
        }
        if memberEpoch < member.memberEpoch { return .had(at: memberEpoch) }
        try check(memberEpoch, of: member)
        return .all
    }

    /// - Parameter memberId: nil, with an epoch below 0, for a request from outside the group.
    /// - Throws: 25, 113.
    func validateOffsetFetch(memberId: String?, memberEpoch: Int32) throws(ConsumerGroupError) {
        guard let memberId else {
            if memberEpoch < 0 { return }
            throw ConsumerGroupError(.unknownMemberId, "Member null is not a member of group \(groupId).")
        }
        try check(memberEpoch, of: try member(memberId))
    }

    private func check(_ epoch: Int32, of member: StreamsGroupMember) throws(ConsumerGroupError) {
        guard epoch != member.memberEpoch else { return }
        throw ConsumerGroupError(
            .staleMemberEpoch,
            "The received member epoch \(epoch) does not match the expected member epoch \(member.memberEpoch).")
    }

    // MARK: The end

    /// The records that delete the group.
    ///
    /// - Throws: 68 while it has members.
    func delete() throws(ConsumerGroupError) -> [CoordinatorRecord] {
        guard isEmpty else { throw ConsumerGroupError(.nonEmptyGroup, "The group is not empty.") }
        var draft = StreamsGroupDraft(self)
        for memberId in targets.keys.sorted() { try draft.add(.target(memberId, nil)) }
        try draft.add(.targetEpoch(nil, at: 0))
        try draft.add(.topology(nil))
        try draft.add(.group(nil))
        return draft.records
    }
}
