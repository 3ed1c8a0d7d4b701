import Avro
import JSONFormat
import Testing

@Suite struct JSONEncodingTests {
    /// From the specification's section "JSON Encoding" and from what Java's `JsonEncoder` prints.
    @Test(
        arguments: [
            (#"["null","string"]"#, .union(branch: 0, .null), "null"),
            (#"["null","string"]"#, .union(branch: 1, .string("a")), #"{"string":"a"}"#),
            (
                #"["null",{"type":"record","name":"n.Foo","fields":[]}]"#, .union(branch: 1, .record([])),
                #"{"n.Foo":{}}"#
            ),
            (#""bytes""#, .bytes([0xFF, 0x00, 0x61]), #""ÿ\u0000a""#), (#""double""#, .double(1e10), "1.0E10"),
            (#""double""#, .double(100), "100.0"), (#""float""#, .float(0.1), "0.1"),
            (#""double""#, .double(.nan), #""NaN""#),
            (#""float""#, .float(-.infinity), #""-Infinity""#), (#""long""#, .long(.max), "9223372036854775807"),
            (#"{"type":"map","values":"int"}"#, .map([.init("b", .int(1)), .init("a", .int(2))]), #"{"b":1,"a":2}"#),
            (#"{"type":"enum","name":"E","symbols":["A"]}"#, .enumeration("A"), #""A""#),
        ] as [(String, AvroValue, String)])
    func `writes and reads`(schema: String, value: AvroValue, json: String) throws {
        let schema = try AvroSchema(schema)
        #expect(String(decoding: try schema.json(value), as: UTF8.self) == json)
        let parsed = try #require(JSONValue.parse(Array(json.utf8)))
        let read = try schema.value(json: parsed)
        if case .double(let number) = value, number.isNaN { return }  // equal to nothing
        #expect(read == value)
    }

    @Test(arguments: [
        (#"["null","string"]"#, #""a""#, "an object of one member"),
        (#"["null","string"]"#, #"{"int":1}"#, "no branch \"int\""),
        (#""int""#, "2147483648", "expected int"), (#""int""#, "1.5", "expected int"),
        (#""bytes""#, #""Ā""#, "expected bytes"),
        (#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#, "{}", "/a: the field is missing"),
        (
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#, #"{"a":1,"b":2}"#,
            "has no field \"b\""
        ),
        (
            #"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"int"}}]}"#,
            #"{"a":[1,"x"]}"#, "/a/1: expected int"
        ),
    ])
    func `refuses`(schema: String, json: String, message: String) throws {
        let schema = try AvroSchema(schema)
        let parsed = try #require(JSONValue.parse(Array(json.utf8)))
        let error = #expect(throws: AvroError.self) { try schema.value(json: parsed) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }
}
