import Broker
import Bytes
import Cluster
import RegistryService
import SQLService
import Security

/// Everything that `start` runs with, each value with its origin: a flag wins over the environment, that over the
/// file, that over the default.
///
/// Keys are the names of Kafka's server.properties, and for the registry those of schema-registry.properties. Some are the
/// program's rather than a role's, and have flags of their own: `listeners` (`--kafka`), `advertised.listeners`
/// (`--advertised`), `log.dirs` (`--data-dir`). Ours are `admin.listener` (`--admin`), `registry.listener`
/// (`--registry`), `connect.listener` (`--connect`), `connect.config` (`--connect-config`), `sql.listener` (`--sql`),
/// `console.listener` (`--console`), `roles` and `insecure`. The SQL server's are those of ksql-server.properties.
/// Options of the Connect worker have `connect.` before the names of connect-distributed.properties.
struct ServerSettings {
    enum Origin: Equatable, CustomStringConvertible {
        case byDefault
        case file(String)
        /// The variable's name.
        case environment(String)
        /// The flag as it is written.
        case flag(String)

        var description: String {
            switch self {
            case .byDefault: "default"
            case .file(let path): "file \(path)"
            case .environment(let name): "environment \(name)"
            case .flag(let name): "flag \(name)"
            }
        }
    }

    struct Value: Equatable {
        var text: String
        var origin: Origin
    }

    /// Roles that this version has, in the order they start.
    static let roles = ["kafka", "registry", "connect", "sql", "console"]

    /// The program's own settings and their defaults.
    static let own: [(name: String, defaultValue: String, documentation: String)] = [
        ("listeners", "127.0.0.1:9092", "Where Kafka clients connect to."),
        ("advertised.listeners", "", "What Kafka clients are told to connect to; where the broker listens when empty."),
        ("log.dirs", "./swiftwater-data", "The data folder; made when it is not there."),
        (
            "admin.listener", "127.0.0.1:9464",
            "Where metrics, health and readiness are asked for, over HTTP; none for no such port."
        ),
        (
            "registry.listener", "127.0.0.1:8081",
            "Where clients of the schema registry connect to, over HTTP; none for no registry."
        ),
        (
            "connect.listener", "127.0.0.1:8083",
            "Where clients of the Connect worker connect to, over HTTP; none for no worker."
        ),
        ("connect.config", "", "A file of the worker's options by the names of connect-distributed.properties."),
        (
            "sql.listener", "127.0.0.1:8088",
            "Where clients of streaming SQL connect to, over HTTP; none for no SQL server."
        ),
        (
            "console.listener", "127.0.0.1:8080",
            "Where browsers find the console, over HTTP; none for no console."
        ),
        ("console.hosts", "", "Names that browsers may reach the console by, besides loopback names and addresses."),
        ("console.registry.url", "", "Schema registry that the console shows; the one of this process when empty."),
        (
            "console.connect.url", "",
            "Connect worker that the console shows and the registry asks; the one of this process when empty."
        ),
        (
            "console.ksql.url", "",
            "SQL server that the console shows and the registry asks; the one of this process when empty."
        ),
        ("console.inbox", "false", "Whether the console takes webhooks at /hooks/NAME and shows them."),
        ("roles", roles.joined(separator: ","), "The parts of the platform to run."),
        ("insecure", "false", "Whether to listen on other than loopback addresses without authentication."),
    ]

    /// Values that are set, by name.
    private(set) var set: [String: Value] = [:]
    /// Names of Kafka's and of the original registry's that have nothing behind them here, sorted.
    private(set) var withoutUse: [String] = []
    /// Variables of the environment that are none of the program's, but nearly, with what they may have been meant to be.
    /// Others that begin like them are not told of: Kubernetes makes some for every service.
    private(set) var misspelledVariables: [(variable: String, nearest: String)] = []
    let properties: ServerProperties

    /// The folder chosen by `--ephemeral` is not a setting; it replaces `log.dirs` when the broker starts.
    var dataDirectory: String { self["log.dirs"].text }
    /// Of the first listener of Kafka's protocol.
    let listener: HostPort
    let advertised: HostPort?
    /// All of them.
    let listeners: [ListenerConfiguration]
    /// What is possible and not wise, for the log of a start.
    private(set) var warnings: [String] = []
    /// nil for no admin port.
    let admin: HostPort?
    /// nil for no registry.
    let registry: HostPort?
    /// nil for no Connect worker.
    let connect: HostPort?
    /// nil for no SQL server.
    let sql: HostPort?
    /// nil for no console.
    let console: HostPort?
    /// Whether a broker runs in this process.
    let runsBroker: Bool
    /// Ports that speak TLS.
    let securePorts: Set<WebPort>
    /// Options of the worker as they are set, by its own names.
    let workerValues: [String: String]

