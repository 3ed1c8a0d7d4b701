import Bytes
package import ConnectCore

/// How a worker runs: the options of the original's `connect-distributed.properties`, read strictly.
package struct WorkerSettings: Sendable {
    /// How exactly-once delivery of sources is offered (`exactly.once.source.support`).
    package enum ExactlyOnce: String, Sendable { case disabled, preparing, enabled }

    package let values: ConfigValues
    /// Where other workers and clients reach this one; set by whoever starts the worker.
    package var advertisedHost = "127.0.0.1"
    package var advertisedPort = 8083
    /// What others reach this worker by: http or https.
    package var scheme = "http"
    /// Whether the worker's cluster is the broker of this process: topics are made and the group is joined with the
    /// first connector only, and the worker acts at once while it knows of no other.
    package var isEmbedded = false
    /// What tells this worker from all others, also after its end when it comes back; nil where nothing does.
    package var identity: String?
    /// What `GET /` and the plugins tell.
    package var version = "0"
    /// `schema.registry.url` of converters that name none; nil where there is no registry at hand.
    package var registryURL: String?

    /// - Throws: `.config` that names the option, for an unknown one with the nearest that there is.
    package init(_ properties: [String: String]) throws(ConnectError) {
        let unknown = Self.definition.unknown(in: properties.keys, ignoring: Self.prefixes)
        if let (name, nearest) = unknown.first {
            throw .config(
                "unknown option '\(name)' of the Connect worker" + (nearest.map { ": did you mean '\($0)'?" } ?? ""))
        }
        values = try Self.definition.parse(properties)
        if values.string("key.converter")?.isEmpty ?? true { throw .config("key.converter", "", "no class is named") }
    }

    /// Options whose rest is somebody else's business: clients, converters, providers, extensions.
    package static let prefixes = [
        "key.converter.", "value.converter.", "header.converter.", "config.providers.", "producer.", "consumer.",
        "admin.", "connector.client.config.override.", "status.storage.", "offset.storage.", "config.storage.",
        "ssl.", "sasl.", "listeners.https.", "topic.creation.default.", "inter.worker.", "metrics.context.",
    ]

    /// Properties as the workers' own configurations and `validate` have them, originals with their placeholders.
    package var properties: [String: String] { values.originals }

    package var groupId: String { values.string("group.id") ?? "connect-cluster" }
    var configTopic: String { values.string("config.storage.topic") ?? "connect-configs" }
    var offsetTopic: String { values.string("offset.storage.topic") ?? "connect-offsets" }
    var statusTopic: String { values.string("status.storage.topic") ?? "connect-status" }
    var offsetPartitionCount: Int32 { Int32(clamping: values.integer("offset.storage.partitions") ?? 25) }
    var statusPartitionCount: Int32 { Int32(clamping: values.integer("status.storage.partitions") ?? 5) }
    var flushInterval: Duration { milliseconds("offset.flush.interval.ms") }
    var gracefulTimeout: Duration { milliseconds("task.shutdown.graceful.timeout.ms") }
    var rebalanceDelayMax: Duration { milliseconds("scheduled.rebalance.max.delay.ms") }
    var tracksTopics: Bool { values.flag("topic.tracking.enable") }
    var allowsTopicReset: Bool { values.flag("topic.tracking.allow.reset") }
    /// `admin.listeners`, which is empty where nobody is to see or set levels of loggers (KIP-495).
    var servesAdmin: Bool { properties["admin.listeners"] == nil }
    var createsTopics: Bool { values.flag("topic.creation.enable") }
    var protocolName: String { values.string("connect.protocol") ?? "sessioned" }
    var overridePolicy: String { values.string("connector.client.config.override.policy") ?? "All" }

    /// Exactly-once delivery is on where nobody decided and the log is this process's own: it costs nothing to set up.
    var exactlyOnce: ExactlyOnce {
        if properties["exactly.once.source.support"] == nil, isEmbedded { return .enabled }
        return values.string("exactly.once.source.support").flatMap { ExactlyOnce(rawValue: $0.lowercased()) }
            ?? .disabled
    }

    /// As statuses name this worker: `host:port`.
    package var workerId: String {
        (advertisedHost.contains(":") ? "[\(advertisedHost)]" : advertisedHost) + ":\(advertisedPort)"
    }
    package var url: String { "\(scheme)://\(workerId)/" }

    func milliseconds(_ name: String) -> Duration { .milliseconds(values.integer(name) ?? 0) }

    /// A worker's option with one of the prefixes `producer.`, `consumer.`, `admin.`, unless a connector overrides it.
    func client(_ kind: String, _ name: String, _ connector: [String: String]) -> String? {
        connector["\(kind).override.\(name)"] ?? properties["\(kind).\(name)"]
    }
}

extension Duration {
    /// Whole milliseconds, the rest cut off.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
