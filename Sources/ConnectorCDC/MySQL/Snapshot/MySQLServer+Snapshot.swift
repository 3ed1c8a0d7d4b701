internal import Bytes
internal import ConnectCore
internal import SQLTypes

extension ReaderContext: CapturedTables {
    var tableIDs: [TableID] { catalog.ids }

    func codec(_ index: Int, of events: TableEvents) -> ColumnCodec {
        ColumnCodec(events.table.columns[index], config.modes)
    }
}

extension MySQLServer: SnapshotConnection {
    static var sortsNullsLast: Bool { false }

    static func name(_ table: TableID) -> String { table.sql }
    static func identifier(_ name: String) -> String { sqlIdentifier(name) }
    static func text(_ text: String) -> String { sqlText(text) }

    static func literal(
        _ cell: Cell, _ column: ColumnDefinition, _ codec: ColumnCodec
    ) throws(ConnectError) -> String? {
        switch cell {
        case .null: return "NULL"
        case .integer(let value):
            switch codec.kind {
            case .unsignedDecimal: return String(UInt64(bitPattern: value))
            // Events may have it as a negative number.
            case .int64(bits: 64, _) where column.typeName.contains("UNSIGNED"):
                return String(UInt64(bitPattern: value))
            case .year: return String(value == 0 ? 0 : value)
            case .int16, .int32, .int64:
                return try codec.value(cell, isStreaming: true).integer.map(String.init)
            default: return String(value)
            }
        // Compared as DOUBLE, which a shorter text would miss.
        case .float(let value): return "\(Double(value))"
        case .double(let value): return "\(value)"
        case .decimal(let value): return value.description
        case .date(let year, let month, let day): return "'\(year)-\(month)-\(day)'"
        case .time(let microseconds):
            let (seconds, rest) = microseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
            return
                "'\(microseconds < 0 ? "-" : "")\(seconds / 3600):\(seconds / 60 % 60):\(seconds % 60).\(digits(rest))'"
        case .dateTime(let year, let month, let day, let microseconds):
            let (seconds, rest) = microseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000)
            return "'\(year)-\(month)-\(day) \(seconds / 3600):\(seconds / 60 % 60):\(seconds % 60).\(digits(rest))'"
        // The session's time zone is UTC.
        case .timestamp(let seconds, let microseconds):
            return "FROM_UNIXTIME(\(seconds).\(digits(UInt64(clamping: microseconds))))"
        case .zeroTimestamp: return "'0000-00-00 00:00:00'"
        case .bytes(let bytes):
            switch codec.kind {
            case .text: return sqlText(try codec.value(cell, isStreaming: true).string ?? "")
            case .binary, .bits, .boolean, .flag: return literal(bytes, codec)
            default: return nil
            }
        default: return nil
        }
    }

    /// A fraction of a second's six digits.
    private static func digits(_ microseconds: UInt64) -> String {
        let text = String(microseconds)
        return String(repeating: "0", count: max(0, 6 - text.utf8.count)) + text
    }

    func execute(_ sql: String) throws { try connection.execute(sql) }

    func beginSnapshot() throws {
        try connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        try connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    }

    func literals(_ sql: String, _ columns: [ColumnCodec]) throws -> [String]? {
        var found: [String]?
        try connection.streamRows(sql) { row in
            found = columns.indices.map { Self.literal(row[$0], columns[$0]) }
            return true
        }
        return found
    }

    func forEachRow(
        _ events: TableEvents, statement: String?, also others: [(index: Int, codec: ColumnCodec)], condition: String,
        _ take: (_ cells: [Cell], _ literal: (_ index: Int) -> String, _ byteCount: Int) throws -> Void
    ) throws {
        let own = statement.map { [SnapshotTable.override(of: events.table.id): $0] } ?? [:]
        let select = SnapshotTable(events: events, overrides: own, also: others, condition: condition)
        var cells: [Cell] = []
        try connection.streamRows(select.statement) { row in
            let byteCount = try select.read(row, into: &cells)
            try take(cells, { select.literal(row, of: $0) }, byteCount)
            return true
        }
    }

    static func literal(_ bytes: UnsafeRawBufferPointer?, _ codec: ColumnCodec) -> String {
        guard let bytes else { return "NULL" }
        func hexadecimal() -> String { "x'" + String(decoding: Hexadecimal.encode(bytes), as: UTF8.self) + "'" }
        switch codec.kind {
        case .int16, .int32, .int64, .unsignedDecimal, .decimal, .year: return String(decoding: bytes, as: UTF8.self)
        // BIT comes as a byte, BOOLEAN as digits.
        case .boolean, .flag:
            return TextCell.integer(bytes) == nil ? hexadecimal() : String(decoding: bytes, as: UTF8.self)
        case .binary, .bits, .point, .geometry: return hexadecimal()
        default: return sqlText(String(decoding: bytes, as: UTF8.self))
        }
    }
}
