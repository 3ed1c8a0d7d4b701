internal import ConnectCore

/// What a server is, and the questions that all parts ask it.
struct MySQLServer {
    let connection: MySQLConnection
    let isMariaDB: Bool
    let version: String

    init(_ config: MySQLConfig, handle: SocketHandle, readTimeout: Int) throws(MySQLError) {
        connection = try MySQLConnection(config.address, handle: handle, readTimeout: readTimeout)
        version = try connection.rows("SELECT VERSION()").first?.first.flatMap { $0 } ?? connection.serverVersion
        // The version may be set to anything; this variable only MariaDB has.
        isMariaDB = try !connection.rows("SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'").isEmpty
    }

    func variable(_ name: String) throws(MySQLError) -> String? {
        let row = try connection.rows("SHOW GLOBAL VARIABLES LIKE \(sqlText(name))").first
        return row.flatMap { $0.count > 1 ? $0[1] : nil }
    }

    /// Where the log ends. nil when the server keeps none.
    func logEnd() throws(MySQLError) -> LogPosition? {
        var row: [String: String]?
        do throws(MySQLError) {
            row = try connection.namedRow("SHOW MASTER STATUS")
        } catch {
            // MySQL 8.4 has another name for it.
            guard error.number == 1064 else { throw error }
            row = try connection.namedRow("SHOW BINARY LOG STATUS")
        }
        guard let row, let file = row["File"], let place = row["Position"].flatMap({ Int64($0) }) else { return nil }
        var position = LogPosition()
        position.file = file
        position.position = place
        if let gtids = row["Executed_Gtid_Set"], !isMariaDB { position.gtids = GTIDSet(gtids) }
        return position
    }

    /// The state that a MariaDB server has at a place in its log.
    func gtids(at position: LogPosition) throws(MySQLError) -> GTIDSet {
        let rows = try connection.rows("SELECT BINLOG_GTID_POS(\(sqlText(position.file)), \(position.position))")
        return GTIDSet(rows.first?.first.flatMap { $0 } ?? "")
    }

    func logFiles() throws(MySQLError) -> [String] {
        try connection.rows("SHOW BINARY LOGS").compactMap { $0.first.flatMap { $0 } }
    }

    func databases() throws(MySQLError) -> [String] {
        try connection.rows("SHOW DATABASES").compactMap { $0.first.flatMap { $0 } }
    }

    /// Tables that are no views.
    func tables(of database: String) throws(MySQLError) -> [String] {
        try connection.rows(
            "SHOW FULL TABLES IN \(sqlIdentifier(database)) WHERE Table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')"
        )
        .compactMap { $0.first.flatMap { $0 } }
    }

    func definition(of table: TableID) throws(MySQLError) -> String? {
        try connection.rows("SHOW CREATE TABLE \(table.sql)").first.flatMap { $0.count > 1 ? $0[1] : nil }
    }

    /// Makes statements of this connection read alike on every server.
    func normalise(_ config: MySQLConfig) throws(MySQLError) {
        try connection.execute("SET SESSION sql_mode='', time_zone='+00:00', sql_quote_show_create=1")
        try connection.execute("SET SESSION lock_wait_timeout=\(config.lockTimeoutSeconds)")
        try connection.execute("SET SESSION net_write_timeout=31536000, wait_timeout=31536000")
    }
}
