import Cluster
import Environment
import NIOCore
import SQLPlan
import SQLTypes
import StreamEngine
import Synchronization
import Testing

@testable import SQLRuntime

/// What happens to queries besides records: other settings, other plans, limits, and failures around them.
@Suite(.serialized) struct OperationTests {
    private static let stream = """
        CREATE STREAM s (k STRING KEY, g STRING, v BIGINT)
          WITH (kafka_topic = 's', value_format = 'JSON', partitions = 4);
        """
    private static let count =
        "CREATE TABLE c AS SELECT g, COUNT(*) AS n, SUM(v) AS t FROM s GROUP BY g EMIT CHANGES;"

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

    @Test func `at least once goes on after an end in good order without a repeat`() async throws {
        try await TestServer.run { server in
            server.properties["processing.guarantee"] = "at_least_once"
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            try await server.write("s", (0..<700).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(700) }
            try await server.restart(crashes: false)
            try await server.write("s", (700..<1400).map(Self.record))
            try await server.eventually("more counts") { try await server.table("C") == Self.model(1400) }
            try await server.eventually("offsets") {
                try await server.cluster.groupOffsets("_confluent-ksql-default_query_\(id)")
                    .filter { $0.key.topic == "s" }.values.reduce(0) { $0 + $1.offset } == 1400
            }
        }
    }

    @Test func `at least once loses nothing in a crash`() async throws {
        try await TestServer.run { server in
            server.properties["ksql.streams.processing.guarantee"] = "at_least_once"
            try await server.execute(Self.stream)
            try await server.execute("CREATE STREAM o AS SELECT k, v FROM s EMIT CHANGES;")
            for round in 0..<4 {
                try await server.write("s", (round * 300..<(round + 1) * 300).map(Self.record))
                try await server.restart(crashes: true)
            }
            try await server.eventually("all values") {
                Set(try await server.records("O").compactMap { $0.value.map { String(buffer: $0) } }).count == 1200
            }
        }
    }

