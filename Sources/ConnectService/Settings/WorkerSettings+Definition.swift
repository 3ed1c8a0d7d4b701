package import ConnectCore

extension WorkerSettings {
    /// All options of a worker with the original's defaults, where it has them. Options of parts that this worker does
    /// otherwise are taken and have no effect, so that files written for the original work unchanged.
    package static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.text("bootstrap.servers", "", "Brokers of the cluster; the one of this process when empty.")
        definition.text("group.id", "connect-cluster", "Workers with the same id share connectors.", .notEmpty)
        definition.text("key.converter", ConverterPlugins.defaultName, "The format of keys.")
        definition.text("value.converter", ConverterPlugins.defaultName, "The format of values.")
        definition.text(
            "header.converter", "org.apache.kafka.connect.storage.SimpleHeaderConverter", "The format of headers.")
        definition.text("config.storage.topic", "connect-configs", "The topic of configurations.", .notEmpty)
        definition.text("offset.storage.topic", "connect-offsets", "The topic of sources' offsets.", .notEmpty)
        definition.text("status.storage.topic", "connect-status", "The topic of states.", .notEmpty)
        for kind in ["config", "offset", "status"] {
            definition.define(
                "\(kind).storage.replication.factor", .short, .value(.integer(3)), .replication, .low,
                "Replicas of the \(kind) topic when it is made, at most one for each broker; -1 for the brokers' default."
            )
        }
        definition.define("offset.storage.partitions", .int, .value(.integer(25)), .partitions, .low, "Its partitions.")
        definition.define("status.storage.partitions", .int, .value(.integer(5)), .partitions, .low, "Its partitions.")
        definition.number("offset.flush.interval.ms", 60_000, 1, "Time between commits of offsets.")
        definition.number(
            "offset.flush.timeout.ms", 5_000, 1,
            "Accepted, without effect: a commit of offsets holds no task up, and is given up as any write is.")
        definition.number("task.shutdown.graceful.timeout.ms", 5_000, 0, "How long tasks may take to stop.")
        definition.number("session.timeout.ms", 10_000, 1, "How long the group waits for a sign of life of a worker.")
        definition.number("heartbeat.interval.ms", 3_000, 1, "Time between signs of life.")
        definition.number("rebalance.timeout.ms", 60_000, 1, "How long a worker may take to join the group again.")
        definition.number(
            "scheduled.rebalance.max.delay.ms", 300_000, 0, "How long the work of a lost worker waits for it.")
        definition.number(
            "worker.sync.timeout.ms", 3_000, 0,
            "Accepted, without effect: a worker reads the config topic up to its end before it takes work.")
        definition.number(
            "worker.unsync.backoff.ms", 300_000, 0,
            "Accepted, without effect: a worker that is behind reads on, and stays in the group.")
        definition.define(
            "connect.protocol", .string, .value(.string("sessioned")), .oneOf(["eager", "compatible", "sessioned"]),
            .low, "How workers share their work.")
        definition.flag("topic.tracking.enable", true, "Whether the topics of connectors are tracked.")
        definition.flag("topic.tracking.allow.reset", true, "Whether the tracked topics may be reset.")
        definition.flag("topic.creation.enable", true, "Whether topics are made by the rules of sources.")
        definition.define(
            "exactly.once.source.support", .string, .value(.string("disabled")),
            .oneOf(["disabled", "preparing", "enabled"], ignoresCase: true), .high,
            "Whether sources write records and offsets in one transaction. On the log of this process: enabled.")
        definition.text(
            "connector.client.config.override.policy", "All", "What connectors may override: All, None, Principal.")
        definition.define("config.providers", .list, .value(.list([])), nil, .low, "Names of providers of values.")
        definition.text("client.id", "", "Accepted, without effect.")
        definition.text(
            "listeners", "http://:8083", "Where the worker listens; `connect.listener` of the program wins.")
        definition.define("rest.advertised.host.name", .string, .null, nil, .low, "What others reach this worker by.")
        definition.define("rest.advertised.port", .int, .null, nil, .low, "The port of it.")
        definition.text("access.control.allow.origin", "", "Origins that browsers may ask from.")
        definition.text("access.control.allow.methods", "", "Methods that browsers may use.")
        definition.define(
            "rest.advertised.listener", .string, .null, nil, .low,
            "What others reach this worker by: http or https; as it listens when empty.")
        definition.define(
            "rest.extension.classes", .string, .null, nil, .low,
            "Extensions: that of basic authentication, which asks for users as authentication.method=BASIC does.")
        definition.define(
            "security.protocol", .string, .null, nil, .low,
            "How brokers are spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.")
        definition.define(
            "admin.listeners", .string, .null, .adminListeners, .low,
            "Empty: nothing answers below /admin. A port of its own for it there is not.")
        definition.define(
            "response.http.headers.config", .string, .null, .absent("headers of answers are no setting"), .low,
            "Headers of answers. Not available.")
        for name in ["plugin.path", "plugin.discovery"] {
            definition.define(
                name, .string, .null, nil, .low, "Accepted, without effect: plugins are part of this program.")
        }
        for name in [
            "client.dns.lookup", "metadata.max.age.ms", "reconnect.backoff.ms", "reconnect.backoff.max.ms",
            "request.timeout.ms", "retry.backoff.ms", "retry.backoff.max.ms", "send.buffer.bytes",
            "receive.buffer.bytes", "connections.max.idle.ms", "socket.connection.setup.timeout.ms",
            "socket.connection.setup.timeout.max.ms", "metadata.recovery.strategy",
            "metadata.recovery.rebootstrap.trigger.ms",
        ] {
            definition.define(
                name, .string, .null, nil, .low,
                "Accepted, without effect: the worker's own connections to brokers are timed by the program.")
        }
        for name in [
            "metric.reporters", "metrics.num.samples", "metrics.recording.level", "metrics.sample.window.ms",
            "auto.include.jmx.reporter",
        ] {
            definition.define(
                name, .string, .null, nil, .low, "Accepted, without effect: metrics are those of /metrics.")
        }
        for name in [
            "offset.storage.file.filename", "config.action.reload", "internal.key.converter",
            "internal.value.converter", "task.shutdown.graceful.timeout",
        ] {
            definition.define(name, .string, .null, nil, .low, "Accepted, without effect.")
        }
        return definition
    }()
}

