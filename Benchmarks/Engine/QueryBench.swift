import Columns
import SQLFormats
import SQLFunctions
import SQLPlan
import SQLSyntax
import SQLTypes
import StreamEngine

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Runs the bench kit's queries over its files, in process and on one thread; the CPU seconds are those of the process
/// while batches go through the query, reading the files not included.
struct QueryBench {
    let folder: String
    private let batchRows = 4000

    init(folder: String) { self.folder = folder }

    private struct Query {
        var id: String
        var statement: String
        /// Read whole before the clock runs.
        var table: (topic: String, file: String)?
        /// Read batch by batch, in turn by their share of the rows.
        var streams: [(topic: String, file: String)]
        /// Of the ratings, which are encoded before the clock runs, and of what the query writes.
        var format = SQLFormat.json
    }

    private static let ratings = """
        RATING_ID BIGINT, USER_ID INT, STARS INT, ROUTE_ID INT, RATING_TIME BIGINT, CHANNEL VARCHAR, MESSAGE VARCHAR
        """

    private static let sources = """
        CREATE STREAM RATINGS (\(ratings)) WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='JSON', TIMESTAMP='RATING_TIME');
        CREATE TABLE CUSTOMERS (ID INT PRIMARY KEY, FIRST_NAME VARCHAR, LAST_NAME VARCHAR, EMAIL VARCHAR, CLUB_STATUS VARCHAR)
            WITH (KAFKA_TOPIC='customers', VALUE_FORMAT='JSON');
        CREATE STREAM RESPONSES (RESPONSE_ID BIGINT, RATING_ID BIGINT, AGENT VARCHAR, RESPONSE_TIME BIGINT)
            WITH (KAFKA_TOPIC='responses', VALUE_FORMAT='JSON', TIMESTAMP='RESPONSE_TIME');
        """

    private static let queries = [
        Query(
            id: "Q1",
            statement: """
                CREATE STREAM OUT AS SELECT RATING_ID, USER_ID, STARS, ROUTE_ID, CHANNEL, MESSAGE FROM RATINGS WHERE STARS < 3;
                """, streams: [("ratings", "ratings.jsonl")]),
        Query(
            id: "Q1-avro",
            statement: """
                CREATE STREAM OUT AS SELECT RATING_ID, USER_ID, STARS, ROUTE_ID, CHANNEL, MESSAGE FROM RATINGS WHERE STARS < 3;
                """, streams: [("ratings", "ratings.jsonl")], format: .avro),
        Query(
            id: "Q2",
            statement: """
                CREATE STREAM OUT AS SELECT RATING_ID, UCASE(CHANNEL) AS CHANNEL,
                    CONCAT('rating ', CAST(RATING_ID AS VARCHAR), ' by ', CAST(USER_ID AS VARCHAR)) AS TITLE,
                    SUBSTRING(MESSAGE, 1, 20) AS SUMMARY
                FROM RATINGS WHERE LCASE(CHANNEL) NOT LIKE '%test%';
                """, streams: [("ratings", "ratings.jsonl")]),
        Query(
            id: "Q3",
            statement: """
                CREATE STREAM OUT AS SELECT R.USER_ID, R.RATING_ID, R.STARS, R.MESSAGE,
                    CONCAT(C.FIRST_NAME, ' ', C.LAST_NAME) AS FULL_NAME, C.CLUB_STATUS
                FROM RATINGS R LEFT JOIN CUSTOMERS C ON R.USER_ID = C.ID WHERE C.FIRST_NAME IS NOT NULL;
                """, table: ("customers", "customers.jsonl"), streams: [("ratings", "ratings.jsonl")]),
        Query(
            id: "Q4a",
            statement: """
                CREATE TABLE OUT AS SELECT CHANNEL, COUNT(*) AS N, AVG(STARS) AS A FROM RATINGS
                WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY CHANNEL;
                """, streams: [("ratings", "ratings.jsonl")]),
        Query(
            id: "Q4b",
            statement: """
                CREATE TABLE OUT AS SELECT USER_ID, COUNT(*) AS N, AVG(STARS) AS A FROM RATINGS
                WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY USER_ID;
                """, streams: [("ratings", "ratings.jsonl")]),
        Query(
            id: "Q4c",
            statement: """
                CREATE TABLE OUT AS SELECT USER_ID, COUNT(*) AS N, AVG(STARS) AS A FROM RATINGS GROUP BY USER_ID;
                """, streams: [("ratings", "ratings.jsonl")]),
        Query(
            id: "Q5",
            statement: """
                CREATE STREAM OUT AS SELECT R.RATING_ID, R.STARS, R.MESSAGE, S.AGENT FROM RATINGS R
                JOIN RESPONSES S WITHIN 30 SECONDS ON R.RATING_ID = S.RATING_ID;
                """, streams: [("ratings", "ratings.jsonl"), ("responses", "responses.jsonl")]),
        Query(
            id: "Q6",
            statement: """
                CREATE TABLE OUT AS SELECT USER_ID, COUNT(*) AS N FROM RATINGS WINDOW SESSION (30 SECONDS) GROUP BY USER_ID;
                """, streams: [("ratings", "ratings.jsonl")]),
    ]

