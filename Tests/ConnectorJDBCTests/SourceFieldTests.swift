import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorJDBC

/// What columns become.
@Suite struct SourceFieldTests {
    private func field(
        _ type: SourceType, _ numeric: NumericMapping = .none, _ granularity: TimestampGranularity = .connect,
        isOptional: Bool = true, zeroDatesAreNull: Bool = false
    ) throws -> SourceField {
        let mapping = SourceMapping(
            numeric: numeric, granularity: granularity, zone: .utc, zeroDatesAreNull: zeroDatesAreNull)
        return try #require(
            mapping.field(ResultColumn(name: "c", type: type, isOptional: isOptional, typeName: "T")))
    }

    /// By the original's rules for NUMERIC.
    @Test(
        arguments: [
            (5, 2, NumericMapping.none, SourceField.Kind.decimal(2)), (5, 0, .none, .decimal(0)),
            (2, 0, .precisionOnly, .int8), (4, 0, .precisionOnly, .int16), (9, 0, .precisionOnly, .int32),
            (18, 0, .precisionOnly, .int64), (19, 0, .precisionOnly, .decimal(0)), (9, 1, .precisionOnly, .decimal(1)),
            (9, 0, .bestFit, .int32), (9, 2, .bestFit, .float64), (19, 2, .bestFit, .decimal(2)),
            (19, 2, .bestFitEagerDouble, .float64), (19, 0, .bestFitEagerDouble, .decimal(0)),
        ] as [(Int, Int, NumericMapping, SourceField.Kind)])
    func `numbers are mapped`(precision: Int, scale: Int, mapping: NumericMapping, kind: SourceField.Kind) throws {
        let type = SourceType.decimal(precision: precision, scale: scale, followsMapping: true)
        #expect(try field(type, mapping).kind == kind)
        let fixed = SourceType.decimal(precision: precision, scale: scale, followsMapping: false)
        #expect(try field(fixed, mapping).kind == .decimal(scale))
    }

    @Test func `schemas are optional where columns are`() throws {
        #expect(try field(.int32).schema == .optionalInt32)
        #expect(try field(.int32, isOptional: false).schema == .int32)
        #expect(try field(.timestamp).schema == .optionalTimestamp)
        #expect(try field(.timestamp, .none, .nanosNumber, isOptional: false).schema == .int64)
        #expect(
            try field(.decimal(precision: 5, scale: 2, followsMapping: true)).schema
                == .decimal(scale: 2, isOptional: true))
    }

    @Test func `values keep what they are`() throws {
        #expect(try field(.boolean).value(.text("t")) == .boolean(true))
        #expect(try field(.int16).value(.text("-7")) == .int16(-7))
        #expect(try field(.float64).value(.text("NaN")).javaClass == "java.lang.Double")
        #expect(try field(.string).value(.null) == .null)
        #expect(try field(.bits(4)).value(.text("0101")) == .int8(5))
        #expect(try field(.bits(8)).value(.bytes([0xFF])) == .int8(-1))
        #expect(try field(.bits(12)).value(.text("000100000010")) == .bytes([1, 2]))
        #expect(try field(.year).value(.text("1970")) == .instant(0))
        #expect(try field(.date).value(.text("1970-01-02")) == .instant(86_400_000))
        #expect(try field(.date).value(.integer(86_400_123)) == .instant(86_400_000))
        #expect(try field(.time).value(.text("00:00:01.5")) == .instant(1500))
        #expect(try field(.timestamp).value(.text("1970-01-01 00:00:01.123456")) == .instant(1123))
        let decimal = try field(.decimal(precision: 0, scale: nil, followsMapping: true))
        #expect(try decimal.value(.text("1.5")) == .decimal(SQLDecimal("1.500000000000000000000000000000")))
    }

    /// As pgjdbc and Connector/J read times with a calendar of the zone; what crosses midnight fails there.
    @Test(
        arguments: [
            ("UTC", "23:59:59.999", 86_399_999), ("UTC", "24:00:00", 86_400_000), ("Asia/Tokyo", "10:00:00", 3_600_000),
            ("Asia/Tokyo", "05:00:00", 72_000_000), ("America/New_York", "20:00:00", 3_600_000),
            ("Asia/Tokyo", "10:00:00+02", 28_800_000), ("UTC", "23:00:00-05", 14_400_000),
        ] as [(String, String, Int64)])
    func `times of the day are of the zone`(zone: String, text: String, millis: Int64) throws {
        let mapping = SourceMapping(
            numeric: .none, granularity: .connect, zone: try SinkOptions.zone("db.timezone", zone))
        let column = ResultColumn(name: "c", type: .time, isOptional: true, typeName: "T")
        #expect(try mapping.field(column)?.value(.text(text)) == .instant(millis))
    }

    /// The texts are those that the original's documentation shows for its granularities.
    @Test(
        arguments: [
            (TimestampGranularity.microsNumber, ConnectValue.int64(1_123_456)), (.microsString, .string("1123456")),
            (.microsText, .string("1970-01-01T00:00:01.123456")), (.nanosNumber, .int64(1_123_456_000)),
            (.nanosString, .string("1123456000")), (.nanosText, .string("1970-01-01T00:00:01.123456000")),
        ] as [(TimestampGranularity, ConnectValue)])
    func `times are as fine as wanted`(granularity: TimestampGranularity, value: ConnectValue) throws {
        #expect(try field(.timestamp, .none, granularity).value(.text("1970-01-01 00:00:01.123456")) == value)
    }

    @Test(
        arguments: TimestampGranularity.allCases,
        ["infinity", "-infinity", "294276-12-31 23:59:59.999999", "294247-01-10 04:00:54.775807", "999999999-01-01"])
    func `times beyond all numbers end where those do`(granularity: TimestampGranularity, text: String) throws {
        for zone in ["Asia/Tokyo", "America/New_York"] {
            let mapping = SourceMapping(
                numeric: .none, granularity: granularity, zone: try SinkOptions.zone("db.timezone", zone))
            let column = ResultColumn(name: "c", type: .timestamp, isOptional: true, typeName: "T")
            let field = try #require(mapping.field(column))
            #expect(try field.value(.text(text)) != .null)
        }
    }

    @Test func `numbers of any size are times`() throws {
        #expect(try field(.timestamp).value(.integer(.min)) == .instant(-9_223_372_036_854_776))
        #expect(try field(.timestamp).value(.real(1_795_799_427_002.004)) == .instant(1_795_799_427_002))
        #expect(try field(.timestamp).value(.real(-1.6)) == .instant(-2))
        #expect(try field(.date).value(.integer(.min)) == .instant(.min))
        #expect(try field(.date).value(.text("999999999-01-01")) == .instant(.max))
        #expect(try field(.time).value(.integer(.min)) != .null)
    }

    @Test func `values that do not fit say what to do`() async throws {
        let narrow = try field(.int8)
        #expect(await failure { _ = try narrow.value(.text("300")) }.contains("does not fit into an integer of 8 bits"))
        let required = try field(.int8, isOptional: false)
        #expect(await failure { _ = try required.value(.null) }.contains("NOT NULL"))
        let date = try field(.date)
        #expect(
            await failure { _ = try date.value(.text("0000-00-00")) }.contains("zeroDateTimeBehavior=convertToNull"))
        #expect(try field(.date, zeroDatesAreNull: true).value(.text("0000-00-00")) == .null)
        let decimal = try field(.decimal(precision: 5, scale: 1, followsMapping: true))
        #expect(await failure { _ = try decimal.value(.text("1.25")) }.contains("more than 1 digits"))
        #expect(await failure { _ = try date.value(.text("soon")) }.contains("which is no time"))
    }

    @Test(
        arguments: [
            ("numeric", 655_366, SourceType.decimal(precision: 10, scale: 2, followsMapping: true)),
            ("numeric", -1, .decimal(precision: 0, scale: nil, followsMapping: true)), ("bool", -1, .boolean),
            ("timestamptz", -1, .timestamp), ("jsonb", -1, .string), ("bit", 12, .bits(12)), ("bit", 1, .boolean),
            ("inet", -1, .unsupported),
            ("_int4", -1, .unsupported),
        ] as [(String, Int, SourceType)])
    func `PostgreSQL's types`(name: String, modifier: Int, type: SourceType) {
        #expect(PostgreSQLDatabase.type(name, modifier) == type)
    }

    @Test(
        arguments: [
            ("INTEGER", SourceType.int64), ("varchar(20)", .string), ("DATETIME", .timestamp),
            ("DOUBLE PRECISION", .float64),
            ("NUMERIC(10, 2)", .decimal(precision: 10, scale: 2, followsMapping: true)),
            ("DECIMAL(5)", .decimal(precision: 5, scale: 0, followsMapping: false)),
            ("NUMERIC", .decimal(precision: 0, scale: nil, followsMapping: true)), ("BLOB", .bytes),
            ("SMALLINT", .int16),
            ("UNSIGNED BIG INT", .int64), ("something", .string),
        ] as [(String, SourceType)])
    func `SQLite's types`(declared: String, type: SourceType) { #expect(SQLiteDatabase.type(declared) == type) }

    /// Days that ISO 8601 and Java's calendar give one name: 1500-01-01 in both, the first day of the Gregorian calendar and
    /// the last one before it, and the first day of the year 1. By hand from the nine, ten and minus two days between them.
    @Test(
        arguments: [
            (-171_664, -171_655), (-141_427, -141_427), (-141_438, -141_428), (-719_162, -719_164), (0, 0),
            (20_000, 20_000),
        ] as [(Int64, Int64)])
    func `days before 1582 have two counts`(iso: Int64, legacy: Int64) {
        #expect(LegacyCalendar.days(named: iso) == legacy)
        #expect(LegacyCalendar.named(legacy) == iso)
        let zones = CellZones(zone: .utc, dateZone: .utc, isLegacy: true)
        #expect(zones.date(legacy * 86_400_000) == .date(iso))
        #expect(zones.moment(legacy * 86_400_000_000 + 5) == .moment(local: iso * 86_400_000_000 + 5, ahead: 0))
        #expect(CellZones.utc.date(legacy * 86_400_000) == .date(legacy))
    }

    @Test func `dates are read by the calendar that is wanted`() throws {
        let column = ResultColumn(name: "d", type: .date, isOptional: true, typeName: "date")
        var mapping = SourceMapping(numeric: .none, granularity: .connect, zone: .utc)
        let field = try #require(mapping.field(column))
        #expect(try field.value(.text("1500-01-01")) == .instant(-171_664 * 86_400_000))
        mapping.isLegacy = true
        let legacy = try #require(mapping.field(column))
        #expect(try legacy.value(.text("1500-01-01")) == .instant(-171_655 * 86_400_000))
        #expect(try legacy.value(.text("2024-02-29")) == .instant(19_782 * 86_400_000))
    }
}
