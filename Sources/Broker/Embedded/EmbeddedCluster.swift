import Bytes
package import Cluster
import KafkaMessages
import LogStorage
import NIOCore
import NIOPosix
import RecordBatches

/// The cluster of the broker in this process: function calls instead of a protocol, and the same checks and locks as
/// for requests from outside.
package final class EmbeddedCluster: Cluster {
    let node: BrokerNode

    package let requests: any RequestChannel

    package init(_ node: BrokerNode) {
        self.node = node
        requests = EmbeddedChannel(node)
    }

    // MARK: Topics

    package func createTopic(_ topic: NewTopic, validateOnly: Bool) async throws(ClusterError) {
        let creation = TopicCreation(
            name: topic.name, partitionCount: topic.partitionCount ?? -1,
            replicationFactor: topic.replicationFactor ?? -1,
            configs: topic.configs.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        let result = await node.controller.value { $0.createTopics([creation], validateOnly: validateOnly) }
        if case .failure(let error)? = result.first { throw ClusterError(error, "create topic '\(topic.name)'") }
    }

    package func topics() async throws(ClusterError) -> [TopicDescription] {
        node.catalog.snapshot.sorted.map(describe)
    }

    package func topic(_ name: String) async throws(ClusterError) -> TopicDescription { describe(try existing(name)) }

    private func describe(_ topic: Topic) -> TopicDescription {
        TopicDescription(
            name: topic.name, id: topic.id.description, isInternal: Topic.isInternal(topic.name),
            partitions: topic.partitions.map {
                PartitionDescription(
                    partition: $0.index, leader: node.nodeId, replicas: [node.nodeId], inSyncReplicas: [node.nodeId])
            })
    }

    func existing(_ name: String) throws(ClusterError) -> Topic {
        guard let topic = node.catalog.topic(named: name) else {
            let nearest = nearestName(to: name, among: node.catalog.snapshot.byName.keys)
            throw ClusterError(
                .unknownTopicOrPartition, "topic '\(name)' does not exist",
                hint: nearest.map { "did you mean '\($0)'?" })
        }
        return topic
    }

    func existing(_ partition: TopicPartition) throws(ClusterError) -> Partition {
        guard let found = try existing(partition.topic).partition(partition.partition) else {
            throw ClusterError(.unknownTopicOrPartition, "partition \(partition) does not exist")
        }
        return found
    }

    package func addPartitions(topic: String, total: Int32, validateOnly: Bool) async throws(ClusterError) {
        try await control("add partitions to topic '\(topic)'") { controller throws(ControlError) in
            try controller.createPartitions(topic: topic, count: total, assignments: nil, validateOnly: validateOnly)
        }
    }

    package func deleteTopic(_ name: String) async throws(ClusterError) {
        let topic = try existing(name)
        try await control("delete topic '\(name)'") { controller throws(ControlError) in
            try controller.deleteTopic(topic)
        }
    }

    package func deleteRecords(
        _ partition: TopicPartition, before offset: Int64?
    ) async throws(ClusterError) -> Int64 {
        _ = try existing(partition)
        let result = await onDiskThread { node in
            Result { () throws(ControlError) in
                try node.deleteRecords(topic: partition.topic, partition: partition.partition, before: offset ?? -1)
            }
        }
        return try Self.unwrap(result, "delete records of \(partition)")
    }

    // MARK: Configuration

    package func configs(of resource: ConfigResource) async throws(ClusterError) -> [ConfigEntry] {
        let (type, name) = Self.wire(resource)
        let descriptions = try await control("read the configuration of \(resource)") {
            [node] _ throws(ControlError) in try node.configs(of: type, name)
        }
        return descriptions.map { config in
            ConfigEntry(
                name: config.name, value: config.isUnset ? nil : config.value,
                source: .init(rawValue: config.source.rawValue) ?? .unknown,
                isReadOnly: config.isReadOnly, isSensitive: config.isSensitive,
                synonyms: config.synonyms.map {
                    .init(name: $0.name, value: $0.value, source: .init(rawValue: $0.source.rawValue) ?? .unknown)
                })
        }
    }

    package func alterConfigs(
        of resource: ConfigResource, _ changes: [ConfigChange], validateOnly: Bool
    ) async throws(ClusterError) {
        let (type, name) = Self.wire(resource)
        let alterations = changes.map { change in
            switch change.operation {
            case .set(let value): ConfigAlteration(name: change.name, operation: .set, value: value)
            case .reset: ConfigAlteration(name: change.name, operation: .delete, value: nil)
            case .append(let value): ConfigAlteration(name: change.name, operation: .append, value: value)
            case .subtract(let value): ConfigAlteration(name: change.name, operation: .subtract, value: value)
            }
        }
        try await control("alter the configuration of \(resource)") { [node] _ throws(ControlError) in
            try node.alter(type, name, alterations, isIncremental: true, validateOnly: validateOnly)
        }
    }

    private static func wire(_ resource: ConfigResource) -> (Int8, String) {
        switch resource {
        case .topic(let name): (2, name)
        case .broker(let id): (4, String(id))
        }
    }

    // MARK: Cluster and offsets

    package func describeCluster() async throws(ClusterError) -> ClusterDescription {
        let address = node.advertised
        return ClusterDescription(
            id: node.clusterId, controller: node.nodeId,
            brokers: [BrokerDescription(id: node.nodeId, host: address.host, port: address.port)])
    }

    package func offsets(
        _ wanted: [TopicPartition: LogPosition], isolation: Isolation
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        var found: [TopicPartition: Int64] = [:]
        for (partition, position) in wanted {
            found[partition] = try await offset(of: position, in: partition, isolation)
        }
        return found
    }

    private func offset(
        of position: LogPosition, in partition: TopicPartition, _ isolation: Isolation
    ) async throws(ClusterError) -> Int64 {
        let log = try existing(partition).log
        let limit = try existing(partition.topic).config.rules.decompressedByteCountMax
        let offsets = log.offsets
        let end = isolation == .readCommitted ? offsets.lastStable : offsets.logEnd
        switch position {
        case .beginning: return offsets.logStart
        case .end: return end
        case .offset(let offset): return offset
        case .beforeEnd(let count): return max(offsets.logStart, end - max(0, count))
        case .timestamp(let time):
            return try await search(partition) { () throws(LogError) in
                try log.offset(forTimestamp: time, upTo: end, limit: limit)?.offset
            } ?? end
        case .maxTimestamp:
            return try await search(partition) { () throws(LogError) in
                try log.offsetOfMaxTimestamp(limit: limit)?.offset
            } ?? offsets.logEnd
        }
    }

    private func search(
        _ partition: TopicPartition, _ body: @escaping @Sendable () throws(LogError) -> Int64?
    ) async throws(ClusterError) -> Int64? {
        let result = await onDiskThread { _ in Result { () throws(LogError) in try body() } }
        return try Self.unwrap(result.mapError { ControlError($0) }, "search \(partition)")
    }

    // MARK: Records

    package func reader(
        _ partition: TopicPartition, from start: LogPosition, isolation: Isolation
    ) async throws(ClusterError) -> any PartitionReader {
        let offset = try await offset(of: start, in: partition, isolation)
        return EmbeddedReader(self, partition, try existing(partition), position: offset, isolation: isolation)
    }

    package func writer(_ mode: WriterMode) async throws(ClusterError) -> any RecordWriter {
        EmbeddedWriter(self, mode)
    }

    package func transactionalWriter(
        _ id: String, timeout: Duration
    ) async throws(ClusterError) -> any TransactionalWriter {
        EmbeddedTransactionalWriter(self, try await EmbeddedTransaction.take(id, timeout: timeout, requests))
    }

    // MARK: Threads

    private func control<T: Sendable>(
        _ what: String, _ operation: @escaping @Sendable (Controller) throws(ControlError) -> T
    ) async throws(ClusterError) -> T {
        let result = await node.controller.value { controller in
            Result { () throws(ControlError) in try operation(controller) }
        }
        return try Self.unwrap(result, what)
    }

    private func onDiskThread<T: Sendable>(_ work: @escaping @Sendable (BrokerNode) -> T) async -> T {
        await withCheckedContinuation { continuation in
            node.diskPool.submit { [node] _ in continuation.resume(returning: work(node)) }
        }
    }

    private static func unwrap<T>(_ result: Result<T, ControlError>, _ what: String) throws(ClusterError) -> T {
        switch result {
        case .success(let value): return value
        case .failure(let error): throw ClusterError(error, what)
        }
    }
}

extension ClusterError {
    init(_ error: ControlError, _ what: String) {
        self.init(Code(rawValue: error.code.rawValue), "\(what): \(error.message ?? error.code.name)")
    }
}
