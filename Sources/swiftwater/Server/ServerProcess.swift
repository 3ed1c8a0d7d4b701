import Broker
import Cluster
import ConnectService
import ConsoleService
import HTTPKit
import Logging
import NIOCore
import Observability
import RegistryService
import SQLService

/// All that one `swiftwater start` runs, in the order of starting: the admin port, the broker, the registry, the Connect
/// worker, the SQL server, the console. It stops in the reverse order, so that `/readyz` tells of a stop until the end of it.
final class ServerProcess {
    /// nil when another cluster is used.
    let broker: BrokerServer?
    /// nil when there is none.
    let registry: RegistryServer?
    /// Why there is no registry although it was not refused.
    let registryProblem: String?
    let connect: ConnectRole.Running
    /// nil when there is none.
    let sql: SQLServer?
    /// Why there is no SQL server although it was not refused.
    let sqlProblem: String?
    let console: ConsoleRole.Running
    /// nil when there is none.
    let admin: HTTPServer?
    /// Why there is no admin port although one was not refused.
    let adminProblem: String?
    /// Everything that the process counts.
    let metrics: MetricRegistry
    private let adminLoops: HTTPLoops?
    private let registryLoops: HTTPLoops?
    private let connectLoops: HTTPLoops?
    private let sqlLoops: HTTPLoops?
    private let consoleLoops: HTTPLoops?
    /// The cluster that registry, SQL server and console reach over the network.
    private let remote: RemoteCluster?
    private let security: WebSecurity

    private init(
        broker: BrokerServer?, registry: RegistryServer?, registryProblem: String?, connect: ConnectRole.Running,
        sql: SQLServer?, sqlProblem: String?, console: ConsoleRole.Running, admin: HTTPServer?, adminProblem: String?,
        metrics: MetricRegistry, adminLoops: HTTPLoops?, registryLoops: HTTPLoops?, connectLoops: HTTPLoops?,
        sqlLoops: HTTPLoops?, consoleLoops: HTTPLoops?, remote: RemoteCluster?, security: WebSecurity
    ) {
        self.security = security
        self.broker = broker
        self.registry = registry
        self.registryProblem = registryProblem
        self.connect = connect
        self.sql = sql
        self.sqlProblem = sqlProblem
        self.console = console
        self.admin = admin
        self.adminProblem = adminProblem
        self.metrics = metrics
        self.adminLoops = adminLoops
        self.registryLoops = registryLoops
        self.connectLoops = connectLoops
        self.sqlLoops = sqlLoops
        self.consoleLoops = consoleLoops
        self.remote = remote
    }

    var adminAddress: HostPort? { admin.map { HostPort(host: $0.host, port: $0.port) } }
    var connectAddress: HostPort? { connect.server.map { HostPort(host: $0.host, port: $0.port) } }
    var consoleAddress: HostPort? { console.server.map { HostPort(host: $0.host, port: $0.port) } }
    var sqlAddress: HostPort? { sql.map { HostPort(host: $0.host, port: $0.port) } }
    var registryAddress: HostPort? { registry.map { HostPort(host: $0.host, port: $0.port) } }

    var adminURL: String? { admin.map { "\($0.scheme)://\(HostPort(host: $0.host, port: $0.port))" } }
    var connectURL: String? { connect.server.map { "\($0.scheme)://\(HostPort(host: $0.host, port: $0.port))" } }
    var consoleURL: String? { console.server.map { "\($0.scheme)://\(HostPort(host: $0.host, port: $0.port))" } }
    var sqlURL: String? { sql.map { "\($0.scheme)://\(HostPort(host: $0.host, port: $0.port))" } }
    var registryURL: String? { registry.map { "\($0.scheme)://\(HostPort(host: $0.host, port: $0.port))" } }

