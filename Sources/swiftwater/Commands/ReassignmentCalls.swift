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
    /// - Parameter changes: partitions with their new replicas; nil cancels the move that is under way.
    func alter(_ changes: [(place: TopicPartition, replicas: [Int32]?)]) async throws {
        let topics = Dictionary(grouping: changes, by: \.place.topic).sorted { $0.key < $1.key }.map { name, changes in
            AlterPartitionReassignmentsRequest.ReassignableTopic(
                name: name,
                partitions: changes.map { .init(partitionIndex: $0.place.partition, replicas: $0.replicas) })
        }
        let answer = try await requests.call(to: try await controller(), versions: 0...1, timeout: requests.timeout) {
            _ in AlterPartitionReassignmentsRequest(topics: topics)
        }
        try check(answer.errorCode, "move partitions", detail: answer.errorMessage)
        var failures: [ClusterError] = []
        for topic in answer.responses {
            for partition in topic.partitions where partition.errorCode != 0 {
                failures.append(
                    ClusterError(
                        code: ErrorCode(rawValue: partition.errorCode),
                        "move partition \(TopicPartition(topic.name, partition.partitionIndex))",
                        detail: partition.errorMessage))
            }
        }
        guard var failure = failures.first else { return }
        if failures.count < changes.count {
            failure.hint =
                "\(counted(failures.count, "partition")) of \(changes.count) cannot be moved so, the others move"
        }
        throw failure
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
