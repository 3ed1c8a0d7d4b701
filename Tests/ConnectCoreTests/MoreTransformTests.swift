import Compression
import SQLTypes
import Testing

@testable import ConnectCore

/// Transforms of the common collection, of Aiven's and of Confluent's, by their sources and documentation.
@Suite struct MoreTransformTests {
    private static let inner = ConnectSchema.structure(
        [.init("deepField", .optionalString)], name: "In", isOptional: true)
    private static let schema = ConnectSchema.structure(
        [
            .init("user_name", .optionalString), .init("count", .optionalInt32), .init("data", .optionalBytes),
            .init("sub_part", inner),
        ], name: "Row", version: 3)

    private static func record(_ name: String? = "Ann", headers: [ConnectHeader] = []) -> ConnectRecord {
        let part = ConnectStruct(inner, values: [.string("deep")])
        let row = ConnectStruct(
            schema,
            values: [name.map { .string($0) } ?? .null, .int32(7), .bytes([0x68, 0xC3, 0xA9]), .structure(part)])
        let key = ConnectSchema.structure([.init("id", .int64)], name: "K")
        return ConnectRecord(
            topic: "orders", key: SchemaAndValue(key, .structure(ConnectStruct(key, values: [.int64(9)]))),
            value: SchemaAndValue(schema, .structure(row)), timestamp: 1, headers: headers,
            origin: .sink(topic: "orders", partition: 0, offset: 4, timestampKind: .create))
    }

    private static func map(_ entries: [(String, ConnectValue)]) -> ConnectRecord {
        var record = record()
        record.value = SchemaAndValue(nil, .map(ConnectMap(entries)))
        return record
    }

    private static let common = "com.github.jcustenborder.kafka.connect.transform.common."
    private static let aiven = "io.aiven.kafka.connect.transforms."
    private static let confluent = "io.confluent.connect.transforms."

    private static func apply(
        _ type: String, _ options: [String: String], _ record: ConnectRecord
    ) throws(ConnectError) -> ConnectRecord? {
        var properties = ["transforms": "x", "transforms.x.type": type]
        for (name, value) in options { properties["transforms.x." + name] = value }
        return try TransformChain(properties).apply(record)
    }

    private static func message(_ type: String, _ options: [String: String], _ record: ConnectRecord) -> String? {
        do throws(ConnectError) {
            _ = try apply(type, options, record)
            return nil
        } catch {
            return error.message
        }
    }

    private static func row(
        _ type: String, _ options: [String: String], _ given: ConnectRecord? = nil
    ) throws -> ConnectStruct {
        try #require(try apply(type, options, given ?? record())?.value.value.structure)
    }

    @Test(arguments: [
        (["field.pattern": "^USER_", "field.replacement": ""], "name"),
        (["field.pattern": "_", "field.replacement": "-"], "user-name"),
        (["field.pattern": "(user)_(name)", "field.replacement": "$2.$1"], "name.user"),
        (["field.pattern": "USER", "field.replacement": "x", "field.pattern.flags": "DOTALL"], "user_name"),
        (["field.pattern": "r_n", "field.replacement": "x", "field.pattern.flags": "LITERAL,UNICODE_CASE"], "usexame"),
        (["field.pattern": ".", "field.replacement": "x", "field.pattern.flags": "LITERAL"], "user_name"),
        (["field.pattern": "(", "field.replacement": "x", "field.pattern.flags": "LITERAL"], "user_name"),
    ])
    func `fields are renamed by expressions`(options: [String: String], name: String) throws {
        let row = try Self.row(Self.common + "PatternRename$Value", options)
        #expect(row.schema.fields.first?.name == name)
        #expect(row.values.first == .string("Ann"))
        #expect(row.schema.name == "Row")
        let map = try Self.apply(Self.common + "PatternRename$Value", options, Self.map([("user_name", .int8(1))]))
        #expect(map?.value.value == .map(ConnectMap([(name, .int8(1))])))
    }

    @Test func `names of fields that meet are an error`() {
        let message = Self.message(
            Self.common + "PatternRename$Value", ["field.pattern": ".+", "field.replacement": "x"], Self.record())
        #expect(message == "Cannot create field because of field name duplication x")
    }

    @Test func `records are dropped by the text of a field`() throws {
        let type = Self.common + "PatternFilter$Value"
        #expect(try Self.apply(type, ["pattern": "A.*", "fields": "user_name"], Self.record()) == nil)
        #expect(try Self.apply(type, ["pattern": "A", "fields": "user_name"], Self.record()) != nil)
        #expect(try Self.apply(type, ["pattern": "A.*", "fields": "count,nosuch"], Self.record()) != nil)
        #expect(try Self.apply(type, ["pattern": "A.*"], Self.record()) != nil)
        #expect(try Self.apply(type, ["pattern": "A.*", "fields": "a"], Self.map([("a", .string("Ab"))])) == nil)
    }

