import ConnectCore
import ConnectorCDC
import Glibc
import JSONFormat
import Synchronization

// Runs a connector's task without a worker: for tests with a real database.
//
//   ChangeEvents CONFIG.properties [--offsets FILE] [--until TOPIC] [--count N] [--quiet] [--stop-after N]
//
// Events go to standard output, one JSON object per line: {"topic":..,"key":..,"value":..,"offset":..}, with the schemas of
// the JSON converter. `--offsets` keeps the offset of what was printed in a file and goes on from it. It ends when a record
// of the topic `--until` was printed, or after `--count` records. `--quiet` counts only. With `--written` the task may write
// records itself, as it does in a worker without transforms; those have the offset of the last one that came with them.

struct Arguments {
    var config = ""
    var offsets: String?
    var until: String?
    var count: Int?
    var isQuiet = false
    var isWritten = false

    init() {
        var rest = CommandLine.arguments.dropFirst()
        while let next = rest.popFirst() {
            switch next {
            case "--offsets": offsets = rest.popFirst()
            case "--until": until = rest.popFirst()
            case "--count": count = rest.popFirst().flatMap { Int($0) }
            case "--quiet": isQuiet = true
            case "--written": isWritten = true
            default: config = next
            }
        }
    }
}

func readFile(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        if count == 0 { return bytes }
        bytes += buffer[..<count]
    }
}

func writeFile(_ path: String, _ bytes: [UInt8]) {
    guard let file = fopen(path + ".new", "w") else { return }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
    rename(path + ".new", path)
}

func print(_ bytes: [UInt8], to descriptor: Int32) {
    var at = 0
    while at < bytes.count {
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress?.advanced(by: at), bytes.count - at) }
        if count <= 0 { exit(2) }
        at += count
    }
}

func log(_ text: String) { print(Array((text + "\n").utf8), to: 2) }

func json(_ value: ConnectValue) -> JSONValue {
    switch value {
    case .string(let text): .string(text)
    case .boolean(let flag): .bool(flag)
    default: value.integer.map { .number($0) } ?? .null
    }
}

func json(_ map: ConnectMap) -> JSONValue { .object(map.entries.map { ($0.key.string ?? "", json($0.value)) }) }

final class Context: SourceTaskContext {
    let identity = TaskIdentity(connector: "test", task: 0)
    let stored: ConnectMap?
    let converter: JSONConverter?

    init(_ stored: ConnectMap?, _ converter: JSONConverter?) {
        self.stored = stored
        self.converter = converter
    }

    func writing(
        topic: String, key: ConnectSchema?, value: ConnectSchema
    ) async throws(ConnectError) -> RecordWriting? {
        guard let converter, let writing = try await converter.writing(value, topic: topic) else { return nil }
        guard let key else { return RecordWriting(key: nil, value: writing) }
        return try await converter.writing(key, topic: topic).map { RecordWriting(key: $0, value: writing) }
    }

    func offset(of partition: ConnectMap) async throws(ConnectError) -> ConnectMap? { stored }
    func offsets() async throws(ConnectError) -> [(partition: ConnectMap, offset: ConnectMap)] { [] }
    func log(_ level: TaskLogLevel, _ message: @autoclosure () -> String) {
        let text = message()
        print(Array("\(level): \(text)\n".utf8), to: 2)
    }
    var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
    func requestReconfiguration() {}
}

func properties(_ path: String) -> [String: String] {
    var properties: [String: String] = [:]
    for line in String(decoding: readFile(path) ?? [], as: UTF8.self).split(separator: "\n") {
        guard !line.hasPrefix("#"), let sign = line.firstIndex(of: "=") else { continue }
        properties[String(line[..<sign])] = String(line[line.index(after: sign)...])
    }
    return properties
}

func offset(_ path: String?) -> ConnectMap? {
    guard let path, let bytes = readFile(path), let members = JSONValue.parse(bytes)?.members else { return nil }
    var map = ConnectMap()
    for (name, value) in members {
        if let number = value.integer {
            map[name] = .int64(number)
        } else if let text = value.text {
            map[name] = .string(text)
        } else if let flag = value.flag {
            map[name] = .boolean(flag)
        }
    }
    return map
}

let arguments = Arguments()
let given = properties(arguments.config)
let plugin: any SourcePlugin =
    switch given["connector.class"] ?? "" {
    case let name where name.hasSuffix("MariaDbConnector"): CDCPlugin.mariaDB(version: "test", clusters: nil)
    case let name where name.hasSuffix("PostgresConnector"): PostgresCDCPlugin(version: "test")
    default: CDCPlugin.mysql(version: "test", clusters: nil)
    }
let chain = try TransformChain(given)
let converter = JSONConverter()
let stored = offset(arguments.offsets)
let task = try plugin.makeTask(given, Context(stored, arguments.isWritten && chain.isEmpty ? converter : nil))
var printed = 0
var isDone = false
var exitCode: Int32 = 0

/// One line of output.
@MainActor
func emit(
    _ topic: String, _ key: JSONValue, _ value: JSONValue, _ headers: [ConnectHeader], _ offset: ConnectMap?,
    _ output: inout [UInt8]
) {
    printed += 1
    if !arguments.isQuiet {
        output +=
            JSONValue.object([
                ("topic", .string(topic)), ("key", key), ("value", value), ("offset", offset.map { json($0) } ?? .null),
                ("headers", .array(headers.map { .string($0.name) })),
            ]).bytes
        output.append(0x0A)
    }
    if topic == arguments.until || printed == arguments.count { isDone = true }
}

/// Records that came as values.
@MainActor
func take(_ records: ArraySlice<ConnectRecord>, _ last: inout ConnectMap?, _ output: inout [UInt8]) throws {
    for record in records {
        if case .source(_, let offset) = record.origin { last = offset }
        guard let record = try chain.apply(record) else { continue }
        emit(
            record.topic, record.key.schema == nil ? .null : try converter.json(record.key),
            record.value.schema == nil ? .null : try converter.json(record.value), record.headers, last, &output)
        if printed == arguments.count { break }
    }
}

do {
    try await task.start()
    while !isDone {
        let poll = try await task.poll()
        var last: ConnectMap?
        var output: [UInt8] = []
        var next = 0
        for written in poll.written {
            try take(poll.records[next..<written.recordsBefore], &last, &output)
            next = written.recordsBefore
            last = written.offset
            for place in written.places {
                func text(_ range: Range<Int>?) -> JSONValue { range.map { .raw(Array(written.bytes[$0])) } ?? .null }
                emit(written.topic, text(place.key), text(place.value), [], last, &output)
            }
        }
        if !isDone || arguments.count == nil { try take(poll.records[next...], &last, &output) }
        print(output, to: 1)
        if let last, let path = arguments.offsets { writeFile(path, json(last).bytes) }
        if poll.isFinished { isDone = true }
        // Everything that was polled has been printed.
        if !isDone, last != nil, arguments.offsets != nil { try await task.committed() }
    }
} catch {
    log("failed: \(error)")
    exitCode = 1
}
await task.stop()
log("printed \(printed)")
exit(exitCode)
