import KafkaMessages

// From subscriptions to the target assignment, and from there to what each member has.

extension ConsumerGroupDraft {
    /// Writes a member that is new or has changed, resolves its regular expression, and advances the group's epoch when
    /// subscriptions or topics are not what they were.
    ///
    /// - Parameter before: the member as it was; not in the group if it is new.
    /// - Throws: 128.
    mutating func update(
        _ member: ConsumerGroupMember, from before: ConsumerGroupMember, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) {
        if group.members[member.memberId] == nil || member != before {
            try add(.member(member.memberId, member))
        }
        let areExpressionsChanged = try updateExpressions(member, from: before, context)
        // A group that has just been made has to leave epoch 0.
        let mustAdvance =
            group.epoch == 0 || member.subscribedTopicNames != before.subscribedTopicNames || areExpressionsChanged
        try updateSubscribedTopics(mustAdvance: mustAdvance, context)
    }

    /// Looks which of the topics subscribed to exist and how many partitions they have, and advances the epoch if that
    /// is news.
    mutating func updateSubscribedTopics(
        mustAdvance: Bool, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) {
        var mustAdvance = mustAdvance
        let version = context.topics.version
        if mustAdvance || version == nil || version != group.topicsVersion {
            var topics: [String: TopicFacts] = [:]
            for name in group.subscribedNames { topics[name] = context.topics.facts(named: name) }
            if topics != group.subscribedTopics {
                try add(.subscribedTopics(topics))
                mustAdvance = true
            }
            group.topicsVersion = version
        }
        if mustAdvance { try add(.groupEpoch(group.epoch.next)) }
    }

    /// Makes a new target assignment if the group's epoch is ahead of it and the last one is old enough, and takes the
    /// member as far towards it as it can go.
    ///
    /// - Returns: whether there was nothing to do for the member.
    mutating func assignAndReconcile(
        _ memberId: String, owned: TopicPartitionSet?, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) -> Bool {
        if group.epoch > group.assignmentEpoch, group.isAssignmentDue(context) { try updateTarget(context) }
        let member = try group.member(memberId)
        let next = try Reconciliation(
            group: group, member: member, target: group.targets[memberId] ?? TopicPartitionSet(), owned: owned
        ).next()
        guard next != member else { return true }
        try add(.current(memberId, .init(next)))
        return false
    }

    private mutating func updateTarget(_ context: ConsumerGroupContext) throws(ConsumerGroupError) {
        let members = group.members.values.map { member in
            AssignmentInput.Member(
                memberId: member.memberId, subscribedTopicIds: group.subscribedTopicIds(of: member),
                previous: group.targets[member.memberId] ?? TopicPartitionSet())
        }
        let counts = Dictionary(group.subscribedTopics.values.map { ($0.id, $0.partitionCount) }) { first, _ in first }
        let targets = group.assignor(context.settings)
            .assign(AssignmentInput(members: members, partitionCounts: counts))
        for memberId in group.members.keys.sorted() {
            let target = targets[memberId] ?? TopicPartitionSet()
            if target != group.targets[memberId] { try add(.target(memberId, target)) }
        }
        try add(.targetEpoch(group.epoch))
        group.assignmentTime = context.time.monotonic
    }
}

extension ConsumerGroup {
    /// Whether the last assignment is so old that another one may be made.
    func isAssignmentDue(_ context: ConsumerGroupContext) -> Bool {
        context.time.isPast(context.settings.assignmentIntervalMs, since: assignmentTime)
    }

    /// The names that any member subscribes to, by itself or through a regular expression.
    var subscribedNames: Set<String> {
        var names: Set<String> = []
        for member in members.values { names.formUnion(member.subscribedTopicNames) }
        for resolved in regularExpressions.values { names.formUnion(resolved.topics) }
        return names
    }
}

extension Int32 {
    /// The epoch after this one.
    fileprivate var next: Int32 { self < .max ? self + 1 : 1 }
}

