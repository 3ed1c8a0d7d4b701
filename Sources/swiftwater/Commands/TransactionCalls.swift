import Cluster
import KafkaMessages

/// Transactions of any Kafka cluster since 3.0, by its protocol (KIP-664).
struct TransactionCalls {
    /// One that a coordinator knows.
    struct Listing {
        var id: String
        var coordinator: Int32
        var producerId: Int64
        var state: String
    }

    struct Description {
        var coordinator: Int32
        var state: DescribeTransactionsResponse.TransactionState

        var partitions: [TopicPartition] {
            state.topics.flatMap { topic in topic.partitions.map { TopicPartition(topic.topic, $0) } }.sorted()
        }
    }

    /// A producer that a partition remembers.
    struct Producer {
        var partition: TopicPartition
        var state: DescribeProducersResponse.ProducerState

        /// Where its open transaction begins; nil without one.
        var transactionStart: Int64? { state.currentTxnStartOffset >= 0 ? state.currentTxnStartOffset : nil }
    }

    private let cluster: any Cluster
    private var requests: any RequestChannel { cluster.requests }

    init(_ cluster: any Cluster) { self.cluster = cluster }

    /// All transactions that the filters let through, by id.
    ///
    /// - Parameters:
    ///   - states: Kafka's names of states; empty for all.
    ///   - olderThan: only those that began so many milliseconds ago or earlier; nil for all.
    ///   - pattern: a regular expression of RE2 that ids match as a whole; nil for all.
    func list(
        states: [String] = [], producerIds: [Int64] = [], olderThan: Int64? = nil, pattern: String? = nil
    ) async throws -> [Listing] {
        // An older version of the request would be without the filter, and list what is not wanted.
        let first: Int16 = pattern != nil ? 2 : olderThan != nil ? 1 : 0
        var found: [Listing] = []
        for broker in try await cluster.describeCluster().brokers {
            // One that is just starting reads what it coordinates first.
            let answer = try await requests.coordinated(
                by: .broker(broker.id), "list transactions", versions: first...2
            ) { _ in
                ListTransactionsRequest(
                    stateFilters: states, producerIdFilters: producerIds, durationFilter: olderThan ?? -1,
                    transactionalIdPattern: pattern)
            } code: {
                $0.errorCode
            }
            try check(answer.errorCode, "list transactions")
            found += answer.transactionStates.map {
                Listing(
                    id: $0.transactionalId, coordinator: broker.id, producerId: $0.producerId,
                    state: $0.transactionState)
            }
        }
        return found.sorted { ($0.id, $0.producerId) < ($1.id, $1.producerId) }
    }

    /// - Throws: `.transactionalIdNotFound`.
    func describe(_ id: String) async throws -> Description {
        let attempt = "describe transactional id '\(id)'"
        let answer = try await requests.coordinated(by: .transactionCoordinator(id), attempt) { _ in
            DescribeTransactionsRequest(transactionalIds: [id])
        } code: {
            $0.transactionStates.first?.errorCode ?? 0
        }
        guard let state = answer.transactionStates.first else {
            throw ClusterError(.unknownServerError, "\(attempt): the answer is empty")
        }
        try check(state.errorCode, attempt)
        return Description(
            coordinator: try await requests.broker(.transactionCoordinator(id)).id, state: state)
    }

    /// The producers that partitions remember, as their leaders tell.
    func producers(of partitions: [TopicPartition], in topics: [TopicDescription]) async throws -> [Producer] {
        var leaders: [TopicPartition: Int32] = [:]
        for topic in topics {
            for partition in topic.partitions {
                leaders[TopicPartition(topic.name, partition.partition)] = partition.leader
            }
        }
        var found: [Producer] = []
        for (leader, there) in Dictionary(grouping: partitions, by: { leaders[$0] }).sorted(by: {
            ($0.key ?? -1) < ($1.key ?? -1)
        }) {
            guard let leader else {
                throw CommandFailure("partition \(there.map(\.description).joined(separator: ", ")) has no leader")
            }
            let request = DescribeProducersRequest(
                topics: Dictionary(grouping: there, by: \.topic).map { topic, partitions in
                    .init(name: topic, partitionIndexes: partitions.map(\.partition))
                })
            let answer = try await requests.call(
                to: .broker(leader), versions: 0...0, timeout: requests.timeout
            ) { _ in request }
            for topic in answer.topics {
                for partition in topic.partitions {
                    let place = TopicPartition(topic.name, partition.partitionIndex)
                    try check(
                        partition.errorCode, "describe the producers of \(place)", detail: partition.errorMessage)
                    found += partition.activeProducers.map { Producer(partition: place, state: $0) }
                }
            }
        }
        return found.sorted { ($0.partition, $0.state.producerId) < ($1.partition, $1.state.producerId) }
    }

    /// Ends the open transaction of one partition, whatever its coordinator thinks, with a marker that aborts it.
    func abort(_ producer: Producer, leader: Int32) async throws {
        let attempt = "abort the transaction of producer \(producer.state.producerId) in \(producer.partition)"
        guard let epoch = Int16(exactly: producer.state.producerEpoch) else {
            throw CommandFailure("\(attempt): its epoch \(producer.state.producerEpoch) is none")
        }
        let marker = WriteTxnMarkersRequest.WritableTxnMarker(
            producerId: producer.state.producerId, producerEpoch: epoch, transactionResult: false,
            topics: [.init(name: producer.partition.topic, partitionIndexes: [producer.partition.partition])],
            // One that never wrote a marker there has none; Kafka's own tool sends 0 then.
            coordinatorEpoch: max(0, producer.state.coordinatorEpoch))
        let answer = try await requests.call(
            to: .broker(leader), versions: 1...2, timeout: requests.timeout
        ) { _ in WriteTxnMarkersRequest(markers: [marker]) }
        let results = answer.markers.flatMap(\.topics).flatMap(\.partitions)
        guard !results.isEmpty else { throw ClusterError(.unknownServerError, "\(attempt): the answer is empty") }
        for result in results { try check(result.errorCode, attempt) }
    }

    /// Takes the id from whoever has it: an open transaction is aborted, and its producer is fenced.
    func terminate(_ id: String, timeout: Int32) async throws {
        let attempt = "terminate the transaction of '\(id)'"
        let answer = try await requests.coordinated(
            by: .transactionCoordinator(id), attempt, retried: [.concurrentTransactions]
        ) { _ in
            InitProducerIdRequest(transactionalId: id, transactionTimeoutMs: timeout)
        } code: {
            $0.errorCode
        }
        try check(answer.errorCode, attempt)
    }
}
