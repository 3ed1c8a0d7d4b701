import Cluster
import Testing

@testable import SQLRuntime

@Suite(.serialized) struct ProgressTests {
    @Test func `state that is being read back is told of`() async throws {
        try await TestServer.run { server in
            server.leavesQueriesToNodes = true
            server.properties["session.timeout.ms"] = "2000"
            server.properties["heartbeat.interval.ms"] = "100"
            try await server.execute(
                "CREATE STREAM s (k STRING KEY, v BIGINT) WITH (kafka_topic = 's', value_format = 'JSON', partitions = 2);"
            )
            let id = try await server.execute(
                "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES;")
            try await server.write("s", (0..<60).map { ("k\($0 % 6)", "{\"V\":1}", 1000) })
            let first = try await server.node("a:1")
            try await server.eventually("all counts") {
                let table = try await server.table("C")
                return table.count == 6 && table.values.allSatisfy { $0 == "{\"N\":10}" }
            }
            // A node that loses its place for a moment has nothing to tell meanwhile.
            var before: [StoreProgress] = []
            try await server.eventually("all state on one node") {
                before = await first.progress()
                return before.count == 2
            }
            #expect(Set(before.map(\.partition)) == [0, 1])
            #expect(before.allSatisfy { $0.query == id && $0.store == "Aggregate-Aggregate-Materialize" })
            #expect(before.allSatisfy { $0.position == $0.end })
            await first.shutdown()

            let gate = Gate()
            let second = try await server.node("b:1", on: GatedCluster(server.cluster, gate))
            try await server.eventually("state on its way") {
                let parts = await second.progress()
                return parts.count == 2 && parts.allSatisfy { $0.position == 0 && $0.end > 0 && $0.query == id }
            }
            await gate.open()
            try await server.eventually("state that is there") {
                let parts = await second.progress()
                return parts.count == 2 && parts.allSatisfy { $0.position == $0.end && $0.end > 0 }
            }
            await second.shutdown()
        }
    }
}

/// Holds up those who come before it is open.
private actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

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

/// A cluster whose changelogs are read only once a gate is open.
private struct GatedCluster: Cluster {
    private let real: any Cluster
    private let gate: Gate

    init(_ real: any Cluster, _ gate: Gate) {
        self.real = real
        self.gate = gate
    }

    func reader(
        _ partition: TopicPartition, from start: LogPosition, isolation: Isolation
    ) async throws(ClusterError) -> any PartitionReader {
        if partition.topic.hasSuffix("-changelog") { await gate.pass() }
        return try await real.reader(partition, from: start, isolation: isolation)
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
    func writer(_ mode: WriterMode) async throws(ClusterError) -> any RecordWriter { try await real.writer(mode) }
    func transactionalWriter(
        _ id: String, timeout: Duration
    ) async throws(ClusterError) -> any TransactionalWriter {
        try await real.transactionalWriter(id, timeout: timeout)
    }
}
