/// When members of a consumer group run out of time, in monotonic milliseconds.
struct MemberTimers: Sendable {
    struct Deadlines: Sendable {
        /// The member has not been heard of.
        var session: Int64
        /// It has not given up what it has to, while it was at this epoch.
        var rebalance: (at: Int64, epoch: Int32)?
        /// A member of the classic protocol was told to join again and did not.
        var join: Int64?
        /// It joined and did not fetch its assignment.
        var sync: Int64?

        var earliest: Int64 { min(session, rebalance?.at ?? .max, join ?? .max, sync ?? .max) }
    }

    private(set) var deadlines: [String: Deadlines] = [:]
    /// No deadline is before this one; it may be too early, as deadlines move on with every heartbeat.
    private(set) var earliest = Int64.max

    /// Starts the session of a member anew.
    mutating func heard(of memberId: String, until deadline: Int64) {
        earliest = min(earliest, deadline)
        if (deadlines[memberId]?.session = deadline) != nil { return }
        deadlines[memberId] = Deadlines(session: deadline)
    }

    mutating func setRebalance(_ memberId: String, _ deadline: (at: Int64, epoch: Int32)?) {
        earliest = min(earliest, deadline?.at ?? .max)
        deadlines[memberId]?.rebalance = deadline
    }

    mutating func setJoin(_ memberId: String, _ deadline: Int64?) {
        earliest = min(earliest, deadline ?? .max)
        deadlines[memberId]?.join = deadline
    }

    mutating func setSync(_ memberId: String, _ deadline: Int64?) {
        earliest = min(earliest, deadline ?? .max)
        deadlines[memberId]?.sync = deadline
    }

    mutating func remove(_ memberId: String) { deadlines[memberId] = nil }

    /// Makes `earliest` exact.
    mutating func settle() { earliest = deadlines.values.map(\.earliest).min() ?? .max }
}
