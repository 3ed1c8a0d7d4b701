import Broker
import Bytes
import Cluster
import ConsoleService
import HTTPKit
import Logging
import Observability

/// The web console of `start`, and which services it shows.
struct ConsoleRole {
    struct Running {
        var server: ConsoleServer?
        /// Why there is none although it was not refused.
        var problem: String?
    }

    let cluster: any Cluster
    /// Of this process; nil when another cluster is shown.
    let broker: BrokerServer?
    /// URLs of the services of this process, with a user; nil for those that there are not.
    let registry: String?
    let connect: String?
    let sql: String?
    let settings: ServerSettings
    let security: HTTPSecurity

    /// - Throws: `CommandFailure`.
    func start(
        at address: HostPort, _ loops: HTTPLoops, _ metrics: MetricRegistry, _ logger: Logger
    ) async throws -> Running {
        let console = try consoleSettings()
        let host = address.host == "localhost" ? "127.0.0.1" : address.host
        do throws(HTTPServerError) {
            let server = try await ConsoleServer.start(
                cluster, console, host: host, port: address.port, on: loops.group, security: security, metrics: metrics,
                logger: logger,
                now: { Timestamps.nowMilliseconds() })
            return Running(server: server)
        } catch {
            // As for the admin port: nobody asked for it.
            guard error.code == .addressInUse, settings["console.listener"].origin == .byDefault else {
                throw CommandFailure(error.message, hint: "choose another with --console HOST:PORT, or --console none")
            }
            return Running(problem: "off: \(error.message)")
        }
    }

    private func consoleSettings() throws -> ConsoleSettings {
        var console = ConsoleSettings()
        console.version = Swiftwater.version
        console.build = BuildInfo.line
        console.isEmbedded = broker != nil && settings.registryServers == nil
        console.kafkaAddress =
            console.isEmbedded
            ? broker.map { HostPort(host: $0.host, port: $0.port).description } ?? "" : settings.registryServers ?? ""
        console.registry = try addresses("console.registry.url", "ksql.schema.registry.url", registry)
        console.connect = try addresses("console.connect.url", "ksql.connect.url", connect)
        console.sql = try addresses("console.ksql.url", nil, sql)
        console.hosts = settings["console.hosts"].text.split(separator: ",").map(\.trimmed).filter { !$0.isEmpty }
        console.hasInbox = settings["console.inbox"].text.lowercased() == "true"
        console.pagesFolder = EnvironmentVariables.value("SWIFTWATER_CONSOLE_PAGES")
        return console
    }

    /// What the setting names, else the service of this process, else what the SQL server uses.
    private func addresses(_ name: String, _ sqlName: String?, _ own: String?) throws -> [HTTPAddress] {
        if let found = try settings.addresses(name) { return found }
        if let own { return HTTPAddress(own).map { [$0] } ?? [] }
        return try sqlName.flatMap { try settings.addresses($0) } ?? []
    }
}
