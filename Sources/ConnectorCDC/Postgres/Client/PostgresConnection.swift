internal import CPq
internal import Glibc
internal import PostgresClient

/// Where a server is and how to get in, in libpq's words.
struct PostgresAddress: Sendable {
    var parameters: [(name: String, value: String)] = []
    /// Statements that every connection but that of the log begins with.
    var initialStatements: [String] = []
    /// 0 without a limit.
    var queryTimeoutMilliseconds: Int64 = 0

    mutating func set(_ name: String, _ value: String?) {
        parameters.removeAll { $0.name == name }
        if let value, !value.isEmpty { parameters.append((name, value)) }
    }
}

/// A failure of the server or of the way to it.
struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// SQLSTATE; the client's own failures have 08006.
    var state: String
    var message: String

    /// Whether a new connection may do better.
    var isConnectionLost: Bool {
        switch state {
        // Shutdown, crash, starting up, too many connections; an object, as a slot, that another still uses.
        case "57P01", "57P02", "57P03", "53300", "55006": true
        default: state.hasPrefix("08")
        }
    }

    var description: String { state == "08006" ? message : "\(message) (SQLSTATE \(state))" }
}

/// A connection to a server, over libpq. For one thread at a time; `interrupt` of its handle may come from any.
final class PostgresConnection {
    private let connection: OpaquePointer
    let handle: SocketHandle

    /// How values are printed, whatever the database's own settings are.
    private static let settings =
        "-c datestyle=ISO,YMD -c intervalstyle=postgres -c timezone=UTC -c bytea_output=hex -c extra_float_digits=3 "
        + "-c lc_monetary=C -c standard_conforming_strings=on"

    /// - Parameter isReplication: for the log; takes no other statements than those about it.
    /// - Throws: `PostgresError`; no message has the password.
    init(
        _ address: PostgresAddress, handle: SocketHandle = SocketHandle(), isReplication: Bool = false
    ) throws(PostgresError) {
        var parameters = address
        parameters.set("client_encoding", "UTF8")
        parameters.set("options", Self.settings)
        parameters.set("application_name", isReplication ? "Swiftwater Streaming" : "Swiftwater General")
        if isReplication { parameters.set("replication", "database") }
        let made: OpaquePointer
        do throws(PostgresSession.Refusal) {
            made = try PostgresSession.open(parameters.parameters)
        } catch {
            throw PostgresError(state: error.isDenied ? "28000" : "08006", message: error.message)
        }
        connection = made
        self.handle = handle
        handle.open(PQsocket(made))
        guard !isReplication else { return }
        if address.queryTimeoutMilliseconds > 0 {
            try execute("SET statement_timeout = \(address.queryTimeoutMilliseconds)")
        }
        for statement in address.initialStatements { try execute(statement) }
    }

    deinit {
        handle.close()
        PQfinish(connection)
    }

    /// 150004 for 15.4.
    var serverVersion: Int { Int(PQserverVersion(connection)) }

    // MARK: Statements

    private func failure(_ result: OpaquePointer?) -> PostgresError {
        func field(_ code: Character) -> String? {
            guard let result, let value = code.asciiValue else { return nil }
            return PQresultErrorField(result, Int32(value)).map { String(cString: $0) }
        }
        let isLost = PQstatus(connection) != CONNECTION_OK
        let fallback = PQerrorMessage(connection).map { String(cString: $0).trimmingSpaces } ?? "no connection"
        let state = field("C") ?? "08006"
        return PostgresError(
            state: isLost && !state.hasPrefix("57P") ? "08006" : state, message: field("M") ?? fallback)
    }

    /// A statement whose result does not matter.
    func execute(_ sql: String) throws(PostgresError) { _ = try rows(sql) }

