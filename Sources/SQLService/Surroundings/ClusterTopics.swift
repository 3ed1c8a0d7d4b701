import Cluster
import SQLPlan

/// The topics of a cluster for statements. Blocks the calling thread.
struct ClusterTopics: TopicAccess, Sendable {
    private let cluster: any Cluster

    init(_ cluster: any Cluster) { self.cluster = cluster }

    private func description(of topic: String) -> TopicDescription? {
        let cluster = cluster
        // Statements take a topic that cannot be looked at for one that is not there; making it then says why.
        return try? blockingThread { () async throws(ClusterError) in try await cluster.topic(topic) }
    }

    func partitionCount(of topic: String) -> Int? { description(of: topic)?.partitions.count }

    func replicaCount(of topic: String) -> Int? { description(of: topic)?.partitions.first?.replicas.count }

    func retention(of topic: String) -> Int64? {
        let cluster = cluster
        let entries = try? blockingThread { () async throws(ClusterError) in
            try await cluster.configs(of: .topic(topic))
        }
        return entries?.first { $0.name == "retention.ms" }?.value.flatMap { Int64($0) }
    }

    func create(_ topic: TopicSpecification) throws(PlanError) {
        let cluster = cluster
        var configs = ["cleanup.policy": topic.cleanup.rawValue]
        if let retention = topic.retention { configs["retention.ms"] = String(retention) }
        let wanted = NewTopic(
            topic.name, partitionCount: Int32(clamping: topic.partitionCount),
            replicationFactor: topic.replicaCount.map { Int16(clamping: $0) }, configs: configs)
        do {
            try blockingThread { () async throws(ClusterError) in
                try await cluster.createTopic(wanted, validateOnly: false)
            }
        } catch {
            guard error.code != .topicAlreadyExists else { return }
            throw PlanError(.unavailable, "Failed to create topic '\(topic.name)'\nCaused by: \(error.message)")
        }
    }

    func delete(_ topic: String) throws(PlanError) {
        let cluster = cluster
        do {
            try blockingThread { () async throws(ClusterError) in try await cluster.deleteTopic(topic) }
        } catch {
            guard error.code != .unknownTopicOrPartition else { return }
            throw PlanError(.unavailable, "Could not delete topic '\(topic)'\nCaused by: \(error.message)")
        }
    }
}
