import Bytes
import Environment
import LogStorage
import RecordBatches

/// Tells a metadata log that a crash cut off in the middle of a write, which is the normal end of a crash, from one that
/// is damaged. Recovery would cut both at the first bad byte; but behind damage there are topics whose loss nobody asked
/// for, so then the broker does not start and changes nothing.
enum MetadataDamage {
    /// - Parameter snapshot: offset of the newest snapshot of the metadata, which the log goes on from.
    /// - Throws: `.corruptSegment`, naming the file and the byte, or what is missing.
    static func check(
        _ directory: String, _ disk: any Disk, wasClean: Bool, snapshot: Int64? = nil
    ) throws(LogError) {
        let names: [String]
        do throws(DiskError) {
            names = disk.exists(directory) ? try disk.list(directory).sorted() : []
        } catch {
            throw LogError(.corruptSegment, "metadata log: \(error.reason)", cause: error)
        }
        var end = snapshot
        let logs = names.filter { $0.hasSuffix(".log") }
        for name in logs {
            let base = Int64(name.dropLast(4))
            if let base, let end, base > end { throw missing(end..<base, directory) }
            let path = directory + "/" + name
            do throws(DiskError) {
                let bytes = try disk.contents(path)
                let (bad, found) = walk(bytes, from: base)
                if let found { end = max(end ?? found, found) }
                guard let bad, wasClean || name != logs.last || holdsBatch(bytes, after: bad) else { continue }
                throw DiskError(
                    code: .io, operation: "check", path: path,
                    reason: "the batch at byte \(bad) is damaged; restore the file from a backup, nothing was changed")
            } catch {
                throw LogError(.corruptSegment, "metadata log: \(error.reason)", cause: error)
            }
        }
        // A file that says where the log ended is written after what lies below is on disk; and once there is a
        // snapshot, there always is a log file, be it empty.
        let promised = names.compactMap { $0.hasSuffix(".snapshot") ? Int64($0.dropLast(9)) : nil }.max()
        if let promised, (end ?? 0) < promised { throw missing((end ?? 0)..<promised, directory) }
        if let snapshot, logs.isEmpty {
            throw LogError(
                .corruptSegment,
                "metadata log: '\(directory)' has no file that goes on from the snapshot at offset \(snapshot); "
                    + "restore 'meta' from a backup, nothing was changed")
        }
    }

    /// What was acknowledged is not there any more: topics would be lost, or deleted ones return.
    private static func missing(_ offsets: Range<Int64>, _ directory: String) -> LogError {
        LogError(
            .corruptSegment,
            "metadata log: the records from offset \(offsets.lowerBound) to \(offsets.upperBound - 1), which were on "
                + "disk, are gone from '\(directory)'; restore 'meta' from a backup, nothing was changed")
    }

    /// Where the first batch begins that is not whole, or does not follow the one before; and the offset after the batches
    /// before it.
    ///
    /// - Parameter baseOffset: of the segment, from its name.
    private static func walk(_ bytes: [UInt8], from baseOffset: Int64?) -> (bad: Int?, end: Int64?) {
        let span = bytes.span.bytes
        var at = 0
        var expected = baseOffset
        while at < bytes.count {
            guard let header = wholeBatch(span, at), expected == nil || header.baseOffset == expected else {
                return (at, expected)
            }
            at += header.byteCount
            expected = header.nextOffset
        }
        return (nil, expected)
    }

    /// Whether a whole batch lies anywhere behind a bad byte: a torn write is the last of all.
    private static func holdsBatch(_ bytes: [UInt8], after bad: Int) -> Bool {
        let span = bytes.span.bytes
        var at = bad + 1
        while at + BatchHeader.byteCount <= bytes.count {
            // The magic byte first: it rules out nearly every place at no cost.
            if bytes[at + 16] == 2, wholeBatch(span, at) != nil { return true }
            at += 1
        }
        // The bad batch's own checksum may be right while its offset, which it does not cover, is not.
        guard let header = try? BatchHeader(span, at: bad) else { return false }
        return (try? header.checksumMatches(span, at: bad)) == true
    }

    private static func wholeBatch(_ span: RawSpan, _ at: Int) -> BatchHeader? {
        guard let header = try? BatchHeader(span, at: at), (try? header.checksumMatches(span, at: at)) == true,
            // The checksum does not cover it; this log has no other.
            header.partitionLeaderEpoch == 0
        else { return nil }
        return header
    }
}