/// The next step of a member towards its target assignment.
///
/// ```
///   stable ──────── has to give something up ────────► unrevokedPartitions
///     ▲  ▲                                                │ has given it up
///     │  └── target epoch, nothing missing ───────────────┤
///     │                                                   │ target epoch, something is still with others
///     └───────────── all released ──────────────── unreleasedPartitions
/// ```
/// A member moves to the target epoch only when it has nothing to give up, and nobody gets a partition that another has
/// or has still to give up: that is what keeps two members from having one partition.
///
/// - SeeAlso: upstream `CurrentAssignmentBuilder`.
struct Reconciliation {
    let group: ConsumerGroup
    let member: ConsumerGroupMember
    let target: TopicPartitionSet
    /// What the member says it has; nil when it does not say.
    let owned: TopicPartitionSet?

    /// - Throws: 110 for a member in a state that we do not know and that does not say that it has nothing.
    func next() throws(ConsumerGroupError) -> ConsumerGroupMember {
        switch member.state {
        case .stable:
            if member.memberEpoch != group.assignmentEpoch { return reconciled() }
            return group.isConsistent(member) ? member : restricted()
        case .unrevokedPartitions:
            if !has(member.pendingRevocation) { return reconciled() }
            return group.isConsistent(member) ? member : restricted()
        case .unreleasedPartitions: return reconciled()
        case .unknown:
            guard let owned, owned.isEmpty else {
                throw ConsumerGroupError(
                    .fencedMemberEpoch,
                    "The consumer group member is in a unknown state. The member must abandon all its partitions and"
                        + " rejoin.")
            }
            return reconciled()
        }
    }

    /// Whether the member may still have any of these: it has not said that it has not.
    private func has(_ partitions: TopicPartitionSet) -> Bool { owned.map { !$0.isDisjoint(with: partitions) } ?? true }

    /// Takes from a member at its epoch what it no longer subscribes to.
    private func restricted() -> ConsumerGroupMember {
        let subscribed = group.subscribedTopicIds(of: member)
        var next = member
        next.assigned = TopicPartitionSet(member.assigned.topics.filter { subscribed.contains($0.key) })
        for (id, partitions) in member.assigned.topics where !subscribed.contains(id) {
            next.pendingRevocation[id] = next.pendingRevocation[id] + partitions
        }
        next.advance(to: member.memberEpoch)
        if has(next.pendingRevocation) {
            next.state = .unrevokedPartitions
        } else {
            next.pendingRevocation = member.pendingRevocation
        }
        return next
    }

    private func reconciled() -> ConsumerGroupMember {
        let subscribed = group.subscribedTopicIds(of: member)
        var assigned = TopicPartitionSet()
        var revoked = TopicPartitionSet()
        var added: [KafkaUUID: [Int32]] = [:]
        var isWaiting = false
        for id in Set(target.topics.keys).union(member.assigned.topics.keys) {
            let current = member.assigned[id]
            let wanted = subscribed.contains(id) ? target[id] : []
            assigned[id] = current.filter(wanted.isAscending(containing:))
            revoked[id] = current.filter { !wanted.isAscending(containing: $0) }
            for partition in wanted where !current.isAscending(containing: partition) {
                let owner = group.owner(of: partition, in: id)
                // What the member itself was to give up, and has, it may have again.
                if owner == nil || owner == member.memberId {
                    added[id, default: []].append(partition)
                } else {
                    isWaiting = true
                }
            }
        }
        var next = member
        if !revoked.isEmpty, has(revoked) {
            next.state = .unrevokedPartitions
            next.assigned = assigned
            next.pendingRevocation = revoked
            next.advance(to: member.memberEpoch)
            return next
        }
        for (id, partitions) in added { assigned[id] = assigned[id] + partitions }
        next.state = isWaiting ? .unreleasedPartitions : .stable
        next.assigned = assigned
        next.pendingRevocation = TopicPartitionSet()
        next.advance(to: group.assignmentEpoch)
        return next
    }
}
