import AsyncHTTPClient
import Broker
import Bytes
import Cluster
import Foundation
import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Observability
import RecordBatches
import Synchronization
import Testing

@testable import ConsoleService

/// A console on a broker of its own in this process, as browsers see it.
final class TestConsole: Sendable {
    let broker: BrokerServer
    let server: ConsoleServer
    let logger: Logger
    private let loops: MultiThreadedEventLoopGroup

    var cluster: any Cluster { broker.cluster }

    private init(
        _ broker: BrokerServer, _ server: ConsoleServer, _ loops: MultiThreadedEventLoopGroup, _ logger: Logger
    ) {
        self.broker = broker
        self.server = server
        self.loops = loops
        self.logger = logger
    }

    /// - Parameter change: what the settings differ in; it gets the threads for servers of the test.
    static func with(
        _ change: (inout ConsoleSettings, any EventLoopGroup) async throws -> Void = { _, _ in },
        _ body: (TestConsole) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = folder
        configuration.listenPort = 0
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let broker = try await BrokerServer.start(configuration, logger: logger)
        var settings = ConsoleSettings()
        settings.isEmbedded = true
        settings.hasInbox = true
        settings.hosts = ["console.example.com"]
        try await change(&settings, MultiThreadedEventLoopGroup.singleton)
        let server = try await ConsoleServer.start(
            broker.cluster, settings, host: "127.0.0.1", port: 0, on: loops, metrics: MetricRegistry(), logger: logger,
            now: { Int64(Date.now.timeIntervalSince1970 * 1000) })
        let console = TestConsole(broker, server, loops, logger)
        do {
            try await body(console)
        } catch {
            await console.end()
            throw error
        }
        await console.end()
    }

    private func end() async {
        await server.stop()
        _ = await broker.stop()
        try? await loops.shutdownGracefully()
    }

    // MARK: Requests

    /// Answers are looked at as they were sent.
    private static let client = HTTPClient(configuration: .init(decompression: .disabled))

    struct Answer {
        var status: Int
        var headers: HTTPHeaders
        var bytes: [UInt8]
        var json: JSONValue { JSONValue.parse(bytes) ?? .null }
        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// As our own pages ask.
    func ask(_ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil) async throws -> Answer {
        try await ask(method, path, headers: [("X-Swiftwater-Console", "1")], body: body?.bytes)
    }

    func ask(
        _ method: HTTPMethod, _ path: String, headers: [(String, String)], body: [UInt8]? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(server.port)\(path)")
        request.method = method
        for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        let response = try await Self.client.execute(request, timeout: .seconds(180))
        let bytes = try await response.body.collect(upTo: 64 << 20)
        return Answer(
            status: Int(response.status.code), headers: response.headers, bytes: Array(bytes.readableBytesView))
    }

    func write(_ topic: String, _ lines: [(key: String?, value: String?)]) async throws {
        let writer = try await cluster.writer(.idempotent)
        _ = try await writer.write(
            lines.map { line in
                ProducerRecord(
                    partition: 0, key: line.key.map { ByteBuffer(string: $0) },
                    value: line.value.map { ByteBuffer(string: $0) })
            }, to: topic)
        await writer.close()
    }

    /// A service that answers with what `respond` says of a request.
    static func service(
        on loops: any EventLoopGroup, _ respond: @escaping @Sendable (HTTPCall) async throws -> HTTPAnswer
    ) async throws -> HTTPServer {
        var router = HTTPRouter(errors: .errorCode)
        for method in [HTTPRequest.Method.get, .post, .put, .delete] {
            router.on(method, "/{path*}", respond)
            router.on(method, "/", respond)
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops, logger: logger)
    }
}

/// Something that a service of a test remembers.
final class Kept<Value: Sendable>: Sendable {
    private let value: Mutex<[Value]>

    init() { value = Mutex([]) }

    var all: [Value] { value.withLock { $0 } }
    func add(_ new: Value) { value.withLock { $0.append(new) } }
}
