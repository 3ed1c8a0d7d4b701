// Records of ratings, as the demonstration's topic has them, between Avro's binary encoding, columns and value trees.
//
//     swift run -c release AvroBench [RECORDS] [ROUNDS]

import Avro
import Columns
import TestKit

let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
let recordCount = arguments.first ?? 100_000
let rounds = arguments.dropFirst().first ?? 10

let schema = try AvroSchema(
    """
    {"type": "record", "name": "ratings", "fields": [
      {"name": "rating_id", "type": "long"}, {"name": "user_id", "type": "int"}, {"name": "stars", "type": "int"},
      {"name": "route_id", "type": "int"}, {"name": "rating_time", "type": "long"},
      {"name": "channel", "type": "string"}, {"name": "message", "type": "string"}]}
    """)

/// Messages of 8 to 90 characters, as many short as long ones.
let channels = ["web", "iOS", "iOS-test", "android"]
let messages = [
    "meh", "is this as good as it gets? really ?", "thank you for the most friendly, helpful experience today",
    "why is it so difficult to keep the bathrooms clean ?", "worst. flight. ever.", "(expletive deleted)",
    "more peanuts please", "your team here rocks!", "airport refurb looks great, will fly outta here more!",
]
let encoder = AvroEncoder(schema: schema)

func makeRecords() throws -> (bytes: [UInt8], ends: [Int]) {
    var random = SeededRandom(seed: 1)
    var bytes: [UInt8] = []
    var ends: [Int] = []
    for index in 0..<recordCount {
        let value = AvroValue.record([
            .long(Int64(index)), .int(.random(in: 0..<20, using: &random)), .int(.random(in: 1...5, using: &random)),
            .int(.random(in: 0..<10_000, using: &random)), .long(1_519_304_104_000 + Int64(index)),
            .string(channels.randomElement(using: &random) ?? ""),
            .string(messages.randomElement(using: &random) ?? ""),
        ])
        try encoder.encode(value, to: &bytes)
        ends.append(bytes.count)
    }
    return (bytes, ends)
}
let (bytes, ends) = try makeRecords()
print("\(recordCount) records of \(bytes.count / max(1, recordCount)) bytes, best of \(rounds) rounds")

func record(_ index: Int, _ all: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: all[(index == 0 ? 0 : ends[index - 1])..<ends[index]])
}

/// Prints millions of records a second and a checksum of what was done.
func measure(_ name: String, _ body: () throws -> Int) rethrows {
    var best = Duration.seconds(1_000_000)
    var checksum = 0
    for _ in 0..<rounds {
        let clock = ContinuousClock()
        let start = clock.now
        checksum = try body()
        best = min(best, clock.now - start)
    }
    let seconds = Double(best.components.seconds) + Double(best.components.attoseconds) * 1e-18
    let millions = Double(recordCount) / seconds / 1e6
    let text = String(Int(millions)) + "." + String(Int(millions * 10) % 10)
    print("\(name): \(text) M records/s, checksum \(checksum)")
}

/// Batches of so many records, as a reader gets them.
let batchSize = 4096

func decode(_ layout: AvroColumnLayout, writer: AvroSchema) throws -> Int {
    let program = try AvroColumnProgram(writer: writer, layout: layout)
    let sink = AvroColumnSink(layout)
    var checksum = 0
    try bytes.withUnsafeBytes { all in
        var start = 0
        while start < recordCount {
            let end = min(start + batchSize, recordCount)
            sink.reserve(rows: end - start)
            for index in start..<end { try program.append(record(index, all), to: sink) }
            let batch = sink.finish()
            for column in batch.columns {
                switch column {
                case .int32(let column): checksum &+= Int(column.values[0])
                case .int64(let column): checksum &+= Int(column.values[0])
                case .string(let column): checksum &+= column.bytes.count
                default: break
                }
            }
            start = end
        }
    }
    return checksum
}

let layout = try AvroColumnLayout(schema)
try measure("binary to 7 columns") { try decode(layout, writer: schema) }
let two = try AvroColumnLayout(schema, columns: ["stars", "message"])
try measure("binary to 2 of 7 columns") { try decode(two, writer: schema) }

let wider = try AvroSchema(
    """
    {"type": "record", "name": "ratings", "fields": [
      {"name": "rating_id", "type": "long"}, {"name": "user_id", "type": "long"}, {"name": "stars", "type": "double"},
      {"name": "channel", "type": ["null", "string"], "default": null}, {"name": "message", "type": "string"},
      {"name": "note", "type": ["null", "string"], "default": null}]}
    """)
let evolved = try AvroColumnLayout(wider)
try measure("binary to 6 columns of an evolved schema") { try decode(evolved, writer: schema) }

let decoder = try AvroDecoder(writer: schema)
try measure("binary to trees") {
    try bytes.withUnsafeBytes { all in
        var checksum = 0
        for index in 0..<recordCount {
            let bytes = record(index, all)
            if case .record(let fields) = try decoder.decode(bytes.bytes) { checksum &+= fields.count }
        }
        return checksum
    }
}

let sink = AvroColumnSink(layout)
let program = try AvroColumnProgram(writer: schema, layout: layout)
var batches: [ColumnBatch] = []
try bytes.withUnsafeBytes { all in
    for index in 0..<recordCount {
        try program.append(record(index, all), to: sink)
        if sink.count == batchSize { batches.append(sink.finish()) }
    }
    if sink.count > 0 { batches.append(sink.finish()) }
}
let columnEncoder = try AvroColumnEncoder(schema: schema)
try measure("7 columns to binary") { try batches.reduce(0) { $0 + (try columnEncoder.encode($1).bytes.count) } }

var trees: [AvroValue] = []
try bytes.withUnsafeBytes { all in
    for index in 0..<recordCount { trees.append(try decoder.decode(record(index, all).bytes)) }
}
var output: [UInt8] = []
try measure("trees to binary") {
    output.removeAll(keepingCapacity: true)
    for tree in trees { try encoder.encode(tree, to: &output) }
    return output.count
}
precondition(output == bytes, "what was encoded again differs")

let text = schema.text(.canonical)
let schemaCount = 20_000
let clock = ContinuousClock()
var checksum = 0
var elapsed = try clock.measure {
    for _ in 0..<schemaCount { checksum &+= try AvroSchema(text).text(.canonical).utf8.count }
}
print("schemas parsed and printed: \(Int(Double(schemaCount) / (elapsed / .seconds(1)))) a second")
let fields = (0..<250_000).map { #"{"name":"f\#($0)","type":["null","string"]}"# }.joined(separator: ",")
let large = #"{"type":"record","name":"Large","fields":[\#(fields)]}"#
elapsed = try clock.measure { checksum &+= try AvroSchema(large).text(.canonical).utf8.count }
print("a schema of \(large.utf8.count >> 20) MiB parsed and printed: \(elapsed), checksum \(checksum)")
