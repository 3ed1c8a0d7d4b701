import KafkaMessages

extension ConsumerGroup {
    /// When `tick` wants to be called, monotonic milliseconds; `Int64.max` for never. It may be too early: members that
    /// have been heard of since are found out then.
    package var nextDeadline: Int64 { timers.earliest }

    /// Takes out the members whose time is over, all in one step.
    package mutating func tick(_ context: ConsumerGroupContext) -> ConsumerGroupOutcome<Void> {
        let now = context.time.monotonic
        guard timers.earliest <= now else { return ConsumerGroupOutcome(response: ()) }
        var late: [String] = []
        for (memberId, deadlines) in timers.deadlines where deadlines.earliest <= now {
            let isLate = deadlines.session <= now || deadlines.join ?? .max <= now || deadlines.sync ?? .max <= now
            if isLate || hasNotRevoked(memberId, deadlines, at: now) {
                late.append(memberId)
            } else {
                timers.setRebalance(memberId, nil)
            }
        }
        timers.settle()
        guard !late.isEmpty else { return ConsumerGroupOutcome(response: ()) }
        var draft = ConsumerGroupDraft(self)
        do throws(ConsumerGroupError) {
            let outcome = try draft.fence(late.sorted(), context, ())
            return outcome
        } catch {
            // No record can be made of a member that is there, which none has ever been of: the member stays as long
            // as its group does, and nobody is asked about it again.
            for memberId in late { timers.remove(memberId) }
            timers.settle()
            return ConsumerGroupOutcome(response: ())
        }
    }

    private func hasNotRevoked(_ memberId: String, _ deadlines: MemberTimers.Deadlines, at now: Int64) -> Bool {
        guard let rebalance = deadlines.rebalance, rebalance.at <= now else { return false }
        return members[memberId]?.memberEpoch == rebalance.epoch
    }

    /// All records are in: members get a whole session to show that they are still there, and those that were giving
    /// something up the whole time to do so.
    package mutating func finishLoading(_ settings: ConsumerGroupSettings, at: EventTime) {
        func deadline(after milliseconds: Int32) -> Int64 { at.monotonic + Int64(max(0, milliseconds)) }
        timers = MemberTimers()
        topicsVersion = nil
        expressionsTime = nil
        for member in members.values {
            let session = member.classic?.sessionTimeoutMs ?? settings.sessionTimeoutMs
            timers.heard(of: member.memberId, until: deadline(after: session))
            if member.state == .unrevokedPartitions, !member.usesClassicProtocol {
                timers.setRebalance(
                    member.memberId,
                    (at: deadline(after: member.rebalanceTimeoutMs), epoch: member.memberEpoch))
            }
        }
    }
}
