import ConnectCore
import SchemaRules
import Testing

@Suite struct RecordChangeTests {
    static func record(_ fields: [(String, ConnectSchema)]) -> ConnectRecord {
        let schema = ConnectSchema.structure(fields.map { .init($0.0, $0.1) }, name: "r")
        return ConnectRecord(
            topic: "t", partition: 0, key: SchemaAndValue(.optionalString, .string("1")),
            value: SchemaAndValue(schema, schema.sample), timestamp: 0,
            origin: .sink(topic: "t", partition: 0, offset: 0, timestampKind: .create))
    }

    private static let change = RecordChange(
        before: record([("id", .int32), ("name", .string), ("at", .timestamp), ("gone", .string)]),
        after: record([("id", .string), ("name", .string), ("at", .timestamp), ("new", .optionalString)]))

    private static func chain(_ transforms: [(String, [String: String])]) throws -> TransformChain {
        var properties = ["transforms": transforms.map(\.0).joined(separator: ",")]
        for (name, options) in transforms {
            for (option, value) in options { properties["transforms.\(name).\(option)"] = value }
        }
        return try TransformChain(properties)
    }

    private static func type(_ name: String) -> String { "org.apache.kafka.connect.transforms." + name }

    @Test func `fields that vanish, come and change are told apart`() {
        let fields = Self.change.fields
        #expect(fields.map(\.name) == ["gone", "id", "new"])
        #expect(fields[0].after == nil)
        #expect(fields[2].before == nil)
        #expect(fields[1].before?.shown == "INT32")
        #expect(fields[1].after?.isRelated(to: .int64) == false)
        #expect(ConnectSchema.timestamp.isRelated(to: .date))
    }

    @Test func `fields in templates and lists of options are found`() {
        #expect(
            Self.change.templates(["http.api.url": "http://h/${gone}/${topic}/${id}", "name": "x"]).map(\.reason) == [
                "option 'http.api.url' names field gone (STRING), which vanishes",
                "option 'http.api.url' names field id: INT32 becomes STRING",
            ])
        #expect(Self.change.named(["name", "at", "never"], by: "option 'x'").isEmpty)
    }

    @Test func `a transform that fails with the new record only breaks the connector`() throws {
        let (found, arrived) = Self.change.through(
            try Self.chain([("key", ["type": Self.type("ValueToKey"), "fields": "gone"])]))
        #expect(arrived == nil)
        #expect(found.first?.reason == "transform 'key' (ValueToKey) names field gone (STRING), which vanishes")
        #expect(found.contains { $0.breaks && $0.reason.hasPrefix("transform 'key' fails: ") })
    }

    @Test func `names change on the way, and so does what they mean`() throws {
        let (found, arrived) = Self.change.through(
            try Self.chain([
                ("rename", ["type": Self.type("ReplaceField$Value"), "renames": "gone:kept,name:title"]),
                ("take", ["type": Self.type("ExtractField$Value"), "field": "title"]),
            ]))
        #expect(
            found.map(\.reason) == [
                "transform 'rename' (ReplaceField$Value) names field gone (STRING), which vanishes"
            ])
        #expect(arrived?.after.value.schema == .string)
    }

    @Test func `a transform that fails with made-up values of both is passed over`() throws {
        let format = ["type": Self.type("TimestampConverter$Value"), "field": "name", "target.type": "Timestamp"]
        let (found, arrived) = Self.change.through(
            try Self.chain([("ts", format.merging(["format": "yyyy-MM-dd"]) { $1 })]))
        #expect(found.isEmpty)
        #expect(arrived?.fields.count == 3)
    }

    @Test func `converters of a registry tell what they read`() throws {
        let avro = try RegistryConverter(
            "value.converter",
            [
                "value.converter": "io.confluent.connect.avro.AvroConverter",
                "value.converter.use.latest.version": "true",
            ])
        #expect(avro?.type == .avro)
        #expect(avro?.options.usesLatest == true)
        let text = #"{"type":"record","name":"r","fields":[{"name":"a","type":["null","long"]}]}"#
        let schema = try avro?.connectSchema(RegistrySchema(id: 1, type: .avro, text: text))
        #expect(schema?.field("a")?.schema == .optionalInt64)
        let proto = try RegistryConverter(
            "key.converter", ["key.converter": "io.confluent.connect.protobuf.ProtobufConverter"])
        #expect(
            try proto?.connectSchema(
                RegistrySchema(id: 1, type: .protobuf, text: #"syntax = "proto3"; message M { string a = 1; }"#))?
                .field("a")?.schema.kind == .string)
        let json = try RegistryConverter(
            "value.converter", ["value.converter": "io.confluent.connect.json.JsonSchemaConverter"])
        #expect(
            try json?.connectSchema(
                RegistrySchema(id: 1, type: .json, text: #"{"type":"object","properties":{"a":{"type":"integer"}}}"#))?
                .field("a")?.schema.kind == .int64)
        #expect(
            try RegistryConverter(
                "value.converter", ["value.converter": "org.apache.kafka.connect.json.JsonConverter"]) == nil)
    }
}
