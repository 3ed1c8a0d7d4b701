package import Bytes
package import Compression

extension BatchHeader {
    /// How the records are compressed.
    ///
    /// - Throws: `.unsupported` for the numbers 5 to 7, which are not assigned.
    package var codec: Codec {
        get throws(WireError) {
            guard let codec = Codec(rawValue: attributes.codecID) else {
                throw .unsupported("compression codec \(attributes.codecID)")
            }
            return codec
        }
    }

    /// The timestamp of a record, in milliseconds since 1970.
    @inlinable package func timestamp(of record: RecordView) -> Int64 {
        attributes.isLogAppendTime ? maxTimestamp : baseTimestamp &+ record.timestampDelta
    }

    /// The offset of a record.
    @inlinable package func offset(of record: RecordView) -> Int64 { baseOffset &+ Int64(record.offsetDelta) }
}

/// Whether a walk goes on.
package enum WalkStep: Sendable {
    case next, stop
}

/// Reading the records of one whole batch, compressed or not. The bytes begin with the batch's header; what follows
/// the batch is ignored. Checksums are not looked at.
///
/// `limit` bounds the bytes that come out of a compressed batch.
package enum BatchRecords {
    /// Calls `body` with each record and the bytes that its places refer to.
    ///
    /// - Throws: what `body` throws; `WireError` for a batch that is not all there, does not decompress within `limit`
    ///   or whose records do not fill it exactly. Records before the fault have been given to `body`.
    package static func forEach(
        in batch: borrowing RawSpan, header: BatchHeader, limit: Int,
        _ body: (RawSpan, RecordView) throws -> WalkStep
    ) throws {
        let codec = try header.codec
        if codec == .none {
            try walk(batch.extracting(try payload(of: batch, header: header)), header: header, body)
        } else {
            let payload = batch.extracting(try payload(of: batch, header: header))
            let records = try codec.decompress(payload, limit: limit)
            try walk(records.span.bytes, header: header, body)
        }
    }

    /// Calls `body` with offset and timestamp (milliseconds since 1970) of each record.
    package static func forEachTimestamp(
        in batch: borrowing RawSpan, header: BatchHeader, limit: Int,
        _ body: (_ offset: Int64, _ timestamp: Int64) throws -> WalkStep
    ) throws {
        try forEach(in: batch, header: header, limit: limit) { _, record in
            try body(header.offset(of: record), header.timestamp(of: record))
        }
    }

    /// The first record whose timestamp is `timestamp` or later, nil when there is none. Records of a batch need not be
    /// in the order of their timestamps.
    package static func first(
        in batch: borrowing RawSpan, header: BatchHeader, from timestamp: Int64, limit: Int
    ) throws -> (offset: Int64, timestamp: Int64)? {
        guard header.maxTimestamp >= timestamp else { return nil }
        var found: (offset: Int64, timestamp: Int64)?
        try forEachTimestamp(in: batch, header: header, limit: limit) { offset, time in
            guard time >= timestamp else { return .next }
            found = (offset, time)
            return .stop
        }
        return found
    }

    /// Copies of all records.
    package static func all(in batch: borrowing RawSpan, header: BatchHeader, limit: Int) throws -> [Record] {
        var records: [Record] = []
        try forEach(in: batch, header: header, limit: limit) { bytes, record in
            records.append(try Record(record, of: bytes, header: header))
            return .next
        }
        return records
    }

    /// Where the bytes behind the header are: records, or what they were compressed to.
    static func payload(of batch: borrowing RawSpan, header: BatchHeader) throws(WireError) -> Range<Int> {
        guard batch.byteCount >= header.byteCount else { throw .truncated }
        return BatchHeader.byteCount..<header.byteCount
    }

    private static func walk(
        _ records: RawSpan, header: BatchHeader, _ body: (RawSpan, RecordView) throws -> WalkStep
    ) throws {
        var reader = RecordReader(count: header.recordCount)
        while let record = try reader.next(in: records) {
            if try body(records, record) == .stop { return }
        }
        guard reader.at == records.byteCount else {
            throw WireError.corrupt("record batch with \(records.byteCount - reader.at) bytes behind its records")
        }
    }
}

extension Record {
    /// Copies a record out of the bytes its places refer to.
    package init(_ view: RecordView, of bytes: borrowing RawSpan, header: BatchHeader) throws(WireError) {
        self.init(
            offset: header.offset(of: view), timestamp: header.timestamp(of: view),
            key: view.key.map { bytes.copy($0) }, value: view.value.map { bytes.copy($0) })
        var reader = RecordHeaderReader(view)
        while let (key, value) = try reader.next(in: bytes) {
            headers.append(
                RecordHeader(key: String(decoding: bytes.copy(key), as: UTF8.self), value: value.map { bytes.copy($0) })
            )
        }
    }
}

extension RawSpan {
    /// The bytes at `range`, which lies within.
    package func copy(_ range: Range<Int>) -> [UInt8] {
        extracting(range).withUnsafeBytes { [UInt8]($0) }
    }
}
