import Cluster
import NIOCore
import SQLPlan
import StreamEngine
import Testing

@testable import SQLRuntime

@Suite(.serialized) struct QueryTests {
    private static let stream = """
        CREATE STREAM s (k STRING KEY, g STRING, v BIGINT)
          WITH (kafka_topic = 's', value_format = 'JSON', partitions = 4);
        """

    private static func record(_ number: Int) -> (key: String?, value: String?, timestamp: Int64) {
        ("k\(number % 50)", "{\"G\":\"g\(number % 7)\",\"V\":\(number)}", Int64(1000 + number))
    }

    @Test func `a filter writes what it lets through, once`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            try await server.write("s", (0..<1000).map(Self.record))
            let id = try await server.execute(
                "CREATE STREAM o AS SELECT k, v FROM s WHERE v >= 500 EMIT CHANGES;")
            try await server.eventually("500 records") { try await server.records("O").count >= 500 }
            try await server.write("s", (1000..<1100).map(Self.record))
            try await server.eventually("100 more") { try await server.records("O").count >= 600 }
            #expect(try await server.records("O").count == 600)
            let status = try #require(await server.runtime.status(of: id))
            #expect(status.state == .running)
            try await server.eventually("no lag") {
                await server.runtime.status(of: id)?.positions.allSatisfy { $0.lag == 0 } == true
            }
            let group = try await server.cluster.groupOffsets("_confluent-ksql-default_query_\(id)")
            #expect(group.values.reduce(0) { $0 + $1.offset } == 1100)
        }
    }

    @Test func `a count by another column goes through a topic`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute(
                "CREATE TABLE c AS SELECT g, COUNT(*) AS n, SUM(v) AS t FROM s GROUP BY g EMIT CHANGES;")
            try await server.write("s", (0..<700).map(Self.record))
            func isDone() async throws -> Bool {
                let table = try await server.table("C")
                return table.count == 7 && table.values.allSatisfy { $0.contains("\"N\":100,") }
            }
            try await server.eventually("counts") { try await isDone() }
            let table = try await server.table("C")
            for group in 0..<7 {
                let sum = stride(from: group, to: 700, by: 7).reduce(0, +)
                #expect(table["g\(group)"] == "{\"N\":100,\"T\":\(sum)}")
            }
            let own = try await server.cluster.topics().map(\.name).filter { $0.contains(id) }
            #expect(own.contains("_confluent-ksql-default_query_\(id)-Aggregate-GroupBy-repartition"))
            #expect(own.contains("_confluent-ksql-default_query_\(id)-Aggregate-Aggregate-Materialize-changelog"))
            await server.runtime.stop(id, forgets: true)
            #expect(try await server.cluster.topics().allSatisfy { !$0.name.contains(id) })
        }
    }

    /// The times that rows have count, not those of their records: the table's rows are the earlier ones.
    @Test func `topics take turns by the times in their columns`() async throws {
        try await TestServer.run { server in
            try await server.execute(
                """
                CREATE STREAM s (g STRING KEY, v INT, happened BIGINT)
                  WITH (kafka_topic = 's', value_format = 'JSON', partitions = 1, timestamp = 'happened');
                CREATE TABLE t (g STRING PRIMARY KEY, name STRING, happened STRING)
                  WITH (kafka_topic = 't', value_format = 'JSON', partitions = 1, timestamp = 'happened',
                    timestamp_format = 'yyyy-MM-dd');
                """)
            let days = [(5, "1970-01-06"), (7, "1970-01-08"), (9, "1970-01-10")]
            try await server.write("s", days.map { ("a", "{\"V\":\($0.0),\"HAPPENED\":\($0.0 * 86_400_000 + 1)}", 1) })
            try await server.write("t", days.map { ("a", "{\"NAME\":\"\($0.0)\",\"HAPPENED\":\"\($0.1)\"}", 2) })
            // Rows that will be dropped hold nobody up.
            try await server.write(
                "s", [("a", "{\"V\":10,\"HAPPENED\":-1}", 3), ("a", "{\"V\":11,\"HAPPENED\":777600002}", 3)])
            try await server.execute(
                "CREATE STREAM j AS SELECT s.g, v, name FROM s JOIN t ON s.g = t.g EMIT CHANGES;")
            try await server.eventually("the join") { try await server.records("J").count >= 4 }
            #expect(
                try await server.records("J").map { $0.value.map { String(buffer: $0) } } == [
                    "{\"V\":5,\"NAME\":\"5\"}", "{\"V\":7,\"NAME\":\"7\"}", "{\"V\":9,\"NAME\":\"9\"}",
                    "{\"V\":11,\"NAME\":\"9\"}",
                ])
        }
    }

    private static let narrow = """
        CREATE STREAM s (k STRING KEY, g STRING, v INT)
          WITH (kafka_topic = 's', value_format = 'JSON', partitions = 1);
        CREATE TABLE t (g STRING PRIMARY KEY, name STRING)
          WITH (kafka_topic = 't', value_format = 'JSON', partitions = 1);
        """

    /// With one partition all rows are in one task anyway.
    @Test func `topics of one partition take no topic between`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.narrow)
            let count = try await server.execute(
                "CREATE TABLE c AS SELECT g, COUNT(*) AS n, SUM(v) AS t FROM s GROUP BY g EMIT CHANGES;")
            try await server.write("t", (0..<7).map { ("g\($0)", "{\"NAME\":\"name \($0)\"}", 0) })
            let join = try await server.execute(
                "CREATE STREAM j AS SELECT s.g, k, name FROM s JOIN t ON s.g = t.g EMIT CHANGES;")
            try await server.write("s", (0..<700).map(Self.record))
            try await server.eventually("counts") {
                let table = try await server.table("C")
                return table.count == 7 && table.values.allSatisfy { $0.contains("\"N\":100,") }
            }
            try await server.eventually("700 rows") { try await server.records("J").count >= 700 }
            try await server.restart(crashes: true)
            try await server.write("s", (700..<1400).map(Self.record))
            try await server.eventually("more counts") {
                let table = try await server.table("C")
                return table.count == 7 && table.values.allSatisfy { $0.contains("\"N\":200,") }
            }
            try await server.eventually("1400 rows") { try await server.records("J").count >= 1400 }
            #expect(try await server.records("J").count == 1400)
            #expect(await server.runtime.status(of: count)?.tasks == ["0_0"])
            #expect(await server.runtime.status(of: join)?.tasks == ["0_0"])
            #expect(try await server.cluster.topics().allSatisfy { !$0.name.hasSuffix("-repartition") })
        }
    }

    /// What is in a topic between two parts and was not read yet must not be lost.
    @Test func `a query that has a topic between its parts goes on with it`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.narrow)
            server.leavesQueriesToNodes = true
            let id = try await server.execute(
                "CREATE TABLE c AS SELECT g, COUNT(*) AS n, SUM(v) AS t FROM s GROUP BY g EMIT CHANGES;")
            try await server.cluster.createTopic(
                NewTopic("_confluent-ksql-default_query_\(id)-Aggregate-GroupBy-repartition", partitionCount: 1),
                validateOnly: false)
            let plan = try #require(server.plans[id])
            try await server.runtime.start(plan, properties: server.properties, isPaused: false)
            try await server.write("s", (0..<700).map(Self.record))
            try await server.eventually("counts") {
                let table = try await server.table("C")
                return table.count == 7 && table.values.allSatisfy { $0.contains("\"N\":100,") }
            }
            #expect(await server.runtime.status(of: id)?.tasks == ["0_0", "1_0"])
        }
    }

    @Test func `a stream finds rows of a table after it was given another key`() async throws {
        try await TestServer.run { server in
            try await server.execute(
                Self.stream + """
                    CREATE TABLE t (g STRING PRIMARY KEY, name STRING)
                      WITH (kafka_topic = 't', value_format = 'JSON', partitions = 4);
                    """)
            try await server.write("t", (0..<7).map { ("g\($0)", "{\"NAME\":\"name \($0)\"}", 0) })
            try await server.execute(
                "CREATE STREAM j AS SELECT s.g, k, name FROM s JOIN t ON s.g = t.g EMIT CHANGES;")
            try await server.write("s", (0..<700).map(Self.record))
            try await server.eventually("700 rows") { try await server.records("J").count >= 700 }
            for record in try await server.records("J") {
                let key = record.key.map { String(buffer: $0) } ?? ""
                let value = record.value.map { String(buffer: $0) } ?? ""
                #expect(value.contains("\"NAME\":\"name \(key.dropFirst())\""))
            }
        }
    }

    @Test func `a query that fails disturbs no other, and one that is paused rests`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            server.properties["ksql.fail.on.deserialization.error"] = "true"
            let bad = try await server.execute("CREATE STREAM bad AS SELECT k, v FROM s EMIT CHANGES;")
            server.properties["ksql.fail.on.deserialization.error"] = nil
            let good = try await server.execute("CREATE STREAM good AS SELECT k, v FROM s EMIT CHANGES;")
            try await server.write("s", [("a", "{\"V\":1}", 1), ("a", "no json", 2), ("a", "{\"V\":3}", 3)])
            try await server.eventually("an error") { await server.runtime.status(of: bad)?.state == .error }
            #expect(await server.runtime.status(of: bad)?.errors.isEmpty == false)
            try await server.eventually("two rows") { try await server.records("GOOD").count == 2 }
            try await server.runtime.pause(good)
            #expect(await server.runtime.status(of: good)?.state == .paused)
            try await server.write("s", [("a", "{\"V\":4}", 4)])
            try await server.runtime.resume(good)
            try await server.eventually("three rows") { try await server.records("GOOD").count == 3 }
        }
    }

    @Test func `reads of a query that has failed end at once and say why`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            server.properties["ksql.fail.on.deserialization.error"] = "true"
            let bad = try await server.execute("CREATE TABLE bad AS SELECT k, COUNT(*) FROM s GROUP BY k EMIT CHANGES;")
            try await server.write("s", [("a", "no json", 2)])
            try await server.eventually("an error") { await server.runtime.status(of: bad)?.state == .error }
            var failure: RunError?
            do throws(RunError) { _ = try await server.runtime.read(TableRead(.all), of: bad) } catch {
                failure = error
            }
            #expect(failure?.code == .failed)
            #expect(failure?.message.hasPrefix("query \(bad) is in state ERROR: ") == true)
        }
    }

    @Test func `partitions that are added are read`() async throws {
        try await TestServer.run { server in
            try await server.execute(
                "CREATE STREAM p (v BIGINT) WITH (kafka_topic = 'p', value_format = 'JSON', partitions = 1);")
            try await server.execute("CREATE STREAM q AS SELECT * FROM p EMIT CHANGES;")
            try await server.cluster.addPartitions(topic: "p", total: 3, validateOnly: false)
            try await server.write("p", (0..<30).map { ("k\($0)", "{\"V\":\($0)}", 1) })
            try await server.eventually("all rows") { try await server.records("Q").count >= 30 }
            #expect(try await server.records("Q").count == 30)
        }
    }

    @Test func `a client gets rows as they come, up to its limit`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            let plan = try server.push("SELECT k, v FROM s WHERE v > 10 EMIT CHANGES LIMIT 5;")
            let subscription = try await server.runtime.subscribe(plan, SubscriptionOptions())
            try await server.write("s", (0..<100).map(Self.record))
            var rows = 0
            var isLimit = false
            while let event = await subscription.next() {
                switch event {
                case .rows(let more): rows += more.count
                case .end(.limitReached): isLimit = true
                case .end(let other): Issue.record("ended by \(other)")
                }
            }
            #expect(rows == 5)
            #expect(isLimit)
        }
    }

    @Test func `a bounded read gives what there was`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            try await server.write("s", (0..<1000).map(Self.record))
            var options = SubscriptionOptions()
            options.start = .earliest
            options.isBounded = true
            let subscription = try await server.runtime.subscribe(
                try server.push("SELECT k, v FROM s EMIT CHANGES;"), options)
            var rows = 0
            while let event = await subscription.next() {
                switch event {
                case .rows(let more): rows += more.count
                case .end(.completed): break
                case .end(let other): Issue.record("ended by \(other)")
                }
            }
            #expect(rows == 1000)
        }
    }

    @Test func `rows of a running query can be tapped`() async throws {
        try await TestServer.run { server in
            try await server.execute(Self.stream)
            let id = try await server.execute("CREATE STREAM o AS SELECT k, v FROM s EMIT CHANGES;")
            let tap = try await server.runtime.tap(id, SubscriptionOptions())
            try await server.write("s", (0..<10).map(Self.record))
            var rows = 0
            while rows < 10, let event = await tap.next() {
                if case .rows(let more) = event { rows += more.count }
            }
            #expect(rows == 10)
            await server.runtime.stop(id, forgets: false)
            guard case .end(.completed)? = await tap.next() else {
                Issue.record("the tap does not end with its query")
                return
            }
        }
    }
}
