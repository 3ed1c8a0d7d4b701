import Coordinators
import KafkaMessages
import NIOCore

/// Topics by name, with their numbers of partitions.
struct Topics: TopicImage {
    var counts: [String: Int32]

    func facts(named name: String) -> TopicFacts? {
        counts[name].map { TopicFacts(name: name, id: .zero, partitionCount: $0) }
    }

    func facts(id: KafkaUUID) -> TopicFacts? { nil }
    var names: [String] { Array(counts.keys) }
}

/// A shard with a log that takes everything at once, and requests in short.
struct TransactionBench {
    var shard = TransactionShard(configuration: TransactionConfiguration(coordinatorEpoch: 7))
    var time = EventTime(wall: 1_000_000, monotonic: 50_000)
    var topics = Topics(counts: ["a": 4, "b": 1])
    var log: [CoordinatorRecord] = []
    var orders: [MarkerOrder] = []
    var replies: [ReplyToken: any KafkaMessage] = [:]
    var nextFreshProducerId: Int64 = 1_000
    private var tokens: UInt64 = 0

    mutating func token() -> ReplyToken {
        tokens += 1
        return ReplyToken(rawValue: tokens)
    }

    mutating func take(_ decision: TransactionDecision) {
        if !decision.decision.records.isEmpty {
            log += decision.decision.records
            shard.commit()
        }
        if decision.usedFreshProducerId { nextFreshProducerId += 1 }
        orders += decision.markers
        for reply in decision.decision.replies { replies[reply.token] = reply.message }
    }

    /// - Returns: nil when the request waits.
    mutating func initialize(
        _ id: String = "t", version: Int16 = 5, timeoutMs: Int32 = 60_000, expected: TransactionProducer? = nil
    ) -> InitProducerIdResponse? {
        let token = token()
        take(
            shard.initProducerId(
                InitProducerIdRequest(
                    transactionalId: id, transactionTimeoutMs: timeoutMs, producerId: expected?.producerId ?? -1,
                    producerEpoch: expected?.producerEpoch ?? -1),
                version: version, token: token, at: time, freshProducerId: nextFreshProducerId))
        return replies[token] as? InitProducerIdResponse
    }

    mutating func add(
        _ producer: TransactionProducer, _ partitions: [(String, Int32)] = [("a", 0)], id: String = "t",
        version: Int16 = 3, verifyOnly: Bool = false
    ) -> [Int16] {
        let token = token()
        take(
            shard.addPartitions(
                AddPartitionsToTxnRequest.AddPartitionsToTxnTransaction(
                    transactionalId: id, producerId: producer.producerId, producerEpoch: producer.producerEpoch,
                    verifyOnly: verifyOnly, topics: partitions.map { .init(name: $0.0, partitions: [$0.1]) }),
                version: version, token: token, at: time, topics: topics))
        guard let response = replies[token] as? AddPartitionsToTxnResponse else { return [] }
        let results =
            version > 3 ? response.resultsByTransaction.flatMap(\.topicResults) : response.resultsByTopicV3AndBelow
        return results.flatMap(\.resultsByPartition).map(\.partitionErrorCode)
    }

    mutating func addImplicitly(
        _ producer: TransactionProducer, _ partition: (String, Int32) = ("a", 0), id: String = "t"
    ) -> ErrorCode {
        let decision = shard.addImplicitly(
            transactionalId: id, producerId: producer.producerId, producerEpoch: producer.producerEpoch,
            topics: [TransactionTopic(name: partition.0, partitions: [partition.1])], at: time)
        take(decision)
        return decision.errorCode
    }

    /// - Returns: nil when the request waits.
    mutating func end(
        _ producer: TransactionProducer, commit: Bool, id: String = "t", version: Int16 = 5
    ) -> EndTxnResponse? {
        let token = token()
        take(
            shard.endTxn(
                EndTxnRequest(
                    transactionalId: id, producerId: producer.producerId, producerEpoch: producer.producerEpoch,
                    committed: commit),
                version: version, token: token, at: time, freshProducerId: nextFreshProducerId))
        return replies[token] as? EndTxnResponse
    }

    mutating func tick(after milliseconds: Int64 = 0) {
        time.wall += milliseconds
        time.monotonic += milliseconds
        take(shard.tick(at: time, freshProducerId: nextFreshProducerId))
    }

    /// Writes the markers of all orders.
    mutating func writeMarkers() {
        let pending = orders
        orders = []
        for order in pending {
            take(
                shard.markersWritten(
                    transactionalId: order.transactionalId, producerId: order.producerId,
                    producerEpoch: order.producerEpoch, at: time))
        }
    }

    /// A shard that has read the log from its start.
    func restarted() throws -> Self {
        var other = self
        other.shard = TransactionShard(configuration: shard.configuration)
        other.orders = []
        for record in log { try other.shard.replay(key: record.key, value: record.value) }
        other.take(other.shard.finishLoading(at: time))
        return other
    }

    func state(_ id: String = "t") -> String { shard.describe(id).transactionState }

    /// A bench whose transactional id "t" is in the state, by way of requests of one transaction version.
    ///
    /// - Returns: the producer that the transactional id belongs to now.
    static func reaching(_ state: String, bumping: Bool) -> (Self, TransactionProducer) {
        var bench = TransactionBench()
        let first = bench.initialize() ?? InitProducerIdResponse()
        let producer = TransactionProducer(producerId: first.producerId, producerEpoch: first.producerEpoch)
        guard state != "Empty" else { return (bench, producer) }
        if bumping { _ = bench.addImplicitly(producer) } else { _ = bench.add(producer) }
        guard state != "Ongoing" else { return (bench, producer) }
        _ = bench.end(producer, commit: state.hasSuffix("Commit"), version: bumping ? 5 : 4)
        if state.hasPrefix("Complete") { bench.writeMarkers() }
        let now = bench.shard.describe("t")
        return (bench, TransactionProducer(producerId: now.producerId, producerEpoch: now.producerEpoch))
    }
}

extension TransactionProducer {
    func with(epoch delta: Int16) -> Self { .init(producerId: producerId, producerEpoch: producerEpoch + delta) }
    func with(id delta: Int64) -> Self { .init(producerId: producerId + delta, producerEpoch: producerEpoch) }
}
