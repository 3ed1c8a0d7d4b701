internal import CMariaDB
internal import ConnectCore
internal import Glibc

/// Where a server is and how to get in.
struct MySQLAddress: Sendable {
    enum TLS: String, Sendable, CaseIterable {
        case disabled, preferred, required
        case verifyCA = "verify_ca"
        case verifyIdentity = "verify_identity"
    }

    var host: String
    var port: Int
    var user: String
    var password: String
    var tls = TLS.preferred
    /// PEM files; nil for none.
    var authorities: String?
    var certificate: String?
    var key: String?
    /// Seconds.
    var connectTimeout = 30
    /// Statements that every connection begins with.
    var initialStatements: [String] = []
}

/// A failure of the server or of the way to it.
struct MySQLError: Error, Sendable, CustomStringConvertible {
    /// The server's number, or the client's from 2000 on.
    var number: UInt32
    var message: String

    /// Whether a new connection may do better.
    var isConnectionLost: Bool {
        switch number {
        // The client's own: cannot connect, gone away, lost; the server's: shutdown, too many connections, net errors.
        case 2000...2999, 1053, 1040, 1042, 1043, 1080, 1152, 1153...1161, 1184, 1927, 3169, 4031, 1203, 1226: true
        default: false
        }
    }

    var description: String { "\(message) (error \(number))" }
}

/// A connection to a server, over libmariadb. For one thread at a time; `interrupt` may come from any.
final class MySQLConnection {
    /// The library must not be set up by two threads at a time.
    private static let isReady = mysql_server_init(0, nil, nil) == 0

    private let mysql: UnsafeMutablePointer<MYSQL>
    let handle: SocketHandle

