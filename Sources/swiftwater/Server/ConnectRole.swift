import Broker
import Cluster
import ConnectCore
import ConnectService
import HTTPKit
import Logging
import Observability

/// The Connect worker of `start`.
enum ConnectRole {
    struct Running {
        var server: ConnectServer?
        /// Why there is none although it was not refused.
        var problem: String?
        /// The cluster that it reaches over the network.
        var remote: RemoteCluster?
    }

    /// - Parameter registry: the URL of the schema registry of this process, with a user; nil for none.
    static func start(
        _ address: HostPort, _ settings: ServerSettings, broker: BrokerServer?, registry: String?,
        _ security: HTTPSecurity, _ loops: HTTPLoops, _ metrics: MetricRegistry, _ readiness: Readiness,
        _ logger: Logger
    ) async throws -> Running {
        var worker = try WorkerProperties.settings(settings, environment: EnvironmentVariables.all())
        let servers = worker.properties["bootstrap.servers"] ?? (broker == nil ? settings.registryServers : nil)
        var remote: RemoteCluster?
        let cluster: any Cluster
        if let broker, servers == nil {
            cluster = broker.cluster
            worker.isEmbedded = true
            worker.identity = "node \(broker.node.nodeId)"
        } else {
            guard let servers, !servers.isEmpty else {
                throw CommandFailure.usage(
                    "the Connect worker needs a cluster",
                    hint: "name one with --bootstrap-servers HOST:PORT, or run the role kafka as well")
            }
            do throws(ClusterError) {
                var connection = try WorkerProperties.connection(worker)
                // What the other roles are told of the cluster holds for the worker that is told nothing else.
                if connection.isEmpty, servers == settings.registryServers {
                    connection = try settings.registryConnection()
                }
                let configuration = RemoteConfiguration(
                    bootstrapServers: servers, properties: connection, logger: logger)
                let other = try RemoteCluster(configuration)
                remote = other
                cluster = other
                // Of a cluster that the other roles are on, too, they tell.
                if broker != nil || servers != settings.registryServers
                    || (settings.registry == nil && settings.sql == nil && settings.console == nil)
                {
                    ClusterWatch.start(configuration, logger)
                }
            } catch {
                throw CommandFailure(error)
            }
        }
        let host = address.host == "localhost" ? "127.0.0.1" : address.host
        // "All addresses" is nothing that another worker can connect to.
        worker.advertisedHost =
            worker.values.string("rest.advertised.host.name")
            ?? (["0.0.0.0", "::"].contains(host) ? HTTPAuthority.machine ?? host : host)
        worker.version = Swiftwater.version
        worker.registryURL = registry
        let isSecure =
            worker.values.string("rest.advertised.listener").map { $0.lowercased() == "https" } ?? (security.tls != nil)
        worker.scheme = isSecure ? "https" : "http"
        let surroundings = ConnectServer.Surroundings(
            cluster: cluster,
            plugins: PluginRegistry(ConnectorPlugins.all(cluster, logger), hint: ConnectorPlugins.hint),
            registries: { (addresses, options) throws(ConnectError) in try HTTPConverterRegistry(addresses, options) },
            metrics: metrics, readiness: readiness, logger: logger, now: { Timestamps.nowMilliseconds() },
            loggers: LoggerLevels(now: { Timestamps.nowMilliseconds() }, initial: logger.logLevel))
        do throws(ConnectServer.StartFailure) {
            let server = try await ConnectServer.start(
                surroundings, worker, host: host, port: address.port, on: loops.group, security: security)
            return Running(server: server, remote: remote)
        } catch {
            switch error {
            case .port(let error):
                // Nobody asked for it.
                guard error.code == .addressInUse, settings["connect.listener"].origin == .byDefault else {
                    throw CommandFailure(
                        error.message, hint: "choose another with --connect HOST:PORT, or --connect none")
                }
                return Running(problem: "off: \(error.message)", remote: remote)
            case .cluster(let error): throw CommandFailure(error)
            case .settings(let error): throw CommandFailure.usage(error.message)
            }
        }
    }
}
