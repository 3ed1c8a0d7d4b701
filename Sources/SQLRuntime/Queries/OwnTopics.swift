import Cluster

/// The topics that queries make for themselves, configured as Kafka Streams does.
struct OwnTopics {
    enum Kind {
        case repartition
        /// - Parameter retention: of windows, in milliseconds; nil: records stay as long as their keys.
        case changelog(retention: Int64?)

        var configs: [String: String] {
            switch self {
            case .repartition:
                ["cleanup.policy": "delete", "retention.ms": "-1", "segment.bytes": "52428800"]
            case .changelog(nil): ["cleanup.policy": "compact"]
            case .changelog(let retention?):
                // A day more, as clocks differ.
                [
                    "cleanup.policy": "compact,delete",
                    "retention.ms": String(retention > Int64.max - 86_400_000 ? .max : retention + 86_400_000),
                ]
            }
        }
    }

    private let cluster: any Cluster
    private let replicationFactor: Int16?

    init(_ cluster: any Cluster, replicationFactor: Int16?) {
        self.cluster = cluster
        self.replicationFactor = replicationFactor
    }

    /// Makes the topic if it is not there, and adds partitions if it has too few.
    ///
    /// - Returns: how many it has.
    func ensure(_ name: String, partitions: Int, _ kind: Kind) async throws(ClusterError) -> Int {
        if let count = try await count(name) {
            if count < partitions {
                do throws(ClusterError) {
                    try await cluster.addPartitions(
                        topic: name, total: Int32(clamping: partitions), validateOnly: false)
                } catch {
                    // Another node was faster.
                    guard error.code == .invalidPartitions, let now = try await self.count(name), now >= partitions
                    else { throw error }
                    return now
                }
            }
            return max(count, partitions)
        }
        do throws(ClusterError) {
            try await cluster.createTopic(
                NewTopic(
                    name, partitionCount: Int32(clamping: partitions), replicationFactor: replicationFactor,
                    configs: kind.configs), validateOnly: false)
        } catch {
            guard error.code == .topicAlreadyExists else { throw error }
            return try await count(name) ?? partitions
        }
        return partitions
    }

    private func count(_ name: String) async throws(ClusterError) -> Int? {
        do throws(ClusterError) { return try await cluster.topic(name).partitions.count } catch {
            guard error.code == .unknownTopicOrPartition else { throw error }
            return nil
        }
    }
}
