internal import CMariaDB
internal import Glibc
internal import SQLTypes

extension MySQLDatabase: SourceDatabase {
    func prepareReading(isolation: String?) throws(SQLFailure) {
        // Without it a session would see the rows of its first query for ever.
        try send("SET SESSION autocommit=1")
        // Reading waits for the topics: a minute is little.
        try send("SET SESSION net_write_timeout=3600")
        if let isolation { try send("SET SESSION TRANSACTION ISOLATION LEVEL " + isolation) }
    }

    func arm(_ stop: QueryStop) {
        guard let mysql else { return }
        let socket = mysql_get_socket(mysql)
        guard socket >= 0 else { return }
        let running = RunningQuery(url: url, id: mysql_thread_id(mysql), port: Self.localPort(socket))
        stop.arm(socket: socket) {
            // The server notices that nobody listens any more only once it has rows to send. Nobody waits for this:
            // the way to a server that does not answer has its time limit.
            let thread = WorkThread()
            Task {
                await thread.run { running.end() }
                thread.end()
            }
        }
    }

    private static func localPort(_ socket: Int32) -> UInt16? {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &size) }
        }
        guard code == 0 else { return nil }
        return withUnsafeBytes(of: &address) { bytes in
            // Addresses of both versions have the port in the same place.
            UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
        }
    }

    /// A connection that another one ends.
    private struct RunningQuery: Sendable {
        let url: JDBCURL
        let id: UInt
        let port: UInt16?

        func end() {
            // A server that does not let us in any more has to notice by itself.
            guard let port, let other = try? MySQLDatabase(url, Dialect(.mysql)) else { return }
            defer { other.close() }
            // Behind one address there may be several servers, whose numbers of connections are the same.
            let found = try? other.query(
                "SELECT 1 FROM information_schema.processlist WHERE id = \(id) AND host LIKE '%:\(port)'", [])
            if found?.isEmpty == false { try? other.send("KILL \(id)") }
        }
    }

    func rows(_ sql: String) throws(SQLFailure) -> any RowCursor {
        guard let mysql else { throw failure() }
        var text = sql
        let code = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { mysql_real_query(mysql, $0.baseAddress, UInt(bytes.count)) }
        }
        guard code == 0 else { throw failure() }
        guard let result = mysql_use_result(mysql) else {
            if mysql_errno(mysql) != 0 { throw failure() }
            throw SQLFailure(.refused, state: "07005", "the statement has no rows to read")
        }
        return MySQLRows(self, result)
    }

    func tables(kinds: Set<String>) throws(SQLFailure) -> [SourceTable] {
        let rows = try query(
            "SELECT table_schema, table_name, table_type FROM information_schema.tables "
                + "WHERE table_schema = COALESCE(DATABASE(), table_schema) ORDER BY 1, 2", [])
        return rows.compactMap { row in
            guard let name = row[1] else { return nil }
            let kind: String =
                switch row[2] {
                case "BASE TABLE", "SYSTEM VERSIONED": "TABLE"
                case "SYSTEM VIEW": "SYSTEM VIEW"
                default: row[2] ?? ""
                }
            let isSystem = ["mysql", "information_schema", "performance_schema", "sys"].contains(row[0] ?? "")
            guard kinds.contains(isSystem && kind == "TABLE" ? "SYSTEM TABLE" : kind) else { return nil }
            return SourceTable(id: TableID(catalog: row[0], name: name))
        }
    }

    func columns(of table: TableID) throws(SQLFailure) -> [SourceColumn] {
        let place = table.catalog == nil ? "DATABASE()" : "?"
        let rows = try query(
            "SELECT column_name, is_nullable, extra, column_type FROM information_schema.columns "
                + "WHERE table_schema = \(place) AND table_name = ? ORDER BY ordinal_position",
            (table.catalog.map { [$0] } ?? []) + [table.name])
        return rows.map { row in
            SourceColumn(
                name: row[0] ?? "", isOptional: row[1] != "NO",
                isAutoIncrement: (row[2] ?? "").lowercased().range(of: "auto_increment") != nil,
                typeName: row[3] ?? "")
        }
    }

    func now(_ zone: TimeZoneID) throws(SQLFailure) -> Int64 {
        let rows = try query("SELECT NOW(6)", [])
        let text = rows.first?.first.flatMap { $0 } ?? ""
        guard let moment = MomentText(text) else {
            throw SQLFailure(.again, state: "22007", "the database's time is no time: \(text)")
        }
        return moment.micros(zone)
    }
}

private final class MySQLRows: RowCursor {
    let columns: [ResultColumn]
    private let database: MySQLDatabase
    private var result: UnsafeMutablePointer<MYSQL_RES>?
    private let areBytes: [Bool]
    /// Whether the last row, or a failure, came.
    private var isOver = false

