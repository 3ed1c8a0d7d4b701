/// How records come to members.
extension SharePartition {
    /// What was read of a partition's log.
    package struct Fetched: Sendable, Equatable {
        /// First and last offset of each batch with records to deliver, in order.
        package var batches: [ClosedRange<Int64>]
        /// The first offset that was not read.
        package var nextOffset: Int64

        package init(batches: [ClosedRange<Int64>], nextOffset: Int64) {
            self.batches = batches
            self.nextOffset = nextOffset
        }
    }

    /// What a delivery is held to.
    package struct DeliveryLimits: Sendable, Equatable {
        /// Records for the member. Of a batch that has not been delivered before all are taken, unless `isStrict` (KIP-1206).
        package var recordCountMax: Int
        package var isStrict: Bool
        /// `share.partition.max.record.locks`.
        package var inFlightCountMax: Int
        /// `share.delivery.count.limit`.
        package var deliveryCountLimit: Int16
        /// Until when the member has them, in milliseconds of the monotonic clock.
        package var lockedUntil: Int64

        package init(
            recordCountMax: Int, isStrict: Bool, inFlightCountMax: Int, deliveryCountLimit: Int16, lockedUntil: Int64
        ) {
            self.recordCountMax = recordCountMax
            self.isStrict = isStrict
            self.inFlightCountMax = inFlightCountMax
            self.deliveryCountLimit = deliveryCountLimit
            self.lockedUntil = lockedUntil
        }
    }

    /// Records that a member has got, and the number of their delivery, from 1 on.
    package struct Acquired: Sendable, Equatable {
        package var firstOffset: Int64
        package var lastOffset: Int64
        package var deliveryCount: Int16

        package init(firstOffset: Int64, lastOffset: Int64, deliveryCount: Int16) {
            self.firstOffset = firstOffset
            self.lastOffset = lastOffset
            self.deliveryCount = deliveryCount
        }
    }

    /// Gives a member records that were read.
    ///
    /// - Parameter from: the offset that was read from; between it and `nextOffset` there are no records but those of the
    ///   batches.
    package mutating func acquire(
        _ fetched: Fetched, from: Int64, by member: String, _ limits: DeliveryLimits
    ) -> [Acquired] {
        guard startOffset >= 0 else { return [] }
        deliveryCountLimit = limits.deliveryCountLimit
        hasBegun = true
        var acquired: [Acquired] = []
        var left = Int64(max(0, limits.recordCountMax))
        defer { tidy() }
        if acquireKnown(fetched, from: max(from, startOffset), by: member, limits, &left, &acquired) {
            acquireNew(fetched, from: from, by: member, limits, &left, &acquired)
        }
        return acquired
    }

    /// - Returns: whether more may be delivered with it.
    private mutating func acquireKnown(
        _ fetched: Fetched, from: Int64, by member: String, _ limits: DeliveryLimits, _ left: inout Int64,
        _ acquired: inout [Acquired]
    ) -> Bool {
        let end = min(endOffset, fetched.nextOffset)
        var hole = from
        for batch in fetched.batches where batch.upperBound >= hole {
            guard hole < end else { break }
            archive(hole, min(batch.lowerBound, end) - 1)
            hole = batch.upperBound + 1
        }
        if hole < end { archive(hole, end - 1) }
        var at = from
        while at < end, left > 0, let index = index(of: at) {
            let run = runs[index]
            let (first, last) = (at, min(run.last, end - 1))
            at = last + 1
            guard run.state == .available else { continue }
            let isolated = Self.isolatedCount(run, limit: limits.deliveryCountLimit)
            if isolated != nil, !acquired.isEmpty { return false }
            let count = min(last - first + 1, left, isolated ?? .max)
            let number = run.deliveryCount == .max ? run.deliveryCount : run.deliveryCount + 1
            change(first, first + count - 1) { $0.hold(by: member, number, until: limits.lockedUntil) }
            note(first, first + count - 1, number, &acquired)
            left -= count
            if isolated != nil { return false }
            at = first + count
        }
        return true
    }

    private mutating func archive(_ first: Int64, _ last: Int64) {
        change(first, last) { if $0.state == .available { $0.settle(.archived) } }
    }

    /// Records that have failed often are delivered in ever smaller numbers, at last alone: so one that nobody can process
    /// takes no others with it when it is given up. As upstream's `shouldThrottleRecordsDelivery`.
    ///
    /// - Returns: nil for records that can be delivered with others.
    private static func isolatedCount(_ run: Run, limit: Int16) -> Int64? {
        let throttled = max(2, (Int(limit) + 1) / 2)
        let count = Int(run.deliveryCount)
        guard count >= throttled else { return nil }
        if count >= Int(limit) - 1 { return 1 }
        return max(1, run.count >> Int64(count - throttled + 1))
    }

    private mutating func acquireNew(
        _ fetched: Fetched, from: Int64, by member: String, _ limits: DeliveryLimits, _ left: inout Int64,
        _ acquired: inout [Acquired]
    ) {
        // What was read must reach to where nothing is known, or there would be a hole.
        guard from <= endOffset else { return }
        var inFlight = inFlightCount
        for batch in fetched.batches where batch.upperBound >= endOffset {
            guard left > 0, inFlight < limits.inFlightCountMax else { return }
            let first = max(batch.lowerBound, endOffset)
            if first > endOffset {
                runs.append(Run(first: endOffset, last: first - 1, state: .archived, deliveryCount: 0))
            }
            var last = batch.upperBound
            if limits.isStrict { last = min(last, first + min(left, Int64(limits.inFlightCountMax) - inFlight) - 1) }
            var run = Run(first: first, last: last, state: .available, deliveryCount: 0)
            run.hold(by: member, 1, until: limits.lockedUntil)
            runs.append(run)
            note(first, last, 1, &acquired)
            left -= run.count
            inFlight += run.count
            if last < batch.upperBound { return }
        }
        if endOffset < fetched.nextOffset {
            runs.append(Run(first: endOffset, last: fetched.nextOffset - 1, state: .archived, deliveryCount: 0))
        }
    }

    private func note(_ first: Int64, _ last: Int64, _ count: Int16, _ acquired: inout [Acquired]) {
        if let previous = acquired.last, previous.lastOffset + 1 == first, previous.deliveryCount == count {
            acquired[acquired.count - 1].lastOffset = last
        } else {
            acquired.append(Acquired(firstOffset: first, lastOffset: last, deliveryCount: count))
        }
    }
}

extension SharePartition.Run {
    fileprivate mutating func hold(by member: String, _ number: Int16, until: Int64) {
        state = .acquired
        deliveryCount = number
        holder = member
        lockedUntil = until
    }
}
