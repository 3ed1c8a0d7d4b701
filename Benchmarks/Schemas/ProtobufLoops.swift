import Columns
import ProtobufFormat
import TestKit

private let ratings = """
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

func protobufLoops(_ bench: Bench) throws {
    let schema = try ProtobufSchema(file: ProtoFile(parsing: ratings))
    guard let type = schema.mainMessageIndex else { preconditionFailure("the text above has a message") }
    var random = SeededRandom(seed: 1)
    var values: [ProtobufMessage] = []
    /// The records one after the other, as in a batch of the log, and where each ends.
    var all: [UInt8] = []
    var ends = [0]
    let count = bench.isSmoke ? 1_000 : 200_000
    for row in 0..<count {
        var message = schema.emptyMessage(type)
        message.values = [
            .int64(Int64(row) + 1), .int32(Int32.random(in: -1...20, using: &random)),
            .int32(Int32.random(in: 1...5, using: &random)), .int32(Int32.random(in: 1...9999, using: &random)),
            .int64(1_700_000_000_000 + Int64(row) * 12), .string(ratingChannels.randomElement(using: &random) ?? ""),
            .string(ratingMessages.randomElement(using: &random) ?? ""),
        ]
        values.append(message)
        try schema.encode(message, to: &all)
        ends.append(all.count)
    }
    func measure(_ name: String, _ body: () throws -> Int) rethrows {
        try bench.measure("protobuf: " + name, byteCount: all.count, recordCount: count, body)
    }
    /// Runs through the records in batches, as the SQL engine does.
    func decode(_ layout: ProtobufColumnLayout, batchSize: Int, _ take: (ColumnBatch) -> Void = { _ in }) throws -> Int
    {
        let program = ProtobufColumnProgram(layout)
        let sink = ProtobufColumnSink(layout)
        var sum = 0
        func finish() {
            let batch = sink.finish()
            sum &+= batch.count
            take(batch)
        }
        try all.withUnsafeBytes { all in
            for row in 0..<count {
                try program.append(UnsafeRawBufferPointer(rebasing: all[ends[row]..<ends[row + 1]]), to: sink)
                if sink.count == batchSize { finish() }
            }
        }
        finish()
        return sum
    }

    let layout = try ProtobufColumnLayout(schema, typeIndex: type)
    try measure("records to 7 columns") { try decode(layout, batchSize: 4096) }
    let narrow = try ProtobufColumnLayout(schema, typeIndex: type, columns: ["stars", "channel"])
    try measure("records to 2 of 7 columns") { try decode(narrow, batchSize: 4096) }

    var batches: [ColumnBatch] = []
    _ = try decode(layout, batchSize: 4096) { batches.append($0) }
    let encoder = ProtobufColumnEncoder(layout)
    try measure("7 columns to records") {
        try batches.reduce(0) { $0 + (try encoder.encode($1, prefix: [0, 0, 0, 0, 1, 0]).bytes.count) }
    }

    try measure("records to trees") {
        var sum = 0
        for row in 0..<count {
            sum &+= try schema.decode(all.span.bytes.extracting(ends[row]..<ends[row + 1]), as: type).values.count
        }
        return sum
    }
    try measure("trees to records") {
        var sum = 0
        var output: [UInt8] = []
        for value in values {
            output.removeAll(keepingCapacity: true)
            try schema.encode(value, to: &output)
            sum &+= output.count
        }
        return sum
    }
    try textLoops(bench)
}

private func textLoops(_ bench: Bench) throws {
    let count = bench.isSmoke ? 10 : 5_000
    let byteCount = count * ratings.utf8.count
    try bench.measure("protobuf: texts read, linked, printed", byteCount: byteCount, recordCount: count) {
        var sum = 0
        for _ in 0..<count {
            let file = try ProtoFile(parsing: ratings)
            sum &+= file.canonicalText.utf8.count + (try ProtobufSchema(file: file)).messages.count
        }
        return sum
    }

    // A text of ten megabytes, flat and deep: what a registry has to survive.
    let messages = (0..<(bench.isSmoke ? 100 : 60_000)).map { index in
        "message M\(index) { int32 first = 1; repeated string second = 2; M\(index) third = 3; "
            + "map<string, int64> fourth = 4; oneof choice { int32 fifth = 5; bytes sixth = 6; } }\n"
    }.joined()
    let depth = 60
    let start = "syntax = \"proto3\"; package p;\n"
    let opened = (0..<depth).map { "message D\($0) {\n" }.joined()
    let texts = [
        ("flat", start + messages), ("deep", start + opened + messages + String(repeating: "}\n", count: depth)),
    ]
    for (name, text) in texts {
        let file = try ProtoFile(parsing: text)
        func measure(_ what: String, _ body: () throws -> Int) rethrows {
            try bench.measure(
                "protobuf: a large \(name) text \(what)", byteCount: text.utf8.count, recordCount: 1, body)
        }
        try measure("read") { try ProtoFile(parsing: text).types.count }
        measure("printed") { file.canonicalText.utf8.count }
        try measure("linked") { try ProtobufSchema(file: file).messages.count }
        try measure("normalised") { try file.normalizedText(types: TypeNames(file: file, imports: [])).utf8.count }
        try measure("as a descriptor") { try ProtobufSchema(file: file).fileDescriptor().count }
    }
}
