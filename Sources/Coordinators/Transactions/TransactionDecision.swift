package import KafkaMessages

/// What an event of a `TransactionShard` leads to.
///
/// `markers` are written only after the records are durable: a marker whose decision a crash takes back would split a
/// transaction. A decision without records was committed already; its markers may be written at once.
///
/// An answer without records rests on what earlier decisions of the shard have appended. When those records are not yet
/// durable, the caller holds the answer until they are: else a crash takes back what a client was told.
package struct TransactionDecision: Sendable {
    package var decision = Decision()
    package var markers: [MarkerOrder] = []
    /// The answer of `addImplicitly`: whether the partitions belong to the producer's open transaction, once the records
    /// are durable. Meaningless for other events.
    package var errorCode = ErrorCode.none
    /// Whether `replies` wait until the records are durable. Those that only tell of a finished transaction do not: its
    /// outcome is durable since the markers were ordered, and a crash finishes it once more.
    package var repliesWaitForDisk = true
    /// Whether the offered producer id was taken; an id that was not may be offered again.
    package var usedFreshProducerId = false

    package init() {}

    init(_ token: ReplyToken, _ message: any KafkaMessage) { decision = Decision(token, message) }
}

/// Control records to write into the partitions of a transaction, forced to disk before `markersWritten` is called.
///
/// Partitions that do not exist any more are passed over. Writing an order twice does no harm.
package struct MarkerOrder: Sendable, Equatable {
    package var transactionalId: String
    package var producerId: Int64
    /// Of the markers. Greater than that of the producer's records when the transaction ended by transaction.version 2
    /// or was taken from its producer, so that partitions refuse what arrives late.
    package var producerEpoch: Int16
    package var coordinatorEpoch: Int32
    package var isCommit: Bool
    /// `transaction.version` of the end; from 2 on the epoch of the markers is above that of the records.
    package var transactionVersion: Int16
    package var topics: [TransactionTopic]

    package init(
        transactionalId: String, producerId: Int64, producerEpoch: Int16, coordinatorEpoch: Int32, isCommit: Bool,
        transactionVersion: Int16, topics: [TransactionTopic]
    ) {
        self.transactionalId = transactionalId
        self.producerId = producerId
        self.producerEpoch = producerEpoch
        self.coordinatorEpoch = coordinatorEpoch
        self.isCommit = isCommit
        self.transactionVersion = transactionVersion
        self.topics = topics
    }
}

/// Partitions of one topic, in ascending order where we make them.
package struct TransactionTopic: Sendable, Equatable {
    package var name: String
    package var partitions: [Int32]

    package init(name: String, partitions: [Int32]) {
        self.name = name
        self.partitions = partitions
    }
}