    @Test func `fields at all depths in another spelling`() throws {
        let options = ["from": "LOWER_UNDERSCORE", "to": "LOWER_CAMEL"]
        let row = try Self.row(Self.common + "ChangeCase$Value", options)
        #expect(row.schema.fields.map(\.name) == ["userName", "count", "data", "subPart"])
        #expect(row["subPart"]?.structure?.schema.fields.first?.name == "deepfield")
        #expect(row["subPart"]?.structure?.values == [.string("deep")])
        let passed = try Self.row(
            Self.common + "ChangeCase$Value", options.merging(["passthrough.fields": "sub_part"]) { $1 })
        #expect(passed["subPart"]?.structure?.schema.fields.first?.name == "deepField")
    }

    @Test func `topics and nested fields in fields`() throws {
        let row = try Self.row(Self.common + "TopicNameToField$Value", ["field": "topic"])
        #expect(row["topic"] == .string("orders"))
        #expect(row.schema.version == 3)
        let nested = try Self.row(
            Self.common + "ExtractNestedField$Value",
            [
                "input.outer.field.name": "sub_part", "input.inner.field.name": "deepField",
                "output.field.name": "found",
            ])
        #expect(nested["found"] == .string("deep"))
    }

    @Test func `headers as fields`() throws {
        let headers = [
            ConnectHeader("n", .string, .string("12")), ConnectHeader("n", .string, .string("13")),
            ConnectHeader("t", .string, .string("true")), ConnectHeader("i", .int64, .int64(1_000)),
            ConnectHeader("d", .string, .string("1.50")),
        ]
        let row = try Self.row(
            Self.common + "HeaderToField$Value",
            [
                "header.mappings":
                    "n:INT32,n:STRING:text,t:BOOLEAN,i:INT64(Timestamp):at,d:BYTES(Decimal[scale=2]),x:string"
            ],
            Self.record(headers: headers))
        #expect(row.schema.fields.dropFirst(4).map(\.name) == ["n", "text", "t", "at", "d", "x"])
        #expect(row.values.dropFirst(4).prefix(4) == [.int32(13), .string("13"), .boolean(true), .instant(1_000)])
        #expect(row["d"] == .decimal(SQLDecimal(unscaled: 150, scale: 2)))
        #expect(row["x"] == .null)
        let bad = Self.message(Self.common + "HeaderToField$Value", ["header.mappings": "n:BYTES"], Self.record())
        #expect(bad == "Invalid value n:BYTES for configuration header.mappings")
    }

