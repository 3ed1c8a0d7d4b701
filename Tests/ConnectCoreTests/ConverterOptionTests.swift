import ProtobufFormat
import SQLTypes
import SchemaRules
import Testing

@testable import ConnectCore

/// What the options of Confluent's converters do: by hand from `AvroData`, `JsonSchemaData` and `ProtobufData`.
@Suite struct ConverterOptionTests {
    private static func made(
        _ type: SchemaType, _ options: [String: String] = [:], _ registry: MemoryRegistry = MemoryRegistry(),
        isKey: Bool = false
    ) throws(ConnectError) -> any Converter {
        let name =
            switch type {
            case .avro: "avro.AvroConverter"
            case .json: "json.JsonSchemaConverter"
            case .protobuf: "protobuf.ProtobufConverter"
            }
        let side = isKey ? "key.converter" : "value.converter"
        var properties = [
            side: "io.confluent.connect.\(name)", side + ".schema.registry.url": "http://r:1",
        ]
        for (option, value) in options { properties[side + "." + option] = value }
        guard let converter = try ConverterPlugins.converter(side, properties, registry: { _, _ in registry })
        else { throw .data("no converter") }
        return converter
    }

    /// Reads with a schema that stands in the registry already.
    private static func read(
        _ type: SchemaType, _ text: String, _ payload: [UInt8], _ options: [String: String] = [:]
    ) async throws -> SchemaAndValue {
        let registry = MemoryRegistry()
        let id = try await registry.register(text, type, subject: "t-value", normalize: false)
        return try await made(type, options, registry).value([0, 0, 0, 0, UInt8(id)] + payload, topic: "t")
    }

    private static func failure(_ body: () async throws -> Void) async -> ConnectError? {
        do {
            try await body()
            return nil
        } catch { return error as? ConnectError }
    }

    @Test(arguments: [
        ("my-id", "my_id", "my_id"), ("a b", "a_b", "a_b"), ("é", "_C3_A9", "_C3_A9"), ("1a", "x1a", "x1a"),
        ("_x", "_x", "x_x"), ("a.b", "a_b", "a_b"), ("plain9", "plain9", "plain9"), ("", "", ""),
    ])
    func `names become others`(name: String, avro: String, protobuf: String) {
        #expect(ScrubbedName.avro(name) == avro)
        #expect(ScrubbedName.protobuf(name) == protobuf)
    }

    private static let odd = ConnectSchema.structure([.init("my-id", .int32), .init("ok", .string)], name: "my-db.Row")
    private static let oddRow = SchemaAndValue(
        odd, .structure(ConnectStruct(odd, values: [.int32(7), .string("x")])))

    @Test(arguments: [SchemaType.avro, .protobuf])
    func `invalid names are refused, or made valid`(type: SchemaType) async throws {
        let refused = try Self.made(type)
        await #expect(throws: ConnectError.self) { try await refused.bytes(Self.oddRow, topic: "t") }
        let converter = try Self.made(type, ["scrub.invalid.names": "true"])
        let bytes = try await converter.bytes(Self.oddRow, topic: "t")
        let back = try await converter.value(bytes, topic: "t")
        #expect(back.schema?.fields.map(\.name) == ["my_id", "ok"])
        #expect(back.value.structure?.values == [.int32(7), .string("x")])
        // Avro keeps the name of the struct beside that of the record.
        #expect(back.schema?.name == (type == .avro ? "my-db.Row" : "Row"))
        // What the quick way writes, the slow one writes, too.
        if type == .avro {
            var options = AvroMapping.Options()
            options.scrubs = true
            let text = try AvroSchemaWriter.text(Self.odd, options)
            #expect(text.hasPrefix(#"{"type":"record","name":"Row","namespace":"my_db","fields":[{"name":"my_id""#))
        }
    }

    @Test func `Protobuf says which name it does not take`() async throws {
        let error = await Self.failure { _ = try await Self.made(.protobuf).bytes(Self.oddRow, topic: "t") }
        #expect(error?.javaClass == "java.lang.IllegalStateException")
        #expect(error?.message.contains(#""my-db" is not a valid identifier."#) == true, "\(error?.message ?? "")")
    }

