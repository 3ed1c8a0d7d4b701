import Testing

@testable import ConnectCore

/// Rules of Kafka's transforms that the recorded runs do not show; expected results from runs of Kafka 4.3's own.
@Suite struct TransformRuleTests {
    private static let schema = ConnectSchema.structure(
        [.init("id", .int64), .init("st", .string), .init("ts", .int64), .init("arr", .array(.int32))], name: "R")

    private static func record(_ value: SchemaAndValue? = nil) -> ConnectRecord {
        let row = ConnectStruct(schema, values: [.int64(7), .string("12"), .int64(5), .array([.int32(1)])])
        return ConnectRecord(
            topic: "t", partition: 3, value: value ?? SchemaAndValue(schema, .structure(row)),
            origin: .sink(topic: "t", partition: 3, offset: 99, timestampKind: .create))
    }

    private static func chain(_ type: String, _ options: [String: String]) throws(ConnectError) -> TransformChain {
        var properties = ["transforms": "x", "transforms.x.type": "org.apache.kafka.connect.transforms." + type]
        for (name, value) in options { properties["transforms.x." + name] = value }
        return try TransformChain(properties)
    }

    private static let numbers = "[INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING"
    private static let noField =
        "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of "
        + "\"org.apache.kafka.connect.data.Schema.field(String)\" is null"

    @Test(arguments: [
        ("Cast$Value", ["spec": ""], "Must specify at least one field to cast."),
        (
            "Cast$Value", ["spec": "a:b:int8"],
            "Invalid value [a:b:int8] for configuration renames: Invalid rename mapping: a:b:int8"
        ),
        (
            "Cast$Value", ["spec": "x:bytes"],
            "Cast transformation does not support casting to BYTES; supported types are \(numbers)]"
        ),
        (
            "Cast$Value", ["spec": "arr:string"],
            "Cast transformation does not support casting from ARRAY; supported types are \(numbers), BYTES]"
        ),
        (
            "Cast$Value", ["spec": "int8,int16"],
            "Cast transformations that specify a type to cast the entire value to may only specify a single cast in "
                + "their spec"
        ),
        ("HoistField$Value", ["field": ""], "fieldName cannot be null."),
        ("InsertField$Value", ["topic.field": ""], "fieldName cannot be null."),
        (
            "MaskField$Value", ["fields": ""],
            "Configuration 'fields' must not be empty. Valid values include: any non-empty value"
        ),
        (
            "MaskField$Value", ["fields": "id", "replacement": "x"],
            "Unable to convert x (class java.lang.String) to a number"
        ),
        (
            "ValueToKey", ["fields": ""],
            "Configuration 'fields' must not be empty. Valid values include: any non-empty value"
        ),
        (
            "DropHeaders", ["headers": ""],
            "Configuration 'headers' must not be empty. Valid values include: any non-empty value"
        ),
        (
            "HeaderFrom$Value", ["fields": "", "headers": "", "operation": "copy"],
            "Invalid value [] for configuration fields: Empty list"
        ),
        ("HeaderFrom$Value", ["fields": "nosuch", "headers": "h", "operation": "copy"], noField),
        (
            "ReplaceField$Value", ["renames": "st:"],
            "Invalid value [st:] for configuration renames: Invalid rename mapping: st:"
        ),
        ("ReplaceField$Value", ["renames": "nosuch:st"], "nosuch is not a valid field name"),
        (
            "TimestampConverter$Value", ["field": "ts", "target.type": "string", "format": "q"],
            "Invalid value java.lang.IllegalArgumentException: Illegal pattern character 'q' for configuration "
                + "TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: q"
        ),
        (
            "TimestampRouter", [:],
            "Timestamp missing on record: SinkRecord{kafkaOffset=99, timestampType=NoTimestampType, originalTopic=t, "
                + "originalKafkaPartition=3, originalKafkaOffset=99} ConnectRecord{topic='t', kafkaPartition=3, "
                + "key=null, keySchema=null, value=Struct{id=7,st=12,ts=5,arr=[1]}, valueSchema=Schema{R:STRUCT}, "
                + "timestamp=null, headers=ConnectHeaders(headers=)}"
        ),
        (
            "RegexRouter", ["regex": ".*", "replacement": "${0}"],
            "capturing group name {0} starts with digit character"
        ),
        (
            "ExtractField$Value", ["field": "`a.b", "field.syntax.version": "V2"],
            "Incomplete backtick pair in path: [`a.b], consider adding a backslash before backtick at position 0 to "
                + "escape it"
        ),
    ])
    func `what cannot be done is refused in Kafka's words`(type: String, options: [String: String], message: String) {
        let error = #expect(throws: ConnectError.self) { try Self.chain(type, options).apply(Self.record()) }
        #expect(error?.message == message)
    }

