package import Cluster
package import HTTPKit
import HTTPTypes
package import Logging
package import NIOCore
package import Observability

/// A running registry: the topic being read, the port listening.
package final class RegistryServer: Sendable {
    package let registry: SchemaRegistry
    private let http: HTTPServer
    private let readiness: Readiness

    package var host: String { http.host }
    package var port: Int { http.port }
    /// "https" or "http".
    package var scheme: String { http.scheme }
    /// For other parts of this process, see `HTTPServer`.
    package var ownURL: String { http.ownURL }

    private init(_ registry: SchemaRegistry, _ http: HTTPServer, _ readiness: Readiness) {
        self.registry = registry
        self.http = http
        self.readiness = readiness
    }

    /// Why there is no registry.
    package enum StartFailure: Error {
        case port(HTTPServerError)
        case cluster(ClusterError)
    }

    /// Listens, reads the topic, and joins the group of registries.
    ///
    /// - Parameters:
    ///   - cluster: where the schemas topic is; it stays usable until `stop` returns.
    ///   - security: TLS, and who may use the registry.
    ///   - group: the threads of the HTTP server and of requests to the leader.
    /// - Returns: when questions are answered.
    package static func start(
        _ cluster: any Cluster, _ settings: RegistrySettings, host: String, port: Int, on group: any EventLoopGroup,
        security: HTTPSecurity = .none, metrics: MetricRegistry, readiness: Readiness, logger: Logger
    ) async throws(StartFailure) -> RegistryServer {
        readiness.hold("registry", because: "loading")
        var settings = settings
        settings.scheme = security.tls == nil ? "http" : "https"
        let registry = SchemaRegistry(cluster, settings, metrics: metrics, logger: logger)
        var configuration = HTTPServerConfiguration(host: host, port: port)
        configuration.bodyByteCountMax = settings.requestByteCountMax
        configuration.names = [settings.host]
        configuration.pageOption = .origins
        configuration.security = security
        configuration.crossOrigin = CrossOriginRules(
            origins: settings.allowedOrigins, methods: settings.allowedMethods, headers: settings.allowedHeaders)
        let figures = registry.figures
        configuration.observe = { exchange in
            figures.count(status: Int(exchange.status.code))
            figures.durations.record(exchange.nanoseconds)
        }
        let http: HTTPServer
        do {
            http = try await HTTPServer.start(
                configuration,
                router: RegistryAPI.router(registry, client: LeaderClient(group: group, tls: security.peers)),
                on: group,
                logger: logger)
        } catch {
            await registry.stop()
            readiness.release("registry")
            throw .port(error)
        }
        do {
            try await registry.start(port: http.port)
        } catch {
            await http.stop(within: .zero)
            await registry.stop()
            throw .cluster(error)
        }
        readiness.check("registry") { registry.problem }
        readiness.release("registry")
        return RegistryServer(registry, http, readiness)
    }

    /// Answers what has been asked, leaves the group, and closes.
    package func stop() async {
        readiness.hold("registry", because: "stopping")
        await http.stop(within: .seconds(1))
        await registry.stop()
    }
}
