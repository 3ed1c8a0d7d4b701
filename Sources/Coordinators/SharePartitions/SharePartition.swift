package import KafkaMessages

/// A partition of a topic as one share group reads it.
package struct SharePartitionKey: Hashable, Sendable {
    package var group: String
    package var topicId: KafkaUUID
    package var partition: Int32

    package init(group: String, topicId: KafkaUUID, partition: Int32) {
        self.group = group
        self.topicId = topicId
        self.partition = partition
    }

    /// What tells the partition of `__share_group_state` that keeps it (upstream `SharePartitionKey.asCoordinatorKey`).
    package var coordinatorKey: String { "\(group):\(topicId):\(partition)" }

    /// - Parameter coordinatorKey: as above; a group's id may have colons. nil for what is none.
    package init?(coordinatorKey: String) {
        let parts = coordinatorKey.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 3, let partition = Int32(parts[parts.count - 1]),
            let topicId = KafkaUUID(base64url: String(parts[parts.count - 2]))
        else { return nil }
        let group = parts[..<(parts.count - 2)].joined(separator: ":")
        guard !group.isBlank else { return nil }
        self.init(group: group, topicId: topicId, partition: partition)
    }
}

/// Which records of a partition a share group is done with, which are with members, and which can be delivered.
///
/// Offsets from `startOffset` on that the group has looked at are kept as runs of the same state, without holes; what lies
/// behind them has not been looked at. Offsets without records (markers, what compaction removed) are archived.
///
/// - SeeAlso: KIP-932, "In-flight records".
package struct SharePartition: Sendable, Equatable {
    /// The numbers are those of `__share_group_state`.
    package enum DeliveryState: Int8, Sendable {
        case available = 0
        case acquired = 1
        case acknowledged = 2
        case archived = 4

        var isDone: Bool { self == .acknowledged || self == .archived }
    }

    struct Run: Sendable, Equatable {
        var first: Int64
        var last: Int64
        var state: DeliveryState
        var deliveryCount: Int16
        /// The member that has the records; empty when none has.
        var holder = ""
        /// Until when, in milliseconds of the monotonic clock.
        var lockedUntil = Int64.max

        var count: Int64 { last - first + 1 }

        func part(_ first: Int64, _ last: Int64) -> Run {
            var part = self
            (part.first, part.last) = (first, last)
            return part
        }

        /// Whether a run that begins where this one ends can be a part of it.
        func isLike(_ next: Run) -> Bool {
            state == next.state && holder == next.holder && lockedUntil == next.lockedUntil
                && (state.isDone || deliveryCount == next.deliveryCount)
        }

        /// Nobody has it any more.
        ///
        /// - Parameter limit: `share.delivery.count.limit`; what was delivered so often is given up.
        mutating func giveBack(limit: Int16) {
            settle(deliveryCount >= limit ? .archived : .available)
        }

        mutating func settle(_ state: DeliveryState) {
            self.state = state
            holder = ""
            lockedUntil = .max
        }
    }

    /// Rises whenever delivery begins anew elsewhere.
    package var stateEpoch: Int32
    package var leaderEpoch: Int32
    /// All before is done with; -1 while `share.auto.offset.reset` has not decided it.
    package private(set) var startOffset: Int64
    var runs: [Run] = []
    /// Whether the log has been as far as `startOffset` is, which is set behind its end at times. Until then that is what
    /// somebody wants; afterwards a log that ends before it has lost records.
    var hasBegun = true
    /// The limit that held when records were last delivered; for locks that run out.
    var deliveryCountLimit = Int16.max

    package init(startOffset: Int64, stateEpoch: Int32, leaderEpoch: Int32) {
        self.startOffset = startOffset
        self.stateEpoch = stateEpoch
        self.leaderEpoch = leaderEpoch
    }

    /// The first offset that has not been looked at.
    package var endOffset: Int64 { runs.last.map { $0.last + 1 } ?? startOffset }

    /// Where to read for the next delivery: the first record that is available, else behind all.
    package var nextOffset: Int64 { runs.first { $0.state == .available }?.first ?? endOffset }

    package var hasAvailable: Bool { runs.contains { $0.state == .available } }

    /// Records that are not done with.
    package var inFlightCount: Int64 { runs.reduce(0) { $0 + ($1.state.isDone ? 0 : $1.count) } }

    /// Records behind `startOffset` that are done with (KIP-1226).
    package var deliveryCompleteCount: Int64 { runs.reduce(0) { $0 + ($1.state.isDone ? $1.count : 0) } }

    /// When the first lock runs out; nil when there is none.
    var nextDeadline: Int64? {
        let first = runs.lazy.filter { $0.state == .acquired }.map(\.lockedUntil).min()
        return first == .max ? nil : first
    }

    /// Where delivery starts, once that is decided.
    package mutating func start(at offset: Int64) {
        guard startOffset < 0 else { return }
        startOffset = offset
        hasBegun = true
    }

    /// Records were deleted from the beginning of the log: those before are done with, whoever has them.
    package mutating func advance(to logStart: Int64) {
        guard startOffset >= 0, startOffset < logStart else { return }
        startOffset = logStart
        runs.removeAll { $0.last < logStart }
        if let first = runs.first, first.first < logStart { runs[0].first = logStart }
        tidy()
    }

    /// The log ends before what was delivered: a crash took records that were not on disk yet, and others will have their
    /// offsets.
    ///
    /// - Returns: whether there was anything above the end.
    @discardableResult
    package mutating func cut(to logEnd: Int64) -> Bool {
        guard hasBegun, endOffset > logEnd else { return false }
        runs.removeAll { $0.first >= logEnd }
        if let last = runs.last, last.last >= logEnd { runs[runs.count - 1].last = logEnd - 1 }
        startOffset = min(startOffset, logEnd)
        return true
    }

    /// What a member has and did not acknowledge can be delivered to others, as if it had not been delivered to it.
    ///
    /// - Returns: whether it had any.
    package mutating func release(_ member: String) -> Bool {
        var hadAny = false
        for index in runs.indices where runs[index].state == .acquired && runs[index].holder == member {
            hadAny = true
            runs[index].settle(.available)
            runs[index].deliveryCount = max(0, runs[index].deliveryCount - 1)
        }
        if hadAny { tidy() }
        return hadAny
    }

    /// Takes back what a member was given and is not told of, as if it had not been given.
    mutating func takeBack(_ acquired: [Acquired], from member: String) {
        for part in acquired {
            change(part.firstOffset, part.lastOffset) { run in
                guard run.state == .acquired, run.holder == member, run.deliveryCount == part.deliveryCount else {
                    return
                }
                run.settle(.available)
                run.deliveryCount = max(0, run.deliveryCount - 1)
            }
        }
        tidy()
    }

    /// Takes back what members have had for too long.
    ///
    /// - Returns: whether there was any.
    mutating func expire(at now: Int64) -> Bool {
        var isChanged = false
        for index in runs.indices where runs[index].state == .acquired && runs[index].lockedUntil <= now {
            isChanged = true
            runs[index].giveBack(limit: deliveryCountLimit)
        }
        if isChanged { tidy() }
        return isChanged
    }

    /// The place of the run that holds an offset.
    func index(of offset: Int64) -> Int? {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].last < offset { low = middle + 1 } else { high = middle }
        }
        return low < runs.count && runs[low].first <= offset ? low : nil
    }

    /// Changes the offsets of a range, which may have been looked at or not; what was not is left.
    mutating func change(_ first: Int64, _ last: Int64, _ body: (inout Run) -> Void) {
        guard first <= last, var at = index(of: max(first, startOffset)) else { return }
        while at < runs.count, runs[at].first <= last {
            let run = runs[at]
            let (from, to) = (max(run.first, first), min(run.last, last))
            var parts: [Run] = []
            if run.first < from { parts.append(run.part(run.first, from - 1)) }
            var changed = run.part(from, to)
            body(&changed)
            parts.append(changed)
            if to < run.last { parts.append(run.part(to + 1, run.last)) }
            if parts.count == 1 { runs[at] = changed } else { runs.replaceSubrange(at...at, with: parts) }
            at += parts.count
        }
    }

    /// Moves the start behind what is done with, and joins runs that are alike.
    mutating func tidy() {
        var kept: [Run] = []
        kept.reserveCapacity(runs.count)
        for run in runs {
            if kept.isEmpty, run.state.isDone {
                startOffset = run.last + 1
            } else if let last = kept.last, last.isLike(run) {
                kept[kept.count - 1].last = run.last
            } else {
                kept.append(run)
            }
        }
        runs = kept
    }
}
