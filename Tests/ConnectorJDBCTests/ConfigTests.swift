import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorJDBC

@Suite struct ConfigTests {
    @Test(
        arguments: [
            (
                "jdbc:postgresql://h:5433/db?user=u&password=p%20w&sslmode=require", "postgresql", "h:5433", "db", "u",
                "p w"
            ),
            ("jdbc:postgresql://postgres:5432/", "postgresql", "postgres:5432", "", nil, nil),
            ("jdbc:postgresql:db", "postgresql", "", "db", nil, nil),
            ("jdbc:postgresql://a,b:1,[::1]:2/db", "postgresql", "a:0 b:1 ::1:2", "db", nil, nil),
            ("jdbc:mysql://u:p%40@mysql:3306/demo", "mysql", "mysql:3306", "demo", "u", "p@"),
            ("jdbc:mariadb:loadbalance://a,b/demo", "mariadb", "a:0 b:0", "demo", nil, nil),
            ("jdbc:sqlite:/tmp/x.db?journal_mode=WAL", "sqlite", "", "/tmp/x.db", nil, nil),
        ] as [(String, String, String, String, String?, String?)])
    func `reads addresses`(
        text: String, product: String, hosts: String, database: String, user: String?, password: String?
    ) throws {
        let url = try JDBCURL(text)
        #expect(url.product == product)
        #expect(url.hosts.map { "\($0.name):\($0.port ?? 0)" }.joined(separator: " ") == hosts)
        #expect(url.database == database)
        #expect(url.user == user)
        #expect(url.password == password)
    }

    @Test(arguments: [
        "", "mysql://h/db", "jdbc:", "jdbc:mysql", "jdbc:mysql://u:secret@h:99999/db?password=secret",
        "jdbc:postgresql://[::1/db", "jdbc:oracle:thin:@secret",
    ])
    func `refuses other addresses without telling passwords`(text: String) async {
        let problems = await JDBCSinkPlugin(.confluent, version: "1").problems(with: ["connection.url": text])
        #expect(problems.map(\.option) == ["connection.url"])
        #expect(!problems.map(\.message).joined().contains("secret"))
    }

