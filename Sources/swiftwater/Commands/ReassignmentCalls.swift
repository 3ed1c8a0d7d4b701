import Cluster
import KafkaMessages

/// Moves of partitions between brokers (KIP-455) and elections of leaders (KIP-460), of any Kafka cluster since 2.4.
struct ReassignmentCalls {
    /// A move that is under way.
    struct Move {
        var place: TopicPartition
        var replicas: [Int32]
        var adding: [Int32]
        var removing: [Int32]
    }

    struct Election {
        var place: TopicPartition
        var code: ErrorCode
        var message: String?

        var isFailure: Bool { code != .none && code != .electionNotNeeded }

        var text: String {
            switch code {
            case .none: "elected"
            case .electionNotNeeded: "not needed"
            default: message ?? code.name
            }
        }
    }

    private let cluster: any Cluster
    private var requests: any RequestChannel { cluster.requests }

    init(_ cluster: any Cluster) { self.cluster = cluster }

    /// Moves that are under way, by partition.
    func list() async throws -> [Move] {
        let answer = try await requests.call(to: try await controller(), versions: 0...0, timeout: requests.timeout) {
            _ in ListPartitionReassignmentsRequest()
        }
        try check(answer.errorCode, "list moves of partitions", detail: answer.errorMessage)
        return answer.topics.flatMap { topic in
            topic.partitions.map {
                Move(
                    place: TopicPartition(topic.name, $0.partitionIndex), replicas: $0.replicas,
                    adding: $0.addingReplicas, removing: $0.removingReplicas)
            }
        }.sorted { $0.place < $1.place }
    }

    /// Begins moves.
    ///
    /// - Parameter changes: partitions with their new replicas.
    func alter(_ changes: [(place: TopicPartition, replicas: [Int32])]) async throws {
        let results = try await results(of: changes.map { ($0.place, $0.replicas) }, "move partitions")
        if let failure = Self.failure(of: results, cancels: false) { throw failure }
    }

    /// Ends moves that are under way.
    ///
    /// - Returns: those that were ended; others were done before.
    func cancel(_ places: [TopicPartition]) async throws -> [TopicPartition] {
        let results = try await results(of: places.map { ($0, nil) }, "cancel moves of partitions")
        if let failure = Self.failure(of: results, cancels: true) { throw failure }
        return results.filter { $0.code == .none }.map(\.place)
    }

    /// What was answered about one partition.
    struct Result {
        var place: TopicPartition
        var code: ErrorCode
        var message: String?
    }

    /// The first failure, with all partitions that it or another one is about; nil when there is none.
    ///
    /// - Parameter cancels: whether moves were to end. One that was done before is no failure then.
    static func failure(of results: [Result], cancels: Bool) -> ClusterError? {
        let failures = results.filter {
            $0.code != .none && !(cancels && $0.code == .noReassignmentInProgress)
        }
        guard let first = failures.first else { return nil }
        var failure = ClusterError(
            code: first.code, cancels ? "cancel the move of partition \(first.place)" : "move partition \(first.place)",
            detail: first.message)
        guard results.count > 1 else { return failure }
        let names = failures.map(\.place.description).joined(separator: ", ")
        let others = failures.count < results.count
        failure.hint =
            cancels
            ? "the moves of these go on: \(names)" + (others ? "; the others are cancelled" : "")
            : "these cannot be moved so: \(names)" + (others ? "; the others move" : "")
        return failure
    }

    /// By partition.
    private func results(
        of changes: [(place: TopicPartition, replicas: [Int32]?)], _ attempt: String
    ) async throws -> [Result] {
        let topics = Dictionary(grouping: changes, by: \.place.topic).sorted { $0.key < $1.key }.map { name, changes in
            AlterPartitionReassignmentsRequest.ReassignableTopic(
                name: name,
                partitions: changes.map { .init(partitionIndex: $0.place.partition, replicas: $0.replicas) })
        }
        let answer = try await requests.call(to: try await controller(), versions: 0...1, timeout: requests.timeout) {
            _ in AlterPartitionReassignmentsRequest(topics: topics)
        }
        try check(answer.errorCode, attempt, detail: answer.errorMessage)
        return answer.responses.flatMap { topic in
            topic.partitions.map {
                Result(
                    place: TopicPartition(topic.name, $0.partitionIndex), code: ErrorCode(rawValue: $0.errorCode),
                    message: $0.errorMessage)
            }
        }.sorted { $0.place < $1.place }
    }

    /// - Parameter places: nil for all partitions that need it.
    func electLeaders(of places: [TopicPartition]?, unclean: Bool) async throws -> [Election] {
        let topics = places.map { places in
            Dictionary(grouping: places, by: \.topic).sorted { $0.key < $1.key }.map { name, places in
                ElectLeadersRequest.TopicPartitions(topic: name, partitions: places.map(\.partition))
            }
        }
        let answer = try await requests.call(
            to: try await controller(), versions: unclean ? 1...2 : 0...2, timeout: requests.timeout
        ) { _ in ElectLeadersRequest(electionType: unclean ? 1 : 0, topicPartitions: topics) }
        try check(answer.errorCode, "elect leaders")
        return answer.replicaElectionResults.flatMap { topic in
            topic.partitionResult.map {
                Election(
                    place: TopicPartition(topic.topic, $0.partitionId), code: ErrorCode(rawValue: $0.errorCode),
                    message: $0.errorMessage)
            }
        }.sorted { $0.place < $1.place }
    }

    /// Of clusters with ZooKeeper only the controller answers; in others every broker hands such requests on.
    private func controller() async throws -> RequestTarget {
        try await cluster.describeCluster().controller.map { .broker($0) } ?? .anyBroker
    }
}
