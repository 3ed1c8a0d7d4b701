import Bytes
import LogStorage
import NIOCore
import RecordBatches

/// Batches out of a log for those who read in this process: nobody behind them compares checksums, as clients do.
enum StoredBatches {
    /// What an operator can do about a batch that is not what was written.
    static func hint(_ folder: String) -> String {
        "the disk or somebody changed what was stored: stop the server and restore '\(folder)' from a backup"
    }

    /// The batches in front of the first damaged one, and where that begins; nil when all are as they were written.
    ///
    /// - Parameters:
    ///   - folder: of the partition, for the message.
    ///   - offset: that was asked for.
    /// - Throws: `.corruptSegment` when the first batch is damaged.
    static func verified(
        _ bytes: ByteBuffer, of folder: String, from offset: Int64
    ) throws(LogError) -> (bytes: ByteBuffer, nextOffset: Int64?) {
        let span = bytes.readableBytesSpan
        var at = 0
        var next = offset
        while at < span.byteCount {
            do throws(WireError) {
                let header = try BatchHeader(span, at: at)
                guard try header.checksumMatches(span, at: at) else { throw .corrupt("its CRC does not match") }
                at += header.byteCount
                next = header.nextOffset
            } catch {
                guard at > 0 else {
                    throw LogError(
                        .corruptSegment, "the batch with offset \(offset) in '\(folder)' is damaged: \(error)")
                }
                // What comes before is good; the next read begins with the damaged one.
                return (bytes.getSlice(at: bytes.readerIndex, length: at) ?? ByteBuffer(), next)
            }
        }
        return (bytes, nil)
    }
}
