import ConnectCore
import JSONFormat
import Synchronization
import Testing

@testable import ConnectorSnowflake

/// The table of offsets counts, whatever Kafka has committed and whatever Snowflake has said.
@Suite struct OffsetTests {
    private let table = "DB.S.ORDERS"
    private let place = SinkPartition(topic: "orders", partition: 0)

    /// As after a COMMIT that was answered and took nothing.
    private func lose(_ server: SnowflakeServer, behind offset: Int64) {
        var state = server.state
        state.rows[table]?.removeAll { ($0.elements?[0]["offset"]?.integer ?? -1) > offset }
        state.offsets["\(table)|orders|0"] = offset
        server.state = state
    }

    @Test func `what the table has lost is read again`() async throws {
        let context = SinkContext()
        try await SnowflakeServer.run { url, server in
            try await withTask(url, context) { task in
                try await task.put(values(0..<3))
                try await task.put(values(3..<4))
                lose(server, behind: 0)
                try await task.put(values(4..<6) + values(7..<9, partition: 1))
                #expect(context.seeks.withLock { $0 } == [[place: 1]])
                #expect(server.offsets(table) == [0])
                let other = SinkPartition(topic: "orders", partition: 1)
                #expect(try await task.preCommit([place: 6, other: 9]) == [place: 1, other: 7])
                // The other partition's rows are still there.
                try await task.put(values(1..<6))
                #expect(server.state.offsets == ["\(table)|orders|0": 5, "\(table)|orders|1": 8])
                #expect(server.offsets(table).sorted() == [0, 1, 2, 3, 4, 5, 7, 8])
                #expect(try await task.preCommit([place: 6, other: 9]) == [place: 6, other: 9])
            }
        }
    }

    @Test func `a table that was set back after a lost answer is read again, too`() async throws {
        let context = SinkContext()
        try await SnowflakeServer.run({ sql, number, _ in
            sql.hasPrefix("BEGIN") && number == 1 ? (503, "busy") : nil
        }) { url, server in
            try await withTask(url, context) { task in
                try await task.put(values(0..<3))
                lose(server, behind: 1)
                await #expect(throws: ConnectError.self) { try await task.put(values(3..<5)) }
                try await task.put(values(3..<5))
                #expect(context.seeks.withLock { $0 } == [[place: 2]])
                try await task.put(values(2..<5))
                #expect(server.offsets(table) == Array(0..<5))
            }
        }
    }

    /// A topic's records of two tables: what waits for the other one and comes no more stays.
    @Test func `rows before the place to go back to wait on`() async throws {
        let context = SinkContext()
        func moved(_ offset: Int64) -> ConnectRecord {
            ConnectRecord(
                topic: "other", partition: 0, key: SchemaAndValue(nil, .null),
                value: SchemaAndValue(nil, object([("n", .int64(offset))])), timestamp: 5, headers: [],
                origin: .sink(topic: "orders", partition: 0, offset: offset, timestampKind: .create))
        }
        try await SnowflakeServer.run { url, server in
            try await withTask(url, context, ["buffer.count.records": "2", "buffer.flush.time": "3600"]) { task in
                try await task.put([moved(0)] + values(1..<3))
                try await task.put(values(3..<5))
                lose(server, behind: 2)
                try await task.put(values(5..<7))
                #expect(context.seeks.withLock { $0 } == [[place: 3]])
                #expect(try await task.preCommit([place: 7]) == [place: 0])
                try await task.put(values(3..<7) + [moved(7)])
                #expect(server.offsets(table) == Array(1..<7))
                #expect(server.offsets("DB.S.OTHER") == [0, 7])
            }
        }
    }

