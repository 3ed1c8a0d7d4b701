import ConnectCore
import Synchronization
import Testing

@testable import ConnectorJDBC

/// What a worker offers to a source.
final class SourceContext: SourceTaskContext {
    let identity = TaskIdentity(connector: "c", task: 0)
    let clock = Mutex<Int64>(1_800_000_000_000)
    let stored = Mutex<[ConnectMap: ConnectMap]>([:])
    let lines = Mutex<[String]>([])
    let reconfigurations = Mutex(0)

    func offset(of partition: ConnectMap) async throws(ConnectError) -> ConnectMap? {
        stored.withLock { $0[partition] }
    }
    func offsets() async throws(ConnectError) -> [(partition: ConnectMap, offset: ConnectMap)] {
        stored.withLock { $0.map { ($0.key, $0.value) } }
    }
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {
        let text = message()
        lines.withLock { $0.append(text) }
    }
    /// Each look at the clock is a second later.
    var now: Int64 {
        clock.withLock {
            $0 += 1000
            return $0
        }
    }
    func requestReconfiguration() { reconfigurations.withLock { $0 += 1 } }
}

/// The source on files of SQLite, in process.
@Suite struct SQLiteSourceTests {
    private let plugin = JDBCSourcePlugin(version: "1")

    private func config(_ file: TestFile, _ options: [String: String]) -> [String: String] {
        ["name": "c", "connection.url": "jdbc:sqlite:" + file.path, "topic.prefix": "p-", "connection.backoff.ms": "0"]
            .merging(options) { $1 }
    }

    /// Polls of a task of its own, with the offsets stored; the task is thrown away after `polls` of them.
    private func read(
        _ file: TestFile, _ options: [String: String], polls: Int = 20, _ context: SourceContext = SourceContext()
    ) async throws -> [ConnectRecord] {
        var records: [ConnectRecord] = []
        for properties in try await plugin.taskConfigs(config(file, options), countMax: 1) {
            let task = try plugin.makeTask(properties, context)
            do {
                try await task.start()
                for _ in 0..<polls {
                    let poll = try await task.poll()
                    records += poll.records
                    for record in poll.records {
                        guard case .source(let partition, let offset) = record.origin, offset.count > 0 else {
                            continue
                        }
                        context.stored.withLock { $0[partition] = offset }
                    }
                }
            } catch {
                await task.stop()
                throw error
            }
            await task.stop()
        }
        return records
    }

    private func numbers(_ records: [ConnectRecord], _ name: String = "id") -> [Int64] {
        records.compactMap { $0.value.value.structure?[name]?.integer }
    }

