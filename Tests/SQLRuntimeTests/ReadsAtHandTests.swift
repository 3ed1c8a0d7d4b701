import Cluster
import SQLTypes
import StreamEngine
import Synchronization
import Testing

@testable import SQLRuntime

@Suite(.serialized) struct ReadsAtHandTests {
    private static let stream = """
        CREATE STREAM s (k STRING KEY, g STRING, v BIGINT)
          WITH (kafka_topic = 's', value_format = 'JSON', partitions = 4);
        """

    private static func record(_ number: Int) -> (key: String?, value: String?, timestamp: Int64) {
        ("k\(number % 50)", "{\"G\":\"g\(number % 7)\",\"V\":\(number)}", Int64(1000 + number))
    }

    private static func key(_ texts: String...) -> TableRead { TableRead(.keys(texts.map { [.string($0)] })) }

    /// What readers and the test share.
    private final class Beside: Sendable {
        let isOver = Atomic<Bool>(false)
        let found = Atomic<Int>(0)
        let runtime: Mutex<QueryRuntime>

        init(_ runtime: QueryRuntime) { self.runtime = Mutex(runtime) }
    }

    private static func text(_ rows: [TableRow]?) -> [String]? {
        rows.map { $0.map { "\($0.key) \($0.window?.start ?? -1) \($0.values) \($0.timestamp)" } }
    }

    @Test func `rows at hand are those that a read gives`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(
                "CREATE TABLE c AS SELECT g, COUNT(*) AS n FROM s GROUP BY g EMIT CHANGES;")
            let windows = try await server.execute(
                "CREATE TABLE w AS SELECT g, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY g EMIT CHANGES;"
            )
            let latest = try await server.execute(
                "CREATE TABLE l AS SELECT k, LATEST_BY_OFFSET(v) AS v FROM s GROUP BY k EMIT CHANGES;")
            try await server.write("s", (0..<700).map(Self.record))
            for (query, read) in [
                (id, Self.key("g3")), (id, Self.key("none")), (id, Self.key("g1", "g2", "none", "g1", "g6")),
                (windows, Self.key("g3")), (windows, Self.key("g3", "g4")), (latest, Self.key("k7")),
                (latest, Self.key("k1", "k2", "k3")),
            ] {
                try await server.eventually("everything counted and committed") {
                    let status = await server.runtime.status(of: query)
                    return status?.consumed == 700 && status?.positions.allSatisfy { $0.lag == 0 } == true
                        && server.runtime.readAtHand(read, of: query, rowCountMax: 10) != nil
                }
                let rows = try await server.runtime.read(read, of: query)
                try await server.eventually("the same rows") {
                    Self.text(server.runtime.readAtHand(read, of: query, rowCountMax: 10)) == Self.text(rows)
                }
            }
            var limited = Self.key("g1", "g2", "g3")
            limited.limit = 2
            #expect(server.runtime.readAtHand(limited, of: id, rowCountMax: 10)?.count == 2)
            // What is long, and what is not there, is for `read`.
            #expect(server.runtime.readAtHand(Self.key("g1", "g2", "g3"), of: id, rowCountMax: 2) == nil)
            #expect(server.runtime.readAtHand(TableRead(.all), of: id, rowCountMax: 10) == nil)
            #expect(server.runtime.readAtHand(Self.key("g1"), of: "other", rowCountMax: 10) == nil)
            await server.runtime.stop(id, forgets: false)
            #expect(server.runtime.readAtHand(Self.key("g1"), of: id, rowCountMax: 10) == nil)
        }
    }

    /// Counts only grow, however often the query is paused and started anew meanwhile: nobody sees what is not committed.
    @Test func `reads beside the work, the pauses and the ends of a query`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(
                "CREATE TABLE c AS SELECT g, COUNT(*) AS n FROM s GROUP BY g EMIT CHANGES;")
            let beside = Beside(server.runtime)
            let readers = (0..<3).map { reader in
                Task.detached { () -> Bool in
                    var last: Int64 = 0
                    while !beside.isOver.load(ordering: .relaxed) {
                        // Nothing here waits: the threads belong to others too.
                        await Task.yield()
                        let rows = beside.runtime.withLock { $0 }
                            .readAtHand(Self.key("g\(reader)"), of: id, rowCountMax: 10)
                        guard let row = rows?.first, case .bigint(let count) = row.values[0] else { continue }
                        if count < last { return false }
                        last = count
                        beside.found.wrappingAdd(1, ordering: .relaxed)
                    }
                    return true
                }
            }
            for round in 0..<4 {
                try await server.write("s", (0..<700).map(Self.record))
                switch round {
                case 1:
                    try await server.runtime.pause(id)
                    try await server.runtime.resume(id)
                case 2:
                    try await server.restart(crashes: false)
                    let runtime = server.runtime
                    beside.runtime.withLock { $0 = runtime }
                default: break
                }
                let before = beside.found.load(ordering: .relaxed)
                try await server.eventually("all of round \(round) at hand") {
                    let rows = server.runtime.readAtHand(Self.key("g0"), of: id, rowCountMax: 10)
                    return rows?.first?.values == [.bigint(Int64(100 * (round + 1)))]
                }
                try await server.eventually("others read") { beside.found.load(ordering: .relaxed) > before }
            }
            beside.isOver.store(true, ordering: .relaxed)
            for reader in readers { #expect(await reader.value) }
        }
    }

    @Test func `of a shared query, what this node has`() async throws {
        try await TestServer.run { server in
            server.leavesQueriesToNodes = true
            try await server.execute(Self.stream)
            let id = try await server.execute(
                "CREATE TABLE c AS SELECT g, COUNT(*) AS n FROM s GROUP BY g EMIT CHANGES;")
            try await server.write("s", (0..<700).map(Self.record))
            let first = try await server.node("one:1")
            try await server.eventually("all at hand of the only node") {
                (0..<7).allSatisfy {
                    first.readAtHand(Self.key("g\($0)"), of: id, rowCountMax: 10)?.first?.values == [.bigint(100)]
                }
            }
            let second = try await server.node("two:2")
            // Each key is at hand of exactly one.
            try await server.eventually("the keys shared") {
                let counts = (0..<7).map { number in
                    [first, second].compactMap { node -> Int? in
                        let rows = node.readAtHand(Self.key("g\(number)"), of: id, rowCountMax: 10)
                        return rows?.first?.values == [.bigint(100)] ? 1 : nil
                    }.count
                }
                let ofSecond = (0..<7).contains {
                    second.readAtHand(Self.key("g\($0)"), of: id, rowCountMax: 10) != nil
                }
                return counts.allSatisfy { $0 == 1 } && ofSecond
            }
            await first.shutdown()
            await second.shutdown()
        }
    }
}