    @Test func `a table that keeps nothing ends the task`() async throws {
        let context = SinkContext()
        try await SnowflakeServer.run { url, server in
            try await withTask(url, context) { task in
                try await task.put(values(0..<1))
                for _ in 0..<2 {
                    try await task.put(values(1..<3))
                    lose(server, behind: 0)
                    try await task.put(values(3..<4))
                }
                #expect(context.seeks.withLock { $0 } == [[place: 1], [place: 1]])
                try await task.put(values(1..<3))
                lose(server, behind: 0)
                let error = await #expect(throws: ConnectError.self) { try await task.put(values(3..<4)) }
                #expect(error?.isRetriable == false)
                #expect(error?.message.contains("3 times in a row") == true, "\(error?.message ?? "")")
            }
        }
    }

    /// Kafka's offset, and from where is read then.
    @Test(arguments: [(0, nil), (3, nil), (10, 3)] as [(Int64, Int64?)])
    func `what Kafka has committed and the table lacks is read again`(_ start: Int64, _ wanted: Int64?) async throws {
        let context = SinkContext()
        try await SnowflakeServer.run { url, server in
            try await withTask(url, SinkContext()) { try await $0.put(values(0..<3)) }
            try await withTask(url, context) { task in
                try await task.open([place])
                // Nothing is committed before it is known.
                #expect(try await task.preCommit([place: start]).isEmpty)
                // There need be no records.
                try await task.put([])
                #expect(context.seeks.withLock { $0 } == (wanted.map { [[place: $0]] } ?? []))
                #expect(try await task.preCommit([place: start]) == [place: wanted ?? start])
                try await task.put(values((wanted ?? start)..<12))
                #expect(server.offsets(table) == Array(0..<12))
                #expect(try await task.preCommit([place: 12]) == [place: 12])
            }
        }
    }

    @Test func `records beyond what the table has wait until those before have come`() async throws {
        let context = SinkContext()
        try await SnowflakeServer.run { url, server in
            try await withTask(url, SinkContext()) { try await $0.put(values(0..<3)) }
            try await withTask(url, context) { task in
                try await task.open([place, SinkPartition(topic: "orders", partition: 1)])
                try await task.put(values(10..<12) + values(5..<6, partition: 1))
                #expect(context.seeks.withLock { $0 } == [[place: 3]])
                try await task.put(values(3..<12))
                #expect(server.state.offsets == ["\(table)|orders|0": 11, "\(table)|orders|1": 5])
                #expect(server.rows(table).count == 13)
            }
        }
    }

    /// Another life that was killed before its first commit.
    @Test func `a channel begins before its first row`() async throws {
        try await SnowflakeServer.run({ sql, number, _ in
            sql.hasPrefix("BEGIN") && number == 0 ? (503, "busy") : nil
        }) { url, server in
            try await withTask(url, SinkContext()) { task in
                await #expect(throws: ConnectError.self) { try await task.put(values(7..<9)) }
                #expect(server.state.offsets == ["\(table)|orders|0": 6])
                try await task.put(values(7..<9))
                #expect(server.offsets(table) == [7, 8])
            }
        }
    }

    @Test func `a server that is away when partitions come is asked again`() async throws {
        let context = SinkContext()
        try await SnowflakeServer.run({ sql, number, _ in
            sql.contains("MAX(") && number == 2 ? (503, "busy") : nil
        }) { url, server in
            try await withTask(url, SinkContext()) { try await $0.put(values(0..<3)) }
            try await withTask(url, context) { task in
                try await task.open([place])
                let error = await #expect(throws: ConnectError.self) { try await task.put(values(10..<12)) }
                #expect(error?.isRetriable == true)
                #expect(context.retries.withLock { $0.count } == 1)
                #expect(try await task.preCommit([place: 10]).isEmpty)
                try await task.put(values(10..<12))
                #expect(context.seeks.withLock { $0 } == [[place: 3]])
                #expect(server.offsets(table) == [0, 1, 2])
            }
        }
    }

    @Test func `offsets of many partitions come in parts`() async throws {
        try await SnowflakeServer.run { url, server in
            try await withTask(url, SinkContext()) { task in
                try await task.put((0..<250).flatMap { values(4..<5, partition: $0) })
                #expect(server.rows(table).count == 250)
                #expect(server.state.offsets.count == 250)
                #expect(server.statements.filter { $0.hasPrefix("SELECT") }.count == 6)
            }
        }
    }

