package import Cluster
package import ConnectCore
package import HTTPKit
import HTTPTypes
package import Logging
package import NIOCore
package import Observability
package import SchemaRules

/// A running Connect worker: topics read, group joined, port listening.
package final class ConnectServer: Sendable {
    private let herder: Herder
    private let peers: WorkerPeers
    private let http: HTTPServer
    private let readiness: Readiness

    package var host: String { http.host }
    package var port: Int { http.port }
    /// "https" or "http".
    package var scheme: String { http.scheme }
    /// For other parts of this process, see `HTTPServer`.
    package var ownURL: String { http.ownURL }

    private init(_ herder: Herder, _ peers: WorkerPeers, _ http: HTTPServer, _ readiness: Readiness) {
        self.herder = herder
        self.peers = peers
        self.http = http
        self.readiness = readiness
    }

    /// Why there is no worker.
    package enum StartFailure: Error {
        case port(HTTPServerError)
        case cluster(ClusterError)
        case settings(ConnectError)
    }

    /// What a worker needs of the program around it.
    package struct Surroundings: Sendable {
        package var cluster: any Cluster
        package var plugins: PluginRegistry
        /// Registries of converters; by HTTP unless the program has one in the process.
        package var registries: ConverterRegistries
        package var metrics: MetricRegistry
        package var readiness: Readiness
        package var logger: Logger
        /// Milliseconds since 1970.
        package var now: @Sendable () -> Int64
        package var loggers: LoggerLevels

        package init(
            cluster: any Cluster, plugins: PluginRegistry, registries: @escaping ConverterRegistries,
            metrics: MetricRegistry, readiness: Readiness, logger: Logger, now: @escaping @Sendable () -> Int64,
            loggers: LoggerLevels
        ) {
            self.cluster = cluster
            self.plugins = plugins
            self.registries = registries
            self.metrics = metrics
            self.readiness = readiness
            self.logger = logger
            self.now = now
            self.loggers = loggers
        }
    }

    /// Listens, reads the worker's topics and takes part in its group.
    ///
    /// - Parameters:
    ///   - host: where to listen; what others reach the worker by is in the settings, the port unless they name one.
    ///   - security: TLS, and who may use the worker.
    ///   - group: the threads of the HTTP server and of requests to other workers.
    /// - Returns: when questions are answered.
    package static func start(
        _ surroundings: Surroundings, _ settings: WorkerSettings, host: String, port: Int, on group: any EventLoopGroup,
        security: HTTPSecurity = .none
    ) async throws(StartFailure) -> ConnectServer {
        let readiness = surroundings.readiness
        readiness.hold("connect", because: "loading")
        let figures = WorkerFigures(surroundings.metrics)
        let slot = ConnectAPI.Slot()
        var configuration = HTTPServerConfiguration(host: host, port: port)
        configuration.bodyByteCountMax = 16 << 20
        configuration.requestTimeout = .seconds(120)
        configuration.names = [settings.advertisedHost]
        configuration.pageOption = .origins
        configuration.security = security
        configuration.crossOrigin = CrossOriginRules(
            origins: settings.values.string("access.control.allow.origin") ?? "",
            methods: settings.values.string("access.control.allow.methods") ?? "")
        configuration.observe = { exchange in
            figures.count(status: Int(exchange.status.code))
            figures.durations.record(exchange.nanoseconds)
        }
        let http: HTTPServer
        do {
            http = try await HTTPServer.start(
                configuration, router: ConnectAPI.router(slot), on: group, logger: surroundings.logger)
        } catch {
            readiness.release("connect")
            throw .port(error)
        }
        let peers = WorkerPeers(group: group, tls: security.peers)
        let herder: Herder
        do {
            herder = try makeHerder(surroundings, settings, port: http.port, peers, figures)
        } catch {
            await http.stop(within: .zero)
            await peers.close()
            readiness.release("connect")
            throw .settings(error)
        }
        slot.herder = herder
        do {
            try await herder.start()
        } catch {
            await http.stop(within: .zero)
            await herder.stop()
            await peers.close()
            readiness.release("connect")
            throw .cluster(error)
        }
        return running(herder, peers, http, surroundings)
    }

    private static func makeHerder(
        _ surroundings: Surroundings, _ given: WorkerSettings, port: Int, _ peers: WorkerPeers, _ figures: WorkerFigures
    ) throws(ConnectError) -> Herder {
        var settings = given
        let advertised = given.values.integer("rest.advertised.port")
        settings.advertisedPort = advertised.map { Int(clamping: $0) } ?? port
        let levels = surroundings.loggers
        let logger = levels.logger(surroundings.logger, LoggerLevels.herder)
        let parts = WorkerParts(
            cluster: surroundings.cluster, settings: settings, registries: surroundings.registries,
            offsets: OffsetStores(surroundings.cluster, settings, logger), memberNames: MemberNames(settings),
            figures: figures, logger: logger, sourceLogger: levels.logger(surroundings.logger, LoggerLevels.sourceTask),
            sinkLogger: levels.logger(surroundings.logger, LoggerLevels.sinkTask), now: surroundings.now)
        return try Herder(parts, surroundings.plugins, peers: peers, loggers: surroundings.loggers)
    }

    private static func running(
        _ herder: Herder, _ peers: WorkerPeers, _ http: HTTPServer, _ surroundings: Surroundings
    ) -> ConnectServer {
        herder.observe(surroundings.metrics)
        surroundings.readiness.check("connect") { herder.config.isReady ? nil : "reading the topics of Connect" }
        surroundings.readiness.release("connect")
        return ConnectServer(herder, peers, http, surroundings.readiness)
    }

    /// What a candidate schema would do to the connectors of the cluster of workers.
    package func impact(of question: ImpactQuestion) async -> ImpactAnswer { await herder.impact(of: question) }

    /// Answers what has been asked, stops all tasks with their last offsets stored, and leaves the group.
    package func stop() async {
        readiness.hold("connect", because: "stopping")
        await http.stop(within: .seconds(1))
        await herder.stop()
        await peers.close()
    }
}

extension Herder {
    nonisolated func observe(_ metrics: MetricRegistry) {
        metrics.gauge("swiftwater_connect_connectors", "Connectors of the cluster of workers.") { [config] in
            Double(config.read { $0.connectors.count })
        }
        metrics.samples("swiftwater_connect_tasks", "Tasks of the cluster of workers, by state.", .gauge) { [status] in
            var counts: [String: Int] = [:]
            for tasks in status.read({ $0.tasks.values.map { $0 } }) {
                for task in tasks.values { counts[task.state.rawValue, default: 0] += 1 }
            }
            return counts.sorted { $0.key < $1.key }.map { .init([("state", $0.key)], Double($0.value)) }
        }
    }
}
