import ConnectCore
import JSONFormat
import SQLTypes
import Testing

@testable import ConnectorSnowflake

@Suite struct RowTests {
    private let place = SinkPartition(topic: "orders", partition: 0)

    private func row(_ record: ConnectRecord, _ more: [String: String] = [:]) throws -> Row? {
        try RowMaker(try SnowflakeSettings(properties("http://a.b.c", more))).row(
            record, place: place, offset: record.kafkaOffset ?? 0, now: 9)
    }

    private func metadata(_ record: ConnectRecord, _ more: [String: String] = [:]) throws -> String? {
        try row(record, more)?.metadata.map { String(decoding: $0, as: UTF8.self) }
    }

    private func content(_ record: ConnectRecord, _ more: [String: String] = [:]) throws -> String? {
        guard case .document(let bytes)? = try row(record, more)?.content else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let snowpipe = ["snowflake.ingestion.method": "SNOWPIPE"]

    /// What upstream's `RecordService.processRecord` puts into it.
    @Test func `metadata say where a record was`() throws {
        let full = record(
            .string("x"), key: .string("k"), offset: 7,
            headers: [ConnectHeader("h", nil, .int64(1)), ConnectHeader("g", nil, .string("t"))])
        let time = #""CreateTime":5"#
        let end = #""key":"k","headers":{"h":1,"g":"t"}}"#
        #expect(
            try metadata(full, Self.snowpipe) == #"{"topic":"orders","offset":7,"partition":0,"# + time + "," + end)
        #expect(
            try metadata(full, Self.snowpipe.merging(["snowflake.metadata.topic": "false"]) { $1 })
                == #"{"offset":7,"partition":0,"# + time + "," + end)
        #expect(
            try metadata(full, Self.snowpipe.merging(["snowflake.metadata.createtime": "false"]) { $1 })
                == #"{"topic":"orders","offset":7,"partition":0,"# + end)
        #expect(
            try metadata(full, Self.snowpipe.merging(["snowflake.metadata.offset.and.partition": "false"]) { $1 })
                == #"{"topic":"orders","# + time + "," + end)
        #expect(try metadata(full, ["snowflake.metadata.all": "false"]) == nil)
        // Streaming has the time of its own, and headers are texts.
        let streamed = #""key":"k","SnowflakeConnectorPushTime":9,"headers":{"h":"1","g":"t"}}"#
        #expect(try metadata(full) == #"{"topic":"orders","offset":7,"partition":0,"# + time + "," + streamed)
        #expect(
            try metadata(full, ["snowflake.streaming.metadata.connectorPushTime": "false"])?.contains("Push") == false)
    }

    @Test func `keys keep their form`() throws {
        let made = try metadata(record(.string("x"), key: object([("id", .int64(1))])), Self.snowpipe)
        #expect(made?.contains(#""key":{"id":1}"#) == true)
    }

