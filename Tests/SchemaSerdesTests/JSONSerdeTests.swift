import SchemaRules
import SchemaSerdes
import Testing

@Suite struct JSONSerdeTests {
    private static let rating = """
        {"type":"record","name":"Rating","fields":[{"name":"id","type":"long"},\
        {"name":"message","type":["null","string"],"default":null}]}
        """
    private static let proto = """
        syntax = "proto3"; message Rating { int64 id = 1; string message = 2; message Place { int32 x = 1; } }
        message Other { bool yes = 1; }
        """
    private static let object = """
        {"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}
        """

    /// Type, schema, message, JSON, payload.
    @Test(
        arguments: [
            (.avro, rating, nil, "{\"id\":3,\"message\":{\"string\":\"a\"}}", [6, 2, 2, 0x61]),
            (.avro, rating, nil, "{\"id\":-1,\"message\":null}", [1, 0]),
            (.avro, "\"string\"", nil, "\"ab\"", [4, 0x61, 0x62]),
            (.avro, "\"bytes\"", nil, "\"\\u0001\\u0002\"", [1, 2]),
            (.protobuf, proto, nil, "{\"id\":\"3\",\"message\":\"a\"}", [0, 8, 3, 0x12, 1, 0x61]),
            (.protobuf, proto, "Rating.Place", "{\"x\":1}", [4, 0, 0, 8, 1]),
            (.protobuf, proto, "Other", "{\"yes\":true}", [2, 2, 8, 1]),
            (.json, object, nil, "{\"id\":3}", Array("{\"id\":3}".utf8)),
        ] as [(SchemaType, String, String?, String, [UInt8])])
    func `writes and reads`(
        type: SchemaType, schema: String, message: String?, json: String, payload: [UInt8]
    ) throws {
        let document = try type.read(schema)
        let serde = try JSONSerde(document, message: message)
        let written = try serde.payload(json: Array(json.utf8))
        #expect(written == payload)
        let read = try serde.json(payload[...])
        #expect(String(decoding: read, as: UTF8.self) == json)
        // A slice of something longer, as it stands behind a frame.
        let framed = SchemaFrame.prefix(id: 1) + payload
        let behind = try serde.json(framed[5...])
        #expect(behind == read)
    }

    /// Type, schema, JSON, what the message must hold.
    @Test(
        arguments: [
            (.avro, rating, "{\"id\":\"x\"}", "id"), (.avro, rating, "{", "not JSON"),
            (.protobuf, proto, "{\"id\":\"x\"}", "id"), (.protobuf, proto, "{\"nobody\":1}", "nobody"),
            (.json, object, "{}", "id"), (.json, object, "{\"id\":1.5}", "id"),
        ] as [(SchemaType, String, String, String)])
    func `refuses what does not fit the schema`(type: SchemaType, schema: String, json: String, word: String) throws {
        let serde = try JSONSerde(try type.read(schema))
        let failure = #expect(throws: SchemaFailure.self) { try serde.payload(json: Array(json.utf8)) }
        #expect(failure?.message.contains(word) == true, "\(failure?.message ?? "nothing")")
    }

    @Test(
        arguments: [
            (.avro, rating, []), (.avro, rating, [6]), (.avro, rating, [6, 4]), (.protobuf, proto, []),
            (.protobuf, proto, [0, 8]), (.protobuf, proto, [2, 8, 0]), (.json, object, [0x7B]),
        ] as [(SchemaType, String, [UInt8])])
    func `refuses a broken payload`(type: SchemaType, schema: String, payload: [UInt8]) throws {
        let serde = try JSONSerde(try type.read(schema))
        #expect(throws: SchemaFailure.self) { try serde.json(payload[...]) }
    }

    @Test func `refuses a message that the schema does not have`() throws {
        let document = try SchemaType.protobuf.read(Self.proto)
        #expect(throws: SchemaFailure.self) { try JSONSerde(document, message: "Nobody") }
        let empty = try SchemaType.protobuf.read("syntax = \"proto3\"; enum E { A = 0; }")
        #expect(throws: SchemaFailure.self) { try JSONSerde(empty) }
    }
}
