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
    /// Length, attributes, both deltas and the lengths of key and value.
    private static let recordHeadByteCountMax = 32

    struct Sealed: Sendable {
        var partition: TopicPartition
        var bytes: ByteBuffer
        var recordCount: Int
    }

    /// The records of one partition on their way: the record batch that is being filled.
    final class Lane {
        let partition: TopicPartition
        fileprivate let records = GrowingBytes()
        /// Of the records of a batch.
        fileprivate let byteCountMax: Int
        fileprivate var count: Int32 = 0
        fileprivate var baseTimestamp: Int64 = 0
        fileprivate var maxTimestamp: Int64 = 0

        fileprivate init(_ partition: TopicPartition, byteCountMax: Int) {
            self.partition = partition
            self.byteCountMax = byteCountMax
        }
    }

    /// A record that is too large for its topic's batches.
    struct TooLarge: Hashable {
        var row: Int
        /// Of the smallest batch that has it.
        var byteCount: Int
    }

    /// `max.message.bytes` of topics, where it is known.
    private let limits: [String: Int]
    private var lanes: [TopicPartition: Lane] = [:]
    private var sealed: [Sealed] = []
    private(set) var byteCount = 0
    private(set) var recordCount = 0
    /// Where the next records without key go.
    private var next: Int32 = 0

    init(limits: [String: Int] = [:]) { self.limits = limits }

    var isEmpty: Bool { recordCount == 0 }

    /// Where records of a partition are appended; to be asked for once for many records.
    func lane(_ partition: TopicPartition) -> Lane {
        if let found = lanes[partition] { return found }
        // What a batch has besides its records, and a record besides its fields.
        let most = limits[partition.topic].map { max(0, $0 - BatchHeader.byteCount - Self.recordHeadByteCountMax) }
        let made = Lane(partition, byteCountMax: min(Self.batchByteCountMax, most ?? .max))
        lanes[partition] = made
        return made
    }

    /// Adds records for partitions that their keys decide, as the Java producer does; those without a key of one call stay
    /// together.
    ///
    /// - Parameter passesOver: whether records that the topic does not take are left out.
    /// - Returns: what was left out.
    /// - Throws: `.invalidRecord` when a record is too large for any batch.
    @discardableResult
    func append(
        _ batch: SinkBatch, partitionCount: Int32, passesOver: Bool = false
    ) throws(ClusterError) -> [TooLarge] {
        var left: [TooLarge] = []
        let most = passesOver ? limits[batch.topic] ?? .max : .max
        next &+= 1
        let count = max(1, partitionCount)
        let keyless = (next & 0x7FFF_FFFF) % count
        var used = [Lane?](repeating: nil, count: Int(count))
        let keys = Cells(batch.keys)
        let values = Cells(batch.values)
        defer { withExtendedLifetime(batch) {} }
        for row in 0..<batch.count {
            let key = keys[row]
            let value = values[row]
            if most != .max {
                let headers = batch.headers.isEmpty ? [] : batch.headers[row]
                let byteCount = Self.batchByteCount(key: key?.count, value: value?.count, headers)
                if byteCount > most {
                    left.append(TooLarge(row: row, byteCount: byteCount))
                    continue
                }
            }
            var partition = keyless
            if let key {
                partition = 0
                if count > 1 {
                    let own = UnsafeRawBufferPointer(rebasing: key.dropLast(batch.windowByteCount))
                    partition = (Partitioner.murmur2(own) & 0x7FFF_FFFF) % count
                }
            }
            let lane: Lane
            if let known = used[Int(partition)] {
                lane = known
            } else {
                lane = self.lane(TopicPartition(batch.topic, partition))
                used[Int(partition)] = lane
            }
            try append(
                prefix: nil, key: key, value: value, batch.timestamps[row], to: lane,
                batch.headers.isEmpty ? [] : batch.headers[row])
        }
        return left
    }

    /// Of a batch with one record.
    private static func batchByteCount(key: Int?, value: Int?, _ headers: [SourceBatch.Header]) -> Int {
        var length = 3 + GrowingBytes.byteCount(Int64(key ?? -1)) + GrowingBytes.byteCount(Int64(value ?? -1))
        length += (key ?? 0) + (value ?? 0) + (headers.isEmpty ? 1 : byteCount(headers))
        return BatchHeader.byteCount + GrowingBytes.byteCount(Int64(length)) + length
    }

    /// - Parameter prefix: a byte in front of the key, which is there then.
    func append(
        prefix: UInt8?, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, _ timestamp: Int64, to lane: Lane,
        _ headers: [SourceBatch.Header] = []
    ) throws(ClusterError) {
        let headerBytes = headers.isEmpty ? 1 : Self.byteCount(headers)
        let keyCount = (key?.count ?? -1) + (prefix == nil ? 0 : 1)
        let valueCount = value?.count ?? -1
        let fieldBytes = max(0, keyCount) + max(0, valueCount) + headerBytes
        guard fieldBytes < Int(Int32.max) - 1024 else {
            throw ClusterError(.invalidRecord, "a record of \(fieldBytes) bytes for \(lane.partition) is too large")
        }
        let records = lane.records
        if lane.count > 0, records.count + fieldBytes > lane.byteCountMax || lane.count == .max { seal(lane) }
        if lane.count == 0 {
            lane.baseTimestamp = timestamp
            lane.maxTimestamp = timestamp
        }
        let timestampDelta = timestamp &- lane.baseTimestamp
        let before = records.count
        var length = 1 + GrowingBytes.byteCount(timestampDelta) + GrowingBytes.byteCount(Int64(lane.count))
        length += GrowingBytes.byteCount(Int64(keyCount)) + GrowingBytes.byteCount(Int64(valueCount)) + fieldBytes
        records.reserve(length + 5)
        records.append(varint: Int64(length))
        records.append(byte: 0)
        records.append(varint: timestampDelta)
        records.append(varint: Int64(lane.count))
        records.append(varint: Int64(keyCount))
        if let prefix { records.append(byte: prefix) }
        if let key { records.append(key) }
        records.append(varint: Int64(valueCount))
        if let value { records.append(value) }
        records.append(varint: Int64(headers.count))
        if !headers.isEmpty { Self.append(headers, to: records) }
        lane.count &+= 1
        if timestamp > lane.maxTimestamp { lane.maxTimestamp = timestamp }
        recordCount &+= 1
        byteCount &+= records.count &- before
    }

    private static func byteCount(_ headers: [SourceBatch.Header]) -> Int {
        var sum = Varint.byteCount(Int64(headers.count))
        for header in headers {
            let keyByteCount = header.key.utf8.count
            sum += Varint.byteCount(Int64(keyByteCount)) + keyByteCount + (header.value?.count ?? 0)
            sum += Varint.byteCount(Int64(header.value?.count ?? -1))
        }
        return sum
    }

    private static func append(_ headers: [SourceBatch.Header], to records: GrowingBytes) {
        for header in headers {
            records.append(varint: Int64(header.key.utf8.count))
            for byte in header.key.utf8 { records.append(byte: byte) }
            records.append(varint: Int64(header.value?.count ?? -1))
            header.value?.withUnsafeBytes { records.append($0) }
        }
    }

    private func seal(_ lane: Lane) {
        guard lane.count > 0 else { return }
        let byteCount = BatchHeader.byteCount + lane.records.count
        let header = BatchHeader(
            batchLength: Int32(truncatingIfNeeded: byteCount - BatchHeader.prefixByteCount),
            attributes: .init(rawValue: 0), lastOffsetDelta: lane.count - 1, baseTimestamp: lane.baseTimestamp,
            maxTimestamp: lane.maxTimestamp, recordCount: lane.count)
        var buffer = ByteBufferAllocator().buffer(capacity: byteCount)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: byteCount) { free in
            let bytes = UnsafeMutableRawBufferPointer(rebasing: free[..<byteCount])
            header.store(to: bytes)
            UnsafeMutableRawBufferPointer(rebasing: bytes[BatchHeader.byteCount...]).copyMemory(
                from: lane.records.bytes)
            BatchPatch.updateChecksum(bytes)
            return byteCount
        }
        sealed.append(Sealed(partition: lane.partition, bytes: buffer, recordCount: Int(lane.count)))
        lane.records.clear()
        lane.count = 0
    }

    /// What was added, and nothing is left. Batches of a partition are in the order of their records.
    func drain() -> [Sealed] {
        for lane in lanes.values { seal(lane) }
        defer {
            sealed = []
            byteCount = 0
            recordCount = 0
        }
        return sealed
    }
}

