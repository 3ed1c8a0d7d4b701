import Columns
import Foundation
import JSONFormat
import SQLFormats
import SQLTypes

// Measures SQL formats: records of the ratings example into columns, by format and by what is wanted, and back.
//
//     FormatBench [--smoke] [NAME...]
//
// NAMEs pick benchmarks by a part of their name. --smoke does each once, to see that all work. One line each: name,
// figure, checksum. The figure is the best of seven runs; batches are of 1000 records.

let isSmoke = CommandLine.arguments.contains("--smoke")
let chosen = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("--") }

func measure(_ name: String, recordCount: Int, byteCount: Int, _ body: () throws -> Int) rethrows {
    guard chosen.isEmpty || chosen.contains(where: { name.contains($0) }) else { return }
    let clock = ContinuousClock()
    var best = Double.infinity
    var checksum = 0
    for _ in 0..<(isSmoke ? 1 : 7) {
        let elapsed = try clock.measure { checksum = try body() }
        best = min(best, elapsed / .seconds(1))
    }
    let rate = String(
        format: "%7.2f M records/s %7.0f MB/s", Double(recordCount) / best / 1e6, Double(byteCount) / best / 1e6)
    print("\(name.padding(toLength: 36, withPad: " ", startingAt: 0)) \(rate)  [\(checksum)]")
}

let columns = try SchemaText.columns(
    "RATING_ID BIGINT, USER_ID INT, STARS INT, ROUTE_ID INT, RATING_TIME BIGINT, CHANNEL STRING, MESSAGE STRING"
).map { SQLField($0.name, $0.type) }
let batchSize = 1000
let batchCount = isSmoke ? 1 : 200
let messages = ["worst. flight. ever.", "on time, friendly crew", "the coffee was cold", "thank you for the upgrade"]

func row(_ id: Int) -> [SQLValue] {
    [
        .bigint(Int64(id)), .int(Int32(id * 7919 % 1000)), .int(Int32(id % 5 + 1)), .int(Int32(id * 31 % 9000)),
        .bigint(1_700_000_000_000 + Int64(id)), .string("iOS-test"), .string(messages[id % messages.count]),
    ]
}

func bytes(_ records: [[UInt8]]) -> BytesColumn {
    let builder = ColumnBuilder(.bytes)
    for record in records { _ = record.withUnsafeBytes { builder.append(bytes: $0) } }
    guard case .bytes(let column) = builder.finish() else { preconditionFailure("a builder of bytes") }
    return column
}

let formats = RecordFormats(schemas: MemorySchemaStore())
for name in [SQLFormat.json, .jsonSR, .delimited, .avro, .protobuf] {
    let format = SerdeFormat(FormatInfo(name))
    let encoder = try formats.rowEncoder(format, topic: "ratings", isKey: false, columns: columns)
    // Names as clients write them, in lower case.
    let lower = SerdeFormat(FormatInfo(name))
    let clientColumns =
        name == .json || name == .jsonSR ? columns.map { SQLField($0.name.lowercased(), $0.type) } : columns
    let client = try formats.rowEncoder(lower, topic: "ratings", isKey: false, columns: clientColumns)
    _ = encoder
    var batches: [BytesColumn] = []
    var byteCount = 0
    for batch in 0..<batchCount {
        let records = try (0..<batchSize).map { try client.bytes(row(batch * batchSize + $0)) ?? [] }
        byteCount += records.reduce(0) { $0 + $1.count }
        batches.append(bytes(records))
    }
    let recordCount = batchCount * batchSize
    for (label, wanted) in [("all 7 columns", Array(columns.indices)), ("2 of 7 columns", [2, 6])] {
        let decoder = try formats.columnDecoder(
            format, topic: "ratings", isKey: false, columns: columns, wanted: wanted)
        measure("\(name.rawValue) read \(label)", recordCount: recordCount, byteCount: byteCount) {
            var sum = 0
            for batch in batches {
                let decoded = decoder.decode(batch)
                sum += decoded.columns[0].count - decoded.failures.count
            }
            return sum
        }
    }
    let decoder = try formats.columnDecoder(
        format, topic: "ratings", isKey: false, columns: columns, wanted: Array(columns.indices))
    let decoded = batches.map { decoder.decode($0).columns }
    let writer = try formats.columnEncoder(format, topic: "ratings", isKey: false, columns: columns)
    try measure("\(name.rawValue) write 7 columns", recordCount: recordCount, byteCount: byteCount) {
        var sum = 0
        for batch in decoded { sum += try writer.encode(batch, count: batchSize, present: .all).bytes.count }
        return sum
    }
}

let keys = try (0..<batchCount).map { batch in
    let encoder = try formats.rowEncoder(
        SerdeFormat(FormatInfo(.kafka)), topic: "t", isKey: true, columns: [SQLField("K", .string)])
    return bytes(try (0..<batchSize).map { try encoder.bytes([.string("user_\(batch * $0 % 5000)")]) ?? [] })
}
let keyDecoder = try formats.columnDecoder(
    SerdeFormat(FormatInfo(.kafka)), topic: "t", isKey: true, columns: [SQLField("K", .string)], wanted: [0])
measure(
    "KAFKA read STRING keys", recordCount: batchCount * batchSize, byteCount: keys.reduce(0) { $0 + $1.bytes.count }
) {
    keys.reduce(0) { $0 + keyDecoder.decode($1).columns[0].count }
}