    @Test func `properties that are not required are optional`() async throws {
        let text =
            #"{"type":"object","properties":{"v":{"type":"integer"},"o":{"type":"object","properties":"#
            + #"{"x":{"type":"string"}}}},"required":["v"]}"#
        let payload = Array(#"{"v":1}"#.utf8)
        // `toConnectData` of the original sets nothing where a property is not there, whatever the field says.
        let plain = try await Self.read(.json, text, payload)
        #expect(plain.schema?.fields.map(\.schema.isOptional) == [false, false])
        #expect(plain.value.structure?.values == [.int64(1), .null])
        let back = try await Self.read(.json, text, payload, ["use.optional.for.nonrequired": "true"])
        #expect(back.schema?.fields.map(\.schema.isOptional) == [false, true])
        #expect(back.schema?.field("o")?.schema.field("x")?.schema.isOptional == true)
        #expect(back.value.structure?.values == [.int64(1), .null])
    }

    @Test(arguments: SchemaType.allCases, [false, true])
    func `null of a field with a default`(type: SchemaType, stays: Bool) async throws {
        let level = ConnectSchema(.int32, isOptional: true, defaultValue: .int32(7))
        let schema = ConnectSchema.structure([.init("id", .int32), .init("level", level)], name: "Row")
        var options = ["ignore.default.for.nullables": String(stays)]
        if type == .protobuf { options["optional.for.nullables"] = "true" }
        let converter = try Self.made(type, options)
        let row = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.int32(1), .null])))
        let back = try await converter.value(try await converter.bytes(row, topic: "t"), topic: "t")
        #expect(back.value.structure?.values == [.int32(1), stays ? .null : .int32(7)])
    }

    @Test func `a null that has no place in Avro is refused, whatever its default`() async throws {
        let level = ConnectSchema(.int32, defaultValue: .int32(7))
        let schema = ConnectSchema.structure([.init("level", level)], name: "Row")
        let row = SchemaAndValue(schema, .structure(ConnectStruct(schema)))
        let converter = try Self.made(.avro, ["ignore.default.for.nullables": "true"])
        await #expect(throws: ConnectError.self) { try await converter.bytes(row, topic: "t") }
    }

    @Test func `objects are closed`() throws {
        let inner = ConnectSchema.structure([.init("x", .string)])
        let schema = ConnectSchema.structure([.init("o", inner)])
        let writer = JSONSchemaConverter(
            MemoryRegistry(), RegistryOptions(), .init(),
            try JSONSchemaOptions(["object.additional.properties": "false"]))
        #expect(
            try writer.schemaText(schema)
                == #"{"type":"object","properties":{"o":{"type":"object","connect.index":0,"properties":{"x":"#
                + #"{"type":"string","connect.index":0}},"additionalProperties":false}},"additionalProperties":false}"#)
    }

    @Test func `maps with optional keys may be Avro's`() async throws {
        let map = ConnectSchema.map(.optionalString, .int32)
        let schema = ConnectSchema.structure([.init("m", map)], name: "Row")
        let options = try AvroMapping.Options(["allow.optional.map.keys": "true"])
        #expect(try AvroSchemaWriter.text(schema, options).contains(#"{"type":"map","values":"int"}"#))
        #expect(try AvroSchemaWriter.text(schema, .init()).contains(#""MapEntry""#))
        let converter = try Self.made(.avro, ["allow.optional.map.keys": "true"])
        let row = ConnectStruct(schema, values: [.map(ConnectMap([("a", .int32(1))]))])
        let back = try await converter.value(
            try await converter.bytes(SchemaAndValue(schema, .structure(row)), topic: "t"), topic: "t")
        #expect(back.value.structure?.values == row.values)
    }

    @Test func `a union of one type may be a union`() async throws {
        let text = #"{"type":"record","name":"R","fields":[{"name":"u","type":["string"]}]}"#
        let payload: [UInt8] = [0, 2, UInt8(ascii: "x")]
        #expect(try await Self.read(.avro, text, payload).value.structure?["u"] == .string("x"))
        let kept = try await Self.read(.avro, text, payload, ["flatten.singleton.unions": "false"])
        #expect(kept.schema?.field("u")?.schema.name == AvroMapping.union)
        #expect(kept.value.structure?["u"]?.structure?["string"] == .string("x"))
        let json = #"{"type":"object","properties":{"u":{"oneOf":[{"type":"string"}]}}}"#
        let object = try await Self.read(
            .json, json, Array(#"{"u":"x"}"#.utf8), ["flatten.singleton.unions": "false"])
        #expect(object.schema?.field("u")?.schema.name == JSONSchemaNames.oneOf)
    }

    private static let message = """
        syntax = "proto3"; package p; import "google/protobuf/wrappers.proto";
        message M { oneof o { string x = 1; int32 y = 2; } E e = 3; N n = 4; google.protobuf.StringValue w = 5;
          enum E { A = 0; B = 1; } message N { int32 z = 1; } }
        """

    @Test(arguments: [
        ([:], ["o_0", "e", "n", "w"], "null"), (["generate.index.for.unions": "false"], ["o", "e", "n", "w"], "null"),
        (["flatten.unions": "true"], ["x", "y", "e", "n", "w"], "null"),
        (["int.for.enums": "true"], ["o_0", "e", "n", "w"], "null"),
        (["generate.struct.for.nulls": "true"], ["o_0", "e", "n", "w"], "0"),
        (["wrapper.for.raw.primitives": "false"], ["o_0", "e", "n", "w"], "null"),
    ])
    func `Protobuf is read by the options`(options: [String: String], names: [String], inner: String) async throws {
        // Message 0; y = 5, e = B, w = "q".
        let payload: [UInt8] = [0, 0x10, 5, 0x18, 1, 0x2A, 3, 0x0A, 1, UInt8(ascii: "q")]
        let back = try await Self.read(.protobuf, Self.message, payload, options)
        let row = try #require(back.value.structure)
        #expect(back.schema?.fields.map(\.name) == names)
        if options["flatten.unions"] != nil {
            #expect(row["y"] == .int32(5) && row["x"] == .null)
        } else {
            #expect(row[names[0]]?.structure?["y"] == .int32(5))
        }
        #expect(row["e"] == (options["int.for.enums"] == nil ? .string("B") : .int32(1)))
        #expect(row["n"]?.structure?["z"] == (inner == "0" ? .int32(0) : nil))
        if options["wrapper.for.raw.primitives"] == nil {
            #expect(row["w"] == .string("q"))
        } else {
            #expect(row["w"]?.structure?["value"] == .string("q"))
        }
    }

    @Test func `a message that is a wrapper is its value`() async throws {
        let text = """
            syntax = "proto3"; package google.protobuf; message StringValue { string value = 1; }
            """
        let payload: [UInt8] = [0, 0x0A, 1, UInt8(ascii: "q")]
        let back = try await Self.read(.protobuf, text, payload)
        #expect(back.schema == .string && back.value == .string("q"))
        let kept = try await Self.read(.protobuf, text, payload, ["wrapper.for.raw.primitives": "false"])
        #expect(kept.value.structure?["value"] == .string("q"))
    }

    @Test func `unset fields of proto2`() async throws {
        let text = #"syntax = "proto2"; message M { optional int32 v = 1; }"#
        #expect(try await Self.read(.protobuf, text, [0]).value.structure?["v"] == .null)
        let other = try await Self.read(.protobuf, text, [0], ["optional.for.proto2": "false"])
        #expect(other.value.structure?["v"] == .int32(0))
    }

    @Test(
        arguments: [
            (SchemaType.avro, ["scrub.invalid.names": "maybe"]), (.avro, ["auto.register.schemas": "maybe"]),
            (.avro, ["value.subject.name.strategy": "nope"]), (.avro, ["schema.registry.url": ""]),
            (.avro, ["discard.type.doc.default": "true"]), (.avro, ["generalized.sum.type.support": "true"]),
            (.avro, ["use.latest.with.metadata": "a=b"]), (.json, ["json.fail.invalid.schema": "true"]),
            (.json, ["decimal.format": "HEX"]), (.protobuf, ["flatten.unions": "1"]),
            (.protobuf, ["value.schema.id.serializer": "schema.id.HeaderSchemaIdSerializer"]),
        ] as [(SchemaType, [String: String])])
    func `what cannot be heeded is refused`(type: SchemaType, options: [String: String]) async {
        let error = await Self.failure { _ = try Self.made(type, options) }
        #expect(error?.code == .config, "\(options)")
        #expect(error?.message.contains(options.keys.first ?? "?") == true, "\(error?.message ?? "")")
    }

    // MARK: failures

    private static let refusal = "io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException: "
    private static let serialization = "org.apache.kafka.common.errors.SerializationException: "

    @Test(arguments: [
        (SchemaType.avro, false, "Failed to deserialize data for topic T to Avro: ", "Avro value schema"),
        (.avro, true, "Failed to deserialize data for topic T to Avro: ", "Avro key schema"),
        (
            .json, false, "Converting byte[] to Kafka Connect data failed due to serialization error of topic T: ",
            "JSON schema"
        ), (.protobuf, false, "Failed to deserialize data for topic T to Protobuf: ", "Protobuf schema"),
    ])
    func `failures to read say what failed`(type: SchemaType, isKey: Bool, message: String, what: String) async throws {
        let converter = try Self.made(type, isKey: isKey)
        let unknown = await Self.failure { _ = try await converter.value([0, 0, 0, 0, 99, 120], topic: "T") }
        #expect(unknown?.code == .data && unknown?.message == message)
        #expect(
            unknown?.causes == [
                Self.serialization + "Error retrieving \(what) for id 99", Self.refusal + "Schema 99 not found",
            ])
        let garbage = await Self.failure { _ = try await converter.value([7, 1], topic: "T") }
        #expect(garbage?.message == message)
        #expect(garbage?.causes == [Self.serialization + "Unknown magic byte!"])
    }

    @Test(arguments: [
        (SchemaType.avro, ["auto.register.schemas": "false"], "Error retrieving Avro schema{"),
        (
            .avro, ["auto.register.schemas": "false", "use.latest.version": "true"],
            "Error retrieving latest version of Avro schema{"
        ), (.json, ["auto.register.schemas": "false"], "Error retrieving JSON schema: {"),
        (.protobuf, ["use.schema.id": "5"], "Error retrieving schema ID"),
    ])
    func `failures to write say what failed`(type: SchemaType, options: [String: String], cause: String) async throws {
        let schema = ConnectSchema.structure([.init("v", .int32)], name: "Row")
        let row = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.int32(1)])))
        let error = await Self.failure { _ = try await Self.made(type, options).bytes(row, topic: "T") }
        let message =
            switch type {
            case .avro: "Failed to serialize Avro data from topic T :"
            case .json: "Converting Kafka Connect data to byte[] failed due to serialization error of topic T: "
            case .protobuf: "Failed to serialize Protobuf data from topic T :"
            }
        #expect(error?.message == message)
        #expect(error?.causes.first?.hasPrefix(Self.serialization + cause) == true, "\(error?.causes ?? [])")
        #expect(error?.causes.last?.hasPrefix(Self.refusal) == true)
    }

    @Test func `the newest version has to be able to read what is written`() async throws {
        let registry = MemoryRegistry()
        let text = #"{"type":"record","name":"Row","fields":[{"name":"v","type":"int"},{"name":"w","type":"int"}]}"#
        _ = try await registry.register(text, .avro, subject: "T-value", normalize: false)
        let schema = ConnectSchema.structure([.init("v", .int32)], name: "Row")
        let row = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.int32(1)])))
        let options = ["auto.register.schemas": "false", "use.latest.version": "true"]
        let error = await Self.failure { _ = try await Self.made(.avro, options, registry).bytes(row, topic: "T") }
        #expect(error?.causes.last?.hasPrefix("java.io.IOException: Incompatible schema \(text)") == true)
        #expect(error?.causes.last?.hasSuffix("Set latest.compatibility.strict=false to disable this check") == true)
        // A field more than the newest has is left out.
        let wide = ConnectSchema.structure(
            [.init("v", .int32), .init("w", .int32), .init("extra", .string)], name: "Row")
        let more = SchemaAndValue(
            wide, .structure(ConnectStruct(wide, values: [.int32(1), .int32(2), .string("x")])))
        #expect(try await Self.made(.avro, options, registry).bytes(more, topic: "T") == [0, 0, 0, 0, 1, 2, 4])
    }

    /// A record or message of another name is read as the newest one, too.
    @Test(arguments: [SchemaType.avro, .protobuf])
    func `the newest schema may have another name`(type: SchemaType) async throws {
        let (old, new, payload): (String, String, [UInt8]) =
            type == .avro
            ? (
                #"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#,
                #"{"type":"record","name":"n.S","fields":[{"name":"a","type":"long"}]}"#, [2]
            )
            : (
                #"syntax = "proto3"; message R { int64 a = 1; }"#,
                #"syntax = "proto3"; message S { int64 a = 1; } message T {}"#, [0, 8, 1]
            )
        let registry = MemoryRegistry()
        let id = try await registry.register(old, type, subject: "t-value", normalize: false)
        _ = try await registry.register(new, type, subject: "t-value", normalize: false)
        let options = try RegistryOptions(["use.latest.version": "true"], isKey: false)
        let converter: any Converter =
            type == .avro ? AvroConverter(registry, options) : ProtobufConverter(registry, options)
        let read = try await converter.value([0, 0, 0, 0, UInt8(id)] + payload, topic: "t")
        #expect(read.schema?.name == (type == .avro ? "n.S" : "S"))
        #expect(read.value.structure?["a"] == .int64(1))
    }

    /// With `use.latest.version` values are read as the subject's newest schema, whichever they were written with.
    @Test(arguments: SchemaType.allCases)
    func `values are read as the newest schema`(type: SchemaType) async throws {
        let (old, new, payload): (String, String, [UInt8]) =
            switch type {
            case .avro:
                (
                    #"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"gone","type":"int"}]}"#,
                    #"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},"#
                        + #"{"name":"b","type":"string","default":"x"}]}"#, [2, 4]
                )
            case .json:
                (
                    #"{"type":"object","title":"R","properties":{"a":{"type":"integer"},"gone":{"type":"integer"}}}"#,
                    #"{"type":"object","title":"R","properties":{"a":{"type":"integer"},"#
                        + #""b":{"type":"string","default":"x"}}}"#, Array(#"{"a":1,"gone":2}"#.utf8)
                )
            case .protobuf:
                (
                    #"syntax = "proto3"; message R { int64 a = 1; int32 gone = 2; }"#,
                    #"syntax = "proto3"; message Other {} message R { int64 a = 1; string b = 3; }"#, [0, 8, 1, 16, 2]
                )
            }
        let registry = MemoryRegistry()
        let id = try await registry.register(old, type, subject: "t-value", normalize: false)
        _ = try await registry.register(new, type, subject: "t-value", normalize: false)
        let options = try RegistryOptions(["use.latest.version": "true"], isKey: false)
        let converter: any Converter =
            switch type {
            case .avro: AvroConverter(registry, options)
            case .json: JSONSchemaConverter(registry, options)
            case .protobuf: ProtobufConverter(registry, options)
            }
        let read = try await converter.value([0, 0, 0, 0, UInt8(id)] + payload, topic: "t")
        #expect(read.schema?.fields.map(\.name) == ["a", "b"])
        #expect(read.value.structure?["a"] == .int64(1))
        #expect(read.value.structure?["b"] == .string(type == .protobuf ? "" : "x"))
        let error = await #expect(throws: ConnectError.self) {
            try await converter.value([0, 0, 0, 0, UInt8(id)] + payload, topic: "u")
        }
        #expect(error?.causes.contains { $0.contains("Error retrieving") } == true, "\(error?.message ?? "")")
    }
}
