import Bytes
import Cluster
import Columns
import NIOCore
import RecordBatches
import StreamEngine

/// Records on their way to topics, as record batches that grow by partition. One user at a time.
final class PendingBatches {
    /// Records are cut into batches of about this size, half of what a topic takes by default.
    private static let batchByteCountMax = 512 << 10

    struct Sealed: Sendable {
        var partition: TopicPartition
        var bytes: ByteBuffer
        var recordCount: Int
    }

    /// A record batch that is being filled.
    private final class Growing {
        let records = GrowingBytes()
        var count: Int32 = 0
        var baseTimestamp: Int64 = 0
        var maxTimestamp: Int64 = 0
    }

    private var growing: [TopicPartition: Growing] = [:]
    private var sealed: [Sealed] = []
    private(set) var byteCount = 0
    private(set) var recordCount = 0
    /// Where the next records without key go.
    private var next: Int32 = 0

    var isEmpty: Bool { recordCount == 0 }

    /// Adds records for partitions that their keys decide, as the Java producer does; those without a key of one call stay
    /// together.
    ///
    /// - Throws: `.invalidRecord` when a record is too large for any batch.
    func append(_ batch: SinkBatch, partitionCount: Int32) throws(ClusterError) {
        next &+= 1
        let count = max(1, partitionCount)
        let keyless = (next & 0x7FFF_FFFF) % count
        for row in 0..<batch.count {
            let partition =
                batch.keys.withBytes(row) { bytes -> Int32 in
                    guard count > 1 else { return 0 }
                    let key = UnsafeRawBufferPointer(bytes).dropLast(batch.windowByteCount)
                    return (Partitioner.murmur2(UnsafeRawBufferPointer(rebasing: key)) & 0x7FFF_FFFF) % count
                } ?? keyless
            try append(
                batch.keys, batch.values, row, batch.timestamps[row], TopicPartition(batch.topic, partition),
                batch.headers.isEmpty ? [] : batch.headers[row])
        }
    }

