/// Names of the settings of Kafka's consumers and producers and of Kafka Streams (Kafka documentation, "Consumer Configs",
/// "Producer Configs", "Kafka Streams Configs"): what SET may name besides `ksql.*`.
enum ClientProperties {
    /// Behind these, any name.
    private static let families = ["sasl.", "ssl.", "topic.", "metrics.", "rack.aware.assignment."]

    /// By the alphabet.
    static let names: [String] =
        """
        acceptable.recovery.lag acks allow.auto.create.topics application.id application.server auto.commit.interval.ms
        auto.include.jmx.reporter auto.offset.reset batch.size bootstrap.servers buffer.memory
        buffered.records.per.partition built.in.metrics.version cache.max.bytes.buffering check.crcs client.dns.lookup
        client.id client.rack commit.interval.ms compression.gzip.level compression.lz4.level compression.type
        compression.zstd.level config.providers connections.max.idle.ms default.api.timeout.ms default.client.supplier
        default.deserialization.exception.handler default.dsl.store default.key.serde default.list.key.serde.inner
        default.list.key.serde.type default.list.value.serde.inner default.list.value.serde.type
        default.production.exception.handler default.timestamp.extractor default.value.serde delivery.timeout.ms
        deserialization.exception.handler dsl.store.suppliers.class enable.auto.commit enable.idempotence
        enable.metrics.push ensure.explicit.internal.resource.naming errors.dead.letter.queue.topic.name
        exclude.internal.topics fetch.max.bytes fetch.max.wait.ms fetch.min.bytes group.id group.instance.id
        group.protocol group.remote.assignor heartbeat.interval.ms interceptor.classes isolation.level key.deserializer
        key.serializer linger.ms log.summary.interval.ms max.block.ms max.in.flight.requests.per.connection
        max.partition.fetch.bytes max.poll.interval.ms max.poll.records max.request.size max.task.idle.ms
        max.warmup.replicas metadata.max.age.ms metadata.max.idle.ms metadata.recovery.rebootstrap.trigger.ms
        metadata.recovery.strategy metric.reporters num.standby.replicas num.stream.threads
        partition.assignment.strategy partitioner.adaptive.partitioning.enable partitioner.availability.timeout.ms
        partitioner.class partitioner.ignore.keys poll.ms probing.rebalance.interval.ms processing.exception.handler
        processing.guarantee processor.wrapper.class production.exception.handler receive.buffer.bytes
        reconnect.backoff.max.ms reconnect.backoff.ms repartition.purge.interval.ms replication.factor
        request.timeout.ms retries retry.backoff.max.ms retry.backoff.ms rocksdb.config.setter security.protocol
        security.providers send.buffer.bytes session.timeout.ms share.acknowledgement.mode share.acquire.mode
        socket.connection.setup.timeout.max.ms socket.connection.setup.timeout.ms state.cleanup.delay.ms state.dir
        statestore.cache.max.bytes task.assignor.class task.timeout.ms topology.optimization transaction.timeout.ms
        transaction.two.phase.commit.enable transactional.id upgrade.from value.deserializer value.serializer
        window.size.ms windowed.inner.class.serde windowstore.changelog.additional.retention.ms
        """.split { $0 == " " || $0 == "\n" }.map(String.init)

    /// - Parameter name: without `ksql.streams.`, `consumer.` or `producer.` in front.
    static func contain(_ name: String) -> Bool {
        names.contains(name) || families.contains { name.hasPrefix($0) }
    }
}
