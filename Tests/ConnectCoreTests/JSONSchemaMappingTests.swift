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
