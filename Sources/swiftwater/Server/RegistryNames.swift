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
        "schema.canonicalize.on.consume", "resource.static.locations", "access.control.skip.options",
        // Nodes speak to each other as they do to clients: by the scheme of `registry.listener`.
        "inter.instance.protocol", "schema.registry.inter.instance.protocol", "inter.instance.listener.name",
        "inter.instance.headers.whitelist",
        "request.logger.name", "request.queue.capacity", "request.queue.capacity.init", "request.queue.capacity.growby",
        "shutdown.graceful.ms", "idle.timeout.ms", "compression.enable", "http2.enabled", "thread.pool.min",
        "thread.pool.max", "response.mediatype.default", "response.mediatype.preferred",
    ]

    private static let prefixes = [
        "kafkastore.checkpoint.", "websocket.", "metrics.jmx.", "metrics.tag.", "metrics.context.", "metrics.latency.",
        "metrics.global.",
    ]

    private static let missing: [(prefix: String, what: String)] = [
        ("kafkastore.connection.url", "ZooKeeper; brokers are named by kafkastore.bootstrap.servers"),
        ("kafkastore.update.handlers", "classes that are told of changes"),
        ("schema.providers", "classes of further types of schemas"),
        ("metadata.encoder.", "encryption of sensitive properties, which the topic holds as they are"),
        ("host.port", "other port for nodes than the one of registry.listener"),
        ("dos.filter.", "limits of requests for each client"),
        ("network.traffic.rate.limit.", "limits of traffic"), ("csrf.prevention.", "tokens against forged requests"),
        ("response.http.headers.config", "headers of answers as a setting"),
        ("nosniff.prevention.enable", "headers of answers as a setting"),
        ("proxy.protocol.enabled", "proxy protocol"),
    ]

    /// Classes whose endpoints the registry has without them, or has nothing to do for.
    private static let builtIn = ["DekRegistryResourceExtension", "RuleSetResourceExtension"]

    /// nil for a name that the original does not have either.
    static func meaning(_ name: String, _ value: String) -> KafkaProperties.Meaning? {
        if ["resource.extension.class", "schema.registry.resource.extension.class"].contains(name) {
            let classes = value.split(separator: ",").map(\.trimmed)
            let other = classes.first { name in !builtIn.contains { name.hasSuffix("." + $0) } }
            guard let other else { return .nothing }
            return .missing("class \(other); of extensions it has what those for encryption keys add")
        }
        if let (_, what) = missing.first(where: { name.hasPrefix($0.prefix) }) {
            return value.lowercased() == "false" ? .nothing : .missing(what)
        }
        return names.contains(name) || prefixes.contains { name.hasPrefix($0) } ? .nothing : nil
    }
}