    /// - Parameter readTimeout: seconds without a byte after which a read fails.
    /// - Throws: `MySQLError`; no message has the password.
    init(_ address: MySQLAddress, handle: SocketHandle = SocketHandle(), readTimeout: Int) throws(MySQLError) {
        guard Self.isReady, let mysql = mysql_init(nil) else {
            throw MySQLError(number: 2008, message: "out of memory")
        }
        self.mysql = mysql
        self.handle = handle
        func set(_ option: mysql_option, _ value: Int) {
            var number = UInt32(clamping: value)
            mysql_options(mysql, option, &number)
        }
        set(MYSQL_OPT_CONNECT_TIMEOUT, max(1, address.connectTimeout))
        set(MYSQL_OPT_READ_TIMEOUT, readTimeout)
        set(MYSQL_OPT_WRITE_TIMEOUT, max(30, address.connectTimeout))
        // libmariadb's name for a connection by TCP, also to localhost.
        set(MYSQL_OPT_PROTOCOL, Int(MYSQL_PROTOCOL_TCP.rawValue))
        mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4")
        var yes: CChar = 1
        var verifies: CChar = address.tls == .verifyIdentity || address.tls == .verifyCA ? 1 : 0
        if address.tls != .disabled, address.tls != .preferred { mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes) }
        mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verifies)
        if address.tls != .disabled {
            mysql_ssl_set(mysql, address.key, address.certificate, address.authorities, nil, nil)
        }
        guard
            mysql_real_connect(
                mysql, address.host, address.user, address.password, nil, UInt32(address.port), nil, 0) != nil
        else {
            // The initializer that throws here runs `deinit`, which closes.
            throw Self.error(mysql)
        }
        handle.open(mysql_get_socket(mysql))
        for statement in address.initialStatements { try execute(statement) }
    }

    deinit {
        handle.close()
        mysql_close(mysql)
    }

    private static func error(_ mysql: UnsafeMutablePointer<MYSQL>) -> MySQLError {
        MySQLError(number: mysql_errno(mysql), message: String(cString: mysql_error(mysql)))
    }

    var serverVersion: String { String(cString: mysql_get_server_info(mysql)) }

    /// A statement whose result does not matter.
    func execute(_ sql: String) throws(MySQLError) { _ = try rows(sql) }

    /// A statement with a small result.
    func rows(_ sql: String) throws(MySQLError) -> [[String?]] {
        var rows: [[String?]] = []
        try forEachRow(sql) { row in
            rows.append((0..<row.count).map { index in row[index].map { String(decoding: $0, as: UTF8.self) } })
            return true
        }
        return rows
    }

    /// Names of columns and the first row.
    func namedRow(_ sql: String) throws(MySQLError) -> [String: String]? {
        guard run(sql) else { throw Self.error(mysql) }
        guard let result = mysql_store_result(mysql) else { return nil }
        defer { mysql_free_result(result) }
        guard let row = mysql_fetch_row(result), let fields = mysql_fetch_fields(result) else { return nil }
        var values: [String: String] = [:]
        for index in 0..<Int(mysql_num_fields(result)) {
            if let value = row[index] { values[String(cString: fields[index].name)] = String(cString: value) }
        }
        return values
    }

    private func run(_ sql: String) -> Bool {
        var text = sql
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                mysql_real_query(mysql, $0.baseAddress, UInt(bytes.count)) == 0
            }
        }
    }

    /// One row of a result; its bytes are there until the next one is read.
    struct Row {
        fileprivate let values: MYSQL_ROW
        fileprivate let lengths: UnsafeMutablePointer<UInt>
        let count: Int

        /// nil for NULL. The index is below `count`.
        subscript(index: Int) -> UnsafeRawBufferPointer? {
            precondition(index < count)
            guard let value = values[index] else { return nil }
            return UnsafeRawBufferPointer(start: value, count: Int(lengths[index]))
        }
    }

    /// Runs a statement and hands over the rows as they come from the server, none of which is kept. When `body` returns
    /// false, the rest is passed over.
    func forEachRow(_ sql: String, _ body: (Row) throws -> Bool) throws(MySQLError) {
        do {
            try streamRows(sql, body)
        } catch let error as MySQLError {
            throw error
        } catch {
            throw MySQLError(number: 0, message: "\(error)")
        }
    }

    /// `forEachRow` for bodies that throw.
    func streamRows(_ sql: String, _ body: (Row) throws -> Bool) throws {
        guard run(sql) else { throw Self.error(mysql) }
        guard let result = mysql_use_result(mysql) else {
            if mysql_errno(mysql) != 0 { throw Self.error(mysql) }
            return
        }
        // Freeing reads what is left of the result.
        defer { mysql_free_result(result) }
        let count = Int(mysql_num_fields(result))
        while let values = mysql_fetch_row(result) {
            guard let lengths = mysql_fetch_lengths(result) else { break }
            do {
                if !(try body(Row(values: values, lengths: lengths, count: count))) { return }
            } catch {
                // Nobody wants what is left, and it may be a whole table.
                handle.interrupt()
                throw error
            }
        }
        if mysql_errno(mysql) != 0 { throw Self.error(mysql) }
    }

    // MARK: The log

    /// COM_BINLOG_DUMP
    private static let dumpCommand: Int32 = 0x12
    /// COM_BINLOG_DUMP_GTID
    private static let gtidDumpCommand: Int32 = 0x1E

    /// Asks for the log from a place on; packets come with `nextPacket`.
    func dump(file: String, position: UInt32, serverID: UInt32, flags: UInt16) throws(MySQLError) {
        var argument: [UInt8] = []
        Self.append(UInt64(position), 4, &argument)
        Self.append(UInt64(flags), 2, &argument)
        Self.append(UInt64(serverID), 4, &argument)
        argument += file.utf8
        guard swiftwater_mysql_dump(mysql, Self.dumpCommand, argument, argument.count) == 0 else {
            throw Self.error(mysql)
        }
    }

    /// Asks a MySQL server for all transactions that are not in an encoded set of GTIDs.
    func dump(gtids: [UInt8], serverID: UInt32) throws(MySQLError) {
        var argument: [UInt8] = []
        Self.append(4, 2, &argument)
        Self.append(UInt64(serverID), 4, &argument)
        Self.append(0, 4, &argument)
        Self.append(4, 8, &argument)
        Self.append(UInt64(gtids.count), 4, &argument)
        argument += gtids
        guard swiftwater_mysql_dump(mysql, Self.gtidDumpCommand, argument, argument.count) == 0 else {
            throw Self.error(mysql)
        }
    }

    private static func append(_ value: UInt64, _ byteCount: Int, _ bytes: inout [UInt8]) {
        for index in 0..<byteCount { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
    }

    /// Waits for the next event of the log.
    ///
    /// - Returns: the event, until the next call; nil when the server has ended the log.
    func nextPacket() throws(MySQLError) -> UnsafeRawBufferPointer? {
        let length = mysql_net_read_packet(mysql)
        // packet_error is -1 in the width of an int, or of a long.
        guard length < UInt(UInt32.max) else { throw Self.error(mysql) }
        guard length > 0, let start = swiftwater_mysql_packet(mysql) else { return nil }
        switch start[0] {
        case 0: return UnsafeRawBufferPointer(start: start + 1, count: Int(length) - 1)
        case 0xFE where length < 8: return nil
        default: throw MySQLError(number: 2027, message: "the server sent something that is no event")
        }
    }
}
