import Cluster
import Environment
import SQLPlan
import SQLTypes
import StreamEngine
import TestKit
import Testing

@testable import SQLRuntime

@Suite(.serialized) struct RestartTests {
    private static let stream = """
        CREATE STREAM s (k STRING KEY, g STRING, v BIGINT)
          WITH (kafka_topic = 's', value_format = 'JSON', partitions = 4);
        """

    private static func record(_ number: Int) -> (key: String?, value: String?, timestamp: Int64) {
        ("k\(number % 50)", "{\"G\":\"g\(number % 7)\",\"V\":\(number)}", Int64(1000 + number))
    }

    /// What the counts by group must be after the first `count` records.
    private static func model(_ count: Int) -> [String: String] {
        var table: [String: String] = [:]
        for group in 0..<7 {
            let members = stride(from: group, to: count, by: 7)
            table["g\(group)"] = "{\"N\":\(Array(members).count),\"T\":\(members.reduce(0, +))}"
        }
        return table
    }

    private static let count =
        "CREATE TABLE c AS SELECT g, COUNT(*) AS n, SUM(v) AS t FROM s GROUP BY g EMIT CHANGES;"

    @Test(arguments: [false, true])
    func `counts go on where they were`(crashes: Bool) async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            try await server.write("s", (0..<700).map(Self.record))
            try await server.execute(Self.count)
            try await server.eventually("counts") { try await server.table("C") == Self.model(700) }
            try await server.restart(crashes: crashes)
            try await server.write("s", (700..<1400).map(Self.record))
            try await server.eventually("more counts") { try await server.table("C") == Self.model(1400) }
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `crashes at any moment neither lose nor repeat`(seed: UInt64) async throws {
        try await TestServer.run { server in
            var random = SeededRandom(seed: seed)
            try await server.execute(Self.stream)
            try await server.execute(Self.count)
            let id = try await server.execute(
                "CREATE TABLE d AS SELECT n, COUNT(*) AS m FROM c GROUP BY n EMIT CHANGES;")
            var written = 0
            for _ in 0..<8 {
                let more = Int.random(in: 50...400, using: &random)
                try await server.write("s", (written..<(written + more)).map(Self.record))
                written += more
                for _ in 0..<Int.random(in: 0...40, using: &random) { await Task.yield() }
                try await server.restart(crashes: true)
            }
            do {
                try await server.eventually("counts") { try await server.table("C") == Self.model(written) }
            } catch {
                Issue.record("\(try await server.table("C")) instead of \(Self.model(written))")
                throw error
            }
            // Groups by their count: every group is in one row of the second table, and only there.
            try await server.eventually("counts of counts") {
                let rows = try await server.runtime.read(TableRead(.all), of: id)
                let members = rows.reduce(Int64(0)) { sum, row in
                    guard case .bigint(let number)? = row.values.first else { return sum }
                    return sum + number
                }
                return members == 7
            }
        }
    }

    @Test func `rows are read by key and all together`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            try await server.write("s", (0..<700).map(Self.record))
            let id = try await server.execute(Self.count)
            try await server.eventually("counts") { try await server.table("C") == Self.model(700) }
            let all = try await server.runtime.read(TableRead(.all), of: id)
            #expect(all.count == 7)
            let one = try await server.runtime.read(TableRead(.keys([[.string("g3")]])), of: id)
            #expect(one.count == 1)
            #expect(
                one.first?.values == [
                    .bigint(100), .bigint(stride(from: 3, to: 700, by: 7).reduce(0) { $0 + Int64($1) }),
                ])
            #expect(try await server.runtime.read(TableRead(.keys([[.string("g9")]])), of: id).isEmpty)
        }
    }

    @Test func `a snapshot that is damaged is passed over`() async throws {
        let folder = "/tmp/swiftwater-snapshots-\(UInt64.random(in: 0 ... .max))"
        defer { try? RealDisk().removeTree(folder) }
        try await TestServer.run({ $0.snapshotFolder = folder }) { server in
            try await server.execute(Self.stream)
            try await server.write("s", (0..<700).map(Self.record))
            let id = try await server.execute(Self.count)
            try await server.eventually("counts") { try await server.table("C") == Self.model(700) }
            await server.runtime.shutdown()
            let disk = RealDisk()
            let files = try disk.list("\(folder)/\(id)").filter { $0.hasSuffix(".state") }
            #expect(!files.isEmpty)
            for name in files {
                let file = try disk.open("\(folder)/\(id)/\(name)", create: false)
                try file.write([0xFF, 0xFE], at: try file.byteCount() / 2)
            }
            try await server.restart(crashes: true)
            try await server.write("s", (700..<1400).map(Self.record))
            try await server.eventually("more counts") { try await server.table("C") == Self.model(1400) }
        }
    }

    @Test func `windows and joins of streams survive`() async throws {
        try await TestServer.run { server in
            try await server.execute(
                Self.stream + """
                    CREATE STREAM r (k STRING KEY, w BIGINT)
                      WITH (kafka_topic = 'r', value_format = 'JSON', partitions = 4);
                    """)
            try await server.execute(
                "CREATE STREAM j AS SELECT s.k, v, w FROM s JOIN r WITHIN 1 HOUR ON s.k = r.k EMIT CHANGES;")
            let windows = try await server.execute(
                "CREATE TABLE win AS SELECT g, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY g EMIT CHANGES;"
            )
            try await server.write("s", (0..<50).map(Self.record))
            try await server.eventually("windows") {
                try await server.runtime.read(TableRead(.all), of: windows).count == 7
            }
            try await server.restart(crashes: true)
            try await server.write("r", (0..<50).map { ("k\($0)", "{\"W\":\($0)}", 2000) })
            try await server.eventually("joined rows") { try await server.records("J").count == 50 }
            #expect(try await server.runtime.read(TableRead(.all), of: windows).count == 7)
        }
    }
}