    /// What was given where.
    struct Sources {
        /// Path and contents.
        var file: (path: String, properties: [String: String])?
        /// All variables of the process.
        var environment: [String: String] = [:]
        /// Names with the flag that set them and its value. `--set NAME=VALUE` comes as NAME with the flag `--set`.
        var flags: [(name: String, flag: String, value: String)] = []
    }

    /// Variables of the program's own settings; any property is `SWIFTWATER_SET_` and its name in upper case, `_` for `.`.
    static let variables = [
        "SWIFTWATER_KAFKA": "listeners", "SWIFTWATER_ADVERTISED": "advertised.listeners",
        "SWIFTWATER_DATA_DIR": "log.dirs", "SWIFTWATER_ROLES": "roles", "SWIFTWATER_INSECURE": "insecure",
        "SWIFTWATER_ADMIN": "admin.listener", "SWIFTWATER_REGISTRY_LISTENER": "registry.listener",
        "SWIFTWATER_CONNECT_LISTENER": "connect.listener", "SWIFTWATER_CONNECT_CONFIG": "connect.config",
        "SWIFTWATER_SQL_LISTENER": "sql.listener", "SWIFTWATER_CONSOLE_LISTENER": "console.listener",
        "SWIFTWATER_CONSOLE_HOSTS": "console.hosts",
    ]

    /// - Throws: `CommandFailure` that names the setting, its origin, and the nearest name for an unknown one.
    init(_ sources: Sources) throws {
        if let file = sources.file {
            // In their order, so that of two names of one setting the same one counts at every start.
            for (name, value) in file.properties.sorted(by: { $0.key < $1.key }) {
                if name == "listeners", let listener = SQLProperties.listener(value) {
                    // As ksql-server.properties and schema-registry.properties have it.
                    let isOfRegistry = file.properties.keys.contains {
                        $0.hasPrefix("kafkastore.") || $0.hasPrefix("schema.registry.")
                    }
                    let owner = isOfRegistry ? "registry.listener" : "sql.listener"
                    set[owner] = Value(text: listener, origin: .file(file.path))
                    continue
                }
                set[Self.canonical(name)] = Value(text: value, origin: .file(file.path))
            }
        }
        for (variable, value) in sources.environment.sorted(by: { $0.key < $1.key }) where !value.isEmpty {
            if let name = Self.variables[variable] {
                set[name] = Value(text: value, origin: .environment(variable))
            } else if variable.hasPrefix("SWIFTWATER_SET_") {
                let name = variable.dropFirst("SWIFTWATER_SET_".count).lowercased().replacing("_", with: ".")
                set[Self.canonical(name)] = Value(text: value, origin: .environment(variable))
            } else if let nearest = EnvironmentVariables.misspelled(variable, besides: Self.variables.keys) {
                misspelledVariables.append((variable, nearest))
            }
        }
        for flag in sources.flags {
            set[Self.canonical(flag.name)] = Value(text: flag.value, origin: .flag(flag.flag))
        }

        // A file of a worker that does not run is not read: it may not be there.
        let runsWorker = Self.roles(set["roles"]?.text).contains("connect") && set["connect.listener"]?.text != "none"
        var worker = runsWorker ? try WorkerProperties.properties(set, environment: sources.environment) : [:]
        // The worker's own name of its port counts where it asks for TLS, and nothing else is said.
        if set["connect.listener"] == nil, let text = worker["listeners"], WebPort.isSecure(text) {
            set["connect.listener"] = Value(text: text, origin: .file(set["connect.config"]?.text ?? "connect.config"))
        }
        Self.adoptConnection(&set)
        // A file for Kafka also names what its controllers listen on.
        let controllers = Self.items(set["controller.listener.names"]?.text)
        withoutUse = try Self.setAside(&set)
        let ownNames = Self.own.map(\.name)
        for (name, value) in set.sorted(by: { $0.key < $1.key }) where !ownNames.contains(name) {
            let problem =
                ServerProperties.definition(name)?.problem(with: value.text)
                ?? RegistryProperties.definition(name)?.problem(value.text)
                ?? (SQLProperties.isKnown(name) ? PropertyCatalog.problem(name, value.text) : nil)
            if let problem {
                throw CommandFailure.usage("invalid value '\(value.text)' for \(name) (\(value.origin)): \(problem)")
            }
        }
        do {
            let broker = Set(ServerProperties.known.map(\.name))
            properties = try ServerProperties(set.filter { broker.contains($0.key) }.mapValues(\.text))
        } catch {
            throw CommandFailure.usage(error.message)
        }
        let texts = set.mapValues(\.text)
        let found = try KafkaListeners(
            texts, runsBroker: Self.roles(set["roles"]?.text).contains("kafka"), controllers: Set(controllers),
            Self.listener)
        listeners = found.configurations
        listener = found.first
        advertised = found.firstAdvertised
        let adminText = set["admin.listener"]?.text ?? "127.0.0.1:9464"
        var secure: Set<WebPort> = []
        func web(_ port: WebPort, _ text: String) throws -> HostPort {
            let (address, isSecure) = try WebPort.listener(text)
            if isSecure { secure.insert(port) }
            return address
        }
        admin = adminText == "none" ? nil : try web(.admin, adminText)
        let roles = Self.roles(set["roles"]?.text)
        let registryText = set["registry.listener"]?.text ?? "127.0.0.1:8081"
        registry = registryText == "none" || !roles.contains("registry") ? nil : try web(.registry, registryText)
        let connectText = set["connect.listener"]?.text ?? "127.0.0.1:8083"
        connect = connectText == "none" || !roles.contains("connect") ? nil : try web(.connect, connectText)
        let sqlText = set["sql.listener"]?.text ?? "127.0.0.1:8088"
        sql = sqlText == "none" || !roles.contains("sql") ? nil : try web(.sql, sqlText)
        let consoleText = set["console.listener"]?.text ?? "127.0.0.1:8080"
        console = consoleText == "none" || !roles.contains("console") ? nil : try web(.console, consoleText)
        runsBroker = roles.contains("kafka")
        securePorts = secure
        if connect == nil { worker = [:] }
        workerValues = worker
        try check()
    }

