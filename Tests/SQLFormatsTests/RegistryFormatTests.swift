import Columns
import JSONFormat
import SQLFormats
import SQLTypes
import TestKit
import Testing

@Suite struct RegistryFormatTests {
    static func texts(_ values: [SQLValue], _ columns: [SQLField]) -> String {
        zip(values, columns).map { SQLText.text(of: $0, type: $1.type) }.joined(separator: " | ")
    }

    static let avroPerson = """
        {"type":"record","name":"Person","namespace":"a.b","fields":[
          {"name":"id","type":"int"},
          {"name":"Name","type":["null","string"],"default":null},
          {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["X","Y"]}},
          {"name":"either","type":["null","int",{"type":"record","name":"Inner","fields":[{"name":"f","type":"float"}]}]},
          {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}},
          {"name":"sum","type":{"type":"fixed","name":"Sum","size":2}},
          {"name":"day","type":{"type":"int","logicalType":"date"}},
          {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
          {"name":"tags","type":{"type":"map","values":["null","long"]}},
          {"name":"list","type":{"type":"array","items":"string"}},
          {"name":"nothing","type":"null"}]}
        """
    static let avroJSON =
        #"{"ID":7,"name":"n","kind":"Y","either":{"int":3},"price":1.5,"sum":"AQI=","day":1,"at":5,"tags":{"a":1,"b":null},"list":["x"]}"#
    static let proto = """
        syntax = "proto3";
        import "google/protobuf/wrappers.proto";
        import "google/protobuf/timestamp.proto";
        import "google/type/date.proto";
        message First { int32 unused = 1; }
        message Main {
          int32 id = 1;
          optional string name = 2;
          enum Kind { X = 0; Y = 1; }
          Kind kind = 3;
          oneof choice { string text = 4; int64 number = 5; }
          map<string, int32> tags = 6;
          repeated Inner inner = 7;
          google.protobuf.Int32Value wrapped = 8;
          google.protobuf.Timestamp at = 9;
          google.type.Date day = 10;
          uint32 big = 11;
          message Inner { float f = 1; }
        }
        """

    @Test(
        arguments: [
            (
                SQLFormat.avro, "AVRO", avroPerson, "", avroJSON,
                "`ID` BIGINT, `NAME` STRING, `KIND` STRING, `EITHER` STRUCT<`INT` INT, `INNER` STRUCT<`F` DOUBLE>>, `PRICE` DECIMAL(6, 2), `SUM` BYTES, `DAY` DATE, `AT` TIMESTAMP, `TAGS` MAP<STRING, BIGINT>, `LIST` ARRAY<STRING>",
                "7 | n | Y | Struct{INT=3} | 1.50 | AQI= | 1970-01-02 | 1970-01-01T00:00:00.005 | {a=1, b=null} | [x]"
            ),
            (
                .protobuf, "PROTOBUF", proto, "Main",
                #"{"id":1,"kind":"Y","choice_0":{"number":9},"tags":{"a":1},"inner":[{"f":1.5}],"wrapped":4,"at":1500,"day":59,"big":4294967295}"#,
                "`ID` INT, `NAME` STRING, `KIND` STRING, `CHOICE_0` STRUCT<`TEXT` STRING, `NUMBER` BIGINT>, `TAGS` MAP<STRING, INT>, `INNER` ARRAY<STRUCT<`F` DOUBLE>>, `WRAPPED` INT, `AT` TIMESTAMP, `DAY` DATE, `BIG` BIGINT",
                "1 | null | Y | Struct{NUMBER=9} | {a=1} | [Struct{F=1.5}] | 4 | 1970-01-01T00:00:01.500 | 1970-03-01 | 4294967295"
            ),
            (
                .protobuf, "PROTOBUF", proto, "Main", "{}",
                "`ID` INT, `NAME` STRING, `CHOICE_0` STRUCT<`TEXT` STRING>, `AT` TIMESTAMP, `TAGS` MAP<STRING, INT>",
                "0 | null | null | null | {}"
            ),
            (
                .jsonSR, "JSON",
                #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"array","items":{"type":"number"}}}}"#,
                "",
                #"{"A":1,"b":[1.5,2],"c":3}"#, "`A` BIGINT, `B` ARRAY<DOUBLE>", "1 | [1.5, 2.0]"
            ),
        ] as [(SQLFormat, String, String, String, String, String, String)])
    func `foreign schemas are read by name and type`(
        _ name: SQLFormat, _ type: String, _ schema: String, _ message: String, _ json: String, _ columns: String,
        _ expected: String
    ) throws {
        let store = MemorySchemaStore()
        let registered = RegistrySchema(type: type, text: schema)
        _ = try store.register(registered, under: "t-value")
        var properties = ["unwrapPrimitives": "true"]
        if !message.isEmpty { properties["fullSchemaName"] = message }
        let format = PlainFormatTests.format(name, properties)
        let fields = try PlainFormatTests.fields(columns)
        let codec = CaseCodec(format, columns: fields, topic: "t", isKey: false, schemas: store)
        let record = try #require(try codec.bytes(try JSONValue.read(json)))
        let formats = RecordFormats(schemas: store)
        let rows = try formats.rowDecoder(format, topic: "t", isKey: false, columns: fields)
        let row = try #require(try rows.row(record))
        #expect(Self.texts(row, fields) == expected)
        let decoder = try formats.columnDecoder(
            format, topic: "t", isKey: false, columns: fields, wanted: Array(fields.indices))
        let decoded = decoder.decode(PlainFormatTests.bytes([record, nil, record]))
        #expect(decoded.failures.isEmpty && decoded.absent.isEmpty, "\(decoded.failures)")
        for (index, field) in fields.enumerated() {
            #expect(decoded.columns[index].value(2, field.type) == row[index])
            #expect(decoded.columns[index].value(1, field.type).isNull)
        }
        if json != "{}", name != .jsonSR {
            let inferred = try RegistrySchemas.columns(
                of: registered, references: { _ in nil }, format: format, isKey: false, keepsNames: false)
            for field in fields {
                #expect(inferred.contains(field) || field.type == .bigint, "\(field) in \(inferred)")
            }
        }
    }

