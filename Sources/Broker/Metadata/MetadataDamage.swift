import Bytes
import Environment
import LogStorage
import RecordBatches

/// Tells a metadata log that a crash cut off in the middle of a write, which is the normal end of a crash, from one that
/// is damaged. Recovery would cut both at the first bad byte; but behind damage there are topics whose loss nobody asked
/// for, so then the broker does not start and changes nothing.
enum MetadataDamage {
    /// - Throws: `.corruptSegment`, naming the file and the byte.
    static func check(_ directory: String, _ disk: any Disk, wasClean: Bool) throws(LogError) {
        guard disk.exists(directory) else { return }
        do throws(DiskError) {
            let names = try disk.list(directory).filter { $0.hasSuffix(".log") }.sorted()
            for name in names {
                let path = directory + "/" + name
                let bytes = try disk.contents(path)
                guard let bad = firstBadByte(bytes, from: Int64(name.dropLast(4))),
                    wasClean || name != names.last || holdsBatch(bytes, after: bad)
                else { continue }
                throw DiskError(
                    code: .io, operation: "check", path: path,
                    reason: "the batch at byte \(bad) is damaged; restore the file from a backup, nothing was changed")
            }
        } catch {
            throw LogError(.corruptSegment, "metadata log: \(error.reason)", cause: error)
        }
    }

    /// Where the first batch begins that is not whole, or does not follow the one before.
    ///
    /// - Parameter baseOffset: of the segment, from its name.
    private static func firstBadByte(_ bytes: [UInt8], from baseOffset: Int64?) -> Int? {
        let span = bytes.span.bytes
        var at = 0
        var expected = baseOffset
        while at < bytes.count {
            guard let header = wholeBatch(span, at), expected == nil || header.baseOffset == expected else { return at }
            at += header.byteCount
            expected = header.nextOffset
        }
        return nil
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
