import Bytes
import Environment
import RecordBatches

/// After an unclean stop: scan from the recovery point, cut where the log stops being whole, rebuild what depends on it.
extension LogOpening {
    /// - Parameter leaderEpochMax: no batch was appended under a later epoch.
    /// - Returns: the log end.
    mutating func recover(leaderEpochMax: Int32) throws(LogError) -> Int64 {
        let first = max(0, segments.partitionPoint { $0.baseOffset <= recoveryPoint } - 1)
        missing = []
        for index in 0..<first { try adopt(index) }
        // Epochs above may be of a future that did not happen; the scan finds the true ones.
        _ = epochs.truncate(end: max(recoveryPoint, segments[0].baseOffset))
        var end = segments[first].baseOffset
        for index in first..<segments.count {
            let base = segments[index].baseOffset
            // The last batch of a segment stays when it is cleaned, but other programs may have cleaned it otherwise.
            if index > first, base > end, base < gapsBelow { end = base }
            guard index == first || base == end else {
                cut("segment \(base) does not follow on offset \(end)")
                try removeSegments(from: index)
                return end
            }
            let isWhole = try scan(index, &end, leaderEpochMax)
            if !isWhole {
                try removeSegments(from: index + 1)
                return end
            }
            if index + 1 < segments.count { closeScanned(index) }
        }
        return end
    }

    private mutating func cut(_ reason: String) {
        if report.reason == nil { report.reason = reason }
    }

    private mutating func closeScanned(_ index: Int) {
        segments[index].noteTime()
        segments[index].spillIndexes(directory: directory, disk: disk)
    }

    /// Verifies the batches of a segment and truncates the file behind the last good one.
    ///
    /// - Parameters:
    ///   - end: the offset that must follow; moved to the end of the segment.
    ///   - trustsIndexes: what lies before the last index entry that was synced need not be verified.
    /// - Returns: whether all of the file was good.
    private mutating func scan(
        _ index: Int, _ end: inout Int64, _ leaderEpochMax: Int32, trustsIndexes: Bool = true
    ) throws(LogError) -> Bool {
        let file = try openLogFile(segments[index])
        let byteCount = try Int(clamping: fileByteCount(segments[index]))
        var segment = segments[index]
        segment.adopt(byteCount: 0, offsets: SparseIndex(), times: SparseIndex())
        let start = trustsIndexes ? try adoptTrustedIndexes(&segment, file, byteCount: byteCount) : 0
        try cutIndexFiles(segment)
        var position = start
        var expected = end
        // The epoch is outside the checksum; that it never falls nor leaves its range is all that can be checked.
        var epochMin = epochs.epoch(at: start == 0 ? end : segment.baseOffset)
        var reason: String?
        var buffer: [UInt8] = []
        var bufferStart = 0
        while position < byteCount {
            // Read on so that the batch at `position` is in the buffer to its end, which the file's size bounds.
            var needed = BatchHeader.byteCount
            var header: BatchHeader?
            while true {
                if position + needed > bufferStart + buffer.count {
                    guard position + needed <= byteCount else {
                        reason = "the batch at byte \(position) is cut off"
                        break
                    }
                    bufferStart = position
                    let count = min(byteCount - position, max(needed, 1 << 20))
                    buffer = try doing("read segment \(segment.baseOffset)") { () throws(DiskError) in
                        try file.read(at: Int64(position), count: count)
                    }
                    guard buffer.count == count else {
                        reason = "the file ends at byte \(bufferStart + buffer.count)"
                        break
                    }
                }
                if needed > BatchHeader.byteCount { break }
                do throws(WireError) {
                    let found = try BatchHeader(buffer.span.bytes, at: position - bufferStart)
                    header = found
                    needed = found.byteCount
                    if needed == BatchHeader.byteCount { break }
                } catch {
                    reason = "the batch at byte \(position) is broken: \(error)"
                    break
                }
            }
            if reason == nil, let header {
                reason = check(header, buffer.span.bytes, at: position - bufferStart, position, expected)
            }
            if reason == nil, let epoch = header?.partitionLeaderEpoch, !(epochMin...leaderEpochMax ~= epoch) {
                reason = "the batch at byte \(position) has leader epoch \(epoch), expected \(epochMin) or later"
            }
            guard reason == nil, let header else { break }
            epochMin = header.partitionLeaderEpoch
            segment.note(header, at: position, indexIntervalBytes: config.indexIntervalBytes)
            _ = epochs.note(header.partitionLeaderEpoch, at: header.baseOffset)
            expected = header.nextOffset
            position += header.byteCount
            report.scannedByteCount += Int64(header.byteCount)
            if segment.offsets.tail.count >= SparseIndex<OffsetEntry>.tailCountMax {
                segment.spillIndexes(directory: directory, disk: disk)
            }
        }
        if reason != nil, position == start, start > 0 {
            // The disk changed what was durable. Where the batches before end is not known without looking at them.
            return try scan(index, &end, leaderEpochMax, trustsIndexes: false)
        }
        end = expected
        segment.adopt(byteCount: position)
        segments[index] = segment
        guard let reason else { return true }
        cut("segment \(segment.baseOffset): \(reason)")
        report.truncatedByteCount += Int64(byteCount - position)
        report.cutRecordCount += try wholeRecordCount(file, from: position, byteCount: byteCount)
        try doing("truncate segment \(segment.baseOffset)") { () throws(DiskError) in
            try file.truncate(to: Int64(position))
        }
        return false
    }