    @Test func `values as JSON and texts`() throws {
        var record = Self.map([])
        let schema = ConnectSchema.structure([.init("a", .int32), .init("b", .optionalString)])
        record.value = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: [.int32(1), .null])))
        let text = try Self.apply(Self.common + "ToJSON$Value", [:], record)
        #expect(text?.value == SchemaAndValue(.optionalString, .string("{\"a\":1,\"b\":null}")))
        let bytes = try Self.apply(Self.common + "ToJSON$Value", ["output.schema.type": "BYTES"], record)
        #expect(bytes?.value.schema == .optionalBytes)
        let utf8 = try Self.row(Self.common + "BytesToString$Value", ["fields": "data"])
        #expect(utf8["data"] == .string("hé"))
        #expect(utf8.schema.field("data")?.schema == .optionalString)
        let latin = try Self.row(Self.common + "BytesToString$Value", ["fields": "data", "charset": "ISO-8859-1"])
        #expect(latin["data"] == .string("hÃ©"))
        let long = try Self.row(Self.common + "ToLong$Value", ["fields": "count"])
        #expect(long["count"] == .int64(7))
        #expect(
            Self.message(Self.common + "ToLong$Value", ["fields": "user_name"], Self.record())
                == "Field 'user_name' is not a number. java.lang.String")
        #expect(try Self.apply(Self.common + "SetNull$Key", [:], Self.record())?.key == .null)
        #expect(try Self.apply(Self.common + "SchemaNameToTopic$Value", [:], Self.record())?.topic == "Row")
    }

    private static func decimal(_ unscaled: Int64, _ scale: Int) -> ConnectRecord {
        var record = record()
        let schema = ConnectSchema.structure([.init("d", .decimal(scale: scale, isOptional: true))])
        record.value = SchemaAndValue(
            schema,
            .structure(ConnectStruct(schema, values: [.decimal(SQLDecimal(unscaled: unscaled, scale: scale))])))
        return record
    }

    @Test func `decimals within bounds`() throws {
        let type = Self.common + "AdjustPrecisionAndScale$Value"
        let bounded = try Self.row(
            type, ["precision.value": "4", "precision.mode": "max", "scale.value": "2", "scale.mode": "max"],
            Self.decimal(123_456, 4))
        #expect(bounded["d"] == .decimal(SQLDecimal(unscaled: 1235, scale: 2)))
        #expect(bounded.schema.field("d")?.schema.parameter("scale") == "2")
        #expect(bounded.schema.field("d")?.schema.parameter("connect.decimal.precision") == "4")
        let kept = try Self.row(type, [:], Self.decimal(5, -2))
        #expect(kept["d"] == .decimal(SQLDecimal(unscaled: 5, scale: -2)))
        let zero = try Self.row(type, ["scale.negative.mode": "zero"], Self.decimal(5, -2))
        #expect(zero["d"] == .decimal(SQLDecimal(unscaled: 500, scale: 0)))
        let most = try Self.row(
            Self.common + "SetMaximumPrecision$Value", ["precision.max": "32"], Self.decimal(5, 1))
        #expect(most.schema.field("d")?.schema.parameter("connect.decimal.precision") == "32")
        #expect(most["d"] == .decimal(SQLDecimal(unscaled: 5, scale: 1)))
    }

    @Test func `tombstones`() throws {
        var empty = Self.record()
        empty.value = .null
        for (type, options) in [
            (Self.confluent, [:]), (Self.confluent, ["behavior": "ignore"]), (Self.aiven, ["behavior": "DROP_WARN"]),
        ] {
            #expect(try Self.apply(type + "TombstoneHandler", options, empty) == nil)
            #expect(try Self.apply(type + "TombstoneHandler", options, Self.record()) != nil)
        }
        #expect(
            Self.message(Self.aiven + "TombstoneHandler", ["behavior": "fail"], empty)
                == "Tombstone record encountered, failing due to configured 'fail' behavior")
        #expect(
            Self.message(Self.aiven + "TombstoneHandler", ["behavior": "x"], empty)
                == "Invalid value x for configuration behavior: Unsupported behavior name: x. Supported are: "
                + "drop_silent,drop_warn,fail")
        #expect(try Self.apply(Self.aiven + "MakeTombstone", [:], Self.record())?.value == .null)
    }

    @Test func `what was compressed`() throws {
        var record = Self.record()
        let text = Array("hello".utf8)
        let bytes = try Codec.gzip.compress(text.span.bytes)
        record.value = SchemaAndValue(.optionalBytes, .bytes(bytes))
        let output = try Self.apply(Self.confluent + "GzipDecompress$Value", [:], record)
        #expect(output?.value == SchemaAndValue(.optionalBytes, .bytes(Array("hello".utf8))))
        record.value = SchemaAndValue(.optionalBytes, .bytes([1, 2, 3]))
        #expect(Self.message(Self.confluent + "GzipDecompress$Value", [:], record)?.hasPrefix("What is to be") == true)
        let router = "io.confluent.connect.cloud.transforms.TopicRegexRouter"
        let routed = try Self.apply(router, ["regex": "(or)(.*)", "replacement": "$2-$1"], Self.record())
        #expect(routed?.topic == "ders-or")
    }

    @Test func `a field's time by Aiven's transform`() throws {
        let type = Self.aiven + "ExtractTimestamp$Value"
        let seconds = ["field.name": "a.b", "timestamp.resolution": "seconds"]
        let nested = Self.map([("a", .map(ConnectMap([("b", .int64(5))])))])
        #expect(try Self.apply(type, seconds, nested)?.timestamp == 5000)
        #expect(try Self.apply(type, ["field.name": "a.b"], nested)?.timestamp == 5)
        #expect(try Self.apply(type, ["field.name": "a"], Self.map([("a", .instant(8))]))?.timestamp == 8)
        #expect(
            Self.message(type, ["field.name": "x"], nested)?
                .hasPrefix("x field must be present and its value can't be null: SinkRecord{") == true)
        #expect(
            Self.message(type, ["field.name": "count"], Self.record())?
                .hasPrefix("count field must be INT64 or org.apache.kafka.connect.data.Timestamp: ") == true)
    }

    @Test func `a field names the topic by Aiven's transform`() throws {
        let type = Self.aiven + "ExtractTopic$Value"
        #expect(try Self.apply(type, ["field.name": "sub_part.deepField"], Self.record())?.topic == "deep")
        #expect(try Self.apply(type, ["field.name": "count"], Self.record())?.topic == "7")
        #expect(
            Self.message(type, ["field.name": "no"], Self.record())?.hasPrefix("no in value schema can't be missing")
                == true)
        #expect(
            Self.message(type, ["field.name": "user_name"], Self.record(nil))?
                .hasPrefix("user_name in value can't be null or empty: ") == true)
        let lenient = ["field.name": "user_name", "skip.missing.or.null": "true"]
        #expect(try Self.apply(type, lenient, Self.record(nil))?.topic == "orders")
        #expect(Self.message(type, [:], Self.record())?.hasPrefix("value schema type must be [INT8, INT16, ") == true)
        let names = Self.aiven + "ExtractTopicFromSchemaName$Value"
        #expect(try Self.apply(names, [:], Self.record())?.topic == "Row")
        #expect(try Self.apply(names, ["schema.name.topic-map": "A:b,Row:rows"], Self.record())?.topic == "rows")
        #expect(try Self.apply(names, ["schema.name.regex": "R(o)w"], Self.record())?.topic == "o")
        #expect(try Self.apply(names, ["schema.name.regex": "x(o)w"], Self.record())?.topic == "Row")
    }

    /// Known hashes of "abc": RFC 1321, FIPS 180.
    @Test(arguments: [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"), ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
    func `hashes`(function: String, hash: String) throws {
        let options = ["field.name": "user_name", "function": function]
        #expect(try Self.row(Self.aiven + "Hash$Value", options, Self.record("abc"))["user_name"] == .string(hash))
        #expect(
            Self.message(Self.aiven + "Hash$Value", options, Self.record(nil))?
                .hasPrefix("user_name in value can't be null: ") == true)
        let lenient = options.merging(["skip.missing.or.null": "true"]) { $1 }
        #expect(try Self.row(Self.aiven + "Hash$Value", lenient, Self.record(nil))["user_name"] == .null)
        var whole = Self.record()
        whole.key = SchemaAndValue(.string, .string("abc"))
        #expect(try Self.apply(Self.aiven + "Hash$Key", ["function": function], whole)?.key.value == .string(hash))
    }

    @Test func `texts put together and in capitals`() throws {
        let options = [
            "field.names": "user_name,count,no,sub_part.deepField", "output.field.name": "all", "delimiter": "-",
            "field.replace.missing": "*",
        ]
        let row = try Self.row(Self.aiven + "ConcatFields$Value", options)
        #expect(row["all"] == .string("Ann-7-*-deep"))
        #expect(row.schema.name == nil)
        let upper = try Self.row(Self.aiven + "CaseTransform$Value", ["field.names": "user_name,no", "case": "upper"])
        #expect(upper["user_name"] == .string("ANN"))
        let map = try Self.apply(
            Self.aiven + "CaseTransform$Value", ["field.names": "a,b", "case": "lower"], Self.map([("a", .string("Ä"))])
        )
        #expect(map?.value.value == .map(ConnectMap([("a", .string("ä")), ("b", .null)])))
    }

    @Test func `records by the value of a field`() throws {
        let type = Self.aiven + "FilterByFieldValue$Value"
        func keeps(_ options: [String: String], _ record: ConnectRecord = Self.record()) throws(ConnectError) -> Bool {
            try Self.apply(type, options, record) != nil
        }
        #expect(try keeps(["field.name": "user_name", "field.value": "Ann"]))
        #expect(try !keeps(["field.name": "user_name", "field.value": "ann"]))
        #expect(try !keeps(["field.name": "user_name", "field.value": "Ann", "field.value.matches": "false"]))
        #expect(try keeps(["field.name": "user_name", "field.value.pattern": "n"]))
        #expect(try keeps(["field.name": "sub_part.deepField", "field.value.pattern": "^d.*p$"]))
        // As upstream: the narrowest type alone.
        #expect(try !keeps(["field.name": "count", "field.value": "7"]))
        #expect(try keeps(["field.name": "count", "field.value.pattern": "^7$"]))
        #expect(try keeps(["field.name": "a", "field.value": "true"], Self.map([("a", .boolean(true))])))
        #expect(
            Self.message(type, ["field.name": "a"], Self.record())
                == "Either field.value or field.value.pattern have to be set to apply filter transform")
    }

    @Test func `the key in the value`() throws {
        let type = Self.aiven + "KeyToValue"
        let row = try Self.row(type, ["key.fields": "id,*"])
        #expect(row["id"] == .int64(9))
        #expect(row["_key"]?.structure?.values == [.int64(9)])
        #expect(row.schema.version == 3)
        let named = try Self.row(type, ["key.fields": "id", "value.fields": "count"])
        #expect(named.schema.fields.map(\.name) == ["user_name", "count", "data", "sub_part"])
        #expect(named["count"] == .int64(9))
        #expect(
            Self.message(type, ["key.fields": "no"], Self.record()) == "Key field 'no' not found in key schema")
        #expect(
            Self.message(type, ["key.fields": "id,id"], Self.record())
                == "More than one key value is copied to the value field name 'id'")
    }
}