/// Writes the changes of a store to its changelog.
final class ChangelogWriting: ChangeReceiver {
    let lane: PendingBatches.Lane
    private let pending: PendingBatches
    /// Of the records, in milliseconds.
    private let time: Int64
    private(set) var count = 0
    /// The last one; changes behind it were written nevertheless.
    private(set) var failure: ClusterError?

    init(_ pending: PendingBatches, _ lane: PendingBatches.Lane, _ time: Int64) {
        self.pending = pending
        self.lane = lane
        self.time = time
    }

    func take(tag: UInt8, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) { write(tag, key, value) }

    func take(_ change: StateChange) {
        change.key.withUnsafeBytes { key in
            guard let value = change.value else { return write(nil, key, nil) }
            value.withUnsafeBytes { write(nil, key, $0) }
        }
    }

    private func write(_ tag: UInt8?, _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) {
        count &+= 1
        do throws(ClusterError) {
            try pending.append(prefix: tag, key: key, value: value, time, to: lane)
        } catch { failure = error }
    }
}

/// The values of a column of bytes in place, for a loop over all rows; valid as long as the column is.
private struct Cells: BitwiseCopyable {
    private let ends: UnsafePointer<Int32>?
    private let bytes: UnsafeRawPointer?
    private let validity: UnsafePointer<UInt64>?

    init(_ column: BytesColumn) {
        ends = column.runs.ends.withUnsafeBufferPointer { $0.baseAddress }
        bytes = column.bytes.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
        validity = column.validity.words?.withUnsafeBufferPointer { $0.baseAddress }
    }

    /// Of a row that the column has; nil where there is no value.
    @inline(__always)
    subscript(row: Int) -> UnsafeRawBufferPointer? {
        if let validity, validity[row &>> 6] & (1 &<< UInt64(row & 63)) == 0 { return nil }
        guard let ends else { return nil }
        let start = Int(ends[row])
        return UnsafeRawBufferPointer(start: bytes.map { $0 + start }, count: Int(ends[row &+ 1]) &- start)
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

    /// Of a number as `append(varint:)` writes it.
    @inline(__always)
    static func byteCount(_ value: Int64) -> Int {
        let left = UInt64(bitPattern: (value << 1) ^ (value >> 63))
        return (70 &- (left | 1).leadingZeroBitCount) / 7
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