    @Test(arguments: [
        ("`ID` BOOLEAN", "Cannot deserialize type int32 as type boolean for path: ->ID"),
        (
            "`EITHER` STRUCT<`INNER` STRUCT<`F` STRING>, `INT` STRING>, `LIST` ARRAY<INT>",
            "Cannot deserialize type string as type int32 for path: ->LIST->ARRAY"
        ),
        ("`KIND` MAP<STRING, INT>", "Cannot deserialize type string as type map for path: ->KIND"),
        ("`PRICE` DECIMAL(2, 2)", "Numeric field overflow"),
    ])
    func `what does not fit is told in the original's words`(_ columns: String, _ expected: String) throws {
        let store = MemorySchemaStore()
        _ = try store.register(RegistrySchema(type: "AVRO", text: Self.avroPerson), under: "t-value")
        let format = PlainFormatTests.format(.avro)
        let fields = try PlainFormatTests.fields(columns)
        let codec = CaseCodec(format, columns: fields, topic: "t", isKey: false, schemas: store)
        let record = try #require(try codec.bytes(try JSONValue.read(Self.avroJSON)))
        let decoder = try RecordFormats(schemas: store).columnDecoder(
            format, topic: "t", isKey: false, columns: fields, wanted: [0])
        let decoded = decoder.decode(PlainFormatTests.bytes([record, nil]))
        #expect(decoded.failures.map(\.row) == [0])
        #expect(decoded.failures.first?.error.message.contains(expected) == true, "\(decoded.failures)")
    }

