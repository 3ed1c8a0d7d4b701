import Bytes
import NIOCore
import RecordBatches

extension FetchedBatches {
    /// Bytes that one compressed batch may become; a batch beyond it is refused, not decompressed without end.
    package static let decompressedByteCountMax = ProduceRules.decompressedByteCountLimit

    /// The records, from `startOffset` on. Control records are left out. Bytes of uncompressed batches are shared,
    /// those of compressed ones are copied once per batch.
    ///
    /// - Throws: `.corruptMessage` when a batch is not valid.
    package func records() throws(ClusterError) -> [ConsumerRecord] {
        var records: [ConsumerRecord] = []
        do {
            var at = bytes.readerIndex
            while at < bytes.writerIndex, var batch = bytes.getSlice(at: at, length: bytes.writerIndex - at) {
                let header = try batch.withUnsafeReadableBytes { raw throws(WireError) in
                    try BatchHeader(raw.bytes)
                }
                guard let whole = batch.readSlice(length: header.byteCount) else { throw WireError.truncated }
                at += header.byteCount
                if !header.attributes.isControl { try append(whole, header, to: &records) }
            }
        } catch {
            throw ClusterError(.corruptMessage, "record batch of \(partition): \(error)")
        }
        return records
    }

    private func append(_ batch: ByteBuffer, _ header: BatchHeader, to records: inout [ConsumerRecord]) throws {
        let type: ConsumerRecord.TimestampType = header.attributes.isLogAppendTime ? .logAppendTime : .createTime
        // What the places of a record refer to: the batch's own bytes behind the header, or their decompressed copy.
        var payload =
            header.attributes.codecID == 0
            ? batch.getSlice(
                at: batch.readerIndex + BatchHeader.byteCount, length: header.byteCount - BatchHeader.byteCount)
            : nil
        try batch.withUnsafeReadableBytes { raw in
            try BatchRecords.forEach(in: raw.bytes, header: header, limit: Self.decompressedByteCountMax) {
                bytes, view in
                let shared = payload ?? bytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
                payload = shared
                let offset = header.offset(of: view)
                guard offset >= startOffset else { return .next }
                func slice(_ range: Range<Int>?) -> ByteBuffer? {
                    range.flatMap { shared.getSlice(at: shared.readerIndex + $0.lowerBound, length: $0.count) }
                }
                var headers: [RecordHeader] = []
                var reader = RecordHeaderReader(view)
                while let (key, value) = try reader.next(in: bytes) {
                    headers.append(
                        RecordHeader(
                            key: String(decoding: bytes.copy(key), as: UTF8.self), value: value.map { bytes.copy($0) }))
                }
                records.append(
                    ConsumerRecord(
                        topic: partition.topic, partition: partition.partition, offset: offset,
                        timestamp: header.timestamp(of: view), timestampType: type, key: slice(view.key),
                        value: slice(view.value), headers: headers))
                return .next
            }
        }
    }
}
