import ConnectCore
import SQLTypes
import Synchronization
import Testing

@testable import ConnectorCDC

@Suite struct PostgresTests {
    private static let plain = [
        "topic.prefix": "s", "database.hostname": "h", "database.user": "u", "database.dbname": "d",
    ]

    // MARK: Options

    /// Debezium's defaults; but for the plugin, of which there is one.
    @Test func `defaults are the original's`() throws {
        let config = try PostgresConfig(Self.plain)
        #expect(config.slot == "debezium" && config.publication == "dbz_publication")
        #expect(config.publishing == .allTables && config.snapshotMode == .initial && config.flushing == .connector)
        #expect(config.modes == PostgresModes())
        #expect(config.hasTombstones && config.skippedOperations == ["t"] && config.isRepeatable && !config.locksTables)
    }

    @Test(arguments: [
        ("plugin.name", "decoderbufs", "there is pgoutput"), ("plugin.name", "wal2json", "there is pgoutput"),
        ("snapshot.mode", "configuration_based", "must be one of"), ("snapshot.mode", "custom", "must be one of"),
        ("slot.name", "Upper", "lowercase"), ("publication.autocreate.mode", "some", "must be one of"),
        ("time.precision.mode", "weeks", "must be one of"), ("database.sslmode", "maybe", "must be one of"),
        ("replica.identity.autoset.values", "inv.t", "expecting"),
        ("replica.identity.autoset.values", "inv.t:SOME", "FULL, DEFAULT, NOTHING and INDEX"),
        ("snapshot.locking.mode", "custom", "must be one of"),
        ("slot.stream.params", "streaming=on", "the connector's own"), ("slot.stream.params", "origin", "expecting"),
    ]) func `wrong values are refused with those that are right`(name: String, value: String, words: String) {
        let errors = PostgresCDCPlugin(version: "1").definition.validate(Self.plain.merging([name: value]) { $1 })
            .flatMap(\.errors)
        #expect(errors.contains { $0.contains(words) }, "\(errors)")
    }

    @Test func `names of earlier versions mean those of today`() throws {
        let config = try PostgresConfig([
            "database.server.name": "s", "database.hostname": "h", "database.user": "u", "database.dbname": "d",
            "schema.whitelist": "inv", "snapshot.mode": "never", "flush.lsn.source": "false",
        ])
        #expect(config.prefix == "s" && config.snapshotMode == .noData && config.flushing == .manual)
        let filters = try config.filters()
        #expect(filters.isCaptured(TableID("inv", "t")) && !filters.isCaptured(TableID("public", "t")))
        #expect(try !PostgresConfig(Self.plain).filters().isCaptured(TableID("pg_catalog", "pg_class")))
    }

    @Test func `replica identities are clauses`() throws {
        let identities = try ReplicaIdentities("inv.a:FULL,inv.b.*:INDEX my_index")
        #expect(identities.clause(of: TableID("inv", "a")) == "FULL")
        #expect(identities.clause(of: TableID("inv", "bcd")) == "USING INDEX \"my_index\"")
        #expect(identities.clause(of: TableID("inv", "c")) == nil)
    }

    // MARK: Places

    @Test(
        arguments: [("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", UInt64.max)]
            as [(String, UInt64)])
    func `places print as the server prints them`(text: String, value: UInt64) {
        #expect(Lsn(text) == Lsn(rawValue: value) && Lsn(rawValue: value).description == text)
        #expect(Lsn(number: Lsn(rawValue: value).number).rawValue == value)
    }