    /// A statement with a small result.
    func rows(_ sql: String) throws(PostgresError) -> [[String?]] {
        let result = PQexec(connection, sql)
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: return []
        case PGRES_TUPLES_OK: break
        default: throw failure(result)
        }
        var rows: [[String?]] = []
        let count = Int(PQnfields(result))
        for index in 0..<PQntuples(result) {
            let row = Row(result: result, row: index, count: count)
            rows.append((0..<count).map { place in row[place].map { String(decoding: $0, as: UTF8.self) } })
        }
        return rows
    }

    /// The first column of a statement's first row.
    func value(_ sql: String) throws(PostgresError) -> String? { try rows(sql).first?.first.flatMap { $0 } }

    /// One row of a result; its bytes are there until the next one is read.
    struct Row {
        fileprivate let result: OpaquePointer?
        fileprivate let row: Int32
        let count: Int

        /// nil for NULL. The index is below `count`.
        subscript(index: Int) -> UnsafeRawBufferPointer? {
            precondition(index < count)
            let column = Int32(index)
            guard PQgetisnull(result, row, column) == 0, let value = PQgetvalue(result, row, column) else { return nil }
            return UnsafeRawBufferPointer(start: value, count: Int(PQgetlength(result, row, column)))
        }
    }

    /// Runs a statement and hands over the rows as they come from the server, none of which is kept.
    ///
    /// - Throws: `PostgresError`, and what `body` throws.
    func streamRows(_ sql: String, _ body: (Row) throws -> Void) throws {
        guard PQsendQuery(connection, sql) == 1, PQsetSingleRowMode(connection) == 1 else { throw failure(nil) }
        var failed: PostgresError?
        while let result = PQgetResult(connection) {
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_SINGLE_TUPLE:
                do {
                    try body(Row(result: result, row: 0, count: Int(PQnfields(result))))
                } catch {
                    // Nobody wants what is left, and it may be a whole table.
                    handle.interrupt()
                    throw error
                }
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK: break
            default: failed = failure(result)
            }
        }
        if let failed { throw failed }
    }

    // MARK: The log

    /// Asks for the log; messages come with `nextMessage`.
    func startReplication(_ statement: String) throws(PostgresError) {
        let result = PQexec(connection, statement)
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COPY_BOTH else { throw failure(result) }
    }

    /// Waits for the next message of the log.
    ///
    /// - Parameter milliseconds: to wait at most.
    /// - Returns: what `body` makes of the message, whose bytes are there as long as it runs; nil when none came.
    /// - Throws: `PostgresError` when the log has ended, and what `body` throws.
    func nextMessage<Value>(
        waiting milliseconds: Int32, _ body: (UnsafeRawBufferPointer) throws -> Value
    ) throws -> Value? {
        var buffer: UnsafeMutablePointer<CChar>?
        var hasWaited = false
        while true {
            let count = PQgetCopyData(connection, &buffer, 1)
            switch count {
            case 1...:
                defer { PQfreemem(buffer) }
                return try body(UnsafeRawBufferPointer(start: buffer, count: Int(count)))
            case 0:
                if hasWaited { return nil }
                hasWaited = true
                var descriptor = pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
                if poll(&descriptor, 1, milliseconds) == 0 { return nil }
                guard PQconsumeInput(connection) == 1 else { throw failure(nil) }
            case -1:
                let result = PQgetResult(connection)
                defer { PQclear(result) }
                if PQresultStatus(result) == PGRES_FATAL_ERROR { throw failure(result) }
                throw PostgresError(state: "08006", message: "the server ended the log")
            default: throw failure(nil)
            }
        }
    }

    func send(_ message: [UInt8]) throws(PostgresError) {
        let isSent = message.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { PQputCopyData(connection, $0.baseAddress, Int32($0.count)) == 1 }
        }
        guard isSent, PQflush(connection) >= 0 else { throw failure(nil) }
    }
}

/// A name as PostgreSQL's statements take it.
func postgresIdentifier(_ name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }

/// A text as PostgreSQL's statements take it, with `standard_conforming_strings`.
func postgresText(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

extension TableID {
    /// For statements of PostgreSQL.
    var postgres: String { postgresIdentifier(database) + "." + postgresIdentifier(table) }
}
