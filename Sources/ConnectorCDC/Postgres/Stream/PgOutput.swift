internal import Bytes

/// A message of the plugin pgoutput, protocol version 1.
enum PgOutputMessage {
    /// - finalLSN: of the commit's record. - microseconds: since 1970.
    case begin(finalLSN: Lsn, microseconds: Int64, transaction: UInt32)
    /// - endLSN: behind the commit's record.
    case commit(lsn: Lsn, endLSN: Lsn, microseconds: Int64)
    case origin(lsn: Lsn, name: String)
    case relation(PgOutputRelation)
    case type(oid: UInt32, schema: String, name: String)
    case insert(relation: UInt32, new: [Cell])
    /// - old: nil when neither key nor identity has changed.
    case update(relation: UInt32, old: OldRow?, new: [Cell])
    case delete(relation: UInt32, old: OldRow)
    case truncate(relations: [UInt32])
    case message(isTransactional: Bool, lsn: Lsn, prefix: String, content: [UInt8])

    struct OldRow {
        var cells: [Cell]
        /// Only the columns of the replica identity; others are NULL.
        var isKeyOnly: Bool
    }
}

/// A table as the log has it from here on.
struct PgOutputRelation: Equatable {
    struct Column: Equatable {
        var isIdentity: Bool
        var name: String
        var type: UInt32
        var modifier: Int32
    }

    enum Identity: UInt8 { case standard = 0x64, nothing = 0x6E, full = 0x66, index = 0x69 }

    var oid: UInt32
    var schema: String
    var name: String
    var identity: Identity
    var columns: [Column]
}

/// Reads messages of pgoutput, all numbers of which are big-endian. Cells of rows point into the bytes that are read.
///
/// - SeeAlso: PostgreSQL's documentation, "Logical Replication Message Formats".
enum PgOutputDecoder {
    /// 2000-01-01 in microseconds since 1970.
    static let epoch: Int64 = 946_684_800_000_000

