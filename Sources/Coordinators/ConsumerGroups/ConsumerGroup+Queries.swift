package import KafkaMessages

extension ConsumerGroup {
    /// One group of ConsumerGroupDescribe. Topics that no longer exist are left out.
    ///
    /// - Parameter version: members' types are told from 1 on.
    package func describe(
        version: Int16, _ settings: ConsumerGroupSettings, topics: any TopicImage
    ) -> ConsumerGroupDescribeResponse.DescribedGroup {
        typealias Assignment = ConsumerGroupDescribeResponse.Assignment
        func described(_ partitions: TopicPartitionSet) -> Assignment {
            Assignment(
                topicPartitions: partitions.sorted.compactMap { id, partitions in
                    topics.facts(id: id).map { .init(topicId: id, topicName: $0.name, partitions: partitions) }
                })
        }
        return .init(
            groupId: groupId, groupState: state.rawValue, groupEpoch: epoch, assignmentEpoch: assignmentEpoch,
            assignorName: assignor(settings).rawValue,
            members: members.values.sorted { $0.memberId < $1.memberId }.map { member in
                var description = ConsumerGroupDescribeResponse.Member(
                    memberId: member.memberId, instanceId: member.instanceId, rackId: member.rackId,
                    memberEpoch: member.memberEpoch, clientId: member.clientId, clientHost: member.clientHost,
                    subscribedTopicNames: member.subscribedTopicNames,
                    subscribedTopicRegex: member.subscribedTopicRegex, assignment: described(member.assigned),
                    targetAssignment: described(targets[member.memberId] ?? TopicPartitionSet()))
                if version >= 1 { description.memberType = member.usesClassicProtocol ? 0 : 1 }
                return description
            })
    }

    // MARK: Offsets

    /// Which partitions of those asked for a commit is for.
    enum Commit: Equatable {
        case all
        /// The member has moved on and may not know it yet: those that it had at this epoch and has not given up
        /// (KIP-1251).
        case had(at: Int32)
    }

    /// - Parameters:
    ///   - memberEpoch: the generation of a member of the classic protocol; below 0 for a commit from outside the
    ///     group, which only an empty group takes.
    ///   - version: of OffsetCommit; members of the consumer protocol need 9. nil for commits of a transaction, which
    ///     need not say who of the group has read: older producers cannot, and who is replaced is fenced as a producer.
    /// - Throws: 25, 35, 113; 22 for members of the classic protocol.
    func validateOffsetCommit(
        memberId: String, instanceId: String?, memberEpoch: Int32, version: Int16?
    ) throws(ConsumerGroupError) -> Commit {
        if memberEpoch < 0, members.isEmpty { return .all }
        if version == nil, memberEpoch == -1, memberId.isEmpty, instanceId == nil { return .all }
        let member = try member(memberId)
        if let version, version < 9, !member.usesClassicProtocol {
            throw ConsumerGroupError(
                .unsupportedVersion,
                "OffsetCommit version 9 or above must be used by members using the modern group protocol")
        }
        if !member.usesClassicProtocol, memberEpoch < member.memberEpoch { return .had(at: memberEpoch) }
        try check(memberEpoch, of: member)
        return .all
    }

    /// - Parameter memberId: nil, with an epoch below 0, for a request from outside the group.
    /// - Throws: 25, 113; 22 for members of the classic protocol.
    package func validateOffsetFetch(memberId: String?, memberEpoch: Int32) throws(ConsumerGroupError) {
        guard let memberId else {
            if memberEpoch < 0 { return }
            throw ConsumerGroupError(.unknownMemberId, "Member null is not a member of group \(groupId).")
        }
        try check(memberEpoch, of: try member(memberId))
    }

    private func check(_ epoch: Int32, of member: ConsumerGroupMember) throws(ConsumerGroupError) {
        guard epoch != member.memberEpoch else { return }
        let expected = "does not match the expected member epoch \(member.memberEpoch)."
        if member.usesClassicProtocol {
            throw ConsumerGroupError(.illegalGeneration, "The received generation id \(epoch) \(expected)")
        }
        throw ConsumerGroupError(.staleMemberEpoch, "The received member epoch \(epoch) \(expected)")
    }

    // MARK: The end

    /// The records that delete the group.
    ///
    /// - Throws: 68 while it has members.
    package func delete() throws(ConsumerGroupError) -> [CoordinatorRecord] {
        guard isEmpty else { throw ConsumerGroupError(.nonEmptyGroup, "The group is not empty.") }
        var draft = ConsumerGroupDraft(self)
        try draft.removeGroup()
        return draft.records
    }
}

extension ConsumerGroupDraft {
    /// Writes tombstones for all that the group has, members before what they belong to.
    mutating func removeGroup() throws(ConsumerGroupError) {
        let memberIds = group.members.keys.sorted()
        for memberId in memberIds { try add(.current(memberId, nil)) }
        for memberId in group.targets.keys.sorted() { try add(.target(memberId, nil)) }
        try add(.targetEpoch(nil))
        for memberId in memberIds { try add(.member(memberId, nil)) }
        for expression in group.regularExpressions.keys.sorted() { try add(.regularExpression(expression, nil)) }
        try add(.subscribedTopics(nil))
        try add(.groupEpoch(nil))
    }
}