    /// Records of whole batches behind the one at `position`, as far as the batches before tell where they are.
    private func wholeRecordCount(_ file: any DiskFile, from position: Int, byteCount: Int) throws(LogError) -> Int64 {
        var count: Int64 = 0
        var at = position
        while byteCount - at >= BatchHeader.byteCount {
            let bytes = try doing("read what is cut") { () throws(DiskError) in
                try file.read(at: Int64(at), count: BatchHeader.byteCount)
            }
            guard let header = try? BatchHeader(bytes.span.bytes), header.byteCount <= byteCount - at else { break }
            if at > position {
                let batch = try doing("read what is cut") { () throws(DiskError) in
                    try file.read(at: Int64(at), count: header.byteCount)
                }
                if (try? header.checksumMatches(batch.span.bytes, at: 0)) == true { count += Int64(header.recordCount) }
            }
            at += header.byteCount
        }
        return count
    }

    /// - Returns: what is wrong with the batch, nil if nothing.
    private func check(
        _ header: BatchHeader, _ bytes: borrowing RawSpan, at: Int, _ position: Int, _ expected: Int64
    ) -> String? {
        // Gaps come only from cleaning, which works below the recovery point.
        guard header.baseOffset == expected || (header.baseOffset > expected && header.baseOffset < gapsBelow),
            header.baseOffset <= .max - (1 << 32)
        else { return "the batch at byte \(position) has offset \(header.baseOffset), \(expected) was expected" }
        guard (try? header.checksumMatches(bytes, at: at)) == true else {  // truncated counts as no match
            return "CRC mismatch in the batch at byte \(position)"
        }
        return nil
    }

    /// Keeps the index entries below the recovery point, which were synced before it was written, if they match the log.
    ///
    /// - Returns: where scanning begins: the batch of the last entry kept.
    private func adoptTrustedIndexes(
        _ segment: inout Segment, _ file: any DiskFile, byteCount: Int
    ) throws(LogError) -> Int {
        let base = segment.baseOffset
        guard base < recoveryPoint else { return 0 }
        var lastOffset: OffsetEntry?
        let offsetCount = try countEntries(segment, .index) { (entry: OffsetEntry) in
            guard entry.relativeOffset > (lastOffset?.relativeOffset ?? -1),
                entry.position > (lastOffset?.position ?? -1), Int(entry.position) < byteCount,
                base &+ Int64(entry.relativeOffset) < recoveryPoint
            else { return false }
            lastOffset = entry
            return true
        }
        guard let lastOffset else { return 0 }
        var lastTime: TimeEntry?
        let timeCount = try countEntries(segment, .timeIndex) { (entry: TimeEntry) in
            guard entry.relativeOffset > (lastTime?.relativeOffset ?? -1),
                entry.timestamp > (lastTime?.timestamp ?? .min), entry.relativeOffset <= lastOffset.relativeOffset
            else { return false }
            lastTime = entry
            return true
        }
        guard lastTime != nil, try matches(lastOffset, file, base, byteCount) else { return 0 }
        let position = Int(lastOffset.position)
        segment.adopt(
            byteCount: position, offsets: SparseIndex(fileCount: offsetCount, last: lastOffset),
            times: SparseIndex(fileCount: timeCount, last: lastTime))
        return position
    }

    /// Entries at the beginning of an index file that `accept` takes; 0 when the file is missing.
    private func countEntries<Entry: IndexEntry>(
        _ segment: Segment, _ suffix: FileNames.Suffix, _ accept: (Entry) -> Bool
    ) throws(LogError) -> Int {
        try doing("read index \(segment.baseOffset)") { () throws(DiskError) in
            do throws(DiskError) {
                let file = try disk.open(path(segment.baseOffset, suffix), create: false)
                let chunk = Entry.byteCount * 4096
                var count = 0
                while true {
                    let bytes = try file.read(at: Int64(count * Entry.byteCount), count: chunk)
                    let accepted = bytes.withUnsafeBytes { buffer in
                        (0..<(bytes.count / Entry.byteCount)).prefix { accept(Entry(buffer, at: $0 * Entry.byteCount)) }
                            .count
                    }
                    count += accepted
                    if accepted * Entry.byteCount < chunk { return count }
                }
            } catch  where error.code == .notFound {
                return 0
            }
        }
    }

    /// Makes what recovery found, cut and removed durable: it is served from now on, so it must not change again.
    mutating func syncRecovered() throws(LogError) {
        let first = max(0, segments.partitionPoint { $0.baseOffset <= recoveryPoint } - 1)
        do throws(DiskError) {
            for segment in segments[first...] where segment.fileExists {
                try disk.open(path(segment.baseOffset, .log), create: false).sync()
            }
            if case .written = metadata {
                try disk.open(directory + "/" + FileNames.metadata, create: false).sync()
            }
            try disk.syncDirectory(directory)
            try disk.syncDirectory(folder(of: directory))
        } catch {
            throw LogError(error, "sync recovered log '\(directory)'")
        }
        if case .written = metadata { metadata = .durable }
    }
}

/// The folder a path stands in; "." for a bare name.
func folder(of path: String) -> String { RealDisk.folder(of: path) }
