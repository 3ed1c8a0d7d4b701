package import Bytes
package import NIOCore

extension TransactionShard {
    /// Takes in one record of the partition; call it for all of them in their order, then `finishLoading`.
    ///
    /// Types of records that we do not know are passed over, as upstream does.
    ///
    /// - Throws: `.unsupported` for a version of a later Kafka, else `.truncated` or `.corrupt`. The state is then as if
    ///   the record were not there.
    package mutating func replay(key: ByteBuffer, value: ByteBuffer?) throws(WireError) {
        guard let (transactionalId, metadata) = try TransactionRecords.read(key: key, value: value) else { return }
        entries[transactionalId] = metadata.map { Entry($0) }
    }

    /// Begins to serve: sets the timers and orders the markers of transactions whose outcome was decided.
    ///
    /// The decision has no records. Timers go on where they were, as far as the wall clock can tell.
    package mutating func finishLoading(at time: EventTime) -> TransactionDecision {
        requireDecided()
        var decision = TransactionDecision()
        for transactionalId in entries.keys.sorted() {
            guard var entry = entries[transactionalId] else { continue }
            let metadata = entry.metadata
            switch metadata.state {
            case .ongoing:
                let elapsed = Self.elapsed(since: metadata.startTimestamp, at: time)
                entry.deadline =
                    metadata.hasTimeout
                    ? Self.deadline(time, after: Int64(metadata.timeoutMs) - min(elapsed, Int64(Int32.max))) : nil
            case .prepareCommit, .prepareAbort:
                if metadata.partitions.isEmpty {
                    entry.markers = .written
                    entry.deadline = time.monotonic
                } else {
                    entry.markers = .ordered
                    decision.markers.append(order(transactionalId, metadata))
                }
            case .empty, .completeCommit, .completeAbort:
                let elapsed = Self.elapsed(since: metadata.lastUpdateTimestamp, at: time)
                let remaining = max(0, configuration.transactionalIdExpirationMs) - elapsed
                entry.deadline = Self.deadline(time, after: remaining)
            }
            stage(transactionalId, entry)
        }
        return conclude(decision)
    }
}