    /// Without a broker in this process `security.protocol`, by itself as in ksql-server.properties or behind
    /// `ksql.streams.`, is about connections to the other cluster, as is what goes with it. Names behind `kafkastore.` win.
    private static func adoptConnection(_ set: inout [String: Value]) {
        guard !Self.roles(set["roles"]?.text).contains("kafka") else { return }
        let streams = "ksql.streams."
        guard ["security.protocol", streams + "security.protocol"].contains(where: { set[$0] != nil }) else { return }
        var adopted: [String: Value] = [:]
        for (name, value) in set {
            let isOfStreams = name.hasPrefix(streams)
            let own = "kafkastore." + (isOfStreams ? String(name.dropFirst(streams.count)) : name)
            guard RegistryProperties.isConnection(own) else { continue }
            if isOfStreams || adopted[own] == nil { adopted[own] = value }
            // A server with https has its own certificate by the same names (ksql-server.properties).
            if !isOfStreams, !(KeyStore.isKnown(name) && WebProperties.usesTLS(set)) { set[name] = nil }
        }
        if !set.keys.contains(where: RegistryProperties.isConnection) { set.merge(adopted) { own, _ in own } }
    }

    /// Takes out what has no meaning here.
    ///
    /// - Returns: the names of it, sorted.
    /// - Throws: `CommandFailure` that names every setting that there is not, so that a file is mended at once.
    private static func setAside(_ set: inout [String: Value]) throws -> [String] {
        let known = names
        var withoutUse: [String] = []
        var problems: [String] = []
        if !Self.roles(set["roles"]?.text).contains("kafka") {
            // What would protect something must not be without effect.
            for (name, value) in set.sorted(by: { $0.key < $1.key })
            where ListenerProperties.definition(name) != nil && !WebProperties.isKnown(name, set)
                && (name.contains("ssl.") || name.contains("sasl."))
            {
                problems.append("'\(name)' (\(value.origin)) is for listeners of a broker, and none runs here")
            }
        }
        for (name, value) in set.sorted(by: { $0.key < $1.key })
        where !known.contains(name) && !RegistryProperties.isConnection(name) && !WorkerProperties.isOption(name)
            && !SQLProperties.isKnown(name) && !WebProperties.isKnown(name, set)
            && ListenerProperties.definition(name) == nil
        {
            switch RegistryNames.meaning(name, value.text) ?? KafkaProperties.meaning(name) {
            case .nothing:
                withoutUse.append(name)
                set[name] = nil
            case .missing(let what):
                problems.append("'\(name)' (\(value.origin)): this version has no \(what)")
            case nil:
                let nearest =
                    nearestName(to: name, among: known + WorkerProperties.names).map { ": did you mean '\($0)'?" } ?? ""
                problems.append("unknown setting '\(name)' (\(value.origin))" + nearest)
            }
        }
        guard problems.isEmpty else { throw CommandFailure.usage(problems.joined(separator: "; ")) }
        return withoutUse
    }

