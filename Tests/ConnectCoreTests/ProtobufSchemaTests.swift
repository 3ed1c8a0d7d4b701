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

    /// From upstream's `fieldDefinitionFromConnectSchema`: numbers, enums and unions that Connect's schema notes are written
    /// as they were; other fields are counted beside them.
    @Test func `what was read from Protobuf is written as it was`() async throws {
        let text = """
            syntax = "proto3"; package x;
            message M {
              enum Color { RED = 0; BLUE = 5; CYAN = 5; option allow_alias = true; }
              Color color = 7;
              Part part = 3;
              Part other = 4;
              oneof choice { string word = 9; Part piece = 10; Color shade = 11; }
              repeated Color colors = 12;
              map<string, Color> named = 13;
              message Part { string name = 2; }
            }
            """
        let registry = MemoryRegistry()
        let id = try await registry.register(text, .protobuf, subject: "t-value", normalize: false)
        let converter = ProtobufConverter(registry, RegistryOptions())
        // color 5, part "p", piece "q", colors 0 and 9, named {"k": 5}.
        let payload: [UInt8] = [
            0x38, 5, 0x1A, 3, 0x12, 1, 0x70, 0x52, 3, 0x12, 1, 0x71, 0x62, 2, 0, 9, 0x6A, 5, 0x0A, 1, 0x6B, 0x10, 5,
        ]
        let read = try await converter.value([0, 0, 0, 0, UInt8(id), 0] + payload, topic: "t")
        let schema = try #require(read.schema)
        let written = try converter.protoText(schema)
        for line in [
            "    RED = 0;", "    BLUE = 5;", "  Color color = 7;", "  Part part = 3;", "  Part other = 4;",
            "  oneof choice {",
            "    string word = 9;", "    Part piece = 10;", "    Color shade = 11;", "  repeated Color colors = 12;",
            "  map<string, Color> named = 13;", "    string name = 2;",
        ] {
            #expect(written.contains(line), "\(line) is not in \(written)")
        }
        let bytes = try #require(try await converter.bytes(read, topic: "copy"))
        let back = try await converter.value(bytes, topic: "copy")
        #expect(back.value == read.value && back.schema?.isLike(schema) == true)
        // Fields that a transform adds come between them.
        let more = ConnectSchema.structure(
            [.init("first", .int32)] + schema.fields + [.init("last", .int32)], name: "x.M")
        let added = try converter.protoText(more)
        #expect(added.contains("  int32 first = 1;") && added.contains("  int32 last = 2;"), "\(added)")
        let twice = ConnectSchema.structure(schema.fields + [.init("copy", try #require(schema.field("part")?.schema))])
        #expect(throws: ConnectError.self) { try converter.protoText(twice) }
    }

    /// A message cannot have the name of a field beside it.
    @Test func `a field and its type have two names`() throws {
        let schema = ConnectSchema.structure([.init("part", .structure([.init("x", .int32)], name: "part"))], name: "M")
        let text = try ProtobufConverter(MemoryRegistry(), RegistryOptions()).protoText(schema)
        #expect(text.contains("  partMessage part = 1;") && text.contains("  message partMessage {"), "\(text)")
    }

    @Test(arguments: ["0", "x", "19000", "536870912"])
    func `what is no number of a field is refused`(number: String) {
        let field = ConnectSchema.int32.with(parameters: [.init("io.confluent.connect.protobuf.Tag", number)])
        #expect(throws: ConnectError.self) {
            try ProtobufConverter(MemoryRegistry(), RegistryOptions()).protoText(.structure([.init("a", field)]))
        }
    }
}
