import ProtobufFormat
import SchemaRules
import Testing

@testable import ConnectCore

/// Connect's schemas of Protobuf messages, by hand from upstream's `ProtobufData`.
@Suite struct ProtobufSchemaTests {
    private static let text = """
        syntax = "proto3"; package x;
        message M {
          enum Color { RED = 0; BLUE = 5; }
          Color color = 1;
          repeated int32 numbers = 2;
          repeated Color colors = 3;
          map<string, int64> scores_by_day = 4;
          map<int32, M.Part> parts = 5;
          message Part { string name = 1; }
        }
        """

    private static func schema(_ change: (inout ProtobufOptions) -> Void = { _ in }) throws -> ConnectSchema {
        var options = ProtobufOptions()
        change(&options)
        let schema = try ProtobufConverter.schema(RegistrySchema(id: 1, type: .protobuf, text: text))
        return try ProtobufMapping(schema, #require(schema.mainMessageIndex), options).connect
    }

    private static func tag(_ schema: ConnectSchema?) -> String? { schema?.parameter(ProtobufMapping.tag) }

    @Test func `enumerations, arrays and maps have names and parts as upstream's`() throws {
        let schema = try Self.schema()
        let color = try #require(schema.field("color")?.schema)
        #expect(color.kind == .string && color.name == "Color" && color.isOptional)
        #expect(color.parameter("io.confluent.connect.protobuf.Enum") == "Color")
        #expect(color.parameter("io.confluent.connect.protobuf.Enum.BLUE") == "5")
        for name in ["numbers", "colors"] {
            let array = try #require(schema.field(name)?.schema)
            #expect(array.isOptional && array.valueSchema?.isOptional == true)
            #expect(Self.tag(array.valueSchema) == nil)
        }
        #expect(Self.tag(schema.field("colors")?.schema) == "3")
        let scores = try #require(schema.field("scores_by_day")?.schema)
        #expect(scores.kind == .map && scores.name == "scores_by_day" && Self.tag(scores) == "4")
        #expect(scores.keySchema?.isOptional == true && Self.tag(scores.keySchema) == "1")
        #expect(scores.valueSchema?.isOptional == true && Self.tag(scores.valueSchema) == "2")
        #expect(schema.field("parts")?.schema.valueSchema?.name == "Part")
    }

    @Test func `options change names and what may be null`() throws {
        let enhanced = try Self.schema { $0.isEnhanced = true }
        #expect(enhanced.field("color")?.schema.name == "x.M.Color")
        #expect(enhanced.field("scores_by_day")?.schema.name == "x.M.scores_by_day")
        let marked = try Self.schema { $0.marksOptional = true }
        let scores = try #require(marked.field("scores_by_day")?.schema)
        #expect(scores.isOptional && scores.keySchema?.isOptional == false && scores.valueSchema?.isOptional == false)
        #expect(marked.field("numbers")?.schema.valueSchema?.isOptional == true)
        #expect(marked.field("parts")?.schema.valueSchema?.isOptional == true)
    }

    /// Maps whose keys may be null are arrays of entries in Avro, unless `allow.optional.map.keys` says otherwise.
    @Test func `maps become entries in Avro`() throws {
        let scores = try #require(try Self.schema().field("scores_by_day")?.schema)
        let text = try AvroSchemaWriter.text(scores, .init())
        #expect(text.contains(#""items":{"type":"record","name":"scores_by_day""#), "\(text)")
        var options = AvroMapping.Options()
        options.allowsOptionalKeys = true
        let plain = try AvroSchemaWriter.text(scores, options)
        #expect(plain.contains(#""type":"map""#), "\(plain)")
    }
}
