import AsyncHTTPClient
import Broker
import Cluster
import Foundation
import HTTPKit
import JSONFormat
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Observability
import SQLFormats
import SQLPlan
import SQLRuntime
import StreamEngine
import Synchronization
import TestKit
import Testing

@testable import SQLService

/// A broker of its own in this process, and SQL servers on it.
final class TestPlatform: Sendable {
    let broker: BrokerServer
    let loops: MultiThreadedEventLoopGroup
    let logger: Logger
    let schemas = MemorySource()
    let client: HTTPClient

    var cluster: any Cluster { broker.cluster }

    private init(_ broker: BrokerServer, _ loops: MultiThreadedEventLoopGroup, _ logger: Logger) {
        self.broker = broker
        self.loops = loops
        self.logger = logger
        client = HTTPClient(eventLoopGroup: loops)
    }

    static func with(_ body: (TestPlatform) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = folder
        configuration.listenPort = 0
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let platform = TestPlatform(
            try await BrokerServer.start(configuration, logger: logger),
            MultiThreadedEventLoopGroup(numberOfThreads: 1), logger)
        do {
            try await body(platform)
        } catch {
            await platform.end()
            throw error
        }
        await platform.end()
    }

    private func end() async {
        try? await client.shutdown()
        _ = await broker.stop()
        try? await loops.shutdownGracefully()
    }

    /// Runs `body` with a SQL server on a free port.
    func withNode(
        _ properties: [String: String] = [:], script: String? = nil, connectors: (any ConnectorAdmin)? = nil,
        log: RecordedLog? = nil, _ body: (Node) async throws -> Void
    ) async throws {
        let node = try await start(properties, script: script, connectors: connectors, log: log)
        do {
            try await body(node)
        } catch {
            await node.server.stop()
            throw error
        }
        await node.server.stop()
    }

    func start(
        _ properties: [String: String] = [:], script: String? = nil, connectors: (any ConnectorAdmin)? = nil,
        log: RecordedLog? = nil
    ) async throws -> Node {
        var settings = SQLServerSettings()
        settings.properties = properties
        settings.version = "test"
        settings.script = script
        let runner = RecordingRunner()
        let engine = SQLEngine(
            cluster, runner, schemas: SQLSchemas(schemas), connectors: connectors, settings,
            logger: log?.logger ?? logger)
        let server = try await SQLServer.start(
            engine, host: "127.0.0.1", port: 0, on: loops, metrics: MetricRegistry(), readiness: Readiness(),
            logger: logger)
        let node = Node(server: server, runner: runner, client: client)
        try await until { engine.problem == nil || script != nil && engine.problem?.contains("file") == true }
        return node
    }
}

