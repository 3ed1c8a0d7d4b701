import JSONFormat
import JSONSchema

private let ratingsSchema = """
    {"$schema": "http://json-schema.org/draft-07/schema#", "title": "ratings", "type": "object",
     "additionalProperties": false, "required": ["rating_id", "stars"],
     "properties": {"rating_id": {"type": "integer"}, "user_id": {"type": "integer", "minimum": 0},
      "stars": {"type": "integer", "minimum": 1, "maximum": 5}, "route_id": {"type": "integer"},
      "rating_time": {"type": "integer"}, "channel": {"enum": ["web", "iOS", "iOS-test", "android"]},
      "message": {"type": "string", "maxLength": 100, "pattern": "^[^\\\\u0000]*$"}}}
    """

private let messages = [
    "worst. flight. ever.", "on time, friendly crew", "the coffee was \"cold\"", "würde wieder fliegen",
]

private func write(_ id: Int, to writer: inout JSONWriter) {
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
}

func jsonLoops(_ bench: Bench) throws {
    let count = bench.isSmoke ? 100 : 200_000
    let records: [[UInt8]] = (0..<count).map { id in
        var writer = JSONWriter()
        write(id, to: &writer)
        return writer.bytes
    }
    let byteCount = records.reduce(0) { $0 + $1.count }
    func measure(_ name: String, _ body: () throws -> Int) rethrows {
        try bench.measure("json: " + name, byteCount: byteCount, recordCount: count, body)
    }

    try measure("check") {
        for record in records { try JSONText.check(record.span.bytes) }
        return byteCount
    }
    try measure("read 2 of 7 members in place") { try readInPlace(records) }
    try measure("read into trees") {
        var sum = 0
        for record in records { sum &+= try JSONValue.read(record.span.bytes).members?.count ?? 0 }
        return sum
    }
    let trees = try records.map { try JSONValue.read($0.span.bytes) }
    measure("write trees") {
        var writer = JSONWriter(byteCapacity: 1 << 12)
        var sum = 0
        for tree in trees {
            writer.removeAll()
            writer.value(tree)
            sum &+= writer.bytes.count
        }
        return sum
    }
    measure("write piece by piece") {
        var writer = JSONWriter(byteCapacity: 1 << 12)
        var sum = 0
        for id in 0..<count {
            writer.removeAll()
            write(id, to: &writer)
            sum &+= writer.bytes.count
        }
        return sum
    }
    let schema = try JSONSchema(text: ratingsSchema)
    measure("check trees by a schema") { trees.count(where: { schema.isValid($0) }) }
    try schemaLoops(bench)
}

private func readInPlace(_ records: [[UInt8]]) throws -> Int {
    let starsName = Array("stars".utf8)
    let messageName = Array("message".utf8)
    var sum = 0
    var text: [UInt8] = []
    for record in records {
        let bytes = record.span.bytes
        var cursor = JSONCursor()
        guard try cursor.enterObject(in: bytes) else { continue }
        repeat {
            let name = try cursor.readName(in: bytes)
            if JSONCursor.isEqual(name, in: bytes, to: starsName) {
                sum &+= Int(try cursor.readInt64(in: bytes))
            } else if JSONCursor.isEqual(name, in: bytes, to: messageName) {
                text.removeAll(keepingCapacity: true)
                JSONCursor.append(try cursor.readString(in: bytes), in: bytes, to: &text)
                sum &+= text.count
            } else {
                try cursor.skipValue(in: bytes)
            }
        } while try cursor.nextMember(in: bytes)
    }
    return sum
}

private func schemaLoops(_ bench: Bench) throws {
    let count = bench.isSmoke ? 1 : 5_000
    let byteCount = count * ratingsSchema.utf8.count
    try bench.measure("json: schemas read", byteCount: byteCount, recordCount: count) {
        var sum = 0
        for _ in 0..<count { sum &+= try JSONSchema(text: ratingsSchema).draft.rawValue }
        return sum
    }

    // Many properties, each of which refers to a definition of its own.
    let partCount = bench.isSmoke ? 10 : 50_000
    let parts = (0..<partCount).map { "\"p\($0)\": {\"$ref\": \"#/definitions/d\($0)\"}" }.joined(separator: ",")
    let definitions = (0..<partCount).map { "\"d\($0)\": {\"type\": \"string\", \"maxLength\": \($0)}" }.joined(
        separator: ",")
    let text = "{\"properties\": {\(parts)}, \"definitions\": {\(definitions)}}"
    try bench.measure("json: a large schema read", byteCount: text.utf8.count, recordCount: 1) {
        try JSONSchema(text: text).draft.rawValue
    }
}
