import Bytes
import LogStorage
import NIOCore
import RecordBatches

/// Reading a coordinator's log back into its shard.
enum ShardLoading {
    private static let readByteCount = 1 << 20
    /// Coordinators write their records uncompressed; what others wrote (a folder taken over) is bounded.
    private static let decompressedByteCountMax = 256 << 20

    /// Gives every record of `log` to `shard`, blocking on the disk.
    ///
    /// - Parameter unreadable: told the offset of each record that is none of this coordinator's, and why; it is left out.
    /// - Throws: when the log cannot be read.
    static func replay(
        _ log: PartitionLog, into shard: inout some CoordinatorShard,
        unreadable: (_ offset: Int64, _ error: any Error) -> Void
    ) throws {
        var offset = log.offsets.logStart
        let end = log.offsets.logEnd
        while offset < end {
            let slice = try log.read(from: offset, maxBytes: readByteCount, upTo: end, minOneBatch: true)
            guard !slice.isEmpty else {
                // Compaction may have removed what was at the end of a segment.
                guard slice.nextOffset > offset else { break }
                offset = slice.nextOffset
                continue
            }
            let bytes = try slice.bytes()
            var position = 0
            while position < bytes.count {
                let batch = bytes.span.bytes.extracting(position..<bytes.count)
                let header = try BatchHeader(batch)
                guard try header.checksumMatches(batch) else {
                    throw LogError(
                        .corruptSegment,
                        "the batch with offset \(header.baseOffset) in '\(log.directory)' is damaged: its CRC does not "
                            + "match (\(StoredBatches.hint(log.directory)))")
                }
                try replay(batch, header, into: &shard, unreadable)
                position += header.byteCount
            }
            offset = slice.nextOffset
        }
    }

    private static func replay(
        _ batch: borrowing RawSpan, _ header: BatchHeader, into shard: inout some CoordinatorShard,
        _ unreadable: (_ offset: Int64, _ error: any Error) -> Void
    ) throws {
        if header.attributes.isControl {
            guard let marker = try ControlMarker(batch: batch, header: header) else { return }
            return shard.replayMarker(producerId: header.producerId, isCommit: marker.kind == .commit)
        }
        let producerId = header.attributes.isTransactional ? header.producerId : nil
        for record in try BatchRecords.all(in: batch, header: header, limit: decompressedByteCountMax) {
            // A record without a key says nothing that a coordinator could have meant.
            guard let key = record.key else { continue }
            do {
                try shard.replay(
                    key: ByteBuffer(bytes: key), value: record.value.map { ByteBuffer(bytes: $0) },
                    producerId: producerId)
            } catch {
                // The checksum was right, so somebody else wrote it; one record must not keep all groups from service.
                unreadable(record.offset, error)
            }
        }
    }
}