    func run(_ only: Set<String>) throws {
        for query in Self.queries where only.isEmpty || only.contains(query.id) { try run(query) }
    }

    /// The query of the last statement over the kit's sources.
    static func plan(_ statement: String, _ format: SQLFormat = .json) throws -> PhysicalPlan? {
        var catalog = Catalog()
        let topics = MemoryTopics()
        for name in ["ratings", "customers", "responses"] {
            try topics.create(TopicSpecification(name: name, partitionCount: 1, replicaCount: 1, cleanup: .delete))
        }
        var plan: PhysicalPlan?
        let sources = Self.sources.replacing("'JSON'", with: "'\(format.rawValue)'")
        let registry = MemorySchemaRegistry()
        for statement in try SQLParser.script(sources + statement) {
            let executor = StatementExecutor(
                StatementEnvironment(
                    functions: .builtIn, topics: topics, registry: registry, translation: FormatTranslation(), now: 0,
                    random: { 0 }))
            for case .start(let started) in try executor.execute(
                statement.statement, text: statement.text, in: &catalog
            ).effects { plan = started }
        }
        return plan
    }

    private func run(_ query: Query) throws {
        guard let plan = try Self.plan(query.statement, query.format) else { return }
        let formats = RecordFormats(schemas: MemorySchemaStore())
        let task = try QueryTask(
            plan, functions: SQLFunctionLibrary(context: EvaluationContext(now: { 0 }, random: { 0 })),
            formats: SQLFormatLibrary(formats))
        if let table = query.table {
            for batch in try batches(table.topic, table.file, isKeyed: true) { _ = task.process(batch) }
        }
        var streams = try query.streams.map { try batches($0.topic, $0.file, isKeyed: false) }
        if query.format != .json { streams[0] = try Self.encoded(streams[0], as: query.format, formats) }
        var records = 0
        var output = 0
        var bytes = 0
        var log = 0
        let start = cpuSeconds()
        let most = streams.map(\.count).max() ?? 0
        for index in 0..<most {
            for stream in streams {
                // The shorter ones keep pace with the longest.
                let from = index * stream.count / most
                for batch in stream[from..<((index + 1) * stream.count / most)] {
                    let result = task.process(batch)
                    records += batch.count
                    log += result.log.count
                    for sink in result.records {
                        output += sink.count
                        bytes += sink.values.bytes.count
                    }
                    if let failure = result.failure { throw failure }
                }
            }
        }
        let spent = cpuSeconds() - start
        let perMillion = spent / Double(records) * 1e6
        print(
            "\(query.id): \((perMillion * 1000).rounded() / 1000) CPU s per million records; \(records) in, \(output) out, "
                + "\(bytes >> 20) MiB out, \(log) log entries, peak \(peakMiB()) MiB")
        for item in task.counters {
            let c = item.counters
            print(
                "    \(item.operation) \(item.step): in \(c.input) out \(c.output) filtered \(c.filtered) late \(c.late) "
                    + "failed \(c.failed) unmatched \(c.unmatched) state \(c.stateRows) rows \(c.stateBytes >> 10) KiB")
        }
    }

