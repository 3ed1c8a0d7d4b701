package import Bytes
package import Compression

/// Builds one batch, record by record. Reusable: `build` leaves it empty.
package struct BatchBuilder: Sendable {
    package var codec: Codec
    /// Nil for the codec's default.
    package var level: Int?
    package var baseOffset: Int64 = 0
    package var partitionLeaderEpoch: Int32 = -1
    package var producerId: Int64 = -1
    package var producerEpoch: Int16 = -1
    package var baseSequence: Int32 = -1
    package var isTransactional = false
    package var isControl = false
    /// When set, the time of all records, in milliseconds since 1970, and the batch is marked LogAppendTime.
    package var logAppendTime: Int64?

    private var records: [UInt8] = []
    private var lastOffsetDelta: Int32 = -1
    private var baseTimestamp: Int64 = -1
    private var maxTimestamp: Int64 = -1

    package private(set) var recordCount: Int32 = 0

    package init(codec: Codec = .none, level: Int? = nil) {
        self.codec = codec
        self.level = level
    }

    package var isEmpty: Bool { recordCount == 0 }
    /// Bytes of the batch if it were built now without compression.
    package var uncompressedByteCount: Int { BatchHeader.byteCount + records.count }

    /// The most bytes that `append` of such a record adds before compression.
    package static func byteCountMax(key: [UInt8]?, value: [UInt8]?, headers: [RecordHeader] = []) -> Int {
        // 5 + 1 + 10 + 5 + 5 + 5 + 5: length, attributes, time, offset, two field lengths, header count.
        headers.reduce(36 + (key?.count ?? 0) + (value?.count ?? 0)) { sum, header in
            sum + 10 + header.key.utf8.count + (header.value?.count ?? 0)
        }
    }

    /// Adds a record.
    ///
    /// - Parameters:
    ///   - offsetDelta: nil for the offset after the last record's. Others leave a gap and must be larger.
    ///   - timestamp: milliseconds since 1970.
    /// - Throws: `.corrupt` when the records are beyond what the format can count: 2 GiB, 2^31 records.
    package mutating func append(
        offsetDelta: Int32? = nil, timestamp: Int64, key: [UInt8]?, value: [UInt8]?, headers: [RecordHeader] = []
    ) throws(WireError) {
        let next = try advance(to: offsetDelta, timestamp: timestamp)
        let timestampDelta = timestamp &- baseTimestamp
        var byteCount = 1 + Varint.byteCount(timestampDelta) + Varint.byteCount(Int64(next))
        byteCount += Self.fieldByteCount(key) + Self.fieldByteCount(value) + Varint.byteCount(Int64(headers.count))
        for header in headers {
            let keyByteCount = header.key.utf8.count
            byteCount += Varint.byteCount(Int64(keyByteCount)) + keyByteCount + Self.fieldByteCount(header.value)
        }
        try reserve(byteCount)
        Varint.append(Int64(byteCount), to: &records)
        records.append(0)
        Varint.append(timestampDelta, to: &records)
        Varint.append(Int64(next), to: &records)
        appendField(key)
        appendField(value)
        Varint.append(Int64(headers.count), to: &records)
        for header in headers {
            Varint.append(Int64(header.key.utf8.count), to: &records)
            records.append(contentsOf: header.key.utf8)
            appendField(header.value)
        }
        commit(next, timestamp)
    }

    /// Adds a copy of a record read elsewhere; key, value and headers are not decoded.
    package mutating func append(
        offsetDelta: Int32? = nil, timestamp: Int64, copying record: RecordView, of bytes: borrowing RawSpan
    ) throws(WireError) {
        let next = try advance(to: offsetDelta, timestamp: timestamp)
        let timestampDelta = timestamp &- baseTimestamp
        let keyByteCount = record.key.map(\.count) ?? -1
        let valueByteCount = record.value.map(\.count) ?? -1
        var byteCount = 1 + Varint.byteCount(timestampDelta) + Varint.byteCount(Int64(next))
        byteCount += Varint.byteCount(Int64(keyByteCount)) + max(0, keyByteCount)
        byteCount += Varint.byteCount(Int64(valueByteCount)) + max(0, valueByteCount)
        byteCount += Varint.byteCount(Int64(record.headerCount)) + record.headers.count
        try reserve(byteCount)
        Varint.append(Int64(byteCount), to: &records)
        records.append(0)
        Varint.append(timestampDelta, to: &records)
        Varint.append(Int64(next), to: &records)
        Varint.append(Int64(keyByteCount), to: &records)
        if let key = record.key { append(bytes, key) }
        Varint.append(Int64(valueByteCount), to: &records)
        if let value = record.value { append(bytes, value) }
        Varint.append(Int64(record.headerCount), to: &records)
        append(bytes, record.headers)
        commit(next, timestamp)
    }

    /// The batch, and an empty builder with the same settings.
    ///
    /// - Precondition: there is at least one record.
    /// - Throws: what `Codec.compress` throws.
    package mutating func build() throws(WireError) -> [UInt8] {
        precondition(!isEmpty, "a batch without records cannot be built")
        var attributes = Int16(codec.rawValue)
        if logAppendTime != nil { attributes |= 0x08 }
        if isTransactional { attributes |= 0x10 }
        if isControl { attributes |= 0x20 }
        let header = BatchHeader(
            baseOffset: baseOffset, batchLength: 0, partitionLeaderEpoch: partitionLeaderEpoch,
            attributes: .init(rawValue: attributes), lastOffsetDelta: lastOffsetDelta, baseTimestamp: baseTimestamp,
            maxTimestamp: logAppendTime ?? maxTimestamp, producerId: producerId, producerEpoch: producerEpoch,
            baseSequence: baseSequence, recordCount: recordCount)
        let payload = codec == .none ? records : try codec.compress(records.span.bytes, level: level)
        let batch = try header.sealed(payload: payload.span.bytes)
        records.removeAll(keepingCapacity: true)
        recordCount = 0
        lastOffsetDelta = -1
        return batch
    }

    /// The next record's offset delta. The first record's time becomes the base of all.
    private mutating func advance(to offsetDelta: Int32?, timestamp: Int64) throws(WireError) -> Int32 {
        guard lastOffsetDelta < .max else { throw .corrupt("record batch with more than 2^31 offsets") }
        let next = offsetDelta ?? lastOffsetDelta + 1
        precondition(next > lastOffsetDelta, "records are added in the order of their offsets")
        if recordCount == 0 { baseTimestamp = timestamp }
        return next
    }

    private mutating func commit(_ offsetDelta: Int32, _ timestamp: Int64) {
        maxTimestamp = recordCount == 0 ? timestamp : max(maxTimestamp, timestamp)
        lastOffsetDelta = offsetDelta
        recordCount += 1
    }

    private mutating func reserve(_ byteCount: Int) throws(WireError) {
        guard records.count + byteCount + 5 < Int(Int32.max) - BatchHeader.byteCount else {
            throw .corrupt("record batch longer than 2 GiB")
        }
    }

    private static func fieldByteCount(_ field: [UInt8]?) -> Int {
        guard let field else { return 1 }
        return Varint.byteCount(Int64(field.count)) + field.count
    }

    private mutating func appendField(_ field: [UInt8]?) {
        Varint.append(Int64(field?.count ?? -1), to: &records)
        if let field { records.append(contentsOf: field) }
    }

    private mutating func append(_ bytes: borrowing RawSpan, _ range: Range<Int>) {
        bytes.extracting(range).withUnsafeBytes { records.append(contentsOf: $0) }
    }
}
