package import KafkaMessages

/// A group of the consumer protocol (KIP-848).
///
/// What must survive a crash changes in one way only, by `apply` of a record: while the log is read again and while a
/// decision is made. Decisions are made on a copy (`ConsumerGroupDraft`), so that the group itself stands still until
/// the log has the records.
///
/// - SeeAlso: upstream `ConsumerGroup` and `GroupMetadataManager`, Kafka 4.x.
package struct ConsumerGroup: Sendable {
    package enum State: String, Sendable {
        case empty = "Empty"
        /// The target assignment lags behind the members and their subscriptions.
        case assigning = "Assigning"
        /// Members are on their way to the target assignment.
        case reconciling = "Reconciling"
        case stable = "Stable"
    }

    package let groupId: String

    // What the log keeps.

    /// Grows whenever members, subscriptions or topics change.
    package internal(set) var epoch: Int32 = 0
    /// The epoch that the target assignment was made for.
    package internal(set) var assignmentEpoch: Int32 = 0
    package internal(set) var members: [String: ConsumerGroupMember] = [:]
    package internal(set) var targets: [String: TopicPartitionSet] = [:]
    /// The topics that exist of those subscribed to, by name, as the last decision about them saw them.
    package internal(set) var subscribedTopics: [String: TopicFacts] = [:]
    package internal(set) var regularExpressions: [String: ResolvedRegularExpression] = [:]

    // What follows from it.

    /// Who has a partition: as a part of its assignment, or still to give up.
    private(set) var owners: [KafkaUUID: [Int32: String]] = [:]
    private(set) var staticMemberIds: [String: String] = [:]

    // What a restart may forget.

    /// At which epoch each member got the partitions that it has or is giving up (KIP-1251). After a restart it is the
    /// epoch at which the member was.
    private var assignmentEpochs: [String: [KafkaUUID: [Int32: Int32]]] = [:]

    var timers = MemberTimers()
    /// The version of the topics that `subscribedTopics` was last compared with.
    var topicsVersion: UInt64?
    /// When the target assignment was made, monotonic milliseconds.
    var assignmentTime: Int64?
    var expressionsVersion: UInt64?
    /// When the regular expressions were last resolved, monotonic milliseconds.
    var expressionsTime: Int64?

    package init(groupId: String) { self.groupId = groupId }

    // MARK: Records

    /// Makes the change that a record stands for. Any order of records is taken: a log that was compacted in part may
    /// hold a member's tombstone without what came before it.
    package mutating func apply(_ record: ConsumerGroupRecord) {
        switch record {
        case .groupEpoch(let epoch): self.epoch = epoch ?? 0
        case .subscribedTopics(let topics): subscribedTopics = topics ?? [:]
        case .targetEpoch(let epoch): assignmentEpoch = epoch ?? 0
        case .target(let memberId, let partitions): targets[memberId] = partitions
        case .regularExpression(let expression, let resolved): regularExpressions[expression] = resolved
        case .member(let memberId, let description?): apply(description, to: memberId)
        case .member(let memberId, nil): remove(memberId)
        case .current(let memberId, let assignment?):
            var member = members[memberId] ?? ConsumerGroupMember(memberId: memberId)
            release(member)
            noteEpochs(of: assignment, memberId)
            member.take(assignment)
            members[memberId] = member
            claim(member)
        case .current(let memberId, nil):
            guard var member = members[memberId] else { return }
            release(member)
            assignmentEpochs[memberId] = nil
            member.loseAssignment()
            members[memberId] = member
        }
    }

    /// Takes what record 5 keeps; the assignment stays as it is.
    private mutating func apply(_ description: ConsumerGroupMember, to memberId: String) {
        var member = description
        member.memberId = memberId
        if let existing = members[memberId] {
            member.take(.init(existing))
            forgetInstance(of: existing)
        }
        if let instanceId = member.instanceId { staticMemberIds[instanceId] = memberId }
        members[memberId] = member
    }

    private mutating func remove(_ memberId: String) {
        timers.remove(memberId)
        assignmentEpochs[memberId] = nil
        guard let member = members.removeValue(forKey: memberId) else { return }
        release(member)
        forgetInstance(of: member)
    }

    private mutating func forgetInstance(of member: ConsumerGroupMember) {
        guard let instanceId = member.instanceId, staticMemberIds[instanceId] == member.memberId else { return }
        staticMemberIds[instanceId] = nil
    }

    private mutating func noteEpochs(of assignment: ConsumerGroupRecord.CurrentAssignment, _ memberId: String) {
        let before = assignmentEpochs[memberId] ?? [:]
        var epochs: [KafkaUUID: [Int32: Int32]] = [:]
        for set in [assignment.pendingRevocation, assignment.assigned] {
            for (id, partitions) in set.topics {
                for partition in partitions {
                    epochs[id, default: [:]][partition] = before[id]?[partition] ?? max(0, assignment.memberEpoch)
                }
            }
        }
        assignmentEpochs[memberId] = epochs
    }

    // A partition that another member took meanwhile is left with it.

    private mutating func release(_ member: ConsumerGroupMember) {
        for set in [member.assigned, member.pendingRevocation] {
            for (id, partitions) in set.topics {
                for partition in partitions where owners[id]?[partition] == member.memberId {
                    owners[id]?[partition] = nil
                }
                if owners[id]?.isEmpty == true { owners[id] = nil }
            }
        }
    }

    private mutating func claim(_ member: ConsumerGroupMember) {
        for set in [member.assigned, member.pendingRevocation] {
            for (id, partitions) in set.topics {
                for partition in partitions { owners[id, default: [:]][partition] = member.memberId }
            }
        }
    }

    // MARK: Questions

    package var state: State {
        if members.isEmpty { return .empty }
        if epoch > assignmentEpoch { return .assigning }
        return members.values.allSatisfy { $0.isReconciled(to: assignmentEpoch) } ? .stable : .reconciling
    }

    package var isEmpty: Bool { members.isEmpty }

    package func owner(of partition: Int32, in topicId: KafkaUUID) -> String? { owners[topicId]?[partition] }

    /// Whether a member had a partition at `epoch` and has it still, or is giving it up.
    func had(_ partition: Int32, in topicId: KafkaUUID, _ memberId: String, at epoch: Int32) -> Bool {
        assignmentEpochs[memberId]?[topicId]?[partition].map { $0 <= epoch } ?? false
    }

    package func staticMember(_ instanceId: String) -> ConsumerGroupMember? {
        staticMemberIds[instanceId].flatMap { members[$0] }
    }

    /// - Throws: 25.
    package func member(_ memberId: String) throws(ConsumerGroupError) -> ConsumerGroupMember {
        guard let member = members[memberId] else {
            throw ConsumerGroupError(.unknownMemberId, "Member \(memberId) is not a member of group \(groupId).")
        }
        return member
    }

    /// The ids of the topics that a member subscribes to and that exist.
    func subscribedTopicIds(of member: ConsumerGroupMember) -> Set<KafkaUUID> {
        var ids = Set(member.subscribedTopicNames.compactMap { subscribedTopics[$0]?.id })
        for topic in regularExpressions[member.subscribedTopicRegex]?.topics ?? [] {
            if let id = subscribedTopics[topic]?.id { ids.insert(id) }
        }
        return ids
    }

    /// Whether a member has only partitions of topics that it subscribes to.
    func isConsistent(_ member: ConsumerGroupMember) -> Bool {
        let subscribed = subscribedTopicIds(of: member)
        return member.assigned.topics.keys.allSatisfy(subscribed.contains)
    }

    /// Whether any member subscribes to a topic, by name or by a regular expression.
    package func isSubscribed(to topic: String) -> Bool {
        subscribedTopics[topic] != nil || members.values.contains { $0.subscribedTopicNames.contains(topic) }
    }

    /// The assignor most members ask for; the earlier name of equals, the first configured when nobody asks.
    package func assignor(_ settings: ConsumerGroupSettings) -> ServerAssignor {
        var votes: [String: Int] = [:]
        for member in members.values {
            if let name = member.serverAssignor { votes[name, default: 0] += 1 }
        }
        let winner = votes.max { a, b in a.value != b.value ? a.value < b.value : a.key > b.key }
        if let winner, let assignor = ServerAssignor(rawValue: winner.key), settings.assignors.contains(assignor) {
            return assignor
        }
        return settings.assignors.first ?? .uniform
    }
}

extension ConsumerGroup: Equatable {
    /// Whether what the log keeps is the same.
    package static func == (a: ConsumerGroup, b: ConsumerGroup) -> Bool {
        a.groupId == b.groupId && a.epoch == b.epoch && a.assignmentEpoch == b.assignmentEpoch
            && a.members == b.members && a.targets == b.targets && a.subscribedTopics == b.subscribedTopics
            && a.regularExpressions == b.regularExpressions && a.owners == b.owners
            && a.staticMemberIds == b.staticMemberIds
    }
}