    /// The parts of a list with commas.
    static func items(_ text: String?) -> [String] {
        (text ?? "").split(separator: ",").map(\.trimmed).filter { !$0.isEmpty }
    }

    private static func roles(_ text: String?) -> [String] {
        text.map { $0.split(separator: ",").map(\.trimmed) } ?? roles
    }

    /// Brokers of another cluster that the registry is to serve; nil for the one of this process.
    var registryServers: String? {
        self.set["kafkastore.bootstrap.servers"].flatMap { $0.text.isEmpty ? nil : $0.text }
    }

    /// What the registry runs with.
    ///
    /// - Parameter address: where it listens.
    func registrySettings(_ address: HostPort) -> RegistrySettings {
        var settings = RegistrySettings()
        for definition in RegistryProperties.known { definition.apply(self[definition.name].text, &settings) }
        let name = self["host.name"].text
        settings.host = name.isEmpty ? address.host : name
        settings.isLazy = registryServers == nil
        settings.programVersion = Swiftwater.version
        return settings
    }

    /// What the SQL server runs with: properties by ksqlDB's names.
    var sqlProperties: [String: String] {
        self.set.filter { SQLProperties.isKnown($0.key) }.mapValues(\.text)
    }

    /// Where services of other processes are that a setting names; nil when it names none.
    ///
    /// - Throws: `CommandFailure` for what is no address.
    func addresses(_ name: String) throws -> [HTTPAddress]? {
        guard let text = self.set[name]?.text, !text.isEmpty else { return nil }
        let found = text.split(separator: ",").map { HTTPAddress($0.trimmed) }
        let known = found.compactMap { $0 }
        guard known.count == found.count, !known.isEmpty else {
            throw CommandFailure.usage("\(name) is '\(text)'", hint: "it is like http://host:8081")
        }
        return known
    }

    /// How to reach the cluster of `registryServers`.
    func registryConnection() throws(ClusterError) -> [String: String] {
        try RegistryProperties.connection(set.mapValues(\.text))
    }

    /// The value in force.
    subscript(name: String) -> Value {
        if let value = set[name] { return value }
        let text =
            Self.own.first { $0.name == name }?.defaultValue ?? WebProperties.defaultValue(name)
            ?? RegistryProperties.definition(name)?.defaultValue
            ?? PropertyCatalog.definition(name)?.defaultValue ?? ListenerProperties.definition(name)?.defaultValue
            ?? properties.text(name)
        return Value(text: text, origin: .byDefault)
    }

    /// Names that are set and are not among `names`: options of the worker, of connections and of queries.
    var furtherNames: [String] { Set(self.set.keys).subtracting(Self.names).sorted() }

    /// All names, sorted, the program's own first.
    static var names: [String] {
        own.map(\.name) + WebProperties.known.map(\.name) + ServerProperties.known.map(\.name)
            + ListenerProperties.known.map(\.name) + RegistryProperties.known.map(\.name) + PropertyCatalog.names
    }

    /// What the names of this configuration mean, for `config show --all`.
    static func documentation(_ name: String) -> String {
        own.first { $0.name == name }?.documentation ?? WebProperties.documentation(name)
            ?? ServerProperties.definition(name)?.documentation
            ?? RegistryProperties.definition(name)?.documentation ?? PropertyCatalog.definition(name)?.documentation
            ?? ListenerProperties.definition(name)?.documentation ?? WorkerProperties.documentation(name)
            ?? ""
    }

    private static func canonical(_ name: String) -> String {
        switch name {
        case "log.dir": "log.dirs"
        case "broker.id": "node.id"
        case "bootstrap.servers": "kafkastore.bootstrap.servers"
        default: RegistryProperties.canonical(name)
        }
    }

