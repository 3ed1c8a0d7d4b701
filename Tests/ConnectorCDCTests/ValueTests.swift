import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorCDC

@Suite struct ValueTests {
    private static func codec(_ definition: String, _ modes: HandlingModes = HandlingModes()) throws -> ColumnCodec {
        var catalog = TableCatalog()
        _ = try DDLParser.apply("CREATE TABLE t (c \(definition))", database: "d", to: &catalog)
        return ColumnCodec(try #require(catalog[TableID("d", "t")]?.columns.first), modes)
    }

    private static func text(_ value: ConnectValue) -> String {
        switch value {
        case .null: "null"
        case .string(let text): text
        case .boolean(let flag): String(flag)
        case .bytes(let bytes): "\(bytes)"
        case .decimal(let value): value.plainText
        case .instant(let value): "instant \(value)"
        case .float32(let value): String(value)
        case .float64(let value): String(value)
        default: value.integer.map(String.init) ?? "?"
        }
    }

    /// Rows of snapshots; from Debezium's documentation of types.
    @Test(
        arguments: [
            ("TINYINT UNSIGNED", "255", "255"), ("SMALLINT UNSIGNED", "65535", "65535"),
            ("INT UNSIGNED", "4294967295", "4294967295"),
            ("BIGINT UNSIGNED", "18446744073709551615", "-1"), ("DECIMAL(5,2)", "-1.5", "-1.50"),
            ("FLOAT(7,2)", "12345.67", "12345.669921875"),
            ("DATE", "2024-02-29", "19782"), ("DATE", "0000-00-00", "null"), ("DATE NOT NULL", "2024-00-10", "0"),
            ("TIME", "-838:59:59", "-3020399000000"), ("TIME(3)", "00:00:00.1", "100000"),
            ("DATETIME(3)", "1969-12-31 23:59:59.999", "-1"),
            ("DATETIME(6)", "2024-02-29 12:34:56.789012", "1709210096789012"),
            ("TIMESTAMP(3)", "1970-01-01 00:00:01.000", "1970-01-01T00:00:01Z"),
            ("TIMESTAMP NOT NULL", "0000-00-00 00:00:00", "1970-01-01T00:00:00Z"),
            ("YEAR", "1901", "1901"), ("BINARY(4)", "ab", "[97, 98, 0, 0]"), ("ENUM('a','b,c')", "b,c", "b,c"),
            ("BOOLEAN", "1", "true"), ("DATETIME", "1000-01-01 00:00:00", "-30610224000000"),
        ])
    func `makes values of texts`(definition: String, given: String, expected: String) throws {
        let codec = try Self.codec(definition)
        let value = try Array(given.utf8).withUnsafeBytes { bytes in
            try codec.value(try TextCell.cell(bytes, codec), isStreaming: false)
        }
        #expect(Self.text(value) == expected)
        try codec.schema.check(value)
    }

    /// 64 bits of nanoseconds reach from 1677 to 2262; the original has NULL beyond.
    @Test(arguments: [
        ("DATETIME(6)", "2262-04-11 23:47:16.854775", "9223372036854775000"),
        ("DATETIME", "9999-12-31 00:00:00", "null"),
        ("DATETIME", "1000-01-01 00:00:00", "null"),
        ("DATETIME NOT NULL", "9999-12-31 00:00:00", "9223372036854775807"),
    ])
    func `times in nanoseconds`(definition: String, given: String, expected: String) throws {
        var modes = HandlingModes()
        modes.times = .nanoseconds
        let codec = try Self.codec(definition, modes)
        let value = try Array(given.utf8).withUnsafeBytes { bytes in
            try codec.value(try TextCell.cell(bytes, codec), isStreaming: false)
        }
        #expect(Self.text(value) == expected)
        try codec.schema.check(value)
    }

    /// Defaults of schemas; nil: the schema has none.
    @Test(
        arguments: [
            ("INT NOT NULL DEFAULT 7", "7"), ("INT", nil), ("VARCHAR(5) DEFAULT ''", ""),
            ("DECIMAL(6,2) DEFAULT 1.256", "1.26"),
            ("BIT(3) DEFAULT b'101'", "[5]"), ("BIT(12) DEFAULT b'101'", "[5, 0]"), ("BIT DEFAULT b'1'", "true"),
            ("TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP", nil),
            ("TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)", "1970-01-01T00:00:00Z"),
            ("DATETIME DEFAULT '2020-01-01'", "1577836800000"), ("DATETIME DEFAULT '0000-00-00 00:00:00'", nil),
            ("DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00'", "0"), ("TIME DEFAULT '01:02:03'", "3723000000"),
            ("TINYINT(1) DEFAULT TRUE", "1"),
            ("BIGINT UNSIGNED DEFAULT 18446744073709551615", "9223372036854775807"),
            ("BIGINT UNSIGNED NOT NULL DEFAULT 7", "7"), ("YEAR DEFAULT 70", "1970"), ("YEAR DEFAULT 69", "2069"),
            ("YEAR DEFAULT 0", "0"), ("YEAR DEFAULT 2024", "2024"), ("ENUM('a','b') DEFAULT 'b'", "b"),
            ("INT DEFAULT '1.5'", "2"),
            ("DATE DEFAULT '2021-02-03'", "18661"), ("FLOAT DEFAULT 1.5", "1.5"), ("INT DEFAULT (1 + 2)", nil),
        ] as [(String, String?)])
    func `puts defaults into schemas`(definition: String, expected: String?) throws {
        let codec = try Self.codec(definition)
        #expect(codec.schema.defaultValue.map(Self.text) == expected)
        if let value = codec.schema.defaultValue { try codec.schema.check(value) }
    }

    @Test(
        arguments: [
            ("latin1", [0xE9, 0x80], "é€"), ("utf8mb4", [0xC3, 0xA9], "é"), ("ucs2", [0x4E, 0x2D], "中"),
            ("gbk", [0xD6, 0xD0], "中"), ("sjis", [0x82, 0xA0], "あ"), ("cp1251", [0xCF], "П"), ("koi8r", [0xD0], "п"),
            ("utf16", [0xD8, 0x3D, 0xDE, 0x00], "😀"), ("utf32", [0, 1, 0xF6, 0], "😀"), ("euckr", [0xB0, 0xA1], "가"),
        ] as [(String, [UInt8], String)])
    func `reads texts of character sets`(charset: String, bytes: [UInt8], expected: String) {
        #expect(bytes.withUnsafeBytes { Charset.text($0, Charset.decoder(charset)) } == expected)
    }

    @Test(
        arguments: [
            ("0-1-5", "0-1-9", true), ("0-1-9", "0-1-5", false), ("0-1-5,1-1-1", "0-2-7", false),
            ("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-3:4-9", true),
            ("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:9", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", false),
            ("", "0-1-1", true),
        ])
    func `compares sets of GTIDs`(a: String, b: String, expected: Bool) {
        #expect(GTIDSet(a).isContained(in: GTIDSet(b)) == expected)
    }

    /// MySQL's own text: intervals that touch become one.
    /// PostgreSQL's `-infinity` among them.
    @Test(
        arguments: [
            (-9_223_372_036_832_400_000, "-290308-12-21T19:59:27.6Z"), (Int64.min, "-290308-12-21T19:59:05.224192Z"),
            (0, "1970-01-01T00:00:00Z"),
        ] as [(Int64, String)]) func `the earliest moments are printed`(microseconds: Int64, text: String)
    {
        #expect(TemporalText.instant(microseconds, width: nil) == text)
    }

    @Test func `joins intervals`() {
        var set = GTIDSet("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-3:5")
        set.add("3e11fa47-71ca-11e1-9e33-c80aa9429562:4")
        #expect(set.text == "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")
        #expect(set.encoded.count == 8 + 16 + 8 + 16)
    }

    @Test(arguments: [
        ("Mixed Case-Täble", "Mixed_Case-T_ble"), ("a.b", "a.b"), ("日本", "__"), ("x😀y", "x__y"),
    ])
    func `topics have plain names`(name: String, expected: String) { #expect(EventOptions.topic(name) == expected) }

    /// Every second place lies in the middle of a transaction.
    @Test func `offsets survive`() {
        var position = LogPosition()
        position.file = "binlog.000009"
        position.position = 400
        position.eventCount = 3
        position.rowCount = 17
        position.gtids = GTIDSet("0-1-5")
        position.serverID = 4
        position.incremental = ["incremental_snapshot_collections": "[]"]
        #expect(LogPosition(position.offset) == position)
        #expect(LogPosition.isOrdered(("b.999999", 5), ("b.1000000", 4)))
        #expect(!LogPosition.isOrdered(("b.000002", 5), ("b.000002", 4)))
    }
}
