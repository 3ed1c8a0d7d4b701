internal import CPq
internal import SQLTypes

extension PostgreSQLDatabase: SourceDatabase {
    func prepareReading(isolation: String?) throws(SQLFailure) {
        // Texts of these types depend on the server's settings: money may come as `1.234,50 €`.
        try simple("SET lc_monetary TO 'C'")
        try simple("SET bytea_output TO 'hex'")
        if let isolation { try simple("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL " + isolation) }
    }

    func arm(_ stop: QueryStop) {
        guard let connection else { return }
        let socket = PQsocket(connection)
        guard socket >= 0 else { return }
        let request = CancelRequest(connection)
        stop.arm(socket: socket) {
            // The server notices that nobody listens any more only once it has rows to send. Nobody waits for this:
            // the way to a server that does not answer has its time limit.
            let thread = WorkThread()
            Task {
                await thread.run { request.send() }
                thread.end()
            }
        }
    }

    func rows(_ sql: String) throws(SQLFailure) -> any RowCursor {
        guard let connection else { throw SQLFailure(.again, state: "08003", "no connection") }
        let prepared = PQprepare(connection, "", sql, 0, nil)
        try check(prepared)
        PQclear(prepared)
        let described = PQdescribePrepared(connection, "")
        try check(described)
        let parts = (0..<PQnfields(described)).map { index in
            Part(
                name: PQfname(described, index).map { String(cString: $0) } ?? "",
                type: PQftype(described, index), table: PQftable(described, index),
                column: PQftablecol(described, index), modifier: Int(PQfmod(described, index)))
        }
        PQclear(described)
        let columns = try columns(parts)
        // Before the rows come the connection is free for what is asked above; from here on it is the cursor's.
        guard PQsendQueryParams(connection, sql, 0, nil, nil, nil, nil, 0) == 1, PQsetSingleRowMode(connection) == 1
        else { throw failure(nil) }
        return PostgreSQLRows(self, columns, PostgreSQLShape(parts.map(\.name), parts.map(\.type)))
    }

    private struct Part {
        var name: String
        var type: UInt32
        var table: UInt32
        var column: Int32
        var modifier: Int
    }

    private func columns(_ parts: [Part]) throws(SQLFailure) -> [ResultColumn] {
        func list(_ values: [String]) -> String { "{" + values.joined(separator: ",") + "}" }
        let rows = try query(
            """
            SELECT t.typname, t.typtype, COALESCE(a.attnotnull, false)
            FROM unnest($1::oid[], $2::oid[], $3::int4[]) WITH ORDINALITY AS x(type, tab, col, n)
            LEFT JOIN pg_catalog.pg_type t ON t.oid = x.type
            LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.tab AND a.attnum = x.col AND x.col > 0
            ORDER BY x.n
            """,
            [
                list(parts.map { String($0.type) }), list(parts.map { String($0.table) }),
                list(parts.map { String($0.column) }),
            ])
        return zip(parts, rows).map { part, row in
            let name = row[0] ?? ""
            return ResultColumn(
                name: part.name, type: row[1] == "e" ? .string : Self.type(name, part.modifier),
                isOptional: row[2] != "t", typeName: name)
        }
    }

    static func type(_ name: String, _ modifier: Int) -> SourceType {
        switch name {
        case "bool": return .boolean
        case "int2": return .int16
        case "int4": return .int32
        case "int8", "oid": return .int64
        case "float4": return .float32
        case "float8", "money": return .float64
        case "numeric":
            guard modifier >= 4 else { return .decimal(precision: 0, scale: nil, followsMapping: true) }
            let scale = (modifier - 4) & 0x7FF
            return .decimal(
                precision: (modifier - 4) >> 16 & 0xFFFF, scale: scale >= 0x400 ? scale - 0x800 : scale,
                followsMapping: true)
        case "text", "varchar", "bpchar", "name", "char", "json", "jsonb", "uuid", "xml": return .string
        case "bytea": return .bytes
        case "date": return .date
        case "time", "timetz": return .time
        case "timestamp", "timestamptz": return .timestamp
        case "bit": return modifier <= 1 ? .boolean : .bits(modifier)
        default: return .unsupported
        }
    }

