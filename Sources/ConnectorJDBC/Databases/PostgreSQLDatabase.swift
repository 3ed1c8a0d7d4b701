internal import CPq
internal import PostgresClient

/// A connection to PostgreSQL, over libpq. For one thread.
///
/// Rows go as arrays, one for each column, that the server unnests: one statement and one way there and back for any
/// number
/// of rows, whatever the statement does with them.
final class PostgreSQLDatabase: Database {
    private(set) var dialect: Dialect
    private(set) var connection: OpaquePointer?
    private var isInTransaction = false
    /// Names of the statements that the server has prepared.
    private var prepared: [String: String] = [:]
    private var preparedCount = 0

    /// - Throws: `.denied` when the server wants none of it, `.again` when it does not answer.
    init(_ url: JDBCURL, _ dialect: Dialect) throws(SQLFailure) {
        self.dialect = dialect
        do throws(PostgresSession.Refusal) {
            connection = try PostgresSession.open(PostgreSQLOptions(url).values)
        } catch {
            throw SQLFailure(
                error.isDenied ? .denied : .again, state: error.isDenied ? "28000" : "08001", error.message)
        }
    }

    deinit { close() }

    func close() {
        if let connection { PQfinish(connection) }
        connection = nil
    }

    // MARK: Statements

    func failure(_ result: OpaquePointer?) -> SQLFailure {
        func field(_ code: Character) -> String? {
            guard let result, let scalar = code.unicodeScalars.first else { return nil }
            return PQresultErrorField(result, Int32(scalar.value)).map { String(cString: $0) }
        }
        let isLost = connection.map { PQstatus($0) != CONNECTION_OK } ?? true
        let state = field("C") ?? (isLost ? "08006" : "XX000")
        let fallback = connection.flatMap { PQerrorMessage($0) }.map { String(cString: $0).trimmed } ?? "no connection"
        let severity = field("S") ?? "ERROR"
        let message = field("M").map { severity + ": " + $0 } ?? fallback
        return SQLFailure(
            isLost ? .again : Self.reaction(state), state: state, message,
            detail: field("D").map { "Detail: " + $0 })
    }

    private static func reaction(_ state: String) -> SQLFailure.Reaction {
        // A table or column that is gone: it may have been looked up before somebody changed the table.
        if state == "42P01" || state == "42703" || state == "3F000" { return .again }
        if state == "21000" { return .split }
        return switch state.prefix(2) {
        // data, integrity, cardinality, syntax and access, unsupported, with check, raised by a function
        case "22", "23", "21", "42", "0A", "44", "P0", "54": .refused
        case "28", "3D": .denied
        default: .again
        }
    }

