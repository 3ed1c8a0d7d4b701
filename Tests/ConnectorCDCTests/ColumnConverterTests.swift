import ConnectCore
import Testing

@testable import ConnectorCDC

/// As Debezium's own converters do, whose names `converters` takes.
@Suite struct ColumnConverterTests {
    private static let plain = [
        "database.hostname": "h", "database.user": "u", "database.password": "p", "database.server.id": "5",
        "topic.prefix": "s",
    ]

    private static func events(_ options: [String: String], _ columns: String) throws -> TableEvents {
        let config = try MySQLConfig(.mysql, plain.merging(options) { $1 })
        var catalog = TableCatalog()
        _ = try DDLParser.apply("CREATE TABLE t (\(columns))", database: "d", to: &catalog)
        return TableEvents(
            try #require(catalog[TableID("d", "t")]), config, try TableFilters(config.shared),
            try ColumnRules(config.shared), source: SourceInfo(config, version: "1").schema)
    }

    private static let tinyInt = [
        "converters": "flags", "flags.type": "io.debezium.connector.mysql.converters.TinyIntOneToBooleanConverter",
    ]

    @Test func `TINYINT(1) is BOOLEAN, in keys and defaults, too`() throws {
        let events = try Self.events(
            Self.tinyInt,
            "a TINYINT(1) PRIMARY KEY, b TINYINT(1) UNSIGNED DEFAULT 1, c TINYINT, d TINYINT(4), e INT(1)")
        #expect(events.rowSchema.fields.map(\.schema.kind) == [.boolean, .boolean, .int16, .int16, .int32])
        #expect(events.rowSchema.field("b")?.schema.defaultValue == .boolean(true))
        #expect(events.keySchema?.fields.map(\.schema.kind) == [.boolean])
        let cells: [Cell] = [.integer(-1), .integer(0), .integer(1), .integer(2), .integer(3)]
        let row = try #require(try events.row(cells, isStreaming: true).structure)
        #expect(row.values == [.boolean(true), .boolean(false), .int16(1), .int16(2), .int32(3)])
        // As snapshots read it, and as their chunks begin behind it.
        let text = Array("1".utf8)
        try text.withUnsafeBytes { bytes in
            let codec = events.columns[0].codec
            let value = try codec.value(try TextCell.cell(bytes, codec), isStreaming: false)
            #expect(value == .boolean(true))
            #expect(MySQLServer.literal(bytes, codec) == "1")
        }
    }

    @Test func `a selector names the columns, and their length may be any`() throws {
        let options = Self.tinyInt.merging(["flags.selector": "d.t.x.*,d.t.c", "flags.length.checker": "false"]) { $1 }
        let events = try Self.events(options, "a TINYINT(1), x1 TINYINT(1), c TINYINT UNSIGNED, x2 SMALLINT")
        #expect(events.rowSchema.fields.map(\.schema.kind) == [.int16, .boolean, .boolean, .int16])
    }

    @Test func `types for JDBC sinks`() throws {
        let options = [
            "converters": "sink, flags",
            "sink.type": "io.debezium.connector.binlog.converters.JdbcSinkDataTypesConverter",
            "sink.selector.boolean": "d.t.b.*", "sink.selector.real": "d.t.r", "sink.selector.string": "d.t.(s|i)",
        ].merging(Self.tinyInt) { old, _ in old }
        let columns =
            "b1 BOOLEAN DEFAULT TRUE, b2 TINYINT(1), r REAL, f FLOAT, s VARCHAR(9) CHARACTER SET latin1, i INT"
        let events = try Self.events(options, columns)
        let kinds: [ConnectSchema.Kind] = [.int16, .int16, .float64, .float32, .string, .int32]
        #expect(events.rowSchema.fields.map(\.schema.kind) == kinds)
        #expect(events.rowSchema.field("b1")?.schema.defaultValue == .int16(1))
        #expect(
            events.rowSchema.field("s")?.schema.parameters == [
                .init("__debezium.source.column.character_set", "latin1")
            ])
        let cells: [Cell] = [.integer(1), .integer(0), .double(0.1), .float(0.5), .null, .integer(7)]
        let row = try #require(try events.row(cells, isStreaming: true).structure)
        #expect(row.values == [.int16(1), .int16(0), .float64(0.1), .float32(0.5), .null, .int32(7)])

        let single = options.merging(["sink.treat.real.as.double": "false", "sink.selector.real": "d.t.d"]) { $1 }
        #expect(try Self.events(single, "d DOUBLE").rowSchema.fields.map(\.schema.kind) == [.float32])
    }

    @Test(
        arguments: [
            (["converters": "geo", "geo.type": "example.GeoConverter"], "'example.GeoConverter' of 'geo.type'"),
            (["converters": "geo"], "'' of 'geo.type'"),
            (Self.tinyInt.merging(["flags.selector": "d.(t"]) { $1 }, "'flags.selector'"),
        ])
    func `what is not there is refused`(options: [String: String], words: String) async throws {
        let problems = await CDCPlugin.mysql(version: "1", clusters: nil)
            .problems(with: Self.plain.merging(options) { $1 })
        #expect(problems.map(\.option) == ["converters"])
        #expect(problems.first?.message.contains(words) ?? false)
    }

    @Test func `PostgreSQL has none`() {
        let plugin = PostgresCDCPlugin(version: "1")
        let errors = plugin.definition.validate(Self.plain.merging(["converters": "x"]) { $1 })
            .filter { $0.option.name == "converters" }.flatMap(\.errors)
        #expect(errors.count == 1)
    }
}
