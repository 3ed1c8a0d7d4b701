import ConnectCore
import HTTPKit
import HTTPTypes
import Logging
import NIOCore
import Synchronization
import Testing

/// What a worker offers, without a worker: notes what is reported.
final class SinkContext: SinkTaskContext {
    let identity = TaskIdentity(connector: "c", task: 0)
    private let isTolerant: Bool
    let reported = Mutex<[(record: ConnectRecord, error: ConnectError)]>([])
    let lines = Mutex<[String]>([])
    let paused = Mutex<Set<SinkPartition>>([])
    let clock = Mutex<Int64>(1_000_000)

    init(isTolerant: Bool = false) { self.isTolerant = isTolerant }

    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) {}
    func pause(_ partitions: [SinkPartition]) { paused.withLock { $0.formUnion(partitions) } }
    func resume(_ partitions: [SinkPartition]) { paused.withLock { $0.subtract(partitions) } }
    func retry(after: Duration) {}

    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        reported.withLock { $0.append((record, error)) }
        if !isTolerant { throw error }
    }

    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {
        let line = message()
        lines.withLock { $0.append(line) }
    }

    var now: Int64 { clock.withLock { $0 } }
    var allLines: String { lines.withLock { $0.joined(separator: "\n") } }
}

/// A server that answers in turn what it is told to, the last answer for ever, and notes what it was asked.
final class ScriptedServer: Sendable {
    struct Asked: Sendable {
        var line: String
        var body: String
        var headers: HTTPFields
    }

    typealias Answer = (status: Int, body: String, headers: [(String, String)])

    private let asked = Mutex<[Asked]>([])
    private let answers: Mutex<[Answer]>
    var requests: [Asked] { asked.withLock { $0 } }

    init(_ answers: [Answer]) { self.answers = Mutex(answers) }

    private func next() -> Answer {
        answers.withLock { $0.count > 1 ? $0.removeFirst() : $0.first ?? (200, "ok", []) }
    }

    /// - Parameter body: gets the server's address.
    static func run(
        _ answers: [Answer] = [], _ body: (String, ScriptedServer) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let scripted = ScriptedServer(answers)
        var router = HTTPRouter(errors: .errorCode)
        let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete]
        for (method, pattern) in methods.flatMap({ [($0, "/"), ($0, "/{path*}")] }) {
            router.on(method, pattern) { call in
                let text = method == .get || method == .delete ? "" : String(buffer: try await call.bytes())
                let asked = Asked(line: "\(method) \(call.path)", body: text, headers: call.headers)
                scripted.asked.withLock { $0.append(asked) }
                let answer = scripted.next()
                var made = HTTPAnswer.bytes(
                    answer.body.utf8, contentType: "text/plain", status: .init(code: answer.status))
                for (name, value) in answer.headers {
                    if let name = HTTPField.Name(name) { made.headers[name] = value }
                }
                return made
            }
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: logger)
        var failure: (any Error)?
        do { try await body("http://127.0.0.1:\(server.port)", scripted) } catch { failure = error }
        await server.stop(within: .zero)
        await loops.shutdown()
        if let failure { throw failure }
    }
}

func record(
    _ value: ConnectValue, key: ConnectValue = .null, offset: Int64 = 0, partition: Int32 = 0, topic: String = "t",
    schema: ConnectSchema? = nil
) -> ConnectRecord {
    ConnectRecord(
        topic: topic, partition: partition, key: SchemaAndValue(nil, key), value: SchemaAndValue(schema, value),
        timestamp: 5, origin: .sink(topic: topic, partition: partition, offset: offset, timestampKind: .create))
}

func object(_ members: [(String, ConnectValue)]) -> ConnectValue { .map(ConnectMap(members)) }
