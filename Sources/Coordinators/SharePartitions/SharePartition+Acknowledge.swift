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
        case notDelivered, anotherMembers, notAcquired
        /// Behind records that were delivered; upstream answers INVALID_REQUEST to it.
        case behindDelivered

        package var message: String {
            switch self {
            case .notDelivered, .behindDelivered: "The records have not been delivered to the share group."
            case .anotherMembers: "Another member of the share group has the records."
            case .notAcquired: "The records are not acquired: their time was up, or they were acknowledged before."
            }
        }
    }

    /// Does what a member says, all of it or nothing.
    ///
    /// - Parameters:
    ///   - acknowledgements: in the order of their offsets, none over another; each with one type or as many as offsets.
    ///   - renewedUntil: the end of locks that are renewed, in milliseconds of the monotonic clock.
    /// - Throws: `InvalidRecordState` when one of the records is not the member's. Those that were deleted from the log
    ///   meanwhile are passed over.
    package mutating func acknowledge(
        _ acknowledgements: [Acknowledgement], by member: String, deliveryCountLimit limit: Int16, renewedUntil: Int64
    ) throws(InvalidRecordState) {
        let segments = acknowledgements.flatMap(\.segments).filter { $0.last >= deletedBefore }
        guard let first = segments.first else { return }
        guard startOffset >= 0 else { throw .notDelivered }
        if let unknown = segments.first(where: { $0.last >= endOffset }) {
            throw runs.first.map { $0.first <= unknown.first } == true ? .behindDelivered : .notDelivered
        }
        // Others may have been done with it, long after this member's time was up.
        guard max(first.first, deletedBefore) >= startOffset else { throw .notAcquired }
        deliveryCountLimit = limit
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
        runs = changed
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
    fileprivate mutating func acknowledge(_ type: SharePartition.AcknowledgeType, limit: Int16, renewedUntil: Int64) {
        switch type {
        case .accept: settle(.acknowledged)
        case .gap, .reject: settle(.archived)
        case .release: giveBack(limit: limit)
        case .renew: lockedUntil = renewedUntil
        }
    }
}
