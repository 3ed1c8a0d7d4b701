import Environment
import RecordBatches
import Synchronization

extension PartitionLog {
    /// Whole batches, beginning with the one that holds `from`, out of one segment.
    ///
    /// - Parameters:
    ///   - maxBytes: the slice is not larger, unless its first batch is and `minOneBatch` is set.
    ///   - limit: no record at or above this offset is in the slice.
    /// - Returns: an empty slice when there is nothing between `from` and `limit`, or the first batch does not fit.
    /// - Throws: `.offsetOutOfRange` outside logStart...logEnd; `.corruptSegment`, `.io`; `.closed` after `delete`.
    package func read(
        from: Int64, maxBytes: Int, upTo limit: Int64, minOneBatch: Bool
    ) throws(LogError) -> LogSlice {
        let maxBytes = max(0, maxBytes)
        var from = from
        var attempts = 0
        while true {
            let plan = try state.withLock { state throws(LogError) in
                try planRead(from, maxBytes, limit, minOneBatch, &state)
            }
            switch plan {
            case .found(let slice): return slice
            case .walk(let segment, let end, let limit, let position):
                do throws(LogError) {
                    if let slice = try walk(
                        segment, end: end, from: from, start: position, maxBytes, limit, minOneBatch)
                    {
                        return slice
                    }
                    // The segment has no batch at or after `from`: its last ones were compacted away.
                    from = end
                } catch  where error.cause?.code == .notFound && attempts < 8 {
                    // Removed by retention or replaced by a cleaning since the plan was made: plan again.
                    attempts += 1
                }
            }
        }
    }

    private enum ReadPlan: Sendable {
        case found(LogSlice)
        /// Walk the batches of `segment`, whose range ends at `end`; `start` is where the first one begins if known.
        case walk(Segment, end: Int64, limit: Int64, start: Int?)
    }

    private func planRead(
        _ from: Int64, _ maxBytes: Int, _ limit: Int64, _ minOneBatch: Bool, _ state: inout LogState
    ) throws(LogError) -> ReadPlan {
        guard !state.isClosed else { throw LogError(.closed, "log '\(directory)' is closed") }
        guard state.logStart...state.logEnd ~= from else {
            throw LogError(
                .offsetOutOfRange, "offset \(from) is outside \(state.logStart)...\(state.logEnd) of '\(directory)'")
        }
        let limit = min(limit, state.logEnd)
        guard from < limit else { return .found(.empty(at: from)) }
        let index = state.segmentIndex(holding: from)
        if index == state.segments.count - 1, let file = state.active.file,
            let first = state.recent.entries.first, first.baseOffset <= from
        {
            return .found(readRecent(from, maxBytes, limit, minOneBatch, file, state))
        }
        let segment = state.segments[index]
        let cursor = state.cursors.first { $0.offset == from && $0.segmentKey == segment.key }
        return .walk(segment, end: state.end(ofSegment: index), limit: limit, start: cursor?.position)
    }

    /// The slice when its first batch is one of the recent ones: no disk access at all.
    private func readRecent(
        _ from: Int64, _ maxBytes: Int, _ limit: Int64, _ minOneBatch: Bool, _ file: any DiskFile, _ state: LogState
    ) -> LogSlice {
        let entries = state.recent.entries
        let segmentEnd = state.active.byteCount
        let first = entries.partitionPoint { $0.baseOffset <= from } - 1
        let start = entries[first]
        func boundary(_ index: Int) -> (position: Int, offset: Int64) {
            index < entries.count ? (entries[index].position, entries[index].baseOffset) : (segmentEnd, state.logEnd)
        }
        // `last` is the furthest boundary between batches that the limits allow.
        var last: Int
        if limit >= state.logEnd && segmentEnd - start.position <= maxBytes {
            last = entries.count
        } else {
            last = entries.partitionPoint { $0.position - start.position <= maxBytes && $0.baseOffset <= limit } - 1
            if last == first, minOneBatch, boundary(first + 1).offset <= limit { last = first + 1 }
        }
        guard last > first else { return .empty(at: from) }
        let end = boundary(last)
        return LogSlice(
            file: file, position: Int64(start.position), byteCount: end.position - start.position,
            firstOffset: start.baseOffset, nextOffset: end.offset)
    }

