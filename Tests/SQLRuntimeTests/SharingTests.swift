import Cluster
import SQLPlan
import SQLTypes
import StreamEngine
import TestKit
import Testing

@testable import SQLRuntime

/// Several nodes on one cluster, in one process.
@Suite(.serialized) struct SharingTests {
    private static let stream = """
        CREATE STREAM s (k STRING KEY, g STRING, v BIGINT)
          WITH (kafka_topic = 's', value_format = 'JSON', partitions = 4);
        """
    private static let count =
        "CREATE TABLE c AS SELECT g, COUNT(*) AS n, SUM(v) AS t FROM s GROUP BY g EMIT CHANGES;"
    private static let groupCount = 23

    private static func record(_ number: Int) -> (key: String?, value: String?, timestamp: Int64) {
        ("k\(number % 50)", "{\"G\":\"g\(number % groupCount)\",\"V\":\(number)}", Int64(1000 + number))
    }

    private static func model(_ count: Int) -> [String: String] {
        var table: [String: String] = [:]
        for group in 0..<min(groupCount, count) {
            let members = Array(stride(from: group, to: count, by: groupCount))
            table["g\(group)"] = "{\"N\":\(members.count),\"T\":\(members.reduce(0, +))}"
        }
        return table
    }

    private static func run(_ guarantee: String = "exactly_once_v2", _ body: (TestServer) async throws -> Void)
        async throws
    {
        try await TestServer.run { server in
            server.leavesQueriesToNodes = true
            server.properties["processing.guarantee"] = guarantee
            server.properties["session.timeout.ms"] = "2000"
            server.properties["heartbeat.interval.ms"] = "100"
            try await body(server)
        }
    }

    /// The names of the tasks that a node runs.
    private static func tasks(_ node: QueryRuntime, _ id: String) async -> [String] {
        await node.status(of: id)?.tasks ?? []
    }

    /// Waits until every node has its share of the 8 tasks.
    private static func settle(_ server: TestServer, _ nodes: [QueryRuntime], _ id: String) async throws {
        try await server.eventually("an even share") {
            var all: [String] = []
            for node in nodes {
                let own = await tasks(node, id)
                guard own.count >= 8 / nodes.count, await node.status(of: id)?.state == .running else { return false }
                all += own
            }
            return all.count == 8 && Set(all).count == 8
        }
    }

    private static func rows(_ node: QueryRuntime, _ id: String, _ others: [String: QueryRuntime]) async throws -> Int {
        var count = 0
        for part in try await node.placement(of: id, for: TableRead(.all)) ?? [] {
            let owner = part.address.flatMap { others[$0] } ?? node
            for (_, rows) in try await owner.read(TableRead(.all), of: id, partitions: part.partitions) {
                count += rows.count
            }
        }
        return count
    }

    @Test(arguments: ["exactly_once_v2", "at_least_once"])
    func `nodes share the tasks, and a node that leaves hands its own over`(guarantee: String) async throws {
        try await Self.run(guarantee) { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            try await server.write("s", (0..<500).map(Self.record))
            let a = try await server.node("a:1")
            try await server.eventually("counts") { try await server.table("C") == Self.model(500) }
            let b = try await server.node("b:1")
            try await Self.settle(server, [a, b], id)
            try await server.write("s", (500..<1000).map(Self.record))
            try await server.eventually("more counts") { try await server.table("C") == Self.model(1000) }
            let nodes = ["a:1": a, "b:1": b]
            #expect(try await Self.rows(a, id, nodes) == Self.groupCount)
            #expect(try await Self.rows(b, id, nodes) == Self.groupCount)
            #expect(await b.nodes() == ["a:1", "b:1"])
            await a.shutdown()
            try await server.write("s", (1000..<1500).map(Self.record))
            try await server.eventually("counts of one") { try await server.table("C") == Self.model(1500) }
            try await Self.settle(server, [b], id)
            await b.shutdown()
        }
    }

    @Test(arguments: [1, 2] as [UInt64])
    func `nodes that die and come back neither lose nor repeat`(seed: UInt64) async throws {
        try await Self.run { server in
            var random = SeededRandom(seed: seed)
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            var nodes = [try await server.node("n0:1"), try await server.node("n1:1")]
            var written = 0
            for round in 0..<4 {
                for _ in 0..<5 {
                    let more = Int.random(in: 50...300, using: &random)
                    try await server.write("s", (written..<(written + more)).map(Self.record))
                    written += more
                }
                let victim = round % 2
                await nodes[victim].crash()
                try await server.write("s", (written..<(written + 100)).map(Self.record))
                written += 100
                nodes[victim] = try await server.node("n\(victim):1")
            }
            try await server.eventually("counts") { try await server.table("C") == Self.model(written) }
            try await Self.settle(server, nodes, id)
            for node in nodes { await node.shutdown() }
        }
    }

    @Test func `a node that was asleep is fenced`() async throws {
        try await Self.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            let a = try await server.node("a:1")
            try await Self.settle(server, [a], id)
            // A process that does not take part in the group takes all tasks, as the group would after a silence.
            try await server.runtime.start(
                try #require(server.plans[id]), properties: server.properties, isPaused: false)
            try await server.write("s", (0..<500).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(500) }
            await server.runtime.stop(id, forgets: false)
            try await server.write("s", (500..<900).map(Self.record))
            try await server.eventually("counts of the node") { try await server.table("C") == Self.model(900) }
            await a.shutdown()
        }
    }

    @Test func `partitions that are added are shared out`() async throws {
        try await Self.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute("CREATE STREAM d AS SELECT * FROM s EMIT CHANGES;")
            let (a, b) = (try await server.node("a:1"), try await server.node("b:1"))
            try await server.eventually("a share each") {
                let (ofA, ofB) = (await Self.tasks(a, id), await Self.tasks(b, id))
                return ofA.count == 2 && ofB.count == 2
            }
            try await server.cluster.addPartitions(topic: "s", total: 6, validateOnly: false)
            try await server.eventually("three each") {
                let (ofA, ofB) = (await Self.tasks(a, id), await Self.tasks(b, id))
                return ofA.count == 3 && ofB.count == 3
            }
            try await server.write("s", (0..<300).map(Self.record))
            try await server.eventually("all records") { try await server.records("D").count == 300 }
            await a.shutdown()
            await b.shutdown()
        }
    }

    @Test func `a dropped query leaves nothing behind`() async throws {
        try await Self.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            let (a, b) = (try await server.node("a:1"), try await server.node("b:1"))
            try await Self.settle(server, [a, b], id)
            async let first: Void = a.stop(id, forgets: true)
            await b.stop(id, forgets: true)
            await first
            let names = try await server.cluster.topics().map(\.name)
            #expect(!names.contains { $0.contains("query_\(id)-") }, "\(names)")
            #expect(try await server.cluster.groups().filter { $0.id.contains(id) }.isEmpty)
            await a.shutdown()
            await b.shutdown()
        }
    }

    @Test func `a replaced query goes on with its state on both nodes`() async throws {
        try await Self.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            let (a, b) = (try await server.node("a:1"), try await server.node("b:1"))
            try await Self.settle(server, [a, b], id)
            try await server.write("s", (0..<500).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(500) }
            let plan = try #require(server.plans[id])
            try await a.replace(plan, properties: server.properties)
            try await b.replace(plan, properties: server.properties)
            try await server.write("s", (500..<1000).map(Self.record))
            try await server.eventually("more counts") { try await server.table("C") == Self.model(1000) }
            try await Self.settle(server, [a, b], id)
            await a.shutdown()
            await b.shutdown()
        }
    }
}