    func tables(kinds: Set<String>) throws(SQLFailure) -> [SourceTable] {
        let rows = try query(
            """
            SELECT current_database(), n.nspname, c.relname, CASE
                WHEN n.nspname IN ('pg_catalog', 'information_schema') AND c.relkind = 'v' THEN 'SYSTEM VIEW'
                WHEN n.nspname IN ('pg_catalog', 'information_schema') THEN 'SYSTEM TABLE'
                WHEN c.relkind = 'r' THEN 'TABLE' WHEN c.relkind = 'p' THEN 'PARTITIONED TABLE'
                WHEN c.relkind = 'v' THEN 'VIEW' WHEN c.relkind = 'm' THEN 'MATERIALIZED VIEW' ELSE 'FOREIGN TABLE' END
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_(toast|temp)' ORDER BY 2, 3
            """, [])
        return rows.compactMap { row in
            guard kinds.contains(row[3] ?? ""), let name = row[2] else { return nil }
            return SourceTable(id: TableID(catalog: row[0], schema: row[1], name: name))
        }
    }

    func columns(of table: TableID) throws(SQLFailure) -> [SourceColumn] {
        let rows = try query(
            """
            SELECT a.attname, a.attnotnull, a.attidentity <> '' OR
                COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') LIKE '%nextval(%',
                pg_catalog.format_type(a.atttypid, a.atttypmod)
            FROM pg_catalog.pg_attribute a
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """, [dialect.quoted(TableID(schema: table.schema, name: table.name))])
        return rows.map { row in
            SourceColumn(
                name: row[0] ?? "", isOptional: row[1] != "t", isAutoIncrement: row[2] == "t", typeName: row[3] ?? "")
        }
    }

    func now(_ zone: TimeZoneID) throws(SQLFailure) -> Int64 {
        let rows = try query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", [])
        return rows.first?.first.flatMap { $0 }.flatMap { Int64($0) } ?? 0
    }
}

/// What rows have to look like to be read by the columns of a description.
private struct PostgreSQLShape: Hashable {
    var names: [String]
    var types: [UInt32]

    init(_ names: [String], _ types: [UInt32]) {
        self.names = names
        self.types = types
    }

    init(_ result: OpaquePointer) {
        let places = 0..<PQnfields(result)
        names = places.map { PQfname(result, $0).map { String(cString: $0) } ?? "" }
        types = places.map { PQftype(result, $0) }
    }
}

/// Rows in libpq's single row mode: the server sends as fast as they are read.
private final class PostgreSQLRows: RowCursor {
    let columns: [ResultColumn]
    private let database: PostgreSQLDatabase
    /// What was described; nil once the first row was compared with it.
    private var shape: PostgreSQLShape?
    private var isOver = false

    init(_ database: PostgreSQLDatabase, _ columns: [ResultColumn], _ shape: PostgreSQLShape) {
        self.database = database
        self.columns = columns
        self.shape = shape
    }

    deinit { close() }

    func next() throws(SQLFailure) -> [RawValue]? {
        guard !isOver, let connection = database.connection else { return nil }
        guard let result = PQgetResult(connection) else {
            isOver = true
            return nil
        }
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_SINGLE_TUPLE:
            // The server parsed the statement anew: a `*` may mean other columns than it did for the description.
            if let shape, shape != PostgreSQLShape(result) {
                close()
                throw SQLFailure(.again, state: "0A000", "the table was changed while it was asked")
            }
            shape = nil
            return (0..<PQnfields(result)).map { column in
                guard PQgetisnull(result, 0, column) == 0, let start = PQgetvalue(result, 0, column) else {
                    return .null
                }
                return .text(
                    String(
                        decoding: UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(result, 0, column))),
                        as: UTF8.self))
            }
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
            drain(connection)
            return nil
        default:
            let failure = database.failure(result)
            drain(connection)
            throw failure
        }
    }

    private func drain(_ connection: OpaquePointer) {
        isOver = true
        while let rest = PQgetResult(connection) { PQclear(rest) }
    }

    func close() {
        guard !isOver, let connection = database.connection else { return }
        // The rest of a large table is not worth reading to throw it away.
        CancelRequest(connection).send()
        drain(connection)
    }
}

/// Asks the server, over a connection of its own, to end what another one has asked for.
///
/// `@unchecked Sendable`: libpq fills the value once, and lets any thread send it.
private final class CancelRequest: @unchecked Sendable {
    private let request: OpaquePointer?

    init(_ connection: OpaquePointer) { request = PQgetCancel(connection) }

    deinit { PQfreeCancel(request) }

    /// Blocks until the server has heard of it.
    func send() {
        guard let request else { return }
        var words = [CChar](repeating: 0, count: 256)
        _ = words.withUnsafeMutableBufferPointer { PQcancel(request, $0.baseAddress, 256) }
    }
}
