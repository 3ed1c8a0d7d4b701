import Broker
import Cluster
import Environment
import Glibc
import Logging
import Testing

/// The ways to reach a cluster, which all keep one contract.
enum Transport: String, CaseIterable, CustomTestStringConvertible {
    case embedded, remote

    var testDescription: String { rawValue }
}

/// Runs `body` with a cluster of one new broker in this process, on a free port and a folder of its own.
///
/// - Parameter properties: server properties by Kafka's names.
func withCluster(
    _ transport: Transport, properties: [String: String] = [:], _ body: (any Cluster) async throws -> Void
) async throws {
    try await withCluster(transport, properties: properties) { cluster, _ in try await body(cluster) }
}

/// As the other one; `body` is told the broker's data folder, too.
func withCluster(
    _ transport: Transport, properties: [String: String] = [:],
    _ body: (_ cluster: any Cluster, _ folder: String) async throws -> Void
) async throws {
    var template = Array("/tmp/swiftwater-tests-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemFailure(errno) }
    let folder = String(cString: made)
    defer {
        do { try RealDisk().removeTree(folder) } catch { Issue.record("cannot remove \(folder): \(error)") }
    }
    var configuration = BrokerConfiguration()
    configuration.dataDirectory = folder
    configuration.listenPort = 0
    configuration.properties = try ServerProperties(properties)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = try await BrokerServer.start(configuration, logger: logger)
    do {
        switch transport {
        case .embedded: try await body(EmbeddedCluster(server.node), folder)
        case .remote:
            let remote = RemoteConfiguration(
                bootstrapServers: "\(server.host):\(server.port)",
                // There is one broker, which knows at once that a topic was deleted.
                properties: ["topic.metadata.propagation.max.ms": "100"], logger: logger)
            try await body(RemoteCluster(remote), folder)
        }
    } catch {
        await server.stop()
        throw error
    }
    await server.stop()
}

struct SystemFailure: Error {
    var code: Int32
    init(_ code: Int32) { self.code = code }
}
