/// Names of Kafka's `server.properties` that this program has no setting for, so that a file that was written for Kafka can be
/// taken as it is.
///
/// A name with nothing behind it is passed over and told at the start; one that would protect something is refused, as a
/// broker that seems to be protected is worse than none. Source: Kafka's broker configs, 4.3.
enum KafkaProperties {
    enum Meaning: Equatable {
        /// It is about parts that one process does not have: a controller quorum, replicas, threads of the original.
        case nothing
        /// What it asks for is not there.
        case missing(String)
    }

    private static let missing: [(prefix: String, what: String)] = [
        ("ssl.", "TLS"), ("sasl.", "authentication"), ("delegation.token.", "authentication"),
        ("authorizer.", "such setting of an authorizer"),
        ("principal.builder.", "authentication"), ("security.providers", "TLS"),
        ("create.topic.policy.", "policies"), ("alter.config.policy.", "policies"),
        ("config.providers", "providers of settings"),
        ("client.quota.callback.", "quotas"), ("remote.", "tiered storage"),
        ("max.connections.per.ip.overrides", "limits for single addresses"),
    ]

    private static let prefixes = [
        "controller.", "replica.", "replication.", "follower.", "leader.imbalance.", "leader.replication.", "metadata.",
        "quota.",
        "share.coordinator.", "group.share.", "group.streams.", "group.coordinator.", "inter.broker.", "broker.",
        "zookeeper.", "quorum.", "controlled.shutdown.", "telemetry.", "transaction.partition.", "share.fetch.",
        "log.local.retention.", "log.remote.copy.", "alter.log.dirs.replication.", "add.partitions.to.txn.",
        "socket.connection.setup.", "internal.metadata.",
    ]

    private static let names: Set<String> = [
        "process.roles", "early.start.listeners", "listener.security.protocol.map", "security.inter.broker.protocol",
        "background.threads", "num.replica.fetchers", "num.replica.alter.log.dirs.threads",
        "num.recovery.threads.per.data.dir", "socket.send.buffer.bytes", "socket.receive.buffer.bytes",
        "socket.listen.backlog.size", "queued.max.requests", "request.timeout.ms", "metric.reporters",
        "metrics.num.samples", "metrics.recording.level", "metrics.sample.window.ms",
        "auto.include.jmx.reporter", "auto.leader.rebalance.enable", "reserved.broker.max.id",
        "initial.broker.registration.timeout.ms", "server.max.startup.time.ms", "max.connection.creation.rate",
        "connection.failed.authentication.delay.ms", "connections.max.reauth.ms", "max.request.partition.size.limit",
        "fetch.purgatory.purge.interval.requests", "producer.purgatory.purge.interval.requests",
        "delete.records.purgatory.purge.interval.requests", "log.dir.failure.timeout.ms", "log.initial.task.delay.ms",
        "log.flush.scheduler.interval.ms", "log.flush.start.offset.checkpoint.interval.ms",
        "producer.id.expiration.check.interval.ms", "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "transaction.remove.expired.transaction.cleanup.interval.ms", "transaction.state.log.load.buffer.size",
        "transaction.two.phase.commit.enable", "unclean.leader.election.interval.ms", "cordoned.log.dirs",
        "group.consumer.assignment.interval.ms", "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms", "group.consumer.assignor.offload.enable",
        "offsets.commit.timeout.ms", "offsets.load.buffer.size", "offsets.topic.compression.codec",
        // Of the registry's file.
        "debug",
        "unstable.api.versions.enable", "unstable.feature.versions.enable",
    ]

    /// nil for a name that Kafka does not have either.
    static func meaning(_ name: String) -> Meaning? {
        if let (_, what) = missing.first(where: { name.hasPrefix($0.prefix) }) { return .missing(what) }
        // Settings of one listener: `listener.name.NAME.` and what the listener is to have.
        if name.hasPrefix("listener.name.") {
            let parts = name.split(separator: ".").dropFirst(3).joined(separator: ".")
            return meaning(parts) ?? .nothing
        }
        return names.contains(name) || prefixes.contains { name.hasPrefix($0) } ? .nothing : nil
    }

    /// The one listener of clients among those of a file for Kafka, with the protocol that stands for its name.
    ///
    /// - Parameters:
    ///   - text: `NAME://HOST:PORT`, separated by commas.
    ///   - properties: the file: `controller.listener.names` are those that controllers use among themselves, and
    ///     `listener.security.protocol.map` says what the others speak.
    /// - Returns: the listeners that remain, as they are to be written here.
    static func listeners(_ text: String, _ properties: [String: String]) -> String {
        func list(_ name: String) -> [String] {
            (properties[name] ?? "").split(separator: ",").map(\.trimmed).filter { !$0.isEmpty }
        }
        let controllers = Set(list("controller.listener.names"))
        let protocols = Dictionary(
            list("listener.security.protocol.map").compactMap { entry -> (String, String)? in
                let parts = entry.split(separator: ":").map(\.trimmed)
                return parts.count == 2 ? (parts[0], parts[1]) : nil
            }, uniquingKeysWith: { $1 })
        let kept = text.split(separator: ",").map(\.trimmed).compactMap { listener -> String? in
            guard let scheme = listener.firstRange(of: "://") else { return listener }
            let name = String(listener[..<scheme.lowerBound])
            if controllers.contains(name) { return nil }
            return (protocols[name] ?? name) + listener[scheme.lowerBound...]
        }
        return kept.joined(separator: ",")
    }
}
