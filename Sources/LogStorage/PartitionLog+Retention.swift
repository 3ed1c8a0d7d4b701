import Environment
import Synchronization

/// A segment that was removed, and by which rule.
package struct DeletedSegment: Sendable, Equatable {
    package enum Reason: String, Sendable { case time, size, logStart }
    package var baseOffset: Int64
    package var byteCount: Int
    package var reason: Reason
}

extension PartitionLog {
    /// Removes segments by age and size, and those below the log start; closes the active one when it is older than
    /// `segmentMs`. Blocks on the disk.
    ///
    /// Age is that of a segment's latest record; without timestamps, the time since the last append. Size never takes the
    /// log below `retentionBytes`.
    ///
    /// - Parameter now: wall clock, milliseconds since 1970.
    package func applyRetention(now: Int64) throws(LogError) -> [DeletedSegment] {
        try maintenance.withLock { _ throws(LogError) in
            try requireOpen()
            try health.check()
            let doomed = state.withLock { state -> [DeletedSegment] in
                if state.active.byteCount > 0, isOld(state.active, now, state) { roll(&state, now) }
                let doomed = expired(state, now)
                rollIfDoomed(doomed, &state, now)
                return doomed
            }
            return try doomed.isEmpty ? [] : remove(doomed, hasSnapshot: checkpointIfSpace())
        }
    }

    /// Makes `offset` the log start, durably, and removes the segments below it. Blocks on the disk.
    ///
    /// - Parameter offset: -1 for the log end. Offsets below the log start change nothing.
    /// - Returns: the log start.
    /// - Throws: `.offsetOutOfRange` above the log end.
    package func deleteRecords(before offset: Int64) throws(LogError) -> Int64 {
        try maintenance.withLock { _ throws(LogError) in
            try requireOpen()
            try health.check()
            let (start, isNew) = try state.withLock { state throws(LogError) in
                let wanted = offset == -1 ? state.logEnd : offset
                guard 0...state.logEnd ~= wanted else {
                    throw LogError(
                        .offsetOutOfRange,
                        "delete before offset \(offset) of '\(directory)', which ends at \(state.logEnd)")
                }
                return (max(wanted, state.logStart), wanted > state.logStart)
            }
            guard isNew else { return start }
            // First, so that a crash does not bring the log back with an end below its start.
            let hasSnapshot = try checkpointIfSpace()
            try saveLogStart(start)
            let doomed = state.withLock { state in
                state.logStart = start
                if state.epochs.truncate(start: start) { state.epochsAreDurable = false }
                let doomed = belowLogStart(state)
                rollIfDoomed(doomed, &state, state.active.appendedAt)
                return doomed
            }
            _ = try remove(doomed, hasSnapshot: hasSnapshot)
            return start
        }
    }

    /// Segments that end at or before the log start, oldest first.
    private func belowLogStart(_ state: LogState) -> [DeletedSegment] {
        var doomed: [DeletedSegment] = []
        for (index, segment) in state.segments.enumerated() {
            guard segment.byteCount > 0, state.end(ofSegment: index) <= state.logStart else { break }
            doomed.append(
                DeletedSegment(baseOffset: segment.baseOffset, byteCount: segment.byteCount, reason: .logStart))
        }
        return doomed
    }

    /// The segments retention removes: always the oldest ones.
    private func expired(_ state: LogState, _ now: Int64) -> [DeletedSegment] {
        var doomed = belowLogStart(state)
        guard state.config.deletes else { return doomed }
        var rest = state.byteCount - doomed.reduce(0) { $0 + Int64($1.byteCount) }
        for segment in state.segments[doomed.count...] where segment.byteCount > 0 {
            let reason: DeletedSegment.Reason
            if state.config.retentionMs >= 0, age(of: segment, now) > state.config.retentionMs {
                reason = .time
            } else if state.config.retentionBytes >= 0, rest - Int64(segment.byteCount) >= state.config.retentionBytes {
                reason = .size
            } else {
                break
            }
            rest -= Int64(segment.byteCount)
            doomed.append(DeletedSegment(baseOffset: segment.baseOffset, byteCount: segment.byteCount, reason: reason))
        }
        return doomed
    }

    private func age(of segment: Segment, _ now: Int64) -> Int64 {
        let time = segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.appendedAt
        let (age, overflow) = now.subtractingReportingOverflow(time)
        return overflow ? (time < 0 ? .max : .min) : age
    }

    /// What the producers of removed segments sent must be known from a snapshot once the batches are gone.
    ///
    /// - Returns: false when the disk is full: removing makes space, and then it is tried again.
    private func checkpointIfSpace() throws(LogError) -> Bool {
        do throws(LogError) {
            _ = try writeCheckpoint()
            return true
        } catch  where error.code == .diskFull {
            return false
        }
    }

    /// Removes the oldest segments. `maintenance` is held.
    ///
    /// Oldest first, each removal durable before the next, so that a crash leaves a log without a hole.
    private func remove(
        _ doomed: [DeletedSegment], hasSnapshot: Bool
    ) throws(LogError) -> [DeletedSegment] {
        var hasSnapshot = hasSnapshot
        var removed: [DeletedSegment] = []
        for segment in doomed {
            let base = segment.baseOffset
            try keepLogEnd()
            // Out of the readers' sight before the files go.
            let keys = state.withLock { state -> Range<UInt64> in
                let first = state.segments.removeFirst()
                state.updateMaxTimestamp()
                state.logStart = max(state.logStart, state.segments[0].baseOffset)
                if state.epochs.truncate(start: state.logStart) { state.epochsAreDurable = false }
                return first.keys
            }
            files.forget(keys)
            try attempt("remove segment \(base) of '\(directory)'") { () throws(DiskError) in
                for suffix in FileNames.Suffix.ofSegment {
                    do throws(DiskError) {
                        try disk.removeFile(path(base, suffix))
                    } catch  where error.code == .notFound {}
                }
            }
            try health.final("sync folder '\(directory)'") { () throws(DiskError) in try disk.syncDirectory(directory) }
            removed.append(segment)
            if !hasSnapshot { hasSnapshot = try checkpointIfSpace() }
        }
        return removed
    }

    /// Closes the active segment if it is to be removed: batches that come meanwhile belong to the next one.
    private func rollIfDoomed(_ doomed: [DeletedSegment], _ state: inout LogState, _ now: Int64) {
        if doomed.last?.baseOffset == state.active.baseOffset { roll(&state, now) }
    }

    /// Before the last segment with a file goes, the file of an empty one takes over telling where the log ends.
    private func keepLogEnd() throws(LogError) {
        let create = state.withLock { $0.segments[1].fileExists ? nil : $0.segments[1].baseOffset }
        guard let create else { return }
        _ = try attempt("create segment \(create) of '\(directory)'") { () throws(DiskError) in
            try disk.open(path(create, .log), create: true)
        }
        state.withLock { state in
            if let index = state.segments.indices.first(where: { state.segments[$0].baseOffset == create }) {
                state.segments[index].fileExists = true
            }
        }
        try health.final("sync folder '\(directory)'") { () throws(DiskError) in try disk.syncDirectory(directory) }
    }
}