    @Test func `rows become records with the table's name`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, NULL)")
        let records = try await read(file, ["mode": "incrementing"])
        #expect(records.map(\.topic) == ["p-t", "p-t"] && records.allSatisfy { $0.key == .null })
        #expect(records[0].value.schema?.name == "t")
        #expect(records[0].value.schema?.fields.map(\.schema) == [.int64, .optionalString])
        #expect(records[1].value.value.structure?["name"] == .null)
        guard case .source(let partition, let offset) = records[1].origin else { return }
        #expect(partition == ConnectMap([("protocol", ConnectValue.string("1")), ("table", .string("t"))]))
        #expect(offset == ConnectMap([("incrementing", ConnectValue.int64(2))]))
    }

    /// Whatever the size of batches and wherever the task ends, each row comes at least once.
    @Test(arguments: ["timestamp", "timestamp+incrementing"], [1, 2, 3, 7])
    func `no row is lost among rows of one time`(mode: String, batch: Int) async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL)")
        for id in 1...12 { try file.sql("INSERT INTO t VALUES (\(id), '2024-01-01 00:00:0\(id / 5).250')") }
        for polls in 1...5 {
            let context = SourceContext()
            var seen: [Int64] = []
            let options = [
                "mode": mode, "timestamp.column.name": "at", "incrementing.column.name": "id",
                "batch.max.rows": "\(batch)",
            ]
            for round in 0..<12 {
                seen += numbers(try await read(file, options, polls: round == 11 ? 30 : polls, context))
            }
            #expect(Set(seen) == Set(1...12), "\(polls) polls")
            if mode != "timestamp" { #expect(seen == Array(1...12), "\(polls) polls") }
        }
    }

    @Test func `times are numbers or texts, and the first that is there counts`() async throws {
        let file = try TestFile()
        try file.sql(
            """
            CREATE TABLE t (id INTEGER PRIMARY KEY, a TIMESTAMP, b DATETIME);
            INSERT INTO t VALUES (1, NULL, 1704067203000), (2, '2024-01-01 00:00:01.001', NULL), (3, 1704067202000, 5),
                (4, NULL, NULL), (5, '2999-01-01', NULL)
            """)
        let context = SourceContext()
        let options = ["mode": "timestamp", "timestamp.column.name": "a,b", "validate.non.null": "false"]
        #expect(numbers(try await read(file, options, context)) == [2, 3, 1])
        #expect(numbers(try await read(file, options, context)) == [])
        try file.sql("UPDATE t SET a = '2024-01-01 00:00:03.001' WHERE id = 4")
        #expect(numbers(try await read(file, options, context)) == [4])
    }

    @Test func `reading begins where timestamp.initial says`() async throws {
        let file = try TestFile()
        try file.sql(
            "CREATE TABLE t (id INTEGER, at TIMESTAMP NOT NULL); INSERT INTO t VALUES (1, 1000), (2, 2000), (3, 3000)")
        let options = ["mode": "timestamp", "timestamp.column.name": "at"]
        #expect(numbers(try await read(file, options.merging(["timestamp.initial": "1500"]) { $1 })) == [2, 3])
        #expect(numbers(try await read(file, options.merging(["timestamp.initial": "-1"]) { $1 })) == [])
    }

    @Test func `bulk brings everything each time, a suffix limits it`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (2), (1)")
        let records = try await read(file, ["mode": "bulk", "query.suffix": "ORDER BY id LIMIT 1"], polls: 40)
        #expect(numbers(records).count > 1 && Set(numbers(records)) == [1])
        guard case .source(_, let offset) = records[0].origin else { return }
        #expect(offset.count == 0)
    }

    /// A worker cancels the poll of a task that is to pause, and polls again when it goes on.
    @Test(.timeLimit(.minutes(1))) func `a query that was interrupted is asked again`() async throws {
        let file = try TestFile()
        // The third row takes longer than anybody waits.
        try file.sql(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, work INTEGER); "
                + "INSERT INTO t VALUES (1, 1), (2, 1), (3, 100000000000), (4, 1)")
        let count =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < t.work) SELECT max(i) FROM n"
        let options = [
            "mode": "incrementing", "incrementing.column.name": "id", "batch.max.rows": "1", "poll.interval.ms": "0",
            "query": "SELECT * FROM (SELECT id, (\(count)) AS steps FROM t)", "validate.non.null": "false",
        ]
        let context = SourceContext()
        let configs = try await plugin.taskConfigs(config(file, options), countMax: 1)
        let task = try plugin.makeTask(try #require(configs.first), context)
        try await task.start()
        var seen = numbers(try await task.poll().records)
        #expect(seen == [1])
        for _ in 0..<2 {
            let waiting = Task { try await task.poll() }
            try await Task.sleep(for: .milliseconds(100))
            waiting.cancel()
            seen += numbers(try await waiting.value.records)
        }
        try file.sql("UPDATE t SET work = 1")
        for _ in 0..<20 { seen += numbers(try await task.poll().records) }
        await task.stop()
        #expect(seen == [1, 2, 3, 4])
        #expect(context.lines.withLock { !$0.contains { $0.contains("failed") } })
        // Nothing is asked of a task that has ended.
        #expect(try await task.poll().records.isEmpty)
    }

    @Test func `the first task tells of new tables`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        let context = SourceContext()
        let configs = try await plugin.taskConfigs(
            config(file, ["mode": "incrementing", "table.poll.interval.ms": "10", "poll.interval.ms": "0"]), countMax: 3
        )
        #expect(configs.count == 1)
        let task = try plugin.makeTask(configs[0], context)
        try await task.start()
        _ = try await task.poll()
        #expect(context.reconfigurations.withLock { $0 } == 0)
        try file.sql("CREATE TABLE u (id INTEGER PRIMARY KEY)")
        _ = try await task.poll()
        #expect(context.reconfigurations.withLock { $0 } > 0)
        await task.stop()
    }

    @Test func `a table that is gone for a moment is read once it is back`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
        let context = SourceContext()
        let options = [
            "mode": "incrementing", "table.poll.interval.ms": "9223372036854775807", "poll.interval.ms": "0",
        ]
        let configs = try await plugin.taskConfigs(config(file, options), countMax: 1)
        try file.sql("ALTER TABLE t RENAME TO away")
        let task = try plugin.makeTask(configs[0], context)
        try await task.start()
        #expect(context.lines.withLock { $0.contains { $0.hasPrefix("Table t is gone") } })
        var records = try await task.poll().records
        #expect(records.isEmpty)
        try file.sql("ALTER TABLE away RENAME TO t")
        for _ in 0..<5 { records += try await task.poll().records }
        #expect(numbers(records) == [1])
        await task.stop()
    }

    /// Offsets end at milliseconds.
    @Test(arguments: ["timestamp", "timestamp+incrementing"])
    func `times with fractions of milliseconds come once`(mode: String) async throws {
        let file = try TestFile()
        try file.sql(
            """
            CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL);
            INSERT INTO t VALUES (1, 1704067200002.004), (2, 1704067200002.6), (3, 1704067200004)
            """)
        let context = SourceContext()
        let options = ["mode": mode, "timestamp.column.name": "at", "incrementing.column.name": "id"]
        let records = try await read(file, options, context)
        #expect(numbers(records) == [1, 2, 3])
        #expect(
            records.map { $0.value.value.structure?["at"] } == [
                .instant(1_704_067_200_002), .instant(1_704_067_200_003), .instant(1_704_067_200_004),
            ])
        #expect(numbers(try await read(file, options, context)) == [])
    }

    @Test func `failures say what to do`() async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INT, name TEXT)")
        func message(_ options: [String: String]) async -> String {
            await failure { _ = try await read(file, options) }
        }
        let incrementing = ["mode": "incrementing"]
        #expect(await message(incrementing).contains("has no column that the database counts up"))
        #expect(
            await message(["mode": "incrementing", "incrementing.column.name": "no"]).contains(
                "has no column 'no', which incrementing.column.name names. Its columns are: id, name"))
        #expect(
            await message(["mode": "incrementing", "incrementing.column.name": "id"])
                == "Cannot make incremental queries using incrementing column id on \"t\" because this column is nullable."
        )
        #expect(
            await message(["mode": "timestamp", "timestamp.column.name": "name"])
                == "Cannot make incremental queries using timestamp columns [name] on \"t\" because all of these columns "
                + "nullable.")
        #expect(await message(["mode": "bulk", "query": "SELECT nope FROM t"]).contains("no such column: nope"))
        #expect(
            await message(["mode": "bulk", "connection.url": "jdbc:sqlite:/nowhere/at.all"]).contains(
                "there is no file '/nowhere/at.all'"))
    }

    @Test(
        arguments: [
            (["mode": ""], "mode", "Query mode must be specified"),
            (
                ["mode": "bulk", "query": "SELECT 1", "table.whitelist": "t"], "query",
                "Do not specify table filtering configs"
            ),
            (["mode": "bulk", "query": "DELETE FROM t"], "query", "Only SELECT statements are supported"),
            (["mode": "bulk", "table.whitelist": "a", "table.blacklist": "b"], "table.whitelist", "are exclusive."),
            (
                ["mode": "bulk", "table.whitelist": "a", "table.include.list": "b"], "table.include.list",
                "Cannot mix legacy"
            ),
            (
                ["mode": "bulk", "table.exclude.list": "b"], "table.exclude.list",
                "cannot be used without table.include.list"
            ),
            (["mode": "timestamp"], "mode", "Timestamp column configuration must be provided"),
            (["mode": "incrementing", "query": "SELECT 1"], "incrementing.column.name", "must be specified"),
            (["mode": "bulk", "connection.url": "jdbc:oracle:x"], "connection.url", "No suitable driver found"),
        ] as [([String: String], String, String)])
    func `what does not go together is told`(options: [String: String], option: String, text: String) async {
        let found = await plugin.problems(with: ["connection.url": "jdbc:sqlite:/x"].merging(options) { $1 })
        #expect(found.contains { $0.option == option && $0.message.contains(text) }, "\(found)")
    }

    /// A recursive query without an end: only the stop of its task ends it.
    @Test(.timeLimit(.minutes(1)), arguments: [true, false])
    func `a stop ends a query that runs`(isCancelled: Bool) async throws {
        let file = try TestFile()
        try file.sql("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        let context = SourceContext()
        let properties = config(
            file,
            [
                "mode": "bulk",
                "query": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n",
            ])
        let task = try plugin.makeTask(properties, context)
        try await task.start()
        let poll = Task { try await task.poll().records.count }
        // Long enough for the query to run in most cases; it ends in all others, too.
        try await Task.sleep(for: .milliseconds(100))
        if isCancelled {
            poll.cancel()
            #expect(try await poll.value == 0)
        }
        await task.stop()
        #expect(try await poll.value == 0)
        #expect(context.lines.withLock { $0 }.isEmpty)
    }
}
