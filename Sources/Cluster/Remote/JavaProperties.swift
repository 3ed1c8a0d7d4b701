import CRdKafka

/// Settings of Kafka's Java clients that have no counterpart in librdkafka (Kafka documentation, "Consumer Configs", "Producer
/// Configs", "Admin Configs"), and those of Confluent's serializers, which stand in the same files.
enum JavaProperties {
    static let names: Set<String> = Set(
        """
        allow.auto.create.topics auto.include.jmx.reporter buffer.memory client.dns.lookup compression.gzip.level
        compression.lz4.level compression.zstd.level config.providers default.api.timeout.ms enable.metrics.push
        exclude.internal.topics fetch.max.wait.ms group.protocol group.remote.assignor interceptor.classes
        internal.leave.group.on.close key.deserializer key.serializer max.block.ms max.poll.records
        metadata.max.idle.ms metadata.recovery.rebootstrap.trigger.ms metadata.recovery.strategy metric.reporters
        metrics.num.samples metrics.recording.level metrics.sample.window.ms partitioner.adaptive.partitioning.enable
        partitioner.availability.timeout.ms partitioner.class partitioner.ignore.keys receive.buffer.bytes
        sasl.client.callback.handler.class sasl.jaas.config sasl.kerberos.kinit.cmd sasl.kerberos.ticket.renew.jitter
        sasl.kerberos.ticket.renew.window.factor sasl.login.callback.handler.class sasl.login.class
        sasl.login.connect.timeout.ms sasl.login.read.timeout.ms sasl.login.refresh.buffer.seconds
        sasl.login.refresh.min.period.seconds sasl.login.refresh.window.factor sasl.login.refresh.window.jitter
        sasl.login.retry.backoff.max.ms sasl.login.retry.backoff.ms sasl.oauthbearer.clock.skew.seconds
        sasl.oauthbearer.expected.audience sasl.oauthbearer.expected.issuer sasl.oauthbearer.header.urlencode
        sasl.oauthbearer.jwks.endpoint.refresh.ms sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms
        sasl.oauthbearer.jwks.endpoint.retry.backoff.ms sasl.oauthbearer.jwks.endpoint.url
        sasl.oauthbearer.sub.claim.name security.providers send.buffer.bytes share.acknowledgement.mode
        share.acquire.mode socket.connection.setup.timeout.max.ms ssl.enabled.protocols ssl.engine.factory.class
        ssl.keymanager.algorithm ssl.protocol ssl.provider ssl.secure.random.implementation
        ssl.trustmanager.algorithm transaction.two.phase.commit.enable value.deserializer value.serializer
        auto.register.schemas avro.reflection.allow.null basic.auth.credentials.source basic.auth.user.info
        bearer.auth.credentials.source bearer.auth.token json.value.type key.subject.name.strategy
        latest.compatibility.strict normalize.schemas specific.avro.reader use.latest.version
        value.subject.name.strategy
        """.split { $0 == " " || $0 == "\n" }.map(String.init))

    /// Behind these, any name.
    private static let families = ["schema.registry.", "basic.auth.", "bearer.auth.", "confluent."]

    static func contain(_ name: String) -> Bool { names.contains(name) || families.contains { name.hasPrefix($0) } }

    /// Java's names of what librdkafka calls otherwise.
    static let renamed = [
        "max.request.size": "message.max.bytes", "fetch.max.wait.ms": "fetch.wait.max.ms",
    ]

    /// The assignors of a list of classes or of librdkafka's names. It takes only those that move partitions in the same way:
    /// like the first one.
    ///
    /// - Parameter notice: is told what is left out.
    static func assignors(_ list: String, notice: (String) -> Void) -> String? {
        let known = [
            "RangeAssignor": "range", "RoundRobinAssignor": "roundrobin",
            "CooperativeStickyAssignor": "cooperative-sticky",
        ]
        var taken: [String] = []
        for part in list.split(separator: ",") {
            let text = String(part.filter { !" []".contains($0) })
            let name = text.contains(".") ? text.split(separator: ".").last.map(String.init) ?? text : text
            guard let assignor = known[name] ?? (known.values.contains(text) ? text : nil) else {
                notice("partition.assignment.strategy: '\(text)' is left out, which librdkafka does not have")
                continue
            }
            let isCooperative = assignor == "cooperative-sticky"
            if let first = taken.first, (first == "cooperative-sticky") != isCooperative {
                notice("partition.assignment.strategy: '\(text)' is left out, which does not go with '\(first)'")
                continue
            }
            taken.append(assignor)
        }
        return taken.isEmpty ? nil : taken.joined(separator: ",")
    }

    /// Whether librdkafka has a property of the name, whatever it thinks of the value.
    static func isOfLibrary(_ name: String, _ value: String) -> Bool {
        guard let conf = rd_kafka_conf_new() else { return true }
        defer { rd_kafka_conf_destroy(conf) }
        return rd_kafka_conf_set(conf, name, value, nil, 0) != RD_KAFKA_CONF_UNKNOWN
    }

    /// Kafka's names that librdkafka takes for others of its own, and does not list.
    private static let aliases = [
        "acks", "bootstrap.servers", "compression.type", "delivery.timeout.ms", "linger.ms",
        "max.in.flight.requests.per.connection", "retries",
    ]

    /// What librdkafka calls its properties, as far as they have values by default, and what Kafka calls them.
    static func namesOfLibrary() -> [String] {
        guard let conf = rd_kafka_conf_new() else { return [] }
        defer { rd_kafka_conf_destroy(conf) }
        var count = 0
        guard let pairs = rd_kafka_conf_dump(conf, &count) else { return [] }
        defer { rd_kafka_conf_dump_free(pairs, count) }
        return stride(from: 0, to: count, by: 2).compactMap { pairs[$0].map { String(cString: $0) } } + aliases
    }
}
