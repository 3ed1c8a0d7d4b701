import Avro
import TestKit
import Testing

@Suite struct ResolutionTests {
    /// By hand from the specification's section "Schema Resolution".
    static let readings: [(writer: String, reader: String, value: AvroValue, result: AvroValue)] = [
        (#""int""#, #""long""#, .int(5), .long(5)), (#""int""#, #""float""#, .int(5), .float(5)),
        (#""int""#, #""double""#, .int(5), .double(5)), (#""long""#, #""float""#, .long(-5), .float(-5)),
        (#""long""#, #""double""#, .long(5), .double(5)), (#""float""#, #""double""#, .float(1.5), .double(1.5)),
        (#""string""#, #""bytes""#, .string("a"), .bytes([0x61])),
        (#""bytes""#, #""string""#, .bytes([0x61]), .string("a")),
        (#""int""#, #"["null","long"]"#, .int(5), .union(branch: 1, .long(5))),
        (#""int""#, #"["double","int"]"#, .int(5), .union(branch: 1, .int(5))),
        (#"["null","int"]"#, #"["long","null"]"#, .union(branch: 1, .int(5)), .union(branch: 0, .long(5))),
        (#"["null","int"]"#, #""int""#, .union(branch: 1, .int(5)), .int(5)),
        (
            #"{"type":"array","items":"int"}"#, #"{"type":"array","items":"long"}"#, .array([.int(1)]),
            .array([.long(1)])
        ),
        (
            #"{"type":"map","values":"int"}"#, #"{"type":"map","values":"double"}"#,
            .map([.init("a", .int(1))]), .map([.init("a", .double(1))])
        ),
        (
            #"{"type":"enum","name":"E","symbols":["A","B"]}"#, #"{"type":"enum","name":"E","symbols":["B","A"]}"#,
            .enumeration("B"), .enumeration("B")
        ),
        (
            #"{"type":"enum","name":"E","symbols":["A","B"]}"#,
            #"{"type":"enum","name":"n.E","symbols":["A"],"default":"A"}"#,
            .enumeration("B"), .enumeration("A")
        ),
        (
            record(#"{"name":"a","type":"int"},{"name":"b","type":"string"}"#),
            record(#"{"name":"b","type":"string"},{"name":"c","type":"int","default":7}"#),
            .record([.int(1), .string("x")]), .record([.string("x"), .int(7)])
        ),
        (
            record(#"{"name":"a","type":"int"}"#), record(#"{"name":"z","type":"int","aliases":["a"]}"#),
            .record([.int(1)]), .record([.int(1)])
        ),
        (
            record(#"{"name":"a","type":"int"}"#), #"{"type":"record","name":"S","aliases":["R"],"fields":[]}"#,
            .record([.int(1)]), .record([])
        ),
        // A field's own name counts before another field's alias.
        (
            record(#"{"name":"a","type":"int"}"#),
            record(#"{"name":"z","type":"int","aliases":["a"],"default":9},{"name":"a","type":"int"}"#),
            .record([.int(1)]), .record([.int(9), .int(1)])
        ),
        (
            record(#"{"name":"a","type":"int"}"#), record(#"{"name":"u","type":["string","null"],"default":"d"}"#),
            .record([.int(1)]), .record([.union(branch: 0, .string("d"))])
        ),
        // A default of a union is one of the first branch that it fits.
        (
            record(#"{"name":"a","type":"int"}"#),
            record(
                #"{"name":"u","type":["string","null"],"default":null},{"name":"v","type":["null","int","long"],"default":5}"#
            ),
            .record([.int(1)]), .record([.union(branch: 1, .null), .union(branch: 1, .int(5))])
        ),
        // Java's readers do not ask for the names of records.
        (
            record(#"{"name":"a","type":"int"}"#), record(#"{"name":"a","type":"long"}"#, "n.S"), .record([.int(1)]),
            .record([.long(1)])
        ),
        (
            record(#"{"name":"a","type":"int"}"#), "[\"null\",\(record(#"{"name":"a","type":"long"}"#, "S"))]",
            .record([.int(1)]), .union(branch: 1, .record([.long(1)]))
        ),
        // Branches by name, then by alias, then by shape: the first, or one of the same name elsewhere.
        (
            record("", "n.B"), "[\(record("", "A")),\(record("", "m.B")),\(record("", "C"))]", .record([]),
            .union(branch: 1, .record([]))
        ),
        (
            record("", "B"),
            "[\(record("", "A")),\(#"{"type":"record","name":"C","aliases":["B"],"fields":[]}"#),\(record("", "n.B"))]",
            .record([]), .union(branch: 1, .record([]))
        ),
        (
            record(#"{"name":"a","type":"int"}"#, "B"),
            "[\(record(#"{"name":"a","type":"int"}"#, "A")),\(record(#"{"name":"a","type":"int"}"#, "B"))]",
            .record([.int(1)]), .union(branch: 1, .record([.int(1)]))
        ),
    ]

    @Test(arguments: readings)
    func `reads by the reader's schema`(writer: String, reader: String, value: AvroValue, result: AvroValue) throws {
        let writer = try AvroSchema(writer)
        let decoder = try AvroDecoder(writer: writer, reader: AvroSchema(reader))
        #expect(try decoder.decode(AvroEncoder(schema: writer).encode(value)) == result)
    }

    @Test(arguments: [
        (#""long""#, #""int""#), (#""int""#, #""string""#), (#""int""#, #"["null","string"]"#),
        (#"{"type":"fixed","name":"F","size":1}"#, #"{"type":"fixed","name":"F","size":2}"#),
        (#"{"type":"fixed","name":"F","size":1}"#, #"{"type":"fixed","name":"G","size":1}"#),
        (record(""), record(#"{"name":"a","type":"int"}"#)),
        (#"["int","long"]"#, #""string""#),
        // A branch with the record's name is the one that it is read as, or not.
        (record(""), "[\(record(#"{"name":"a","type":"int"}"#)),\(record("", "S"))]"),
        (record(#"{"name":"a","type":"long"}"#), record(#"{"name":"a","type":"int"}"#)),
    ])
    func `what can never be read is found out before any data`(writer: String, reader: String) throws {
        let writer = try AvroSchema(writer)
        let reader = try AvroSchema(reader)
        let error = #expect(throws: AvroError.self) { try AvroDecoder(writer: writer, reader: reader) }
        #expect(error?.code == .unresolvable)
    }

    @Test func `what may be read is found out with the data`() throws {
        let writer = try AvroSchema(#"["int","string"]"#)
        let decoder = try AvroDecoder(writer: writer, reader: AvroSchema(#""long""#))
        #expect(try decoder.decode(bytes(ofHex: "000a")) == .long(5))
        #expect(throws: AvroError.self) { try decoder.decode(bytes(ofHex: "020261")) }
        let arrays = try AvroDecoder(
            writer: AvroSchema(#"{"type":"array","items":"long"}"#),
            reader: AvroSchema(#"{"type":"array","items":"int"}"#))
        #expect(try arrays.decode([0]) == .array([]))
        #expect(throws: AvroError.self) { try arrays.decode([2, 2, 0]) }
        let symbols = try AvroDecoder(
            writer: AvroSchema(#"{"type":"enum","name":"E","symbols":["A","B"]}"#),
            reader: AvroSchema(#"{"type":"enum","name":"E","symbols":["A"]}"#))
        #expect(try symbols.decode([0]) == .enumeration("A"))
        #expect(throws: AvroError.self) { try symbols.decode([2]) }
    }

    @Test func `recursive types`() throws {
        let old = try AvroSchema(
            record(#"{"name":"v","type":"int"},{"name":"next","type":["null","R"],"default":null}"#))
        let new = try AvroSchema(
            record(
                #"{"name":"v","type":"long"},{"name":"next","type":["null","R"],"default":null},{"name":"w","type":"int","default":1}"#
            ))
        let value = AvroValue.record([.int(1), .union(branch: 1, .record([.int(2), .union(branch: 0, .null)]))])
        let decoder = try AvroDecoder(writer: old, reader: new)
        #expect(
            try decoder.decode(AvroEncoder(schema: old).encode(value))
                == .record([
                    .long(1), .union(branch: 1, .record([.long(2), .union(branch: 0, .null), .int(1)])), .int(1),
                ]))
    }
}
/// The text of a record.
private func record(_ fields: String, _ name: String = "R") -> String {
    #"{"type":"record","name":"\#(name)","fields":[\#(fields)]}"#
}
