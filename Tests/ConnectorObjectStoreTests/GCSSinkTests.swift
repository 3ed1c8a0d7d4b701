import ConnectCore
import Foundation
import HTTPCalls
import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import Synchronization
import Testing

@testable import ConnectorObjectStore

@Suite struct GCSSinkTests {
    private func made(
        _ url: String, _ properties: [String: String] = [:], variables: [String: String] = [:]
    ) throws -> any SinkTask {
        try ObjectStoreSinkPlugin(.gcs, version: "1", surroundings(variables: variables)).makeTask(
            [
                "store.url": url, "gcs.bucket.name": "b", "flush.size": "3", "gcs.retry.backoff.ms": "0",
                "format.class": "io.confluent.connect.gcs.format.json.JsonFormat",
            ].merging(properties) { $1 }, SinkContext())
    }

    @Test func `small objects take one request`() async throws {
        try await BucketServer.run { url, server in
            let task = try made(url)
            try await task.start()
            try await task.put(numbered(0..<3))
            #expect(
                server.objects == [
                    "topics/t/partition=0/t+0+0000000000.json": Array("{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n".utf8)
                ])
            #expect(try await task.preCommit([:]).values.map { $0 } == [3])
            #expect(server.lines == ["GET /storage/v1/b/b", "POST /upload/storage/v1/b/b/o"])
            await task.stop()
        }
    }

    /// The store may take a part of what it is sent, or fail and have taken some of it.
    @Test(arguments: [[], [308, 503, 308], [503, 503, 200], [308, 308, 503], [0, 0, 503, 0, 503]])
    func `large objects go in parts`(disturbances: [Int]) async throws {
        try await BucketServer.run(disturbances) { url, server in
            let task = try made(url, ["flush.size": "40", "gcs.part.size": "5242880"])
            try await task.start()
            let text = String(repeating: "x", count: 400_000)
            let records = (0..<40).map { sinkRecord(object([("n", .string(text + String($0)))]), offset: $0) }
            for start in stride(from: 0, to: 40, by: 10) { try await task.put(Array(records[start..<start + 10])) }
            let wanted = (0..<40).map { "{\"n\":\"\(text)\($0)\"}\n" }.joined()
            #expect(server.objects.values.map { $0 == Array(wanted.utf8) } == [true])
            #expect(server.lines.count { $0.hasPrefix("POST") } == 1)
            #expect(server.lines.count { $0 == "PUT /session/1" } >= 4)
            await task.stop()
        }
    }

    @Test(arguments: [404, 410]) func `a session that is gone`(status: Int) async throws {
        try await BucketServer.run([status]) { url, _ in
            let task = try made(url, ["flush.size": "40", "gcs.part.size": "5242880"])
            try await task.start()
            let text = String(repeating: "x", count: 6 << 20)
            let failure = await #expect(throws: ConnectError.self) {
                try await task.put([sinkRecord(object([("n", .string(text))]), offset: 0)])
            }
            #expect(failure?.message.contains("no longer knows the session") == true && failure?.isRetriable == false)
            await task.stop()
        }
    }

    @Test func `what is not complete is given up`() async throws {
        try await BucketServer.run { url, server in
            let task = try made(url, ["flush.size": "40", "gcs.part.size": "5242880"])
            try await task.start()
            let text = String(repeating: "x", count: 6 << 20)
            try await task.put([sinkRecord(object([("n", .string(text))]), offset: 0)])
            await task.stop()
            #expect(server.objects.isEmpty && server.lines.last == "DELETE /session/1")
        }
    }

    @Test func `stores that refuse`() async throws {
        try await BucketServer.run { url, _ in
            let missing = try made(url, ["gcs.bucket.name": "missing"])
            let failure = await #expect(throws: ConnectError.self) { try await missing.start() }
            #expect(failure?.message == "Non-existent GCS bucket: missing")
            await missing.stop()
            let refused = try made(url, ["topics.dir": "refused"])
            try await refused.start()
            let other = await #expect(throws: ConnectError.self) { try await refused.put(numbered(0..<3)) }
            #expect(other?.message.contains("refused with 403") == true && other?.isRetriable == false)
            await refused.stop()
            let busy = try made(url, ["topics.dir": "busy", "gcs.part.retries": "2"])
            try await busy.start()
            let third = await #expect(throws: ConnectError.self) { try await busy.put(numbered(0..<3)) }
            #expect(third?.isRetriable == true)
            await busy.stop()
        }
    }

    @Test(
        arguments: [
            (["gcs.bucket.name": ""], "gcs.bucket.name"), (["gcs.part.size": "1000"], "gcs.part.size"),
            (["gcs.compression.type": "lz4"], "gcs.compression.type"), (["store.url": "ftp://h"], "store.url"),
            (["store.url": "https://h/path"], "store.url"), (["gcs.proxy.url": "h"], "gcs.proxy.url"),
            (["gcs.credentials.path": "/nowhere/key.json"], "gcs.credentials.path"),
            (["gcs.credentials.json": "{}"], "gcs.credentials.path"),
            (["format.class": "io.confluent.connect.gcs.format.orc.OrcFormat"], "format.class"),
            (["rotate.schedule.interval.ms": "1000"], "timezone"),
        ] as [([String: String], String)])
    func `options that cannot be`(properties: [String: String], wrong: String) async {
        let problems = await ObjectStoreSinkPlugin(.gcs, version: "1", surroundings()).problems(
            with: ["store.url": "http://h", "gcs.bucket.name": "b", "flush.size": "1"].merging(properties) { $1 })
        #expect(problems.map(\.option) == [wrong])
    }

    @Test func `where the store is`() throws {
        func settings(_ properties: [String: String], _ variables: [String: String]) throws -> GCSClient.Settings? {
            let settings = try ObjectStoreSettings(
                ["gcs.bucket.name": "b", "flush.size": "1"].merging(properties) { $1 }, .gcs,
                surroundings(variables: variables))
            #expect(settings.format == .avro)
            guard case .gcs(let gcs) = settings.target else { return nil }
            return gcs
        }
        let usual = try settings([:], ["GCE_METADATA_HOST": "h:1"])
        #expect(usual?.endpoint == "https://storage.googleapis.com" && usual?.partByteCount == 26_214_400)
        guard case .machine(let host)? = usual?.credentials else { return #expect(Bool(false), "not the machine's") }
        #expect(host == "h:1")
        let emulator = try settings([:], ["STORAGE_EMULATOR_HOST": "127.0.0.1:9"])
        #expect(emulator?.endpoint == "http://127.0.0.1:9" && emulator?.credentials == nil)
        #expect(try settings(["store.url": "https://h:1/"], ["STORAGE_EMULATOR_HOST": "x"])?.endpoint == "https://h:1")
    }
}

