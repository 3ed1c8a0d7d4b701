internal import CMariaDB

/// A connection to MySQL or MariaDB, over libmariadb. For one thread.
final class MySQLDatabase: Database {
    private(set) var dialect: Dialect
    let url: JDBCURL
    private(set) var mysql: UnsafeMutablePointer<MYSQL>?
    private var statements: [String: UnsafeMutablePointer<MYSQL_STMT>] = [:]
    /// The most bytes of one statement.
    private var byteCountMax = 4 << 20
    private static let rowCountMax = 512
    /// The protocol's limit is 65,535.
    private static let placeCountMax = 60_000

    /// The library must not be set up by two threads at a time.
    private static let isReady = mysql_server_init(0, nil, nil) == 0

    /// - Throws: `.denied` when the server wants none of it, `.again` when it does not answer.
    init(_ url: JDBCURL, _ dialect: Dialect) throws(SQLFailure) {
        self.dialect = dialect
        self.url = url
        guard Self.isReady, let mysql = mysql_init(nil) else {
            throw SQLFailure(.again, state: "HY001", "out of memory")
        }
        self.mysql = mysql
        do throws(SQLFailure) {
            try connect(mysql, url)
        } catch {
            close()
            throw error
        }
    }

    private func connect(_ mysql: UnsafeMutablePointer<MYSQL>, _ url: JDBCURL) throws(SQLFailure) {
        func set(_ option: mysql_option, _ value: Int) {
            var number = UInt32(clamping: value)
            mysql_options(mysql, option, &number)
        }
        func seconds(_ name: String, _ fallback: Int) -> Int {
            url.parameter(name).flatMap { Int($0) }.flatMap { $0 > 0 ? max(1, $0 / 1000) : nil } ?? fallback
        }
        set(MYSQL_OPT_CONNECT_TIMEOUT, seconds("connectTimeout", 30))
        set(MYSQL_OPT_READ_TIMEOUT, seconds("socketTimeout", 600))
        set(MYSQL_OPT_WRITE_TIMEOUT, seconds("socketTimeout", 600))
        set(MYSQL_OPT_PROTOCOL, Int(MYSQL_PROTOCOL_TCP.rawValue))
        mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4")
        let tls = MySQLTransport(url)
        var enforces: CChar = tls.isRequired ? 1 : 0
        var verifies: CChar = tls.verifies ? 1 : 0
        if tls.isRequired { mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &enforces) }
        mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verifies)
        if tls.isWanted { mysql_ssl_set(mysql, tls.key, tls.certificate, tls.authorities, nil, nil) }
        var failure = SQLFailure(.denied, state: "08001", "the address has no host")
        for host in url.hosts.isEmpty ? [JDBCURL.Host(name: "localhost", port: nil)] : url.hosts {
            let connected = mysql_real_connect(
                mysql, host.name.isEmpty ? "localhost" : host.name, url.user, url.password,
                url.database.isEmpty ? nil : url.database, UInt32(host.port ?? 3306), nil, UInt(CLIENT_FOUND_ROWS))
            if connected != nil { return try prepareSession(url) }
            failure = self.failure()
            // Without a session whatever is wrong is wrong with the way to it.
            if failure.reaction == .refused { failure.reaction = .denied }
        }
        throw failure
    }

    private func prepareSession(_ url: JDBCURL) throws(SQLFailure) {
        try send("SET SESSION autocommit=0")
        // As the drivers have it: a value that does not fit is an error and not cut.
        try send("SET SESSION sql_mode=CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')")
        if let variables = url.parameter("sessionVariables"), !variables.isEmpty {
            try send("SET SESSION " + variables)
        }
        let rows = try query("SELECT @@max_allowed_packet, @@sql_mode", [])
        if let size = rows.first?[0].flatMap({ Int($0) }) { byteCountMax = min(byteCountMax, size / 2) }
        dialect.hasPlainBackslash = (rows.first?[1] ?? "").range(of: "NO_BACKSLASH_ESCAPES") != nil
        try rollback()
    }

    deinit { close() }

    func close() {
        for statement in statements.values { mysql_stmt_close(statement) }
        statements = [:]
        if let mysql { mysql_close(mysql) }
        mysql = nil
    }

    // MARK: Failures

    func failure() -> SQLFailure {
        guard let mysql else { return SQLFailure(.again, state: "08003", "no connection") }
        return Self.failure(
            mysql_errno(mysql), String(cString: mysql_sqlstate(mysql)), String(cString: mysql_error(mysql)))
    }

    private func failure(_ statement: UnsafeMutablePointer<MYSQL_STMT>) -> SQLFailure {
        Self.failure(
            mysql_stmt_errno(statement), String(cString: mysql_stmt_sqlstate(statement)),
            String(cString: mysql_stmt_error(statement)))
    }

    private static func failure(_ number: UInt32, _ state: String, _ message: String) -> SQLFailure {
        let reaction: SQLFailure.Reaction
        switch number {
        // Access, unknown database, TLS that is wanted and not there.
        case 1044, 1045, 1049, 1251, 1698, 2026: reaction = .denied
        // A table or column that is gone: it may have been looked up before somebody changed the table.
        case 1146, 1054: reaction = .again
        // Locks, deadlocks, full disks, read-only servers, the end of the server.
        case 1205, 1213, 1020, 1021, 1040, 1053, 1290, 1317, 1836, 1927, 3024: reaction = .again
        // A statement was prepared before its table changed.
        case 1615: reaction = .again
        case 2000...2999: reaction = .again
        default:
            switch state.prefix(2) {
            case "08", "40", "70": reaction = .again
            case "HY": reaction = general(number)
            default: reaction = .refused
            }
        }
        // Values of rows stand inside the server's texts, between quotes.
        let isAboutValues = [1062, 1265, 1292, 1366, 1411, 1452].contains(number)
        guard isAboutValues, let quote = message.firstIndex(of: "'") else {
            return SQLFailure(reaction, state: state, message)
        }
        return SQLFailure(
            reaction, state: state, String(message[..<quote]).trimmed, detail: String(message[quote...]))
    }

    /// The general state says nothing; most numbers with it are about values.
    private static func general(_ number: UInt32) -> SQLFailure.Reaction {
        1000...1999 ~= number || 3000...4999 ~= number ? .refused : .again
    }

    // MARK: Statements

    func send(_ sql: String) throws(SQLFailure) {
        guard let mysql else { throw failure() }
        var text = sql
        let code = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { mysql_real_query(mysql, $0.baseAddress, UInt(bytes.count)) }
        }
        guard code == 0 else { throw failure() }
        if let result = mysql_store_result(mysql) { mysql_free_result(result) }
    }

    func execute(_ sql: String) throws(SQLFailure) { try send(sql) }

    func commit() throws(SQLFailure) {
        guard let mysql, mysql_commit(mysql) == 0 else { throw failure() }
    }

    func rollback() throws(SQLFailure) {
        guard let mysql, mysql_rollback(mysql) == 0 else { throw failure() }
    }

    func query(_ sql: String, _ texts: [String]) throws(SQLFailure) -> [[String?]] {
        guard let mysql else { throw failure() }
        // Values become digits, so that nothing in them can end a text.
        var statement = ""
        var rest = texts[...]
        var isName = false
        for character in sql {
            if character == "`" { isName.toggle() }
            if character == "?", !isName, let text = rest.popFirst() {
                let digits = text.utf8.map { byte in
                    (byte < 16 ? "0" : "") + String(byte, radix: 16)
                }
                statement += "CONVERT(X'\(digits.joined())' USING utf8mb4)"
            } else {
                statement.append(character)
            }
        }
        let code = statement.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { mysql_real_query(mysql, $0.baseAddress, UInt(bytes.count)) }
        }
        guard code == 0 else { throw failure() }
        guard let result = mysql_store_result(mysql) else {
            if mysql_errno(mysql) != 0 { throw failure() }
            return []
        }
        defer { mysql_free_result(result) }
        let count = Int(mysql_num_fields(result))
        var rows: [[String?]] = []
        while let row = mysql_fetch_row(result) {
            guard let lengths = mysql_fetch_lengths(result) else { break }
            rows.append(
                (0..<count).map { column in
                    row[column].map {
                        String(
                            decoding: UnsafeRawBufferPointer(start: $0, count: Int(lengths[column])), as: UTF8.self)
                    }
                })
        }
        return rows
    }

    private func prepared(_ sql: String) throws(SQLFailure) -> UnsafeMutablePointer<MYSQL_STMT> {
        if let statement = statements[sql] { return statement }
        if statements.count >= 200 {
            for statement in statements.values { mysql_stmt_close(statement) }
            statements = [:]
        }
        guard let mysql, let statement = mysql_stmt_init(mysql) else { throw failure() }
        var text = sql
        let code = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { mysql_stmt_prepare(statement, $0.baseAddress, UInt(bytes.count)) }
        }
        guard code == 0 else {
            let failure = failure(statement)
            mysql_stmt_close(statement)
            throw failure
        }
        statements[sql] = statement
        return statement
    }

    func run(_ sql: String, _ cells: [Cell]) throws(SQLFailure) -> Int { try run(sql, cells[...]) }

    @discardableResult
    private func run(_ sql: String, _ cells: ArraySlice<Cell>) throws(SQLFailure) -> Int {
        let statement = try prepared(sql)
        var values = MySQLValues()
        values.reserve(cells.count)
        for cell in cells { try values.append(cell) }
        let isDone = values.withBinds { binds in
            // With no values there is nothing to bind.
            (binds.isEmpty || mysql_stmt_bind_param(statement, binds.baseAddress) == 0)
                && mysql_stmt_execute(statement) == 0
        }
        guard isDone else {
            let failure = failure(statement)
            // A statement that failed for its table's new shape has to be prepared again.
            statements[sql] = nil
            mysql_stmt_close(statement)
            throw failure
        }
        return Int(clamping: mysql_stmt_affected_rows(statement))
    }

    // MARK: Rows

    func write(_ write: TableWrite, _ rows: CellRows) throws(SQLFailure) {
        switch write.kind {
        case .insert, .upsert:
            var row = 0
            while row < rows.rowCount {
                let count = chunk(rows, from: row)
                let cells = rows.cells[row * rows.columnCount..<(row + count) * rows.columnCount]
                try run(dialect.insertText(write, rowCount: count), cells)
                row += count
            }
        case .update:
            let sql = dialect.updateText(write)
            for row in 0..<rows.rowCount { try run(sql, write.othersThenKeys(rows.row(row))[...]) }
        case .delete:
            let sql = dialect.deleteText(write)
            for row in 0..<rows.rowCount { try run(sql, rows.row(row)) }
        }
    }

    /// How many rows go into the next statement: a power of two, so that there are few different statements.
    private func chunk(_ rows: CellRows, from row: Int) -> Int {
        let limit = min(Self.rowCountMax, max(1, Self.placeCountMax / rows.columnCount), rows.rowCount - row)
        var byteCount = 0
        var fitting = 0
        while fitting < limit {
            for cell in rows.row(row + fitting) { byteCount += MySQLValues.byteCount(cell) }
            if byteCount > byteCountMax, fitting > 0 { break }
            fitting += 1
        }
        var count = 1
        while count * 2 <= fitting { count *= 2 }
        return count
    }

    // MARK: Structure

    func describe(_ table: TableID, kinds: Set<TableDefinition.Kind>) throws(SQLFailure) -> TableDefinition? {
        let schema = table.catalog ?? table.schema
        let place = schema == nil ? "DATABASE()" : "?"
        let texts = (schema.map { [$0] } ?? []) + [table.name]
        // The comparison is the catalog's own: whether case counts is the server's setting.
        let found = try query(
            "SELECT table_type, table_name FROM information_schema.tables WHERE table_schema = \(place) AND "
                + "table_name = ?",
            texts)
        guard let row = found.first(where: { $0[1] == table.name }) ?? found.first else { return nil }
        let kind: TableDefinition.Kind = (row[0] ?? "").range(of: "VIEW") != nil ? .view : .table
        guard kinds.contains(kind) else { return nil }
        let columns = try query(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = \(place) "
                + "AND table_name = ? ORDER BY ordinal_position", texts)
        return TableDefinition(
            kind: kind,
            columns: columns.map { row in
                let type = (row[1] ?? "").lowercased()
                let isInteger = ["tinyint", "smallint", "mediumint", "int", "bigint"].contains(type)
                let isText = ["char", "varchar", "tinytext", "text", "mediumtext", "longtext"].contains(type)
                return TableDefinition.Column(
                    name: row[0] ?? "", type: type, family: isInteger ? .integer : isText ? .text : .other)
            })
    }
}

/// Whether and how the way to a MySQL server is encrypted, from the parameters of its drivers.
struct MySQLTransport: Sendable {
    var isWanted = true
    var isRequired = false
    var verifies = false
    var authorities: String?
    var certificate: String?
    var key: String?

    init(_ url: JDBCURL) {
        func isTrue(_ name: String) -> Bool { url.parameter(name)?.lowercased() == "true" }
        if url.parameter("useSSL")?.lowercased() == "false" { isWanted = false }
        if isTrue("requireSSL") || (isTrue("useSSL") && url.product == "mariadb") { isRequired = true }
        if isTrue("verifyServerCertificate") { (isRequired, verifies) = (true, true) }
        switch url.parameter("sslMode")?.lowercased() {
        case "disabled", "disable": isWanted = false
        case "required", "trust": (isWanted, isRequired) = (true, true)
        case "verify_ca", "verify-ca", "verify_identity", "verify-full":
            (isWanted, isRequired, verifies) = (true, true, true)
        default: break
        }
        authorities = url.parameter("serverSslCert")
        certificate = url.parameter("clientSslCert")
        key = url.parameter("clientSslKey")
    }
}
