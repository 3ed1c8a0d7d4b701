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
            let second = try await server.node("b:1", on: GatedCluster(server.cluster, gate, at: .changelogReads))
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
