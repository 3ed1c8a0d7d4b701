import ConnectCore
import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import Synchronization

/// What a worker offers, without a worker: notes what is reported.
final class SinkContext: SinkTaskContext {
    let identity = TaskIdentity(connector: "c", task: 0)
    private let isTolerant: Bool
    let reported = Mutex<[(record: ConnectRecord, error: ConnectError)]>([])

    init(isTolerant: Bool = false) { self.isTolerant = isTolerant }

    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) {}
    func pause(_ partitions: [SinkPartition]) {}
    func resume(_ partitions: [SinkPartition]) {}
    func retry(after: Duration) {}

    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        reported.withLock { $0.append((record, error)) }
        if !isTolerant { throw error }
    }

    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {}
    var now: Int64 { 0 }
}

/// Answers as a test tells it to and notes what it was asked.
final class SearchServer: Sendable {
    typealias Handler = @Sendable (_ line: String, _ body: String, _ number: Int) -> (Int, String)

    private let asked = Mutex<[(line: String, body: String)]>([])
    var requests: [(line: String, body: String)] { asked.withLock { $0 } }
    var bulks: [String] { requests.filter { $0.line == "POST /_bulk" }.map(\.body) }

    private func note(_ line: String, _ body: String) -> Int {
        asked.withLock {
            $0.append((line, body))
            return $0.filter { $0.line == line }.count - 1
        }
    }

    static let version = (200, #"{"version":{"number":"8.9.0"}}"#)

    /// An answer to a bulk request in which every action worked, but for those that `status` says something else of.
    static func items(_ body: String, _ status: (Int) -> (Int, String)? = { _ in nil }) -> (Int, String) {
        var items: [String] = []
        for line in body.split(separator: "\n") {
            guard let json = JSONValue.parse(Array(line.utf8)), let (word, action) = json.members?.first,
                action["_index"] != nil
            else { continue }
            let (code, error) = status(items.count) ?? (200, "")
            items.append(#"{"\#(word)":{"status":\#(code)\#(error.isEmpty ? "" : ",\"error\":" + error)}}"#)
        }
        return (200, #"{"took":1,"errors":false,"items":[\#(items.joined(separator: ","))]}"#)
    }

    /// A cluster that takes everything.
    static let taking: Handler = { line, body, _ in
        if line == "GET /" { return version }
        if line == "POST /_bulk" { return items(body) }
        if line.hasPrefix("HEAD") { return (404, "") }
        return (200, "{}")
    }

    static func run(
        _ handler: @escaping Handler = taking, _ body: (String, SearchServer) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let server = SearchServer()
        var router = HTTPRouter(errors: .errorCode)
        let methods: [HTTPRequest.Method] = [.get, .head, .post, .put]
        for (method, pattern) in methods.flatMap({ [($0, "/"), ($0, "/{path*}")] }) {
            router.on(method, pattern) { call in
                let text = method == .post || method == .put ? String(buffer: try await call.bytes()) : ""
                let line = "\(method) \(call.path)"
                let (status, answer) = handler(line, text, server.note(line, text))
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

func record(
    _ value: ConnectValue, key: ConnectValue = .null, offset: Int64 = 0, topic: String = "t",
    schema: ConnectSchema? = nil, headers: [ConnectHeader] = []
) -> ConnectRecord {
    ConnectRecord(
        topic: topic, partition: 0, key: SchemaAndValue(nil, key), value: SchemaAndValue(schema, value), timestamp: 5,
        headers: headers, origin: .sink(topic: topic, partition: 0, offset: offset, timestampKind: .create))
}

func object(_ members: [(String, ConnectValue)]) -> ConnectValue { .map(ConnectMap(members)) }
