import ConnectCore
import JSONFormat
import Synchronization
import Testing

@testable import ConnectorSnowflake

@Suite struct SnowflakeSinkTests {
    private let table = "DB.S.ORDERS"
    private let place = SinkPartition(topic: "orders", partition: 0)

    /// The answer to a statement, for when it is asked for.
    private final class Late: Sendable {
        let answer = Mutex("")
        let askedCount = Mutex(0)
    }

    @Test func `rows and their offsets go in by one transaction`() async throws {
        try await SnowflakeServer.run { url, server in
            try await withTask(url) { task in
                try await task.put(values(0..<3) + values(5..<6, partition: 1))
                #expect(
                    server.statements.map { $0.prefix { $0 != " " } } == [
                        "CREATE", "DESCRIBE", "CREATE", "DELETE", "DESCRIBE", "SELECT", "MERGE", "SELECT", "BEGIN",
                        "INSERT",
                        "UPDATE", "COMMIT",
                    ])
                #expect(server.rows(table).count == 4)
                #expect(server.state.offsets == ["\(table)|orders|0": 2, "\(table)|orders|1": 5])
                let row = try #require(server.rows(table).last?.elements)
                let metadata = #"{"topic":"orders","offset":5,"partition":1,"CreateTime":5,"#
                #expect(
                    String(decoding: JSONValue.array(row).bytes, as: UTF8.self)
                        == "[" + metadata + #""SnowflakeConnectorPushTime":1700000000000},{"n":5}]"#)
                // The next ones need no more than their transaction.
                try await task.put(values(3..<4))
                let last = server.statements.suffix(4).map { $0.prefix { $0 != " " } }
                #expect(last == ["BEGIN", "INSERT", "UPDATE", "COMMIT"])
            }
        }
    }

    @Test func `records wait for their number, and offsets for the records`() async throws {
        try await SnowflakeServer.run { url, server in
            try await withTask(url, SinkContext(), ["buffer.count.records": "4", "buffer.flush.time": "3600"]) { task in
                try await task.put(values(0..<3))
                #expect(server.inserts.isEmpty)
                #expect(try await task.preCommit([place: 3]) == [place: 0])
                try await task.put(values(3..<4))
                #expect(server.inserts.count == 1)
                #expect(try await task.preCommit([place: 4]) == [place: 4])
                try await task.put(values(4..<6))
                await task.close([place])
                #expect(try await task.preCommit([:]).isEmpty)
                try await task.put([])
                #expect(server.inserts.count == 1)
            }
        }
    }

    @Test func `what is in the table is not brought again`() async throws {
        try await SnowflakeServer.run { url, server in
            try await withTask(url) { try await $0.put(values(0..<5)) }
            // Another life of the task, from the beginning.
            try await withTask(url) { task in
                try await task.put(values(0..<3))
                #expect(server.inserts.count == 1)
                try await task.put(values(3..<7))
                #expect(server.offsets(table) == Array(0..<7))
            }
        }
    }

    /// A transaction whose answer is lost may have been committed or not: both must end in each row once.
    @Test(arguments: ["INSERT", "UPDATE", "COMMIT", "COMMIT before"])
    func `a lost answer loses and doubles nothing`(_ what: String) async throws {
        let context = SinkContext()
        try await SnowflakeServer.run({ sql, number, apply in
            guard sql.hasPrefix(what.prefix { $0 != " " }), number == 0 else { return nil }
            if what.hasSuffix("before") { _ = apply() }
            return (503, "busy")
        }) { url, server in
            try await withTask(url, context) { task in
                let error = await #expect(throws: ConnectError.self) { try await task.put(values(0..<4)) }
                #expect(error?.isRetriable == true)
                #expect(context.retries.withLock { $0.count } == 1)
                #expect(try await task.preCommit([place: 4]) == [place: 0])
                try await task.put(values(0..<4))
                #expect(server.offsets(table) == Array(0..<4))
                #expect(try await task.preCommit([place: 4]) == [place: 4])
                #expect(server.logins.count == 2)
            }
        }
    }

    @Test(arguments: [429, 500, 502, 504]) func `servers that are busy are asked again`(_ status: Int) async throws {
        try await SnowflakeServer.run({ sql, number, _ in
            sql.hasPrefix("BEGIN") && number < 2 ? (status, "") : nil
        }) { url, server in
            try await withTask(url) { task in
                for _ in 0..<2 {
                    let error = await #expect(throws: ConnectError.self) { try await task.put(values(0..<2)) }
                    #expect(error?.isRetriable == true)
                }
                try await task.put(values(0..<2))
                #expect(server.offsets(table) == [0, 1])
            }
        }
    }

    /// A session's token lasts an hour, and a session may be ended by an administrator.
    @Test(arguments: [
        (200, SnowflakeServer.failure("390112", "08001", "Your session has expired.")),
        (401, SnowflakeServer.failure("390104", "08001", "User must login again.")),
        (200, SnowflakeServer.failure("000625", "57014", "has locked table")),
    ])
    func `a session that is gone is begun again`(_ status: Int, _ answer: String) async throws {
        try await SnowflakeServer.run({ sql, number, _ in
            sql.hasPrefix("INSERT") && number == 0 ? (status, answer) : nil
        }) { url, server in
            try await withTask(url) { task in
                await #expect(throws: ConnectError.self) { try await task.put(values(0..<2)) }
                try await task.put(values(0..<2))
                #expect(server.offsets(table) == [0, 1])
                #expect(server.logins.count == 2)
            }
        }
    }

    @Test func `statements that take long are asked for`() async throws {
        let late = Late()
        try await SnowflakeServer.run(
            { sql, _, apply in
                guard sql.hasPrefix("INSERT") else { return nil }
                let answer = apply()
                late.answer.withLock { $0 = answer }
                return (200, #"{"success":true,"code":"333334","data":{"getResultUrl":"/queries/01ab/result"}}"#)
            },
            get: { path in
                #expect(path == "/queries/01ab/result")
                return late.askedCount.withLock {
                    $0 += 1
                    return $0 < 3
                        ? (200, #"{"success":true,"code":"333333","data":{"getResultUrl":"/queries/01ab/result"}}"#)
                        : (200, late.answer.withLock { $0 })
                }
            }
        ) { url, server in
            try await withTask(url) { task in
                try await task.put(values(0..<2))
                #expect(server.offsets(table) == [0, 1])
                #expect(late.askedCount.withLock { $0 } == 3)
            }
        }
    }

    @Test(arguments: [
        (#"{"success":true,"data":{"queryResultFormat":"arrow","total":1,"rowsetBase64":"AAAA"}}"#, "only JSON"),
        (#"{"success":true,"data":{"rowset":[],"chunks":[{"url":"https://s3/x"}]}}"#, "more rows than one answer"),
        (#"{"success":true,"data":{"rowset":[["t","x","y"]]}}"#, "no offset of a partition"),
        (#"{"success":true,"data":{"rowset":[["orders","0","1"],["orders","0","2"]]}}"#, "more than one row"),
        ("[1]", "HTTP 200"), ("<html>", "HTTP 200"),
    ])
    func `offsets that cannot be read stop the task`(_ answer: String, _ words: String) async throws {
        try await SnowflakeServer.run({ sql, _, _ in sql.hasPrefix("SELECT") ? (200, answer) : nil }) { url, server in
            try await withTask(url) { task in
                let error = await #expect(throws: ConnectError.self) { try await task.put(values(0..<2)) }
                #expect(error?.isRetriable == false)
                #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
                #expect(server.inserts.isEmpty)
            }
        }
    }

    @Test(arguments: ["https://elsewhere.example.com/x", "//elsewhere.example.com/x", ""])
    func `a token goes nowhere else`(_ address: String) async throws {
        try await SnowflakeServer.run({ sql, _, _ in
            sql.hasPrefix("INSERT")
                ? (200, #"{"success":true,"code":"333334","data":{"getResultUrl":"\#(address)"}}"#) : nil
        }) { url, _ in
            try await withTask(url) { task in
                let error = await #expect(throws: ConnectError.self) { try await task.put(values(0..<2)) }
                #expect(error?.message.contains("does not say where the result will be") == true)
            }
        }
    }

    @Test func `the row at fault is found`() async throws {
        let context = SinkContext(isTolerant: true)
        try await SnowflakeServer.run { url, server in
            server.refuses(offset: 5)
            try await withTask(url, context) { task in
                try await task.put(values(0..<12))
                #expect(server.offsets(table) == Array(0..<5) + Array(6..<12))
                let reported = context.reported.withLock { $0 }
                #expect(reported.map(\.record.kafkaOffset) == [5])
                #expect(reported.first?.error.message.contains("100038 (22018)") == true)
                #expect(reported.first?.error.message.contains("topic=orders partition=0 offset=5") == true)
                #expect(try await task.preCommit([place: 12]) == [place: 12])
            }
        }
    }

    @Test func `without tolerance the row at fault ends the task, behind those before it`() async throws {
        try await SnowflakeServer.run { url, server in
            server.refuses(offset: 5)
            try await withTask(url) { task in
                let error = await #expect(throws: ConnectError.self) { try await task.put(values(0..<12)) }
                #expect(error?.isRetriable == false)
                #expect(server.offsets(table) == Array(0..<5))
                let done = try await task.preCommit([place: 12])
                #expect(done == [place: 5])
            }
        }
    }

    @Test func `a task that has lost its partition cannot write over another`() async throws {
        try await SnowflakeServer.run { url, server in
            try await withTask(url) { old in
                try await old.put(values(0..<3))
                try await withTask(url) { try await $0.put(values(0..<6)) }
                // It does not know yet, and holds what the other has brought.
                try await old.put(values(3..<8))
                #expect(server.offsets(table) == Array(0..<8))
                #expect(server.statements.contains("ROLLBACK"))
            }
        }
    }

    @Test func `offsets that were deleted begin where the task is`() async throws {
        try await SnowflakeServer.run { url, server in
            try await withTask(url) { task in
                try await task.put(values(0..<3))
                server.state.offsets = [:]
                try await task.put(values(3..<5))
                #expect(server.offsets(table) == Array(0..<5))
                #expect(server.state.offsets == ["\(table)|orders|0": 4])
            }
        }
    }

    @Test func `a new table begins without offsets`() async throws {
        try await SnowflakeServer.run { url, server in
            server.state.offsets = ["\(table)|orders|0": 100, "DB.S.OTHER|orders|0": 100]
            try await withTask(url) { task in
                try await task.put(values(0..<2))
                #expect(server.offsets(table) == [0, 1])
                #expect(server.state.offsets == ["\(table)|orders|0": 1, "DB.S.OTHER|orders|0": 100])
            }
        }
    }

    @Test func `large batches take several statements of one transaction`() async throws {
        try await SnowflakeServer.run { url, server in
            var settings = try SnowflakeSettings(properties(url, ["buffer.count.records": "1"]))
            settings.statementByteCountMax = 1000
            let task = SnowflakeSinkTask(settings, SinkContext())
            try await task.start()
            try await task.put(values(0..<20))
            await task.stop()
            #expect(server.inserts.count > 2)
            #expect(server.statements.filter { $0 == "COMMIT" }.count == 1)
            #expect(server.offsets(table) == Array(0..<20))
        }
    }

    @Test func `memory has a bound, whatever the options say`() async throws {
        try await SnowflakeServer.run { url, server in
            var settings = try SnowflakeSettings(properties(url, ["buffer.flush.time": "3600"]))
            settings.bufferedByteCountMax = 1000
            let task = SnowflakeSinkTask(settings, SinkContext())
            try await task.start()
            try await task.put(values(0..<3))
            #expect(server.inserts.isEmpty)
            try await task.put(values(3..<20))
            #expect(server.offsets(table) == Array(0..<20))
            await task.stop()
        }
    }

    @Test func `tables that do not fit are refused`() async throws {
        try await SnowflakeServer.run { url, server in
            server.state.columns[table] = [("RECORD_METADATA", "VARIANT", "Y"), ("RECORD_CONTENT", "VARCHAR", "Y")]
            try await withTask(url) { task in
                let error = await #expect(throws: ConnectError.self) { try await task.put(values(0..<2)) }
                #expect(error?.message.contains("compatible schema: DB.S.ORDERS") == true)
            }
        }
    }

    @Test func `a login that is refused says what to look at`() async throws {
        let settings = try SnowflakeSettings(properties())
        let failure = SnowflakeFailure(
            code: "390144", state: "08001", message: "JWT token is invalid.", what: "login of 'kafka'")
        #expect(failure.kind == .permanent)
        #expect(failure.message.contains("RSA_PUBLIC_KEY"))
        #expect(settings.user == "kafka")
        try await SnowflakeServer.run({ sql, _, _ in
            sql.hasPrefix("CREATE")
                ? (200, SnowflakeServer.failure("000606", "57P03", "No active warehouse selected")) : nil
        }) { url, _ in
            try await withTask(url) { task in
                let error = await #expect(throws: ConnectError.self) { try await task.put(values(0..<2)) }
                #expect(error?.message.contains("snowflake.warehouse.name") == true)
                #expect(error?.isRetriable == false)
            }
        }
    }

    @Test func `a server that is away at the start is waited for`() async throws {
        let task = SnowflakeSinkTask(
            try SnowflakeSettings(properties("http://127.0.0.1:1", ["buffer.count.records": "1"])), SinkContext())
        try await task.start()
        let error = await #expect(throws: ConnectError.self) { try await task.put(values(0..<1)) }
        #expect(error?.isRetriable == true)
        await task.stop()
    }
}
