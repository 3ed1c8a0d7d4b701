import ConnectCore
import CryptoExtras
import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import Synchronization

@testable import ConnectorSnowflake

/// What a worker offers, without a worker: notes what is reported.
final class SinkContext: SinkTaskContext {
    let identity = TaskIdentity(connector: "c-1", task: 0)
    private let isTolerant: Bool
    let reported = Mutex<[(record: ConnectRecord, error: ConnectError)]>([])
    let retries = Mutex<[Duration]>([])
    let seeks = Mutex<[[SinkPartition: Int64]]>([])
    let warnings = Mutex<[String]>([])

    init(isTolerant: Bool = false) { self.isTolerant = isTolerant }

    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) { seeks.withLock { $0.append(offsets) } }
    func pause(_ partitions: [SinkPartition]) {}
    func resume(_ partitions: [SinkPartition]) {}
    func retry(after: Duration) { retries.withLock { $0.append(after) } }

    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        reported.withLock { $0.append((record, error)) }
        if !isTolerant { throw error }
    }

    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {
        let text = message()
        if level == .warning { warnings.withLock { $0.append(text) } }
    }

    var now: Int64 { 1_700_000_000_000 }
}

/// As much of Snowflake as the connector uses: tables with rows as they were bound, the table of offsets, transactions. A
/// test may answer in its place.
final class SnowflakeServer: Sendable {
    struct State: Sendable {
        var rows: [String: [JSONValue]] = [:]
        /// Name, type, `Y` or `N`.
        var columns: [String: [(name: String, type: String, null: String)]] = [:]
        /// TABLE|TOPIC|PARTITION.
        var offsets: [String: Int64] = [:]
    }

    private struct Inside: Sendable {
        var state = State()
        /// As it was when the transaction began.
        var before: State?
        var statements: [String] = []
        var logins: [JSONValue] = []
        var refused: Int64?
        var goodbyeCount = 0
    }

    /// An answer instead of the server's own; `apply` carries the statement out.
    typealias Fault = @Sendable (_ sql: String, _ number: Int, _ apply: () -> String) -> (Int, String)?

    private let inside = Mutex(Inside())
    private let fault: Fault
    init(_ fault: @escaping Fault) { self.fault = fault }

    var state: State {
        get { inside.withLock { $0.state } }
        set { inside.withLock { $0.state = newValue } }
    }
    var statements: [String] { inside.withLock { $0.statements } }
    var goodbyeCount: Int { inside.withLock { $0.goodbyeCount } }
    var logins: [JSONValue] { inside.withLock { $0.logins } }
    var inserts: [String] { statements.filter { $0.hasPrefix("INSERT") } }
    func offsets(_ table: String) -> [Int64] { rows(table).compactMap { $0.elements?[0]["offset"]?.integer } }
    func rows(_ table: String) -> [JSONValue] { state.rows[table] ?? [] }

    /// Refuses rows of this offset as Snowflake refuses a value that does not fit.
    func refuses(offset: Int64) { inside.withLock { $0.refused = offset } }

    static func failure(_ code: String, _ state: String, _ message: String) -> String {
        #"{"success":false,"code":"\#(code)","message":"\#(message)","#
            + #""data":{"sqlState":"\#(state)","errorCode":"\#(code)"}}"#
    }

    static func answer(_ rows: [[String?]]) -> String {
        let rowset = JSONValue.array(rows.map { .array($0.map { .string($0) }) })
        let data = JSONValue.object([
            ("rowset", rowset), ("total", .number(Int64(rows.count))), ("queryResultFormat", .string("json")),
        ])
        return String(decoding: JSONValue.object([("data", data), ("success", .bool(true))]).bytes, as: UTF8.self)
    }

    private static func table(_ sql: String, behind word: String) -> String {
        guard let start = sql.firstRange(of: word + " \"") else { return "" }
        let rest = sql[start.upperBound...]
        return String(rest.prefix { $0 != " " }).replacing("\"", with: "")
    }

