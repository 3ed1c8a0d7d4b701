import Bytes
import Environment
package import RecordBatches
import Synchronization

extension PartitionLog {
    /// Appends one validated batch: `header` is its header, the checksum and the records were checked by the caller.
    ///
    /// The batch gets the next offsets and the leader epoch; both lie outside its checksum. It is in the page cache when
    /// this returns, and durable after the next `sync`.
    ///
    /// A transactional batch opens its producer's transaction in this partition, or goes on with it. One without sequence
    /// numbers (-1), as a coordinator writes it, is taken by its epoch alone.
    ///
    /// - Parameters:
    ///   - now: wall clock, milliseconds since 1970.
    ///   - firstSequenceIsZero: whether a producer of which the log knows nothing must begin with sequence number 0, as one
    ///     does whose epoch rises with every transaction (KIP-890, transaction.version 2). Others may have been forgotten
    ///     and begin anywhere.
    /// - Throws: `.outOfOrderSequence`, `.duplicateSequence`, `.invalidProducerEpoch` for idempotent producers,
    ///   `.invalidTxnState` for a batch outside of the producer's open transaction; `.diskFull` and `.io` leave the log as
    ///   it was; `.failed`, `.closed`, `.corruptBatch`, `.batchTooLarge`.
    package func append(
        _ batch: borrowing RawSpan, header: BatchHeader, now: Int64, firstSequenceIsZero: Bool = false
    ) throws(LogError) -> AppendResult {
        guard header.byteCount == batch.byteCount else {
            throw LogError(.corruptBatch, "batch of \(batch.byteCount) bytes says it has \(header.byteCount)")
        }
        guard !header.attributes.isControl || header.producerId < 0 else {
            throw LogError(.corruptBatch, "a transaction marker was to be appended as data")
        }
        return try batch.withUnsafeBytes { bytes throws(LogError) in
            try state.withLock { state throws(LogError) in
                try requireWritable(state)
                let verdict = try state.producers.check(header, firstSequenceIsZero: firstSequenceIsZero)
                if case .duplicate(let batch) = verdict {
                    return AppendResult(
                        baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, logStartOffset: state.logStart,
                        isDuplicate: true)
                }
                return try place(bytes, header, marker: nil, now, &state)
            }
        }
    }

    func requireWritable(_ state: LogState) throws(LogError) {
        try health.check()
        guard !state.isClosed else { throw LogError(.closed, "log '\(directory)' is closed") }
    }

    /// Writes a batch that the producer's state allows, and notes it everywhere.
    ///
    /// - Parameter marker: what the batch says if it ends a transaction.
    func place(
        _ bytes: UnsafeRawBufferPointer, _ received: BatchHeader, marker: ControlMarker?, _ now: Int64,
        _ state: inout LogState
    ) throws(LogError) -> AppendResult {
        var header = received
        header.baseOffset = state.logEnd
        header.partitionLeaderEpoch = state.leaderEpoch
        guard state.logEnd <= .max - (1 << 32), header.byteCount <= Int32.max else {
            throw LogError(.batchTooLarge, "batch of \(header.byteCount) bytes at offset \(state.logEnd)")
        }
        if mustRoll(before: header, now, state) { roll(&state, now) }
        do throws(LogError) {
            try write(bytes, header, &state)
        } catch {
            state.producers.noteRefused(header, now: now)
            throw error
        }
        let position = state.active.byteCount
        state.active.note(header, at: position, indexIntervalBytes: state.config.indexIntervalBytes)
        state.active.appendedAt = now
        if state.active.createdAt == nil { state.active.createdAt = now }
        if state.active.firstTimestamp == nil { state.active.firstTimestamp = header.maxTimestamp }
        state.recent.append(baseOffset: header.baseOffset, position: position)
        if state.epochs.note(header.partitionLeaderEpoch, at: header.baseOffset) { state.epochsAreDurable = false }
        if let aborted = state.producers.note(header, marker: marker, now: now) { state.active.note(aborted) }
        state.logEnd = header.nextOffset
        state.maxTimestamp = max(state.maxTimestamp, header.maxTimestamp)
        state.appendedByteCount += Int64(header.byteCount)
        if state.active.offsets.tail.count >= SparseIndex<OffsetEntry>.tailCountMax
            || state.active.aborted.tail.count >= SparseIndex<AbortedTransaction>.tailCountMax
        {
            spillIndexes(&state.segments[state.segments.count - 1])
        }
        return AppendResult(
            baseOffset: header.baseOffset, lastOffset: header.lastOffset, logStartOffset: state.logStart,
            isDuplicate: false)
    }

