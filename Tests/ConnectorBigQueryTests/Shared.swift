import ConnectCore
import HTTPCalls
import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import Synchronization

@testable import ConnectorBigQuery

/// What a worker offers, without a worker: notes what is reported.
final class SinkContext: SinkTaskContext {
    let identity = TaskIdentity(connector: "c", task: 0)
    private let isTolerant: Bool
    let reported = Mutex<[(record: ConnectRecord, error: ConnectError)]>([])
    private let pause = Mutex<Duration?>(nil)

    init(isTolerant: Bool = false) { self.isTolerant = isTolerant }

    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) {}
    func pause(_ partitions: [SinkPartition]) {}
    func resume(_ partitions: [SinkPartition]) {}
    func retry(after: Duration) { pause.withLock { $0 = after } }

    /// How long the task wants to wait.
    func takePause() -> Duration? {
        pause.withLock { pause in
            defer { pause = nil }
            return pause
        }
    }

    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        reported.withLock { $0.append((record, error)) }
        if !isTolerant { throw error }
    }

    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {}
    /// 2026-11-27T00:00:00Z, and what has passed since.
    var now: Int64 { 1_795_737_600_000 + passed.withLock { $0 } }
    private let passed = Mutex<Int64>(0)

    func pass(millis: Int64) { passed.withLock { $0 += millis } }

    var refused: [Int64?] { reported.withLock { $0.map(\.record.kafkaOffset) } }
    var words: [String] { reported.withLock { $0.map(\.error.message) } }
}

extension BigQuerySinkTask {
    /// Puts records as the worker does, again and again where the task asks for a pause, but without pauses.
    func deliver(_ records: [ConnectRecord], _ context: SinkContext) async throws {
        while true {
            do {
                return try await put(records)
            } catch {
                guard error.isRetriable, context.takePause() != nil else { throw error }
            }
        }
    }
}

/// Has tables as BigQuery has them, and answers as a test tells it to where it tells it anything.
final class TableServer: Sendable {
    struct Request: Sendable {
        var line: String
        var body: String
        var headers: [String: String]
        var json: JSONValue? { JSONValue.parse(Array(body.utf8)) }
        /// What it inserts.
        var rows: [JSONValue] { json?["rows"]?.elements ?? [] }
        var ids: [String] { rows.compactMap { $0["insertId"]?.text } }
    }

    /// nil leaves the answer to the server. `number` counts requests of the line from 0.
    typealias Handler = @Sendable (_ request: Request, _ number: Int) -> (Int, String)?

    private struct State {
        var requests: [Request] = []
        /// By path.
        var tables: [String: JSONValue] = [:]
    }

    private let state = Mutex(State())
    var requests: [Request] { state.withLock { $0.requests } }
    var lines: [String] { requests.map(\.line) }
    /// Statements, without those that clear what was merged.
    var merges: [String] {
        requests.filter { $0.line.hasSuffix("/queries") }.compactMap { $0.json?["query"]?.text }
            .filter { $0.hasPrefix("MERGE") }
    }
    var tableNames: [String] {
        state.withLock { $0.tables.keys.map { String($0.split(separator: "/").last ?? "") }.sorted() }
    }
    var inserts: [Request] { requests.filter { $0.line.hasSuffix("/insertAll") } }

    static let tables = "/bigquery/v2/projects/p/datasets/d/tables"

    func table(_ name: String) -> JSONValue? { state.withLock { $0.tables["\(Self.tables)/\(name)"] } }
    func set(_ name: String, _ json: String) {
        state.withLock { $0.tables["\(Self.tables)/\(name)"] = JSONValue.parse(Array(json.utf8)) }
    }

    /// The columns of a table as `name:TYPE:MODE`.
    func columns(_ name: String) -> [String] {
        (table(name)?["schema"]?["fields"]?.elements ?? []).map {
            "\($0["name"]?.text ?? ""):\($0["type"]?.text ?? ""):\($0["mode"]?.text ?? "")"
        }
    }

    static func error(_ status: Int, _ reason: String, _ message: String) -> (Int, String) {
        let error = JSONValue.object([
            ("code", .number(Int64(status))), ("message", .string(message)),
            ("errors", .array([.object([("reason", .string(reason)), ("message", .string(message))])])),
        ])
        return (status, String(decoding: JSONValue.object([("error", error)]).bytes, as: UTF8.self))
    }