    @Test(arguments: ["", "1", "/", "1/", "1/2/3", "G/0", "123456789/0"])
    func `what is no place is none`(text: String) { #expect(Lsn(text) == nil) }

    @Test func `offsets come back as they were`() throws {
        var position = PostgresPosition(at: Lsn(rawValue: 1000))
        position.openCommit = Lsn(rawValue: 1500)
        position.rowCount = 17
        position.transaction = 42
        position.messageType = "INSERT"
        position.seen = SeenTransactions("10:20:12,15")
        position.seenUntil = Lsn(rawValue: 1200)
        position.incremental = ["incremental_snapshot_primary_key": "[1]"]
        #expect(PostgresPosition(position.offset) == position)
        #expect(PostgresPosition(ConnectMap()) == nil)
    }

    /// An offset that the original wrote behind an insertion of a transaction that was not at its end.
    @Test func `the original's offsets are gone on from`() throws {
        let offset = ConnectMap([
            ("lsn_proc", .int64(1600)), ("messageType", .string("INSERT")), ("lsn_commit", .int64(1500)),
            ("lsn", .int64(1600)), ("txId", .int64(7)), ("ts_usec", .int64(1)),
        ])
        let position = try #require(PostgresPosition(offset))
        #expect(position.commitLSN.rawValue == 1500 && position.processedLSN?.rawValue == 1600)
    }

    @Test func `snapshots have seen what was committed before them`() throws {
        let seen = try #require(SeenTransactions("4294967290:4294967300:4294967295,4294967298"))
        // Numbers in the log have no epoch.
        #expect(seen.contains(UInt32(truncatingIfNeeded: 4_294_967_280)))
        #expect(seen.contains(UInt32(truncatingIfNeeded: 4_294_967_299)))
        #expect(!seen.contains(UInt32(truncatingIfNeeded: 4_294_967_295)))
        #expect(!seen.contains(UInt32(truncatingIfNeeded: 4_294_967_300)))
        #expect(!seen.contains(100))
        #expect(SeenTransactions("5:3:") == nil && SeenTransactions("a:b") == nil)
    }

    // MARK: Values

    private static let types = PostgresTypes([
        PostgresType(oid: 23, name: "int4"), PostgresType(oid: 1700, name: "numeric"),
        PostgresType(oid: 1114, name: "timestamp"), PostgresType(oid: 1082, name: "date"),
        PostgresType(oid: 25, name: "text"), PostgresType(oid: 17, name: "bytea"),
        PostgresType(oid: 790, name: "money"),
        PostgresType(oid: 1009, name: "_text", element: 25), PostgresType(oid: 1231, name: "_numeric", element: 1700),
        PostgresType(oid: 1007, name: "_int4", element: 23), PostgresType(oid: 16, name: "bool"),
        PostgresType(oid: 90_000, name: "positive", base: 23), PostgresType(oid: 90_001, name: "box"),
        PostgresType(oid: 90_002, name: "hstore"), PostgresType(oid: 1186, name: "interval"),
        PostgresType(oid: 90_003, name: "geometry"), PostgresType(oid: 90_004, name: "vector"),
        PostgresType(oid: 90_005, name: "sparsevec"),
    ])

    private func value(
        _ type: UInt32, _ text: String?, modifier: Int32 = -1, isOptional: Bool = true,
        _ change: (inout PostgresModes) -> Void = { _ in }
    ) throws -> ConnectValue {
        var modes = PostgresModes()
        change(&modes)
        let made = try #require(PostgresValue.make(type, modifier, Self.types, modes, name: "c"))
        guard let text else {
            return try made.value(.null, isOptional: isOptional, fallback: nil, isStreaming: true)
        }
        return try Array(text.utf8).withUnsafeBytes {
            try made.value(.bytes($0), isOptional: isOptional, fallback: nil, isStreaming: true)
        }
    }

    /// Beyond what the captures have: by the definitions of the types.
    @Test func `values of all kinds`() throws {
        #expect(try value(90_000, "5") == .int32(5))
        #expect(try value(23, nil, isOptional: false) == .int32(0))
        #expect(try value(25, nil, isOptional: false) == .string(""))
        #expect(try value(1082, "0044-03-15 BC") == .int32(-735_160))
        #expect(try value(1114, "10000-01-01 00:00:00", modifier: 0) == .int64(253_402_300_800_000))
        #expect(try value(1114, "-infinity") == .int64(-9_223_372_036_832_400_000))
        #expect(try value(790, "-$1,234.56") { $0.decimals = .string } == .string("-1234.56"))
        #expect(try value(1007, "{1,NULL,-3}") == .array([.int32(1), .null, .int32(-3)]))
        #expect(try value(1007, "[0:1]={1,2}") == .array([.int32(1), .int32(2)]))
        #expect(try value(1007, "{{1},{2}}") == .array([.null, .null]))
        #expect(try value(1009, #"{{"{,","}\""},{b,c},{d,e}}"#) == .array([.null, .null, .null]))
        #expect(
            try value(1186, "-1 years -2 mons +3 days -00:00:01.5") { $0.intervals = .string }
                == .string("P-1Y-2M3DT0H0M-1.5S"))
        #expect(try value(1186, "00:00:00.000001") == .int64(1))
        #expect(try value(17, "\\x00Ff") == .bytes([0, 255]))
        #expect(try value(90_004, "[1,2.5]") == .array([.float64(1), .float64(2.5)]))
        #expect(try value(90_002, "\"a\\\"b\"=>NULL") == .string("{\"a\\\"b\":null}"))
        #expect(
            try value(90_001, "(1,1),(0,0)") { $0.includesUnknown = true } == .bytes(Array("(1.0,1.0),(0.0,0.0)".utf8)))
    }

    /// As the original's: the option says the scale, the text how much it is. The last ones are of other `lc_monetary`.
    @Test(arguments: [
        ("-$12.35", 2, "-12.35"), ("-$12.35", 3, "-12.350"), ("$12.35", 0, "12"), ("$12.55", 1, "12.6"),
        ("$1,234,567.80", 2, "1234567.80"), ("$1,234.50", 0, "1235"), ("$0.00", 2, "0.00"),
        ("¥1,235", 2, "1235.00"), ("¥1,234,567", 0, "1234567"), ("-12.345,67 €", 2, "-12345.67"),
        ("BD 1.250", 3, "1.250"), ("Fr. 5.30", 2, "5.30"), ("kr 1 234,50", 2, "1234.50"), ("$1.234", 0, "1234"),
    ])
    func `amounts of money`(text: String, digits: Int, expected: String) throws {
        let amount = try value(790, text) { ($0.decimals, $0.moneyFractionDigits) = (.string, digits) }
        #expect(amount == .string(expected))
        let decimal = try value(790, text) { $0.moneyFractionDigits = digits }
        #expect(decimal == SQLDecimal(utf8: Array(expected.utf8)).map { ConnectValue.decimal($0) })
    }

    @Test func `times that nanoseconds cannot hold are NULL`() throws {
        func nanos(_ text: String, isOptional: Bool = true) throws -> ConnectValue {
            try value(1114, text, isOptional: isOptional) { $0.times = .nanoseconds }
        }
        #expect(try nanos("2262-04-11 23:47:16.854775") == .int64(9_223_372_036_854_775_000))
        #expect(try nanos("9999-12-31 00:00:00") == .null)
        #expect(try nanos("0001-01-01 00:00:00") == .null)
        #expect(try nanos("infinity") == .int64(.max))
        #expect(throws: ConnectError.self) { try nanos("9999-12-31 00:00:00", isOptional: false) }
    }

    /// As pgjdbc's `TypeInfoCache`, seen in `__debezium.source.column.length` and `.scale`.
    @Test func `lengths and scales of columns`() {
        func size(_ name: String, _ modifier: Int32) -> [Int?] {
            let type = PostgresType(oid: 1, name: name)
            return [type.length(modifier), type.scale(modifier)]
        }
        #expect(size("interval", -1) == [49, 6])
        #expect(size("interval", 2_147_418_115) == [49, 3])
        #expect(size("numeric", 786_439) == [12, 3])
        #expect(size("time", 3) == [12, 3])
    }

    /// As pgvector prints them.
    @Test(
        arguments: [
            ("{1:1.5,3:-2e-05}/5", 5, [(1, 1.5), (3, -2e-05)]), ("{}/3", 3, []),
        ] as [(String, Int16, [(Int16, Double)])])
    func `sparse vectors`(text: String, count: Int16, entries: [(Int16, Double)]) throws {
        let value = try value(90_005, text)
        let made = try #require(value.structure)
        #expect(made.schema.name == "io.debezium.data.SparseVector")
        #expect(made["dimensions"] == .int16(count))
        #expect(
            made["vector"] == .map(ConnectMap(entries.map { (ConnectValue.int16($0.0), ConnectValue.float64($0.1)) })))
        try made.schema.check(value)
        #expect { try self.value(90_005, "[1,2]") } throws: { "\($0)".contains("does not fit") }
    }

    /// pgvector has up to 1 000 000 000 dimensions, the original's schema 32767.
    @Test func `sparse vectors beyond their schema are NULL, and told once`() throws {
        let told = Mutex<[String]>([])
        let warning = PostgresWarning { line in told.withLock { $0.append(line) } }
        let made = try #require(
            PostgresValue.make(90_005, -1, Self.types, PostgresModes(), name: "c", warning: warning))
        func value(_ text: String, isOptional: Bool) throws -> ConnectValue {
            try Array(text.utf8).withUnsafeBytes {
                try made.value(.bytes($0), isOptional: isOptional, fallback: nil, isStreaming: true)
            }
        }
        #expect(try value("{32767:1}/32767", isOptional: true).structure?["dimensions"] == .int16(32_767))
        #expect(told.withLock { $0.isEmpty })
        #expect(try value("{1:1}/32768", isOptional: true) == .null)
        #expect(try value("{100000:1.5}/1000000000", isOptional: true) == .null)
        #expect(try value("{40000:1}/50000", isOptional: false).structure?["dimensions"] == .int16(0))
        #expect(told.withLock { $0.count } == 1 && told.withLock { $0[0].contains("'c'") })
        #expect(throws: ConnectError.self) { try value("{1:1}/x", isOptional: true) }
    }

    @Test func `NaN is told where it cannot be expressed`() throws {
        #expect(try value(1700, "NaN") { $0.decimals = .string } == .string("NAN"))
        #expect(try value(1700, "-Infinity") { $0.decimals = .double } == .float64(-.infinity))
        // As Debezium 3.6 has it.
        #expect(try value(1700, "NaN") == .null)
        #expect(try value(1231, "{NaN,1}") == .null)
        #expect { try value(1700, "NaN") { $0.failsOnConversion = true } } throws: {
            "\($0)".contains("decimal.handling.mode")
        }
        // Where NULL cannot be, nothing else is said of it.
        #expect { try value(1700, "NaN", isOptional: false) } throws: {
            "\($0)".contains("decimal.handling.mode") && "\($0)".contains("cannot be NULL")
        }
        #expect(throws: ConnectError.self) { try value(23, "x") }
    }

    @Test func `geometry has its reference system`() throws {
        // SELECT ST_SetSRID(ST_MakePoint(1, 2), 4326)
        let value = try value(90_003, "0101000020E6100000000000000000F03F0000000000000040")
        guard case .structure(let shape) = value else {
            Issue.record("\(value)")
            return
        }
        #expect(shape["srid"] == .int32(4326))
    }

    /// As `pg_get_expr` prints defaults.
    @Test(
        arguments: [
            (23, "7", .int32(7)), (23, "'-1'::integer", .int32(-1)), (23, "(-5)", .int32(-5)),
            (23, "nextval('s'::regclass)", .int32(0)), (25, "'it''s'::text", .string("it's")), (25, "NULL::text", nil),
            (25, "E'a\\\\b'::text", .string("a\\b")), (16, "true", .boolean(true)),
            (1082, "'2021-02-03'::date", .int32(18_661)),
            (1082, "CURRENT_DATE", nil), (1082, "now()", .int32(0)), (90_000, "5", nil), (17, "'\\x00'::bytea", nil),
        ] as [(UInt32, String, ConnectValue?)])
    func `defaults are literals or stand for functions`(type: UInt32, expression: String, expected: ConnectValue?)
        throws
    {
        let made = try #require(PostgresValue.make(type, -1, Self.types, PostgresModes(), name: "c"))
        #expect(PostgresDefault.value(expression, of: Self.types[type], made) == expected)
    }

    @Test func `a value that stays is named by the placeholder`() throws {
        func placeholder(_ type: UInt32, _ mode: HandlingModes.Bytes = .bytes) throws -> ConnectValue {
            var modes = PostgresModes()
            modes.bytes = mode
            modes.placeholder = "p"
            return try #require(PostgresValue.make(type, -1, Self.types, modes, name: "c"))
                .value(.unchanged, isOptional: true, fallback: nil, isStreaming: true)
        }
        #expect(try placeholder(25) == .string("p"))
        #expect(try placeholder(17) == .bytes([0x70]) && placeholder(17, .hex) == .string("p"))
        #expect(try placeholder(17, .base64) == .null)
        #expect(try placeholder(1007) == .array([.int32(0x70)]))
    }

    /// Java's HashMap, by its source: buckets of a spread hash, then the order of arrival.
    @Test func `maps have Java's order`() {
        let entries = ["a b", "q", "inv.parted_1", "inv.parted_2"].map { (key: $0, value: 0) }
        #expect(
            javaOrdered(entries).map(\.key).firstIndex(of: "q") ?? 9 < javaOrdered(entries).map(\.key).firstIndex(
                of: "a b") ?? 0)
    }
}
