import Broker
import Cluster
import Environment
import Glibc
import Logging
import NIOCore
import SQLFormats
import SQLFunctions
import SQLPlan
import SQLRuntime
import SQLSyntax
import SQLTypes
import StreamEngine
import Synchronization

struct BenchFailure: Error, CustomStringConvertible { var description: String }

/// Does what the arguments of the program say.
func runBench(_ arguments: [String]) async throws {
    let numbers = arguments.compactMap { Int($0) }
    switch arguments.first ?? "" {
    case "flow":
        let only = Set(arguments.dropFirst().filter { $0.hasPrefix("Q") })
        try await withBench { try await $0.flow(only, records: 1_000_000 * (numbers.first ?? 1)) }
    case "idle": try await withBench { try await $0.idle(numbers.first ?? 200) }
    case "latency": try await withBench { try await $0.latency() }
    case "pull": try await withBench { try await $0.pull(seconds: numbers.first ?? 5) }
    case "restore": try await withBench { try await $0.restore(rows: numbers.first ?? 5_000_000) }
    default: print("usage: RuntimeBench flow|idle|latency|pull|restore")
    }
}

/// Runs `body` with a broker in a new folder.
func withBench(_ body: (RuntimeBench) async throws -> Void) async throws {
    var template = Array("/tmp/swiftwater-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw BenchFailure(description: "no folder") }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { try? RealDisk().removeTree(folder) }
    var configuration = BrokerConfiguration()
    configuration.dataDirectory = folder + "/broker"
    configuration.listenPort = 0
    var logger = Logger(label: "bench")
    logger.logLevel = .error
    let broker = try await BrokerServer.start(configuration, logger: logger)
    let bench = RuntimeBench(EmbeddedCluster(broker.node), folder: folder, logger)
    do { try await body(bench) } catch {
        print("failed: \(error)")
    }
    await bench.runtime.shutdown()
    await broker.stop()
}

final class RuntimeBench {
    let cluster: any Cluster
    private(set) var runtime: QueryRuntime
    private let settings: RuntimeSettings
    private let logger: Logger
    private var catalog = Catalog()
    private let topics = MemoryTopics()
    private var plans: [PhysicalPlan] = []
    private let clock = ContinuousClock()

    init(_ cluster: any Cluster, folder: String, _ logger: Logger) {
        self.cluster = cluster
        self.logger = logger
        var settings = RuntimeSettings { properties in
            let context = EvaluationContext(now: { 0 }, random: { 0 }, limits: FunctionLimits(properties: properties))
            return EngineLibraries(
                functions: SQLFunctionLibrary(context: context), formats: SQLFormatLibrary(RecordFormats()))
        }
        settings.snapshotFolder = folder + "/snapshots"
        self.settings = settings
        runtime = QueryRuntime(cluster, settings, logger: logger)
    }

    // MARK: Statements and records

    private var executor: StatementExecutor {
        StatementExecutor(
            StatementEnvironment(
                functions: .builtIn, topics: topics, registry: nil, translation: FormatTranslation(), now: 0,
                random: { 0 }))
    }

    private func topic(_ name: String, partitions: Int = 1) async throws {
        try topics.create(
            TopicSpecification(name: name, partitionCount: partitions, replicaCount: 1, cleanup: .delete))
        try await makeTopics()
    }

    private func makeTopics() async throws {
        let there = Set(try await cluster.topics().map(\.name))
        for name in topics.names where !there.contains(name) {
            try await cluster.createTopic(
                NewTopic(
                    name, partitionCount: Int32(topics.partitionCount(of: name) ?? 1),
                    configs: ["retention.ms": "-1"]), validateOnly: false)
        }
    }

    @discardableResult
    private func execute(_ text: String) async throws -> String {
        var last = ""
        for statement in try SQLParser.script(text) {
            let outcome = try executor.execute(statement.statement, text: statement.text, in: &catalog)
            try await makeTopics()
            for case .start(let plan) in outcome.effects {
                plans.append(plan)
                last = plan.id
                try await runtime.start(plan, properties: ["auto.offset.reset": "earliest"], isPaused: false)
            }
        }
        return last
    }

    private func write(_ topic: String, _ count: Int, _ record: (Int) -> (key: String?, value: String, time: Int64))
        async throws
    {
        let writer = try await cluster.writer(.acks(.leader))
        var at = 0
        while at < count {
            let end = min(count, at + 5000)
            let records = (at..<end).map { number in
                let made = record(number)
                return ProducerRecord(
                    key: made.key.map { ByteBuffer(string: $0) }, value: ByteBuffer(string: made.value),
                    timestamp: made.time)
            }
            _ = try await writer.write(records, to: topic)
            at = end
        }
        await writer.close()
    }

    private func caughtUp(_ id: String) async throws {
        while true {
            guard let status = await runtime.status(of: id) else { return }
            if status.state == .error { throw BenchFailure(description: "\(status.errors)") }
            if !status.positions.isEmpty, status.positions.allSatisfy({ $0.lag == 0 }) { return }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    private static func rating(_ number: Int) -> String {
        let channels = ["ios", "android", "web", "iOS-test", "desktop", "partner"]
        return "{\"RATING_ID\":\(number),\"USER_ID\":\(number &* 7919 % 10_000),\"STARS\":\(1 + number % 5),"
            + "\"ROUTE_ID\":\(number % 977),\"RATING_TIME\":\(1_700_000_000_000 + number * 10),"
            + "\"CHANNEL\":\"\(channels[number % 6])\",\"MESSAGE\":\"thank you for the most friendly, helpful experience "
            + "today at your new lounge \(number)\"}"
    }

    private static let sources = """
        CREATE STREAM RATINGS (RATING_ID BIGINT, USER_ID INT, STARS INT, ROUTE_ID INT, RATING_TIME BIGINT, CHANNEL VARCHAR,
            MESSAGE VARCHAR) WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='JSON', TIMESTAMP='RATING_TIME');
        CREATE TABLE CUSTOMERS (ID VARCHAR PRIMARY KEY, FIRST_NAME VARCHAR, LAST_NAME VARCHAR, CLUB_STATUS VARCHAR)
            WITH (KAFKA_TOPIC='customers', VALUE_FORMAT='JSON');
        """

    private static let queries: [(id: String, sql: String)] = [
        (
            "Q1",
            "CREATE STREAM OUT1 AS SELECT RATING_ID, USER_ID, STARS, ROUTE_ID, CHANNEL, MESSAGE FROM RATINGS WHERE STARS < 3;"
        ),
        (
            "Q3",
            """
            CREATE STREAM OUT3 AS SELECT R.RATING_ID, R.STARS, R.MESSAGE, CAST(R.USER_ID AS VARCHAR) AS U,
                CONCAT(C.FIRST_NAME, ' ', C.LAST_NAME) AS FULL_NAME, C.CLUB_STATUS
            FROM RATINGS R LEFT JOIN CUSTOMERS C ON CAST(R.USER_ID AS VARCHAR) = C.ID WHERE C.FIRST_NAME IS NOT NULL;
            """
        ),
        (
            "Q4b",
            """
            CREATE TABLE OUT4 AS SELECT USER_ID, COUNT(*) AS N, AVG(STARS) AS A FROM RATINGS
                WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY USER_ID;
            """
        ),
    ]

    // MARK: Measurements

    func flow(_ only: Set<String>, records: Int) async throws {
        for name in ["ratings", "customers"] { try await topic(name) }
        try await execute(Self.sources)
        try await write("customers", 10_000) { number in
            (
                "\(number)",
                "{\"FIRST_NAME\":\"first \(number)\",\"LAST_NAME\":\"last \(number)\",\"CLUB_STATUS\":\"gold\"}", 0
            )
        }
        try await write("ratings", records) { (nil, Self.rating($0), Int64(1_700_000_000_000 + $0 * 10)) }
        for query in Self.queries where only.isEmpty || only.contains(query.id) {
            let cpu = cpuSeconds()
            let start = clock.now
            let id = try await execute(query.sql)
            try await caughtUp(id)
            // Behind a repartition topic there is a second part.
            var produced = -1
            while let status = await runtime.status(of: id), status.produced != produced {
                produced = status.produced
                try await Task.sleep(for: .milliseconds(300))
            }
            let used = cpuSeconds() - cpu
            let wall = seconds(clock.now - start)
            print(
                "\(query.id): \(records) records in, \(produced) out, \(rounded(used / Double(records) * 1e6)) CPU s per "
                    + "million, \(rounded(wall)) s (300 to 600 ms of it waiting)")
            await runtime.stop(id, forgets: true)
        }
    }

    func idle(_ count: Int) async throws {
        try await topic("ratings")
        try await execute(String(Self.sources.prefix(while: { $0 != ";" })) + ";")
        let before = residentBytes()
        var start = clock.now
        for number in 0..<count {
            try await execute("CREATE STREAM IDLE_\(number) AS SELECT * FROM RATINGS WHERE STARS = \(number);")
        }
        print("\(count) queries made in \(rounded(seconds(clock.now - start))) s")
        await runtime.shutdown()
        runtime = QueryRuntime(cluster, settings, logger: logger)
        start = clock.now
        try await withThrowingTaskGroup(of: Void.self) { [runtime, plans] group in
            for plan in plans {
                group.addTask {
                    try await runtime.start(plan, properties: ["auto.offset.reset": "earliest"], isPaused: false)
                }
            }
            try await group.waitForAll()
        }
        print("\(count) queries started in \(rounded(seconds(clock.now - start))) s")
        try await Task.sleep(for: .seconds(2))
        let cpu = cpuSeconds()
        try await Task.sleep(for: .seconds(20))
        print(
            "idle: \(rounded((cpuSeconds() - cpu) / 20 * 100)) % of a core, "
                + "\((residentBytes() - before) >> 20) MiB more than without, \(residentBytes() >> 20) in all")
    }

    func latency() async throws {
        try await topic("ratings")
        try await execute(Self.sources.split(separator: ";").map { $0 + ";" }[0].description)
        try await execute("CREATE STREAM A AS SELECT RATING_ID, STARS, USER_ID FROM RATINGS;")
        try await execute("CREATE STREAM B AS SELECT RATING_ID, USER_ID FROM A WHERE STARS > 0;")
        for (name, sql) in [
            ("push of the inserted", "SELECT RATING_ID FROM RATINGS EMIT CHANGES;"),
            ("push behind two queries", "SELECT RATING_ID FROM B EMIT CHANGES;"),
        ] {
            guard case .query(let query) = try SQLParser.script(sql)[0].statement else { continue }
            let plan = try executor.planPushQuery(query, id: "push", in: catalog).plan
            let subscription = try await runtime.subscribe(plan, SubscriptionOptions())
            let writer = try await cluster.writer(.acks(.leader))
            var spent: [Double] = []
            for number in 0..<500 {
                let start = clock.now
                _ = try await writer.submit(
                    [ProducerRecord(value: ByteBuffer(string: Self.rating(number)), timestamp: 1)], to: "ratings")
                var isThere = false
                while !isThere, let event = await subscription.next() {
                    if case .rows = event { isThere = true }
                }
                spent.append(seconds(clock.now - start) * 1000)
                try await Task.sleep(for: .milliseconds(3))
            }
            spent.sort()
            print("\(name): p50 \(rounded(spent[250])) ms, p99 \(rounded(spent[495])) ms")
            await subscription.cancel()
        }
    }

    func pull(seconds wanted: Int) async throws {
        try await topic("ratings")
        try await execute(Self.sources.split(separator: ";").map { $0 + ";" }[0].description)
        try await write("ratings", 100_000) { (nil, Self.rating($0), 1) }
        let id = try await execute("CREATE TABLE T AS SELECT USER_ID, COUNT(*) AS N FROM RATINGS GROUP BY USER_ID;")
        try await caughtUp(id)
        while try await runtime.read(TableRead(.all), of: id).count < 10_000 {
            try await Task.sleep(for: .milliseconds(50))
        }
        final class Counter: Sendable { let value = Atomic<Int>(0) }
        let done = Counter()
        let cpu = cpuSeconds()
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(wanted)
        let runtime = runtime
        await withTaskGroup(of: Void.self) { group in
            for client in 0..<64 {
                group.addTask {
                    var key = client
                    while clock.now < deadline {
                        key = (key + 7919) % 10_000
                        let rows = try? await runtime.read(TableRead(.keys([[.int(Int32(key))]])), of: id)
                        if rows?.count == 1 { done.value.wrappingAdd(1, ordering: .relaxed) }
                    }
                }
            }
        }
        let count = done.value.load(ordering: .relaxed)
        print(
            "pull by key: \(count / wanted) rows/s by 64 clients, \(rounded((cpuSeconds() - cpu) / Double(count) * 1e6)) µs "
                + "of CPU each")
    }

    func restore(rows: Int) async throws {
        try await topic("events")
        try await execute(
            "CREATE STREAM EVENTS (K VARCHAR KEY, V BIGINT, T VARCHAR) WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON');"
        )
        try await write("events", rows) {
            ("key-\($0)", "{\"V\":\($0),\"T\":\"a text of some length that is kept with its row \($0)\"}", 1)
        }
        let id = try await execute(
            "CREATE TABLE LATEST AS SELECT K, LATEST_BY_OFFSET(T) AS T, COUNT(*) AS N FROM EVENTS GROUP BY K;")
        try await caughtUp(id)
        for name in ["changelog", "snapshot"] {
            if name == "changelog" {
                await runtime.shutdown()
                try RealDisk().removeTree(settings.snapshotFolder ?? "")
            } else {
                let start = clock.now
                await runtime.shutdown()
                print("shutdown with a snapshot of \(rows) rows: \(rounded(seconds(clock.now - start))) s")
            }
            runtime = QueryRuntime(cluster, settings, logger: logger)
            let start = clock.now
            for plan in plans {
                try await runtime.start(plan, properties: ["auto.offset.reset": "earliest"], isPaused: false)
            }
            let row = try await runtime.read(TableRead(.keys([[.string("key-7")]])), of: id)
            print(
                "\(rows) rows read back from the \(name) in \(rounded(seconds(clock.now - start))) s, "
                    + "\(residentBytes() >> 20) MiB, \(row.count) row found")
        }
    }
}

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
}

func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }

func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

func residentBytes() -> Int {
    guard let text = try? RealDisk().open("/proc/self/statm", create: false).read(at: 0, count: 256) else { return 0 }
    let fields = String(decoding: text, as: UTF8.self).split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
}