    /// Errors of rows by their place: reason and message; the others are stopped.
    static func insertErrors(_ request: Request, _ errors: [Int: (String, String)]) -> (Int, String) {
        let entries = request.rows.indices.map { index in
            let (reason, message) = errors[index] ?? ("stopped", "")
            return #"{"index":\#(index),"errors":[{"reason":"\#(reason)","message":"\#(message)"}]}"#
        }
        return (200, #"{"insertErrors":[\#(entries.joined(separator: ","))]}"#)
    }

    /// Whether a column is gone, or has become REQUIRED.
    private static func lacks(_ wanted: JSONValue, of there: JSONValue?) -> Bool {
        (there?.elements ?? []).contains { field in
            let other = wanted.elements?.first { $0["name"]?.text?.lowercased() == field["name"]?.text?.lowercased() }
            guard let other else { return true }
            if other["mode"]?.text == "REQUIRED", field["mode"]?.text != "REQUIRED" { return true }
            guard let fields = field["fields"] else { return false }
            return other["fields"].map { lacks($0, of: fields) } ?? true
        }
    }

    private func answer(_ request: Request, _ handler: Handler) -> (Int, String) {
        let number = state.withLock { state in
            state.requests.append(request)
            return state.requests.count { $0.line == request.line } - 1
        }
        return handler(request, number) ?? usual(request)
    }

    private func usual(_ request: Request) -> (Int, String) {
        let parts = request.line.split(separator: " ")
        guard parts.count == 2, let method = parts.first, let path = parts.last else { return (400, "") }
        return state.withLock { state in
            if method == "POST", path == Self.tables, let json = request.json,
                let name = json["tableReference"]?["tableId"]?.text
            {
                if state.tables["\(path)/\(name)"] != nil { return Self.error(409, "duplicate", "Already Exists") }
                state.tables["\(path)/\(name)"] = json
                return (200, request.body)
            }
            var key = String(path)
            if key.hasSuffix("/insertAll") { key.removeLast("/insertAll".count) }
            key = key.replacing("%24", with: "$")
            if let dollar = key.firstIndex(of: "$") { key = String(key[..<dollar]) }
            if path.hasSuffix("/queries") { return (200, #"{"jobComplete":true,"numDmlAffectedRows":"0"}"#) }
            guard let table = state.tables[key] else { return Self.error(404, "notFound", "Not found: Table p:d.t") }
            switch method {
            case "GET": return (200, String(decoding: table.bytes, as: UTF8.self))
            case "DELETE":
                state.tables[key] = nil
                return (204, "")
            case "PATCH":
                let wanted = request.json?["schema"]?["fields"]
                if let wanted, Self.lacks(wanted, of: table["schema"]?["fields"]) {
                    return Self.error(400, "invalid", "Provided Schema does not match Table \(key).")
                }
                var members = table.members ?? []
                for (name, value) in request.json?.members ?? [] {
                    members.removeAll { $0.0 == name }
                    members.append((name, value))
                }
                state.tables[key] = .object(members)
                return (200, "{}")
            default: return (200, #"{"kind":"bigquery#tableDataInsertAllResponse"}"#)
            }
        }
    }

    static func run(
        _ handler: @escaping Handler = { _, _ in nil }, _ body: (String, TableServer) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let server = TableServer()
        var router = HTTPRouter(errors: .errorCode)
        let methods: [HTTPRequest.Method] = [.get, .post, .patch, .delete]
        for method in methods {
            router.on(method, "/{path*}") { call in
                let text = method == .get ? "" : String(buffer: try await call.bytes())
                var headers: [String: String] = [:]
                for field in call.headers { headers[field.name.canonicalName] = field.value }
                let request = Request(line: "\(method) \(call.path)", body: text, headers: headers)
                let (status, answer) = server.answer(request, handler)
                return .bytes(answer.utf8, contentType: "application/json", status: .init(code: status))
            }
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

/// Settings that wait for nothing.
func settings(_ url: String = "http://h", _ properties: [String: String] = [:]) throws -> BigQuerySettings {
    var settings = try BigQuerySettings(
        [
            "project": "p", "defaultDataset": "d", "bigQueryEndpoint": url, "bigQueryPartitionDecorator": "false",
            "bigQueryRetryWait": "0",
        ].merging(properties) { $1 }, { _ in nil })
    settings.usualPauses = RetrySchedule(first: .zero, isRandom: false)
    settings.settlingPauses = RetrySchedule(first: .zero, isRandom: false)
    settings.retryJitter = .zero
    return settings
}

func record(
    _ value: ConnectValue, key: SchemaAndValue = .null, offset: Int64 = 0, topic: String = "t",
    schema: ConnectSchema? = nil, timestamp: Int64? = 5
) -> ConnectRecord {
    ConnectRecord(
        topic: topic, partition: 0, key: key, value: SchemaAndValue(schema, value), timestamp: timestamp,
        origin: .sink(topic: topic, partition: 0, offset: offset, timestampKind: .create))
}

/// A record of a struct.
func row(
    _ fields: [(String, ConnectSchema, ConnectValue)], key: SchemaAndValue = .null, offset: Int64 = 0,
    topic: String = "t"
) -> ConnectRecord {
    let schema = ConnectSchema.structure(fields.map { .init($0.0, $0.1) })
    return record(
        .structure(ConnectStruct(schema, values: fields.map(\.2))), key: key, offset: offset, topic: topic,
        schema: schema)
}

func object(_ members: [(String, ConnectValue)]) -> ConnectValue { .map(ConnectMap(members)) }
