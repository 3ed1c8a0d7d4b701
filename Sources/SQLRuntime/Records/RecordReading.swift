import Bytes
import Cluster
import Columns
import NIOCore
import RecordBatches
import StreamEngine

/// Makes columns of fetched record batches, record by record without an object for any.
struct RecordColumns {
    /// Records of one batch of columns: what is processed at a stretch, a few milliseconds at most.
    static let rowCountMax = 4096
    /// Bytes of keys and values of one batch of columns, after which it is cut too.
    static let byteCountMax = 4 << 20

    private let partition: TopicPartition
    private let keys = ColumnBuilder(.bytes)
    private let values = ColumnBuilder(.bytes)
    private var timestamps: [Int64] = []
    private var offsets: [Int64] = []
    private var headers: [[SourceBatch.Header]] = []
    private var batches: [SourceBatch] = []

    private init(_ partition: TopicPartition) { self.partition = partition }

    /// The records from `startOffset` on, in their order; control records are left out.
    ///
    /// - Throws: `.corruptMessage` when a batch is not valid.
    static func batches(of fetched: FetchedBatches) throws(ClusterError) -> [SourceBatch] {
        var columns = RecordColumns(fetched.partition)
        do {
            try fetched.bytes.withUnsafeReadableBytes { raw in
                var at = 0
                while at < raw.count {
                    let rest = UnsafeRawBufferPointer(rebasing: raw[at...])
                    let header = try BatchHeader(rest.bytes)
                    guard header.byteCount <= rest.count else { throw WireError.truncated }
                    if !header.attributes.isControl {
                        try columns.append(rest.bytes, header, from: fetched.startOffset)
                    }
                    at += header.byteCount
                }
            }
        } catch {
            throw ClusterError(.corruptMessage, "record batch of \(fetched.partition): \(error)")
        }
        columns.cut()
        return columns.batches
    }

    private mutating func append(_ batch: RawSpan, _ header: BatchHeader, from start: Int64) throws {
        try BatchRecords.forEach(in: batch, header: header, limit: FetchedBatches.decompressedByteCountMax) {
            bytes, view in
            let offset = header.offset(of: view)
            if offset < start { return .next }
            if !Self.append(view.key, of: bytes, to: keys) || !Self.append(view.value, of: bytes, to: values) {
                throw WireError.corrupt("a record is larger than a column can be")
            }
            timestamps.append(header.timestamp(of: view))
            offsets.append(offset)
            if view.headerCount > 0 || !headers.isEmpty {
                while headers.count < offsets.count - 1 { headers.append([]) }
                headers.append(try Self.headers(view, bytes))
            }
            let byteCount = keys.cells.pointee.byteCount + values.cells.pointee.byteCount
            if offsets.count >= Self.rowCountMax || byteCount >= Self.byteCountMax { cut() }
            return .next
        }
    }

    private static func append(_ range: Range<Int>?, of bytes: RawSpan, to column: ColumnBuilder) -> Bool {
        guard let range else {
            column.appendNull()
            return true
        }
        return bytes.withUnsafeBytes { column.append(bytes: UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    private static func headers(_ view: RecordView, _ bytes: RawSpan) throws -> [SourceBatch.Header] {
        var headers: [SourceBatch.Header] = []
        var reader = RecordHeaderReader(view)
        while let (key, value) = try reader.next(in: bytes) {
            headers.append(
                .init(key: String(decoding: bytes.copy(key), as: UTF8.self), value: value.map { bytes.copy($0) }))
        }
        return headers
    }

    private mutating func cut() {
        guard !offsets.isEmpty, case .bytes(let keys) = self.keys.finish(),
            case .bytes(let values) = self.values.finish()
        else { return }
        batches.append(
            SourceBatch(
                topic: partition.topic, partition: partition.partition, keys: keys, values: values,
                timestamps: ColumnBuffer(timestamps), offsets: ColumnBuffer(offsets), headers: headers))
        timestamps.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        headers = []
    }
}
