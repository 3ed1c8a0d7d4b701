internal import CSQLite
internal import SQLTypes

extension SQLiteDatabase: SourceDatabase {
    func prepareReading(isolation: String?) throws(SQLFailure) {
        if isolation == "READ UNCOMMITTED" { try step("PRAGMA read_uncommitted=1") }
    }

    func arm(_ stop: QueryStop) {
        self.stop = stop
        // The connection keeps `stop` alive for as long as SQLite may ask.
        sqlite3_progress_handler(
            handle, 10_000,
            { argument in
                guard let argument else { return 0 }
                return Unmanaged<QueryStop>.fromOpaque(argument).takeUnretainedValue().isEnding ? 1 : 0
            }, Unmanaged.passUnretained(stop).toOpaque())
    }

    func rows(_ sql: String) throws(SQLFailure) -> any RowCursor {
        guard let handle else { throw SQLFailure(.again, state: "closed", "the database is closed") }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v2(handle, sql, -1, &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code) }
        guard sqlite3_column_count(statement) > 0 else {
            sqlite3_finalize(statement)
            throw SQLFailure(.refused, state: String(SQLITE_ERROR), "the statement has no rows to read")
        }
        return SQLiteRows(self, handle, statement)
    }

    func tables(kinds: Set<String>) throws(SQLFailure) -> [SourceTable] {
        let rows = try query(
            "SELECT name, CASE WHEN name LIKE 'sqlite\\_%' ESCAPE '\\' THEN 'SYSTEM TABLE' ELSE upper(type) END "
                + "FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name", [])
        return rows.compactMap { row in
            guard kinds.contains(row[1] ?? ""), let name = row[0] else { return nil }
            return SourceTable(id: TableID(name: name))
        }
    }

    func columns(of table: TableID) throws(SQLFailure) -> [SourceColumn] {
        let rows = try query("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)", [table.name])
        let keyCount = rows.count { $0[3] != "0" }
        return rows.map { row in
            // The name of the row's own number, which is never null.
            let isRowID = keyCount == 1 && row[3] != "0" && (row[1] ?? "").uppercased() == "INTEGER"
            return SourceColumn(
                name: row[0] ?? "", isOptional: row[2] == "0" && !isRowID, isAutoIncrement: isRowID,
                typeName: row[1] ?? "")
        }
    }

    func now(_ zone: TimeZoneID) throws(SQLFailure) -> Int64 {
        let rows = try query("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')", [])
        return rows.first?.first.flatMap { $0 }.flatMap { MomentText($0) }?.micros(.utc) ?? 0
    }

    /// By the type that a column was declared with; what it holds may be anything.
    static func type(_ declared: String) -> SourceType {
        let text = declared.uppercased()
        let name = text.prefix { $0 != "(" }.split(separator: " ").joined(separator: " ")
        switch name {
        case "BOOLEAN", "BOOL": return .boolean
        case "TINYINT": return .int8
        case "SMALLINT", "INT2": return .int16
        case "DATE": return .date
        case "TIME": return .time
        case "DATETIME", "TIMESTAMP": return .timestamp
        case "DECIMAL", "NUMERIC":
            let numbers = text.drop { $0 != "(" }.dropFirst().prefix { $0 != ")" }.split(separator: ",").map {
                Int(String($0).trimmed)
            }
            guard let precision = numbers.first.flatMap({ $0 }) else {
                return .decimal(precision: 0, scale: nil, followsMapping: name == "NUMERIC")
            }
            let scale = numbers.count > 1 ? numbers[1] ?? 0 : 0
            return .decimal(precision: precision, scale: scale, followsMapping: name == "NUMERIC")
        case "REAL", "FLOAT", "DOUBLE", "DOUBLE PRECISION": return .float64
        default: break
        }
        // The rules of SQLite's affinities, in their order.
        if text.range(of: "INT") != nil { return .int64 }
        if ["CHAR", "CLOB", "TEXT"].contains(where: { text.range(of: $0) != nil }) { return .string }
        if text.range(of: "BLOB") != nil || text.range(of: "BINARY") != nil { return .bytes }
        if ["REAL", "FLOA", "DOUB"].contains(where: { text.range(of: $0) != nil }) { return .float64 }
        return .string
    }
}

private final class SQLiteRows: RowCursor {
    let columns: [ResultColumn]
    private let database: SQLiteDatabase
    private var statement: OpaquePointer?
    /// The first row, read for the types of columns that have none of their own.
    private var first: Int32?

    init(_ database: SQLiteDatabase, _ handle: OpaquePointer, _ statement: OpaquePointer) {
        self.database = database
        self.statement = statement
        let code = sqlite3_step(statement)
        first = code
        columns = (0..<sqlite3_column_count(statement)).map { index in
            let name = sqlite3_column_name(statement, index).map { String(cString: $0) } ?? ""
            let declared = sqlite3_column_decltype(statement, index).map { String(cString: $0) } ?? ""
            guard declared.isEmpty else {
                return ResultColumn(
                    name: name, type: SQLiteDatabase.type(declared),
                    isOptional: Self.isOptional(handle, statement, index), typeName: declared)
            }
            let type: SourceType =
                switch code == SQLITE_ROW ? sqlite3_column_type(statement, index) : SQLITE_NULL {
                case SQLITE_INTEGER: .int64
                case SQLITE_FLOAT: .float64
                case SQLITE_BLOB: .bytes
                default: .string
                }
            return ResultColumn(name: name, type: type, isOptional: true, typeName: "an expression")
        }
    }

    deinit { close() }

    private static func isOptional(_ handle: OpaquePointer, _ statement: OpaquePointer, _ index: Int32) -> Bool {
        guard let table = sqlite3_column_table_name(statement, index),
            let column = sqlite3_column_origin_name(statement, index)
        else { return true }
        var declared: UnsafePointer<CChar>?
        var isRequired: Int32 = 0
        var isKey: Int32 = 0
        let code = sqlite3_table_column_metadata(
            handle, sqlite3_column_database_name(statement, index), table, column, &declared, nil, &isRequired,
            &isKey, nil)
        guard code == SQLITE_OK else { return true }
        let isRowID = isKey != 0 && declared.map { String(cString: $0).uppercased() } == "INTEGER"
        return isRequired == 0 && !isRowID
    }

    func next() throws(SQLFailure) -> [RawValue]? {
        guard let statement else { return nil }
        let code = first ?? sqlite3_step(statement)
        first = nil
        guard code == SQLITE_ROW else {
            let failure = code == SQLITE_DONE ? nil : database.failure(code)
            close()
            if let failure { throw failure }
            return nil
        }
        return (0..<Int32(columns.count)).map { index in
            switch sqlite3_column_type(statement, index) {
            case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, index))
            case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, index))
            case SQLITE_TEXT:
                let text = sqlite3_column_text(statement, index)
                let count = Int(sqlite3_column_bytes(statement, index))
                return .text(String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self))
            case SQLITE_BLOB:
                let bytes = sqlite3_column_blob(statement, index)
                let count = Int(sqlite3_column_bytes(statement, index))
                return .bytes(Array(UnsafeRawBufferPointer(start: bytes, count: count)))
            default: return .null
            }
        }
    }

    /// Lets go of the file, which a reader keeps others from writing to.
    func close() {
        if let statement { sqlite3_finalize(statement) }
        statement = nil
    }
}
