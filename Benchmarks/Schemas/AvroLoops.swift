import Avro
import Columns
import TestKit

private let ratings = """
    {"type": "record", "name": "ratings", "fields": [
      {"name": "rating_id", "type": "long"}, {"name": "user_id", "type": "int"}, {"name": "stars", "type": "int"},
      {"name": "route_id", "type": "int"}, {"name": "rating_time", "type": "long"},
      {"name": "channel", "type": "string"}, {"name": "message", "type": "string"}]}
    """

private let evolvedRatings = """
    {"type": "record", "name": "ratings", "fields": [
      {"name": "rating_id", "type": "long"}, {"name": "user_id", "type": "long"}, {"name": "stars", "type": "double"},
      {"name": "channel", "type": ["null", "string"], "default": null}, {"name": "message", "type": "string"},
      {"name": "note", "type": ["null", "string"], "default": null}]}
    """

/// Records one after the other, as in a batch of the log.
private struct AvroRecords {
    var bytes: [UInt8] = []
    var ends: [Int] = []

    init(count: Int, _ encoder: AvroEncoder) throws {
        var random = SeededRandom(seed: 1)
        for index in 0..<count {
            let value = AvroValue.record([
                .long(Int64(index)), .int(.random(in: 0..<20, using: &random)),
                .int(.random(in: 1...5, using: &random)), .int(.random(in: 0..<10_000, using: &random)),
                .long(1_519_304_104_000 + Int64(index)),
                .string(ratingChannels.randomElement(using: &random) ?? ""),
                .string(ratingMessages.randomElement(using: &random) ?? ""),
            ])
            try encoder.encode(value, to: &bytes)
            ends.append(bytes.count)
        }
    }

    func forEach(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try bytes.withUnsafeBytes { all in
            var start = 0
            for end in ends {
                try body(UnsafeRawBufferPointer(rebasing: all[start..<end]))
                start = end
            }
        }
    }
}

func avroLoops(_ bench: Bench) throws {
    let schema = try AvroSchema(ratings)
    let encoder = AvroEncoder(schema: schema)
    let records = try AvroRecords(count: bench.isSmoke ? 1_000 : 100_000, encoder)
    let count = records.ends.count
    func measure(_ name: String, _ body: () throws -> Int) rethrows {
        try bench.measure("avro: " + name, byteCount: records.bytes.count, recordCount: count, body)
    }

    let layout = try AvroColumnLayout(schema)
    try measure("binary to 7 columns") { try decode(records, layout, writer: schema) }
    let two = try AvroColumnLayout(schema, columns: ["stars", "message"])
    try measure("binary to 2 of 7 columns") { try decode(records, two, writer: schema) }
    let evolved = try AvroColumnLayout(AvroSchema(evolvedRatings))
    try measure("binary to 6 columns of an evolved schema") { try decode(records, evolved, writer: schema) }

    let decoder = try AvroDecoder(writer: schema)
    try measure("binary to trees") {
        var checksum = 0
        try records.forEach { record in
            if case .record(let fields) = try decoder.decode(record.bytes) { checksum &+= fields.count }
        }
        return checksum
    }

    var batches: [ColumnBatch] = []
    _ = try decode(records, layout, writer: schema) { batches.append($0) }
    let columnEncoder = try AvroColumnEncoder(schema: schema)
    try measure("7 columns to binary") { try batches.reduce(0) { $0 + (try columnEncoder.encode($1).bytes.count) } }

    var trees: [AvroValue] = []
    try records.forEach { trees.append(try decoder.decode($0.bytes)) }
    var output: [UInt8] = []
    try measure("trees to binary") {
        output.removeAll(keepingCapacity: true)
        for tree in trees { try encoder.encode(tree, to: &output) }
        return output.count
    }
    precondition(output.isEmpty || output == records.bytes, "what was encoded again differs")

    try schemaLoops(bench, schema.text(.canonical))
}

/// Runs through the records in batches, as the SQL engine does.
private func decode(
    _ records: AvroRecords, _ layout: AvroColumnLayout, writer: AvroSchema, _ take: (ColumnBatch) -> Void = { _ in }
) throws -> Int {
    let batchSize = 4096
    let program = try AvroColumnProgram(writer: writer, layout: layout)
    let sink = AvroColumnSink(layout)
    var checksum = 0
    func finish() {
        let batch = sink.finish()
        guard batch.count > 0 else { return }
        for column in batch.columns {
            switch column {
            case .int32(let column): checksum &+= Int(column.values[0])
            case .int64(let column): checksum &+= Int(column.values[0])
            case .string(let column): checksum &+= column.bytes.count
            default: break
            }
        }
        take(batch)
        sink.reserve(rows: batchSize)
    }
    sink.reserve(rows: batchSize)
    try records.forEach { record in
        try program.append(record, to: sink)
        if sink.count == batchSize { finish() }
    }
    finish()
    return checksum
}

private func schemaLoops(_ bench: Bench, _ text: String) throws {
    let count = bench.isSmoke ? 10 : 20_000
    try bench.measure("avro: schemas read and printed", byteCount: count * text.utf8.count, recordCount: count) {
        var checksum = 0
        for _ in 0..<count { checksum &+= try AvroSchema(text).text(.canonical).utf8.count }
        return checksum
    }
    let fields = (0..<(bench.isSmoke ? 10 : 250_000)).map { #"{"name":"f\#($0)","type":["null","string"]}"# }
    let large = #"{"type":"record","name":"Large","fields":[\#(fields.joined(separator: ","))]}"#
    try bench.measure("avro: a large schema read and printed", byteCount: large.utf8.count, recordCount: 1) {
        try AvroSchema(large).text(.canonical).utf8.count
    }
}
