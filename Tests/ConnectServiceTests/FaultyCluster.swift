import Cluster
import NIOCore
import Synchronization

/// A cluster that refuses some writes and reads for as long as the test wants.
final class FaultyCluster: Cluster {
    struct Faults: Sendable {
        var refusesWrite: @Sendable (String, ProducerRecord) -> Bool = { _, _ in false }
        var unreadable: [String: ClusterError] = [:]
        /// What happens right after the configuration of a resource was read.
        var afterConfigs: (@Sendable (ConfigResource) async throws(ClusterError) -> Void)?
    }

    let faults = Mutex(Faults())
    private let base: any Cluster

    init(_ base: any Cluster) { self.base = base }

    func createTopic(_ topic: NewTopic, validateOnly: Bool) async throws(ClusterError) {
        try await base.createTopic(topic, validateOnly: validateOnly)
    }
    func topics() async throws(ClusterError) -> [TopicDescription] { try await base.topics() }
    func topic(_ name: String) async throws(ClusterError) -> TopicDescription { try await base.topic(name) }
    func addPartitions(topic: String, total: Int32, validateOnly: Bool) async throws(ClusterError) {
        try await base.addPartitions(topic: topic, total: total, validateOnly: validateOnly)
    }
    func deleteTopic(_ name: String) async throws(ClusterError) { try await base.deleteTopic(name) }
    func deleteRecords(_ partition: TopicPartition, before offset: Int64?) async throws(ClusterError) -> Int64 {
        try await base.deleteRecords(partition, before: offset)
    }
    func configs(of resource: ConfigResource) async throws(ClusterError) -> [ConfigEntry] {
        let configs = try await base.configs(of: resource)
        try await faults.withLock { $0.afterConfigs }?(resource)
        return configs
    }
    func alterConfigs(
        of resource: ConfigResource, _ changes: [ConfigChange], validateOnly: Bool
    ) async throws(ClusterError) {
        try await base.alterConfigs(of: resource, changes, validateOnly: validateOnly)
    }
    func describeCluster() async throws(ClusterError) -> ClusterDescription { try await base.describeCluster() }
    func offsets(
        _ wanted: [TopicPartition: LogPosition], isolation: Isolation
    ) async throws(ClusterError) -> [TopicPartition: Int64] { try await base.offsets(wanted, isolation: isolation) }
    func reader(
        _ partition: TopicPartition, from start: LogPosition, isolation: Isolation
    ) async throws(ClusterError) -> any PartitionReader {
        if let error = faults.withLock({ $0.unreadable[partition.topic] }) { throw error }
        return try await base.reader(partition, from: start, isolation: isolation)
    }
    func writer(_ mode: WriterMode) async throws(ClusterError) -> any RecordWriter {
        FaultyWriter(try await base.writer(mode), self)
    }
    func transactionalWriter(_ id: String, timeout: Duration) async throws(ClusterError) -> any TransactionalWriter {
        try await base.transactionalWriter(id, timeout: timeout)
    }
    var requests: any RequestChannel { base.requests }

    fileprivate func check(_ records: [ProducerRecord], _ topic: String) throws(ClusterError) {
        let refuses = faults.withLock { $0.refusesWrite }
        if records.contains(where: { refuses(topic, $0) }) {
            throw ClusterError(ClusterError.Code(rawValue: 56), "write to \(topic): no space left on device")
        }
    }
}

private final class FaultyWriter: RecordWriter {
    private let base: any RecordWriter
    private let cluster: FaultyCluster

    init(_ base: any RecordWriter, _ cluster: FaultyCluster) {
        self.base = base
        self.cluster = cluster
    }

    func submit(_ records: [ProducerRecord], to topic: String) async throws(ClusterError) -> WriteReceipt {
        try cluster.check(records, topic)
        return try await base.submit(records, to: topic)
    }
    func submitBlocking(_ records: [ProducerRecord], to topic: String) throws(ClusterError) -> WriteReceipt {
        try cluster.check(records, topic)
        return try base.submitBlocking(records, to: topic)
    }
    func submit(batch: ByteBuffer, to partition: TopicPartition) async throws(ClusterError) -> WriteReceipt {
        try await base.submit(batch: batch, to: partition)
    }
    var compresses: Bool { base.compresses }
    func flush() async { await base.flush() }
    func close() async { await base.close() }
}
