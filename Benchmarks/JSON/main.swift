import Foundation
import JSONFormat
import JSONSchema

// Measures JSON and JSON Schema: reading in place and into trees, writing, checking values, reading schemas.
//
//     JSONBench [--smoke] [NAME...]
//
// NAMEs pick benchmarks by a part of their name. --smoke does each once, to see that all work. One line each: name,
// figure, checksum of what was computed. The figure is the best of five runs.

let isSmoke = CommandLine.arguments.contains("--smoke")
let wanted = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("--") }

func measure(_ name: String, byteCount: Int, recordCount: Int, _ body: () throws -> UInt64) rethrows {
    guard wanted.isEmpty || wanted.contains(where: { name.contains($0) }) else { return }
    let clock = ContinuousClock()
    var checksum: UInt64 = 0
    var best = Double.infinity
    for _ in 0..<(isSmoke ? 1 : 5) {
        let elapsed = try clock.measure { checksum = try body() }
        best = min(best, elapsed / .seconds(1))
    }
    let rate = String(
        format: "%8.0f MB/s %8.2f M records/s", Double(byteCount) / best / 1e6, Double(recordCount) / best / 1e6)
    print("\(name.padding(toLength: 36, withPad: " ", startingAt: 0)) \(rate)  [\(String(checksum, radix: 16))]")
}

let recordCount = isSmoke ? 100 : 200_000
let messages = ["worst. flight. ever.", "on time, friendly crew", "the coffee was \"cold\"", "würde wieder fliegen"]
let records: [[UInt8]] = (0..<recordCount).map { id in
    var writer = JSONWriter()
    writer.beginObject()
    writer.name("rating_id")
    writer.integer(Int64(id))
    writer.name("user_id")
    writer.integer(Int64(id * 7919 % 1000))
    writer.name("stars")
    writer.integer(Int64(id % 5 + 1))
    writer.name("route_id")
    writer.integer(Int64(id * 31 % 9000))
    writer.name("rating_time")
    writer.integer(1_700_000_000_000 + Int64(id))
    writer.name("channel")
    writer.string("iOS-test")
    writer.name("message")
    writer.string(messages[id % messages.count])
    writer.endObject()
    return writer.bytes
}
let byteCount = records.reduce(0) { $0 + $1.count }

try measure("check", byteCount: byteCount, recordCount: recordCount) {
    for record in records { try JSONText.check(record.span.bytes) }
    return UInt64(byteCount)
}

let starsName = Array("stars".utf8)
let messageName = Array("message".utf8)
try measure("read 2 of 7 members in place", byteCount: byteCount, recordCount: recordCount) {
    var sum: Int64 = 0
    var text: [UInt8] = []
    for record in records {
        let bytes = record.span.bytes
        var cursor = JSONCursor()
        guard try cursor.enterObject(in: bytes) else { continue }
        repeat {
            let name = try cursor.readName(in: bytes)
            if JSONCursor.isEqual(name, in: bytes, to: starsName) {
                sum &+= try cursor.readInt64(in: bytes)
            } else if JSONCursor.isEqual(name, in: bytes, to: messageName) {
                text.removeAll(keepingCapacity: true)
                JSONCursor.append(try cursor.readString(in: bytes), in: bytes, to: &text)
                sum &+= Int64(text.count)
            } else {
                try cursor.skipValue(in: bytes)
            }
        } while try cursor.nextMember(in: bytes)
    }
    return UInt64(bitPattern: sum)
}

try measure("read into trees", byteCount: byteCount, recordCount: recordCount) {
    var sum: UInt64 = 0
    for record in records { sum &+= UInt64(try JSONValue.read(record.span.bytes).members?.count ?? 0) }
    return sum
}

let trees = try records.map { try JSONValue.read($0.span.bytes) }
measure("write trees", byteCount: byteCount, recordCount: recordCount) {
    var writer = JSONWriter(byteCapacity: 1 << 12)
    var sum: UInt64 = 0
    for tree in trees {
        writer.removeAll()
        writer.value(tree)
        sum &+= UInt64(writer.bytes.count)
    }
    return sum
}

measure("write piece by piece", byteCount: byteCount, recordCount: recordCount) {
    var writer = JSONWriter(byteCapacity: 1 << 12)
    var sum: UInt64 = 0
    for id in 0..<recordCount {
        writer.removeAll()
        writer.beginObject()
        writer.name("rating_id")
        writer.integer(Int64(id))
        writer.name("user_id")
        writer.integer(Int64(id * 7919 % 1000))
        writer.name("stars")
        writer.integer(Int64(id % 5 + 1))
        writer.name("route_id")
        writer.integer(Int64(id * 31 % 9000))
        writer.name("rating_time")
        writer.integer(1_700_000_000_000 + Int64(id))
        writer.name("channel")
        writer.string("iOS-test")
        writer.name("message")
        writer.string(messages[id % messages.count])
        writer.endObject()
        sum &+= UInt64(writer.bytes.count)
    }
    return sum
}

let schemaText = """
    {"$schema": "http://json-schema.org/draft-07/schema#", "title": "ratings", "type": "object",
     "additionalProperties": false, "required": ["rating_id", "stars"],
     "properties": {"rating_id": {"type": "integer"}, "user_id": {"type": "integer", "minimum": 0},
      "stars": {"type": "integer", "minimum": 1, "maximum": 5}, "route_id": {"type": "integer"},
      "rating_time": {"type": "integer"}, "channel": {"enum": ["web", "iOS", "iOS-test", "android"]},
      "message": {"type": "string", "maxLength": 100, "pattern": "^[^\\\\u0000]*$"}}}
    """
let schema = try JSONSchema(text: schemaText)
measure("check trees by a schema", byteCount: byteCount, recordCount: recordCount) {
    var valid: UInt64 = 0
    for tree in trees where schema.isValid(tree) { valid += 1 }
    return valid
}

let schemaCount = isSmoke ? 1 : 5000
try measure("read schemas", byteCount: schemaText.utf8.count * schemaCount, recordCount: schemaCount) {
    var sum: UInt64 = 0
    for _ in 0..<schemaCount { sum &+= UInt64(try JSONSchema(text: schemaText).draft.rawValue) }
    return sum
}

// 50 000 properties, each of which refers to a definition of its own.
let partCount = isSmoke ? 10 : 50_000
let parts = (0..<partCount).map { "\"p\($0)\": {\"$ref\": \"#/definitions/d\($0)\"}" }.joined(separator: ",")
let definitions = (0..<partCount).map { "\"d\($0)\": {\"type\": \"string\", \"maxLength\": \($0)}" }.joined(
    separator: ",")
let largeText = "{\"properties\": {\(parts)}, \"definitions\": {\(definitions)}}"
try measure("read a large schema", byteCount: largeText.utf8.count, recordCount: 2 * partCount) {
    UInt64(try JSONSchema(text: largeText).draft.rawValue)
}