    /// - Throws: `WireError`; of any bytes, never anything else.
    static func message(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> PgOutputMessage {
        var cursor = ByteCursor(bytes)
        let kind = try cursor.byte()
        let message = try message(kind, &cursor)
        guard cursor.left == 0 else {
            throw .corrupt("\(cursor.left) bytes behind a message of kind '\(Character(UnicodeScalar(kind)))'")
        }
        return message
    }

    private static func message(_ kind: UInt8, _ cursor: inout ByteCursor) throws(WireError) -> PgOutputMessage {
        switch kind {
        case UInt8(ascii: "B"):
            let lsn = try lsn(&cursor)
            return .begin(finalLSN: lsn, microseconds: try time(&cursor), transaction: try word(&cursor))
        case UInt8(ascii: "C"):
            try cursor.skip(1)
            let lsn = try lsn(&cursor)
            let endLSN = try Self.lsn(&cursor)
            return .commit(lsn: lsn, endLSN: endLSN, microseconds: try time(&cursor))
        case UInt8(ascii: "O"): return .origin(lsn: try lsn(&cursor), name: try text(&cursor))
        case UInt8(ascii: "R"): return .relation(try relation(&cursor))
        case UInt8(ascii: "Y"):
            let oid = try word(&cursor)
            let schema = try text(&cursor)
            return .type(oid: oid, schema: schema, name: try text(&cursor))
        case UInt8(ascii: "I"):
            let oid = try word(&cursor)
            try expect("N", &cursor)
            return .insert(relation: oid, new: try row(&cursor))
        case UInt8(ascii: "U"):
            let oid = try word(&cursor)
            let old = try oldRow(try cursor.byte(), &cursor)
            if old != nil { try expect("N", &cursor) }
            return .update(relation: oid, old: old, new: try row(&cursor))
        case UInt8(ascii: "D"):
            let oid = try word(&cursor)
            guard let old = try oldRow(try cursor.byte(), &cursor) else {
                throw .corrupt("a deletion without its row")
            }
            return .delete(relation: oid, old: old)
        case UInt8(ascii: "T"):
            let count = try cursor.bigEndian(4)
            try cursor.skip(1)
            guard count * 4 <= cursor.left else { throw .truncated }
            var relations: [UInt32] = []
            for _ in 0..<count { relations.append(try word(&cursor)) }
            return .truncate(relations: relations)
        case UInt8(ascii: "M"):
            let flags = try cursor.byte()
            let lsn = try lsn(&cursor)
            let prefix = try text(&cursor)
            let count = try cursor.bigEndian(4)
            guard count <= cursor.left else { throw .truncated }
            let content = Array(try cursor.slice(Int(count)))
            return .message(isTransactional: flags & 1 == 1, lsn: lsn, prefix: prefix, content: content)
        default: throw .corrupt("a message of the unknown kind \(kind)")
        }
    }

    // MARK: Parts

    private static func lsn(_ cursor: inout ByteCursor) throws(WireError) -> Lsn {
        Lsn(rawValue: try cursor.bigEndian(8))
    }

    private static func word(_ cursor: inout ByteCursor) throws(WireError) -> UInt32 {
        UInt32(truncatingIfNeeded: try cursor.bigEndian(4))
    }

    private static func time(_ cursor: inout ByteCursor) throws(WireError) -> Int64 {
        Int64(bitPattern: try cursor.bigEndian(8)) &+ epoch
    }

    /// Up to a zero byte.
    private static func text(_ cursor: inout ByteCursor) throws(WireError) -> String {
        guard let count = cursor.rest.firstIndex(of: 0) else { throw .truncated }
        let text = try cursor.string(count)
        try cursor.skip(1)
        return text
    }

    private static func expect(_ letter: Unicode.Scalar, _ cursor: inout ByteCursor) throws(WireError) {
        let byte = try cursor.byte()
        guard byte == UInt8(ascii: letter) else { throw .corrupt("a row that begins with \(byte)") }
    }

    private static func relation(_ cursor: inout ByteCursor) throws(WireError) -> PgOutputRelation {
        let oid = try word(&cursor)
        let schema = try text(&cursor)
        let name = try text(&cursor)
        let letter = try cursor.byte()
        guard let identity = PgOutputRelation.Identity(rawValue: letter) else {
            throw .corrupt("the replica identity \(letter)")
        }
        var columns: [PgOutputRelation.Column] = []
        for _ in 0..<(try cursor.bigEndian(2)) {
            let flags = try cursor.byte()
            let name = try text(&cursor)
            let type = try word(&cursor)
            columns.append(
                PgOutputRelation.Column(
                    isIdentity: flags & 1 == 1, name: name, type: type,
                    modifier: Int32(bitPattern: try word(&cursor))))
        }
        // The names of pg_catalog are empty.
        return PgOutputRelation(
            oid: oid, schema: schema.isEmpty ? "pg_catalog" : schema, name: name, identity: identity, columns: columns)
    }

    private static func oldRow(
        _ kind: UInt8, _ cursor: inout ByteCursor
    ) throws(WireError) -> PgOutputMessage.OldRow? {
        switch kind {
        case UInt8(ascii: "K"): return PgOutputMessage.OldRow(cells: try row(&cursor), isKeyOnly: true)
        case UInt8(ascii: "O"): return PgOutputMessage.OldRow(cells: try row(&cursor), isKeyOnly: false)
        case UInt8(ascii: "N"): return nil
        default: throw .corrupt("a row that begins with \(kind)")
        }
    }

    private static func row(_ cursor: inout ByteCursor) throws(WireError) -> [Cell] {
        let count = Int(try cursor.bigEndian(2))
        guard count <= cursor.left else { throw .truncated }
        var cells: [Cell] = []
        cells.reserveCapacity(count)
        for _ in 0..<count {
            switch try cursor.byte() {
            case UInt8(ascii: "n"): cells.append(.null)
            case UInt8(ascii: "u"): cells.append(.unchanged)
            case UInt8(ascii: "t"):
                let byteCount = try cursor.bigEndian(4)
                guard byteCount <= cursor.left else { throw .truncated }
                cells.append(.bytes(try cursor.slice(Int(byteCount))))
            case let kind: throw .corrupt("a value of the unknown kind \(kind)")
            }
        }
        return cells
    }
}
