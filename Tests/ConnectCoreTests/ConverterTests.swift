import JSONFormat
import ProtobufFormat
import SQLTypes
import SchemaRules
import TestKit
import Testing

@testable import ConnectCore

/// A registry in memory that refuses what its formats refuse.
actor MemoryRegistry: ConverterRegistry {
    private(set) var schemas: [RegistrySchema] = []
    private(set) var subjects: [String: [Int32]] = [:]

    func register(
        _ text: String, _ type: SchemaType, subject: String, normalize: Bool
    ) async throws(ConnectError) -> Int32 {
        do throws(SchemaFailure) { _ = try type.read(text, isNew: true) } catch { throw .data(error.message) }
        if let known = schemas.first(where: { $0.text == text && $0.type == type }) {
            subjects[subject, default: []].append(known.id)
            return known.id
        }
        let id = Int32(schemas.count + 1)
        schemas.append(RegistrySchema(id: id, type: type, text: text))
        subjects[subject, default: []].append(id)
        return id
    }

    func id(of text: String, _ type: SchemaType, subject: String, normalize: Bool) async throws(ConnectError) -> Int32 {
        guard let known = schemas.first(where: { $0.text == text }) else { throw .data("Schema not found") }
        return known.id
    }

    func latest(subject: String) async throws(ConnectError) -> RegistrySchema {
        guard let id = subjects[subject]?.last else { throw .data("Subject '\(subject)' not found.") }
        return try await schema(id: id)
    }

    func schema(id: Int32) async throws(ConnectError) -> RegistrySchema {
        guard let known = schemas.first(where: { $0.id == id }) else { throw .data("Schema \(id) not found") }
        return known
    }

    func schema(guid: String) async throws(ConnectError) -> RegistrySchema { throw .data("Schema \(guid) not found") }

    var names: [String] { subjects.keys.sorted() }
}

@Suite struct ConverterTests {
    /// From upstream's `JsonConverter`: what counts is that keys are texts, not whether they may be null.
    @Test func `a map with texts for keys is an object of JSON, also where they are optional`() throws {
        var options = JSONConverter.Options()
        options.hasSchemas = false
        let schema = ConnectSchema.map(.optionalString, .int32)
        let value = ConnectValue.map(ConnectMap([("a", ConnectValue.int32(1))]))
        let bytes = try JSONConverter(options).bytes(SchemaAndValue(schema, value), topic: "t")
        #expect(bytes.map { String(decoding: $0, as: UTF8.self) } == #"{"a":1}"#)
        options.isSchemaForm = true
        let pairs = try JSONConverter(options).bytes(SchemaAndValue(schema, value), topic: "t")
        #expect(pairs.map { String(decoding: $0, as: UTF8.self) } == #"[{"key":"a","value":1}]"#)
    }

    private static let inner = ConnectSchema.structure(
        [.init("x", .optionalInt32)], name: "com.ex.Inner", isOptional: true)

    /// Everything that all formats can hold.
    private static let schema = ConnectSchema.structure(
        [
            .init("i8", .int8), .init("i16", .int16), .init("i32", .int32), .init("i64", .optionalInt64),
            .init("f32", .float32), .init("f64", .float64), .init("flag", .boolean), .init("text", .optionalString),
            .init("bytes", .optionalBytes), .init("amount", .decimal(scale: 2)), .init("day", .date),
            .init("time", .time), .init("at", .timestamp), .init("list", .array(.string)),
            .init("map", .map(.string, .int32)), .init("numbers", .map(.int32, .string)), .init("inner", inner),
        ], name: "com.ex.Everything", version: 1)

