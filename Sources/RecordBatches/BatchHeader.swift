package import Bytes

/// The fixed 61-byte prefix of a record batch, magic 2. Big-endian.
///
/// | at | bytes | field                  | unit and range                                              |
/// |---:|------:|------------------------|-------------------------------------------------------------|
/// |  0 |     8 | `baseOffset`           | offset of the first record; set by the broker               |
/// |  8 |     4 | `batchLength`          | bytes after this field: 49 or more                          |
/// | 12 |     4 | `partitionLeaderEpoch` | set by the broker                                           |
/// | 16 |     1 | `magic`                | 2                                                           |
/// | 17 |     4 | `crc`                  | CRC-32C of bytes 21..<end                                   |
/// | 21 |     2 | `attributes`           | see `Attributes`                                            |
/// | 23 |     4 | `lastOffsetDelta`      | offset of the last record minus `baseOffset`                |
/// | 27 |     8 | `baseTimestamp`        | milliseconds since 1970                                     |
/// | 35 |     8 | `maxTimestamp`         | milliseconds since 1970; the append time if LogAppendTime   |
/// | 43 |     8 | `producerId`           | -1 when not idempotent                                      |
/// | 51 |     2 | `producerEpoch`        | -1 when not idempotent                                      |
/// | 53 |     4 | `baseSequence`         | -1 when not idempotent; wraps from 2147483647 to 0          |
/// | 57 |     4 | `recordCount`          | records in the batch; may be 0 after compaction             |
///
/// - SeeAlso: Kafka protocol guide, "Record Batch"; KIP-98.
package struct BatchHeader: Equatable, Sendable {
    /// Bytes of the header.
    package static let byteCount = 61
    /// Bytes of `baseOffset` and `batchLength`, which `batchLength` does not count.
    package static let prefixByteCount = 12
    /// First byte that the checksum covers.
    package static let checksummedFrom = 21

    package var baseOffset: Int64
    package var batchLength: Int32
    package var partitionLeaderEpoch: Int32
    package var magic: Int8
    package var crc: UInt32
    package var attributes: Attributes
    package var lastOffsetDelta: Int32
    package var baseTimestamp: Int64
    package var maxTimestamp: Int64
    package var producerId: Int64
    package var producerEpoch: Int16
    package var baseSequence: Int32
    package var recordCount: Int32

    /// The 16 attribute bits: 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon.
    package struct Attributes: RawRepresentable, Equatable, Sendable {
        package var rawValue: Int16
        package init(rawValue: Int16) { self.rawValue = rawValue }

        /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5-7 are not assigned.
        package var codecID: Int { Int(rawValue & 7) }
        package var isLogAppendTime: Bool { rawValue & 0x08 != 0 }
        package var isTransactional: Bool { rawValue & 0x10 != 0 }
        package var isControl: Bool { rawValue & 0x20 != 0 }
        package var hasDeleteHorizon: Bool { rawValue & 0x40 != 0 }
    }

    /// Offset of the last record of the batch.
    package var lastOffset: Int64 { baseOffset &+ Int64(lastOffsetDelta) }
    /// Offset of the record after the batch.
    package var nextOffset: Int64 { lastOffset &+ 1 }
    /// Bytes of the whole batch, header included.
    package var byteCount: Int { Self.prefixByteCount + Int(batchLength) }
    /// Sequence number of the last record, wrapping from 2147483647 to 0; -1 when not idempotent.
    package var lastSequence: Int32 {
        baseSequence < 0 ? -1 : Int32(truncatingIfNeeded: (Int64(baseSequence) + Int64(lastOffsetDelta)) & 0x7FFF_FFFF)
    }

    /// Reads the header at byte `offset`. Checks only what is needed to walk on safely: enough bytes, magic 2, a length
    /// that holds the header, no negative delta. The checksum and the records are the caller's to check.
    ///
    /// - Throws: `WireError.truncated` when fewer than 61 bytes are there, `.unsupported` for magic 0 and 1,
    ///   `.corrupt` otherwise.
    package init(_ bytes: borrowing RawSpan, at offset: Int = 0) throws(WireError) {
        guard offset >= 0, bytes.byteCount - offset >= Self.byteCount else { throw .truncated }
        magic = bytes.bigEndian(at: offset + 16, as: Int8.self)
        guard magic == 2 else {
            throw 0...1 ~= magic
                ? .unsupported("record batch of magic \(magic), only magic 2 is supported")
                : .corrupt("record batch of magic \(magic)")
        }
        baseOffset = bytes.bigEndian(at: offset, as: Int64.self)
        batchLength = bytes.bigEndian(at: offset + 8, as: Int32.self)
        guard batchLength >= Int32(Self.byteCount - Self.prefixByteCount) else {
            throw .corrupt("record batch of length \(batchLength)")
        }
        partitionLeaderEpoch = bytes.bigEndian(at: offset + 12, as: Int32.self)
        crc = bytes.bigEndian(at: offset + 17, as: UInt32.self)
        attributes = Attributes(rawValue: bytes.bigEndian(at: offset + 21, as: Int16.self))
        lastOffsetDelta = bytes.bigEndian(at: offset + 23, as: Int32.self)
        baseTimestamp = bytes.bigEndian(at: offset + 27, as: Int64.self)
        maxTimestamp = bytes.bigEndian(at: offset + 35, as: Int64.self)
        producerId = bytes.bigEndian(at: offset + 43, as: Int64.self)
        producerEpoch = bytes.bigEndian(at: offset + 51, as: Int16.self)
        baseSequence = bytes.bigEndian(at: offset + 53, as: Int32.self)
        recordCount = bytes.bigEndian(at: offset + 57, as: Int32.self)
        guard lastOffsetDelta >= 0, recordCount >= 0 else {
            throw .corrupt("record batch with offset delta \(lastOffsetDelta) and \(recordCount) records")
        }
    }

    /// Whether `crc` is the checksum of the batch that starts at byte `offset`.
    ///
    /// - Throws: `WireError.truncated` when the batch is not there to its end.
    package func checksumMatches(_ bytes: borrowing RawSpan, at offset: Int = 0) throws(WireError) -> Bool {
        guard bytes.byteCount - offset >= byteCount else { throw .truncated }
        return crc32c(bytes.extracting(offset + Self.checksummedFrom..<offset + byteCount)) == crc
    }
}
