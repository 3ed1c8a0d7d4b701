import Cluster
import NIOCore
import StreamEngine
import Synchronization
import Testing

@testable import SQLRuntime

/// Properties of queries that say what becomes of results.
@Suite(.serialized) struct QueryPropertyTests {
    private static let stream = """
        CREATE STREAM s (k STRING KEY, v STRING)
          WITH (kafka_topic = 's', value_format = 'JSON', partitions = 1);
        """
    private static let copy = "CREATE STREAM o AS SELECT k, v FROM s EMIT CHANGES;"

    private static func record(_ number: Int, _ size: Int) -> (key: String?, value: String?, timestamp: Int64) {
        ("k\(number)", "{\"V\":\"\(String(repeating: "x", count: size))\"}", Int64(1000 + number))
    }

    private static func makeSmallTopic(_ server: TestServer) async throws {
        try await server.cluster.createTopic(
            NewTopic("O", partitionCount: 1, configs: ["retention.ms": "-1", "max.message.bytes": "1000"]),
            validateOnly: false)
    }

    @Test(arguments: ["at_least_once", "exactly_once_v2"])
    func `results that their topic does not take are left out and told of`(guarantee: String) async throws {
        let told = Mutex<[ProcessingLogEntry]>([])
        try await TestServer.run {
            $0.processingLog = { _, entry in told.withLock { $0.append(entry) } }
        } _: { server in
            server.properties["processing.guarantee"] = guarantee
            server.properties["ksql.fail.on.production.error"] = "false"
            try await Self.makeSmallTopic(server)
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.copy)
            // By hand: the batch's head has 61 bytes, the record's fields 10, the key 3, {"V":""} 8, which makes 1000 of 919.
            let sizes = (0..<40).map { $0 == 7 ? 5000 : $0 == 20 ? 919 : 100 }
            try await server.write("s", sizes.enumerated().map { Self.record($0, $1) })
            try await server.eventually("copies") { try await server.records("O").count == 39 }
            let keys = Set(try await server.records("O").compactMap { $0.key.map { String(buffer: $0) } })
            #expect(keys == Set((0..<40).filter { $0 != 7 }.map { "k\($0)" }))
            try await server.eventually("an entry") { !told.withLock { $0.isEmpty } }
            let entries = told.withLock { $0 }
            #expect(entries.map(\.kind) == [.production])
            #expect(entries.first?.message.contains("larger than 1000") == true)
            #expect(entries.first?.topic == "O")
            try await server.eventually("figures") {
                let status = await server.runtime.status(of: id)
                return status?.state == .running && status?.produced == 39 && status?.failed == 1
            }
        }
    }

    @Test func `a result that its topic does not take ends the query`() async throws {
        try await TestServer.run { server in
            try await Self.makeSmallTopic(server)
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.copy)
            try await server.write("s", [Self.record(0, 5000)])
            try await server.eventually("an error") { await server.runtime.status(of: id)?.state == .error }
            #expect(try await server.records("O").isEmpty)
        }
    }

    @Test(arguments: ["true", "false"])
    func `a topic that takes more since the query began gets more`(fails: String) async throws {
        try await TestServer.run { server in
            server.properties["ksql.fail.on.production.error"] = fails
            try await Self.makeSmallTopic(server)
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.copy)
            try await server.write("s", [Self.record(0, 100)])
            try await server.eventually("a copy") { try await server.records("O").count == 1 }
            _ = try await server.cluster.alterConfigs(
                of: .topic("O"), [ConfigChange("max.message.bytes", .set("100000"))], validateOnly: false)
            try await server.write("s", [Self.record(1, 5000)])
            try await server.eventually("another copy") { try await server.records("O").count == 2 }
            #expect(await server.runtime.status(of: id)?.state != .error)
        }
    }

    @Test func `a topic of small batches gets all results`() async throws {
        try await TestServer.run { server in
            try await Self.makeSmallTopic(server)
            try await server.execute(Self.stream)
            try await server.execute(Self.copy)
            try await server.write("s", (0..<500).map { Self.record($0, 50) })
            try await server.eventually("copies") { try await server.records("O").count == 500 }
        }
    }

    @Test func `a query that would hold back too much ends`() async throws {
        let count = """
            CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 1 HOUR)
              GROUP BY k EMIT FINAL;
            """
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            server.properties["ksql.suppress.buffer.size.bytes"] = "50000"
            let id = try await server.execute(count)
            try await server.write("s", (0..<50).map { Self.record($0, 1) })
            try await server.eventually("a commit") { await server.runtime.status(of: id)?.consumed == 50 }
            #expect(await server.runtime.status(of: id)?.state == .running)
            try await server.write("s", (50..<4000).map { Self.record($0, 1) })
            try await server.eventually("an error") { await server.runtime.status(of: id)?.state == .error }
            let message = await server.runtime.status(of: id)?.errors.last?.message
            #expect(message?.contains("ksql.suppress.buffer.size.bytes allows 50000") == true)
        }
    }
}