/// Waits for something that comes about in other tasks.
func until(_ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(120)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("it did not come about in time")
            return
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// A SQL server as its clients see it.
struct Node: Sendable {
    let server: SQLServer
    let runner: RecordingRunner
    let client: HTTPClient

    var engine: SQLEngine { server.engine }

    func request(
        _ method: HTTPMethodName, _ path: String, _ body: JSONValue? = nil, accept: String? = nil
    ) async throws -> (status: Int, body: JSONValue) {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(server.port)\(path)")
        request.method = .init(rawValue: method.rawValue)
        if let accept { request.headers.add(name: "accept", value: accept) }
        if let body { request.body = .bytes(ByteBuffer(bytes: body.bytes)) }
        let answer = try await client.execute(request, timeout: .seconds(180))
        let bytes = Array(try await answer.body.collect(upTo: 16 << 20).readableBytesView)
        return (Int(answer.status.code), JSONValue.parse(bytes) ?? .null)
    }

    enum HTTPMethodName: String { case get = "GET", post = "POST" }

    func ksql(
        _ text: String, properties: [String: String] = [:], _ more: [(String, JSONValue)] = []
    ) async throws -> (status: Int, body: JSONValue) {
        try await request(
            .post, "/ksql",
            .object(
                [
                    ("ksql", .string(text)),
                    ("streamsProperties", .object(properties.map { ($0.key, .string($0.value)) })),
                ] + more))
    }

    /// Statements that must succeed.
    @discardableResult
    func run(
        _ text: String, properties: [String: String] = [:], at location: SourceLocation = #_sourceLocation
    ) async throws -> [JSONValue] {
        let (status, body) = try await ksql(text, properties: properties)
        if status != 200 {
            Issue.record("\(status): \(String(decoding: body.bytes, as: UTF8.self))", sourceLocation: location)
        }
        return body.elements ?? []
    }
}

/// Remembers what was asked of it, and says that everything runs.
final class RecordingRunner: QueryRunner {
    private struct Inside {
        var running: [String: (plan: PhysicalPlan, properties: [String: String], isPaused: Bool)] = [:]
        var calls: [String] = []
        var statuses: [String: QueryStatus] = [:]
        var failure: RunError?
    }
    private let inside = Mutex(Inside())

    var calls: [String] { inside.withLock { $0.calls } }
    var runningIDs: [String] { inside.withLock { $0.running.keys.sorted() } }
    func plan(of id: String) -> PhysicalPlan? { inside.withLock { $0.running[id]?.plan } }
    func properties(of id: String) -> [String: String] { inside.withLock { $0.running[id]?.properties ?? [:] } }
    func isPaused(_ id: String) -> Bool? { inside.withLock { $0.running[id]?.isPaused } }
    func set(_ status: QueryStatus) { inside.withLock { $0.statuses[status.id] = status } }
    func fail(_ error: RunError?) { inside.withLock { $0.failure = error } }

    func start(_ plan: PhysicalPlan, properties: [String: String], isPaused: Bool) async throws(RunError) {
        let failure = inside.withLock { inside -> RunError? in
            inside.calls.append("start \(plan.id)")
            if let failure = inside.failure { return failure }
            inside.running[plan.id] = (plan, properties, isPaused)
            return nil
        }
        if let failure { throw failure }
    }
    func replace(_ plan: PhysicalPlan, properties: [String: String]) async throws(RunError) {
        inside.withLock { inside in
            inside.calls.append("replace \(plan.id)")
            inside.running[plan.id] = (plan, properties, false)
        }
    }
    func stop(_ id: String, forgets: Bool) async {
        inside.withLock { inside in
            inside.calls.append("stop \(id) \(forgets)")
            inside.running[id] = nil
        }
    }
    func pause(_ id: String) async throws(RunError) { inside.withLock { $0.running[id]?.isPaused = true } }
    func resume(_ id: String) async throws(RunError) { inside.withLock { $0.running[id]?.isPaused = false } }
    func statuses() async -> [QueryStatus] {
        inside.withLock { inside in inside.running.keys.sorted().map { Self.status($0, inside) } }
    }
    func status(of id: String) async -> QueryStatus? {
        inside.withLock { inside in inside.running[id] == nil ? nil : Self.status(id, inside) }
    }
    private static func status(_ id: String, _ inside: Inside) -> QueryStatus {
        inside.statuses[id] ?? QueryStatus(id: id, state: inside.running[id]?.isPaused == true ? .paused : .running)
    }
    func subscribe(_ plan: PhysicalPlan, _ options: SubscriptionOptions) async throws(RunError) -> any RowSubscription {
        throw RunError(.stopping, "a test runs no queries")
    }
    func tap(_ id: String, _ options: SubscriptionOptions) async throws(RunError) -> any RowSubscription {
        throw RunError(.unknown, "a test runs no queries")
    }
    func read(_ read: TableRead, of id: String) async throws(RunError) -> [TableRow] {
        guard inside.withLock({ $0.running[id] != nil }) else { throw RunError(.unknown, "there is no query \(id)") }
        return []
    }
    func shutdown() async {}
}

/// Schemas that are only remembered.
final class MemorySource: SchemaSource {
    private let inside = Mutex<(schemas: [RegistrySchema], subjects: [String: [Int32]])>(([], [:]))

    var subjects: [String] { inside.withLock { $0.subjects.keys.sorted() } }

    func schema(id: Int32) async throws(SchemaSourceError) -> RegistrySchema? {
        inside.withLock { $0.schemas.indices.contains(Int(id) - 1) ? $0.schemas[Int(id) - 1] : nil }
    }
    func latest(of subject: String) async throws(SchemaSourceError) -> (id: Int32, schema: RegistrySchema)? {
        inside.withLock { inside in inside.subjects[subject]?.last.map { ($0, inside.schemas[Int($0) - 1]) } }
    }
    func schema(of subject: String, version: Int32) async throws(SchemaSourceError) -> RegistrySchema? {
        inside.withLock { inside in
            guard let ids = inside.subjects[subject], ids.indices.contains(Int(version) - 1) else { return nil }
            return inside.schemas[Int(ids[Int(version) - 1]) - 1]
        }
    }
    func register(_ schema: RegistrySchema, under subject: String) async throws(SchemaSourceError) -> Int32 {
        inside.withLock { inside in
            if let id = inside.subjects[subject]?.first(where: { inside.schemas[Int($0) - 1] == schema }) { return id }
            inside.schemas.append(schema)
            let id = Int32(inside.schemas.count)
            inside.subjects[subject, default: []].append(id)
            return id
        }
    }
    func has(id: Int32, under subject: String) async throws(SchemaSourceError) -> Bool {
        inside.withLock { $0.subjects[subject]?.contains(id) == true }
    }
    func delete(_ subject: String) async throws(SchemaSourceError) { inside.withLock { $0.subjects[subject] = nil } }
}