    /// All that has to be given is; what making the transform refuses is told where it is.
    @Test(
        arguments: [
            ("HeaderFrom$Value", ["fields": "a,b", "headers": "h", "operation": "copy"], "headers"),
            ("InsertField$Value", [:], "type"), ("InsertField$Value", ["static.field": "x"], nil),
            ("SetSchemaMetadata$Value", [:], "type"), ("TimestampConverter$Value", ["target.type": "string"], "type"),
            ("ReplaceField$Key", ["renames": "a"], "renames"), ("TimestampRouter", ["timestamp.format": "q"], "type"),
            (
                "io.confluent.connect.transforms.Filter$Value", ["filter.condition": "$[", "filter.type": "include"],
                "filter.condition"
            ),
            ("io.debezium.transforms.Filter", ["condition": "value.", "language": "jsr223.groovy"], "condition"),
            ("io.debezium.transforms.Filter", ["condition": "true", "topic.regex": "("], "topic.regex"),
            ("io.debezium.transforms.ByLogicalTableRouter", ["topic.regex": "a"], nil),
            ("io.debezium.transforms.outbox.EventRouter", ["route.topic.regex": "("], "route.topic.regex"),
            (
                "io.debezium.transforms.outbox.EventRouter", ["table.fields.additional.placement": "a:nowhere"],
                "table.fields.additional.placement"
            ),
            ("io.debezium.transforms.ExtractNewRecordState", ["delete.handling.mode": "bogus"], "delete.handling.mode"),
            ("Flatten$Value", [:], nil), ("Filter", ["unknown": "x"], nil),
        ] as [(String, [String: String], String?)])
    func `what cannot be made is a problem of the configuration`(
        type: String, options: [String: String], option: String?
    ) {
        var properties = ["transforms": "x", "transforms.x.type": type]
        for (name, value) in options { properties["transforms.x." + name] = value }
        let problems = TransformChain.problems(properties)
        #expect(problems.map(\.option) == (option.map { ["transforms.x." + $0] } ?? []), "\(problems)")
    }

    /// From upstream's `SingleFieldPath`: a backslash goes only where the backtick behind it would have ended the name.
    @Test(
        arguments: [
            ("a.b", "1"), ("`x.y`.b", "2"), (#"`x\`.y`.b"#, "3"), (#"`x\`y`"#, "4"), ("`x`y`.b", "5"), ("a.c.d", nil),
            ("e.f", nil), ("nosuch.f", nil),
        ] as [(String, String?)])
    func `a path leads into maps`(path: String, text: String?) throws {
        func inner(_ text: String) -> ConnectValue { .map(ConnectMap([("b", ConnectValue.string(text))])) }
        let map = ConnectMap([
            ("a", inner("1")), ("x.y", inner("2")), ("x`.y", inner("3")), (#"x\`y"#, ConnectValue.string("4")),
            ("x`y", inner("5")), ("e", ConnectValue.null),
        ])
        let chain = try Self.chain("ExtractField$Value", ["field": path, "field.syntax.version": "V2"])
        let found = try chain.apply(Self.record(SchemaAndValue(nil, .map(map))))?.value.value
        #expect(found == (text.map { .string($0) } ?? .null))
    }

    @Test func `a path through what is no map is refused`() throws {
        let chain = try Self.chain("ExtractField$Value", ["field": "a.b", "field.syntax.version": "V2"])
        let map = ConnectMap([("a", ConnectValue.string("text"))])
        let error = #expect(throws: ConnectError.self) { try chain.apply(Self.record(SchemaAndValue(nil, .map(map)))) }
        #expect(
            error?.message
                == "Only Map objects supported in absence of schema for [nested field access], found: java.lang.String")
    }

    @Test func `a mask for whole numbers loses its decimal places`() throws {
        for (kind, value, mask, expected) in [
            (ConnectSchema.int8, ConnectValue.int8(5), "1.5", ConnectValue.int8(1)),
            (.int8, .int8(5), "300", .int8(44)),
            (.int64, .int64(5), "-7.9", .int64(-7)),
        ] {
            let schema = ConnectSchema.structure([.init("n", kind)])
            let chain = try Self.chain("MaskField$Value", ["fields": "n", "replacement": mask])
            let row = ConnectStruct(schema, values: [value])
            let masked = try chain.apply(Self.record(SchemaAndValue(schema, .structure(row))))
            #expect(masked?.value.value.structure?.values == [expected])
        }
    }

    @Test func `a field for the key may be named twice`() throws {
        let output = try Self.chain("ValueToKey", ["fields": "st,id,st"]).apply(Self.record())
        #expect(output?.key.schema?.fields.map(\.name) == ["st", "id"])
    }

    @Test(arguments: [("null", SchemaAndValue.null), ("[1,null]", SchemaAndValue(.string, .string("[1,null]")))])
    func `null in texts`(text: String, expected: SchemaAndValue) throws {
        let output = try Self.chain("InsertHeader", ["header": "h", "value.literal": text]).apply(Self.record())
        #expect(output?.headers.map { SchemaAndValue($0.schema, $0.value) } == [expected])
    }

    @Test(arguments: [
        ("Fri Dec 11 15:57:36 GMT 2020", 1_607_702_256_000), ("Fri Dec 11 15:57:36 PST 2020", 1_607_731_056_000),
        ("Fri Dec 11 15:57:36 CEST 2020", 1_607_695_056_000), ("Fri Dec 11 15:57:36 IST 2020", 1_607_682_456_000),
    ])
    func `zones are read by their abbreviations`(text: String, millis: Int64) throws {
        let chain = try Self.chain(
            "TimestampConverter$Value", ["target.type": "unix", "format": "EEE MMM dd HH:mm:ss zzz yyyy"])
        #expect(try chain.apply(Self.record(SchemaAndValue(.string, .string(text))))?.value.value == .int64(millis))
    }
}
