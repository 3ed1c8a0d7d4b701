package import Bytes

/// Where one record of a batch lies in the bytes it was read from; nothing is copied.
///
/// | field            | encoding                                                |
/// |------------------|---------------------------------------------------------|
/// | byte count       | varint, of all that follows                             |
/// | attributes       | 1 byte, 0                                               |
/// | `timestampDelta` | varlong, milliseconds after the batch's `baseTimestamp` |
/// | `offsetDelta`    | varint, after the batch's `baseOffset`                  |
/// | key              | varint byte count, -1 for null; bytes                   |
/// | value            | varint byte count, -1 for null; bytes                   |
/// | header count     | varint                                                  |
/// | headers          | each: varint byte count, key; varint byte count, -1 for null; value |
///
/// - SeeAlso: Kafka protocol guide, "Record".
package struct RecordView: Equatable, Sendable {
    package var offsetDelta: Int32
    package var timestampDelta: Int64
    /// Bytes of the key, nil for null.
    package var key: Range<Int>?
    /// Bytes of the value, nil for null.
    package var value: Range<Int>?
    package var headerCount: Int32
    /// Bytes of all headers, without their count; `RecordHeaderReader` reads them.
    package var headers: Range<Int>
    /// Bytes of the whole record, its length included.
    package var bytes: Range<Int>

    @inlinable package init(
        offsetDelta: Int32, timestampDelta: Int64, key: Range<Int>?, value: Range<Int>?, headerCount: Int32,
        headers: Range<Int>, bytes: Range<Int>
    ) {
        self.offsetDelta = offsetDelta
        self.timestampDelta = timestampDelta
        self.key = key
        self.value = value
        self.headerCount = headerCount
        self.headers = headers
        self.bytes = bytes
    }
}

/// Walks over uncompressed records.
///
/// The bytes are passed to each call, so that the reader can be stored beside an array. All calls get the same bytes.
package struct RecordReader: Sendable {
    /// Where the next record begins.
    package private(set) var at: Int
    /// Records still to come.
    package private(set) var remaining: Int32

    /// - Parameter count: records that follow from byte `at` on, as the batch announces.
    package init(count: Int32, at: Int = 0) {
        self.at = at
        remaining = max(0, count)
    }

    /// The next record, nil when all have been read.
    ///
    /// - Throws: `.truncated` when the bytes end inside the record, `.corrupt` when its fields do not fill its length.
    ///   The contents of its headers are not looked at.
    @inline(__always) package mutating func next(in bytes: borrowing RawSpan) throws(WireError) -> RecordView? {
        guard remaining > 0 else { return nil }
        let start = at
        var cursor = at
        let length = try Varint.readInt(bytes, at: &cursor)
        guard length >= 0 else { throw .corrupt("record of \(length) bytes") }
        guard Int(length) <= bytes.byteCount - cursor else { throw .truncated }
        let end = cursor + Int(length)
        guard cursor < end else { throw .corrupt("record of 0 bytes") }
        cursor += 1  // attributes: none are assigned
        let timestampDelta = try Varint.readLong(bytes, at: &cursor)
        let offsetDelta = try Varint.readInt(bytes, at: &cursor)
        let key = try Self.readField(bytes, at: &cursor, end: end)
        let value = try Self.readField(bytes, at: &cursor, end: end)
        let headerCount = try Varint.readInt(bytes, at: &cursor)
        guard cursor <= end else { throw .corrupt("record longer than its length of \(length)") }
        guard headerCount >= 0 else { throw .corrupt("record with \(headerCount) headers") }
        guard headerCount > 0 || cursor == end else { throw .corrupt("record shorter than its length of \(length)") }
        at = end
        remaining -= 1
        return RecordView(
            offsetDelta: offsetDelta, timestampDelta: timestampDelta, key: key, value: value,
            headerCount: headerCount, headers: cursor..<end, bytes: start..<end)
    }

    /// A byte count, -1 for null, and as many bytes.
    @inline(__always) static func readField(
        _ bytes: borrowing RawSpan, at cursor: inout Int, end: Int
    ) throws(WireError) -> Range<Int>? {
        let length = try Varint.readInt(bytes, at: &cursor)
        if length == -1 { return nil }
        guard length >= 0, Int(length) <= end - cursor else { throw .corrupt("record field of \(length) bytes") }
        let start = cursor
        cursor += Int(length)
        return start..<cursor
    }
}

/// Walks over the headers of one record.
package struct RecordHeaderReader: Sendable {
    private var at: Int
    private let end: Int
    private var remaining: Int32

    package init(_ record: RecordView) {
        at = record.headers.lowerBound
        end = record.headers.upperBound
        remaining = record.headerCount
    }

    /// The next header's key and value as places in the bytes of the record, nil when all have been read.
    ///
    /// - Throws: `.corrupt` or `.truncated` when the headers do not fill the rest of their record.
    package mutating func next(
        in bytes: borrowing RawSpan
    ) throws(WireError) -> (key: Range<Int>, value: Range<Int>?)? {
        guard remaining > 0 else {
            guard at == end else { throw .corrupt("record longer than its headers") }
            return nil
        }
        guard at < end else { throw .corrupt("record with fewer headers than announced") }
        guard let key = try RecordReader.readField(bytes, at: &at, end: end) else {
            throw .corrupt("record header without key")
        }
        let value = try RecordReader.readField(bytes, at: &at, end: end)
        guard at <= end else { throw .corrupt("record header beyond its record") }
        remaining -= 1
        return (key, value)
    }
}

/// A record with its own copy of everything, for places that are not hot.
package struct Record: Equatable, Sendable {
    package var offset: Int64
    /// Milliseconds since 1970; -1 for none.
    package var timestamp: Int64
    package var key: [UInt8]?
    package var value: [UInt8]?
    package var headers: [RecordHeader]

    package init(
        offset: Int64 = 0, timestamp: Int64, key: [UInt8]? = nil, value: [UInt8]?, headers: [RecordHeader] = []
    ) {
        self.offset = offset
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self.headers = headers
    }
}

/// One header of a record. Keys may repeat, and their order is kept.
package struct RecordHeader: Equatable, Sendable {
    package var key: String
    package var value: [UInt8]?

    package init(key: String, value: [UInt8]?) {
        self.key = key
        self.value = value
    }
}
