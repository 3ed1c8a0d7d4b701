import KafkaMessages

extension ClassicGroup {
    /// Does what is due. Afterwards no deadline lies at or before `context.at`, unless one was met that starts another:
    /// the caller repeats.
    mutating func expire(_ context: Context, _ effects: inout GroupEffects) {
        let now = context.at.monotonic
        for (memberId, deadline) in pendingMembers.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) })
        where deadline <= now {
            pendingMembers[memberId] = nil
            if state == .preparingRebalance, hasAllMembersJoined { completeJoin(context, &effects) }
        }
        for memberId in members.all.filter({ $0.sessionDeadline <= now }).map(\.id) {
            expire(memberId: memberId, context, &effects)
        }
        if joinDeadline <= now { endJoins(context, &effects) }
        if syncDeadline <= now { expireSync(context, &effects) }
    }

    private mutating func expire(memberId: String, _ context: Context, _ effects: inout GroupEffects) {
        // A member before it may have ended the round, which gave this one a new session.
        guard let position = members.position(of: memberId),
            members.all[position].sessionDeadline <= context.at.monotonic
        else { return }
        guard !members.all[position].satisfiesHeartbeat else {
            members.all[position].sessionDeadline = .max
            return
        }
        removeAndReply(memberId: memberId, &effects)
        switch state {
        case .stable, .completingRebalance: prepareRebalance(context, &effects)
        case .preparingRebalance where hasAllMembersJoined: completeJoin(context, &effects)
        case .preparingRebalance, .empty: break
        }
    }

    /// The time for joins is over. An initial round goes on while members keep coming, up to the rebalance timeout.
    private mutating func endJoins(_ context: Context, _ effects: inout GroupEffects) {
        guard state == .preparingRebalance else {
            joinDeadline = .max
            return
        }
        guard isInitialRebalance, hasNewMember, initialDelayRemainingMs > 0 else {
            return completeJoin(context, &effects)
        }
        hasNewMember = false
        let delay = min(Int64(max(1, context.configuration.initialRebalanceDelayMs)), initialDelayRemainingMs)
        initialDelayRemainingMs -= delay
        joinDeadline = context.at.monotonic + delay
    }

    /// Members that took part in the round and never asked for their assignment are out.
    private mutating func expireSync(_ context: Context, _ effects: inout GroupEffects) {
        syncDeadline = .max
        guard state == .completingRebalance || state == .stable, !pendingSync.isEmpty else { return }
        for memberId in pendingSync.sorted() { removeAndReply(memberId: memberId, &effects) }
        prepareRebalance(context, &effects)
    }
}
