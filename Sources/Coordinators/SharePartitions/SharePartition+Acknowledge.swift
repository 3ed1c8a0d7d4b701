/// What members say of the records that they have.
extension SharePartition {
    /// The numbers are those of the protocol.
    package enum AcknowledgeType: Int8, Sendable {
        /// There is no record at the offset.
        case gap = 0
        case accept = 1
        /// Another try, by whoever asks first.
        case release = 2
        /// Not to be delivered again.
        case reject = 3
        /// The member needs more time (KIP-1222).
        case renew = 4
    }

    /// Offsets with one type, or with one for each.
    package struct Acknowledgement: Sendable, Equatable {
        package var firstOffset: Int64
        package var lastOffset: Int64
        package var types: [AcknowledgeType]

        package init(firstOffset: Int64, lastOffset: Int64, types: [AcknowledgeType]) {
            self.firstOffset = firstOffset
            self.lastOffset = lastOffset
            self.types = types
        }
    }

    /// Why acknowledgements are refused (INVALID_RECORD_STATE).
    package enum InvalidRecordState: Error, Sendable, Equatable {
        case notDelivered, anotherMembers, notAcquired, notRenewable
        /// Behind records that were delivered; upstream answers INVALID_REQUEST to it.
        case behindDelivered

        package var message: String {
            switch self {
            case .notDelivered, .behindDelivered: "The records have not been delivered to the share group."
            case .anotherMembers: "Another member of the share group has the records."
            case .notAcquired: "The records are not acquired: their time was up, or they were acknowledged before."
            case .notRenewable: "Locks are renewed where share.renew.acknowledge.enable is set."
            }
        }
    }

    /// Does what a member says, all of it or nothing. What lies before `startOffset` is done with, whoever did it, and is
    /// passed over, as upstream.
    ///
    /// - Parameters:
    ///   - acknowledgements: in the order of their offsets, none over another; each with one type or as many as offsets.
    ///   - renewedUntil: the end of locks that are renewed, in milliseconds of the monotonic clock; nil where they are not.
    /// - Throws: `InvalidRecordState` when one of the records is not the member's.
    package mutating func acknowledge(
        _ acknowledgements: [Acknowledgement], by member: String, deliveryCountLimit limit: Int16, renewedUntil: Int64?
    ) throws(InvalidRecordState) {
        let pending = acknowledgements.filter { $0.lastOffset >= startOffset }
        guard !pending.isEmpty else { return }
        // Of several reasons the first one's offset decides.
        let delivered = pending.prefix { $0.lastOffset < endOffset }
        let segments = delivered.flatMap(\.segments).filter { $0.last >= startOffset }
        var changed: [Run] = []
        changed.reserveCapacity(runs.count + segments.count)
        var next = 0
        for run in runs {
            var at = run.first
            while next < segments.count, segments[next].first <= run.last {
                let segment = segments[next]
                let (from, to) = (max(segment.first, at), min(segment.last, run.last))
                // Out of order, which callers have looked at.
                guard from <= to else { throw .notDelivered }
                guard run.state == .acquired else { throw .notAcquired }
                guard run.holder == member else { throw .anotherMembers }
                guard segment.type != .renew || renewedUntil != nil else { throw .notRenewable }
                if from > at { changed.append(run.part(at, from - 1)) }
                var part = run.part(from, to)
                part.acknowledge(segment.type, limit: limit, renewedUntil: renewedUntil)
                changed.append(part)
                at = to + 1
                guard segment.last <= run.last else { break }
                next += 1
            }
            if at <= run.last { changed.append(run.part(at, run.last)) }
        }
        guard delivered.count == pending.count else { throw runs.isEmpty ? .notDelivered : .behindDelivered }
        deliveryCountLimit = limit
        runs = changed
        hasBegun = true
        tidy()
    }
}

extension SharePartition.Acknowledgement {
    fileprivate typealias Segment = (first: Int64, last: Int64, type: SharePartition.AcknowledgeType)

    /// Offsets in a row with the same type.
    fileprivate var segments: [Segment] {
        guard let first = types.first else { return [] }
        guard types.count > 1 else { return [(firstOffset, lastOffset, first)] }
        var segments: [Segment] = []
        for (offset, type) in zip(firstOffset...lastOffset, types) {
            if let last = segments.last, last.type == type {
                segments[segments.count - 1].last = offset
            } else {
                segments.append((offset, offset, type))
            }
        }
        return segments
    }
}

extension SharePartition.Run {
    fileprivate mutating func acknowledge(
        _ type: SharePartition.AcknowledgeType, limit: Int16, renewedUntil: Int64?
    ) {
        switch type {
        case .accept: settle(.acknowledged)
        case .gap, .reject: settle(.archived)
        case .release: giveBack(limit: limit)
        case .renew: lockedUntil = renewedUntil ?? lockedUntil
        }
    }
}
