import Cluster
import ConnectCore
import JSONFormat
import NIOCore
import Synchronization
import Testing

@testable import ConnectService

/// What the log refuses for a while, and what it cannot give back.
@Suite(.serialized) struct FaultTests {
    private static let source = ["connector.class": "CountingSource", "topic": "lines", "count": "20"]

    private static func with(_ body: (TestPlatform, FaultyCluster, Worker) async throws -> Void) async throws {
        try await TestPlatform.with { platform in
            let cluster = FaultyCluster(platform.cluster)
            let worker = try await platform.start(cluster: cluster)
            do {
                try await body(platform, cluster, worker)
            } catch {
                await worker.stop()
                throw error
            }
            await worker.stop()
        }
    }

    @Test func `states that cannot be written are written when it is possible`() async throws {
        try await Self.with { platform, cluster, worker in
            cluster.faults.withLock { $0.refusesWrite = { topic, _ in topic == "connect-status" } }
            #expect(try await worker.create("good", Self.source).status == 201)
            let failing = Self.source.merging(["fail.at": "5", "topic": "others"]) { $1 }
            #expect(try await worker.create("failing", failing).status == 201)
            #expect(try await worker.create("gone", Self.source.merging(["topic": "more"]) { $1 }).status == 201)
            try await eventually("written") { (try? await platform.records("lines").count) == 20 }
            try await eventually("laid out") {
                try await worker.ask("GET", "/connectors/gone/tasks").json.elements?.count == 1
            }
            #expect(try await worker.states("good") == "none / ")
            #expect(try await worker.ask("DELETE", "/connectors/gone").status == 204)
            cluster.faults.withLock { $0.refusesWrite = { _, _ in false } }
            try await eventually("told") { try await worker.states("good") == "RUNNING / RUNNING" }
            try await eventually("the failure too") { try await worker.states("failing") == "RUNNING / FAILED" }
            #expect(try await worker.states("gone") == "none / ")
        }
    }

    @Test func `tasks whose configurations cannot be written are written when it is possible`() async throws {
        try await Self.with { platform, cluster, worker in
            cluster.faults.withLock {
                $0.refusesWrite = { topic, record in
                    topic == "connect-configs" && record.key.map { String(buffer: $0).hasPrefix("task-") } ?? false
                }
            }
            #expect(try await worker.create("s", Self.source).status == 201)
            try await eventually("without tasks") { try await worker.states("s") == "RUNNING / " }
            cluster.faults.withLock { $0.refusesWrite = { _, _ in false } }
            try await eventually("with tasks") { try await worker.states("s") == "RUNNING / RUNNING" }
        }
    }

    @Test func `a sink fails of records that cannot be read`() async throws {
        try await Self.with { platform, cluster, worker in
            try await platform.cluster.createTopic(NewTopic("lines", partitionCount: 1), validateOnly: false)
            cluster.faults.withLock {
                $0.unreadable["lines"] = ClusterError(
                    .corruptMessage, "record batch of lines-0: gzip data decompresses to more than is allowed")
            }
            #expect(try await worker.create("k", ["connector.class": "KeepingSink", "topics": "lines"]).status == 201)
            try await eventually("failed") { try await worker.states("k") == "RUNNING / FAILED" }
            let trace = try await worker.ask("GET", "/connectors/k/tasks/0/status").json["trace"]?.text ?? ""
            #expect(trace.contains("org.apache.kafka.common.KafkaException: "), "\(trace)")
            #expect(trace.contains("the records of lines-0 from offset 0 on cannot be read"), "\(trace)")
            #expect(trace.contains("decompresses to more than is allowed"), "\(trace)")
        }
    }

    @Test func `the newest state is kept, and none that a newer one has replaced`() {
        func record(_ state: RunState) -> StatusRecords.Record {
            StatusRecords.connector("c", RunStatus(state, workerId: "w", generation: 0, version: nil))
        }
        var states = UnwrittenStates()
        let first = states.begin([record(.running)])
        let second = states.begin([record(.failed)])
        states.end(second, [record(.failed)], isWritten: true)
        states.end(first, [record(.running)], isWritten: false)
        #expect(states.isEmpty)
        let third = states.begin([record(.paused)])
        states.end(third, [record(.paused)], isWritten: false)
        #expect(states.records.map(\.value) == [record(.paused).value])
        let gone = StatusRecords.connector("c", nil)
        let fourth = states.begin([gone])
        #expect(states.isEmpty)
        states.end(fourth, [gone], isWritten: false)
        #expect(states.records.count == 1 && states.records[0].value == nil)
    }
}
