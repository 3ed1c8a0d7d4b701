import Bytes
import Cluster
import Environment
import HTTPKit
import Logging
import OAuthCalls
import Observability
import RegistryClient
import RegistryService
import SQLRuntime
import SQLService
import SQLTypes
import Security

/// The SQL server of this process and what runs its queries, put together.
struct SQLRole {
    let cluster: any Cluster
    /// Of this process; nil when there is none.
    let registry: RegistryServer?
    /// The URL of the Connect worker of this process, with a user; nil when there is none.
    let connect: String?
    let settings: ServerSettings
    let security: HTTPSecurity
    let webSecurity: WebSecurity
    let dataDirectory: String

    /// - Returns: the server, or why there is none although it was not refused.
    /// - Throws: `CommandFailure`.
    func start(
        at address: HostPort, _ loops: HTTPLoops, _ metrics: MetricRegistry, _ readiness: Readiness, _ logger: Logger
    ) async throws -> (SQLServer?, problem: String?) {
        let host = address.host == "localhost" ? "127.0.0.1" : address.host
        var sql = SQLServerSettings()
        sql.properties = settings.sqlProperties
        sql.version = Swiftwater.version
        sql.allowedOrigins = settings["access.control.allow.origin"].text
        sql.allowedMethods = settings["access.control.allow.methods"].text
        sql.allowedHeaders = settings["access.control.allow.headers"].text
        sql.zones = TimeZones { TimeZoneFiles.read($0) }
        if let advertised = sql.properties["ksql.advertised.listener"], !advertised.isEmpty {
            let address = advertised.firstRange(of: "://").map { advertised[$0.upperBound...] } ?? advertised[...]
            sql.advertised = String(address.hasSuffix("/") ? address.dropLast() : address)
        }
        sql.internalListener = try internalListener(sql, logger)
        sql.nodes = try webSecurity.nodesOfSQL(sql.internalListener, clients: security)
        if let path = sql.properties["ksql.queries.file"], !path.isEmpty { sql.script = try PropertiesFile.text(path) }
        let source = try schemaSource(sql)
        let log = ProcessingLog(sql, logger: logger)
        let schemas = source.map { SQLSchemas($0) }
        var runtime = RuntimeSettings(libraries: SQLLibraries.make(schemas: schemas, zones: sql.zones))
        runtime.serviceID = sql.serviceID
        runtime.snapshotFolder = dataDirectory + "/snapshots"
        runtime.stateFolder = try stateFolder(sql)
        runtime.replicationFactor = try replicationFactor(sql)
        if isShared(sql) {
            runtime.sharing = Sharing()
            if sql.internalListener == nil, security.authentication != nil, webSecurity.nodes == nil {
                logger.warning(
                    """
                    other nodes of this SQL service cannot ask this one, as its port asks for passwords: give all nodes the \
                    same http.nodes.secret, or a port of their own with ksql.internal.listener
                    """,
                    metadata: ["listener": "\(address)"])
            }
            // Other nodes cannot reach this one by an address that stands for all of its own.
            let nodes = sql.internalListener ?? InternalListener(host: host, port: address.port)
            if sql.advertised == nil, ["0.0.0.0", "::"].contains(nodes.host), let name = HTTPAuthority.machine {
                sql.advertised = "\(name):\(nodes.port)"
            }
        }
        runtime.queryStateByteCountMax = Self.byteCount(sql, "ksql.query.state.max.bytes")
        runtime.stateByteCountMax = Self.byteCount(sql, "ksql.state.max.bytes")
        runtime.processingLog = { query, entry in log.note(query, entry) }
        if let source { runtime.deleteSubjects = { await source.delete($0, logger) } }
        let engine = SQLEngine(
            cluster, QueryRuntime(cluster, runtime, logger: logger), schemas: schemas, connectors: try connectors(sql),
            sql,
            processingLog: log, logger: logger)
        do throws(HTTPServerError) {
            let server = try await SQLServer.start(
                engine, host: host, port: address.port, on: loops.group, security: security, metrics: metrics,
                readiness: readiness, logger: logger)
            return (server, nil)
        } catch {
            await engine.stop()
            // As for the admin port: nobody asked for it.
            guard error.code == .addressInUse, settings["sql.listener"].origin == .byDefault else {
                throw CommandFailure(error.message, hint: "choose another with --sql HOST:PORT, or --sql none")
            }
            return (nil, "off: \(error.message)")
        }
    }

    /// Whether other nodes may run parts of the same queries: on a cluster that is none of this process, or when this one has
    /// said by which address others are to reach it.
    private func isShared(_ sql: SQLServerSettings) -> Bool {
        cluster is RemoteCluster || sql.advertised != nil || sql.internalListener != nil
    }

