/// A Kafka-compatible cluster as the services of this process see it: the one seam between them and the log.
///
/// Two transports implement it and pass one contract suite: `EmbeddedCluster` (function calls into the broker of the
/// same process) and `RemoteCluster` (any Kafka-compatible cluster, over librdkafka). Callers never ask which they have.
///
/// Every method may be called from any task or thread at any time. `async` methods never block a thread of the
/// cooperative pool. Methods throw `ClusterError`, whose code is Kafka's whatever the transport.
package protocol Cluster: Sendable {
    // MARK: Topics

    /// Creates a topic and returns once the cluster knows it; with `validateOnly` only checks that it could.
    ///
    /// - Throws: `.topicAlreadyExists`, `.invalidTopic`, `.invalidPartitions`, `.invalidReplicationFactor`,
    ///   `.invalidConfig`, `.policyViolation`.
    func createTopic(_ topic: NewTopic, validateOnly: Bool) async throws(ClusterError)

    /// All topics, internal ones included, sorted by name.
    func topics() async throws(ClusterError) -> [TopicDescription]

    /// One topic and its partitions. Never creates it.
    ///
    /// - Throws: `.unknownTopicOrPartition`.
    func topic(_ name: String) async throws(ClusterError) -> TopicDescription

    /// Raises the number of partitions to `total`. Records that are there stay where they are, so keys may move.
    ///
    /// - Throws: `.unknownTopicOrPartition`, `.invalidPartitions` when `total` is not above the present number.
    func addPartitions(topic: String, total: Int32, validateOnly: Bool) async throws(ClusterError)

    /// Deletes a topic with all its records.
    ///
    /// - Throws: `.unknownTopicOrPartition`, `.topicDeletionDisabled`.
    func deleteTopic(_ name: String) async throws(ClusterError)

    /// Deletes the records before `offset`; nil deletes all that are there.
    ///
    /// - Returns: the new start of the partition's log.
    /// - Throws: `.offsetOutOfRange` when `offset` is past the end, `.unknownTopicOrPartition`, `.policyViolation`.
    func deleteRecords(_ partition: TopicPartition, before offset: Int64?) async throws(ClusterError) -> Int64

    // MARK: Configuration

    /// The effective configuration of a topic or broker, sorted by name, each entry with its origin.
    func configs(of resource: ConfigResource) async throws(ClusterError) -> [ConfigEntry]

    /// Applies `changes` together or not at all; what they do not name stays as it is (KIP-339).
    ///
    /// - Throws: `.invalidConfig`, `.unknownTopicOrPartition`.
    func alterConfigs(
        of resource: ConfigResource, _ changes: [ConfigChange], validateOnly: Bool
    ) async throws(ClusterError)

    // MARK: Cluster and offsets

    func describeCluster() async throws(ClusterError) -> ClusterDescription

    /// Resolves a position of each partition to an offset, all in one round trip where the transport has one. Every
    /// partition asked for is in the answer.
    ///
    /// - Throws: `.unknownTopicOrPartition` for any of them.
    func offsets(
        _ wanted: [TopicPartition: LogPosition], isolation: Isolation
    ) async throws(ClusterError) -> [TopicPartition: Int64]

    // MARK: Records

    /// A reader of one partition without a group, at `start`, which is resolved before this returns: a record written
    /// afterwards is seen by a reader that starts at `.end`.
    ///
    /// - Throws: `.unknownTopicOrPartition`; `.offsetOutOfRange` comes from the first read.
    func reader(
        _ partition: TopicPartition, from start: LogPosition, isolation: Isolation
    ) async throws(ClusterError) -> any PartitionReader

    /// A writer, which may write to any number of topics. Close it when done.
    func writer(_ mode: WriterMode) async throws(ClusterError) -> any RecordWriter

    /// A writer whose records become visible together, under a transactional id that is its own: whoever had the id
    /// before is fenced, and what it left open is aborted. Returns when that is done.
    ///
    /// - Parameter timeout: how long one transaction may stay open before the cluster aborts it.
    /// - Throws: `.invalidTransactionTimeout` above the cluster's `transaction.max.timeout.ms`,
    ///   `.transactionalIdAuthorizationFailed`.
    func transactionalWriter(_ id: String, timeout: Duration) async throws(ClusterError) -> any TransactionalWriter

    // MARK: Groups

    /// Kafka's own requests. Groups are written on top of them: see `groups()`, `membership(...)`.
    var requests: any RequestChannel { get }
}

/// How a writer's records become visible and what it waits for.
package enum WriterMode: Hashable, Sendable {
    /// Kafka's `acks`, without a producer id: a retry after a lost answer may write a record twice.
    case acks(Acks)
    /// `acks=all` with a producer id and sequence numbers: a retry never writes twice and never reorders (KIP-98).
    case idempotent

    package enum Acks: Int16, Sendable {
        /// Nobody answers; offsets are unknown.
        case none = 0
        /// The leader has the record, though not yet on disk.
        case leader = 1
        /// The record is durable.
        case all = -1
    }
}

/// Which records of transactions a reader sees.
package enum Isolation: Sendable {
    case readUncommitted
    /// Records of open transactions are not delivered yet and those of aborted ones never are.
    case readCommitted
}

/// A place in a partition's log, to be resolved to an offset.
package enum LogPosition: Hashable, Sendable {
    /// The oldest record that is kept.
    case beginning
    /// After the last record: the high watermark, or the last stable offset for `.readCommitted`.
    case end
    /// This offset. It need not exist: it may name a record to come or one that compaction removed.
    case offset(Int64)
    /// The first record whose timestamp is this one or later, in milliseconds since 1970; the end when there is none.
    case timestamp(Int64)
    /// This many offsets before the end, or the beginning when there are fewer. Gaps of compaction count.
    case beforeEnd(Int64)
    /// The record with the largest timestamp; the end when there is none.
    case maxTimestamp
}