    @Test func `another plan goes on with the state and the place of the one before`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            try await server.write("s", (0..<700).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(700) }
            let replaced = try await server.execute(
                """
                CREATE OR REPLACE TABLE c AS SELECT g, COUNT(*) AS n, SUM(v) AS t FROM s WHERE v < 1400
                  GROUP BY g EMIT CHANGES;
                """)
            #expect(replaced == id)
            try await server.write("s", (700..<1500).map(Self.record))
            try await server.eventually("more counts") { try await server.table("C") == Self.model(1400) }
            // What was taken over is in the changelog as well.
            try await server.restart(crashes: true)
            try await server.write("s", [("k", "{\"G\":\"g0\",\"V\":-1}", 1)])
            try await server.eventually("one more") {
                let sum = stride(from: 0, to: 1400, by: 7).reduce(0, +)
                return try await server.table("C")["g0"] == "{\"N\":201,\"T\":\(sum - 1)}"
            }
        }
    }

    @Test(arguments: [false, true])
    func `a query with too much state fails, and leaves others alone`(ofAll: Bool) async throws {
        try await TestServer.run { settings in
            if ofAll { settings.stateByteCountMax = 200_000 } else { settings.queryStateByteCountMax = 200_000 }
        } _: { server in
            try await server.execute(Self.stream)
            let small = try await server.execute(Self.count)
            let large = try await server.execute(
                "CREATE TABLE l AS SELECT v, COUNT(*) AS n FROM s GROUP BY v EMIT CHANGES;")
            let plain = try await server.execute("CREATE STREAM o AS SELECT k, v FROM s EMIT CHANGES;")
            try await server.write("s", (0..<700).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(700) }
            try await server.write("s", (700..<7000).map(Self.record))
            try await server.eventually("an error") { await server.runtime.status(of: large)?.state == .error }
            #expect(await server.runtime.status(of: large)?.errors.last?.message.contains("bytes of state") == true)
            try await server.eventually("copies") { try await server.records("O").count == 7000 }
            #expect(await server.runtime.status(of: plain)?.state == .running)
            try await server.eventually("counts") { try await server.table("C") == Self.model(7000) }
            #expect(await server.runtime.status(of: small)?.state == .running)
        }
    }

    @Test func `snapshots are written now and then, and a crash goes on from them`() async throws {
        let folder = "/tmp/swiftwater-snapshots-\(UInt64.random(in: 0 ... .max))"
        defer { try? RealDisk().removeTree(folder) }
        try await TestServer.run {
            $0.snapshotFolder = folder
            $0.snapshotChangeCountMin = 10
        } _: { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            var written = 0
            try await server.eventually("a snapshot") {
                try await server.write("s", (written..<written + 70).map(Self.record))
                written += 70
                return ((try? RealDisk().list("\(folder)/\(id)")) ?? []).contains { $0.hasSuffix(".state") }
            }
            try await server.restart(crashes: true)
            try await server.write("s", (written..<written + 70).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(written + 70) }
        }
    }

    @Test func `records of a query's own topics go when they have been read`() async throws {
        try await TestServer.run {
            $0.upkeepInterval = .milliseconds(50)
        } _: { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            try await server.write("s", (0..<700).map(Self.record))
            let topic = "_confluent-ksql-default_query_\(id)-Aggregate-GroupBy-repartition"
            let partitions = (0..<4).map { TopicPartition(topic, Int32($0)) }
            try await server.eventually("a purge") {
                let starts = try await server.cluster.offsets(
                    .all(partitions, at: .beginning), isolation: .readCommitted)
                let ends = try await server.cluster.offsets(.all(partitions, at: .end), isolation: .readCommitted)
                return ends.values.reduce(0, +) >= 700 && starts == ends
            }
            try await server.restart(crashes: true)
            try await server.write("s", (700..<1400).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(1400) }
        }
    }

    /// The last record of a sum is more than its type holds, in the middle of all that is there when the query begins.
    ///
    /// Of 4097 records the last one is a batch of its own.
    @Test(arguments: [(1, 1000), (3, 1000), (700, 1000), (4096, 4097)])
    func `all before the record that ends a query is there, and told once`(last: Int, count: Int) async throws {
        let log = Mutex<[ProcessingLogEntry]>([])
        try await TestServer.run {
            $0.processingLog = { _, entry in log.withLock { $0.append(entry) } }
        } _: { server in
            try await server.execute(
                "CREATE STREAM d (k STRING KEY, v DECIMAL(3, 0)) WITH (kafka_topic='d', value_format='JSON', partitions=1);"
            )
            var records: [(key: String?, value: String?, timestamp: Int64)] = (0..<count).map {
                ("k\($0)", "{\"V\":1}", Int64($0))
            }
            records[0] = ("x", "{\"V\":999}", 0)
            records[last] = ("x", "{\"V\":5}", Int64(last))
            if last > 3 { records[2].value = "no json" }
            if last + 1 < count { records[last + 1].value = "no json, either" }
            try await server.write("d", records)
            let id = try await server.execute("CREATE TABLE c AS SELECT k, SUM(v) AS t FROM d GROUP BY k EMIT CHANGES;")
            try await server.eventually("an error") { await server.runtime.status(of: id)?.state == .error }
            let errors = await server.runtime.status(of: id)?.errors.map(\.message) ?? []
            #expect(errors.count == 1 && errors[0].contains("partition 0, offset \(last): "), "\(errors)")
            let written = try await server.records("C").map { $0.key.map { String(buffer: $0) } }
            let expected = records[..<last].filter { $0.value?.first == "{" }.map(\.key)
            #expect(written == expected)
            #expect(log.withLock { $0 }.compactMap(\.offset) == (last > 3 ? [2] : []))
            let offsets = try await server.cluster.groupOffsets("_confluent-ksql-default_query_\(id)")
            #expect(offsets.first { $0.key.topic == "d" }?.value.offset == Int64(last))
        }
    }

    /// Times of two streams alternate, and so every batch is one record.
    @Test func `all before the record that ends a join is there`() async throws {
        try await TestServer.run { server in
            for name in ["l", "r"] {
                try await server.execute(
                    """
                    CREATE STREAM \(name) (k STRING KEY, v DECIMAL(3, 0))
                      WITH (kafka_topic = '\(name)', value_format = 'JSON', partitions = 1);
                    """)
            }
            let last = 100
            let values = (0...150).map { $0 == 0 ? 999 : 1 }
            func records(_ shift: Int64) -> [(key: String?, value: String?, timestamp: Int64)] {
                values.enumerated().map {
                    ($0 == last ? "k0" : "k\($0)", "{\"V\":\($1)}", 2 * Int64($0) + shift)
                }
            }
            try await server.write("l", records(0))
            try await server.write("r", records(1))
            let id = try await server.execute(
                """
                CREATE TABLE c AS SELECT l.k AS k, SUM(l.v) AS t FROM l JOIN r WITHIN 1 HOUR ON l.k = r.k
                  GROUP BY l.k EMIT CHANGES;
                """)
            try await server.eventually("an error") { await server.runtime.status(of: id)?.state == .error }
            let errors = await server.runtime.status(of: id)?.errors.map(\.message) ?? []
            #expect(errors.count == 1 && errors[0].contains("topic l, partition 0, offset \(last): "), "\(errors)")
            let written = try await server.records("C").map { $0.key.map { String(buffer: $0) } }
            #expect(written == (0..<last).map { "k\($0)" })
            let offsets = try await server.cluster.groupOffsets("_confluent-ksql-default_query_\(id)")
            for topic in ["l", "r"] {
                #expect(offsets.first { $0.key.topic == topic }?.value.offset == Int64(last), "\(topic)")
            }
        }
    }

    @Test func `who looks for the record that ends a query waits for what is being committed`() async throws {
        let log = Mutex<[ProcessingLogEntry]>([])
        try await TestServer.run {
            $0.processingLog = { _, entry in log.withLock { $0.append(entry) } }
        } _: { server in
            server.leavesQueriesToNodes = true
            server.properties["processing.guarantee"] = "at_least_once"
            try await server.execute(
                "CREATE STREAM d (k STRING KEY, v DECIMAL(3, 0)) WITH (kafka_topic='d', value_format='JSON', partitions=1);"
            )
            let id = try await server.execute("CREATE TABLE c AS SELECT k, SUM(v) AS t FROM d GROUP BY k EMIT CHANGES;")
            try await server.write("d", [("x", "{\"V\":999}", 0), ("y", "no json", 0), ("z", "{\"V\":1}", 0)])
            let gate = Gate()
            let node = try await server.node("a:1", on: GatedCluster(server.cluster, gate, at: .writes))
            try await server.eventually("a commit under way") { await gate.isWaitedFor }
            #expect(log.withLock { $0 }.isEmpty)
            try await server.write("d", [("x", "{\"V\":5}", 0)])
            try await server.eventually("a failure") { await node.status(of: id)?.state == .rebalancing }
            await gate.open()
            try await server.eventually("an error") { await node.status(of: id)?.state == .error }
            let errors = await node.status(of: id)?.errors.map(\.message) ?? []
            #expect(errors.count == 1 && errors[0].contains("partition 0, offset 3: "), "\(errors)")
            #expect(try await server.records("C").map { $0.key.map { String(buffer: $0) } } == ["x", "z"])
            #expect(log.withLock { $0 }.compactMap(\.offset) == [1])
            await node.shutdown()
        }
    }

    /// Without transactions nothing else keeps the tasks of the next run from what is being committed.
    /// Ten keys in two partitions; a node "a:1" with a task that is held up in its first commit, and one that fails with it.
    private static func runGated(
        _ code: ClusterError.Code,
        _ body: (TestServer, String, SQLRuntime.PersistentQuery, QueryRuntime, Gate) async throws -> Void
    ) async throws {
        try await TestServer.run { server in
            server.leavesQueriesToNodes = true
            server.properties["processing.guarantee"] = "at_least_once"
            server.properties["heartbeat.interval.ms"] = "100"
            try await server.execute(
                "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=2);")
            let id = try await server.execute(
                "CREATE TABLE c AS SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES;")
            try await server.write("s", (0..<10).map { ("k\($0)", "{\"V\":1}", 0) })
            let gate = Gate()
            let node = try await server.node("a:1", on: GatedCluster(server.cluster, gate, at: .firstWrite(code)))
            try await server.eventually("a failure") { await node.status(of: id)?.errors.isEmpty == false }
            do { try await body(server, id, try node.query(id), node, gate) } catch {
                // Else the end would wait for what is held up.
                await gate.open()
                throw error
            }
        }
    }

    /// Waits until `twice` of ten keys have come twice, and all others once.
    private static func expectCounts(_ server: TestServer, twice: Range<Int>) async throws {
        let counts = (0..<10).map { ("k\($0)", "{\"N\":\(twice.contains($0) ? 2 : 1)}") }
        try await server.eventually("counts") {
            try await server.table("C") == Dictionary(uniqueKeysWithValues: counts)
        }
    }

    @Test func `who begins anew after a failure waits for what is being committed`() async throws {
        try await Self.runGated(.requestTimedOut) { server, _, query, node, gate in
            try await server.eventually("another attempt") { await query.attempts > 0 }
            // It waits for as long as the gate is shut.
            #expect(await !query.ending.isEmpty)
            try await server.write("s", [("k0", "{\"V\":1}", 0)])
            await gate.open()
            try await Self.expectCounts(server, twice: 0..<1)
            await node.shutdown()
            let next = try await server.node("a:1")
            try await server.write("s", [("k1", "{\"V\":1}", 0)])
            try await Self.expectCounts(server, twice: 0..<2)
            await next.shutdown()
        }
    }

    @Test func `a node leaves the group of a query that has failed for good behind what is being committed`()
        async throws
    {
        try await Self.runGated(.messageTooLarge) { server, id, query, node, gate in
            #expect(await node.status(of: id)?.state == .error)
            let group = query.applicationID
            // The other one comes while the first still has its place.
            let other = try await server.node("b:1")
            try await server.eventually("two members") { try await server.cluster.group(group).members.count == 2 }
            #expect(await other.status(of: id)?.tasks == [])
            await gate.open()
            try await Self.expectCounts(server, twice: 0..<0)
            try await server.write("s", (0..<10).map { ("k\($0)", "{\"V\":1}", 0) })
            try await Self.expectCounts(server, twice: 0..<10)
            try await server.eventually("one member") { try await server.cluster.group(group).members.count == 1 }
            await other.shutdown()
            await node.shutdown()
        }
    }

    @Test func `a member of the group that has lost its place commits nothing of what it did in it`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            let identity = Mutex(GroupIdentity.outside("g"))
            let member: @Sendable () async -> GroupIdentity = { identity.withLock { $0 } }
            func commit(_ committer: Committer, _ offset: Int64) async throws(ClusterError) {
                _ = try await committer.commit(
                    Committer.Work(
                        batches: [], offsets: [TopicPartition("s", 0): CommittedOffset(offset)], changelogs: []))
            }
            let committer = try await Committer.open(
                server.cluster, group: "g", transactionalID: "g-0_0", .atLeastOnce, member: member)
            try await commit(committer, 5)
            identity.withLock { $0.memberId = "another" }
            let error = await #expect(throws: ClusterError.self) { try await commit(committer, 7) }
            #expect(error?.code == .unknownMemberId)
            #expect(error?.message.contains("has lost its place") == true)
            let committed = try await server.cluster.groupOffsets("g")
            #expect(committed[TopicPartition("s", 0)]?.offset == 5)
            await committer.close()
        }
    }

    @Test func `care is taken of the records of the batch that failed, and of no others`() throws {
        func batch(_ offsets: ClosedRange<Int64>) -> SourceBatch {
            SourceBatch(
                topic: "d",
                records: offsets.map { (key: nil, value: nil, timestamp: 0, offset: $0, headers: []) })
        }
        func care(_ offsets: ClosedRange<Int64>, isAlone: Bool, _ code: EngineError.Code = .fatalRecord) -> TaskRun
            .Care?
        {
            TaskRun.Care(.engine(EngineError(code, "no"), batch(offsets), isAlone: isAlone))
        }
        #expect(care(7...7, isAlone: true) == nil)
        #expect(care(7...8, isAlone: true, .stateLimit) == nil)
        #expect(care(7...7, isAlone: false)?.range == 7...7)
        let wide = try #require(care(100...227, isAlone: true))
        func most(_ offset: Int64) -> [Int64] {
            let most = wide.most(from: offset)
            return [Int64(most.recordCount), most.end]
        }
        #expect(most(0) == [.max, 100])
        #expect(most(100) == [2, 228])
        #expect(most(227) == [2, 228])
        #expect(most(228) == [.max, .max])
    }

    @Test func `a topic that is deleted ends its query, with the reason`() async throws {
        try await TestServer.run {
            $0.upkeepInterval = .milliseconds(50)
        } _: { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            try await server.write("s", (0..<700).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(700) }
            try await server.cluster.deleteTopic("s")
            try await server.eventually("an error") { await server.runtime.status(of: id)?.state == .error }
            #expect(await server.runtime.status(of: id)?.errors.last?.message.contains("'s'") == true)
        }
    }

    @Test func `a query that was fenced comes back, and counts once`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(Self.count)
            try await server.write("s", (0..<700).map(Self.record))
            try await server.eventually("counts") { try await server.table("C") == Self.model(700) }
            for task in ["0_0", "1_1"] {
                let thief = try await server.cluster.transactionalWriter(
                    "_confluent-ksql-default_query_\(id)-\(task)", timeout: .seconds(10))
                await thief.close()
            }
            try await server.write("s", (700..<1400).map(Self.record))
            try await server.eventually("more counts") { try await server.table("C") == Self.model(1400) }
            let status = try #require(await server.runtime.status(of: id))
            #expect(status.state == .running)
            #expect(!status.errors.isEmpty)
        }
    }

    @Test func `records that were deleted unread are passed over, those behind them are not`() async throws {
        try await TestServer.run { server in
            server.properties["auto.offset.reset"] = "latest"
            try await server.execute(Self.stream)
            try await server.execute("CREATE STREAM o AS SELECT k, v FROM s EMIT CHANGES;")
            await server.runtime.shutdown()
            try await server.write("s", (0..<700).map(Self.record))
            var left = 0
            for partition in (0..<4).map({ TopicPartition("s", $0) }) {
                let end = try await server.cluster.offsets([partition: .end], isolation: .readCommitted)[partition] ?? 0
                let start = try await server.cluster.deleteRecords(partition, before: end / 2)
                left += Int(end - start)
            }
            try await server.restart(crashes: true)
            try await server.eventually("the rest") { try await server.records("O").count >= left }
            #expect(try await server.records("O").count == left)
        }
    }
}
