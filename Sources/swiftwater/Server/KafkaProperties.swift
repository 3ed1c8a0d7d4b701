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
        ("ssl.engine.factory.class", "classes of TLS; certificates are files in PEM, PKCS12 or JKS"),
        ("ssl.crl", "lists of revoked certificates"), ("ssl.allow.", "names of certificates as settings"),
        ("sasl.kerberos.", "GSSAPI; mechanisms are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"),
        ("delegation.token.master.key", "such setting, as Kafka since 4.0; see delegation.token.secret.key"),
        ("authorizer.", "such setting of an authorizer"),
        ("principal.builder.", "classes that name principals; see ssl.principal.mapping.rules"),
        ("security.providers", "providers of Java"),
        ("create.topic.policy.", "policies"), ("alter.config.policy.", "policies"),
        ("config.providers", "providers of settings"),
        ("client.quota.callback.", "classes that decide quotas; see 'swiftwater quota'"), ("remote.", "tiered storage"),
        ("max.connections.per.ip.overrides", "limits for single addresses"),
    ]

    private static let prefixes = [
        "controller.", "replica.", "replication.", "follower.", "leader.imbalance.", "leader.replication.", "metadata.",
        "share.coordinator.", "group.share.", "group.streams.", "group.coordinator.", "inter.broker.", "broker.",
        "zookeeper.", "quorum.", "sasl.login.", "sasl.client.", "controlled.shutdown.", "telemetry.",
        // How brokers get tokens for each other; those of clients are checked by the settings of listeners.
        "sasl.oauthbearer.token.endpoint.", "sasl.oauthbearer.client.credentials.", "sasl.oauthbearer.assertion.",
        "sasl.oauthbearer.jwt.retriever.", "sasl.oauthbearer.header.", "sasl.oauthbearer.scope",
        "transaction.partition.", "share.fetch.",
        "log.local.retention.", "log.remote.copy.", "alter.log.dirs.replication.", "add.partitions.to.txn.",
        "socket.connection.setup.", "internal.metadata.",
    ]

    private static let names: Set<String> = [
        "process.roles", "early.start.listeners", "security.inter.broker.protocol",
        "sasl.mechanism.inter.broker.protocol", "sasl.mechanism.controller.protocol", "ssl.protocol", "ssl.provider",
        "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.secure.random.implementation",
        "ssl.endpoint.identification.algorithm",
        "background.threads", "num.replica.fetchers", "num.replica.alter.log.dirs.threads",
        "num.recovery.threads.per.data.dir", "socket.send.buffer.bytes", "socket.receive.buffer.bytes",
        "socket.listen.backlog.size", "queued.max.requests", "request.timeout.ms", "metric.reporters",
        "metrics.num.samples", "metrics.recording.level", "metrics.sample.window.ms",
        "auto.include.jmx.reporter", "auto.leader.rebalance.enable", "reserved.broker.max.id",
        "initial.broker.registration.timeout.ms", "server.max.startup.time.ms",
        "quota.producer.default", "quota.consumer.default",
        "fetch.purgatory.purge.interval.requests", "producer.purgatory.purge.interval.requests",
        "delete.records.purgatory.purge.interval.requests", "log.dir.failure.timeout.ms", "log.initial.task.delay.ms",
        "log.flush.scheduler.interval.ms", "log.flush.start.offset.checkpoint.interval.ms",
        "producer.id.expiration.check.interval.ms", "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        "transaction.remove.expired.transaction.cleanup.interval.ms", "transaction.state.log.load.buffer.size",
        "transaction.two.phase.commit.enable", "unclean.leader.election.interval.ms", "cordoned.log.dirs",
        "group.consumer.assignor.offload.enable",
        "offsets.commit.timeout.ms", "offsets.load.buffer.size", "offsets.topic.compression.codec",
        "debug",  // of rest-utils, in the files of all the other originals
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
}