    private func login(_ body: String) -> (Int, String) {
        inside.withLock {
            $0.logins.append(JSONValue.parse(Array(body.utf8)) ?? .null)
            // One session at a time: what was open in the one before is rolled back.
            $0.state = $0.before ?? $0.state
            $0.before = nil
        }
        return (200, #"{"success":true,"data":{"token":"secret-token","validityInSeconds":3600}}"#)
    }

    /// What is open in a session that ends is rolled back.
    private func logout() -> (Int, String) {
        inside.withLock {
            $0.goodbyeCount += 1
            $0.state = $0.before ?? $0.state
            $0.before = nil
        }
        return (200, #"{"success":true,"data":null}"#)
    }

    private func query(_ body: String) -> (Int, String) {
        guard let json = JSONValue.parse(Array(body.utf8)), let sql = json["sqlText"]?.text else { return (400, "") }
        let bound = json["bindings"]?["1"]?["value"]?.text
        let number = inside.withLock {
            let kind = sql.prefix { $0 != " " }
            $0.statements.append(sql)
            return $0.statements.filter { $0.prefix { $0 != " " } == kind }.count - 1
        }
        let apply = { self.carryOut(sql, bound) }
        return fault(sql, number, apply) ?? (200, apply())
    }

    private func carryOut(_ sql: String, _ bound: String?) -> String {
        let elements = bound.flatMap { JSONValue.parse(Array($0.utf8)) }?.elements ?? []
        func key(_ row: JSONValue) -> String {
            let parts = row.elements ?? []
            return "\(parts[0].text ?? "")|\(parts[1].text ?? "")|\(parts[2].integer ?? -9)"
        }
        return inside.withLock { inside in
            switch sql.prefix(while: { $0 != " " }) {
            case "BEGIN": inside.before = inside.state
            case "COMMIT": inside.before = nil
            case "ROLLBACK":
                inside.state = inside.before ?? inside.state
                inside.before = nil
            case "DESCRIBE":
                guard let columns = inside.state.columns[Self.table(sql, behind: "TABLE")] else {
                    return Self.failure("002003", "42S02", "Object does not exist or not authorized.")
                }
                return Self.answer(columns.map { [$0.name, $0.type, "COLUMN", $0.null] })
            case "CREATE":
                let name = Self.table(sql, behind: sql.contains("IF NOT EXISTS") ? "EXISTS" : "TABLE")
                if sql.contains("_OFFSETS\"") { break }
                guard inside.state.columns[name] == nil else {
                    return Self.failure("002002", "42710", "Object already exists.")
                }
                inside.state.columns[name] = [("RECORD_METADATA", "VARIANT", "Y")]
                if sql.contains("RECORD_CONTENT") {
                    inside.state.columns[name]?.append(("RECORD_CONTENT", "VARIANT", "Y"))
                }
            case "ALTER":
                let name = Self.table(sql, behind: "TABLE")
                let parts = sql.split(separator: "\"")
                let column = String(parts[7])
                if sql.contains("DROP NOT NULL") {
                    for index in inside.state.columns[name]?.indices ?? 0..<0
                    where inside.state.columns[name]?[index].name == column {
                        inside.state.columns[name]?[index].null = "Y"
                    }
                } else {
                    let type = parts[8].split(separator: " ").first.map(String.init) ?? ""
                    inside.state.columns[name]?.append((column, type, "Y"))
                }
            case "SELECT":
                let wanted = elements.map { ($0.elements ?? []).map { $0.text ?? String($0.integer ?? -9) } }
                var found: [[String]: Int64] = [:]
                for (key, offset) in inside.state.offsets {
                    var parts = key.split(separator: "|").map(String.init)
                    if sql.contains("MAX(") { parts.removeFirst() }
                    if wanted.contains(parts) { found[parts] = max(offset, found[parts] ?? -1) }
                }
                return Self.answer(found.map { $0.key.suffix(2) + [String($0.value)] })
            case "MERGE":
                var count = 0
                for row in elements where inside.state.offsets[key(row)] == nil {
                    inside.state.offsets[key(row)] = row.elements?[3].integer
                    count += 1
                }
                return Self.answer([[String(count)]])
            case "UPDATE":
                var count = 0
                for row in elements where inside.state.offsets[key(row)] == row.elements?[3].integer {
                    inside.state.offsets[key(row)] = row.elements?[4].integer
                    count += 1
                }
                return Self.answer([[String(count), "0"]])
            case "DELETE":
                inside.state.offsets = inside.state.offsets.filter { !$0.key.hasPrefix((bound ?? "") + "|") }
            case "INSERT":
                let refused = inside.refused
                if elements.contains(where: { $0.elements?[0]["offset"]?.integer == refused && refused != nil }) {
                    return Self.failure("100038", "22018", "Numeric value 'x' is not recognized")
                }
                inside.state.rows[Self.table(sql, behind: "INTO"), default: []] += elements
                return Self.answer([[String(elements.count)]])
            default: return Self.failure("000001", "42601", "what is \(sql)?")
            }
            return Self.answer([["Statement executed successfully."]])
        }
    }

    static func run(
        _ fault: @escaping Fault = { _, _, _ in nil },
        get: @escaping @Sendable (String) -> (Int, String) = { _ in (404, "") },
        _ body: (String, SnowflakeServer) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let server = SnowflakeServer(fault)
        var router = HTTPRouter(errors: .errorCode)
        router.on(.post, "/{path*}") { call in
            let text = String(buffer: try await call.bytes())
            let (status, answer): (Int, String) =
                switch call.path {
                case "/session/v1/login-request": server.login(text)
                case "/queries/v1/query-request": server.query(text)
                case "/session": server.logout()
                default: (404, "")
                }
            return .bytes(answer.utf8, contentType: "application/json", status: .init(code: status))
        }
        router.on(.get, "/{path*}") { call in
            let (status, answer) = get(call.path)
            return .bytes(answer.utf8, contentType: "application/json", status: .init(code: status))
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let running = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: logger)
        var failure: (any Error)?
        do { try await body("http://127.0.0.1:\(running.port)", server) } catch { failure = error }
        await running.stop(within: .zero)
        await loops.shutdown()
        if let failure { throw failure }
    }
}

/// Made for a run of the tests.
let signingKey = { () -> _RSA.Signing.PrivateKey? in try? .init(keySize: .bits2048) }()
let keyText = signingKey?.pkcs8PEMRepresentation ?? ""

func properties(_ url: String = "http://127.0.0.1:1", _ more: [String: String] = [:]) -> [String: String] {
    [
        "name": "c-1", "snowflake.url.name": url, "snowflake.user.name": "kafka", "snowflake.private.key": keyText,
        "snowflake.database.name": "db", "snowflake.schema.name": "s", "snowflake.role.name": "r",
        "snowflake.ingestion.method": "SNOWPIPE_STREAMING",
    ].merging(more) { $1 }
}

func record(
    _ value: ConnectValue, key: ConnectValue = .null, offset: Int64 = 0, topic: String = "orders", partition: Int32 = 0,
    schema: ConnectSchema? = nil, headers: [ConnectHeader] = []
) -> ConnectRecord {
    ConnectRecord(
        topic: topic, partition: partition, key: SchemaAndValue(nil, key), value: SchemaAndValue(schema, value),
        timestamp: 5, headers: headers,
        origin: .sink(topic: topic, partition: partition, offset: offset, timestampKind: .create))
}

func object(_ members: [(String, ConnectValue)]) -> ConnectValue { .map(ConnectMap(members)) }

/// A task that writes each record at once, started, and stopped whatever becomes of it.
///
/// - Parameter more: options besides those.
func withTask(
    _ url: String, _ context: SinkContext = SinkContext(), _ more: [String: String] = [:],
    _ body: (SnowflakeSinkTask) async throws -> Void
) async throws {
    let task = SnowflakeSinkTask(
        try SnowflakeSettings(properties(url, ["buffer.count.records": "1"].merging(more) { $1 })), context)
    do {
        try await task.start()
        try await body(task)
    } catch {
        await task.stop()
        throw error
    }
    await task.stop()
}

/// Records whose value is their offset.
func values(_ offsets: Range<Int64>, partition: Int32 = 0) -> [ConnectRecord] {
    offsets.map { record(object([("n", .int64($0))]), offset: $0, partition: partition) }
}