    @Test func `records without a value are empty objects or nothing`() throws {
        #expect(try content(record(.null)) == "{}")
        #expect(try row(record(.null), ["behavior.on.null.values": "IGNORE"]) == nil)
        let fields = try row(record(.null), ["snowflake.enable.schematization": "true"])?.content
        guard case .fields(let none)? = fields else { return #expect(Bool(false), "no fields") }
        #expect(none.isEmpty)
    }

    /// `RecordService.convertToJson`: dates and times are texts, timestamps numbers, decimals numbers up to 38 digits.
    @Test func `values become JSON as upstream has it`() throws {
        func named(_ kind: ConnectSchema.Kind, _ name: String, scale: Int? = nil) -> ConnectSchema {
            ConnectSchema(
                kind, name: "org.apache.kafka.connect.data." + name,
                parameters: scale.map { [.init("scale", "\($0)")] } ?? [])
        }
        let long = try SQLDecimal("1234567890123456789012345678901234567890.5")
        let cases: [(ConnectValue, ConnectSchema?, String)] = [
            (.instant(1_577_836_800_000), named(.int32, "Date"), #""2020-01-01T00:00:00.000Z""#),
            (.instant(3_723_004), named(.int32, "Time"), #""01:02:03.004+0000""#),
            (.instant(1_700_000_000_123), named(.int64, "Timestamp"), "1700000000123"),
            (.decimal(try SQLDecimal("12.30")), named(.bytes, "Decimal", scale: 2), "12.30"),
            (.decimal(long), named(.bytes, "Decimal", scale: 1), #""1234567890123456789012345678901234567890.5""#),
            (.bytes([0, 255]), nil, #""AP8=""#), (.float64(1.5), nil, "1.5"), (.float64(.nan), nil, #""NaN""#),
            (.boolean(true), nil, "true"), (.array([.int64(1), .null]), nil, "[1,null]"),
            (.map(ConnectMap([(ConnectValue.int64(1), ConnectValue.string("a"))])), nil, #"[[1,"a"]]"#),
            (.string("\"\\\n€"), nil, #""\"\\\n€""#),
        ]
        for (value, schema, text) in cases {
            #expect(String(decoding: try RecordJSON().json(value, schema).bytes, as: UTF8.self) == text)
        }
        #expect(throws: ConnectError.self) { try RecordJSON().json(.null, ConnectSchema(.string)) }
    }

    /// By `date -u -d @SECONDS`.
    @Test(
        arguments: [
            (0, "1970-01-01", "00:00:00.000"), (951_782_400_000, "2000-02-29", "00:00:00.000"),
            (-1, "1969-12-31", "23:59:59.999"), (4_107_542_399_000, "2100-02-28", "23:59:59.000"),
            (-62_135_596_800_000, "0001-01-01", "00:00:00.000"), (253_402_300_799_999, "9999-12-31", "23:59:59.999"),
        ] as [(Int64, String, String)])
    func `times as texts`(_ millis: Int64, _ date: String, _ time: String) {
        #expect(RecordJSON.dateText(millis) == date)
        #expect(RecordJSON.timeText(millis) == time)
    }

    // MARK: schematization

    private func fields(_ value: ConnectValue, _ schema: ConnectSchema? = nil) throws -> [Row.Field] {
        guard
            case .fields(let fields)? = try row(
                record(value, schema: schema), ["snowflake.enable.schematization": "true"])?.content
        else { return [] }
        return fields
    }

    /// Types of upstream's `SnowflakeColumnTypeMapper`; names as `Utils.quoteNameIfNeeded` has them.
    @Test func `fields have columns`() throws {
        let found = try fields(
            object([
                ("id", .int64(1)), ("Price", .float64(1.5)), ("ok", .boolean(true)), ("a b", .string("x")),
                ("none", .null),
                ("list", .array([])), ("in", object([])), ("\"As Is\"", .string("y")),
            ]))
        #expect(
            Set(found.map { "\($0.column) \($0.type)" }) == [
                "ID BIGINT", "PRICE DOUBLE", "OK BOOLEAN", "A B VARCHAR", "NONE VARCHAR", "LIST ARRAY", "IN VARIANT",
                "As Is VARCHAR",
            ])
        let schema = ConnectSchema(
            .structure,
            fields: [
                .init("i8", ConnectSchema(.int8)), .init("i16", ConnectSchema(.int16)),
                .init("i32", ConnectSchema(.int32)),
                .init("i64", ConnectSchema(.int64)), .init("f", ConnectSchema(.float32)),
                .init("b", ConnectSchema(.bytes, doc: "It's a doc")),
                .init("d", ConnectSchema(.int32, name: "org.apache.kafka.connect.data.Date")),
                .init("t", ConnectSchema(.int32, name: "org.apache.kafka.connect.data.Time")),
                .init("ts", ConnectSchema(.int64, name: "org.apache.kafka.connect.data.Timestamp")),
                .init(
                    "dec",
                    ConnectSchema(
                        .bytes, name: "org.apache.kafka.connect.data.Decimal", parameters: [.init("scale", "2")])),
            ])
        let typed = try fields(
            .structure(
                ConnectStruct(
                    schema,
                    values: [
                        .int8(1), .int16(1), .int32(1), .int64(1), .float32(1), .bytes([1]), .instant(0), .instant(0),
                        .instant(0), .decimal(try SQLDecimal("1.20")),
                    ])), schema)
        #expect(
            typed.map(\.type) == [
                "BYTEINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "BINARY", "DATE", "TIME(6)", "TIMESTAMP(6)", "VARCHAR",
            ])
        let texts = typed.map { field in
            var bytes: [UInt8] = []
            ColumnType.append(field.value, type: field.type, to: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(
            texts == [
                "1", "1", "1", "1", "1.0", #""01""#, #""1970-01-01""#, #""00:00:00.000""#,
                #""1970-01-01 00:00:00.000""#,
                #""1.20""#,
            ])
    }

    @Test(arguments: [
        object([("a", .int64(1)), ("A", .int64(2))]), object([("record_metadata", .int64(1))]), .string("x"),
        .array([.int64(1)]), .map(ConnectMap([(ConnectValue.int64(1), ConnectValue.int64(1))])),
    ])
    func `records that make no columns are refused`(_ value: ConnectValue) {
        #expect(throws: ConnectError.self) { try fields(value) }
    }

    @Test(
        arguments: [
            ("VARCHAR(10)", "F.VALUE[1]::VARCHAR"), ("NUMBER(38,0)", "F.VALUE[1]::NUMBER(38,0)"),
            ("TIMESTAMP_NTZ(9)", "F.VALUE[1]::VARCHAR::TIMESTAMP_NTZ(9)"),
            ("BINARY(8)", "TO_BINARY(F.VALUE[1]::VARCHAR, 'HEX')"),
            ("VARIANT", "IFF(IS_NULL_VALUE(F.VALUE[1]), NULL, F.VALUE[1])"), ("boolean", "F.VALUE[1]::BOOLEAN"),
            ("ARRAY", "F.VALUE[1]::ARRAY"), ("GEOGRAPHY", nil), ("NUMBER(1); DROP TABLE X --)", nil),
            ("ARRAY(NUMBER(38,0))", nil),
        ] as [(String, String?)])
    func `a value is made what its column takes`(_ type: String, _ expression: String?) {
        #expect(ColumnType.expression(type, element: 1) == expression)
    }

    @Test func `columns follow the records`() async throws {
        try await SnowflakeServer.run { url, server in
            let table = "DB.S.ORDERS"
            server.state.columns[table] = [("ID", "NUMBER(38,0)", "Y"), ("WHO", "VARCHAR(20)", "N")]
            let task = SnowflakeSinkTask(
                try SnowflakeSettings(
                    properties(url, ["snowflake.enable.schematization": "true", "buffer.count.records": "1"])),
                SinkContext())
            try await task.start()
            try await task.put([
                record(object([("id", .int64(1)), ("who", .string("a"))])),
                record(object([("id", .int64(2)), ("it's \"new\"; --", .string("b"))]), offset: 1),
            ])
            await task.stop()
            #expect(
                server.statements.filter { $0.hasPrefix("ALTER") } == [
                    #"ALTER TABLE "DB"."S"."ORDERS" ALTER COLUMN "WHO" DROP NOT NULL"#,
                    #"ALTER TABLE "DB"."S"."ORDERS" ADD COLUMN IF NOT EXISTS "RECORD_METADATA" VARIANT"#,
                    #"ALTER TABLE "DB"."S"."ORDERS" ADD COLUMN IF NOT EXISTS "IT'S ""NEW""; --" VARCHAR"#,
                ])
        }
    }

    /// ALTER TABLE would refuse them, and with them all rows.
    @Test(arguments: ["\"\"", String(repeating: "a", count: 256), String(repeating: "\u{DF}", count: 128), "a\0b"])
    func `names that no column can have refuse the row alone`(_ name: String) throws {
        let schema = ConnectSchema(.structure, fields: [.init(name, ConnectSchema(.int64))])
        for value in [
            record(object([(name, .int64(1))])),
            record(.structure(ConnectStruct(schema, values: [.int64(1)])), schema: schema),
        ] {
            let error = #expect(throws: ConnectError.self) {
                try row(value, ["snowflake.enable.schematization": "true"])
            }
            #expect(error?.code == .data)
            #expect(error?.message.contains("1 to 255 characters") == true)
        }
    }

    @Test(arguments: ["\"", "\"\"\"\"", " ", String(repeating: "a", count: 255)])
    func `names that a column can have are taken`(_ name: String) throws {
        #expect(try row(record(object([(name, .int64(1))])), ["snowflake.enable.schematization": "true"]) != nil)
    }

    @Test func `comments stay texts`() {
        #expect(Statements.literal(#"it's \'; DROP "#) == #"'it''s \\''; DROP '"#)
        #expect(Statements.literal(String(repeating: "x", count: 5000)).count == 1002)
    }
}
