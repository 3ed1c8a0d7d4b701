/// Names of the original's `schema-registry.properties` that this program has no setting for, so that a file that was written
/// for it can be taken as it is.
///
/// As with Kafka's, a name with nothing behind it is passed over and told at the start; one that would protect something, or
/// add what is not there, is refused. Source: upstream `SchemaRegistryConfig` 8.1 and `RestConfig` of rest-utils.
enum RegistryNames {
    private static let names: Set<String> = [
        "kafkastore.group.id", "kafkastore.topic.skip.validation", "kafkastore.write.max.retries",
        "kafkagroup.rebalance.timeout.ms", "kafkagroup.session.timeout.ms", "kafkagroup.heartbeat.interval.ms",
        "leader.connect.timeout.ms", "leader.read.timeout.ms", "leader.election.delay", "schema.cache.expiry.secs",
        "schema.canonicalize.on.consume", "resource.static.locations",
        "inter.instance.listener.name", "inter.instance.headers.whitelist", "suppress.stack.trace.response",
        "request.logger.name", "request.queue.capacity", "request.queue.capacity.init", "request.queue.capacity.growby",
        "shutdown.graceful.ms", "idle.timeout.ms", "compression.enable", "http2.enabled", "thread.pool.min",
        "thread.pool.max", "response.mediatype.default", "response.mediatype.preferred",
    ]

    private static let prefixes = [
        // What goes with switches that are below.
        "metadata.encoder.", "dos.filter.", "csrf.prevention.", "network.traffic.rate.limit.",
        "kafkastore.checkpoint.", "websocket.", "metrics.jmx.", "metrics.tag.", "metrics.context.", "metrics.latency.",
        "metrics.global.",
    ]

    /// What is refused when it is set, and not to false.
    private static let missing: [String: String] = [
        "kafkastore.connection.url": "ZooKeeper; brokers are named by kafkastore.bootstrap.servers",
        "kafkastore.update.handlers": "classes that are told of changes",
        "schema.providers": "classes of further types of schemas",
        "metadata.encoder.secret": "encryption of sensitive properties, which the topic holds as they are",
        "metadata.encoder.old.secret": "encryption of sensitive properties, which the topic holds as they are",
        "host.port": "other port for nodes than the one of registry.listener",
        "dos.filter.enabled": "limits of requests for each client",
        "network.traffic.rate.limit.enable": "limits of traffic",
        "csrf.prevention.enable": "tokens against forged requests",
        "response.http.headers.config": "headers of answers as a setting",
        "nosniff.prevention.enable": "headers of answers as a setting",
        "proxy.protocol.enabled": "proxy protocol", "reject.options.request": "such way to refuse OPTIONS",
        "listener.protocol.map": "names for listeners; registry.listener is http://HOST:PORT or https://HOST:PORT",
    ]

    private static let limits: Set<String> = ["server.connection.limit", "connector.connection.limit"]

    private static let extensions: Set<String> = [
        "resource.extension.class", "resource.extension.classes", "schema.registry.resource.extension.class",
    ]

    /// Classes whose endpoints the registry has without them, or has nothing to do for.
    private static let builtIn = ["DekRegistryResourceExtension", "RuleSetResourceExtension"]

    /// nil for a name that the original does not have either.
    ///
    /// - Parameter listener: where the registry listens, as it is set; nil when it is not.
    static func meaning(_ name: String, _ value: String, listener: String?) -> KafkaProperties.Meaning? {
        let value = value.trimmed
        if let what = missing[name] { return ["", "false"].contains(value.lowercased()) ? .nothing : .missing(what) }
        switch name {
        case "inter.instance.protocol", "schema.registry.inter.instance.protocol":
            // Nodes speak to each other as they do to clients: by the scheme of `registry.listener`.
            let isOpen = value.lowercased() == "https" && !(listener.map(WebPort.isSecure) ?? false)
            return isOpen ? .missing("https among registries without registry.listener=https://HOST:PORT") : .nothing
        case "access.control.skip.options":
            return value.lowercased() == "false" ? .missing("authentication of OPTIONS requests") : .nothing
        case "port":
            // As in the original, `listeners` win.
            return listener == nil ? .missing("such name of a port; it is that of listeners") : .nothing
        case _ where limits.contains(name):
            return value.isEmpty || (Int(value) ?? 1) <= 0 ? .nothing : .missing("limit of connections to the registry")
        default: break
        }
        if extensions.contains(name) {
            let classes = value.split(separator: ",").map(\.trimmed)
            let other = classes.first { name in !builtIn.contains { name.hasSuffix("." + $0) } }
            guard let other else { return .nothing }
            return .missing("class \(other); of extensions it has what those for encryption keys add")
        }
        return names.contains(name) || prefixes.contains { name.hasPrefix($0) } ? .nothing : nil
    }
}
