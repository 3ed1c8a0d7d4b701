package import Coordinators
package import KafkaMessages
import NIOCore

extension GroupShard: CoordinatorShard {
    typealias Order = Never

    mutating func tick(
        at time: EventTime, topics: any TopicImage, producerIds: ProducerIdPool
    ) -> (Decision, [Never])? {
        (tick(at: time, topics: topics), [])
    }

    mutating func finishLoading(at time: EventTime) -> (Decision, [Never]) {
        let load: (inout Self, EventTime) -> Void = { $0.finishLoading(at: $1) }
        load(&self, time)
        return (Decision(), [])
    }
}

extension TransactionShard: CoordinatorShard {
    typealias Order = MarkerOrder

    mutating func tick(
        at time: EventTime, topics: any TopicImage, producerIds: ProducerIdPool
    ) -> (Decision, [MarkerOrder])? {
        guard let freshId = producerIds.next() else {
            // For the next attempt; while the disk is full there may be none for long.
            producerIds.withNext { if case .success(let id) = $0 { producerIds.giveBack(id) } }
            return nil
        }
        let decision = tick(at: time, freshProducerId: freshId)
        if !decision.usedFreshProducerId { producerIds.giveBack(freshId) }
        return (decision.decision, decision.markers)
    }

    mutating func replay(key: ByteBuffer, value: ByteBuffer?, producerId: Int64?) throws {
        try replay(key: key, value: value)
    }

    /// Nobody writes transactions into the topic of transactions.
    mutating func replayMarker(producerId: Int64, isCommit: Bool) {}

    mutating func finishLoading(at time: EventTime) -> (Decision, [MarkerOrder]) {
        let decision: TransactionDecision = finishLoading(at: time)
        return (decision.decision, decision.markers)
    }
}

extension ShareStateShard: CoordinatorShard {
    /// A share partition that has records to deliver again.
    typealias Order = SharePartitionKey

    mutating func tick(
        at time: EventTime, topics: any TopicImage, producerIds: ProducerIdPool
    ) -> (Decision, [SharePartitionKey])? { tick(at: time) }

    mutating func replay(key: ByteBuffer, value: ByteBuffer?, producerId: Int64?) throws {
        try replay(key: key, value: value)
    }

    /// Nobody writes transactions into the topic of share groups.
    mutating func replayMarker(producerId: Int64, isCommit: Bool) {}

    mutating func finishLoading(at time: EventTime) -> (Decision, [SharePartitionKey]) {
        let decision: Decision = finishLoading(at: time)
        // Fetches that came too early look again.
        return (decision, keys)
    }
}

extension TopicCatalog.Snapshot: TopicImage {
    package func facts(named name: String) -> TopicFacts? { topic(named: name).map(Self.facts) }
    package func facts(id: KafkaUUID) -> TopicFacts? { byId[id].map(Self.facts) }
    package var names: [String] { Array(byName.keys) }
    package var version: UInt64? { changeCount }

    private static func facts(_ topic: Topic) -> TopicFacts {
        TopicFacts(name: topic.name, id: topic.id, partitionCount: Int32(clamping: topic.partitions.count))
    }
}

extension GroupConfiguration {
    init(_ server: ServerProperties, settingsOfGroup: @escaping @Sendable (String) -> GroupSettings?) {
        self.init()
        self.settingsOfGroup = settingsOfGroup
        minSessionTimeoutMs = Int32(clamping: server.number("group.min.session.timeout.ms"))
        maxSessionTimeoutMs = Int32(clamping: server.number("group.max.session.timeout.ms"))
        initialRebalanceDelayMs = Int32(clamping: server.number("group.initial.rebalance.delay.ms"))
        maxSize = Int(server.number("group.max.size"))
        offsetMetadataMaxBytes = Int(server.number("offset.metadata.max.bytes"))
        offsetsRetentionMinutes = server.number("offsets.retention.minutes")
        offsetsRetentionCheckIntervalMs = server.number("offsets.retention.check.interval.ms")
        consumer = ConsumerGroupSettings(server)
        share = ShareMembershipSettings(server)
        streams = StreamsGroupSettings(server)
    }
}

extension ConsumerGroupSettings {
    init(_ server: ServerProperties) {
        self.init()
        sessionTimeoutMs = Int32(clamping: server.number("group.consumer.session.timeout.ms"))
        heartbeatIntervalMs = Int32(clamping: server.number("group.consumer.heartbeat.interval.ms"))
        assignmentIntervalMs = Int32(clamping: server.number("group.consumer.assignment.interval.ms"))
        maxSize = Int(server.number("group.consumer.max.size"))
        let names = ConfigDefinition.items(of: server.text("group.consumer.assignors"))
        assignors = names.compactMap { ServerAssignor(configured: $0) }
        migrationPolicy =
            MigrationPolicy(rawValue: server.text("group.consumer.migration.policy").lowercased()) ?? .bidirectional
        regexRefreshIntervalMs = Int32(clamping: server.number("group.consumer.regex.refresh.interval.ms"))
    }
}

extension TransactionConfiguration {
    init(_ server: ServerProperties) {
        self.init(
            timeoutMsMax: Int32(clamping: server.number("transaction.max.timeout.ms")),
            transactionalIdExpirationMs: server.number("transactional.id.expiration.ms"))
    }
}
