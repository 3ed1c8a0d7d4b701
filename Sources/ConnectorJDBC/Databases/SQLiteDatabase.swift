internal import CSQLite
internal import SQLTypes

/// A file of SQLite, opened in this process. For one thread.
final class SQLiteDatabase: Database {
    private(set) var dialect: Dialect
    private(set) var handle: OpaquePointer?
    private var statements: [String: OpaquePointer] = [:]
    private var isInTransaction = false
    /// Ends queries of a source.
    var stop: QueryStop?
    /// How long another process may hold the file, in milliseconds.
    private static let busyTimeout: Int32 = 30_000

    /// - Throws: when the file can be neither opened nor made.
    init(_ url: JDBCURL, _ dialect: Dialect) throws(SQLFailure) {
        self.dialect = dialect
        let path = url.database.isEmpty ? ":memory:" : url.database
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK else {
            var failure = failure(code)
            failure.message += " '\(path)'; the folder has to exist, and the server has to be allowed to write there"
            close()
            throw failure
        }
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, url.parameter("busy_timeout").flatMap { Int32($0) } ?? Self.busyTimeout)
        // The driver's words for pragmas.
        for name in ["journal_mode", "synchronous", "foreign_keys"] {
            guard let value = url.parameter(name), value.allSatisfy({ $0.isASCII && $0.isLetter || $0.isNumber })
            else { continue }
            do throws(SQLFailure) {
                try step("PRAGMA \(name)=\(value)")
            } catch {
                close()
                throw error
            }
        }
    }

    deinit { close() }

    func close() {
        for statement in statements.values { sqlite3_finalize(statement) }
        statements = [:]
        sqlite3_close_v2(handle)
        handle = nil
    }

    func failure(_ code: Int32) -> SQLFailure {
        let message =
            handle.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? String(cString: sqlite3_errstr(code))
        let reaction: SQLFailure.Reaction =
            switch code & 0xFF {
            case SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_TOOBIG, SQLITE_RANGE, SQLITE_ERROR, SQLITE_READONLY:
                .refused
            case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH, SQLITE_NOTADB, SQLITE_CORRUPT: .denied
            default: .again
            }
        return SQLFailure(reaction, state: String(code), message)
    }

    private func prepared(_ sql: String) throws(SQLFailure) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        guard let handle else { throw SQLFailure(.again, state: "closed", "the database is closed") }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v2(handle, sql, -1, &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code) }
        if statements.count >= 200 {
            for statement in statements.values { sqlite3_finalize(statement) }
            statements = [:]
        }
        statements[sql] = statement
        return statement
    }

    func step(_ sql: String) throws(SQLFailure) {
        guard let handle else { throw SQLFailure(.again, state: "closed", "the database is closed") }
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code) }
    }

    private func begin() throws(SQLFailure) {
        guard !isInTransaction else { return }
        try step("BEGIN IMMEDIATE")
        isInTransaction = true
    }

    func execute(_ sql: String) throws(SQLFailure) {
        try begin()
        try step(sql)
    }

    func commit() throws(SQLFailure) {
        guard isInTransaction else { return }
        try step("COMMIT")
        isInTransaction = false
    }

    func rollback() throws(SQLFailure) {
        guard isInTransaction else { return }
        isInTransaction = false
        // SQLite may have ended the transaction itself.
        if let handle, sqlite3_get_autocommit(handle) == 0 { try step("ROLLBACK") }
    }

    func query(_ sql: String, _ texts: [String]) throws(SQLFailure) -> [[String?]] {
        let statement = try prepared(sql)
        defer { reset(statement) }
        for (index, text) in texts.enumerated() { try bind(.text(text), statement, Int32(index + 1)) }
        var rows: [[String?]] = []
        while true {
            let code = sqlite3_step(statement)
            if code == SQLITE_DONE { return rows }
            guard code == SQLITE_ROW else { throw failure(code) }
            rows.append(
                (0..<sqlite3_column_count(statement)).map { column in
                    sqlite3_column_text(statement, column).map { String(cString: $0) }
                })
        }
    }

    private func reset(_ statement: OpaquePointer) {
        sqlite3_reset(statement)
        sqlite3_clear_bindings(statement)
    }

    func run(_ sql: String, _ cells: [Cell]) throws(SQLFailure) -> Int {
        try begin()
        try run(try prepared(sql), cells[...])
        return Int(sqlite3_changes(handle))
    }

    private func run(_ statement: OpaquePointer, _ cells: ArraySlice<Cell>) throws(SQLFailure) {
        defer { reset(statement) }
        var place: Int32 = 1
        for cell in cells {
            try bind(cell, statement, place)
            place += 1
        }
        let code = sqlite3_step(statement)
        guard code == SQLITE_DONE || code == SQLITE_ROW else { throw failure(code) }
    }

    private func bind(_ cell: Cell, _ statement: OpaquePointer, _ place: Int32) throws(SQLFailure) {
        let code: Int32
        switch cell {
        case .null: code = sqlite3_bind_null(statement, place)
        case .integer(let value): code = sqlite3_bind_int64(statement, place, value)
        case .float(let value): code = sqlite3_bind_double(statement, place, Double(value))
        case .double(let value): code = sqlite3_bind_double(statement, place, value)
        case .flag(let value): code = sqlite3_bind_int64(statement, place, value ? 1 : 0)
        case .text(var text):
            code = text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    // An empty text may have no address, and none means NULL.
                    $0.baseAddress.map { start in
                        swiftwater_sqlite_bind_text(statement, place, start, UInt64(bytes.count))
                    } ?? swiftwater_sqlite_bind_text(statement, place, "", 0)
                }
            }
        case .bytes(let bytes):
            code =
                bytes.isEmpty
                ? sqlite3_bind_zeroblob(statement, place, 0)
                : bytes.withUnsafeBytes {
                    swiftwater_sqlite_bind_blob(statement, place, $0.baseAddress, UInt64($0.count))
                }
        case .decimal(let value):
            let text = value.description
            code = swiftwater_sqlite_bind_text(statement, place, text, UInt64(text.utf8.count))
        case .date, .time, .moment: code = sqlite3_bind_int64(statement, place, cell.sqliteMillis)
        case .array: throw SQLFailure(.refused, state: "array", "SQLite has no arrays")
        }
        guard code == SQLITE_OK else { throw failure(code) }
    }

    func write(_ write: TableWrite, _ rows: CellRows) throws(SQLFailure) {
        try begin()
        switch write.kind {
        case .insert, .upsert:
            let statement = try prepared(dialect.insertText(write, rowCount: 1))
            for row in 0..<rows.rowCount { try run(statement, rows.row(row)) }
        case .delete:
            let statement = try prepared(dialect.deleteText(write))
            for row in 0..<rows.rowCount { try run(statement, rows.row(row)) }
        case .update:
            let statement = try prepared(dialect.updateText(write))
            for row in 0..<rows.rowCount { try run(statement, write.othersThenKeys(rows.row(row))[...]) }
        }
    }

    /// Most names with dots are those of topics, and no attached file was meant.
    private func checkSchema(_ schema: String, _ table: TableID) throws(SQLFailure) {
        let attached = try query("SELECT name FROM pragma_database_list", []).compactMap { $0[0] }
        guard !attached.contains(where: { $0.lowercased() == schema.lowercased() }) else { return }
        throw SQLFailure(
            .refused, state: "1",
            "the name of the table was read as table '\(table.name)' of database '\(schema)', and there is no such "
                + "database (there are: \(attached.joined(separator: ", "))): quotes make the dots a part of the name, as in "
                + "table.name.format=\"${topic}\"")
    }

    func describe(_ table: TableID, kinds: Set<TableDefinition.Kind>) throws(SQLFailure) -> TableDefinition? {
        // The catalog of an attached file, if the name has one.
        let schema = table.schema ?? table.catalog
        let master = schema.map { dialect.quoted($0) + "." } ?? ""
        if let schema { try checkSchema(schema, table) }
        let found = try query(
            "SELECT type, name FROM \(master)sqlite_master WHERE lower(name) = lower(?) AND type IN ('table', 'view') "
                + "ORDER BY name = ? DESC", [table.name, table.name])
        guard let row = found.first, let name = row[1] else { return nil }
        let kind: TableDefinition.Kind = row[0] == "view" ? .view : .table
        guard kinds.contains(kind) else { return nil }
        let columns = try query(
            "SELECT name, type FROM pragma_table_info(?" + (schema == nil ? "" : ", ?") + ")",
            [name] + (schema.map { [$0] } ?? []))
        return TableDefinition(
            kind: kind,
            columns: columns.map { row in
                let type = (row[1] ?? "").uppercased()
                let isText = ["CHAR", "CLOB", "TEXT"].contains { type.range(of: $0) != nil }
                return TableDefinition.Column(
                    name: row[0] ?? "", type: type,
                    family: type.range(of: "INT") != nil ? .integer : isText ? .text : .other)
            })
    }
}

extension TableWrite {
    /// A row as `Dialect.updateText` wants it.
    func othersThenKeys(_ row: ArraySlice<Cell>) -> [Cell] {
        var cells: [Cell] = []
        cells.reserveCapacity(row.count)
        for isKey in [false, true] {
            for (index, column) in columns.enumerated() where column.isKey == isKey {
                cells.append(row[row.startIndex + index])
            }
        }
        return cells
    }
}
