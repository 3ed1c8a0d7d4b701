import KafkaMessages

extension StreamsGroup {
    /// When `tick` wants to be called, monotonic milliseconds; `Int64.max` for never. It may be too early: members that
    /// have been heard of since are found out then.
    var nextDeadline: Int64 { min(timers.earliest, delayedUntil ?? .max) }

    /// The members whose time is over.
    mutating func lateMembers(at now: Int64) -> [String] {
        var late: [String] = []
        for (memberId, deadlines) in timers.deadlines where deadlines.earliest <= now {
            let rebalance = deadlines.rebalance
            let isStuck = rebalance.map { $0.at <= now && members[memberId]?.memberEpoch == $0.epoch } ?? false
            if deadlines.session <= now || isStuck {
                late.append(memberId)
            } else {
                timers.setRebalance(memberId, nil)
            }
        }
        timers.settle()
        return late.sorted()
    }

    /// No record can be made of these members, which have been read from the log: they stay as long as their group does,
    /// and nobody is asked about them again.
    mutating func forgetTimers(of memberIds: [String]) {
        for memberId in memberIds { timers.remove(memberId) }
        timers.settle()
    }

    /// All records are in: members get a whole session to show that they are still there, and those that were giving
    /// something up the whole time to do so.
    mutating func finishLoading(_ context: StreamsGroupContext) {
        timers = MemberTimers()
        topicsVersion = nil
        configured = nil
        for member in members.values {
            timers.heard(of: member.memberId, until: context.deadline(after: context.settings.sessionTimeoutMs))
            if member.state == .unrevokedTasks {
                timers.setRebalance(
                    member.memberId,
                    (at: context.deadline(after: member.rebalanceTimeoutMs), epoch: member.memberEpoch))
            }
        }
    }
}

extension StreamsGroupDraft {
    /// Takes out the members whose time is over, and makes the first assignment when its time has come.
    mutating func tick(late: [String], _ context: StreamsGroupContext) throws(ConsumerGroupError) {
        try fence(late)
        guard let until = group.delayedUntil, until <= context.time.monotonic else { return }
        guard !group.isEmpty else {
            group.delayedUntil = nil
            return
        }
        // Topics may have come meanwhile.
        var isNews = false
        try configure(context, &isNews)
        if isNews { try advance(group.metadata.assignmentConfigs) }
        _ = try assign(context)
    }
}