/// A server that speaks as much of Google Cloud Storage as a sink needs. Disturbances come with parts, one after another:
/// 308 takes half of a part, 503 fails when half of it was taken, 200 fails when all was; 0 disturbs nothing.
final class BucketServer: Sendable {
    private struct State {
        var lines: [String] = []
        var objects: [String: [UInt8]] = [:]
        var sessions: [(name: String, bytes: [UInt8], isComplete: Bool)] = []
        var disturbances: [Int]
    }

    private let state: Mutex<State>
    var lines: [String] { state.withLock { $0.lines } }
    var objects: [String: [UInt8]] { state.withLock { $0.objects } }

    init(_ disturbances: [Int]) { state = Mutex(State(disturbances: disturbances)) }

    private struct Answer {
        var status: Int
        var location: String?
        var range: String?
    }

    private func answer(
        _ method: String, _ path: String, name: String?, isResumable: Bool, range: String?, _ body: [UInt8]
    )
        -> Answer
    {
        state.withLock { state in
            state.lines.append("\(method) \(path)")
            if method == "GET" {
                return path.hasSuffix("/missing") ? Answer(status: 404) : Answer(status: 200)
            }
            if method == "POST" {
                guard let name else { return Answer(status: 400) }
                if name.hasPrefix("refused") { return Answer(status: 403) }
                if name.hasPrefix("busy") { return Answer(status: 503) }
                guard isResumable else {
                    state.objects[name] = body
                    return Answer(status: 200)
                }
                state.sessions.append((name, [], false))
                return Answer(status: 200, location: "/session/\(state.sessions.count)")
            }
            guard let number = path.split(separator: "/").last.flatMap({ Int($0) }), number <= state.sessions.count
            else {
                return Answer(status: 404)
            }
            if method == "DELETE" { return Answer(status: 499) }
            return part(&state, number - 1, range ?? "", body)
        }
    }

