import Testing

@testable import ConnectCore

/// Transforms of Confluent's and of the common collection, by their documentation.
@Suite struct CommonTransformTests {
    private static let schema = ConnectSchema.structure(
        [
            .init("product", .optionalString), .init("amount", .optionalFloat32), .init("at", .timestamp),
            .init("flag", .boolean),
        ], name: "Order")

    private static func record(_ product: String?, _ amount: Float?, topic: String = "day12-sys01") -> ConnectRecord {
        let values: [ConnectValue] = [
            product.map { .string($0) } ?? .null, amount.map { .float32($0) } ?? .null, .instant(1_607_702_256_000),
            .boolean(false),
        ]
        return ConnectRecord(
            topic: topic, value: SchemaAndValue(schema, .structure(ConnectStruct(schema, values: values))),
            timestamp: 1, origin: .source(partition: ConnectMap(), offset: ConnectMap()))
    }

    private static func map(_ entries: [(String, ConnectValue)]) -> ConnectRecord {
        var record = record(nil, nil, topic: "bar")
        record.value = SchemaAndValue(nil, .map(ConnectMap(entries)))
        return record
    }

    private static let confluent = "io.confluent.connect.transforms."
    private static let common = "com.github.jcustenborder.kafka.connect.transform.common."

    private static func chain(_ type: String, _ options: [String: String]) throws(ConnectError) -> TransformChain {
        var properties = ["transforms": "x", "transforms.x.type": type]
        for (name, value) in options { properties["transforms.x." + name] = value }
        return try TransformChain(properties) { 1_700_000_000_123 }
    }

    private static func filter(_ condition: String, _ options: [String: String] = [:]) throws(ConnectError)
        -> TransformChain
    {
        try chain(
            confluent + "Filter$Value",
            ["filter.condition": condition, "filter.type": "include"].merging(options) { $1 })
    }

    @Test(arguments: [
        ("$[?(@.product =~ /.*Stout/)]", true), ("$[?(@.product =~ /.*stout/)]", false),
        ("$[?(@.product =~ /.*stout/i)]", true), ("$[?(@.product =~ /Stout/)]", false),
        ("$[?(@.amount < 42)]", true), ("$[?(@.amount > 42)]", false), ("$[?(@.nosuch < 42)]", false),
        ("$[?(@.nosuch > 42)]", false), ("$[?(@.product == 'Imperial Stout' && @.amount == 4.5)]", true),
        ("$[?(@.product == \"x\" || @.amount >= 4)]", true), ("$[?(@.product in ['a', 'Imperial Stout'])]", true),
        ("$[?(@.flag)]", true), ("$[?(@.nosuch)]", false), ("$[?(!(@.nosuch))]", true), ("$[?(!@.nosuch)]", true),
        ("$[?(@['product'] == 'it\\'s @')]", false), ("$.product", true),
    ])
    func `conditions of JSONPath`(condition: String, isMatch: Bool) throws {
        let record = Self.record("Imperial Stout", 4.5)
        #expect((try Self.filter(condition).apply(record) != nil) == isMatch)
        #expect((try Self.filter(condition, ["filter.type": "exclude"]).apply(record) == nil) == isMatch)
    }

    @Test func `conditions of nested values and of arrays`() throws {
        let inner = ConnectValue.map(ConnectMap([("n", .string("value1"))]))
        let record = Self.map([("key", inner), ("list", .array([.map(ConnectMap()), inner]))])
        #expect(try Self.filter("$.key[?(@.n == \"value1\" || @.n == \"value2\")]").apply(record) != nil)
        #expect(try Self.filter("$['key'][?(@.n == 'x')]").apply(record) == nil)
        #expect(try Self.filter("$.list[?(@.n == 'value1')]").apply(record) != nil)
        #expect(try Self.filter("$.list[?(@.n == 'x')]").apply(record) == nil)
    }

    @Test func `a condition's missing field`() throws {
        let record = Self.record(nil, 1)
        let error = #expect(throws: ConnectError.self) { try Self.filter("$.product").apply(record) }
        #expect(error?.message.contains("$.product names is missing or null") == true)
        #expect(try Self.filter("$.product", ["missing.or.null.behavior": "include"]).apply(record) != nil)
        #expect(try Self.filter("$.product", ["missing.or.null.behavior": "exclude"]).apply(record) == nil)
    }

    @Test(arguments: ["product", "$[?(@.a < 1]", "$[?(@.a =~ /x)]", "$[*]", "$[?(other.a)]"])
    func `what is no condition is refused`(condition: String) {
        let error = #expect(throws: ConnectError.self) { try Self.filter(condition) }
        #expect(error?.message.hasPrefix("Invalid value \(condition) for configuration filter.condition: ") == true)
    }

