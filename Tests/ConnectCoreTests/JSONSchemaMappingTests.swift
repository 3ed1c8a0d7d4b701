import JSONFormat
import SchemaRules
import Testing

@testable import ConnectCore

/// Schemas and values by `JsonSchemaConverter`: by hand from upstream `JsonSchemaData`.
@Suite struct JSONSchemaMappingTests {
    private static func read(_ schema: String, _ payload: String) async throws -> SchemaAndValue {
        let registry = MemoryRegistry()
        let id = try await registry.register(schema, .json, subject: "t-value", normalize: false)
        let bytes = [0, 0, 0, 0, UInt8(id)] + Array(payload.utf8)
        return try await JSONSchemaConverter(registry, RegistryOptions()).value(bytes, topic: "t")
    }

    private static func text(_ schema: ConnectSchema?) throws -> String {
        String(decoding: try JSONSchemaText.json(schema).bytes, as: UTF8.self)
    }

    private static func written(_ value: SchemaAndValue) async throws -> String {
        let converter = JSONSchemaConverter(MemoryRegistry(), RegistryOptions())
        return String(decoding: try #require(try await converter.bytes(value, topic: "t")).dropFirst(5), as: UTF8.self)
    }

    @Test(arguments: [
        (
            #"{"type":"object","properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]}]}"#, #"{"a":"x"}"#,
            #"{"type":"struct","fields":[{"type":"string","optional":false,"field":"a"}],"optional":false}"#
        ),
        (
            #"{"type":"object","properties":{"b":{"type":"integer"}},"allOf":[{"properties":{"a":{"type":"string"}}},"#
                + ##"{"$ref":"#/definitions/D"}],"definitions":{"D":{"properties":{"c":{"type":"boolean"},"a":{"type":"number"}}}}}"##,
            "{}",
            #"{"type":"struct","fields":[{"type":"double","optional":false,"field":"a"},"#
                + #"{"type":"boolean","optional":false,"field":"c"},{"type":"int64","optional":false,"field":"b"}],"optional":false}"#
        ),
        (
            #"{"type":"string","enum":["x","y"],"title":"E","default":"x"}"#, #""x""#,
            #"{"type":"string","optional":false,"parameters":{"io.confluent.connect.json.Enum":"","#
                + #""io.confluent.connect.json.Enum.x":"x","io.confluent.connect.json.Enum.y":"y"}}"#
        ),
        (
            #"{"enum":["x",1,null],"title":"E"}"#, #""x""#,
            #"{"type":"string","optional":false,"name":"E","parameters":{"io.confluent.connect.json.Enum":"","#
                + #""io.confluent.connect.json.Enum.x":"x","io.confluent.connect.json.Enum.1":"1","#
                + #""io.confluent.connect.json.Enum.<NULL>":"<NULL>"}}"#
        ),
        (
            #"{"type":["string","null"],"enum":["a",null],"default":"a"}"#, "null",
            #"{"type":"string","optional":true}"#
        ),
        (
            #"{"oneOf":[{"type":"null"},{"type":"integer","default":5}],"default":7}"#, "3",
            #"{"type":"int64","optional":true,"default":5}"#
        ),
        // As earlier versions wrote optional fields with a default, and enumerations.
        (
            #"{"type":"object","properties":{"n":{"default":7,"connect.index":0,"oneOf":[{"type":"null"},"#
                + #"{"type":"integer","connect.type":"int32"}]}}}"#, "{}",
            #"{"type":"struct","fields":[{"type":"int32","optional":true,"default":7,"field":"n"}],"optional":false}"#
        ),
        (
            #"{"type":"string","title":"E","description":"d","default":"x","connect.version":2,"connect.parameters":"#
                + #"{"io.confluent.connect.json.Enum":"E","io.confluent.connect.json.Enum.x":"x","p":"q"},"enum":["x"]}"#,
            #""x""#,
            #"{"type":"string","optional":false,"name":"E","version":2,"doc":"d","parameters":"#
                + #"{"io.confluent.connect.json.Enum":"","io.confluent.connect.json.Enum.x":"x","p":"q"},"default":"x"}"#
        ),
        (
            #"{"type":"array","items":{"type":"object","properties":{"key":{"type":"integer"},"value":{"type":"string"}}},"#
                + #""connect.type":"map","default":[[1,"a"]]}"#, "[]",
            #"{"type":"map","keys":{"type":"int64","optional":false},"values":{"type":"string","optional":false},"#
                + #""optional":false,"default":[[1,"a"]]}"#
        ),
        (
            #"{"type":"object","oneOf":[{"properties":{"a":{"type":"string"}}},{"type":"null"}]}"#, "null",
            #"{"type":"struct","fields":[{"type":"string","optional":false,"field":"a"}],"optional":true}"#
        ),
        (
            #"{"type":"integer","connect.type":"int32","connect.parameters":{"p":"q"}}"#, "3",
            #"{"type":"int32","optional":false,"parameters":{"p":"q"}}"#
        ),
    ])
    func `schemas become those of Connect`(schema: String, payload: String, connect: String) async throws {
        #expect(try Self.text(try await Self.read(schema, payload).schema) == connect)
    }

    @Test(arguments: [
        #"{"type":"array","items":[{"type":"string"}]}"#, #"{"allOf":[{"minLength":1}]}"#,
        ##"{"allOf":[{"$ref":"#"},{"$ref":"#"}]}"##,
    ])
    func `schemas that Connect has nothing for are refused`(schema: String) async {
        await #expect(throws: ConnectError.self) { try await Self.read(schema, "[]") }
    }

    /// JSON Schema requires what `required` names; a struct's field is required all the same, and is not set.
    @Test func `what is not there is not set`() async throws {
        let schema =
            #"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer","default":3},"c":{"type":"boolean"}}}"#
        let found = try await Self.read(schema, #"{"c":true}"#)
        #expect(found.value.structure?.values == [.null, .int64(3), .boolean(true)])
        #expect(try await Self.written(found) == #"{"b":3,"c":true}"#)
        await #expect(throws: ConnectError.self) { try await Self.read(schema, #"{"a":null}"#) }
    }

    @Test(arguments: [
        (#"{"a":1,"c":"x"}"#, 1), (#"{"z":1}"#, 0), (#"{"a":1,"b":1,"c":"x"}"#, 0), (#""text""#, 2), ("7", 3),
        ("7.5", 4),
        ("[1]", 5),
    ])
    func `values find their branch`(payload: String, branch: Int) async throws {
        let schema =
            #"{"oneOf":[{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}},"#
            + #"{"type":"object","properties":{"a":{"type":"integer"},"c":{"type":"string"}}},{"type":"string"},"#
            + #"{"type":"integer"},{"type":"number"},{"type":"array","items":{"type":"integer"}}]}"#
        let found = try await Self.read(schema, payload)
        let values = try #require(found.value.structure?.values)
        #expect(values.indices.filter { !values[$0].isNull } == [branch])
        #expect(found.schema?.fields.map(\.name).last == "io.confluent.connect.json.OneOf.field.5")
    }

    @Test func `defaults are read and written as values are`() async throws {
        let schema =
            #"{"type":"object","default":{},"properties":{"a":{"type":"string"},"#
            + #""u":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}"#
        let found = try #require(try await Self.read(schema, "{}").schema)
        #expect(found.defaultValue?.structure?.values == [.null, .null])
        let union = try #require(
            try await Self.read(schema.replacing("{},", with: #"{"a":"x","u":7},"#), "{}").schema)
        #expect(union.defaultValue?.structure?.values.last?.structure?.values == [.null, .int64(7)])
        let converter = JSONSchemaConverter(MemoryRegistry(), RegistryOptions())
        #expect(try converter.schemaText(found).contains(#""default":{}"#))
        #expect(try converter.schemaText(union).contains(#""default":{"a":"x","u":7}"#))
    }

    private static func schema(_ text: String, partsMax: Int = 1 << 20) throws -> ConnectSchema {
        try JSONSchemaReader(RegistrySchema(id: 1, type: .json, text: text), partsMax: partsMax).schema()
    }

    /// Each takes its properties from the next, twice, and those are such again.
    @Test func `properties of properties of others are read once`() throws {
        let field = { (level: Int) in ##"{"type":"object","allOf":[{"$ref":"#/definitions/D\##(level)"}]}"## }
        let levels = (1...50).map { #""D\#($0)":{"properties":{"x":\#(field($0 + 1)),"y":\#(field($0 + 1))}}"# }
        let text =
            #"{"type":"object","properties":{"x":\#(field(1))},"definitions":{\#(levels.joined(separator: ",")),"#
            + #""D51":{"properties":{"x":{"type":"string"},"y":{"type":"string"}}}}}"#
        var at = try Self.schema(text)
        for _ in 1...51 { at = try #require(at.field("x")?.schema) }
        #expect(at.field("y")?.schema.kind == .string)
        let error = #expect(throws: ConnectError.self) { try Self.schema(text, partsMax: 500) }
        #expect(error?.message.contains("JSON Schema has too many places to write out") == true)
    }

    /// Each is joined of the next, twice.
    @Test func `parts of parts of others are read once`() throws {
        let levels = (1...40).map {
            ##""D\##($0)":{"allOf":[{"$ref":"#/definitions/D\##($0 + 1)"},{"$ref":"#/definitions/D\##($0 + 1)"}]}"##
        }
        let text =
            ##"{"type":"object","allOf":[{"$ref":"#/definitions/D1"}],"definitions":{\##(levels.joined(separator: ",")),"##
            + #""D41":{"properties":{"x":{"type":"string"}}}}}"#
        // Two levels for each: the part and what it refers to.
        #expect(throws: ConnectError.self) { try Self.schema(text) }
        #expect(
            try Self.schema(text.replacing("definitions/D1\"", with: "definitions/D20\"")).fields.map(\.name) == ["x"])
    }

    @Test(arguments: [
        (##"{"type":"object","allOf":[{"$ref":"#"}]}"##, "parent"),
        (##"{"oneOf":[{"type":"null"},{"type":"object","allOf":[{"$ref":"#"}]}]}"##, "parent"),
        (##"{"allOf":[{"$ref":"#"},{"properties":{"own":{"type":"string"}}}]}"##, "own"),
    ])
    func `a struct of the properties of one around it`(parent: String, last: String) throws {
        let schema = try Self.schema(
            #"{"type":"object","title":"N","properties":{"id":{"type":"integer"},"parent":\#(parent)}}"#)
        var at = schema
        for _ in 0..<5 {
            at = try #require(at.field("parent")?.schema)
            #expect(at.name == nil && at.field("id")?.schema.kind == .int64)
            #expect(at.fields.last?.name == last)
        }
    }

    /// A list in between is made at each of its places: only structs contain themselves.
    @Test func `properties of what contains itself in a list`() throws {
        let node =
            ##"{"type":"object","properties":{"kids":{"oneOf":[{"type":"null"},{"type":"array","items":"##
            + ##"{"$ref":"#/definitions/N"}}]}}}"##
        let schema = try Self.schema(
            ##"{"allOf":[{"$ref":"#/definitions/N"},{"$ref":"#"},{"properties":{"a":{"type":"string"}}}],"##
                + ##""definitions":{"N":\##(node)}}"##)
        #expect(schema.fields.map(\.name) == ["kids", "a"])
        let inner = try #require(schema.field("kids")?.schema.valueSchema)
        #expect(inner.field("kids")?.schema.valueSchema?.field("kids")?.schema.kind == .array)
    }

    @Test func `schemas are written as the original writes them`() throws {
        let converter = JSONSchemaConverter(MemoryRegistry(), RegistryOptions())
        let symbols = ["", ".a", ".<NULL>"].map {
            ConnectSchema.Parameter("io.confluent.connect.json.Enum" + $0, String($0.dropFirst()))
        }
        let union = ConnectSchema(
            .structure, isOptional: true, name: "io.confluent.connect.json.OneOf",
            fields: [
                .init("io.confluent.connect.json.OneOf.field.0", .optionalString),
                .init("io.confluent.connect.json.OneOf.field.1", .int32),
            ])
        let schema = ConnectSchema.structure([
            .init("n", ConnectSchema(.int32, isOptional: true, defaultValue: .int32(7))),
            .init("e", ConnectSchema(.string, parameters: symbols + [.init("p", "q")])), .init("u", union),
        ])
        #expect(
            try converter.schemaText(schema)
                == #"{"type":"object","properties":{"n":{"connect.index":0,"oneOf":[{"type":"null"},"#
                + #"{"type":"integer","default":7,"connect.type":"int32"}]},"#
                + #""e":{"connect.index":1,"connect.parameters":{"p":"q"},"enum":["a",null]},"#
                + #""u":{"connect.index":2,"oneOf":[{"type":"null"},{"type":"string","connect.index":0},"#
                + #"{"type":"integer","connect.index":1,"connect.type":"int32"}]}}}"#)
    }
}
