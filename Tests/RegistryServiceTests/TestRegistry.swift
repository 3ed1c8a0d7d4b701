import Broker
import Cluster
import Foundation
import HTTPKit
import JSONFormat
import Logging
import NIOCore
import NIOPosix
import Observability
import Testing

@testable import RegistryService

/// A broker of its own in this process, and registries on it.
final class TestPlatform: Sendable {
    let broker: BrokerServer
    let loops: MultiThreadedEventLoopGroup
    let logger: Logger

    var cluster: any Cluster { broker.cluster }

    private init(_ broker: BrokerServer, _ loops: MultiThreadedEventLoopGroup, _ logger: Logger) {
        self.broker = broker
        self.loops = loops
        self.logger = logger
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
        _ = await broker.stop()
        try? await loops.shutdownGracefully()
    }

    /// Runs `body` with a registry on a free port.
    func withNode(
        _ change: (inout RegistrySettings) -> Void = { _ in }, _ body: (Node) async throws -> Void
    ) async throws {
        let node = try await start(change)
        do {
            try await body(node)
        } catch {
            await node.server.stop()
            throw error
        }
        await node.server.stop()
    }

    func start(_ change: (inout RegistrySettings) -> Void = { _ in }) async throws -> Node {
        var settings = RegistrySettings()
        settings.isLazy = true
        change(&settings)
        let server = try await RegistryServer.start(
            cluster, settings, host: "127.0.0.1", port: 0, on: loops, metrics: MetricRegistry(),
            readiness: Readiness(), logger: logger)
        return Node(server: server, loops: loops)
    }
}

/// A registry as its clients see it.
struct Node: Sendable {
    let server: RegistryServer
    let loops: MultiThreadedEventLoopGroup

    struct Answer: CustomStringConvertible {
        var status: Int
        var text: String
        var json: JSONValue { JSONValue.parse(Array(text.utf8)) ?? .null }
        var code: Int64? { json["error_code"]?.integer }
        var description: String { "\(status) \(text)" }
    }

    func ask(
        _ method: String, _ path: String, _ body: String? = nil, headers: [(String, String)] = []
    ) async throws -> Answer {
        var defaults = [("Confluent-Accept-Unknown-Properties", "true")]
        if body != nil { defaults.append(("Content-Type", "application/vnd.schemaregistry.v1+json")) }
        let names = Set(headers.map { $0.0.lowercased() })
        let response = try await LeaderClient(group: loops).send(
            .init(
                method: method, target: path,
                headers: (defaults.filter { !names.contains($0.0.lowercased()) } + headers).map {
                    (name: $0.0, value: $0.1)
                },
                body: ByteBuffer(string: body ?? "")),
            to: NodeIdentity(host: server.host, port: server.port))
        return Answer(status: response.status, text: String(buffer: response.body))
    }

    /// Registers a schema and returns the answer.
    @discardableResult
    func register(_ subject: String, _ schema: JSONValue, _ query: String = "") async throws -> Answer {
        try await ask("POST", "/subjects/\(subject)/versions\(query)", String(decoding: schema.bytes, as: UTF8.self))
    }
}

/// A request about a Protobuf message with fields of type `string`, by their names.
func message(
    _ fields: [String], name: String = "M", type: String = "string", extra: [(String, JSONValue)] = []
) -> JSONValue {
    let text = fields.enumerated().map { "  \(type) \($0.element) = \($0.offset + 1);\n" }.joined()
    return .object(
        [
            ("schemaType", .string("PROTOBUF")),
            ("schema", .string("syntax = \"proto3\";\nmessage \(name) {\n\(text)}\n")),
        ] + extra)
}
