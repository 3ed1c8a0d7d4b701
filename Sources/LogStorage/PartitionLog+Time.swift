import Bytes
import Environment
import RecordBatches
import Synchronization

/// Finding records by time. Timestamps are the producers' and need not ascend; all are in milliseconds since 1970.
extension PartitionLog {
    /// The first record from the log start on whose timestamp is `timestamp` or later, searched inside batches, compressed
    /// ones too. Blocks on the disk.
    ///
    /// - Parameters:
    ///   - end: only records below this offset count: the last stable offset for who reads committed records.
    ///   - limit: bytes that a compressed batch may decompress to.
    /// - Returns: nil when there is no such record.
    package func offset(
        forTimestamp timestamp: Int64, upTo end: Int64 = .max, limit: Int = 256 << 20
    ) throws(LogError) -> (offset: Int64, timestamp: Int64)? {
        try search { candidates, logStart throws(LogError) in
            for segment in candidates where segment.maxTimestamp >= timestamp && segment.baseOffset < end {
                let file = try openForRead(segment)
                let start = try startOfSearch(segment, file, timestamp, logStart)
                let found = try firstRecord(segment, file, from: start, upTo: end, limit: limit, logStart) { header in
                    header.maxTimestamp >= timestamp ? timestamp : nil
                }
                if let found { return found.offset < end ? found : nil }
            }
            return nil
        }
    }

    /// The first record that has the largest timestamp of the log; nil in a log without records. Blocks on the disk.
    package func offsetOfMaxTimestamp(limit: Int = 256 << 20) throws(LogError) -> (offset: Int64, timestamp: Int64)? {
        try search { candidates, logStart throws(LogError) in
            var best: (offset: Int64, timestamp: Int64)?
            for segment in candidates where segment.byteCount > 0 && segment.maxTimestamp > best?.timestamp ?? .min {
                let file = try openForRead(segment)
                if segment.offsetOfMaxTimestamp >= logStart,
                    let (header, position) = try findBatch(in: segment, file, holding: segment.offsetOfMaxTimestamp),
                    header.lastOffset == segment.offsetOfMaxTimestamp, header.baseOffset >= logStart,
                    header.maxTimestamp == segment.maxTimestamp,
                    let found = try record(in: segment, file, header, position, header.maxTimestamp, logStart, limit)
                {
                    best = found
                    continue
                }
                // The record with the largest timestamp was deleted, or its batch was compacted: look at all batches.
                best = try maxByWalking(segment, file, best, logStart, limit)
            }
            return best
        }
    }

    private typealias Found = (offset: Int64, timestamp: Int64)

    /// Runs `body` on a copy of the segments; again when one of them was removed or replaced meanwhile.
    private func search(
        _ body: (_ candidates: [Segment], _ logStart: Int64) throws(LogError) -> Found?
    ) throws(LogError) -> Found? {
        var attempts = 0
        while true {
            let (candidates, logStart) = try state.withLock { state throws(LogError) in
                guard !state.isClosed else { throw LogError(.closed, "log '\(directory)' is closed") }
                return (state.segments, state.logStart)
            }
            do throws(LogError) {
                return try body(candidates, logStart)
            } catch  where error.cause?.code == .notFound && attempts < 8 {
                attempts += 1
            }
        }
    }

    /// Byte position in `segment` before which no record is as late as `timestamp`, or which holds the log start.
    private func startOfSearch(
        _ segment: Segment, _ file: any DiskFile, _ timestamp: Int64, _ logStart: Int64
    ) throws(LogError) -> Int {
        let isBefore = { (entry: TimeEntry) in entry.timestamp < timestamp }
        var entry = segment.times.floorInMemory(isBefore)
        if entry == nil, segment.times.fileCount > 0 {
            do throws(DiskError) {
                let index = try files.file(segment.key + 2) { path(segment.baseOffset, .timeIndex) }
                entry = try SparseIndex<TimeEntry>.floor(in: index, count: segment.times.fileCount, isBefore)
            } catch  where error.code == .notFound {
                // Removed by hand: slower, not wrong.
            } catch {
                throw LogError(error, "read time index of segment \(segment.baseOffset) of '\(directory)'")
            }
        }
        let offset = max(logStart, entry.map { segment.baseOffset &+ Int64($0.relativeOffset) } ?? segment.baseOffset)
        return try findBatch(in: segment, file, holding: offset)?.position ?? segment.byteCount
    }

    /// The first record, in the batches for which `wanted` gives a timestamp, that has it or a later one.
    private func firstRecord(
        _ segment: Segment, _ file: any DiskFile, from start: Int, upTo end: Int64, limit: Int, _ logStart: Int64,
        wanted: (BatchHeader) -> Int64?
    ) throws(LogError) -> Found? {
        try withWalk(segment, file, from: start) { walk throws(LogError) in
            while let header = try walk.peek(), header.baseOffset < end {
                if header.lastOffset >= logStart, let timestamp = wanted(header),
                    let found = try record(in: segment, file, header, walk.position, timestamp, logStart, limit)
                {
                    return found
                }
                _ = try walk.next()
            }
            return nil
        }
    }

    private func maxByWalking(
        _ segment: Segment, _ file: any DiskFile, _ best: Found?, _ logStart: Int64, _ limit: Int
    ) throws(LogError) -> Found? {
        let start = try findBatch(in: segment, file, holding: logStart)?.position ?? segment.byteCount
        var best = best
        try withWalk(segment, file, from: start) { walk throws(LogError) in
            while let header = try walk.peek() {
                if header.maxTimestamp > best?.timestamp ?? .min || best == nil {
                    let latest = try latestRecord(segment, file, header, walk.position, logStart, limit)
                    if let latest, latest.timestamp > best?.timestamp ?? .min || best == nil { best = latest }
                }
                _ = try walk.next()
            }
        }
        return best
    }

    /// The first record of one batch, at or after the log start, with `timestamp` or a later one.
    private func record(
        in segment: Segment, _ file: any DiskFile, _ header: BatchHeader, _ position: Int, _ timestamp: Int64,
        _ logStart: Int64, _ limit: Int
    ) throws(LogError) -> Found? {
        var found: Found?
        try forEachTimestamp(segment, file, header, position, limit) { offset, time in
            guard time >= timestamp, offset >= logStart else { return .next }
            found = (offset, time)
            return .stop
        }
        return found
    }

    /// The first of the latest records of one batch, at or after the log start.
    private func latestRecord(
        _ segment: Segment, _ file: any DiskFile, _ header: BatchHeader, _ position: Int, _ logStart: Int64,
        _ limit: Int
    ) throws(LogError) -> Found? {
        var latest: Found?
        try forEachTimestamp(segment, file, header, position, limit) { offset, time in
            if offset >= logStart, latest.map({ time > $0.timestamp }) ?? true { latest = (offset, time) }
            return .next
        }
        return latest
    }

    private func forEachTimestamp(
        _ segment: Segment, _ file: any DiskFile, _ header: BatchHeader, _ position: Int, _ limit: Int,
        _ body: (Int64, Int64) -> WalkStep
    ) throws(LogError) {
        // The walk has checked that the batch ends within the segment.
        let bytes = try attempt("read batch at byte \(position) of '\(file.path)'") { () throws(DiskError) in
            try file.read(at: Int64(position), count: header.byteCount)
        }
        do {
            try BatchRecords.forEachTimestamp(in: bytes.span.bytes, header: header, limit: limit, body)
        } catch {
            throw LogError(.corruptSegment, "segment '\(file.path)': \(error) in batch at byte \(position)")
        }
    }
}