    /// - Throws: `CommandFailure`, `BrokerError`.
    static func start(
        _ settings: ServerSettings, _ configuration: BrokerConfiguration, _ logger: Logger
    ) async throws -> ServerProcess {
        let metrics = MetricRegistry()
        let readiness = Readiness()
        metrics.addProcess()
        metrics.gauge("swiftwater_build_info", "1, with the version of the program.", [("version", Swiftwater.version)])
        {
            1
        }
        metrics.gauge("swiftwater_ready", "1 when /readyz answers 200, else 0.") {
            readiness.problems.isEmpty ? 1 : 0
        }
        let security = try WebSecurity(settings, metrics, logger)
        await security.start()
        var configuration = configuration
        configuration.tokenKeys = security.tokenKeys
        var admin: HTTPServer?
        var adminProblem: String?
        var broker: BrokerServer?
        var remote: RemoteCluster?
        var registry: RegistryServer?
        let adminLoops = settings.admin == nil ? nil : HTTPLoops()
        let registryLoops = settings.registry == nil ? nil : HTTPLoops()
        let connectLoops = settings.connect == nil ? nil : HTTPLoops()
        let sqlLoops = settings.sql == nil ? nil : HTTPLoops()
        let consoleLoops = settings.console == nil ? nil : HTTPLoops()
        do {
            if let address = settings.admin, let adminLoops {
                let protection = try security.security(.admin)
                do throws(HTTPServerError) {
                    admin = try await HTTPServer.start(
                        AdminServer.configuration(address, protection),
                        router: AdminServer.router(metrics: metrics, readiness: readiness), on: adminLoops.group,
                        logger: logger)
                } catch {
                    // A second broker on this machine must not fail for a port that nobody asked for.
                    guard error.code == .addressInUse, settings["admin.listener"].origin == .byDefault else {
                        throw CommandFailure(
                            error.message, hint: "choose another with --admin HOST:PORT, or --admin none")
                    }
                    adminProblem = "off: \(error.message)"
                }
            }
            if settings.runsBroker {
                broker = try await BrokerServer.start(
                    configuration, logger: logger, metrics: metrics, readiness: readiness)
            }
            if let broker { security.users?.add(broker.passwords) }
            var cluster: (any Cluster)?
            if let broker, settings.registryServers == nil {
                cluster = broker.cluster
            } else if settings.registry != nil || settings.sql != nil || settings.console != nil {
                let other = try connect(settings, logger)
                remote = other
                cluster = other
            }
            var registryProblem: String?
            if let address = settings.registry, let registryLoops, let cluster {
                (registry, registryProblem) = try await startRegistry(
                    cluster, address, settings, try security.security(.registry), registryLoops, metrics, readiness,
                    logger)
            }
            var connect = ConnectRole.Running()
            var sql: SQLServer?
            var sqlProblem: String?
            var console = ConsoleRole.Running()
            do {
                if let address = settings.connect, let connectLoops {
                    connect = try await ConnectRole.start(
                        address, settings, broker: broker, registry: registry?.ownURL,
                        try security.security(.connect), connectLoops, metrics, readiness, logger)
                }
                if let address = settings.sql, let sqlLoops, let cluster {
                    (sql, sqlProblem) = try await SQLRole(
                        cluster: cluster, registry: registry,
                        connect: connect.server?.ownURL, settings: settings, security: try security.security(.sql),
                        webSecurity: security,
                        dataDirectory: configuration.dataDirectory
                    ).start(at: address, sqlLoops, metrics, readiness, logger)
                }
                if let registry {
                    try ImpactParts(sql: sql, connect: connect.server, settings: settings).add(to: registry.registry)
                }
                if let address = settings.console, let consoleLoops, let cluster {
                    console = try await ConsoleRole(
                        cluster: cluster, broker: broker, registry: registry?.ownURL,
                        connect: connect.server?.ownURL, sql: sql?.ownURL, settings: settings,
                        security: try security.security(.console)
                    ).start(at: address, consoleLoops, metrics, logger)
                }
            } catch {
                await sql?.stop()
                await connect.server?.stop()
                throw error
            }
            return ServerProcess(
                broker: broker, registry: registry, registryProblem: registryProblem, connect: connect, sql: sql,
                sqlProblem: sqlProblem, console: console, admin: admin, adminProblem: adminProblem, metrics: metrics,
                adminLoops: adminLoops, registryLoops: registryLoops, connectLoops: connectLoops, sqlLoops: sqlLoops,
                consoleLoops: consoleLoops, remote: remote, security: security)
        } catch {
            await registry?.stop()
            _ = await broker?.stop()
            await admin?.stop(within: .zero)
            await adminLoops?.shutdown()
            await registryLoops?.shutdown()
            await connectLoops?.shutdown()
            await sqlLoops?.shutdown()
            await consoleLoops?.shutdown()
            await security.shutdown()
            throw error
        }
    }

    private static func connect(_ settings: ServerSettings, _ logger: Logger) throws -> RemoteCluster {
        do throws(ClusterError) {
            let configuration = RemoteConfiguration(
                bootstrapServers: settings.registryServers ?? "", properties: try settings.registryConnection(),
                logger: logger)
            let cluster = try RemoteCluster(configuration)
            ClusterWatch.start(configuration, logger)
            return cluster
        } catch {
            throw CommandFailure(error)
        }
    }

    private static func startRegistry(
        _ cluster: any Cluster, _ address: HostPort, _ settings: ServerSettings, _ security: HTTPSecurity,
        _ loops: HTTPLoops, _ metrics: MetricRegistry, _ readiness: Readiness, _ logger: Logger
    ) async throws -> (RegistryServer?, problem: String?) {
        let host = address.host == "localhost" ? "127.0.0.1" : address.host
        // "All addresses" is nothing that another node can connect to.
        let reachable = ["0.0.0.0", "::"].contains(host) ? HTTPAuthority.machine ?? host : host
        do throws(RegistryServer.StartFailure) {
            let registry = try await RegistryServer.start(
                cluster, settings.registrySettings(HostPort(host: reachable, port: address.port)), host: host,
                port: address.port, on: loops.group, security: security, metrics: metrics, readiness: readiness,
                logger: logger)
            return (registry, nil)
        } catch {
            switch error {
            case .port(let error):
                // As for the admin port: nobody asked for it.
                guard error.code == .addressInUse, settings["registry.listener"].origin == .byDefault else {
                    throw CommandFailure(
                        error.message, hint: "choose another with --registry HOST:PORT, or --registry none")
                }
                return (nil, "off: \(error.message)")
            case .cluster(let error): throw CommandFailure(error)
            }
        }
    }

    /// Takes less than five seconds while the disk works.
    ///
    /// - Returns: whether the next start has nothing to check.
    func stop() async -> Bool {
        await sql?.stop()
        await connect.server?.stop()
        // Sinks may send to its inbox until they have stopped.
        await console.server?.stop()
        await registry?.stop()
        let isClean = await broker?.stop() ?? true
        await admin?.stop(within: .milliseconds(200))
        await adminLoops?.shutdown()
        await registryLoops?.shutdown()
        await sqlLoops?.shutdown()
        await connectLoops?.shutdown()
        await consoleLoops?.shutdown()
        await security.shutdown()
        return isClean
    }
}
