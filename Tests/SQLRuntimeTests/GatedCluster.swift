import Cluster
import NIOCore
import Synchronization

/// Holds up those who come before it is open.
actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    var isWaitedFor: Bool { !waiting.isEmpty }

    func pass() async {
        guard !isOpen else { return }
        await withCheckedContinuation { waiting.append($0) }
    }

    func open() {
        isOpen = true
        for continuation in waiting { continuation.resume() }
        waiting = []
    }
}

/// A cluster in which something goes on only once a gate is open.
struct GatedCluster: Cluster {
    enum Place: Equatable {
        /// Before a changelog is read.
        case changelogReads
        /// Behind each batch that was handed to a writer.
        case writes
        /// Behind the first batch that was handed to a writer. The second one is refused with this.
        case firstWrite(ClusterError.Code)
    }

    private let real: any Cluster
    private let gate: Gate
    private let place: Place
    private let writes = WriteCount()

    init(_ real: any Cluster, _ gate: Gate, at place: Place) {
        self.real = real
        self.gate = gate
        self.place = place
    }

    func reader(
        _ partition: TopicPartition, from start: LogPosition, isolation: Isolation
    ) async throws(ClusterError) -> any PartitionReader {
        if place == .changelogReads, partition.topic.hasSuffix("-changelog") { await gate.pass() }
        return try await real.reader(partition, from: start, isolation: isolation)
    }

    func writer(_ mode: WriterMode) async throws(ClusterError) -> any RecordWriter {
        let writer = try await real.writer(mode)
        switch place {
        case .changelogReads: return writer
        case .writes: return GatedWriter(writer, gate, nil)
        case .firstWrite(let code): return GatedWriter(writer, gate, (writes, code))
        }
    }

    // MARK: As it is

    var requests: any RequestChannel { real.requests }

    func createTopic(_ topic: NewTopic, validateOnly: Bool) async throws(ClusterError) {
        try await real.createTopic(topic, validateOnly: validateOnly)
    }
    func topics() async throws(ClusterError) -> [TopicDescription] { try await real.topics() }
    func topic(_ name: String) async throws(ClusterError) -> TopicDescription { try await real.topic(name) }
    func addPartitions(topic: String, total: Int32, validateOnly: Bool) async throws(ClusterError) {
        try await real.addPartitions(topic: topic, total: total, validateOnly: validateOnly)
    }
    func deleteTopic(_ name: String) async throws(ClusterError) { try await real.deleteTopic(name) }
    func deleteRecords(_ partition: TopicPartition, before offset: Int64?) async throws(ClusterError) -> Int64 {
        try await real.deleteRecords(partition, before: offset)
    }
    func configs(of resource: ConfigResource) async throws(ClusterError) -> [ConfigEntry] {
        try await real.configs(of: resource)
    }
    func alterConfigs(
        of resource: ConfigResource, _ changes: [ConfigChange], validateOnly: Bool
    ) async throws(ClusterError) {
        try await real.alterConfigs(of: resource, changes, validateOnly: validateOnly)
    }
    func describeCluster() async throws(ClusterError) -> ClusterDescription { try await real.describeCluster() }
    func offsets(
        _ wanted: [TopicPartition: LogPosition], isolation: Isolation
    ) async throws(ClusterError) -> [TopicPartition: Int64] {
        try await real.offsets(wanted, isolation: isolation)
    }
    func transactionalWriter(
        _ id: String, timeout: Duration
    ) async throws(ClusterError) -> any TransactionalWriter {
        try await real.transactionalWriter(id, timeout: timeout)
    }
}

/// Batches that were handed to the writers of a cluster.
private final class WriteCount: Sendable {
    private let count = Atomic<Int>(0)

    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
}

private final class GatedWriter: RecordWriter {
    private let real: any RecordWriter
    private let gate: Gate
    private let writes: (count: WriteCount, second: ClusterError.Code)?

    /// - Parameter writes: nil: the gate is for all.
    init(_ real: any RecordWriter, _ gate: Gate, _ writes: (count: WriteCount, second: ClusterError.Code)?) {
        self.real = real
        self.gate = gate
        self.writes = writes
    }

    func submit(batch: ByteBuffer, to partition: TopicPartition) async throws(ClusterError) -> WriteReceipt {
        let number = writes?.count.next() ?? 1
        if number == 2, let writes { throw ClusterError(writes.second, "not taken") }
        let receipt = try await real.submit(batch: batch, to: partition)
        if number == 1 { await gate.pass() }
        return receipt
    }

    // MARK: As it is

    func submit(_ records: [ProducerRecord], to topic: String) async throws(ClusterError) -> WriteReceipt {
        try await real.submit(records, to: topic)
    }
    func submitBlocking(_ records: [ProducerRecord], to topic: String) throws(ClusterError) -> WriteReceipt {
        try real.submitBlocking(records, to: topic)
    }
    var compresses: Bool { real.compresses }
    func flush() async { await real.flush() }
    func close() async { await real.close() }
}
