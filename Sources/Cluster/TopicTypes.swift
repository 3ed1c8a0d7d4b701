/// One partition of a topic.
package struct TopicPartition: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var topic: String
    package var partition: Int32

    package init(_ topic: String, _ partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    /// Kafka's form, `topic-0`.
    package var description: String { "\(topic)-\(partition)" }

    package static func < (a: Self, b: Self) -> Bool { (a.topic, a.partition) < (b.topic, b.partition) }
}

/// A topic to create.
package struct NewTopic: Hashable, Sendable {
    package var name: String
    /// nil: the cluster's `num.partitions`.
    package var partitionCount: Int32?
    /// nil: the cluster's `default.replication.factor`.
    package var replicationFactor: Int16?
    /// Topic configurations by Kafka's names; what is not named follows the cluster's defaults.
    package var configs: [String: String]

    package init(
        _ name: String, partitionCount: Int32? = nil, replicationFactor: Int16? = nil, configs: [String: String] = [:]
    ) {
        self.name = name
        self.partitionCount = partitionCount
        self.replicationFactor = replicationFactor
        self.configs = configs
    }
}

/// A topic as it is.
package struct TopicDescription: Hashable, Sendable {
    package var name: String
    /// Kafka's base64url text of the topic id; nil where the transport does not tell: see `topicIds`.
    package var id: String?
    /// Whether it is one of the broker's own topics, such as `__consumer_offsets`.
    package var isInternal: Bool
    /// Ordered by number.
    package var partitions: [PartitionDescription]

    package init(name: String, id: String? = nil, isInternal: Bool, partitions: [PartitionDescription]) {
        self.name = name
        self.id = id
        self.isInternal = isInternal
        self.partitions = partitions
    }
}

/// One partition of a topic as it is. Numbers of brokers are their ids.
package struct PartitionDescription: Hashable, Sendable {
    package var partition: Int32
    /// nil while the partition has no leader.
    package var leader: Int32?
    package var replicas: [Int32]
    package var inSyncReplicas: [Int32]

    package init(partition: Int32, leader: Int32?, replicas: [Int32], inSyncReplicas: [Int32]) {
        self.partition = partition
        self.leader = leader
        self.replicas = replicas
        self.inSyncReplicas = inSyncReplicas
    }
}

/// What `describeCluster` answers.
package struct ClusterDescription: Hashable, Sendable {
    /// nil where the cluster does not tell.
    package var id: String?
    /// Id of the active controller; nil while there is none.
    package var controller: Int32?
    /// Ordered by id.
    package var brokers: [BrokerDescription]

    package init(id: String?, controller: Int32?, brokers: [BrokerDescription]) {
        self.id = id
        self.controller = controller
        self.brokers = brokers
    }
}

/// A broker under its advertised address.
package struct BrokerDescription: Hashable, Sendable {
    package var id: Int32
    package var host: String
    package var port: Int32

    package init(id: Int32, host: String, port: Int32) {
        self.id = id
        self.host = host
        self.port = port
    }
}
