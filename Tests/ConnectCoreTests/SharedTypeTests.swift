import Avro
import SchemaRules
import Testing

@testable import ConnectCore

/// Schemas of which each type uses the one below it twice: n types and 2^n paths through them. Whatever is done with one has
/// to take about as long as its text is, or be refused.
@Suite(.timeLimit(.minutes(2))) struct SharedTypeTests {
    /// - Parameter lowest: the field of the type at the bottom, or of all texts that tell schemas apart.
    private static func text(_ type: SchemaType, lowest: String = "v") -> String {
        switch type {
        case .avro:
            var inner = #"{"type":"record","name":"L0","fields":[{"name":""# + lowest + #"","type":"int"}]}"#
            for level in 1...40 {
                inner =
                    #"{"type":"record","name":"L\#(level)","fields":[{"name":"a","type":["null",\#(inner)],"default":null},"#
                    + #"{"name":"b","type":["null","L\#(level - 1)"],"default":null}]}"#
            }
            return inner
        case .json:
            let levels = (1...20).map { level in
                let below = level == 1 ? "L0" : "L\(level - 1)"
                let field = ##"{"oneOf":[{"type":"null"},{"$ref":"#/definitions/\##(below)"}]}"##
                return
                    ##""L\##(level)":{"type":"object","title":"L\##(level)","properties":{"a":\##(field),"b":\##(field)}}"##
            }
            return ##"{"type":"object","title":"Top","properties":{"a":{"$ref":"#/definitions/L20"}},"definitions":{"##
                + ##""L0":{"type":"object","title":"L0","properties":{"\##(lowest)":{"type":"integer"}}},"##
                + levels.joined(separator: ",") + "}}"
        case .protobuf:
            let levels = (1...40).reversed().map { "message L\($0) { L\($0 - 1) a = 1; L\($0 - 1) b = 2; }\n" }
            return "syntax = \"proto3\";\n" + levels.joined() + "message L0 { int32 \(lowest) = 1; }\n"
        }
    }

    private static func registered(_ type: SchemaType, lowest: String = "v") -> RegistrySchema {
        RegistrySchema(id: 1, type: type, text: text(type, lowest: lowest))
    }

    private static func options(_ type: SchemaType, _ more: [String: String] = [:]) -> [String: String] {
        let name =
            switch type {
            case .avro: "io.confluent.connect.avro.AvroConverter"
            case .json: "io.confluent.connect.json.JsonSchemaConverter"
            case .protobuf: "io.confluent.connect.protobuf.ProtobufConverter"
            }
        return more.merging(["value.converter": name]) { first, _ in first }
    }

    private static func schema(_ type: SchemaType, lowest: String = "v") throws -> ConnectSchema {
        let converter = try #require(try RegistryConverter("value.converter", options(type)))
        return try #require(try converter.connectSchema(registered(type, lowest: lowest)))
    }

    /// With nothing in it.
    private static func value(_ schema: ConnectSchema) -> SchemaAndValue {
        var structure = ConnectStruct(schema)
        for (index, field) in schema.fields.enumerated() where !field.schema.isOptional {
            structure[index] = value(field.schema).value
        }
        return SchemaAndValue(schema, .structure(structure))
    }

    @Test(arguments: SchemaType.allCases)
    func `schemas are compared`(type: SchemaType) throws {
        let schema = try Self.schema(type)
        #expect(schema.unfoldedCount > 1 << 20)
        let (again, other) = (try Self.schema(type), try Self.schema(type, lowest: "w"))
        #expect(schema == again && schema.isSameStruct(as: again) && schema.isLike(again))
        #expect(schema != other && !schema.isSameStruct(as: other) && !schema.isLike(other))
        // What is there beside it makes no difference.
        let outer = ConnectSchema.structure([.init("x", schema), .init("y", .int32)])
        #expect(outer == .structure([.init("x", again), .init("y", .int32)]))
        #expect(outer != .structure([.init("x", again), .init("y", .int64)]))
    }

    @Test(arguments: SchemaType.allCases)
    func `a made-up value has an end`(type: SchemaType) throws {
        let schema = try Self.schema(type)
        let wide = ConnectSchema.structure(
            [.init("deep", schema)] + (0..<50).map { .init("f\($0)", .map(.string, .int32)) })
        for schema in [schema, wide, .array(schema), .map(.string, schema)] {
            var left = 20_000
            #expect(schema.sample.takeCount(from: &left))
        }
        // What is small is there in full, whatever stands beside it.
        let sample = wide.sample.structure?.values.last?.map
        #expect(sample?.entries.first?.value == .int32(1))
    }

    @Test func `the impact of a candidate is told`() throws {
        func record(_ schema: ConnectSchema) -> ConnectRecord {
            var record = ConnectRecord(
                topic: "t", partition: 0, timestamp: 0,
                origin: .sink(topic: "t", partition: 0, offset: 0, timestampKind: .create))
            record.value = SchemaAndValue(schema, schema.sample)
            return record
        }
        let change = RecordChange(
            before: record(try Self.schema(.avro)), after: record(try Self.schema(.avro, lowest: "w")))
        #expect(change.fields.map(\.name) == ["a", "b"])
        let chain = try TransformChain([
            "transforms": "flat,cast", "transforms.flat.type": "org.apache.kafka.connect.transforms.Flatten$Value",
            "transforms.cast.type": "org.apache.kafka.connect.transforms.Cast$Value",
            "transforms.cast.spec": "a:string",
        ])
        _ = change.through(chain)
    }

    @Test(arguments: SchemaType.allCases, SchemaType.allCases)
    func `converters write it or refuse it`(from: SchemaType, to: SchemaType) async throws {
        let schema = try Self.schema(from)
        let registry = MemoryRegistry()
        let converter: any Converter =
            switch to {
            case .avro: AvroConverter(registry, RegistryOptions())
            case .json: JSONSchemaConverter(registry, RegistryOptions())
            case .protobuf: ProtobufConverter(registry, RegistryOptions())
            }
        do throws(ConnectError) {
            let bytes = try await converter.bytes(Self.value(schema), topic: "t")
            let read = try await converter.value(bytes, topic: "t")
            #expect(read.schema?.kind == .structure)
        } catch {
            #expect(error.message.contains("more than") || error.message.contains("too deep"), "\(error.message)")
        }
    }

    @Test func `plain JSON is written, with its schema it is refused`() throws {
        let schema = try Self.schema(.avro)
        var options = JSONConverter.Options()
        options.hasSchemas = false
        let bytes = try JSONConverter(options).bytes(Self.value(schema), topic: "t")
        #expect(bytes.map { String(decoding: $0, as: UTF8.self) } == #"{"a":null,"b":null}"#)
        let error = #expect(throws: ConnectError.self) { try JSONConverter().bytes(Self.value(schema), topic: "t") }
        #expect(error?.message.contains("has more than 100000 fields when types") == true, "\(error?.message ?? "")")
    }

    /// No bytes at all, which are 2^40 structs without fields.
    @Test func `values without bytes have an end`() async throws {
        var inner = #"{"type":"record","name":"L0","fields":[]}"#
        for level in 1...40 {
            inner =
                #"{"type":"record","name":"L\#(level)","fields":[{"name":"a","type":\#(inner)},"#
                + #"{"name":"b","type":"L\#(level - 1)"}]}"#
        }
        let array = #"{"type":"array","items":{"type":"record","name":"E","fields":[]}}"#
        for (schema, payload) in [(inner, []), (array, [UInt8](repeating: 0x7E, count: 100_000) + [0])] {
            let registry = MemoryRegistry()
            let id = try await registry.register(schema, .avro, subject: "t-value", normalize: false)
            let converter = AvroConverter(registry, RegistryOptions())
            let bytes: [UInt8] = [0, 0, 0, 0, UInt8(id)] + payload
            let error = await #expect(throws: ConnectError.self) { try await converter.value(bytes, topic: "t") }
            #expect(error?.causes.contains { $0.contains("take no bytes") } == true, "\(error?.causes ?? [])")
        }
    }

    private static func nested() -> [String] {
        let head = "syntax = \"proto3\";\n"
        // Contains itself, so that it is a reference.
        let recursive = text(.protobuf).replacing(
            head, with: head + "message Top { L40 deep = 1; repeated Top tops = 2; }\n")
        // Each type is inside the ones below it, where it is a reference.
        let levels = (2...39).map { level in
            "message L\(level) { repeated L\(level - 1) below = 1; L\(level + 1) a = 2; L\(level + 1) b = 3; }\n"
        }
        let crossed =
            head + "message Top { L40 first = 1; L1 last = 2; }\nmessage L1 { L2 a = 1; L2 b = 2; int32 v = 3; }\n"
            + levels.joined() + "message L40 { repeated L39 below = 1; }\n"
        return [text(.protobuf), recursive, crossed]
    }

    @Test(arguments: nested())
    func `Protobuf messages that are not set are not filled in without end`(text: String) async throws {
        let registry = MemoryRegistry()
        let id = try await registry.register(text, .protobuf, subject: "t-value", normalize: false)
        let converter = ProtobufConverter(
            registry, RegistryOptions(), try ProtobufOptions(["generate.struct.for.nulls": "true"]))
        let error = await #expect(throws: ConnectError.self) {
            try await converter.value([0, 0, 0, 0, UInt8(id), 0], topic: "t")
        }
        #expect(error?.message.contains("generate.struct.for.nulls=true") == true, "\(error?.message ?? "")")
    }

    /// Each place of a type has its default.
    @Test func `defaults are written out as often as there is room`() async throws {
        let large = ConnectSchema.array(
            .int32, isOptional: true
        ).with(defaultValue: .some(.array(Array(repeating: .int32(0), count: 10_000))))
        let wide = ConnectSchema.structure((0..<200).map { .init("f\($0)", large) }, name: "Wide")
        let value = SchemaAndValue(wide, .structure(ConnectStruct(wide)))
        let converters: [any Converter] = [JSONSchemaConverter(MemoryRegistry(), RegistryOptions()), JSONConverter()]
        for converter in converters {
            let error = await #expect(throws: ConnectError.self) { try await converter.bytes(value, topic: "t") }
            #expect(error?.message.contains("defaults of more than 1048576 values") == true, "\(error?.message ?? "")")
        }
        let few = ConnectSchema.structure([.init("a", large), .init("b", large)], name: "Few")
        for converter in converters {
            _ = try await converter.bytes(SchemaAndValue(few, .structure(ConnectStruct(few))), topic: "u")
        }
    }

    @Test func `a message may have very many types of one name`() throws {
        let fields = (0..<5000).map { place in
            ConnectSchema.Field("f\(place)", .structure([.init("v\(place)", .int32)], name: "n.T"))
        }
        let again = ConnectSchema.Field("again", fields[1].schema)
        let constants = ConnectSchema.string.with(parameters: [
            .init(ProtobufMapping.enumeration, "T"), .init(ProtobufMapping.enumeration + ".X", "0"),
        ])
        let text = try ProtobufText(
            .structure(fields + [again, .init("e", constants)], name: "Top"), ProtobufOptions()
        ).text
        #expect(
            text.contains("  T f0 = 1;") && text.contains("  T2 f1 = 2;") && text.contains("  T5000 f4999 = "))
        #expect(text.contains("  T2 again = "))
        // Enums share their names with messages.
        #expect(text.contains("  T5001 e = ") && text.contains("  enum T5001 {"))
    }

    /// Each default is made of two of the one below.
    @Test func `defaults that are made of defaults have an end`() throws {
        let levels = (1...25).map { level in
            let field = ##"{"$ref":"#/definitions/L\##(level - 1)"}"##
            return ##""L\##(level)":{"type":"object","properties":{"a":\##(field),"b":\##(field)},"default":{}}"##
        }
        let text =
            ##"{"type":"object","properties":{"a":{"$ref":"#/definitions/L25"}},"definitions":{"##
            + ##""L0":{"type":"object","properties":{"v":{"type":"integer","default":1}},"default":{}},"##
            + levels.joined(separator: ",") + "}}"
        let error = #expect(throws: ConnectError.self) {
            try JSONSchemaReader(RegistrySchema(id: 1, type: .json, text: text)).schema()
        }
        #expect(error?.message.contains("defaults of more than 1048576 values") == true, "\(error?.message ?? "")")
    }
}
