/// A compacted topic in which a service keeps its state: how it has to be, and how it is made when there is none.
package struct CompactedTopic: Sendable {
    package var name: String
    /// nil for the cluster's default.
    package var partitionCount: Int32?
    /// At most one for each broker; nil for the cluster's default.
    package var replicationFactor: Int16?
    /// The partitions that the state depends on; nil for any number.
    package var neededPartitionCount: Int32?
    /// Who keeps something here, and what, in messages.
    package var owner: String
    package var content: String
    /// What to do about a topic that cannot be used.
    package var hint: String

    /// - Parameters:
    ///   - partitionCount: 0 and less for the cluster's default; `replicationFactor` likewise.
    package init(
        _ name: String, partitionCount: Int32, replicationFactor: Int16, neededPartitionCount: Int32? = nil,
        owner: String, content: String, hint: String
    ) {
        self.name = name
        self.partitionCount = partitionCount > 0 ? partitionCount : nil
        self.replicationFactor = replicationFactor > 0 ? replicationFactor : nil
        self.neededPartitionCount = neededPartitionCount
        self.owner = owner
        self.content = content
        self.hint = hint
    }

    /// Whether the topic exists.
    ///
    /// - Throws: `.invalidPartitions` and `.invalidConfig`, which say why it cannot be used, or the cluster's own failure.
    package func isThere(in cluster: any Cluster) async throws(ClusterError) -> Bool {
        let topic: TopicDescription
        do {
            topic = try await cluster.topic(name)
        } catch {
            if error.code == .unknownTopicOrPartition { return false }
            throw error
        }
        if let needed = neededPartitionCount, topic.partitions.count != Int(needed) {
            throw ClusterError(
                .invalidPartitions,
                "topic '\(name)' has \(topic.partitions.count) partitions, and \(owner) needs exactly "
                    + (needed == 1 ? "one" : "\(needed)"),
                hint: hint)
        }
        let policy = try await cluster.configs(of: .topic(name)).first { $0.name == "cleanup.policy" }?.value
        let policies = (policy ?? "compact").split(separator: ",").map { $0.filter { $0 != " " } }
        guard policies == ["compact"] else {
            throw ClusterError(
                .invalidConfig, "topic '\(name)' has cleanup.policy=\(policy ?? ""), which loses \(content)",
                hint: "swiftwater topic alter \(name) --config cleanup.policy=compact")
        }
        return true
    }

    /// Makes the topic if there is none.
    ///
    /// - Returns: whether it was made.
    /// - Throws: as `isThere`.
    package func make(in cluster: any Cluster) async throws(ClusterError) -> Bool {
        guard try await !isThere(in: cluster) else { return false }
        var factor: Int16?
        if let replicationFactor {
            let brokers = try await cluster.describeCluster().brokers.count
            factor = max(1, min(replicationFactor, Int16(clamping: brokers)))
        }
        var isMade = true
        do {
            try await cluster.createTopic(
                NewTopic(
                    name, partitionCount: partitionCount, replicationFactor: factor,
                    configs: ["cleanup.policy": "compact"]), validateOnly: false)
        } catch {
            // Somebody else was faster.
            guard error.code == .topicAlreadyExists else { throw error }
            isMade = false
        }
        _ = try await isThere(in: cluster)
        return isMade
    }
}