    /// `PLAINTEXT://HOST:PORT`, `HOST:PORT`, `:PORT` or `PORT`; without a host all addresses in the first and third
    /// form, as in Kafka, and loopback in the last.
    static func listener(_ text: String) throws -> HostPort {
        guard !text.contains(",") else {
            throw CommandFailure.usage("'\(text)' names several addresses: one is possible")
        }
        var rest = text[...]
        if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
        if rest.first == ":", !rest.dropFirst().contains(":") { rest = "0.0.0.0" + rest }
        if let port = Int(rest), 0...65535 ~= port { return HostPort(host: "127.0.0.1", port: port) }
        return try HostPort(String(rest))
    }

    private mutating func check() throws {
        let names = Self.roles(self["roles"].text)
        for name in names where !Self.roles.contains(name) {
            let nearest = nearestName(to: name, among: Self.roles)
            throw CommandFailure.usage(
                "unknown role '\(name)'" + (nearest.map { ": did you mean '\($0)'?" } ?? ""),
                hint: "this version has \(Self.roles.joined(separator: ", "))")
        }
        guard !names.isEmpty else { throw CommandFailure.usage("no roles to run") }
        if registry != nil, !runsBroker, registryServers == nil {
            throw CommandFailure.usage(
                "the registry needs a cluster for its schemas",
                hint: "name one with --bootstrap-servers HOST:PORT, or run the role kafka as well")
        }
        if sql != nil, !runsBroker, registryServers == nil {
            throw CommandFailure.usage(
                "the SQL server needs a cluster for its queries",
                hint: "name one with --bootstrap-servers HOST:PORT, or run the role kafka as well")
        }
        if console != nil, !runsBroker, registryServers == nil {
            throw CommandFailure.usage(
                "the console needs a cluster to show",
                hint: "name one with --bootstrap-servers HOST:PORT, or run the role kafka as well")
        }
        try checkAddresses()
        let inbox = self["console.inbox"]
        guard ["true", "false"].contains(inbox.text.lowercased()) else {
            throw CommandFailure.usage("console.inbox is true or false, not '\(inbox.text)' (\(inbox.origin))")
        }
        guard !dataDirectory.isEmpty, !dataDirectory.contains(",") else {
            throw CommandFailure.usage("log.dirs (--data-dir) names one folder")
        }
        let insecure = self["insecure"]
        guard ["true", "false"].contains(insecure.text.lowercased()) else {
            throw CommandFailure.usage("insecure is true or false, not '\(insecure.text)' (\(insecure.origin))")
        }
        for listener in listeners where runsBroker {
            let address = HostPort(host: listener.host, port: listener.port)
            guard !address.isLoopback else { continue }
            guard listener.authenticates || insecure.text.lowercased() == "true" else {
                throw CommandFailure.usage(
                    "listening on \(address) lets everybody who reaches it read and write, because listener "
                        + "\(listener.name) has no authentication",
                    hint: "listen on a loopback address such as 127.0.0.1:\(address.port), use SASL_SSL or SSL with "
                        + "ssl.client.auth=required (see docs/security.md), or add --insecure")
            }
            if listener.showsPasswords {
                warnings.append(
                    "listener \(listener.name) is SASL_PLAINTEXT at \(address) and offers PLAIN: passwords travel so that "
                        + "others on the way can read them; SASL_SSL protects them")
            }
            if listener.showsTokens {
                warnings.append(
                    "listener \(listener.name) is SASL_PLAINTEXT at \(address) and offers OAUTHBEARER: tokens travel so that "
                        + "others on the way can read and use them; SASL_SSL protects them")
            }
        }
        for listener in listeners where runsBroker && listener.takesUnsecuredTokens {
            warnings.append(
                "listener \(listener.name) takes unsecured tokens: clients are whoever they say, which is for tests alone"
            )
        }
        try checkWebPorts(isInsecure: insecure.text.lowercased() == "true")
        try checkWorkers()
        warnings += try detours()
    }

    /// Each part needs an address of its own, which is better said before one of them finds it taken.
    private func checkAddresses() throws {
        let all = [
            ("registry.listener", registry), ("connect.listener", connect),
            ("sql.listener", sql), ("console.listener", console), ("admin.listener", admin),
        ]
        var owners: [String: String] = [:]
        let kafka = listeners.map { ("listeners", runsBroker ? HostPort(host: $0.host, port: $0.port) : nil) }
        for (name, address) in kafka + all {
            guard let address, address.port != 0 else { continue }
            if let other = owners.updateValue(name, forKey: address.description) {
                throw CommandFailure.usage(
                    "\(other) (\(self[other].origin)) and \(name) (\(self[name].origin)) are both \(address)",
                    hint: "each needs a port of its own; 0 takes any that is free")
            }
        }
    }
}