    @Test func `records of several schemas share a run`() throws {
        let store = MemorySchemaStore()
        let old = try store.register(
            RegistrySchema(type: "AVRO", text: #"{"type":"record","name":"R","fields":[{"name":"A","type":"int"}]}"#),
            under: "t-value")
        let new = try store.register(
            RegistrySchema(
                type: "AVRO",
                text:
                    #"{"type":"record","name":"R","fields":[{"name":"B","type":"string"},{"name":"A","type":"long"}]}"#),
            under: "t-value")
        let fields = try PlainFormatTests.fields("`A` BIGINT, `B` STRING")
        let formats = RecordFormats(schemas: store)
        let decoder = try formats.columnDecoder(
            PlainFormatTests.format(.avro), topic: "t", isKey: false, columns: fields, wanted: [1, 0])
        let decoded = decoder.decode(
            PlainFormatTests.bytes([
                [0, 0, 0, 0, UInt8(old), 2], [0, 0, 0, 0, UInt8(new), 2, 0x78, 4], [0, 0, 0, 0, 99, 2], [1, 2], nil, [],
            ]))
        #expect(
            (0..<6).map { decoded.columns[1].value($0, .bigint) } == [
                .bigint(1), .bigint(2), .null, .null, .null, .null,
            ])
        #expect(decoded.columns[0].value(1, .string) == .string("x"))
        #expect(decoded.failures.map(\.row) == [2, 3, 5])
    }

    @Test func `a given schema fills in defaults and wants what it has none for`() throws {
        let store = MemorySchemaStore()
        let text =
            #"{"type":"record","name":"R","fields":[{"name":"c1","type":"int"},{"name":"c2","type":"int","default":5},{"name":"c3","type":["null","int"]}]}"#
        store.put(RegistrySchema(type: "AVRO", text: text), id: 7, under: "t-value")
        let format = PlainFormatTests.format(.avro, ["schemaId": "7"])
        let formats = RecordFormats(schemas: store)
        let fields = try PlainFormatTests.fields("`c1` INT")
        let encoder = try formats.rowEncoder(format, topic: "t", isKey: false, columns: fields)
        let written = try encoder.bytes([.int(1)])
        #expect(written == [0, 0, 0, 0, 7, 2, 10, 0])
        func message(_ columns: String, _ row: [SQLValue]) throws -> String {
            let encoder = try formats.rowEncoder(
                format, topic: "t", isKey: false, columns: try PlainFormatTests.fields(columns))
            do throws(FormatError) { _ = try encoder.bytes(row) } catch { return error.message }
            return ""
        }
        #expect(
            try message("`c1` INT", [.null]).hasSuffix(
                "Invalid value: null used for required field: \"c1\", schema type: INT32"))
        #expect(try message("`c2` INT", [.int(1)]).contains("Missing default value for required Avro field: [c1]"))
        #expect(try message("`x` INT", [.int(1)]).contains("Schema from Schema Registry misses field with name: x"))
    }

    @Test(arguments: [SQLFormat.avro, .protobuf, .jsonSR, .protobufNoSR, .json], ["", "OPTIONAL", "WRAPPER"])
    func `rows come back as they were written`(_ name: SQLFormat, _ nullable: String) throws {
        let store = MemorySchemaStore()
        let formats = RecordFormats(schemas: store)
        let isProtobuf = name == .protobuf || name == .protobufNoSR
        let format = PlainFormatTests.format(
            name, isProtobuf && !nullable.isEmpty ? ["nullableRepresentation": nullable] : [:])
        let fields = try PlainFormatTests.fields(
            "`A` INT, `B` BIGINT, `C` DOUBLE, `D` STRING, `E` BOOLEAN, `F` BYTES, `G` DECIMAL(10, 3), `H` DATE, `I` TIME, `J` TIMESTAMP, `K` ARRAY<INT>, `L` MAP<STRING, BIGINT>, `M` STRUCT<`X` STRING, `Y` MAP<STRING, ARRAY<INT>>>"
        )
        let row: [SQLValue] = [
            .int(-1), .bigint(1 << 40), .double(0.1), .string("é\""), .boolean(true), .bytes([0, 255]),
            .decimal(SQLDecimal(unscaled: -12345, scale: 3)), .date(-1), .time(86_399_999), .timestamp(-1),
            .array([.int(1), .int(2)]), .map(SQLMap([(.string("a"), .bigint(1)), (.string("b"), .bigint(2))])),
            .structure([.string("x"), .map(SQLMap([(.string("k"), .array([.int(3)]))]))]),
        ]
        let nulls = [SQLValue](repeating: .null, count: fields.count)
        let encoder = try formats.columnEncoder(format, topic: "t", isKey: false, columns: fields)
        let columns = fields.indices.map { FormatColumn([row[$0], nulls[$0], row[$0]], fields[$0].type) }
        let records = try encoder.encode(columns, count: 3, present: Validity([true, true, false]))
        #expect(records.array(2) == nil)
        let decoder = try formats.columnDecoder(
            format, topic: "t", isKey: false, columns: fields, wanted: Array(fields.indices))
        let decoded = decoder.decode(records)
        #expect(decoded.failures.isEmpty, "\(decoded.failures)")
        for (index, field) in fields.enumerated() {
            #expect(decoded.columns[index].value(0, field.type) == row[index], "\(field)")
            let null = decoded.columns[index].value(1, field.type)
            let isRepeated = index == 10 || index == 11
            if isProtobuf, isRepeated || nullable.isEmpty && index < 6 {
                #expect(!null.isNull)
            } else {
                #expect(null.isNull, "\(field)")
            }
        }
    }