    /// Writes the batch behind the active segment's bytes, or leaves the segment as it was.
    private func write(
        _ bytes: UnsafeRawBufferPointer, _ header: BatchHeader, _ state: inout LogState
    ) throws(LogError) {
        // Base offset, batch length and leader epoch; everything behind is as it came.
        let patchedByteCount = 16
        let position = Int64(state.active.byteCount)
        do throws(DiskError) {
            let file = try fileForAppend(&state)
            do throws(DiskError) {
                try withScratch(byteCount: patchedByteCount) { prefix throws(DiskError) in
                    prefix.storeBigEndian(header.baseOffset, at: 0)
                    prefix.storeBigEndian(header.batchLength, at: 8)
                    prefix.storeBigEndian(header.partitionLeaderEpoch, at: 12)
                    try file.write(
                        UnsafeRawBufferPointer(prefix), UnsafeRawBufferPointer(rebasing: bytes[patchedByteCount...]),
                        at: position)
                }
            } catch {
                // If this fails too the leftover is harmless: it is not read, the next append overwrites it, and a
                // recovery cuts it off.
                try? file.truncate(to: position)
                throw error
            }
        } catch {
            throw LogError(error, "append \(header.byteCount) bytes to '\(directory)'")
        }
    }

    private func fileForAppend(_ state: inout LogState) throws(DiskError) -> any DiskFile {
        if case .missing = state.metadata {
            let file = try disk.open(directory + "/" + FileNames.metadata, create: true)
            try file.write(PartitionMetadata.encode(topicId), at: 0)
            state.metadata = .written
            state.namesWritten += 1
        }
        if let file = state.active.file { return file }
        let file = try disk.open(path(state.active.baseOffset, .log), create: true)
        if !state.active.fileExists {
            state.active.fileExists = true
            state.namesWritten += 1
        }
        state.active.file = file
        return file
    }

    private func mustRoll(before header: BatchHeader, _ now: Int64, _ state: LogState) -> Bool {
        let active = state.active
        guard active.byteCount > 0 else { return false }
        return active.byteCount + header.byteCount > Int(state.config.segmentBytes)
            || header.lastOffset &- active.baseOffset > Int64(Int32.max)
            || active.offsets.count >= Int(state.config.segmentIndexBytes) / OffsetEntry.byteCount
            || isOld(active, now, state) || isAhead(header, of: active, state)
    }

    /// Whether the batch is later than the first one of the segment by more than a segment may last. By the clock that is
    /// `isOld`, but old records that are copied here are of other times, and retention removes a segment when the latest of
    /// its records is old.
    ///
    /// - SeeAlso: upstream `LogSegment.timeWaitedForRoll`.
    private func isAhead(_ header: BatchHeader, of active: Segment, _ state: LogState) -> Bool {
        guard let first = active.firstTimestamp, first >= 0, header.maxTimestamp > first else { return false }
        return header.maxTimestamp - first > state.config.segmentMsMax &- state.jitterMs
    }

    func isOld(_ active: Segment, _ now: Int64, _ state: LogState) -> Bool {
        guard let createdAt = active.createdAt else { return false }
        let (age, overflow) = now.subtractingReportingOverflow(createdAt)
        return !overflow && age > state.config.segmentMsMax &- state.jitterMs
    }

    /// Closes the active segment and begins a new one at the log end; its file comes with the first batch.
    func roll(_ state: inout LogState, _ now: Int64) {
        state.active.noteTime()
        spillIndexes(&state.segments[state.segments.count - 1])
        if let file = state.active.file {
            // Clients can have segments closed as fast as they write, by the times of their records.
            let keepsOpen = state.unsyncedFiles.count < UnsyncedFile.openCountMax
            state.unsyncedFiles.append(UnsyncedFile(base: state.active.baseOffset, file: keepsOpen ? file : nil))
            state.active.file = nil
        }
        state.pendingSnapshots.append((state.logEnd, ProducerSnapshot.encode(state.producers)))
        if state.pendingSnapshots.count > 2 { state.pendingSnapshots.removeFirst() }
        state.segments.append(Segment(baseOffset: state.logEnd, files: files, fileExists: false, now: now))
        state.recent.removeAll()
        state.jitterMs = state.config.segmentJitterMs > 0 ? .random(in: 0...state.config.segmentJitterMs) : 0
    }

    func spillIndexes(_ segment: inout Segment) { segment.spillIndexes(directory: directory, disk: disk) }
}