    private static let value: ConnectValue = {
        let innerValue = ConnectStruct(inner, values: [.int32(9)])
        return .structure(
            ConnectStruct(
                schema,
                values: [
                    .int8(-8), .int16(300), .int32(70_000), .int64(1 << 40), .float32(1.5), .float64(-2.25),
                    .boolean(true),
                    .string("Ünï"), .bytes([0, 255]), .decimal(SQLDecimal(unscaled: -1234, scale: 2)),
                    .instant(19_675 * 86_400_000), .instant(80_000_123), .instant(1_700_000_000_123),
                    .array([.string("p"), .string("q")]), .map(ConnectMap([("a", .int32(1))])),
                    .map(ConnectMap([(ConnectValue.int32(5), ConnectValue.string("five"))])), .structure(innerValue),
                ]))
    }()

    private func converter(_ type: SchemaType, _ registry: any ConverterRegistry, _ options: RegistryOptions = .init())
        -> any Converter
    {
        switch type {
        case .avro: AvroConverter(registry, options)
        case .json: JSONSchemaConverter(registry, options)
        case .protobuf: ProtobufConverter(registry, options)
        }
    }

    @Test(arguments: SchemaType.allCases)
    func `values come back from every format of the registry`(type: SchemaType) async throws {
        let converter = converter(type, MemoryRegistry())
        let bytes = try #require(try await converter.bytes(SchemaAndValue(Self.schema, Self.value), topic: "t"))
        #expect(Array(bytes.prefix(5)) == [0, 0, 0, 0, 1])
        let back = try await converter.value(bytes, topic: "t")
        let want = try #require(Self.value.structure)
        let got = try #require(back.value.structure)
        for (index, field) in Self.schema.fields.enumerated() {
            if field.name == "inner" {
                #expect(got["inner"]?.structure?["x"] == .int32(9))
            } else {
                #expect(got[field.name] == want.values[index], "\(field.name)")
            }
        }
        // What was read can be written again.
        #expect(try await converter.bytes(back, topic: "t") != nil)
    }

    /// By hand from Confluent's documentation of the mapping and schemas that its converters register.
    @Test func `Avro schemas are those of the original`() async throws {
        let schema = ConnectSchema.structure(
            [
                .init("id", .int32), .init("small", .int16), .init("name", .optionalString),
                .init("level", ConnectSchema(.int32, defaultValue: .int32(7))),
                .init("amount", .decimal(scale: 2)), .init("at", .optionalTimestamp),
            ], name: "db.tab.Value")
        let text = try AvroConverter(MemoryRegistry(), RegistryOptions()).avroText(schema)
        #expect(
            text == #"{"type":"record","name":"Value","namespace":"db.tab","fields":[{"name":"id","type":"int"},"#
                + #"{"name":"small","type":{"type":"int","connect.type":"int16"}},"#
                + #"{"name":"name","type":["null","string"],"default":null},"#
                + #"{"name":"level","type":{"type":"int","connect.default":7},"default":7},"#
                + #"{"name":"amount","type":{"type":"bytes","scale":2,"precision":64,"connect.version":1,"#
                + #""connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","#
                + #""logicalType":"decimal"}},"#
                + #"{"name":"at","type":["null",{"type":"long","connect.version":1,"#
                + #""connect.name":"org.apache.kafka.connect.data.Timestamp","logicalType":"timestamp-millis"}],"#
                + #""default":null}],"connect.name":"db.tab.Value"}"#)
    }

    private static let nullable = ConnectSchema.structure(
        [.init("id", .int32), .init("name", .optionalString), .init("big", .optionalInt64)], name: "a.Row")