    @Test(arguments: [
        ("LOWER_HYPHEN", "UPPER_CAMEL", "day12-sys01", "Day12Sys01"),
        ("UPPER_UNDERSCORE", "LOWER_CAMEL", "SOME_TOPIC_NAME", "someTopicName"),
        ("LOWER_CAMEL", "LOWER_UNDERSCORE", "someTopicName", "some_topic_name"),
        ("UPPER_CAMEL", "LOWER_HYPHEN", "SomeTopic", "some-topic"), ("LOWER_HYPHEN", "LOWER_HYPHEN", "A-b", "A-b"),
        ("LOWER_HYPHEN", "LOWER_UNDERSCORE", "A-b-É", "A_b_É"), ("LOWER_UNDERSCORE", "UPPER_UNDERSCORE", "a_é", "A_é"),
    ])
    func `topics in another spelling`(from: String, to: String, topic: String, expected: String) throws {
        let chain = try Self.chain(Self.common + "ChangeTopicCase", ["from": from, "to": to])
        #expect(try chain.apply(Self.record(nil, nil, topic: topic))?.topic == expected)
    }

    /// As upstream's code has it: a field that is one for such a time keeps its place, and Unix counts seconds.
    @Test func `the present time in fields`() throws {
        let type = Self.common + "TimestampNowField$Value"
        let output = try #require(try Self.chain(type, ["fields": "seen,at"]).apply(Self.record("a", 1)))
        let row = try #require(output.value.value.structure)
        #expect(row.schema.fields.map(\.name) == ["product", "amount", "at", "flag", "seen"])
        #expect(row.schema.name == "Order")
        #expect([row["seen"], row["at"]] == [.instant(1_700_000_000_123), .instant(1_700_000_000_123)])
        #expect(row.schema.field("seen")?.schema == .timestamp)
        let unix = try Self.chain(type, ["fields": "seen,at", "target.type": "Unix"])
        let seconds = try #require(try unix.apply(Self.record("a", 1))?.value.value.structure)
        #expect(seconds.schema.fields.map(\.name) == ["product", "amount", "at", "flag", "seen"])
        #expect(seconds["seen"] == .int64(1_700_000_000))
        let other = try #require(
            try Self.chain(type, ["fields": "product", "target.type": "Unix"]).apply(Self.record("a", 1)))
        #expect(other.value.schema?.fields.map(\.name) == ["amount", "at", "flag", "product"])
        let map = try Self.chain(type, ["fields": "seen"]).apply(Self.map([]))
        #expect(map?.value.value == .map(ConnectMap([("seen", .instant(1_700_000_000_123))])))
        // One unit, whatever the amount.
        let later = try Self.chain(type, ["fields": "seen", "add.amount": "5", "add.chronounit": "HOURS"])
        #expect(try later.apply(Self.map([]))?.value.value.map?["seen"] == .instant(1_700_003_600_123))
        #expect(throws: ConnectError.self) { try Self.chain(type, ["fields": "seen", "add.chronounit": "EONS"]) }
        let record = try Self.chain(Self.common + "TimestampNow", [:]).apply(Self.record("a", 1))
        #expect(record?.timestamp == 1_700_000_000_123)
    }

    @Test func `a field's time for the record`() throws {
        let type = Self.common + "ExtractTimestamp$Value"
        let chain = try Self.chain(type, ["field.name": "at"])
        #expect(try chain.apply(Self.record("a", 1))?.timestamp == 1_607_702_256_000)
        #expect(try chain.apply(Self.map([("at", .int64(5))]))?.timestamp == 5)
        #expect(throws: ConnectError.self) { try chain.apply(Self.map([])) }
        #expect(throws: ConnectError.self) {
            try Self.chain(type, ["field.name": "product"]).apply(Self.record("a", 1))
        }
    }

    @Test func `a field's time in the topic`() throws {
        let chain = try Self.chain(
            Self.confluent + "MessageTimestampRouter",
            [
                "topic.format": "foo-${topic}-${timestamp}", "message.timestamp.format": "yyyy-MM-dd",
                "topic.timestamp.format": "yyyy.MM.dd", "message.timestamp.keys": "timestamp,time,ts",
            ])
        #expect(try chain.apply(Self.map([("time", .string("2019-08-06"))]))?.topic == "foo-bar-2019.08.06")
        #expect(try chain.apply(Self.map([("ts", .int64(0))]))?.topic == "foo-bar-1970.01.01")
        #expect(throws: ConnectError.self) { try chain.apply(Self.map([])) }
    }

    @Test func `a field names the topic`() throws {
        let type = Self.confluent + "ExtractTopic$Value"
        #expect(try Self.chain(type, ["field": "product"]).apply(Self.record("a", 1))?.topic == "a")
        let nested = Self.map([("u", .map(ConnectMap([("n", .string("deep"))])))])
        let path = try Self.chain(type, ["field": "$.u['n']", "field.format": "JSON_PATH"])
        #expect(try path.apply(nested)?.topic == "deep")
        #expect(throws: ConnectError.self) { try path.apply(Self.map([])) }
        let lenient = try Self.chain(type, ["field": "x", "skip.missing.or.null": "true"])
        #expect(try lenient.apply(nested)?.topic == "bar")
    }

    @Test func `values are dropped`() throws {
        let type = Self.confluent + "Drop$Value"
        #expect(try Self.chain(type, [:]).apply(Self.record("a", 1))?.value == .null)
        let kept = try Self.chain(type, ["schema.behavior": "force_optional"]).apply(Self.record("a", 1))
        #expect(kept?.value == SchemaAndValue(Self.schema.with(isOptional: true), .null))
        #expect(throws: ConnectError.self) {
            try Self.chain(type, ["schema.behavior": "retain"]).apply(Self.record("a", 1))
        }
    }
}
