import Avro
import Testing

@testable import ConnectCore

/// Names of Avro's records: what `AvroData` of Confluent's converter 7.0 answered for the same schemas.
@Suite struct AvroNameTests {
    private static func structure(_ fields: [(String, ConnectSchema)], _ name: String? = nil) -> ConnectSchema {
        ConnectSchema(.structure, name: name, fields: fields.map { ConnectSchema.Field($0.0, $0.1) })
    }

    private static let x = structure([("x", .int32)])
    private static let y = structure([("y", .string)])
    private static let foo = structure([("x", .int32)], "Foo")
    private static let head =
        #"{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":["#
    private static let second =
        #"{"type":"record","name":"ConnectDefault2","fields":[{"name":"x","type":"int"}]}"#

    private static func map(_ values: ConnectSchema, _ name: String? = nil) -> ConnectSchema {
        ConnectSchema(.map, name: name, keySchema: .int32, valueSchema: values)
    }

    private static let cases: [(ConnectSchema, String)] = [
        (
            structure([("a", x), ("b", y)]),
            head + #"{"name":"a","type":\#(second)},{"name":"b","type":{"type":"record","name":"ConnectDefault3","#
                + #""fields":[{"name":"y","type":"string"}]}}]}"#
        ),
        (
            structure([("a", x), ("b", x), ("c", x.with(isOptional: true)), ("d", y)]),
            head + #"{"name":"a","type":\#(second)},{"name":"b","type":"ConnectDefault2"},"#
                + #"{"name":"c","type":["null","ConnectDefault2"],"default":null},"#
                + #"{"name":"d","type":{"type":"record","name":"ConnectDefault3","fields":[{"name":"y","type":"#
                + #""string"}]}}]}"#
        ),
        (
            structure([("a", x.with(isOptional: true)), ("b", x)]),
            head + #"{"name":"a","type":["null",\#(second)],"default":null},{"name":"b","type":"ConnectDefault2"}]}"#
        ),
        (
            structure([("a", structure([("b", x)])), ("c", x)]),
            head + #"{"name":"a","type":{"type":"record","name":"ConnectDefault2","fields":[{"name":"b","type":"#
                + #"{"type":"record","name":"ConnectDefault3","fields":[{"name":"x","type":"int"}]}}]}},"#
                + #"{"name":"c","type":"ConnectDefault3"}]}"#
        ),
        (
            structure([("a", .array(x)), ("c", map(y)), ("d", map(y))]),
            head + #"{"name":"a","type":{"type":"array","items":\#(second)}},{"name":"c","type":{"type":"#
                + #""array","items":"#
                + #"{"type":"record","name":"MapEntry","fields":[{"name":"key","type":"int"},{"name":"value","type":"#
                + #"{"type":"record","name":"ConnectDefault3","fields":[{"name":"y","type":"string"}]}}]}}},"#
                + #"{"name":"d","type":{"type":"array","items":"MapEntry"}}]}"#
        ),
        (
            structure([("a", foo), ("b", foo), ("c", foo.with(isOptional: true))]),
            head + #"{"name":"a","type":{"type":"record","name":"Foo","namespace":"","fields":[{"name":"x","#
                + #""type":"int"}],"#
                + #""connect.name":"Foo"}},{"name":"b","type":"Foo"},{"name":"c","type":["null","Foo"],"#
                + #""default":null}]}"#
        ),
        (
            structure([("a", x), ("b", foo), ("c", y)], "Root"),
            #"{"type":"record","name":"Root","fields":[{"name":"a","type":{"type":"record","name":"ConnectDefault","#
                + #""namespace":"io.confluent.connect.avro","fields":[{"name":"x","type":"int"}]}},{"name":"b","type":"#
                + #"{"type":"record","name":"Foo","fields":[{"name":"x","type":"int"}],"connect.name":"Foo"}},"#
                + #"{"name":"c","type":{"type":"record","name":"ConnectDefault2","namespace":"#
                + #""io.confluent.connect.avro","#
                + #""fields":[{"name":"y","type":"string"}]}}],"connect.name":"Root"}"#
        ),
        (
            structure(
                [("s", structure([("q", .string)], "n.Sub")), ("g", structure([("x", foo)], "g.Bar"))], "n.Root"),
            #"{"type":"record","name":"Root","namespace":"n","fields":[{"name":"s","type":{"type":"record","#
                + #""name":"Sub","#
                + #""fields":[{"name":"q","type":"string"}],"connect.name":"n.Sub"}},{"name":"g","type":{"#
                + #""type":"record","#
                + #""name":"Bar","namespace":"g","fields":[{"name":"x","type":{"type":"record","name":"Foo","#
                + #""namespace":"","#
                + #""fields":[{"name":"x","type":"int"}],"connect.name":"Foo"}}],"connect.name":"g.Bar"}}],"#
                + #""connect.name":"n.Root"}"#
        ),
        (
            structure([("c", map(y, "M")), ("d", map(x))]),
            head + #"{"name":"c","type":{"type":"array","items":{"type":"record","name":"M","namespace":"","fields":["#
                + #"{"name":"key","type":"int"},{"name":"value","type":{"type":"record","name":"ConnectDefault2","#
                + #""namespace":"io.confluent.connect.avro","fields":[{"name":"y","type":"string"}]}}],"#
                + #""connect.internal.type":"MapEntry"},"connect.name":"M"}},{"name":"d","type":{"type":"#
                + #""array","items":"#
                + #"{"type":"record","name":"MapEntry","fields":[{"name":"key","type":"int"},{"name":"value","type":"#
                + #"{"type":"record","name":"ConnectDefault3","fields":[{"name":"x","type":"int"}]}}]}}}]}"#
        ),
    ]

    @Test(arguments: cases.indices) func `are those of the original, and are read back`(index: Int) throws {
        let (schema, text) = Self.cases[index]
        #expect(try AvroSchemaWriter.text(schema, .init()) == text)
        let read = try AvroSchemaReader(try AvroSchema(text), .init())
        #expect(read.root == schema)
    }

    @Test func `structs without names differ by more than their fields`() throws {
        let schema = Self.structure([("a", Self.x), ("b", Self.x.with(doc: .some("d")))])
        let text = try AvroSchemaWriter.text(schema, .init())
        #expect(text.contains("ConnectDefault3"), "\(text)")
        #expect(try AvroSchemaReader(try AvroSchema(text), .init()).root == schema)
    }

    @Test func `records of several structs without names are written and read`() throws {
        let schema = Self.structure([("a", Self.x), ("b", Self.y.with(isOptional: true)), ("f", Self.foo)])
        let value = ConnectValue.structure(
            ConnectStruct(
                schema,
                values: [
                    .structure(ConnectStruct(Self.x, values: [.int32(1)])),
                    .structure(ConnectStruct(Self.y, values: [.string("s")])),
                    .structure(ConnectStruct(Self.foo, values: [.int32(2)])),
                ]))
        let encoder = try AvroRecordEncoder(schema)
        var bytes: [UInt8] = []
        try encoder.encode(value, to: &bytes)
        let avro = try AvroDecoder(writer: encoder.schema).decode(bytes)
        let back = try AvroSchemaReader(encoder.schema, .init()).value(avro).structure
        #expect(back?["a"]?.structure?["x"] == .int32(1))
        #expect(back?["b"]?.structure?["y"] == .string("s"))
        #expect(back?["f"]?.structure?["x"] == .int32(2))
    }
}