    /// As Confluent's `ProtobufData` answers.
    @Test(arguments: [
        ([:], "int32 id = 1;", "string name = 2;", [true, true, true]),
        (["optional.for.nullables": "true"], "int32 id = 1;", "optional string name = 2;", [false, true, true]),
        (
            ["wrapper.for.nullables": "true"], "int32 id = 1;", "google.protobuf.StringValue name = 2;",
            [false, true, true]
        ),
    ])
    func `Protobuf fields that may be null`(
        options: [String: String], id: String, name: String, areOptional: [Bool]
    ) async throws {
        let converter = ProtobufConverter(MemoryRegistry(), RegistryOptions(), try ProtobufOptions(options))
        let text = try converter.protoText(Self.nullable)
        #expect(text.contains(id) && text.contains(name), "\(text)")
        for value in [ConnectValue.string(""), .null] {
            let row = ConnectStruct(Self.nullable, values: [.int32(7), value, .int64(1 << 40)])
            let bytes = try await converter.bytes(SchemaAndValue(Self.nullable, .structure(row)), topic: "t")
            let back = try await converter.value(bytes, topic: "t")
            #expect(back.schema?.name == "Row")
            #expect(back.schema?.fields.map(\.schema.isOptional) == areOptional)
            // Without the options null and the empty text are one.
            #expect(
                back.value.structure?.values == [.int32(7), options.isEmpty ? .string("") : value, .int64(1 << 40)])
        }
    }

    @Test func `Protobuf keeps what decimals and short integers are, also in arrays`() async throws {
        let price = ConnectSchema.decimal(scale: 2)
        let exact = price.with(parameters: price.parameters + [.init("connect.decimal.precision", "10")])
        let schema = ConnectSchema.structure(
            [
                .init("price", exact), .init("any", price), .init("prices", .array(exact)),
                .init("shorts", .array(.int16)),
            ], name: "Sale")
        let converter = ProtobufConverter(MemoryRegistry(), RegistryOptions())
        let text = try converter.protoText(schema)
        let both = #"[{ key: "precision", value: "10" }, { key: "scale", value: "2" }]"#
        #expect(text.contains("Decimal price = 1 [(confluent.field_meta) = { params: \(both) }];"), "\(text)")
        #expect(text.contains("Decimal prices = 3 [(confluent.field_meta) = { params: \(both) }];"), "\(text)")
        let amount = ConnectValue.decimal(SQLDecimal(unscaled: 1234, scale: 2))
        let row = ConnectStruct(schema, values: [amount, amount, .array([amount]), .array([.int16(300)])])
        let bytes = try await converter.bytes(SchemaAndValue(schema, .structure(row)), topic: "t")
        let back = try await converter.value(bytes, topic: "t")
        func precision(_ schema: ConnectSchema?) -> String? { schema?.parameter("connect.decimal.precision") }
        #expect(precision(back.schema?.field("price")?.schema) == "10")
        #expect(precision(back.schema?.field("any")?.schema) == nil)
        #expect(precision(back.schema?.field("prices")?.schema.valueSchema) == "10")
        #expect(try back.schema?.field("prices")?.schema.valueSchema?.decimalScale() == 2)
        #expect(back.value.structure?.values == row.values)
    }

    @Test func `Protobuf's wrappers, unions and integers are read as in the original`() throws {
        let text = """
            syntax = "proto3"; package p; import "google/protobuf/wrappers.proto";
            message M { uint32 u = 1; google.protobuf.Int64Value w = 2; oneof o { string x = 3; int32 y = 4; } N n = 5;
              message N { int32 z = 1; } }
            """
        let document = try ProtobufConverter.schema(RegistrySchema(id: 1, type: .protobuf, text: text))
        let index = try #require(document.mainMessageIndex)
        let schema = try ProtobufMapping(document, index).connect
        #expect(schema.name == "M")
        #expect(schema.fields.map(\.name) == ["o_0", "u", "w", "n"])
        #expect(schema.field("u")?.schema.parameters.map(\.name) == [ProtobufMapping.integerType, ProtobufMapping.tag])
        #expect(schema.field("w")?.schema.kind == .int64)
        #expect(schema.field("n")?.schema.name == "N")
        var options = ProtobufOptions()
        options.isEnhanced = true
        let enhanced = try ProtobufMapping(document, index, options).connect
        #expect(enhanced.name == "p.M")
        #expect(enhanced.field("n")?.schema.name == "p.M.N")
        #expect(enhanced.field("o_0")?.schema.name == "io.confluent.connect.protobuf.Union.p.M.o")
    }

    @Test func `a type that comes twice is named the second time`() async throws {
        let point = ConnectSchema.structure([.init("x", .int32)], name: "geo.Point")
        let row = ConnectSchema.structure([.init("p", point)], name: "d.t.Value", isOptional: true)
        let schema = ConnectSchema.structure([.init("before", row), .init("after", row)], name: "d.t.Envelope")
        let inner = ConnectStruct(point, values: [.int32(3)])
        let after = ConnectStruct(row, values: [.structure(inner)])
        let value = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.null, .structure(after)])))
        let converter = AvroConverter(MemoryRegistry(), RegistryOptions())
        #expect(try converter.avroText(schema).hasSuffix(#""default":null}],"connect.name":"d.t.Envelope"}"#))
        let back = try await converter.value(try await converter.bytes(value, topic: "t"), topic: "t")
        #expect(back == value)
        let clash = ConnectSchema.structure([.init("a", point), .init("b", .structure([], name: "geo.Point"))])
        #expect(throws: ConnectError.self) { try converter.avroText(clash) }
    }

    @Test(
        arguments: [
            ("org.apache.kafka.connect.json.JsonConverter", [:], true), ("no.Such", [:], false),
            ("io.confluent.connect.avro.AvroConverter", ["schema.registry.url": "http://r:8081"], true),
            ("io.confluent.connect.avro.AvroConverter", [:], false),
            ("org.apache.kafka.connect.converters.LongConverter", [:], true),
            ("org.apache.kafka.connect.json.JsonConverter", ["schemas.enable": "perhaps"], false),
            ("io.confluent.connect.replicator.util.ByteArrayConverter", [:], true),
        ] as [(String, [String: String], Bool)])
    func `converters are made from configurations`(name: String, options: [String: String], isMade: Bool) {
        var properties = ["value.converter": name]
        for (option, value) in options { properties["value.converter." + option] = value }
        var made: (any Converter)?
        do throws(ConnectError) {
            made = try ConverterPlugins.converter("value.converter", properties) { _, _ in MemoryRegistry() }
        } catch {
            #expect(error.code == .config)
        }
        #expect((made != nil) == isMade)
    }

    /// Snowflake's converters are others by other names; its JSON has no envelope, whatever the options say.
    @Test func `Snowflake's converters are taken for what they do`() async throws {
        let package = "com.snowflake.kafka.connector.records."
        func made(_ name: String, _ more: [String: String] = [:]) throws -> (any Converter)? {
            try ConverterPlugins.converter(
                "value.converter", ["value.converter": package + name].merging(more) { $1 }
            ) { _, _ in MemoryRegistry() }
        }
        let json = try #require(try made("SnowflakeJsonConverter", ["value.converter.schemas.enable": "true"]))
        let value = try await json.value(Array(#"{"schema":1,"payload":2,"a":"b"}"#.utf8), topic: "t")
        #expect(value.schema == nil)
        #expect(value.value.map?["a"] == .string("b"))
        let options = ["value.converter.schema.registry.url": "http://r"]
        #expect(try made("SnowflakeAvroConverter", options) is AvroConverter)
        #expect(throws: ConnectError.self) { _ = try made("SnowflakeAvroConverterWithoutSchemaRegistry") }
        let refused = package + "SnowflakeAvroConverterWithoutSchemaRegistry"
        let findings = ConnectorConfig.definition(.sink, ["value.converter": refused], version: "1")
            .validate(["value.converter": refused])
        let errors = findings.first { $0.option.name == "value.converter" }?.errors ?? []
        #expect(errors.first?.contains("take io.confluent.connect.avro.AvroConverter") == true)
    }

    @Test func `Avro schemas come back with names, versions, parameters and defaults`() async throws {
        let enumeration = ConnectSchema(
            .string, defaultValue: .string("a"), name: "io.debezium.data.Enum", version: 1,
            parameters: [.init("allowed", "a,b")])
        let schema = ConnectSchema.structure(
            [.init("e", enumeration), .init("n", ConnectSchema(.int64, isOptional: true, defaultValue: .int64(4)))],
            name: "x.Value", version: 2)
        let value = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.string("b"), .null])))
        let converter = AvroConverter(MemoryRegistry(), RegistryOptions())
        let bytes = try await converter.bytes(value, topic: "t")
        let back = try await converter.value(bytes, topic: "t")
        #expect(back.schema == schema)
        #expect(back.value.structure?.values == [.string("b"), .int64(4)])
    }

    @Test(arguments: [
        ("TopicNameStrategy", "t-value"),
        ("io.confluent.kafka.serializers.subject.RecordNameStrategy", "com.ex.Everything"),
        ("TopicRecordNameStrategy", "t-com.ex.Everything"),
    ])
    func `subjects go by the strategy`(strategy: String, subject: String) async throws {
        for type in SchemaType.allCases {
            let registry = MemoryRegistry()
            let options = try RegistryOptions(["value.subject.name.strategy": strategy], isKey: false)
            _ = try await converter(type, registry, options).bytes(SchemaAndValue(Self.schema, Self.value), topic: "t")
            #expect(await registry.names == [subject])
        }
    }

    @Test(arguments: SchemaType.allCases)
    func `null is null and garbage is an error`(type: SchemaType) async throws {
        let converter = converter(type, MemoryRegistry())
        #expect(try await converter.bytes(SchemaAndValue(ConnectSchema.optionalString, .null), topic: "t") == nil)
        #expect(try await converter.value(nil, topic: "t") == .null)
        await #expect(throws: ConnectError.self) { try await converter.value([7, 1, 2], topic: "t") }
        let written = try await converter.bytes(SchemaAndValue(Self.schema, Self.value), topic: "t")
        let bytes = try #require(written)
        for count in 0..<min(bytes.count, 60) {
            // Cut anywhere it is an error or, in Protobuf, a message with fewer fields; never a trap.
            _ = try? await converter.value(Array(bytes.prefix(count)), topic: "t")
        }
    }

    /// The shape is that of the envelopes in Kafka's documentation; the numbers are Java's.
    @Test func `JSON has the envelope's order and Java's numbers`() throws {
        let schema = ConnectSchema.structure(
            [
                .init("f", .float32), .init("d", .float64),
                .init("s", ConnectSchema(.string, defaultValue: .string("x"))),
            ],
            name: "n", version: 1)
        let value = SchemaAndValue(
            schema, .structure(ConnectStruct(schema, values: [.float32(1e10), .float64(1e-5), .null])))
        let json = try JSONConverter().json(value)
        #expect(
            json.line == #"{"schema":{"type":"struct","fields":[{"type":"float","optional":false,"field":"f"},"#
                + #"{"type":"double","optional":false,"field":"d"},"#
                + #"{"type":"string","optional":false,"default":"x","field":"s"}],"optional":false,"name":"n","version":1},"#
                + #""payload":{"f":1.0E10,"d":1.0E-5,"s":"x"}}"#)
        let back = try JSONConverter().value(json)
        #expect(back.schema == schema)
    }

    @Test(arguments: [
        ("1234", ConnectSchema.int16, ConnectValue.int16(1234)), ("-1", .int8, .int8(-1)), ("1.0", .int8, .int8(1)),
        ("3.5", .float32, .float32(3.5)), ("true", .boolean, .boolean(true)), ("true}", .string, .string("true}")),
        ("2019-08-23", .date, .instant(18_131 * 86_400_000)), ("14:34:54.346Z", .time, .instant(52_494_346)),
        ("a b", .string, .string("a b")), ("[1,400]", .array(.int16), .array([.int16(1), .int16(400)])),
        ("[1,x]", .string, .string("[1,x]")),
        ("{\"a\":1}", .map(.string, .int8), .map(ConnectMap([("a", .int8(1))]))),
    ])
    func `texts of headers are found out`(text: String, schema: ConnectSchema, value: ConnectValue) {
        #expect(ValueText.parse(text) == SchemaAndValue(schema, value))
    }

    /// From runs of Kafka 4.3's converter.
    /// As Kafka's `JsonDeserializer` takes them.
    @Test(arguments: [#"{"a":007}"#, #"{"a":7} {"b":2}"#, #"{"a":7}}"#, "\u{FEFF}{\"a\":7}"])
    func `JSON is taken as Jackson takes it`(text: String) throws {
        var options = JSONConverter.Options()
        options.hasSchemas = false
        let value = try JSONConverter(options).value(Array(text.utf8), topic: "t")
        #expect(value.value == .map(ConnectMap([("a", .int64(7))])))
    }

    @Test(arguments: ["", " \n"]) func `JSON of no bytes is null, and no envelope`(text: String) throws {
        var options = JSONConverter.Options()
        options.hasSchemas = false
        #expect(try JSONConverter(options).value(Array(text.utf8), topic: "t") == .null)
        let error = #expect(throws: ConnectError.self) { try JSONConverter().value(Array(text.utf8), topic: "t") }
        #expect(error?.message.hasPrefix("JsonConverter with schemas.enable requires") == true)
    }

    @Test(arguments: NumberConverter.Kind.allCases)
    func `numbers come back`(kind: NumberConverter.Kind) throws {
        let value: ConnectValue =
            switch kind {
            case .short: .int16(-2)
            case .integer: .int32(1 << 20)
            case .long: .int64(.min)
            case .float: .float32(0.1)
            case .double: .float64(0.1)
            case .boolean: .boolean(true)
            }
        let converter = NumberConverter(kind)
        let bytes = try converter.bytes(SchemaAndValue(nil, value), topic: "t")
        #expect(try converter.value(bytes, topic: "t").value == value)
        #expect(throws: ConnectError.self) { try converter.value([1, 2, 3], topic: "t") }
    }

    @Test(arguments: SchemaType.allCases, [1, 2, 3] as [UInt64])
    func `damaged records are errors or other values, never a trap`(type: SchemaType, seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let converter = converter(type, MemoryRegistry())
        let written = try await converter.bytes(SchemaAndValue(Self.schema, Self.value), topic: "t")
        let bytes = try #require(written)
        var failures = 0
        for _ in 0..<100 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 5..<damaged.count, using: &random)
                damaged[place] = UInt8.random(in: 0...255, using: &random)
            }
            do throws(ConnectError) {
                let value = try await converter.value(damaged, topic: "t")
                _ = try await converter.bytes(value, topic: "t")
            } catch {
                failures += 1
            }
        }
        #expect(failures > 0)
    }

    /// Moments at the ends of what a number holds.
    @Test(arguments: [Int64.min, .max, -1, 0, 253_402_300_800_000], ["Timestamp", "Date", "Time", "string", "unix"])
    func `times at the ends of the range do not trap`(millis: Int64, target: String) throws {
        let chain = try TransformChain([
            "transforms": "t", "transforms.t.type": "org.apache.kafka.connect.transforms.TimestampConverter$Value",
            "transforms.t.target.type": target, "transforms.t.format": "yyyy-MM-dd HH:mm:ss.SSS w",
            "transforms.t.unix.precision": "milliseconds",
        ])
        let record = ConnectRecord(
            topic: "t", value: SchemaAndValue(.int64, .int64(millis)),
            origin: .source(partition: ConnectMap(), offset: ConnectMap()))
        let output = try #require(try chain.apply(record))
        _ = try? JSONConverter().json(output.value)
        #expect(JavaText.string(output.value.value).isEmpty == false)
    }

    @Test func `deep nesting is an error`() throws {
        let text = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        var options = JSONConverter.Options()
        options.hasSchemas = false
        #expect(throws: ConnectError.self) { try JSONConverter(options).value(Array(text.utf8), topic: "t") }
        #expect(ValueText.parse(text) == SchemaAndValue(.string, .string(text)))
        #expect(throws: ConnectError.self) { try RecordExpression(String(repeating: "(", count: 5000)) }
    }
}