    /// Finds first and last batch by the index and the headers. - Returns: nil when no batch ends at or after `from`.
    private func walk(
        _ segment: Segment, end segmentEnd: Int64, from: Int64, start known: Int?, _ maxBytes: Int, _ limit: Int64,
        _ minOneBatch: Bool
    ) throws(LogError) -> LogSlice? {
        let file = try openForRead(segment)
        guard let (first, start) = try findBatch(in: segment, file, holding: from, from: known) else { return nil }
        guard first.nextOffset <= limit else { return .empty(at: from) }
        let rest = segment.byteCount - start
        var slice = LogSlice(
            file: file, position: Int64(start), byteCount: first.byteCount, firstOffset: first.baseOffset,
            nextOffset: first.nextOffset)
        if rest <= maxBytes && segmentEnd <= limit {
            slice.byteCount = rest
            slice.nextOffset = segmentEnd
        } else if first.byteCount > maxBytes {
            if !minOneBatch { return .empty(at: from) }
        } else if first.byteCount < rest {
            let reach = start + min(maxBytes, rest)
            let entry = try floor(segment) { entry in
                Int(entry.position) <= reach && segment.baseOffset &+ Int64(entry.relativeOffset) < limit
            }
            var jump = start
            if let entry, Int(entry.position) > start, try isTrue(entry, in: segment, file) {
                jump = Int(entry.position)
            }
            try withWalk(segment, file, from: jump) { walk throws(LogError) in
                while let header = try walk.peek() {
                    guard walk.position + header.byteCount <= reach, header.nextOffset <= limit else {
                        // The index may have led straight to the batch that is too much.
                        slice.nextOffset = max(slice.nextOffset, header.baseOffset)
                        break
                    }
                    _ = try walk.next()
                    slice.nextOffset = header.nextOffset
                }
                slice.byteCount = max(slice.byteCount, walk.position - start)
            }
        }
        remember(slice, in: segment)
        return slice
    }

    private func remember(_ slice: LogSlice, in segment: Segment) {
        let cursor = ReadCursor(
            offset: slice.nextOffset, segmentKey: segment.key, position: Int(slice.position) + slice.byteCount)
        guard cursor.position < segment.byteCount else { return }
        state.withLock { state in
            // One of a segment that was replaced meanwhile would only take the place of another.
            guard state.index(of: [segment]) != nil else { return }
            if state.cursors.count < 8 {
                state.cursors.append(cursor)
            } else {
                state.cursors[state.nextCursor & 7] = cursor
                state.nextCursor &+= 1
            }
        }
    }

    func openForRead(_ segment: Segment) throws(LogError) -> any DiskFile {
        try attempt("open segment \(segment.baseOffset) of '\(directory)'") { () throws(DiskError) in
            try logFile(segment)
        }
    }

    /// The first batch that ends at or after `offset`, and where it begins.
    func findBatch(
        in segment: Segment, _ file: any DiskFile, holding offset: Int64, from known: Int? = nil
    ) throws(LogError) -> (header: BatchHeader, position: Int)? {
        var start = known ?? 0
        if known == nil,
            let entry = try floor(segment, { segment.baseOffset &+ Int64($0.relativeOffset) <= offset }),
            try isTrue(entry, in: segment, file)
        {
            start = Int(entry.position)
        }
        return try withWalk(segment, file, from: start) { walk throws(LogError) in
            while let header = try walk.peek() {
                if header.lastOffset >= offset { return (header, walk.position) }
                _ = try walk.next()
            }
            return nil
        }
    }

    /// Whether an index entry matches the log; one that does not is not trusted, and the walk is longer.
    private func isTrue(_ entry: OffsetEntry, in segment: Segment, _ file: any DiskFile) throws(LogError) -> Bool {
        guard segment.holds(entry) else { return false }
        return try withWalk(segment, file, from: Int(entry.position)) { walk throws(LogError) in
            do throws(LogError) {
                return try walk.peek()?.lastOffset == segment.baseOffset &+ Int64(entry.relativeOffset)
            } catch  where error.code == .corruptSegment {
                return false
            }
        }
    }

    /// The last index entry, in memory or in the file, for which `isBefore` holds.
    private func floor(
        _ segment: Segment, _ isBefore: (OffsetEntry) -> Bool
    ) throws(LogError) -> OffsetEntry? {
        if let entry = segment.offsets.floorInMemory(isBefore) { return entry }
        guard segment.offsets.fileCount > 0 else { return nil }
        do throws(DiskError) {
            let file = try files.file(segment.key + 1) { path(segment.baseOffset, .index) }
            return try SparseIndex<OffsetEntry>.floor(in: file, count: segment.offsets.fileCount, isBefore)
        } catch  where error.code == .notFound {
            return nil  // removed by hand: slower, not wrong
        } catch {
            throw LogError(error, "read index of segment \(segment.baseOffset) of '\(directory)'")
        }
    }

    func withWalk<Result>(
        _ segment: Segment, _ file: any DiskFile, from position: Int,
        _ body: (inout BatchWalk) throws(LogError) -> Result
    ) throws(LogError) -> Result {
        try withScratch(byteCount: 8192) { buffer throws(LogError) in
            var walk = BatchWalk(file, from: position, upTo: segment.byteCount, buffer: buffer)
            return try body(&walk)
        }
    }
}