    @Test(arguments: 0..<30)
    func `bytes of any kind are rows or errors`(_ seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let store = MemorySchemaStore()
        _ = try store.register(RegistrySchema(type: "AVRO", text: Self.avroPerson), under: "a-value")
        _ = try store.register(RegistrySchema(type: "PROTOBUF", text: Self.proto), under: "p-value")
        let fields = try PlainFormatTests.fields(
            "`ID` INT, `NAME` STRING, `EITHER` STRUCT<`INT` INT>, `TAGS` MAP<STRING, BIGINT>, `AT` TIMESTAMP, `PRICE` DECIMAL(6, 2)"
        )
        for (name, id) in [
            (SQLFormat.avro, UInt8(1)), (.protobuf, 2), (.protobufNoSR, 0), (.jsonSR, 1), (.json, 0), (.delimited, 0),
        ] {
            let columns = name == .delimited ? Array(fields[..<2]) : fields
            let decoder = try RecordFormats(schemas: store).columnDecoder(
                PlainFormatTests.format(name), topic: "t", isKey: false, columns: columns,
                wanted: Array(columns.indices))
            let records = (0..<100).map { _ -> [UInt8]? in
                let noise = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    Bool.random(using: &random)
                        ? UInt8.random(in: 0...8, using: &random) : UInt8.random(in: 0...255, using: &random)
                }
                return id == 0 ? noise : [0, 0, 0, 0, id] + noise
            }
            let decoded = decoder.decode(PlainFormatTests.bytes(records))
            #expect(decoded.columns.allSatisfy { $0.count == 100 })
        }
    }

    /// A registry that does not answer for a while.
    private final class SilentStore: SchemaStore {
        let inner = MemorySchemaStore()
        var isSilent = true
        var askedCount = 0

        func schema(id: Int32) throws(FormatError) -> RegistrySchema? {
            askedCount += 1
            if isSilent { throw FormatError(.unavailable, "no answer") }
            return try inner.schema(id: id)
        }
        func latest(of subject: String) throws(FormatError) -> (id: Int32, schema: RegistrySchema)? {
            try inner.latest(of: subject)
        }
        func schema(of subject: String, version: Int32) throws(FormatError) -> RegistrySchema? {
            try inner.schema(of: subject, version: version)
        }
        func register(_ schema: RegistrySchema, under subject: String) throws(FormatError) -> Int32 {
            try inner.register(schema, under: subject)
        }
    }

    @Test func `a schema that cannot be had now is asked for again, one that is not there is the record's fault`()
        throws
    {
        let store = SilentStore()
        let id = try store.register(RegistrySchema(type: "AVRO", text: #""string""#, references: []), under: "t-value")
        let decoder = try RecordFormats(schemas: store).columnDecoder(
            PlainFormatTests.format(.avro, unwrapped: true), topic: "t", isKey: false,
            columns: [SQLField("V", .string)], wanted: [0])
        let frame = { (id: Int32) in [0, 0, 0, 0, UInt8(id), 2, UInt8(ascii: "a")] as [UInt8] }
        let records = PlainFormatTests.bytes([frame(id), frame(id + 1)])
        #expect(decoder.decode(records).failures.map(\.error.code) == [.unavailable, .unavailable])
        // A registry that takes long would hold up its worker with each of them.
        #expect(store.askedCount == 1)
        _ = decoder.decode(records)
        #expect(store.askedCount == 2)
        store.isSilent = false
        let read = decoder.decode(records)
        #expect(read.failures.map(\.error.code) == [.deserialization] && read.failures.map(\.row) == [1])
    }
}
