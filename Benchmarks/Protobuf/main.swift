import Columns
import Foundation
import ProtobufFormat
import TestKit

// Measures Protocol Buffers on the demo's ratings: records to columns and back, value trees and back, texts.
//
//     ProtobufBench [--smoke]
//
// One line each: name, records (or schemas) per second on one core, checksum of what was computed. The figure is the best
// of seven runs, as neighbours only make it worse. --smoke does each once, to see that all work.

let isSmoke = CommandLine.arguments.contains("--smoke")

func measure(_ name: String, count: Int, _ body: () throws -> UInt64) throws {
    let clock = ContinuousClock()
    var best = Double.infinity
    var checksum: UInt64 = 0
    for _ in 0..<(isSmoke ? 1 : 7) {
        let elapsed = try clock.measure { checksum = try body() }
        best = min(best, elapsed / .seconds(1))
    }
    let figure = String(format: "%8.2f M/s", Double(count) / best / 1e6)
    print("\(name.padding(toLength: 32, withPad: " ", startingAt: 0)) \(figure)  [\(String(checksum, radix: 16))]")
}

let text = """
    syntax = "proto3";
    package ksql;
    message ratings {
      int64 rating_id = 1;
      int32 user_id = 2;
      int32 stars = 3;
      int32 route_id = 4;
      int64 rating_time = 5;
      string channel = 6;
      string message = 7;
    }
    """
let count = isSmoke ? 1000 : 200_000
var random = SeededRandom(seed: 1)
let channels = ["web", "iOS", "ios", "iOS-test", "android"]
let messages = [
    "why is it so difficult to keep the bathrooms clean ?", "thank you for the most friendly, helpful experience today",
    "your team here rocks!", "worst. flight. ever. #neveragain",
    "Surprisingly good, maybe you are getting your mojo back",
]

let schema = try ProtobufSchema(file: ProtoFile(parsing: text))
guard let type = schema.mainMessageIndex else { preconditionFailure("the text above has a message") }
var values: [ProtobufMessage] = []
/// The records one after the other, as in a batch of the log, and where each ends.
var all: [UInt8] = []
var ends = [0]
for row in 0..<count {
    var message = schema.emptyMessage(type)
    message.values = [
        .int64(Int64(row) + 1), .int32(Int32.random(in: -1...20, using: &random)),
        .int32(Int32.random(in: 1...5, using: &random)), .int32(Int32.random(in: 1...9999, using: &random)),
        .int64(1_700_000_000_000 + Int64(row) * 12), .string(channels.randomElement(using: &random) ?? ""),
        .string(messages.randomElement(using: &random) ?? ""),
    ]
    values.append(message)
    try schema.encode(message, to: &all)
    ends.append(all.count)
}
print("\(count) records of \(all.count / count) bytes")

/// Runs through the records in batches as the SQL engine does.
@MainActor func decode(_ program: ProtobufColumnProgram, _ sink: ProtobufColumnSink) throws -> UInt64 {
    let batchSize = 4096
    var sum: UInt64 = 0
    try all.withUnsafeBytes { all in
        for row in 0..<count {
            try program.append(UnsafeRawBufferPointer(rebasing: all[ends[row]..<ends[row + 1]]), to: sink)
            if sink.count == batchSize { sum &+= UInt64(sink.finish().count) }
        }
    }
    return sum &+ UInt64(sink.finish().count)
}

let layout = try ProtobufColumnLayout(schema, typeIndex: type)
let program = ProtobufColumnProgram(layout)
let sink = ProtobufColumnSink(layout)
try measure("records to 7 columns", count: count) {
    try decode(program, sink)
}

let narrow = try ProtobufColumnLayout(schema, typeIndex: type, columns: ["stars", "channel"])
let narrowProgram = ProtobufColumnProgram(narrow)
let narrowSink = ProtobufColumnSink(narrow)
try measure("records to 2 of 7 columns", count: count) {
    try decode(narrowProgram, narrowSink)
}

for row in 0..<count { try program.append(all.span.bytes.extracting(ends[row]..<ends[row + 1]), to: sink) }
let batch = sink.finish()
let encoder = ProtobufColumnEncoder(layout)
try measure("7 columns to records", count: count) {
    let written = try encoder.encode(batch, prefix: [0, 0, 0, 0, 1, 0])
    return UInt64(written.bytes.count)
}

try measure("records to value trees", count: count) {
    var sum: UInt64 = 0
    for row in 0..<count {
        sum &+= UInt64(try schema.decode(all.span.bytes.extracting(ends[row]..<ends[row + 1]), as: type).values.count)
    }
    return sum
}

try measure("value trees to records", count: count) {
    var sum: UInt64 = 0
    var output: [UInt8] = []
    for value in values {
        output.removeAll(keepingCapacity: true)
        try schema.encode(value, to: &output)
        sum &+= UInt64(output.count)
    }
    return sum
}

let textCount = isSmoke ? 10 : 5000
try measure("texts read, linked, printed", count: textCount) {
    var sum: UInt64 = 0
    for _ in 0..<textCount {
        let file = try ProtoFile(parsing: text)
        sum &+= UInt64(file.canonicalText.utf8.count + (try ProtobufSchema(file: file)).messages.count)
    }
    return sum
}
