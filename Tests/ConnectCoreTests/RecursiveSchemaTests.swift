import Avro
import ProtobufFormat
import SchemaRules
import Testing

@testable import ConnectCore

/// Schemas of which structs contain themselves: what Confluent's converters read, and what can be done with it.
@Suite struct RecursiveSchemaTests {
    private static let texts: [SchemaType: String] = [
        .avro: #"{"type":"record","name":"N","namespace":"x","doc":"A node.","fields":[{"name":"v","type":"int"},"#
            + #"{"name":"next","type":["null","N"],"default":null},"#
            + #"{"name":"children","type":{"type":"array","items":"N"},"default":[]}]}"#,
        .protobuf: """
        syntax = "proto3"; package x;
        message N { int32 v = 1; N next = 2; repeated N children = 3; }
        """,
        .json: ##"{"type":"object","title":"x.N","properties":{"v":{"type":"integer","connect.type":"int32"},"##
            + ##""next":{"oneOf":[{"type":"null"},{"$ref":"#"}]},"children":{"type":"array","items":{"$ref":"#"}}}}"##,
    ]

    private static func converter(_ type: SchemaType, _ registry: MemoryRegistry) -> any Converter {
        switch type {
        case .avro: AvroConverter(registry, RegistryOptions())
        case .json: JSONSchemaConverter(registry, RegistryOptions())
        case .protobuf:
            ProtobufConverter(registry, RegistryOptions(), Self.enhanced)
        }
    }

    private static var enhanced: ProtobufOptions {
        var options = ProtobufOptions()
        options.isEnhanced = true
        return options
    }

    private static func message(_ schema: ProtobufSchema) throws -> ConnectSchema {
        try ProtobufMapping(schema, #require(schema.mainMessageIndex), enhanced).connect
    }

    /// The Connect schema of a text.
    private static func schema(_ type: SchemaType, _ text: String? = nil) async throws -> ConnectSchema {
        let text = text ?? texts[type] ?? ""
        let registered = RegistrySchema(id: 1, type: type, text: text)
        let schema =
            switch type {
            case .avro: try AvroSchemaReader(try .init(text), .init()).root
            case .json: try JSONSchemaReader(registered).schema()
            case .protobuf:
                try Self.message(try ProtobufConverter.schema(registered))
            }
        return try #require(schema)
    }

    /// 1 with a next one, 2, and two children, 3 and 4, the last of which has a next one, 5.
    private static func tree(_ schema: ConnectSchema) throws -> ConnectValue {
        let next = try #require(schema.field("next")?.schema)
        let child = try #require(schema.field("children")?.schema.valueSchema)
        func node(_ schema: ConnectSchema, _ v: Int32, _ next: ConnectValue = .null, _ children: [ConnectValue] = [])
            -> ConnectValue
        {
            .structure(ConnectStruct(schema, values: [.int32(v), next, .array(children)]))
        }
        let deep = try #require(child.field("next")?.schema)
        return node(schema, 1, node(next, 2), [node(child, 3), node(child, 4, node(deep, 5))])
    }

    private static let treeJSON =
        #"{"v":1,"next":{"v":2,"next":null,"children":[]},"children":[{"v":3,"next":null,"children":[]},"#
        + #"{"v":4,"next":{"v":5,"next":null,"children":[]},"children":[]}]}"#

    @Test(arguments: SchemaType.allCases)
    func `a schema that contains itself is as deep as somebody looks`(type: SchemaType) async throws {
        let schema = try await Self.schema(type)
        #expect(schema.isRecursive)
        var at = schema
        for _ in 0..<300 {
            #expect(at.fields.map(\.name) == ["v", "next", "children"])
            #expect(at.kind == .structure && at.name == "x.N")
            at = try #require(at.field("next")?.schema)
            #expect(at.isOptional)
        }
        let again = try await Self.schema(type)
        #expect(schema == again && schema.hashValue == again.hashValue)
        #expect("\(schema)" == "Schema{x.N:STRUCT}")
        #expect(schema != schema.with(name: "other"))
        #expect(schema.isLike(again))
    }

    @Test(arguments: SchemaType.allCases, SchemaType.allCases)
    func `values go from one format to another`(from: SchemaType, to: SchemaType) async throws {
        let registry = MemoryRegistry()
        let text = try #require(Self.texts[from])
        let id = try await registry.register(text, from, subject: "t-value", normalize: false)
        let schema = try await Self.schema(from)
        let source = Self.converter(from, registry)
        let written = try #require(
            try await source.bytes(SchemaAndValue(schema, Self.tree(schema)), topic: "made"))
        // Read with the schema as it was registered at first.
        let read = try await source.value([0, 0, 0, 0, UInt8(id)] + written[5...], topic: "t")
        #expect(read.value == (try Self.tree(try #require(read.schema))))
        let target = Self.converter(to, registry)
        let copied = try #require(try await target.bytes(read, topic: "copy"))
        let back = try await target.value(copied, topic: "copy")
        var plain = JSONConverter.Options()
        plain.hasSchemas = false
        #expect(try JSONConverter(plain).json(back).line == Self.treeJSON)
    }

