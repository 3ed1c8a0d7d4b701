import Broker
import Cluster
import ConnectCore
import Foundation
import HTTPKit
import JSONFormat
import Logging
import NIOCore
import NIOPosix
import Observability
import TestKit
import Testing

@testable import ConnectService

/// A broker of its own in this process, and workers on it.
final class TestPlatform: Sendable {
    let broker: BrokerServer
    let loops: MultiThreadedEventLoopGroup
    let logger: Logger
    /// The broker's data.
    let folder: String

    var cluster: any Cluster { broker.cluster }

    private init(_ broker: BrokerServer, _ loops: MultiThreadedEventLoopGroup, _ logger: Logger, _ folder: String) {
        self.broker = broker
        self.loops = loops
        self.logger = logger
        self.folder = folder
    }

    /// - Parameter log: keeps what broker and workers log; nil for little or nothing, on the terminal.
    static func with(
        properties: [String: String] = [:], log: RecordedLog? = nil, _ body: (TestPlatform) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = folder
        configuration.listenPort = 0
        configuration.properties = try ServerProperties(properties)
        var logger = log?.logger ?? Logger(label: "test")
        if log == nil {
            logger.logLevel =
                ProcessInfo.processInfo.environment["CONNECT_TEST_LOG"] == nil ? .critical : .info
        }
        let platform = TestPlatform(
            try await BrokerServer.start(configuration, logger: logger),
            MultiThreadedEventLoopGroup(numberOfThreads: 1), logger, folder)
        do {
            try await body(platform)
        } catch {
            await platform.end()
            throw error
        }
        await platform.end()
    }

    private func end() async {
        _ = await broker.stop()
        try? await loops.shutdownGracefully()
    }

    func start(
        _ properties: [String: String] = [:], isEmbedded: Bool = true, identity: String? = nil,
        plugins: [any ConnectorPlugin] = [], cluster other: (any Cluster)? = nil
    ) async throws -> Worker {
        let kept = KeepingSink.Kept()
        var given = properties
        for converter in ["key.converter", "value.converter"] where given[converter] == nil {
            given[converter] = "org.apache.kafka.connect.storage.StringConverter"
        }
        var settings = try WorkerSettings(given)
        settings.isEmbedded = isEmbedded
        settings.identity = identity
        settings.version = "test"
        let own: [any ConnectorPlugin] = [CountingSource(), KeepingSink(kept: kept)]
        let surroundings = ConnectServer.Surroundings(
            cluster: other ?? cluster, plugins: PluginRegistry(own + plugins),
            registries: { (addresses, options) throws(ConnectError) in try HTTPConverterRegistry(addresses, options) },
            metrics: MetricRegistry(), readiness: Readiness(), logger: logger,
            now: { Int64(Date.now.timeIntervalSince1970 * 1000) },
            loggers: LoggerLevels(now: { Int64(Date.now.timeIntervalSince1970 * 1000) }))
        let server = try await ConnectServer.start(surroundings, settings, host: "127.0.0.1", port: 0, on: loops)
        return Worker(server: server, kept: kept, peers: WorkerPeers(group: loops))
    }

    func withWorker(
        _ properties: [String: String] = [:], isEmbedded: Bool = true, plugins: [any ConnectorPlugin] = [],
        _ body: (Worker) async throws -> Void
    ) async throws {
        let worker = try await start(properties, isEmbedded: isEmbedded, plugins: plugins)
        do {
            try await body(worker)
        } catch {
            await worker.stop()
            throw error
        }
        await worker.stop()
    }

    /// All records of a topic, read as committed.
    func records(_ topic: String) async throws -> [ConsumerRecord] {
        let partitions = try await cluster.topic(topic).partitions.map { TopicPartition(topic, $0.partition) }
        let ends = try await cluster.offsets(
            Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: .readCommitted)
        var records: [ConsumerRecord] = []
        for partition in partitions {
            let reader = try await cluster.reader(partition, from: .beginning, isolation: .readCommitted)
            defer { reader.close() }
            while reader.position < ends[partition] ?? 0 {
                records += try await reader.next(maxBytes: 1 << 20, timeout: .seconds(1)).records()
            }
        }
        return records
    }

    func write(_ topic: String, _ lines: [String]) async throws {
        try await write(topic, lines.map { ByteBuffer(string: $0) })
    }

    func write(_ topic: String, _ values: [ByteBuffer]) async throws {
        let writer = try await cluster.writer(.idempotent)
        _ = try await writer.write(values.map { ProducerRecord(value: $0) }, to: topic)
        await writer.close()
    }
}

/// A worker as its clients see it.
struct Worker: Sendable {
    let server: ConnectServer
    let kept: KeepingSink.Kept
    let peers: WorkerPeers

    struct Answer: CustomStringConvertible {
        var status: Int
        var text: String
        var location: String?
        var json: JSONValue { JSONValue.parse(Array(text.utf8)) ?? .null }
        var message: String { json["message"]?.text ?? "" }
        var description: String { "\(status) \(text)" }
    }

    func ask(_ method: String, _ path: String, _ body: String? = nil) async throws -> Answer {
        let answer = try await peers.send(
            method, path, to: "http://\(server.host):\(server.port)", body: Array((body ?? "").utf8))
        return Answer(
            status: answer.status, text: String(decoding: answer.body, as: UTF8.self), location: answer.location)
    }

    func create(_ name: String, _ config: [String: String]) async throws -> Answer {
        try await ask(
            "PUT", "/connectors/\(name)/config",
            String(decoding: JSONValue.object(config.map { ($0.key, .string($0.value)) }).bytes, as: UTF8.self))
    }

    /// `connector / task task ...`, such as `RUNNING / RUNNING`.
    func states(_ name: String) async throws -> String {
        let json = try await ask("GET", "/connectors/\(name)/status").json
        let tasks = (json["tasks"]?.elements ?? []).map { $0["state"]?.text ?? "?" }
        return (json["connector"]?["state"]?.text ?? "none") + " / " + tasks.joined(separator: " ")
    }

    func stop() async {
        await server.stop()
        await peers.close()
    }
}

/// Waits until `condition` holds; fails when it does not in time.
func eventually(
    _ what: String, within limit: Duration = .seconds(120), _ location: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while true {
        if try await condition() { return }
        guard ContinuousClock.now < deadline else {
            Issue.record("not in time: \(what)", sourceLocation: location)
            throw NotInTime()
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

struct NotInTime: Error {}
