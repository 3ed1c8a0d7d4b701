import ConnectCore
import ConnectorJDBC
import Glibc
import JSONFormat
import Synchronization

// Runs a task of the JDBC sink without a worker: for tests with real databases.
//
//   JDBCSinkDriver NAME=VALUE...        reads batches from standard input, one JSON array of records per line:
//                                       [{"topic":..,"partition":..,"offset":..,"key":..,"value":..}, ...], keys and
// values
//                                       with the schemas of the JSON converter; answers each with one line:
//                                       {"error":null or a text,"retriable":..,"reported":[offsets],"sought":{..}}
//   JDBCSinkDriver --bench ROWS NAME=VALUE...
//                                       measures rows of five fields in batches of 500 records, as a worker brings them

final class Context: SinkTaskContext {
    let identity = TaskIdentity(connector: "driver", task: 0)
    let isTolerant: Bool
    let reported = Mutex<[(Int64, String)]>([])
    let sought = Mutex<[SinkPartition: Int64]>([:])

    init(isTolerant: Bool) { self.isTolerant = isTolerant }

    func requestCommit() {}
    func seek(_ offsets: [SinkPartition: Int64]) { sought.withLock { $0.merge(offsets) { $1 } } }
    func pause(_ partitions: [SinkPartition]) {}
    func resume(_ partitions: [SinkPartition]) {}
    func retry(after: Duration) {}
    func report(_ record: ConnectRecord, _ error: ConnectError) async throws(ConnectError) {
        guard isTolerant else { throw error }
        reported.withLock { $0.append((record.kafkaOffset ?? -1, error.message)) }
    }
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {
        var line = message() + "\n"
        line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }
    var now: Int64 { 0 }
}

func sinkRecord(_ json: JSONValue) throws -> ConnectRecord {
    func part(_ name: String) throws -> SchemaAndValue {
        guard let part = json[name], part != .null else { return .null }
        return try JSONConverter().value(part.bytes, topic: "")
    }
    func number(_ name: String) -> Int64 {
        if case .number(let number)? = json[name] { number } else { 0 }
    }
    var topic = "t"
    if case .string(let text)? = json["topic"] { topic = text }
    let partition = Int32(clamping: number("partition"))
    return ConnectRecord(
        topic: topic, partition: partition, key: try part("key"), value: try part("value"), timestamp: 0,
        origin: .sink(topic: topic, partition: partition, offset: number("offset"), timestampKind: .create))
}

var properties = ["name": "driver", "topics": "t"]
var benchCount: Int?
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
    if argument == "--bench" {
        benchCount = arguments.popFirst().flatMap { Int($0) }
    } else if let equals = argument.firstIndex(of: "=") {
        properties[String(argument[..<equals])] = String(argument[argument.index(after: equals)...])
    }
}
let isDebezium = properties["connector.class"]?.hasPrefix("io.debezium.") == true
let context = Context(isTolerant: properties["errors.tolerance"] == "all")
let task = try JDBCSinkPlugin(isDebezium ? .debezium : .confluent, version: "driver").makeTask(properties, context)

if let benchCount {
    let schema = ConnectSchema.structure([
        .init("id", .int64), .init("user_name", .optionalString), .init("amount", .float64),
        .init("at", .timestamp), .init("note", .optionalString),
    ])
    let key = ConnectSchema.structure([.init("id", .int64)])
    let records = (0..<benchCount).map { index in
        ConnectRecord(
            topic: "bench", partition: 0,
            key: SchemaAndValue(key, .structure(ConnectStruct(key, values: [.int64(Int64(index))]))),
            value: SchemaAndValue(
                schema,
                .structure(
                    ConnectStruct(
                        schema,
                        values: [
                            .int64(Int64(index)), .string("user \(index % 1000)"), .float64(Double(index) / 7),
                            .instant(1_700_000_000_000 + Int64(index)), .string("a note of no great length"),
                        ]))),
            origin: .sink(topic: "bench", partition: 0, offset: Int64(index), timestampKind: .create))
    }
    let batchCount = properties["bench.batch"].flatMap { Int($0) } ?? 500
    try await task.start()
    try await task.open([SinkPartition(topic: "bench", partition: 0)])
    let start = ContinuousClock.now
    var next = 0
    while next < records.count {
        let end = min(next + batchCount, records.count)
        try await task.put(Array(records[next..<end]))
        next = end
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    await task.stop()
    print("\(Int(Double(benchCount) / seconds)) rows/s (\(benchCount) rows in batches of \(batchCount))")
} else {
    try await task.start()
    try await task.open([SinkPartition(topic: "t", partition: 0)])
    while let line = readLine() {
        guard case .array(let items)? = JSONValue.parse(Array(line.utf8)) else { continue }
        var failure: ConnectError?
        do {
            try await task.put(try items.map(sinkRecord))
        } catch let error as ConnectError {
            failure = error
        }
        let reported = context.reported.withLock { list in
            defer { list = [] }
            return list
        }
        let sought = context.sought.withLock { $0 }
        let answer = JSONValue.object([
            ("error", failure.map { JSONValue.string($0.message) } ?? JSONValue.null),
            ("retriable", .bool(failure?.isRetriable ?? false)),
            ("reported", .array(reported.map { JSONValue.number($0.0) })),
            ("reasons", .array(reported.map { JSONValue.string($0.1) })),
            ("sought", .object(sought.map { ("\($0.key.topic)-\($0.key.partition)", JSONValue.number($0.value)) })),
        ])
        print(String(decoding: answer.bytes, as: UTF8.self))
        fflush(nil)
    }
    await task.stop()
}