    func check(_ result: OpaquePointer?) throws(SQLFailure) {
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK: return
        default:
            let failure = failure(result)
            PQclear(result)
            throw failure
        }
    }

    func simple(_ sql: String) throws(SQLFailure) {
        guard let connection else { throw SQLFailure(.again, state: "08003", "no connection") }
        let result = PQexec(connection, sql)
        try check(result)
        PQclear(result)
    }

    private func begin() throws(SQLFailure) {
        guard !isInTransaction else { return }
        try simple("BEGIN")
        isInTransaction = true
    }

    /// A failure of it leaves the transaction as it was.
    func execute(_ sql: String) throws(SQLFailure) {
        try begin()
        try simple("SAVEPOINT swiftwater_change")
        do throws(SQLFailure) {
            try simple(sql)
        } catch {
            try simple("ROLLBACK TO SAVEPOINT swiftwater_change")
            throw error
        }
        try simple("RELEASE SAVEPOINT swiftwater_change")
    }

    func commit() throws(SQLFailure) {
        guard isInTransaction else { return }
        isInTransaction = false
        guard let connection else { throw SQLFailure(.again, state: "08003", "no connection") }
        let result = PQexec(connection, "COMMIT")
        try check(result)
        // A transaction with a failure in it is rolled back, politely.
        let tag = PQcmdStatus(result).map { String(cString: $0) }
        PQclear(result)
        guard tag == "COMMIT" else { throw SQLFailure(.again, state: "25P02", "the transaction was rolled back") }
    }

    func rollback() throws(SQLFailure) {
        guard isInTransaction else { return }
        isInTransaction = false
        try simple("ROLLBACK")
    }

    /// The bytes are values in text form, each with a zero behind it, found by `places`; nil for NULL.
    private func execute(
        _ sql: String, _ bytes: [UInt8], _ places: [Int?], isKept: Bool
    ) throws(SQLFailure) -> OpaquePointer? {
        guard let connection else { throw SQLFailure(.again, state: "08003", "no connection") }
        let name = isKept ? try prepare(sql) : nil
        let result = bytes.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            let start = buffer.baseAddress.map { UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self) }
            let pointers = places.map { place in place.flatMap { place in start.map { $0 + place } } }
            return pointers.withUnsafeBufferPointer { values -> OpaquePointer? in
                if let name {
                    return PQexecPrepared(connection, name, Int32(places.count), values.baseAddress, nil, nil, 0)
                }
                return PQexecParams(connection, sql, Int32(places.count), nil, values.baseAddress, nil, nil, 0)
            }
        }
        try check(result)
        return result
    }

    private func prepare(_ sql: String) throws(SQLFailure) -> String {
        if let name = prepared[sql] { return name }
        if prepared.count >= 200 {
            try simple("DEALLOCATE ALL")
            prepared = [:]
        }
        preparedCount += 1
        let name = "swiftwater_\(preparedCount)"
        let result = PQprepare(connection, name, sql, 0, nil)
        try check(result)
        PQclear(result)
        prepared[sql] = name
        return name
    }

    private static let zeroByte = SQLFailure(
        .refused, state: "22021", "ERROR: invalid byte sequence for encoding \"UTF8\": 0x00")

    func query(_ sql: String, _ texts: [String]) throws(SQLFailure) -> [[String?]] {
        var bytes: [UInt8] = []
        var places: [Int?] = []
        for text in texts {
            guard !text.utf8.contains(0) else { throw Self.zeroByte }
            places.append(bytes.count)
            bytes += text.utf8
            bytes.append(0)
        }
        let result = try execute(sql, bytes, places, isKept: false)
        defer { PQclear(result) }
        return (0..<PQntuples(result)).map { row in
            (0..<PQnfields(result)).map { column in
                PQgetisnull(result, row, column) == 1
                    ? nil : PQgetvalue(result, row, column).map { String(cString: $0) }
            }
        }
    }

    func run(_ sql: String, _ cells: [Cell]) throws(SQLFailure) -> Int {
        try begin()
        var bytes: [UInt8] = []
        var places: [Int?] = []
        for cell in cells {
            if cell.isNull {
                places.append(nil)
                continue
            }
            places.append(bytes.count)
            let start = bytes.count
            PostgreSQLText.append(cell, &bytes)
            guard !bytes[start...].contains(0) else { throw Self.zeroByte }
            bytes.append(0)
        }
        let result = try execute(sql, bytes, places, isKept: true)
        defer { PQclear(result) }
        return PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
    }

    // MARK: Rows

    func write(_ write: TableWrite, _ rows: CellRows) throws(SQLFailure) {
        var rows = rows
        if write.kind == .upsert || write.kind == .update {
            // One statement must not touch a row twice.
            rows = rows.keepingLast(keys: write.columns.indices.filter { write.columns[$0].isKey })
        }
        try begin()
        let sql = text(write)
        // Keys that are equal with different texts would make an update ambiguous.
        let isAmbiguous = write.kind == .update && !write.keys.allSatisfy(\.target.hasPlainEquality)
        if isAmbiguous || write.others.isEmpty && write.kind == .update {
            for row in 0..<rows.rowCount { try send(sql, write, rows.single(row)) }
            return
        }
        guard write.kind == .upsert else { return try send(sql, write, rows) }
        let needsPoint = rows.rowCount > 1 && !write.keys.allSatisfy(\.target.hasPlainEquality)
        guard needsPoint else { return try send(sql, write, rows) }
        try simple("SAVEPOINT swiftwater_rows")
        do throws(SQLFailure) {
            try send(sql, write, rows)
        } catch  where error.reaction == .split {
            try simple("ROLLBACK TO SAVEPOINT swiftwater_rows")
            for row in 0..<rows.rowCount { try send(sql, write, rows.single(row)) }
        }
        try simple("RELEASE SAVEPOINT swiftwater_rows")
    }

    private func send(_ sql: String, _ write: TableWrite, _ rows: CellRows) throws(SQLFailure) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(rows.cells.count * 12)
        var places: [Int?] = []
        let stride = rows.columnCount
        for column in write.columns.indices {
            places.append(bytes.count)
            bytes.append(UInt8(ascii: "{"))
            var index = column
            while index < rows.cells.count {
                if index > column { bytes.append(UInt8(ascii: ",")) }
                PostgreSQLText.appendElement(rows.cells[index], &bytes)
                index += stride
            }
            bytes.append(UInt8(ascii: "}"))
            bytes.append(0)
        }
        // The zeros behind the columns are all that may be there.
        guard bytes.count(where: { $0 == 0 }) == write.columns.count else { throw Self.zeroByte }
        PQclear(try execute(sql, bytes, places, isKept: true))
    }

    private func text(_ write: TableWrite) -> String {
        let table = dialect.quoted(write.table)
        // Arrays of arrays would be flattened: those columns go as texts, which the server reads once more.
        let arrays = write.columns.enumerated().map {
            "$\($0 + 1)::" + ($1.target.isArray ? "text" : $1.target.type) + "[]"
        }
        let names = write.columns.indices.map { "c\($0)" }
        func value(_ index: Int) -> String {
            let target = write.columns[index].target
            return target.isArray ? "CAST(u.c\(index) AS \(target.type))" : "u.c\(index)"
        }
        let rows = "unnest(\(arrays.joined(separator: ", "))) AS u(\(names.joined(separator: ", ")))"
        func pairs(_ indices: [Int], _ target: String, _ separator: String) -> String {
            indices.map { "\(target)\(dialect.quoted(write.columns[$0].target)) = \(value($0))" }.joined(
                separator: separator)
        }
        let keys = write.columns.indices.filter { write.columns[$0].isKey }
        let others = write.columns.indices.filter { !write.columns[$0].isKey }
        switch write.kind {
        case .insert, .upsert:
            let columns = write.columns.map { dialect.quoted($0.target) }.joined(separator: ",")
            var text = "INSERT INTO \(table) (\(columns)) SELECT "
            text += write.columns.indices.map(value).joined(separator: ", ") + " FROM " + rows
            guard write.kind == .upsert else { return text }
            text += " ON CONFLICT (" + write.keys.map { dialect.quoted($0.target) }.joined(separator: ",") + ") DO "
            if others.isEmpty { return text + "NOTHING" }
            let changes = write.others.map { "\(dialect.quoted($0.target))=EXCLUDED.\(dialect.quoted($0.target))" }
            return text + "UPDATE SET " + changes.joined(separator: ",")
        case .update:
            return "UPDATE \(table) AS t SET " + pairs(others, "", ", ") + " FROM \(rows)"
                + (keys.isEmpty ? "" : " WHERE " + pairs(keys, "t.", " AND "))
        case .delete:
            return "DELETE FROM \(table) AS t USING \(rows) WHERE "
                + pairs(Array(write.columns.indices), "t.", " AND ")
        }
    }

    // MARK: Structure

    func describe(_ table: TableID, kinds: Set<TableDefinition.Kind>) throws(SQLFailure) -> TableDefinition? {
        // Type -1 keeps lengths out of the names: a cast to varchar(5) would cut what is longer.
        let rows = try query(
            """
            SELECT c.relkind, a.attname, pg_catalog.format_type(a.atttypid, -1), t.typcategory, b.typname
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
            WHERE c.oid = pg_catalog.to_regclass($1) ORDER BY a.attnum
            """, [dialect.quoted(table)])
        guard let first = rows.first else { return nil }
        let kind: TableDefinition.Kind
        switch first[0] {
        case "r", "f": kind = .table
        case "p": kind = .partitioned
        case "v": kind = .view
        default: return nil
        }
        guard kinds.contains(kind) else { return nil }
        return TableDefinition(
            kind: kind,
            columns: rows.map { row in
                let base = row[4] ?? ""
                return TableDefinition.Column(
                    name: row[1] ?? "", type: row[2] ?? "text",
                    family: ["int2", "int4", "int8"].contains(base)
                        ? .integer : ["text", "varchar", "bpchar"].contains(base) ? .text : .other,
                    isArray: row[3] == "A",
                    hasPlainEquality: [
                        "int2", "int4", "int8", "bool", "text", "varchar", "numeric", "date", "timestamp", "bytea",
                    ].contains(base))
            })
    }
}
