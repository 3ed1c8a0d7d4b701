import KafkaMessages

// From the topology to the target assignment, and from there to what each member has.

/// Why there is no new assignment yet, in the words of the response's status.
enum AssignmentDelay: String, Sendable {
    case initial = "Assignment delayed due to the configured initial rebalance delay."
    case interval = "Assignment delayed due to the configured assignment interval."
}

extension StreamsGroupDraft {
    /// Takes the topology of a member that joins: the first one is the group's.
    ///
    /// - Throws: 42, 130, 131.
    mutating func initialize(_ topology: StreamsGroupHeartbeatRequest.Topology) throws(ConsumerGroupError) {
        let asked = try StreamsTopology(topology)
        guard let known = group.topology else { return try add(.topology(asked)) }
        // One that is behind goes on with what it has, and is told.
        if asked.epoch < known.epoch { return }
        guard asked.epoch == known.epoch else {
            throw ConsumerGroupError(
                .streamsInvalidTopologyEpoch,
                "The member's topology epoch \(asked.epoch) is ahead of the group's topology epoch \(known.epoch).")
        }
        guard asked == known else {
            throw ConsumerGroupError(.invalidRequest, "Topology updates are not supported yet.")
        }
    }

    /// Looks which of the topology's topics exist and how many partitions they have, and tells if that is news.
    ///
    /// - Throws: 130.
    mutating func configure(_ context: StreamsGroupContext, _ isNews: inout Bool) throws(ConsumerGroupError) {
        // No member joins without one; a log may be without it.
        guard let topology = group.topology else { throw StreamsTopology.invalid("The group has no topology.") }
        let version = context.topics.version
        if group.configured == nil || version == nil || version != group.topicsVersion {
            let hash = topology.requiredTopics.compactMap { context.topics.facts(named: $0) }.metadataHash
            if group.configured == nil || hash != group.metadata.hash {
                group.configured = try ConfiguredTopology(topology, context.topics)
            }
            if hash != group.metadata.hash {
                nextMetadata.hash = hash
                isNews = true
            }
            group.topicsVersion = version
        }
        let validated = group.configured?.isReady == true ? topology.epoch : -1
        if validated != group.metadata.validatedTopologyEpoch {
            nextMetadata.validatedTopologyEpoch = validated
            isNews = true
        }
    }

    /// Moves the group to its next epoch.
    mutating func advance(_ assignmentConfigs: [String: String]) throws(ConsumerGroupError) {
        var next = nextMetadata
        // The first epoch is 2: members that wait for the first assignment are at 1.
        next.epoch = group.epoch == 0 ? 2 : group.epoch < .max ? group.epoch + 1 : 2
        next.assignmentConfigs = assignmentConfigs
        nextMetadata = next
        try add(.group(next))
        // Epochs that have come to their end begin anew, and with them that of the assignment.
        if group.assignmentEpoch > next.epoch { try add(.targetEpoch(0, at: 0)) }
    }

    /// Makes a new target assignment if the group's epoch is ahead of it and nothing holds it back.
    mutating func assign(_ context: StreamsGroupContext) throws(ConsumerGroupError) -> AssignmentDelay? {
        if let until = group.delayedUntil {
            if context.time.monotonic < until { return group.epoch > group.assignmentEpoch ? .initial : nil }
            group.delayedUntil = nil
        }
        guard group.epoch > group.assignmentEpoch else { return nil }
        guard context.time.isPast(context.settings.assignmentIntervalMs, since: group.assignmentTime) else {
            return .interval
        }
        try updateTargets(context)
        return nil
    }

    private mutating func updateTargets(_ context: StreamsGroupContext) throws(ConsumerGroupError) {
        var targets: [String: StreamsTasks] = [:]
        if let configured = group.configured, configured.isReady {
            targets =
                StickyTaskAssignment(
                    members: group.members.values.map { member in
                        .init(
                            memberId: member.memberId, processId: member.processId,
                            previous: group.targets[member.memberId] ?? StreamsTasks(),
                            restorable: TaskSet(
                                (group.taskOffsets[member.memberId]?.current ?? [:]).mapValues { Array($0.keys) }))
                    },
                    subtopologies: configured.subtopologies.map {
                        .init(id: $0.id, taskCount: $0.taskCount, isStateful: $0.isStateful)
                    }, standbyReplicaCount: Int(context.settings.standbyReplicaCount)
                ).assign()
        }
        for memberId in group.members.keys.sorted() {
            let target = targets[memberId] ?? StreamsTasks()
            if target != group.targets[memberId] { try add(.target(memberId, target)) }
        }
        try add(.targetEpoch(group.epoch, at: context.time.wall))
        group.assignmentTime = context.time.monotonic
    }

    /// Takes a member as far towards its target assignment as it can go.
    ///
    /// - Parameter isDelayed: there is no assignment for it yet.
    /// - Throws: 110 for a member in a state that we do not know and that does not say that it has nothing.
    mutating func reconcile(
        _ memberId: String, owned: StreamsTasks?, isDelayed: Bool
    ) throws(ConsumerGroupError) -> StreamsGroupMember {
        let member = try group.member(memberId)
        let next = try StreamsReconciliation(
            group: group, member: member, target: isDelayed ? StreamsTasks() : group.targets[memberId] ?? .init(),
            targetEpoch: isDelayed ? max(1, group.assignmentEpoch) : group.assignmentEpoch, owned: owned
        ).next()
        if next != member { try add(.current(memberId, .init(next))) }
        return next
    }
}

