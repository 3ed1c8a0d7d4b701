package import Cluster
import KafkaMessages

/// What logs take on the disks of a cluster.
package struct LogSizes: Sendable {
    /// Of the replicas of one broker: the leader's where there are several.
    package var byteCounts: [TopicPartition: Int64] = [:]
    /// Of all replicas of all brokers.
    package var byteCountOfAll: Int64 = 0
    /// Of the file systems of all brokers; nil where a broker does not tell (before Kafka 3.3).
    package var diskTotal: Int64?
    package var diskFree: Int64?

    package init() {}
}

extension Cluster {
    /// Sizes of the logs and disks; nil where the cluster does not tell them.
    ///
    /// - Parameter topics: only these; nil for all.
    package func logSizes(of topics: [String: [Int32]]? = nil) async throws(ClusterError) -> LogSizes? {
        var sizes = LogSizes()
        for broker in try await describeCluster().brokers {
            let answer: DescribeLogDirsResponse
            do throws(ClusterError) {
                answer = try await requests.call(
                    to: .broker(broker.id), versions: 1...4, timeout: requests.timeout
                ) { _ in
                    var request = DescribeLogDirsRequest()
                    request.topics = topics.map { topics in
                        topics.map { topic, partitions in
                            var entry = DescribeLogDirsRequest.DescribableLogDirTopic()
                            entry.topic = topic
                            entry.partitions = partitions
                            return entry
                        }
                    }
                    return request
                }
            } catch {
                guard [.unsupportedVersion, .clusterAuthorizationFailed].contains(error.code) else { throw error }
                return nil
            }
            guard answer.errorCode == 0 else { return nil }
            for folder in answer.results where folder.errorCode == 0 {
                if folder.totalBytes >= 0 { sizes.diskTotal = (sizes.diskTotal ?? 0) + folder.totalBytes }
                if folder.usableBytes >= 0 { sizes.diskFree = (sizes.diskFree ?? 0) + folder.usableBytes }
                for topic in folder.topics {
                    for partition in topic.partitions where !partition.isFutureKey {
                        sizes.byteCountOfAll += partition.partitionSize
                        let key = TopicPartition(topic.name, partition.partitionIndex)
                        sizes.byteCounts[key] = max(sizes.byteCounts[key] ?? 0, partition.partitionSize)
                    }
                }
            }
        }
        return sizes
    }
}
