import Bytes
import CRdKafka
import RecordBatches

/// Frames librdkafka's messages of one partition as record batches again, in the order of their offsets.
struct MessageFramer {
    private var builder = BatchBuilder()
    private var bytes: [UInt8] = []
    private var lastOffset: Int64 = -1

    /// Bytes of a batch that is closed and followed by another.
    private static let batchByteCountMax = 1 << 20

    /// Bytes so far.
    var byteCount: Int { bytes.count + (builder.isEmpty ? 0 : builder.uncompressedByteCount) }

    mutating func append(_ message: UnsafePointer<rd_kafka_message_t>) throws(WireError) {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let timestamp = rd_kafka_message_timestamp(message, &type)
        let appendTime = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? timestamp : nil
        let offset = message.pointee.offset
        let isFull = builder.uncompressedByteCount >= Self.batchByteCountMax
        if !builder.isEmpty,
            isFull || appendTime != builder.logAppendTime || offset - builder.baseOffset > Int64(Int32.max)
        {
            bytes += try builder.build()
        }
        if builder.isEmpty {
            builder.baseOffset = offset
            builder.logAppendTime = appendTime
        } else if offset <= lastOffset {
            throw .corrupt("offset \(offset) after \(lastOffset)")
        }
        lastOffset = offset
        try builder.append(
            offsetDelta: Int32(offset - builder.baseOffset), timestamp: timestamp,
            key: Self.copy(message.pointee.key, message.pointee.key_len),
            value: Self.copy(message.pointee.payload, message.pointee.len), headers: Self.headers(message))
    }

    /// The batches of everything appended.
    mutating func finish() throws(WireError) -> [UInt8] {
        if !builder.isEmpty { bytes += try builder.build() }
        defer { bytes = [] }
        return bytes
    }

    private static func copy(_ bytes: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
        bytes.map { [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) }
    }

    private static func headers(_ message: UnsafePointer<rd_kafka_message_t>) -> [RecordHeader] {
        var list: OpaquePointer?
        guard rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return [] }
        var headers: [RecordHeader] = []
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var byteCount = 0
        while rd_kafka_header_get_all(list, headers.count, &name, &value, &byteCount) == RD_KAFKA_RESP_ERR_NO_ERROR,
            let name
        {
            headers.append(RecordHeader(key: String(cString: name), value: copy(value, byteCount)))
        }
        return headers
    }
}
