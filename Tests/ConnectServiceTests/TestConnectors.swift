import ConnectCore
import Synchronization

/// A source of numbered lines: `count` of them per task, from where the offset says, `batch` at a time; as bytes with headers
/// when `written` is true.
struct CountingSource: SourcePlugin {
    let classNames = ["test.CountingSourceConnector"]
    let version = "1.0"
    var definition: ConfigDef {
        var definition = ConfigDef()
        definition.define("topic", .string, .required, .notEmpty, .high, "Where to.")
        definition.define("count", .long, .value(.integer(100)), nil, .high, "How many.")
        definition.define("batch", .int, .value(.integer(10)), nil, .low, "At a time.")
        definition.define("fail.at", .long, .value(.integer(-1)), nil, .low, "Where to fail.")
        definition.define("timestamp", .long, .null, nil, .low, "The time of all records.")
        definition.define("large.at", .long, .value(.integer(-1)), nil, .low, "Which line has 5000 characters more.")
        return definition
    }

    func supportsExactlyOnce(_ properties: [String: String]) -> Bool { true }

    func taskConfigs(_ properties: [String: String], countMax: Int) async throws(ConnectError) -> [[String: String]] {
        (0..<countMax).map { properties.merging(["task": "\($0)"]) { $1 } }
    }

    func alterOffsets(
        _ properties: [String: String], _ offsets: [(partition: ConnectMap, offset: ConnectMap?)]
    ) async throws(ConnectError) -> Bool {
        for (_, offset) in offsets where offset != nil && offset?["next"]?.integer == nil {
            throw ConnectError(.connect, "The offset has no 'next'")
        }
        return true
    }

    func makeTask(
        _ properties: [String: String], _ context: any SourceTaskContext
    ) throws(ConnectError) -> any SourceTask {
        CountingTask(try definition.parse(properties), properties["task"] ?? "0", context)
    }
}

final class CountingTask: SourceTask {
    private let values: ConfigValues
    private let partition: ConnectMap
    private let context: any SourceTaskContext
    private let next = Mutex<Int64>(0)

    init(_ values: ConfigValues, _ task: String, _ context: any SourceTaskContext) {
        self.values = values
        self.context = context
        partition = ConnectMap([("task", ConnectValue.string(task))])
    }

    func start() async throws(ConnectError) {
        let offset = try await context.offset(of: partition)
        next.withLock { $0 = offset?["next"]?.integer ?? 0 }
    }

    func poll() async throws(ConnectError) -> SourcePoll {
        let first = next.withLock { $0 }
        let end = min(first + (values.integer("batch") ?? 10), values.integer("count") ?? 100)
        guard first < end else {
            try? await Task.sleep(for: .milliseconds(100))
            return SourcePoll()
        }
        var records: [ConnectRecord] = []
        for number in first..<end {
            if number == values.integer("fail.at") { throw ConnectError(.connect, "number \(number) is not liked") }
            records.append(
                ConnectRecord(
                    topic: values.string("topic") ?? "", key: SchemaAndValue(.string, .string("k\(number)")),
                    value: SchemaAndValue(.string, .string("line \(number)\(more(number))")),
                    timestamp: values.integer("timestamp"),
                    origin: .source(
                        partition: partition, offset: ConnectMap([("next", ConnectValue.int64(number + 1))]))))
        }
        next.withLock { $0 = end }
        guard values.originals["written"] == "true" else { return SourcePoll(records) }
        var written = WrittenRecords(
            topic: values.string("topic") ?? "", partition: partition,
            offset: ConnectMap([("next", ConnectValue.int64(end))]), recordsBefore: 0,
            headers: [ConnectHeader("run", .string, .string("r1")), ConnectHeader("task", .string, .string("0"))])
        for number in first..<end {
            written.append(key: nil) { bytes in
                bytes += "line \(number)".utf8
                return true
            }
        }
        var poll = SourcePoll()
        poll.written = [written]
        return poll
    }

    private func more(_ number: Int64) -> String {
        number == values.integer("large.at") ? String(repeating: "x", count: 5000) : ""
    }

    func stop() async {}
}

/// A sink that keeps what it gets, where the test can see it.
struct KeepingSink: SinkPlugin {
    final class Kept: Sendable {
        struct State {
            var records: [ConnectRecord] = []
            /// How many records each put took.
            var batches: [Int] = []
            var opened: [SinkPartition] = []
            var commits = 0
            /// Puts to refuse as something that may pass.
            var refusals = 0
        }
        let state = Mutex(State())
        var records: [ConnectRecord] { state.withLock { $0.records } }
        var texts: [String] { records.map { $0.value.value.string ?? "" } }
    }

    let classNames = ["test.KeepingSinkConnector"]
    let version = "1.0"
    let kept: Kept
    var definition: ConfigDef {
        var definition = ConfigDef()
        definition.define("bad", .string, .value(.string("")), nil, .low, "A text that is reported.")
        definition.define("deadly", .string, .value(.string("")), nil, .low, "A text of which the task fails.")
        definition.define("commits", .boolean, .value(.boolean(true)), nil, .low, "Whether each put is committed.")
        definition.define(
            "ahead", .boolean, .value(.boolean(false)), nil, .low, "Whether the next batch is made ready.")
        return definition
    }

    func makeTask(_ properties: [String: String], _ context: any SinkTaskContext) throws(ConnectError) -> any SinkTask {
        KeepingTask(kept, try definition.parse(properties), context)
    }
}

final class KeepingTask: SinkTask {
    private let kept: KeepingSink.Kept
    private let bad: String
    private let deadly: String
    private let commits: Bool
    let readsAhead: Bool
    private let context: any SinkTaskContext

    init(_ kept: KeepingSink.Kept, _ values: ConfigValues, _ context: any SinkTaskContext) {
        self.kept = kept
        bad = values.string("bad") ?? ""
        deadly = values.string("deadly") ?? ""
        commits = values.flag("commits")
        readsAhead = values.flag("ahead")
        self.context = context
    }

    func start() async throws(ConnectError) {}
    func stop() async {}

    func open(_ partitions: [SinkPartition]) async throws(ConnectError) {
        kept.state.withLock { $0.opened += partitions }
    }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        guard !records.isEmpty else { return }
        let isRefused = kept.state.withLock { state in
            guard state.refusals > 0 else { return false }
            state.refusals -= 1
            return true
        }
        if isRefused {
            context.retry(after: .milliseconds(20))
            throw ConnectError(.retriable, "not now")
        }
        for record in records {
            if !deadly.isEmpty, record.value.value.string == deadly {
                throw ConnectError(.connect, "\(deadly) is deadly")
            }
            if !bad.isEmpty, record.value.value.string == bad {
                try await context.report(record, .data("\(bad) is bad"))
            } else {
                kept.state.withLock { $0.records.append(record) }
            }
        }
        kept.state.withLock { $0.batches.append(records.count) }
        if commits { context.requestCommit() }
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] {
        kept.state.withLock { $0.commits += 1 }
        return offsets
    }
}