    @Test func `what is written contains itself by its name`() async throws {
        let schema = try await Self.schema(.avro)
        let avro = try AvroSchemaWriter.text(schema, .init())
        #expect(
            avro.hasPrefix(
                #"{"type":"record","name":"N","namespace":"x","doc":"A node.","fields":[{"name":"v","type":"int"},"#
                    + #"{"name":"next","type":["null","N"],"default":null},"#
                    + #"{"name":"children","type":{"type":"array","items":"N","connect.default":[]},"default":[]}],"#),
            "\(avro)")
        let json = try JSONSchemaConverter(MemoryRegistry(), RegistryOptions()).schemaText(schema)
        #expect(json.contains(##""next":{"connect.index":1,"oneOf":[{"type":"null"},{"$ref":"#"}]}"##), "\(json)")
        let proto = try ProtobufConverter(MemoryRegistry(), RegistryOptions()).protoText(schema)
        #expect(proto.contains("  .x.N next = 2;") && proto.contains("  repeated .x.N children = 3;"), "\(proto)")
    }

    /// A tree of JSON: a list is a text, or an object with a list.
    @Test func `a union that contains itself is written and read`() async throws {
        let text = ##"""
            {"type":"object","title":"Top","properties":{"list":{"$ref":"#/definitions/List"}},"definitions":{
            "List":{"oneOf":[{"type":"string"},{"type":"object","title":"Cell","properties":{
            "head":{"type":"string","connect.index":0},"tail":{"connect.index":1,"$ref":"#/definitions/List"}}}]}}}
            """##
        let registry = MemoryRegistry()
        let id = try await registry.register(text, .json, subject: "t-value", normalize: false)
        let converter = JSONSchemaConverter(registry, RegistryOptions())
        let line = #"{"list":{"head":"a","tail":{"head":"b","tail":"end"}}}"#
        let read = try await converter.value([0, 0, 0, 0, UInt8(id)] + Array(line.utf8), topic: "t")
        let written = try #require(try await converter.bytes(read, topic: "copy"))
        #expect(String(decoding: written[5...], as: UTF8.self) == line)
        let back = try await converter.value(written, topic: "copy")
        var plain = JSONConverter.Options()
        plain.hasSchemas = false
        plain.isSchemaForm = true
        #expect(try JSONConverter(plain).json(back).line == line)
        let schema = try converter.schemaText(try #require(read.schema))
        #expect(schema.contains(##""$ref":"#/properties/list""##), "\(schema)")
    }

    @Test func `the envelope of JSON has no such schemas`() async throws {
        let schema = try await Self.schema(.avro)
        let value = SchemaAndValue(schema, try Self.tree(schema))
        let error = #expect(throws: ConnectError.self) { try JSONConverter().bytes(value, topic: "t") }
        #expect(error?.message.contains("Schema{x.N:STRUCT} contains itself") == true, "\(error?.message ?? "")")
    }

    @Test func `structs that contain each other`() async throws {
        let text = """
            syntax = "proto3"; package x;
            message A { string name = 1; B b = 2; map<string, A> more = 3; }
            message B { A a = 1; oneof either { B left = 2; A right = 3; } }
            """
        let schema = try await Self.schema(.protobuf, text)
        let a = try #require(schema.field("b")?.schema.field("a")?.schema)
        #expect(a.name == "x.A" && a.isOptional)
        #expect(schema.field("more")?.schema.valueSchema?.field("b")?.schema.name == "x.B")
        let either = try #require(schema.field("b")?.schema.fields.first?.schema)
        #expect(either.fields.map(\.schema.name) == ["x.B", "x.A"])
        for to in SchemaType.allCases {
            let converter = Self.converter(to, MemoryRegistry())
            let inner = ConnectStruct(a, values: [.string("in"), .null, .map(ConnectMap())])
            let b = try #require(schema.field("b")?.schema)
            let left = ConnectStruct(either, values: [.null, .structure(inner)])
            let value = ConnectValue.structure(
                ConnectStruct(
                    schema,
                    values: [
                        .string("out"), .structure(ConnectStruct(b, values: [.structure(left), .null])),
                        .map(ConnectMap([("k", .structure(inner))])),
                    ]))
            let bytes = try #require(try await converter.bytes(SchemaAndValue(schema, value), topic: "t"), "\(to)")
            let back = try await converter.value(bytes, topic: "t")
            #expect(back.value.structure?["name"] == .string("out"), "\(to)")
            #expect(
                back.value.structure?["more"]?.map?["k"]?.structure?["name"] == .string("in"), "\(to)")
        }
    }

    /// Types of Google's that contain themselves: the values of JSON.
    @Test func `google protobuf Struct is read`() async throws {
        let text = """
            syntax = "proto3"; import "google/protobuf/struct.proto";
            message E { google.protobuf.Struct data = 1; }
            """
        let schema = try await Self.schema(.protobuf, text)
        let fields = try #require(schema.field("data")?.schema.field("fields")?.schema)
        #expect(fields.kind == .map && fields.valueSchema?.name == "google.protobuf.Value")
    }

    /// Each of these has many ways through the schema: none is followed without a value.
    @Test(arguments: SchemaType.allCases)
    func `trees are followed as far as values go`(type: SchemaType) async throws {
        let binary: [SchemaType: String] = [
            .avro: #"{"type":"record","name":"T","fields":[{"name":"l","type":["null","T"],"default":null},"#
                + #"{"name":"r","type":["null","T"],"default":null},{"name":"m","type":["null","T"],"default":null}]}"#,
            .protobuf: #"syntax = "proto3"; message T { T l = 1; T r = 2; T m = 3; }"#,
            .json: ##"{"type":"object","title":"T","properties":{"l":{"oneOf":[{"type":"null"},{"$ref":"#"}]},"##
                + ##""r":{"oneOf":[{"type":"null"},{"$ref":"#"}]},"m":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}}"##,
        ]
        let schema = try await Self.schema(type, binary[type])
        func tree(_ schema: ConnectSchema, _ depth: Int) -> ConnectValue {
            if depth == 0 { return .null }
            return .structure(ConnectStruct(schema, values: schema.fields.map { tree($0.schema, depth - 1) }))
        }
        // More places than are kept.
        let value = tree(schema, 10)
        let converter = Self.converter(type, MemoryRegistry())
        let bytes = try #require(try await converter.bytes(SchemaAndValue(schema, value), topic: "t"))
        let back = try await converter.value(bytes, topic: "t")
        var count = 0
        func visit(_ value: ConnectValue) {
            guard case .structure(let structure) = value else { return }
            count += 1
            structure.values.forEach(visit)
        }
        visit(back.value)
        #expect(count == (0..<10).reduce(0) { sum, depth in sum + (0..<depth).reduce(1) { product, _ in product * 3 } })
        #expect(back.value.hashValue == back.value.hashValue && back.value == back.value)
        #expect(schema.sample.structure?.values == [.null, .null, .null])
    }

    /// Types that stand in two places each: what is made of them must not be made for every way that leads to them.
    @Test(.timeLimit(.minutes(1))) func `types in many places stay one`() async throws {
        var inner = #"{"type":"record","name":"T0","fields":[{"name":"again","type":["null","R"],"default":null}]}"#
        for level in 1...40 {
            inner =
                #"{"type":"record","name":"T\#(level)","fields":[{"name":"a","type":\#(inner)},"#
                + #"{"name":"b","type":"T\#(level - 1)"}]}"#
        }
        let text = #"{"type":"record","name":"R","fields":[{"name":"t","type":\#(inner)}]}"#
        let schema = try await Self.schema(.avro, text)
        var at = try #require(schema.field("t")?.schema)
        for _ in 0..<40 {
            #expect(at.field("a")?.schema === at.field("b")?.schema)
            at = try #require(at.field("a")?.schema)
        }
        #expect(at.field("again")?.schema.field("t")?.schema.name == "T40")
    }

    @Test func `values that are nested too deep are refused`() async throws {
        let registry = MemoryRegistry()
        let text = #"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#
        let id = try await registry.register(text, .avro, subject: "t-value", normalize: false)
        let converter = Self.converter(.avro, registry)
        let deep = [0, 0, 0, 0, UInt8(id)] + Array(repeating: UInt8(2), count: 100_000) + [0]
        await #expect(throws: ConnectError.self) { try await converter.value(deep, topic: "t") }
        let json = Self.converter(.json, registry)
        let list = ##"{"type":"object","title":"L","properties":{"next":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}}"##
        let listID = try await registry.register(list, .json, subject: "j-value", normalize: false)
        let payload = Array(String(repeating: #"{"next":"#, count: 5000).utf8) + Array("null".utf8)
        await #expect(throws: ConnectError.self) {
            try await json.value(
                [0, 0, 0, 0, UInt8(listID)] + payload + Array(repeating: UInt8(ascii: "}"), count: 5000), topic: "j")
        }
    }

    @Test(arguments: [
        ##"{"type":"array","items":{"$ref":"#"}}"##, ##"{"$ref":"#"}"##,
        ##"{"type":"object","properties":{"a":{"$ref":"#/properties/a"}}}"##,
        ##"{"allOf":[{"$ref":"#"},{"type":"object","properties":{}}]}"##,
        ##"{"type":"object","properties":{"a":{"type":"array","items":{"$ref":"#/properties/a"}}}}"##,
    ])
    func `what contains itself without a struct in between is refused`(text: String) async {
        await #expect(throws: ConnectError.self) { try await Self.schema(.json, text) }
    }

    @Test func `references lead to places with odd names`() async throws {
        let text =
            ##"{"type":"object","properties":{"a/b c~d%é":{"type":"object","title":"I","properties":"##
            + ##"{"n":{"oneOf":[{"type":"null"},{"$ref":"#/properties/a~1b%20c~0d%25%C3%A9"}]}}}}}"##
        let schema = try await Self.schema(.json, text)
        let inner = try #require(schema.fields.first?.schema)
        #expect(inner.isRecursive && inner.field("n")?.schema.field("n")?.schema.name == "I")
        let written = try JSONSchemaConverter(MemoryRegistry(), RegistryOptions()).schemaText(schema)
        #expect(written.contains(##"{"$ref":"#/properties/a~1b%20c~0d%25%C3%A9"}"##), "\(written)")
        #expect(try await Self.schema(.json, written).fields.first?.schema.isRecursive == true)
    }

    // MARK: transforms

    private static func transformed(_ options: [(String, String)], _ record: ConnectRecord) async throws
        -> ConnectRecord?
    {
        var properties = [("transforms", "t")]
        for (name, value) in options { properties.append(("transforms.t." + name, value)) }
        let chain = try TransformChain(Dictionary(uniqueKeysWithValues: properties))
        return try chain.apply(record)
    }

    private static func record(_ schema: ConnectSchema) throws -> ConnectRecord {
        ConnectRecord(
            topic: "t", value: SchemaAndValue(schema, try tree(schema)),
            origin: .sink(topic: "t", partition: 0, offset: 0, timestampKind: .create))
    }

    @Test(arguments: [
        ([("type", "ReplaceField$Value"), ("exclude", "v")], #"{"next":{"v":2,"#),
        ([("type", "Cast$Value"), ("spec", "v:string")], #"{"v":"1","next":{"v":2,"#),
        ([("type", "SetSchemaMetadata$Value"), ("schema.name", "other")], #"{"v":1,"next":{"v":2,"#),
        ([("type", "HoistField$Value"), ("field", "h")], #"{"h":{"v":1,"next":{"v":2,"#),
        ([("type", "InsertField$Value"), ("static.field", "s"), ("static.value", "x")], #"{"v":1,"next":{"v":2,"#),
        ([("type", "ExtractField$Value"), ("field", "next")], #"{"v":2,"next":null,"#),
        ([("type", "MaskField$Value"), ("fields", "v")], #"{"v":0,"next":{"v":2,"#),
    ])
    func `transforms take records that contain themselves`(options: [(String, String)], start: String) async throws {
        let schema = try await Self.schema(.avro)
        let made = try #require(
            try await Self.transformed(
                options.map { ($0.0, $0.0 == "type" ? "org.apache.kafka.connect.transforms." + $0.1 : $0.1) },
                Self.record(schema)))
        var plain = JSONConverter.Options()
        plain.hasSchemas = false
        let line = try JSONConverter(plain).json(made.value).line
        #expect(line.hasPrefix(start), "\(line)")
        #expect(made.value.schema?.hashValue == made.value.schema?.hashValue)
    }

    @Test func `a record that contains itself is not made flat`() async throws {
        let schema = try await Self.schema(.avro)
        let error = await #expect(throws: ConnectError.self) {
            try await Self.transformed(
                [("type", "org.apache.kafka.connect.transforms.Flatten$Value")], Self.record(schema))
        }
        #expect(error?.message.contains("contains itself") == true, "\(error?.message ?? "")")
    }

    /// What was unrolled belongs to the places above it: nothing holds itself.
    @Test func `a schema that contains itself goes with its last user`() async throws {
        weak var root: ConnectSchema?
        weak var inner: ConnectSchema?
        do {
            let schema = try await Self.schema(.avro)
            let deep = try #require(schema.field("next")?.schema.field("next")?.schema.field("children")?.schema)
            #expect(deep.valueSchema?.field("v") != nil)
            (root, inner) = (schema, deep)
            #expect(root != nil && inner != nil)
        }
        #expect(root == nil && inner == nil)
    }

    /// The same types, entered at another struct first: what one schema has as a reference the other has around it.
    @Test func `schemas that come to the same types from elsewhere are compared to an end`() async throws {
        let node = #"{"type":"record","name":"Node","fields":[{"name":"x","type":["null",\#(0)],"default":null}]}"#
        let mid = #"{"type":"record","name":"Mid","fields":[{"name":"x","type":["null",\#(0)],"default":null}]}"#
        func text(_ fields: String) -> String { #"{"type":"record","name":"W","fields":[\#(fields)]}"# }
        func filled(_ text: String, _ inner: String) -> String {
            text.split(separator: "0").joined(separator: inner)
        }
        let inNode = filled(node, filled(mid, #""Node""#))
        let inMid = filled(mid, filled(node, #""Mid""#))
        let first = try await Self.schema(.avro, text(#"{"name":"n","type":\#(inNode)}"#))
        let second = try await Self.schema(
            .avro, text(#"{"name":"m","type":["null",\#(inMid)],"default":null},{"name":"n","type":"Node"}"#))
        let (n, other) = (try #require(first.field("n")).schema, try #require(second.field("n")).schema)
        #expect(n == other)
        #expect(n.isLike(other))
        #expect(first != second)
        #expect(!first.isLike(second))
        let m = try #require(second.field("m")).schema
        #expect(n != m)
        #expect(ConnectSchema.hasSameFields(n, n.with(isOptional: true)))
    }
}
