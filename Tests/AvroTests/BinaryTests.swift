import Avro
import JSONFormat
import TestKit
import Testing

@Suite struct BinaryTests {
    /// The specification's examples, and encodings by hand from its rules.
    static let encodings: [(schema: String, value: AvroValue, hex: String)] = [
        (#""null""#, .null, ""), (#""boolean""#, .boolean(true), "01"), (#""boolean""#, .boolean(false), "00"),
        (#""int""#, .int(0), "00"), (#""int""#, .int(-1), "01"), (#""int""#, .int(1), "02"),
        (#""int""#, .int(-64), "7f"),
        (#""int""#, .int(64), "8001"), (#""int""#, .int(.max), "feffffff0f"), (#""int""#, .int(.min), "ffffffff0f"),
        (#""long""#, .long(.max), "feffffffffffffffff01"), (#""long""#, .long(.min), "ffffffffffffffffff01"),
        (#""long""#, .long(1_519_304_104_000), "80e1a6d9b758"),
        (#""float""#, .float(1.5), "0000c03f"), (#""double""#, .double(-2), "00000000000000c0"),
        (#""string""#, .string("foo"), "06666f6f"), (#""bytes""#, .bytes([0xFF, 0]), "04ff00"),
        (#"{"type":"fixed","name":"F","size":2}"#, .fixed([1, 2]), "0102"),
        (#"{"type":"enum","name":"Foo","symbols":["A","B","C","D"]}"#, .enumeration("D"), "06"),
        (
            #"{"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}"#,
            .record([.long(27), .string("foo")]), "3606666f6f"
        ),
        (#"{"type":"array","items":"long"}"#, .array([.long(3), .long(27)]), "04063600"),
        (#"{"type":"array","items":"long"}"#, .array([]), "00"),
        (#"{"type":"map","values":"int"}"#, .map([.init("a", .int(1))]), "0202610200"),
        (#"["null","string"]"#, .union(branch: 0, .null), "00"),
        (#"["null","string"]"#, .union(branch: 1, .string("a")), "020261"),
    ]

    @Test(arguments: encodings)
    func `encodes and decodes`(schema: String, value: AvroValue, hex: String) throws {
        let schema = try AvroSchema(schema)
        let bytes = bytes(ofHex: hex)
        #expect(try AvroEncoder(schema: schema).encode(value) == bytes)
        #expect(try AvroDecoder(writer: schema).decode(bytes) == value)
    }

    @Test func `blocks with byte counts, and several of them`() throws {
        let schema = try AvroSchema(#"{"type":"array","items":"long"}"#)
        let value = try AvroDecoder(writer: schema).decode(bytes(ofHex: "030406360202" + "00"))
        #expect(value == .array([.long(3), .long(27), .long(1)]))
        let record = try AvroSchema(
            #"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"long"}},{"name":"b","type":"int"}]}"#
        )
        let reader = try AvroSchema(#"{"type":"record","name":"R","fields":[{"name":"b","type":"int"}]}"#)
        let skipped = try AvroDecoder(writer: record, reader: reader).decode(bytes(ofHex: "0304063602020002"))
        #expect(skipped == .record([.int(1)]))
    }

    /// Which error hostile bytes get. None of them may take memory or time beyond their size.
    @Test(arguments: [
        (#""int""#, "", "ends inside"), (#""int""#, "80", "ends inside"), (#""int""#, "feffffff1f", "as an int"),
        (#""long""#, "ffffffffffffffffffff01", "longer than 10 bytes"), (#""boolean""#, "02", "a boolean of 2"),
        (#""string""#, "0a61", "ends inside"), (#""string""#, "01", "a length of -1"),
        (#""bytes""#, "feffffffffffffffff01", "ends inside"), (#""double""#, "00", "ends inside"),
        (#"["null","int"]"#, "04", "branch 2 of a union of 2"), (#"["null","int"]"#, "01", "branch -1"),
        (#"{"type":"enum","name":"E","symbols":["A"]}"#, "02", "symbol 1 of an enum of 1"),
        (#"{"type":"array","items":"int"}"#, "feffffffffffffffff01", "more than the data can hold"),
        (#"{"type":"array","items":"int"}"#, "ffffffffffffffffff01", "a block of -9223372036854775808"),
        (#"{"type":"array","items":"null"}"#, "feffffffffffffffff01", "that take no bytes"),
        (
            #"{"type":"array","items":{"type":"array","items":"null"}}"#, "04808080010080808001" + "0000",
            "that take no bytes"
        ),
        (#"{"type":"array","items":"int"}"#, "0202", "ends inside"),
        (#"{"type":"map","values":"null"}"#, "feffffffffffffffff01", "more than the data can hold"),
        (#"{"type":"fixed","name":"F","size":2147483647}"#, "00", "ends inside"), (#""int""#, "0200", "1 bytes behind"),
        (#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#, "", "nested more than 512"),
    ])
    func `malformed bytes`(schema: String, hex: String, message: String) throws {
        let schema = try AvroSchema(schema)
        let decoder = try AvroDecoder(writer: schema)
        let error = #expect(throws: AvroError.self) { try decoder.decode(bytes(ofHex: hex)) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    /// Each record holds the one below it twice, and the lowest has no bytes.
    @Test func `records without bytes are not read without end`() throws {
        func text(_ lowest: String) -> String {
            (1...60).reduce(#"{"type":"record","name":"L0","fields":[\#(lowest)]}"#) { inner, level in
                #"{"type":"record","name":"L\#(level)","fields":[{"name":"a","type":\#(inner)},"#
                    + #"{"name":"b","type":"L\#(level - 1)"}]}"#
            }
        }
        for lowest in ["", #"{"name":"n","type":"null"}"#] {
            let schema = try AvroSchema(text(lowest))
            let skipping = try AvroSchema(#"{"type":"record","name":"L60","fields":[]}"#)
            for reader in [schema, skipping] {
                let decoder = try AvroDecoder(writer: schema, reader: reader)
                let error = #expect(throws: AvroError.self) { try decoder.decode([]) }
                #expect(error?.message.contains("take no bytes") == true, "\(error?.message ?? "")")
            }
        }
        let few = try AvroSchema(
            #"{"type":"record","name":"R","fields":[{"name":"a","type":"null"},{"name":"b","type":"null"}]}"#)
        #expect(try AvroDecoder(writer: few).decode([]) == .record([.null, .null]))
    }

    /// Each default lacks the fields of the type below, whose defaults lack theirs.
    @Test func `defaults of many fields are not filled in without end`() throws {
        var inner = #"{"type":"record","name":"L0","fields":[{"name":"v","type":"int","default":1}]}"#
        for level in 1...16 {
            inner =
                #"{"type":"record","name":"L\#(level)","fields":[{"name":"a","type":\#(inner),"default":{}},"#
                + #"{"name":"b","type":"L\#(level - 1)","default":{}}]}"#
        }
        let fields = (0..<200).map { #"{"name":"f\#($0)","type":"\#($0 == 0 ? "" : "L16")","default":{}}"# }
        let text =
            #"{"type":"record","name":"R","fields":[{"name":"f0","type":\#(inner),"default":{}},"#
            + fields.dropFirst().joined(separator: ",") + "]}"
        #expect(throws: AvroError.self) { try AvroSchema(text, checksDefaults: true) }
        let writer = try AvroSchema(#"{"type":"record","name":"R","fields":[]}"#)
        let reader = try AvroSchema(text)
        let error = #expect(throws: AvroError.self) { try AvroDecoder(writer: writer, reader: reader) }
        #expect(
            error?.message.contains("where fields of defaults take their default") == true, "\(error?.message ?? "")")
    }

    /// Few fields take a default, and each has very many values.
    @Test(arguments: ["array", "string", "map"])
    func `large defaults are not filled in without end`(kind: String) throws {
        let (type, value) =
            switch kind {
            case "array":
                (
                    #"{"type":"array","items":"int"}"#,
                    "[" + Array(repeating: "0", count: 5000).joined(separator: ",") + "]"
                )
            case "map":
                (
                    #"{"type":"map","values":"int"}"#,
                    "{" + (0..<5000).map { "\"k\($0)\":0" }.joined(separator: ",") + "}"
                )
            default: (#""string""#, "\"" + String(repeating: "x", count: 80_000) + "\"")
            }
        var inner = #"{"type":"record","name":"L0","fields":[{"name":"v","type":\#(type),"default":\#(value)}]}"#
        for level in 1...15 {
            inner =
                #"{"type":"record","name":"L\#(level)","fields":[{"name":"a","type":\#(inner),"default":{}},"#
                + #"{"name":"b","type":"L\#(level - 1)","default":{}}]}"#
        }
        #expect(throws: AvroError.self) { try AvroSchema(inner, checksDefaults: true) }
        let writer = try AvroSchema(#"{"type":"record","name":"L15","fields":[]}"#)
        let reader = try AvroSchema(inner)
        let error = #expect(throws: AvroError.self) { try AvroDecoder(writer: writer, reader: reader) }
        #expect(error?.message.contains("more than 262144 values") == true, "\(error?.message ?? "")")
        // One of them is no more than its text.
        let few = #"{"type":"record","name":"R","fields":[{"name":"v","type":\#(type),"default":\#(value)}]}"#
        let empty = try AvroSchema(#"{"type":"record","name":"R","fields":[]}"#)
        _ = try AvroDecoder(writer: empty, reader: try AvroSchema(few, checksDefaults: true))
    }

    @Test func `a list nested without end is an error`() throws {
        let schema = try AvroSchema(
            #"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#)
        let decoder = try AvroDecoder(writer: schema)
        #expect(throws: AvroError.self) { try decoder.decode([UInt8](repeating: 2, count: 1_000_000)) }
        let skipping = try AvroDecoder(
            writer: schema, reader: try AvroSchema(#"{"type":"record","name":"L","fields":[]}"#))
        #expect(throws: AvroError.self) { try skipping.decode([UInt8](repeating: 2, count: 1_000_000)) }
        var value = AvroValue.record([.union(branch: 0, .null)])
        for _ in 0..<100 { value = .record([.union(branch: 1, value)]) }
        #expect(try decoder.decode(AvroEncoder(schema: schema).encode(value)) == value)
    }

    @Test(arguments: UInt64(1)...300)
    func `random values round-trip, in binary and in JSON`(seed: UInt64) throws {
        var random = RandomAvro(seed: seed)
        random.allowsRecursion = seed % 2 == 0
        let schema = try AvroSchema(random.record().text, checksDefaults: true)
        let encoder = AvroEncoder(schema: schema)
        let decoder = try AvroDecoder(writer: schema)
        for _ in 0..<5 {
            let value = random.value(schema)
            let bytes = try encoder.encode(value)
            #expect(try decoder.decode(bytes) == value)
            let json = try schema.json(value)
            let parsed = try #require(JSONValue.parse(json))
            #expect(try schema.value(json: parsed) == value)
            // Any beginning of it, and any damage, is refused or another value: it must not crash.
            for end in 0..<min(bytes.count, 40) { _ = try? decoder.decode(Array(bytes[..<end])) }
            for _ in 0..<20 where !bytes.isEmpty {
                var damaged = bytes
                damaged[random.below(bytes.count)] = UInt8(random.below(256))
                _ = try? decoder.decode(damaged)
            }
        }
    }

    @Test func `values that do not fit are refused`() throws {
        let schema = try AvroSchema(
            #"{"type":"record","name":"R","fields":[{"name":"a","type":["null","int"]},{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}]}"#
        )
        let encoder = AvroEncoder(schema: schema)
        var output: [UInt8] = [9]
        for value in [
            .record([.int(1), .enumeration("A")]), .record([.union(branch: 2, .int(1)), .enumeration("A")]),
            .record([.union(branch: 1, .long(1)), .enumeration("A")]),
            .record([.union(branch: 0, .null), .enumeration("B")]),
            .record([]), .null,
        ] as [AvroValue] {
            let error = #expect(throws: AvroError.self) { try encoder.encode(value, to: &output) }
            #expect(error?.code == .unfit)
            #expect(output == [9])
        }
    }
}