    private func append(
        _ keys: BytesColumn, _ values: BytesColumn, _ row: Int, _ timestamp: Int64, _ partition: TopicPartition,
        _ headers: [SourceBatch.Header]
    ) throws(ClusterError) {
        let key = keys.validity.isValid(row) ? keys.runs[row] : nil
        let value = values.validity.isValid(row) ? values.runs[row] : nil
        try keys.bytes.withUnsafeBufferPointer { (allKeys) throws(ClusterError) in
            try values.bytes.withUnsafeBufferPointer { (allValues) throws(ClusterError) in
                try append(
                    key: key.map { UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(allKeys)[$0]) },
                    value: value.map { UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(allValues)[$0]) },
                    timestamp, partition, headers)
            }
        }
    }

    func append(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, _ timestamp: Int64, _ partition: TopicPartition,
        _ headers: [SourceBatch.Header] = []
    ) throws(ClusterError) {
        var headerBytes = Varint.byteCount(Int64(headers.count))
        for header in headers {
            let keyByteCount = header.key.utf8.count
            headerBytes += Varint.byteCount(Int64(keyByteCount)) + keyByteCount + (header.value?.count ?? 0)
            headerBytes += Varint.byteCount(Int64(header.value?.count ?? -1))
        }
        let fieldBytes = (key?.count ?? 0) + (value?.count ?? 0) + headerBytes
        guard fieldBytes < Int(Int32.max) - 1024 else {
            throw ClusterError(.invalidRecord, "a record of \(fieldBytes) bytes for \(partition) is too large")
        }
        let batch = growingBatch(partition)
        if batch.count > 0, batch.records.count + fieldBytes > Self.batchByteCountMax || batch.count == .max {
            seal(batch, partition)
        }
        if batch.count == 0 {
            batch.baseTimestamp = timestamp
            batch.maxTimestamp = timestamp
        }
        let timestampDelta = timestamp &- batch.baseTimestamp
        let before = batch.records.count
        var length = 1 + Varint.byteCount(timestampDelta) + Varint.byteCount(Int64(batch.count))
        length += Varint.byteCount(Int64(key?.count ?? -1)) + Varint.byteCount(Int64(value?.count ?? -1)) + fieldBytes
        let records = batch.records
        records.reserve(length + 5)
        records.append(varint: Int64(length))
        records.append(byte: 0)
        records.append(varint: timestampDelta)
        records.append(varint: Int64(batch.count))
        records.append(varint: Int64(key?.count ?? -1))
        if let key { records.append(key) }
        records.append(varint: Int64(value?.count ?? -1))
        if let value { records.append(value) }
        records.append(varint: Int64(headers.count))
        for header in headers {
            records.append(varint: Int64(header.key.utf8.count))
            for byte in header.key.utf8 { records.append(byte: byte) }
            records.append(varint: Int64(header.value?.count ?? -1))
            header.value?.withUnsafeBytes { records.append($0) }
        }
        batch.count += 1
        batch.maxTimestamp = max(batch.maxTimestamp, timestamp)
        recordCount += 1
        byteCount += batch.records.count - before
    }

    /// Adds a record of bytes that are held as arrays.
    func append(
        key: [UInt8], value: [UInt8]?, _ timestamp: Int64, _ partition: TopicPartition
    ) throws(ClusterError) {
        func attempt(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) -> ClusterError? {
            do throws(ClusterError) {
                try append(key: key, value: value, timestamp, partition)
                return nil
            } catch { return error }
        }
        let failure = key.withUnsafeBytes { key -> ClusterError? in
            guard let value else { return attempt(key, nil) }
            return value.withUnsafeBytes { attempt(key, $0) }
        }
        if let failure { throw failure }
    }

    private func growingBatch(_ partition: TopicPartition) -> Growing {
        if let found = growing[partition] { return found }
        let made = Growing()
        growing[partition] = made
        return made
    }

    private func seal(_ batch: Growing, _ partition: TopicPartition) {
        guard batch.count > 0 else { return }
        let byteCount = BatchHeader.byteCount + batch.records.count
        let header = BatchHeader(
            batchLength: Int32(truncatingIfNeeded: byteCount - BatchHeader.prefixByteCount),
            attributes: .init(rawValue: 0), lastOffsetDelta: batch.count - 1, baseTimestamp: batch.baseTimestamp,
            maxTimestamp: batch.maxTimestamp, recordCount: batch.count)
        var buffer = ByteBufferAllocator().buffer(capacity: byteCount)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCount) { free in
            let bytes = UnsafeMutableRawBufferPointer(rebasing: free[..<byteCount])
            header.store(to: bytes)
            UnsafeMutableRawBufferPointer(rebasing: bytes[BatchHeader.byteCount...]).copyMemory(
                from: batch.records.bytes)
            BatchPatch.updateChecksum(bytes)
            return byteCount
        }
        sealed.append(Sealed(partition: partition, bytes: buffer, recordCount: Int(batch.count)))
        batch.records.clear()
        batch.count = 0
    }

    /// What was added, and nothing is left. Batches of a partition are in the order of their records.
    func drain() -> [Sealed] {
        for (partition, batch) in growing { seal(batch, partition) }
        defer {
            sealed = []
            byteCount = 0
            recordCount = 0
        }
        return sealed
    }
}

/// Bytes that grow, written without a check each: whoever appends has reserved the room.
private final class GrowingBytes {
    private var start = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 16)
    private var capacity = 256
    private(set) var count = 0

    deinit { start.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    /// A large batch once does not keep its memory for good.
    func clear() {
        count = 0
        guard capacity > 1 << 20 else { return }
        start.deallocate()
        capacity = 256
        start = .allocate(byteCount: capacity, alignment: 16)
    }

    func reserve(_ more: Int) {
        guard count + more > capacity else { return }
        let larger = max(2 * capacity, count + more)
        let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        new.copyMemory(from: start, byteCount: count)
        start.deallocate()
        start = new
        capacity = larger
    }

    @inline(__always)
    func append(byte: UInt8) {
        (start + count).storeBytes(of: byte, as: UInt8.self)
        count &+= 1
    }

    @inline(__always)
    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        (start + count).copyMemory(from: source, byteCount: bytes.count)
        count &+= bytes.count
    }

    @inline(__always)
    func append(varint value: Int64) {
        var left = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        while left >= 0x80 {
            append(byte: UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        append(byte: UInt8(truncatingIfNeeded: left))
    }
}