    /// The words of the original's validators.
    @Test(
        arguments: [
            (
                ["insert.mode": "Upsert"], "insert.mode",
                "Invalid value Upsert for configuration insert.mode: Invalid enumerator, must be one of insert, "
                    + "upsert, update"
            ),
            (
                ["pk.mode": "key"], "pk.mode",
                "Invalid value key for configuration pk.mode: Invalid enumerator, must be one of none, kafka, record_key, "
                    + "record_value"
            ),
            (
                ["db.timezone": "Mars"], "db.timezone",
                "Invalid value Mars for configuration db.timezone: Invalid time zone identifier"
            ),
            (
                ["max.retries": "-1"], "max.retries",
                "Invalid value -1 for configuration max.retries: Value must be at least 0"
            ),
        ] as [([String: String], String, String)])
    func `finds what is wrong`(properties: [String: String], option: String, message: String) {
        let findings = JDBCSinkPlugin(.confluent, version: "1").definition.validate(
            properties.merging(["connection.url": "jdbc:sqlite:x"]) { $1 })
        #expect(
            findings.flatMap { finding in finding.errors.map { [finding.option.name, $0] } } == [[option, message]])
    }

    @Test func `deletions need the record's key`() async {
        let problems = await JDBCSinkPlugin(.confluent, version: "1").problems(with: [
            "connection.url": "jdbc:sqlite:x", "delete.enabled": "true",
        ])
        #expect(problems.map(\.option) == ["pk.mode", "delete.enabled"])
    }

    private func table(_ product: Dialect.Product) throws -> (create: String, add: [String]) {
        let schema = structure([
            ("id", .string), ("b", ConnectSchema(.boolean, defaultValue: .boolean(true))),
            ("d", .decimal(scale: 3, isOptional: true)),
            ("s", ConnectSchema(.string, isOptional: true, defaultValue: .string("a'\\"))),
        ])
        let fields = schema.fields.map { SinkField($0.name, $0.schema, isKey: $0.name == "id") }
        let dialect = Dialect(product)
        return (
            try dialect.createTable(TableID(name: "t"), fields),
            try dialect.addColumns(TableID(schema: "x", name: "t"), Array(fields[1...2]))
        )
    }

    @Test(
        arguments: [(.postgresql, "TIMESTAMP"), (.mysql, "DATETIME(6)"), (.sqlite, "NUMERIC")]
            as [(Dialect.Product, String)])
    func `columns of instants`(product: Dialect.Product, type: String) throws {
        for schema in [ConnectSchema.int64, .string] {
            let field = SinkField("n", schema, isKey: false, instantsIn: .micros)
            #expect(try Dialect(product).type(field.kind, isKey: false) == type)
        }
        #expect(SinkField("n", .timestamp, isKey: false, instantsIn: .micros).kind == .timestamp)
        let zones = CellZones(zone: try SinkOptions.zone("db.timezone", "Asia/Tokyo"), dateZone: .utc)
        let encoder = CellEncoder(kind: .instant(.nanos), field: "n", isRaw: false, zones: zones)
        #expect(try encoder.cell(.int64(-1)) == .moment(local: 32_400_000_000 - 1, ahead: 32_400))
    }

    @Test func `defaults of times are in the zone of values`() throws {
        let schemas = [
            ConnectSchema.timestamp.with(defaultValue: .instant(0)),
            ConnectSchema.time.with(defaultValue: .instant(0)),
        ]
        let fields = schemas.map { SinkField("f", $0, isKey: false) }
        let zones = CellZones(zone: try SinkOptions.zone("db.timezone", "Asia/Tokyo"), dateZone: .utc)
        #expect(
            try Dialect(.mysql).addColumns(TableID(name: "t"), fields, zones: zones) == [
                "ALTER TABLE `t` ADD `f` DATETIME(3) DEFAULT '1970-01-01 09:00:00',\n"
                    + "ADD `f` TIME(3) DEFAULT '09:00:00'"
            ])
    }

    @Test func `texts of the dialects`() throws {
        let postgres = try table(.postgresql)
        #expect(
            postgres.create == #"CREATE TABLE "t" ("# + "\n"
                + #""id" TEXT NOT NULL,"# + "\n" + #""b" BOOLEAN DEFAULT TRUE,"# + "\n" + #""d" DECIMAL NULL,"# + "\n"
                + #""s" TEXT DEFAULT 'a''\',"# + "\n" + #"PRIMARY KEY("id"))"#)
        #expect(
            postgres.add == [#"ALTER TABLE "x"."t" ADD "b" BOOLEAN DEFAULT TRUE,"# + "\n" + #"ADD "d" DECIMAL NULL"#])
        let mysql = try table(.mysql)
        #expect(
            mysql.create == "CREATE TABLE `t` (\n`id` VARCHAR(256) NOT NULL,\n`b` TINYINT DEFAULT 1,\n"
                + "`d` DECIMAL(65,3) NULL,\n`s` TEXT DEFAULT ('a''\\\\'),\nPRIMARY KEY(`id`))")
        #expect(
            try table(.sqlite).add == [
                #"ALTER TABLE "x"."t" ADD "b" INTEGER DEFAULT 1"#, #"ALTER TABLE "x"."t" ADD "d" NUMERIC NULL"#,
            ])
    }

    @Test(
        arguments: [
            ("a", "\"a\""), ("s.a", "\"s\".\"a\""), ("\"my.s\".a", "\"my.s\".\"a\""), ("c.s.a", "\"c\".\"s\".\"a\""),
        ])
    func `names of tables`(text: String, quoted: String) throws {
        let dialect = Dialect(.postgresql)
        #expect(dialect.quoted(try dialect.table(text)) == quoted)
    }

    @Test(arguments: ["", "a.", "a..b", "a.b.c.d", "a\0b"])
    func `what is no name of a table`(text: String) {
        #expect(throws: ConnectError.self) { try Dialect(.postgresql).table(text) }
    }

    /// By hand: PostgreSQL's text form of arrays.
    @Test func `arrays of PostgreSQL`() {
        let cells: [Cell] = [
            .null, .integer(.min), .text("a\"\\,{}"), .bytes([0, 255]), .flag(false), .double(.nan), .float(-.infinity),
            .date(-719_529), .time(3_600_000_001), .moment(local: -1, ahead: -12_600), .array([.text("x\"y"), .null]),
        ]
        #expect(
            CellText.string { PostgreSQLText.appendArray(cells, &$0) }
                == #"{NULL,-9223372036854775808,"a\"\\,{}","\\x00ff",f,NaN,-Infinity,"0002-12-31 BC","01:00:00.000001","#
                + #""1969-12-31 23:59:59.999999-03:30","{\"x\\\"y\",NULL}"}"#)
    }

    /// Arrays in an array are dimensions of one value; rows of such values are a text each.
    @Test func `arrays of several dimensions of PostgreSQL`() {
        let value = Cell.array([.array([.integer(1), .null]), .array([.text("a"), .integer(2)])])
        #expect(CellText.string { PostgreSQLText.append(value, &$0) } == #"{{1,NULL},{"a",2}}"#)
        #expect(
            CellText.string { PostgreSQLText.appendArray([value], &$0) }
                == #"{"{{1,NULL},{\"a\",2}}"}"#)
    }

    @Test func `texts of PostgreSQL have no zero bytes`() {
        #expect(CellText.string { PostgreSQLText.append(.text("a\0b"), &$0) } == "ab")
        #expect(CellText.string { PostgreSQLText.appendArray([.text("\0a\0")], &$0) } == #"{"a"}"#)
    }

    @Test func `decimals with a negative scale have whole numbers in MySQL`() throws {
        let field = SinkField("d", .decimal(scale: -2, isOptional: true), isKey: false)
        #expect(
            try Dialect(.mysql).addColumns(TableID(name: "t"), [field]) == [
                "ALTER TABLE `t` ADD `d` DECIMAL(65,0) NULL"
            ])
    }

    @Test func `of two rows with one key the later one stays`() {
        var rows = CellRows(columnCount: 2)
        for (key, value) in [(1, 10), (2, 20), (1, 11), (nil, 30), (nil, 31)] as [(Int64?, Int64)] {
            rows.append(key.map { Cell.integer($0) } ?? Cell.null)
            rows.append(.integer(value))
        }
        let kept = rows.keepingLast(keys: [0])
        #expect(
            (0..<kept.rowCount).map { kept.row($0).last } == [.integer(20), .integer(11), .integer(30), .integer(31)])
    }
}
