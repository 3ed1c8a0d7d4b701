import Bytes
import Environment
package import RecordBatches
import Synchronization

extension PartitionLog {
    /// See `LogOffsets.lastStable`.
    package var lastStableOffset: Int64 { state.withLock { $0.lastStable } }

    /// Ends the transaction of a producer in this partition: appends the marker, moves the last stable offset on, and fences
    /// batches of epochs before `producerEpoch`.
    ///
    /// A marker for a producer without an open transaction is appended too: it is a harmless repeat, and fences. After a
    /// marker of the same epoch the producer's sequence numbers go on; a higher epoch begins with 0.
    ///
    /// - Parameters:
    ///   - now: wall clock, milliseconds since 1970: the marker's timestamp.
    ///   - transactionVersion: from 2 on the marker's epoch must be above that of the transaction's batches, so that a late
    ///     marker cannot end the producer's next transaction (KIP-890).
    /// - Throws: `.invalidProducerEpoch` when the log knows a newer epoch; `.transactionCoordinatorFenced` when it has a
    ///   marker of a newer coordinator; otherwise as `append`.
    /// - SeeAlso: upstream `ProducerAppendInfo.appendEndTxnMarker`.
    package func appendMarker(
        _ marker: ControlMarker, producerId: Int64, producerEpoch: Int16, now: Int64, transactionVersion: Int16 = 0
    ) throws(LogError) -> AppendResult {
        let batch: [UInt8]
        let header: BatchHeader
        do throws(WireError) {
            batch = try marker.batch(producerId: producerId, producerEpoch: producerEpoch, timestamp: now)
            header = try BatchHeader(batch.span.bytes)
        } catch {
            throw LogError(.corruptBatch, "make a transaction marker for producer \(producerId): \(error)")
        }
        return try batch.span.bytes.withUnsafeBytes { bytes throws(LogError) in
            try state.withLock { state throws(LogError) in
                try requireWritable(state)
                try state.producers.check(
                    marker, producerId: producerId, producerEpoch: producerEpoch,
                    transactionVersion: transactionVersion)
                return try place(bytes, header, marker: marker, now, &state)
            }
        }
    }

    /// The open transaction of a producer; nil when it has none in this partition.
    package func openTransaction(producerId: Int64) -> (epoch: Int16, firstOffset: Int64)? {
        state.withLock { state in
            guard let producer = state.producers.producers[producerId], producer.currentTxnFirstOffset >= 0 else {
                return nil
            }
            return (producer.epoch, producer.currentTxnFirstOffset)
        }
    }

    /// All open transactions, the oldest first.
    package func openTransactions() -> [OpenTransaction] {
        state.withLock { state in
            state.producers.open.producerIds.compactMap { id in
                state.producers.producers[id].map { producer in
                    OpenTransaction(
                        producerId: id, producerEpoch: producer.epoch, firstOffset: producer.currentTxnFirstOffset,
                        coordinatorEpoch: producer.coordinatorEpoch, lastTimestamp: producer.lastTimestamp)
                }
            }
        }
    }

    /// The aborted transactions that have a batch or their marker in `from..<end`, in the order of their markers. Whoever
    /// reads that range skips, of each of these producers, the batches from `firstOffset` to the abort marker.
    ///
    /// Transactions that are still open are not among them: read up to the last stable offset only. Blocks on the disk only
    /// where there are aborted transactions in closed or flushed segments from `from` on.
    ///
    /// - Throws: `.corruptSegment` when an index is not what was written; `.io`; `.closed`.
    /// - SeeAlso: upstream `TransactionIndex.collectAbortedTxns`.
    package func abortedTransactions(from: Int64, upTo end: Int64) throws(LogError) -> [AbortedTransaction] {
        guard from < end else { return [] }
        var attempts = 0
        while true {
            let candidates = try state.withLock { state throws(LogError) -> [Segment] in
                guard !state.isClosed else { throw LogError(.closed, "log '\(directory)' is closed") }
                var candidates: [Segment] = []
                for index in state.segmentIndex(holding: from)..<state.segments.count {
                    guard let last = state.segments[index].aborted.last else { continue }
                    candidates.append(state.segments[index])
                    if last.lastStableOffset >= end { break }
                }
                return candidates
            }
            do throws(LogError) {
                var found: [AbortedTransaction] = []
                for segment in candidates {
                    let isComplete = try forEachAborted(in: segment, from: from) { entry in
                        if entry.firstOffset < end { found.append(entry) }
                        return entry.lastStableOffset >= end ? .stop : .next
                    }
                    if isComplete { break }
                }
                return found
            } catch  where error.cause?.code == .notFound && attempts < 8 {
                // Removed by retention or replaced by compaction meanwhile: look at the segments again.
                attempts += 1
            }
        }
    }

    /// Gives `body` the aborted transactions whose marker is in `segment`, at `offset` or later, in order. Holds 4 KiB of
    /// the index at a time.
    ///
    /// - Returns: whether `body` stopped it.
    @discardableResult
    func forEachAborted(
        in segment: Segment, from offset: Int64 = 0, _ body: (AbortedTransaction) -> WalkStep
    ) throws(LogError) -> Bool {
        let index = segment.aborted
        if index.fileCount > 0 {
            let isStopped = try attempt("read transaction index \(segment.baseOffset) of '\(directory)'") {
                () throws(DiskError) -> Bool? in
                let file = try files.file(segment.key + 3, isCurrent: { has(segment) }) {
                    path(segment.baseOffset, .txnIndex)
                }
                return try SparseIndex.forEach(in: file, count: index.fileCount, from: { $0.lastOffset < offset }, body)
            }
            guard let isStopped else {
                throw LogError(
                    .corruptSegment,
                    "transaction index of segment \(segment.baseOffset) of '\(directory)' is cut off or not one")
            }
            if isStopped { return true }
        }
        for entry in index.tail[index.tail.partitionPoint { $0.lastOffset < offset }...] {
            if case .stop = body(entry) { return true }
        }
        return false
    }
}

extension SparseIndex<AbortedTransaction> {
    /// Gives `body` the first `count` entries of `file`, but for those at the beginning for which `isBefore` holds.
    ///
    /// - Returns: whether `body` stopped it; nil when the file does not hold that many entries.
    static func forEach(
        in file: any DiskFile, count: Int, from isBefore: (Entry) -> Bool, _ body: (Entry) -> WalkStep
    ) throws(DiskError) -> Bool? {
        let stride = Entry.byteCount
        return try withScratch(byteCount: 4096) { buffer throws(DiskError) -> Bool? in
            let window = buffer.count / stride
            // Entries before `at` hold, those from `high` on do not.
            var at = 0
            var high = count
            while high - at > window {
                let middle = at + (high - at) / 2
                let read = try file.read(
                    at: Int64(middle * stride), into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<stride]))
                guard read == stride else { return nil }
                if isBefore(Entry(UnsafeRawBufferPointer(buffer), at: 0)) { at = middle + 1 } else { high = middle }
            }
            while at < count {
                let part = min(window, count - at)
                let read = try file.read(
                    at: Int64(at * stride), into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<(part * stride)]))
                guard read == part * stride else { return nil }
                for index in 0..<part {
                    let entry = Entry(UnsafeRawBufferPointer(buffer), at: index * stride)
                    guard entry.version == 0 else { return nil }
                    if isBefore(entry) { continue }
                    if case .stop = body(entry) { return true }
                }
                at += part
            }
            return false
        }
    }
}