extension ConfigDef {
    fileprivate mutating func text(
        _ name: String, _ value: String, _ documentation: String, _ check: ConfigValidator? = nil
    ) {
        define(name, .string, .value(.string(value)), check, .medium, documentation)
    }

    fileprivate mutating func number(_ name: String, _ value: Int64, _ least: Int64, _ documentation: String) {
        define(name, .long, .value(.integer(value)), .atLeast(least), .medium, documentation)
    }

    fileprivate mutating func flag(_ name: String, _ value: Bool, _ documentation: String) {
        define(name, .boolean, .value(.boolean(value)), nil, .medium, documentation)
    }
}

extension ConfigValidator {
    fileprivate static let adminListeners = Self { (name, value) throws(ConnectError) in
        guard case .string(let text) = value, text.contains(where: { $0 != " " }) else { return }
        throw .config(
            name, text,
            "what is below /admin is answered where the worker listens: leave it out, or leave it empty to have none")
    }
    static let replication = Self { (name, value) throws(ConnectError) in
        guard case .integer(let number) = value, number == -1 || number >= 1 else {
            throw .config(
                name, value.text,
                "Replication factor must be positive and not larger than the number of "
                    + "brokers in the Kafka cluster, or -1 to use the broker's default")
        }
    }
    static let partitions = Self { (name, value) throws(ConnectError) in
        guard case .integer(let number) = value, number == -1 || number >= 1 else {
            throw .config(
                name, value.text, "Number of partitions must be positive, or -1 to use the broker's default")
        }
    }
}
