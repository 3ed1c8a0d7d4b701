import Bytes
import JSONFormat

/// Prints the entries of the files beside a segment, one in a line.
///
/// | file         | bytes of an entry | fields                                                                         |
/// |--------------|------------------:|--------------------------------------------------------------------------------|
/// | `.index`     |                 8 | offset - base (4), position (4)                                                |
/// | `.timeindex` |                12 | timestamp (8), offset - base (4)                                               |
/// | `.txnindex`  |                34 | version (2), producer id, first, last and last stable offset (8 each)          |
/// | `.snapshot`  |                46 | after version (2), CRC-32C (4) and count (4): producer id (8), epoch (2), last |
/// |              |                   | sequence (4), last offset (8), offset delta (4), timestamp (8), coordinator    |
/// |              |                   | epoch (4), first offset of the open transaction (8)                            |
///
/// - SeeAlso: upstream `OffsetIndex`, `TimeIndex`, `TransactionIndex`, `ProducerStateManager`.
struct IndexPrinter {
    let output: OutputFormat
    let file: String

    /// An index of the largest segment, with an entry for each of its bytes, is far below it.
    private static let byteCountMax = 256 << 20

    func show(_ file: LogFile) throws {
        guard file.byteCount <= Self.byteCountMax else {
            throw CommandFailure("'\(self.file)' has \(file.byteCount) bytes, more than an index can have")
        }
        let bytes = try file.read(at: 0, count: file.byteCount)
        let span = bytes.span.bytes
        switch file.kind {
        case .segment: preconditionFailure("a segment is no index")
        case .offsets:
            try entries(0..<bytes.count, of: 8) { at in
                let offset = file.baseOffset &+ Int64(span.bigEndian(at: at, as: Int32.self))
                let position = Int64(span.bigEndian(at: at + 4, as: Int32.self))
                // Kafka makes its files full length; what is behind the entries is zero.
                if at > 0, position == 0 { return nil }
                return [("offset", offset), ("position", position)]
            }
        case .times:
            try entries(0..<bytes.count, of: 12) { at in
                let time = span.bigEndian(at: at, as: Int64.self)
                if at > 0, time == 0 { return nil }
                return [
                    ("timestamp", time),
                    ("offset", file.baseOffset &+ Int64(span.bigEndian(at: at + 8, as: Int32.self))),
                ]
            }
        case .transactions:
            try entries(0..<bytes.count, of: 34) { at in
                let names = ["producerId", "firstOffset", "lastOffset", "lastStableOffset"]
                return names.enumerated().map { ($1, span.bigEndian(at: at + 2 + 8 * $0, as: Int64.self)) }
            }
        case .producers:
            guard bytes.count >= 10 else { throw WireError.truncated }
            let version = span.bigEndian(at: 0, as: Int16.self)
            guard version == 1 else { throw WireError.unsupported("a snapshot of version \(version)") }
            guard span.bigEndian(at: 2, as: UInt32.self) == crc32c(span.extracting(6..<bytes.count)) else {
                throw WireError.corrupt("the checksum is wrong")
            }
            try entries(10..<bytes.count, of: 46) { at in
                [
                    ("producerId", span.bigEndian(at: at, as: Int64.self)),
                    ("producerEpoch", Int64(span.bigEndian(at: at + 8, as: Int16.self))),
                    ("lastSequence", Int64(span.bigEndian(at: at + 10, as: Int32.self))),
                    ("lastOffset", span.bigEndian(at: at + 14, as: Int64.self)),
                    ("offsetDelta", Int64(span.bigEndian(at: at + 22, as: Int32.self))),
                    ("timestamp", span.bigEndian(at: at + 26, as: Int64.self)),
                    ("coordinatorEpoch", Int64(span.bigEndian(at: at + 34, as: Int32.self))),
                    ("transactionStartOffset", span.bigEndian(at: at + 38, as: Int64.self)),
                ]
            }
        }
    }

    /// - Parameter fields: of the entry at a byte; nil where there are no more.
    private func entries(
        _ range: Range<Int>, of byteCount: Int, _ fields: (Int) throws -> [(String, Int64)]?
    ) throws {
        var at = range.lowerBound
        while at + byteCount <= range.upperBound, let fields = try fields(at) {
            switch output {
            case .table: try Output.standard.line(fields.map { "\($0.0) \($0.1)" }.joined(separator: "  "))
            case .json:
                let members = [("file", JSONValue.string(file))] + fields.map { ($0.0, JSONValue.number($0.1)) }
                try Output.standard.write(JSONValue.object(members).bytes + [UInt8(ascii: "\n")])
            }
            at += byteCount
        }
        if at < range.upperBound, range.upperBound - at < byteCount {
            throw WireError.corrupt("\(range.upperBound - at) bytes behind the last entry")
        }
    }
}