    init(_ database: MySQLDatabase, _ result: UnsafeMutablePointer<MYSQL_RES>) {
        self.database = database
        self.result = result
        var columns: [ResultColumn] = []
        if let fields = mysql_fetch_fields(result) {
            for index in 0..<Int(mysql_num_fields(result)) { columns.append(Self.column(fields[index])) }
        }
        self.columns = columns
        areBytes = columns.map { column in
            switch column.type {
            case .bytes, .bits: true
            default: false
            }
        }
    }

    deinit { close() }

    private static let binaryCharset: UInt32 = 63

    private static func column(_ field: MYSQL_FIELD) -> ResultColumn {
        let isUnsigned = field.flags & UInt32(UNSIGNED_FLAG) != 0
        let isBinary = field.charsetnr == binaryCharset
        let type: SourceType
        let name: String
        switch field.type {
        case MYSQL_TYPE_TINY:
            // Drivers take TINYINT(1) for a bit, whose numbers have eight.
            type = isUnsigned && field.length > 1 ? .int16 : .int8
            name = "TINYINT"
        case MYSQL_TYPE_SHORT: (type, name) = (isUnsigned ? .int32 : .int16, "SMALLINT")
        case MYSQL_TYPE_INT24: (type, name) = (.int32, "MEDIUMINT")
        case MYSQL_TYPE_LONG: (type, name) = (isUnsigned ? .int64 : .int32, "INT")
        case MYSQL_TYPE_LONGLONG: (type, name) = (.int64, isUnsigned ? "BIGINT UNSIGNED" : "BIGINT")
        case MYSQL_TYPE_FLOAT: (type, name) = (.float32, "FLOAT")
        case MYSQL_TYPE_DOUBLE: (type, name) = (.float64, "DOUBLE")
        case MYSQL_TYPE_DECIMAL, MYSQL_TYPE_NEWDECIMAL:
            // A sign and a point are counted by its length.
            let scale = Int(field.decimals)
            let precision = Int(field.length) - (isUnsigned ? 0 : 1) - (scale > 0 ? 1 : 0)
            type = .decimal(precision: max(1, precision), scale: scale, followsMapping: false)
            name = "DECIMAL"
        case MYSQL_TYPE_BIT: (type, name) = (.bits(max(1, Int(field.length))), "BIT")
        case MYSQL_TYPE_YEAR: (type, name) = (.year, "YEAR")
        case MYSQL_TYPE_DATE, MYSQL_TYPE_NEWDATE: (type, name) = (.date, "DATE")
        case MYSQL_TYPE_TIME: (type, name) = (.time, "TIME")
        case MYSQL_TYPE_DATETIME: (type, name) = (.timestamp, "DATETIME")
        case MYSQL_TYPE_TIMESTAMP: (type, name) = (.timestamp, "TIMESTAMP")
        case MYSQL_TYPE_JSON, MYSQL_TYPE_ENUM, MYSQL_TYPE_SET: (type, name) = (.string, "CHAR")
        case MYSQL_TYPE_GEOMETRY: (type, name) = (.bytes, "GEOMETRY")
        case MYSQL_TYPE_NULL: (type, name) = (.string, "NULL")
        default: (type, name) = isBinary ? (.bytes, "BINARY") : (.string, "CHAR")
        }
        return ResultColumn(
            name: field.name.map { String(cString: $0) } ?? "", type: type,
            isOptional: field.flags & UInt32(NOT_NULL_FLAG) == 0, typeName: name)
    }

    func next() throws(SQLFailure) -> [RawValue]? {
        guard let result, let mysql = database.mysql else { return nil }
        guard let row = mysql_fetch_row(result) else {
            let failure = mysql_errno(mysql) != 0 ? database.failure() : nil
            isOver = true
            close()
            if let failure { throw failure }
            return nil
        }
        guard let lengths = mysql_fetch_lengths(result) else { throw database.failure() }
        return columns.indices.map { index in
            guard let start = row[index] else { return .null }
            let bytes = UnsafeRawBufferPointer(start: start, count: Int(lengths[index]))
            return areBytes[index] ? .bytes(Array(bytes)) : .text(String(decoding: bytes, as: UTF8.self))
        }
    }

    /// Before the end it takes the connection along.
    func close() {
        guard let result else { return }
        // The library reads what is left of the rows, as the protocol wants it: a large table's would keep a stop
        // waiting. Nobody goes on with a connection whose rows were not read to their end.
        if !isOver, let mysql = database.mysql {
            let socket = mysql_get_socket(mysql)
            if socket >= 0 { shutdown(socket, Int32(SHUT_RDWR)) }
        }
        mysql_free_result(result)
        self.result = nil
    }
}