    /// The lines of a file as batches of records.
    private func batches(_ topic: String, _ file: String, isKeyed: Bool) throws -> [SourceBatch] {
        guard let input = fopen(folder + "/" + file, "r") else { throw EngineError(.invalidPlan, "no file \(file)") }
        defer { fclose(input) }
        var batches: [SourceBatch] = []
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        var keys = ColumnBuilder(.bytes)
        var values = ColumnBuilder(.bytes)
        var offset: Int64 = 0
        func flush() {
            guard case .bytes(let value) = values.finish(), case .bytes(let key) = keys.finish(), value.count > 0 else {
                return
            }
            batches.append(
                SourceBatch(
                    topic: topic, keys: key, values: value,
                    timestamps: ColumnBuffer([Int64](repeating: 0, count: value.count)),
                    offsets: ColumnBuffer((0..<value.count).map { offset - Int64(value.count) + Int64($0) })))
            keys = ColumnBuilder(.bytes)
            values = ColumnBuilder(.bytes)
        }
        while true {
            let count = getline(&line, &capacity, input)
            guard count > 0, let line else { break }
            let text = UnsafeRawBufferPointer(start: line, count: count - 1)
            if isKeyed {
                // {"id":123,... : the key of the KAFKA format is the number's four bytes.
                var id: Int32 = 0
                for byte in text.dropFirst(6) {
                    guard byte >= 48, byte <= 57 else { break }
                    id = id &* 10 &+ Int32(byte - 48)
                }
                withUnsafeBytes(of: id.bigEndian) { _ = keys.append(bytes: $0) }
            } else {
                keys.appendNull()
            }
            _ = values.append(bytes: text)
            offset += 1
            if values.count == batchRows { flush() }
        }
        flush()
        return batches
    }

    /// Ratings in another format.
    private static func encoded(
        _ batches: [SourceBatch], as format: SQLFormat, _ formats: RecordFormats
    ) throws -> [SourceBatch] {
        let columns = try SchemaText.columns(ratings).map { SQLField($0.name, $0.type) }
        let decoder = try formats.columnDecoder(
            SerdeFormat(FormatInfo(.json)), topic: "ratings", isKey: false, columns: columns,
            wanted: Array(columns.indices))
        let encoder = try formats.columnEncoder(
            SerdeFormat(FormatInfo(format)), topic: "ratings", isKey: false, columns: columns)
        return try batches.map { batch in
            var batch = batch
            batch.values = try encoder.encode(
                decoder.decode(batch.values).columns, count: batch.values.count, present: .all)
            return batch
        }
    }

    private func cpuSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// The most memory that the process has had so far, as Linux tells it; 0 elsewhere.
    private func peakMiB() -> Int {
        guard let status = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(status) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, status) > 0, let line {
            let text = String(cString: line)
            guard text.hasPrefix("VmHWM:") else { continue }
            return (Int(text.filter(\.isNumber)) ?? 0) / 1024
        }
        return 0
    }
}

/// CPU seconds of the process so far: its own, and those of the system for it.
func cpuParts() -> (own: Double, system: Double) {
    var usage = rusage()
    #if canImport(Glibc)
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #else
    getrusage(RUSAGE_SELF, &usage)
    #endif
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
    return (seconds(usage.ru_utime), seconds(usage.ru_stime))
}