/// The next step of a member towards its target assignment.
///
/// ```
///   stable ──────── has to give something up ────────► unrevokedTasks
///     ▲  ▲                                                │ has given it up
///     │  └── target epoch, nothing missing ───────────────┤
///     │                                                   │ target epoch, something is still with others
///     └───────────── all released ────────────────── unreleasedTasks
/// ```
/// A member moves to the target epoch only when it has nothing to give up. Nobody gets an active task that another has or
/// has still to give up, and nobody a task of which another thread of its process has the state in any role.
///
/// - SeeAlso: upstream `CurrentAssignmentBuilder`.
private struct StreamsReconciliation {
    let group: StreamsGroup
    let member: StreamsGroupMember
    let target: StreamsTasks
    let targetEpoch: Int32
    /// What the member says it has; nil when it does not say.
    let owned: StreamsTasks?

    func next() throws(ConsumerGroupError) -> StreamsGroupMember {
        switch member.state {
        case .stable: return member.memberEpoch == targetEpoch ? member : reconciled(at: member.memberEpoch)
        case .unrevokedTasks:
            if has(member.pendingRevocation) { return member }
            return reconciled(at: member.memberEpoch < targetEpoch ? member.memberEpoch + 1 : member.memberEpoch)
        case .unreleasedTasks: return reconciled(at: member.memberEpoch)
        case .unknown:
            guard let owned, owned.isEmpty else {
                throw ConsumerGroupError(
                    .fencedMemberEpoch,
                    "The streams group member is in a unknown state. The member must abandon all its tasks and rejoin.")
            }
            return reconciled(at: targetEpoch)
        }
    }

    /// Whether the member may still have any of these: it has not said that it has not.
    private func has(_ tasks: StreamsTasks) -> Bool { owned.map { $0.intersects(tasks) } ?? true }

    private func reconciled(at epoch: Int32) -> StreamsGroupMember {
        let others = TaskOwners(of: group, besides: member)
        let active = difference(\.active) { others.isTaken($0, $1) }
        let standby = difference(\.standby) { others.isInProcess($0, $1) }
        let warmup = difference(\.warmup) { others.isInProcess($0, $1) }
        let revoked = StreamsTasks(active: active.revoked, standby: standby.revoked, warmup: warmup.revoked)
        var next = member
        next.assigned = StreamsTasks(active: active.kept, standby: standby.kept, warmup: warmup.kept)
        if !revoked.isEmpty, has(revoked) {
            next.state = .unrevokedTasks
            next.pendingRevocation = revoked
            next.advance(to: epoch)
            return next
        }
        let isWaiting = active.isWaiting || standby.isWaiting || warmup.isWaiting
        next.assigned = next.assigned.union(
            StreamsTasks(active: active.added, standby: standby.added, warmup: warmup.added))
        next.state = isWaiting ? .unreleasedTasks : .stable
        next.pendingRevocation = StreamsTasks()
        next.advance(to: targetEpoch)
        return next
    }

    private struct Difference {
        var kept = TaskSet()
        var revoked = TaskSet()
        var added = TaskSet()
        /// Whether something of the target is not to be had yet.
        var isWaiting = false
    }

    private func difference(
        _ role: KeyPath<StreamsTasks, TaskSet>, _ isTaken: (String, Int32) -> Bool
    ) -> Difference {
        let (current, wanted) = (member.assigned[keyPath: role], target[keyPath: role])
        var difference = Difference()
        for (id, partitions) in current.topics {
            difference.kept[id] = partitions.filter { wanted.contains(id, $0) }
            difference.revoked[id] = partitions.filter { !wanted.contains(id, $0) }
        }
        for (id, partitions) in wanted.topics {
            let missing = partitions.filter { !current.contains(id, $0) }
            difference.added[id] = missing.filter { !isTaken(id, $0) }
            if difference.added[id].count < missing.count { difference.isWaiting = true }
        }
        return difference
    }
}

/// Which tasks members have or have still to give up. The member that asks is left out: what it had, it has given up.
private struct TaskOwners {
    /// With anybody, as active ones.
    private var active = TaskSet()
    /// In the member's process, in any role.
    private var inProcess = TaskSet()

    init(of group: StreamsGroup, besides member: StreamsGroupMember) {
        var active: [(String, [Int32])] = []
        var inProcess: [(String, [Int32])] = []
        for other in group.members.values where other.memberId != member.memberId {
            for tasks in [other.assigned, other.pendingRevocation] {
                for set in tasks.active.topics { active.append((set.key, set.value)) }
                guard other.processId == member.processId else { continue }
                for role in [tasks.active, tasks.standby, tasks.warmup] {
                    for set in role.topics { inProcess.append((set.key, set.value)) }
                }
            }
        }
        self.active = TaskSet(active)
        self.inProcess = TaskSet(inProcess)
    }

    func isTaken(_ id: String, _ partition: Int32) -> Bool {
        active.contains(id, partition) || inProcess.contains(id, partition)
    }

    func isInProcess(_ id: String, _ partition: Int32) -> Bool { inProcess.contains(id, partition) }
}