    /// `ksql.internal.listener`; nil: nodes use the port of clients.
    private func internalListener(_ sql: SQLServerSettings, _ logger: Logger) throws -> InternalListener? {
        let name = "ksql.internal.listener"
        guard let text = sql.properties[name], !text.isEmpty else { return nil }
        guard let listener = SQLProperties.listener(text), let (address, isSecure) = try? WebPort.listener(listener)
        else {
            throw CommandFailure.usage(
                "\(name) is '\(text)'", hint: "it is like http://HOST:8099 or https://HOST:8099")
        }
        let knowsNodes = try webSecurity.nodes != nil || isSecure && asksForCertificates()
        guard address.isLoopback || knowsNodes || settings["insecure"].text.lowercased() == "true" else {
            throw CommandFailure.usage(
                "\(name) at \(address) gives rows of tables to everybody who reaches it, because nodes show each "
                    + "other neither a secret nor a certificate",
                hint: "set http.nodes.secret, use https with ksql.internal.ssl.client.authentication=REQUIRED, use a "
                    + "loopback address such as http://127.0.0.1:\(address.port), or add --insecure")
        }
        if webSecurity.nodes != nil, !isSecure, !address.isLoopback {
            logger.warning(
                "the secret of nodes travels readable, as their port has no TLS: let \(name) be https://HOST:PORT",
                metadata: ["listener": "\(address)"])
        }
        return InternalListener(
            host: address.host == "localhost" ? "127.0.0.1" : address.host, port: address.port, isSecure: isSecure)
    }

    private func asksForCertificates() throws -> Bool {
        do throws(KeyStoreError) { return try settings.internalKeyStore().clientCertificates == .required } catch {
            throw CommandFailure.usage("https of ksql.internal.listener: \(error.message)", hint: error.hint)
        }
    }

    /// Of the topics that queries make for themselves; nil: the cluster's default.
    private func replicationFactor(_ sql: SQLServerSettings) throws -> Int16? {
        if sql.properties["ksql.query.pull.enable.standby.reads"]?.lowercased() == "true" {
            throw CommandFailure.usage(
                "ksql.query.pull.enable.standby.reads is 'true', and there are no standby copies of state",
                hint: "leave it out: another node reads state back from its changelog, and answers then")
        }
        let name = "ksql.streams.replication.factor"
        guard let text = sql.properties[name], !text.isEmpty else { return nil }
        guard let factor = Int16(text), factor == -1 || factor > 0 else {
            throw CommandFailure.usage("\(name) is '\(text)'", hint: "it is a number of copies, such as 3")
        }
        return factor == -1 ? nil : factor
    }

    /// nil: no bound.
    private static func byteCount(_ sql: SQLServerSettings, _ name: String) -> Int? {
        sql.properties[name].flatMap { Int($0) }.flatMap { $0 < 0 ? nil : $0 }
    }

    /// nil when there is no registry: formats that need one are refused.
    private func schemaSource(_ sql: SQLServerSettings) throws -> (any SQLService.SchemaSource)? {
        if let url = sql.properties["ksql.schema.registry.url"], !url.isEmpty {
            let addresses = url.split(separator: ",").map { HTTPAddress($0.filter { $0 != " " }) }
            let known = addresses.compactMap { $0 }
            guard known.count == addresses.count, !known.isEmpty else {
                throw CommandFailure.usage("ksql.schema.registry.url is '\(url)'", hint: "it is like http://host:8081")
            }
            let tokens: RegistryTokens?
            do throws(OAuthFailure) {
                tokens = try RegistryTokens { sql.properties["ksql.schema.registry." + $0] }
            } catch {
                throw CommandFailure.usage("ksql.schema.registry.url: \(error.message)")
            }
            return RegistryClientSource(RegistryClient(known, tokens: tokens))
        }
        guard let registry else { return nil }
        return RegistrySource(registry.registry, url: registry.ownURL)
    }

    /// For state that does not fit into memory: files without a name, of which an end of the process leaves nothing.
    private func stateFolder(_ sql: SQLServerSettings) throws -> String {
        let asked = ["ksql.streams.state.dir", "state.dir"].lazy.compactMap { sql.properties[$0] }.first { !$0.isEmpty }
        let folder = asked ?? dataDirectory + "/state"
        do { try RealDisk().makeDirectory(folder) } catch {
            throw CommandFailure("state.dir '\(folder)' cannot be made: \(error)", hint: "set ksql.streams.state.dir")
        }
        return folder
    }

    private func connectors(_ sql: SQLServerSettings) throws -> any ConnectorAdmin {
        let asked = sql.properties["ksql.connect.url"].flatMap { $0.isEmpty ? nil : $0 }
        let text = asked ?? connect ?? "http://127.0.0.1:8083"
        let address = HTTPAddress(text)
        let url = address?.base ?? text
        let timeout = sql.properties["ksql.connect.request.timeout.ms"].flatMap { Int64($0) } ?? 5000
        var user = address?.user
        var password = address?.password ?? ""
        if sql.properties["ksql.connect.basic.auth.credentials.source"]?.uppercased() == "FILE" {
            let credentials = try PropertiesFile.read(sql.properties["ksql.connect.basic.auth.credentials.file"] ?? "")
            user = credentials["username"]
            password = credentials["password"] ?? ""
        }
        let isNobodys = asked == nil && connect == nil
        return ConnectClient(
            url: url, timeout: .milliseconds(timeout), user: user, password: password,
            hint: isNobodys
                ? "This server runs no Connect worker and was told of none: start it without --connect none, or set "
                    + "ksql.connect.url" : nil)
    }
}