    private func part(_ state: inout State, _ number: Int, _ range: String, _ body: [UInt8]) -> Answer {
        var session = state.sessions[number]
        defer { state.sessions[number] = session }
        let parts = range.replacing("bytes ", with: "").split(separator: "/")
        let total = parts.last.flatMap { Int($0) }
        func stored() -> Answer {
            Answer(status: 308, range: session.bytes.isEmpty ? nil : "bytes=0-\(session.bytes.count - 1)")
        }
        var disturbance = 0
        if let first = parts.first, first != "*" {
            let start = first.split(separator: "-").first.flatMap { Int($0) } ?? -1
            // Parts that are not the last have a measure, and none begins where the store is not.
            guard start == session.bytes.count, total != nil || body.count % (256 << 10) == 0 else {
                return Answer(status: 400)
            }
            disturbance = state.disturbances.isEmpty ? 0 : state.disturbances.removeFirst()
            if disturbance == 404 || disturbance == 410 { return Answer(status: disturbance) }
            let half = body.count / (512 << 10) * (256 << 10)
            session.bytes += disturbance == 308 || disturbance == 503 ? Array(body[..<half]) : body
        }
        if let total, total == session.bytes.count, disturbance != 200 {
            state.objects[session.name] = session.bytes
            session.isComplete = true
            return disturbance == 503 ? Answer(status: 503) : Answer(status: 200)
        }
        return disturbance == 503 || disturbance == 200 ? Answer(status: 503) : stored()
    }

    static func run(
        _ disturbances: [Int] = [], _ body: (String, BucketServer) async throws -> Void
    ) async throws {
        let loops = HTTPLoops()
        let server = BucketServer(disturbances)
        let address = Mutex("")
        var router = HTTPRouter(errors: .errorCode)
        for method in [HTTPRequest.Method.get, .post, .put, .delete] {
            router.on(method, "/{path*}") { call in
                let bytes = method == .get ? [] : Array((try await call.bytes()).readableBytesView)
                let answer = server.answer(
                    "\(method)", call.path, name: call.query("name"),
                    isResumable: call.query("uploadType") == "resumable",
                    range: call.headers[.contentRange], bytes)
                var fields: HTTPFields = [.contentType: "application/json"]
                if let place = answer.location { fields[.location] = address.withLock { $0 } + place }
                if let range = answer.range { fields[.range] = range }
                return HTTPAnswer(
                    status: .init(code: answer.status), headers: fields, body: .bytes(ByteBuffer(string: "{}")))
            }
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configuration.bodyByteCountMax = 64 << 20
        let running = try await HTTPServer.start(configuration, router: router, on: loops.group, logger: logger)
        let url = "http://127.0.0.1:\(running.port)"
        address.withLock { $0 = url }
        var failure: (any Error)?
        do { try await body(url, server) } catch { failure = error }
        await running.stop(within: .zero)
        await loops.shutdown()
        if let failure { throw failure }
    }
}
