import ConnectCore
import Environment
import HTTPKit
import HTTPTypes
import Logging
import NIOCore
import SQLTypes
import Synchronization

@testable import ConnectorObjectStore

/// What a worker offers, without a worker: a clock that is moved by hand, and notes of what was reported.
final class SinkContext: SinkTaskContext {
    let identity: TaskIdentity
    private let isTolerant: Bool
    private let clock: Mutex<Int64>
    let reported = Mutex<[ConnectError]>([])
    let logged = Mutex<[String]>([])

    init(isTolerant: Bool = false, now: Int64 = 1_369_353_600_000, connector: String = "c") {
        identity = TaskIdentity(connector: connector, task: 0)
        self.isTolerant = isTolerant
        clock = Mutex(now)
    }

    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) {}
    func pause(_ partitions: [SinkPartition]) {}
    func resume(_ partitions: [SinkPartition]) {}
    func retry(after: Duration) {}

    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        reported.withLock { $0.append(error) }
        if !isTolerant { throw error }
    }

    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {
        let text = message()
        logged.withLock { $0.append(text) }
    }

    var now: Int64 { clock.withLock { $0 } }
    func set(_ now: Int64) { clock.withLock { $0 = now } }
}

func surroundings(
    _ disk: any Disk = SimulatedDisk(seed: 1), variables: [String: String] = [:], files: [String: String] = [:]
) -> Surroundings {
    Surroundings(
        variable: { variables[$0] }, file: { files[$0] }, zones: TimeZones { TimeZoneFiles.read($0) }, disk: disk)
}

func sinkRecord(
    _ value: ConnectValue, _ schema: ConnectSchema? = nil, offset: Int64, partition: Int32 = 0, topic: String = "t",
    key: SchemaAndValue = .null, timestamp: Int64? = 0, headers: [ConnectHeader] = []
) -> ConnectRecord {
    ConnectRecord(
        topic: topic, partition: partition, key: key, value: SchemaAndValue(schema, value), timestamp: timestamp,
        headers: headers,
        origin: .sink(topic: "t", partition: partition, offset: offset, timestampKind: .create))
}

func object(_ members: [(String, ConnectValue)]) -> ConnectValue { .map(ConnectMap(members)) }

/// Numbered records: `{"n":0}` and so on.
func numbered(_ range: Range<Int64>, timestamp: (Int64) -> Int64 = { _ in 0 }) -> [ConnectRecord] {
    range.map { sinkRecord(object([("n", .int64($0))]), offset: $0, timestamp: timestamp($0)) }
}

/// All files under a folder with their contents.
func files(_ disk: any Disk, _ folder: String) throws -> [String: [UInt8]] {
    var found: [String: [UInt8]] = [:]
    func look(_ path: String, _ name: String) throws(DiskError) {
        let entries: [String]
        do throws(DiskError) { entries = try disk.list(path) } catch {
            found[name] = try disk.contents(path)
            return
        }
        for entry in entries { try look(path + "/" + entry, name.isEmpty ? entry : name + "/" + entry) }
    }
    if disk.exists(folder) { try look(folder, "") }
    return found
}

/// A task that writes into a folder of a disk.
final class FolderTask {
    let task: any SinkTask
    let context: SinkContext

    init(
        _ disk: any Disk, _ properties: [String: String] = [:], context: SinkContext = SinkContext()
    ) async throws {
        self.context = context
        task = try ObjectStoreSinkPlugin(.folder, version: "1", surroundings(disk)).makeTask(
            [
                "store.url": "file:///lake", "flush.size": "3",
                "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
            ].merging(properties) { $1 }, context)
        try await task.start()
    }

    func offset(_ partition: Int32 = 0) async throws -> Int64? {
        try await task.preCommit([:])[SinkPartition(topic: "t", partition: partition)]
    }
}

/// A server that speaks as much of S3 as a sink needs, and notes what it was asked.
final class ObjectServer: Sendable {
    struct Request: Sendable {
        var method: String
        var path: String
        var headers: [String: String]
        var body: [UInt8]
    }

    /// An answer instead of the usual one: status and body.
    typealias Handler = @Sendable (_ request: Request, _ number: Int) -> (Int, String)?

    private struct State {
        var requests: [Request] = []
        var objects: [String: [UInt8]] = [:]
        var parts: [String: [Int: [UInt8]]] = [:]
    }

    private let state = Mutex(State())
    var requests: [Request] { state.withLock { $0.requests } }
    var objects: [String: [UInt8]] { state.withLock { $0.objects } }

    private func answer(_ request: Request, _ handler: Handler) -> HTTPAnswer {
        let number = state.withLock {
            $0.requests.append(request)
            return $0.requests.count - 1
        }
        if let (status, body) = handler(request, number) {
            return HTTPAnswer(
                status: .init(code: status), headers: [.contentType: "application/xml"],
                body: .bytes(ByteBuffer(string: body)))
        }
        let pieces = request.path.split(separator: "?", maxSplits: 1).map(String.init)
        let key = pieces[0]
        let query = pieces.count > 1 ? pieces[1] : ""
        var fields: HTTPFields = [.contentType: "application/xml"]
        var body = ""
        switch request.method {
        case "POST" where query.hasPrefix("uploads"): body = "<A><UploadId>u1</UploadId></A>"
        case "PUT" where query.contains("partNumber"):
            let part = query.split(separator: "&").compactMap { text in
                text.hasPrefix("partNumber=") ? Int(text.dropFirst(11)) : nil
            }.first
            state.withLock { $0.parts[key, default: [:]][part ?? 0] = request.body }
            fields[.eTag] = "\"e\(part ?? 0)\""
        case "POST":
            state.withLock { state in
                state.objects[key] = state.parts.removeValue(forKey: key)?.sorted { $0.key < $1.key }.flatMap(\.value)
            }
            body = "<CompleteMultipartUploadResult><ETag>&quot;x&quot;</ETag></CompleteMultipartUploadResult>"
        case "PUT" where query.isEmpty: state.withLock { $0.objects[key] = request.body }
        default: break
        }
        return HTTPAnswer(status: .ok, headers: fields, body: .bytes(ByteBuffer(string: body)))
    }

    static func run(
        _ handler: @escaping Handler = { _, _ in nil }, _ body: (String, ObjectServer) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let server = ObjectServer()
        var router = HTTPRouter(errors: .errorCode)
        for method in [HTTPRequest.Method.get, .put, .post, .delete, .head] {
            for pattern in ["/{bucket}", "/{bucket}/{path*}"] {
                router.on(method, pattern) { call in
                    let bytes = method == .put || method == .post ? Array(try await call.bytes().readableBytesView) : []
                    var headers: [String: String] = [:]
                    for field in call.headers { headers[field.name.canonicalName] = field.value }
                    let request = Request(
                        method: "\(method)", path: call.path + (call.rawQuery.map { "?" + $0 } ?? ""), headers: headers,
                        body: bytes)
                    return server.answer(request, handler)
                }
            }
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configuration.bodyByteCountMax = 64 << 20
        let running = try await HTTPServer.start(configuration, router: router, on: loops.group, logger: logger)
        var failure: (any Error)?
        do { try await body("http://127.0.0.1:\(running.port)", server) } catch { failure = error }
        await running.stop(within: .zero)
        await loops.shutdown()
        if let failure { throw failure }
    }
}