    // MARK: what is passed over

    @Test func `a topic that was made anew is told of, once`() async throws {
        let context = SinkContext()
        try await SnowflakeServer.run { url, server in
            try await withTask(url, SinkContext()) { try await $0.put(values(0..<10)) }
            try await withTask(url, context) { task in
                try await task.open([place])
                try await task.put(values(0..<2))
                try await task.put(values(2..<4))
                #expect(server.inserts.count == 1)
                let warnings = context.warnings.withLock { $0 }
                #expect(warnings.count == 1)
                let words = [
                    "partition 0 of 'orders' from offset 0", "up to offset 9", "SNOWFLAKE_KAFKA_CONNECTOR_C_1_",
                ]
                for word in words { #expect(warnings.first?.contains(word) == true, "\(warnings)") }
            }
        }
    }

    @Test func `a topic that was made anew under the task is told of, too`() async throws {
        let context = SinkContext()
        try await SnowflakeServer.run { url, _ in
            try await withTask(url, context) { task in
                try await task.put(values(0..<10))
                try await task.put(values(0..<2))
                try await task.put(values(2..<4))
                let warnings = context.warnings.withLock { $0 }
                #expect(warnings.count == 1)
                #expect(warnings.first?.contains("from offset 0 on and are passed over up to offset 9") == true)
            }
        }
    }

    @Test func `what comes again after a failure is no matter`() async throws {
        let context = SinkContext()
        try await SnowflakeServer.run({ sql, number, apply in
            guard sql == "COMMIT", number == 0 else { return nil }
            _ = apply()
            return (503, "busy")
        }) { url, server in
            try await withTask(url, context) { task in
                await #expect(throws: ConnectError.self) { try await task.put(values(0..<4)) }
                try await task.put(values(0..<4))
                #expect(server.offsets(table) == Array(0..<4))
                #expect(context.warnings.withLock { $0 }.isEmpty)
            }
        }
    }

    @Test func `connectors whose names differ by case have tables of their own`() throws {
        let settings = try SnowflakeSettings(properties())
        let client = try SnowflakeClient(settings, now: { 0 }, pause: TaskPause())
        let names = ["ORDERS", "orders", "Orders", "my-orders", "MY-ORDERS"].map {
            OffsetTable(settings, connector: $0, client).name.table.name
        }
        #expect(names.first == "SNOWFLAKE_KAFKA_CONNECTOR_ORDERS_OFFSETS")
        #expect(Set(names.map { $0.uppercased() }).count == names.count)
    }

    // MARK: the end

    /// A cancelled task can wait for nothing, and yet its transaction must not stay.
    @Test func `a task that is cancelled leaves no session`() async throws {
        let (asked, ask) = AsyncStream<Void>.makeStream()
        try await SnowflakeServer.run(
            { sql, _, apply in
                guard sql.hasPrefix("INSERT") else { return nil }
                _ = apply()
                return (200, #"{"success":true,"code":"333334","data":{"getResultUrl":"/queries/01ab/result"}}"#)
            },
            get: { _ in
                ask.yield()
                return (200, #"{"success":true,"code":"333333","data":{"getResultUrl":"/queries/01ab/result"}}"#)
            }
        ) { url, server in
            let task = SnowflakeSinkTask(
                try SnowflakeSettings(properties(url, ["buffer.count.records": "1"])), SinkContext())
            try await task.start()
            let records = values(0..<2)
            let work = Task {
                let error = await #expect(throws: ConnectError.self) { try await task.put(records) }
                #expect(error?.isRetriable == true)
                await task.stop()
            }
            for await _ in asked { break }
            #expect(server.rows(table).count == 2)
            work.cancel()
            await work.value
            #expect(server.goodbyeCount == 1)
            #expect(server.rows(table).isEmpty)
        }
    }
}
