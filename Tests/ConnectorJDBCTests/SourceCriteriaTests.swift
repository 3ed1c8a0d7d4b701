import ConnectCore
import SQLTypes
import Testing

@testable import ConnectorJDBC

/// What the source asks databases, and where it goes on from.
@Suite struct SourceCriteriaTests {
    private func criteria(
        _ product: Dialect.Product, _ times: [String], _ number: String?, _ zone: TimeZoneID = .utc
    ) -> SourceCriteria {
        SourceCriteria(dialect: Dialect(product), timestampColumns: times, incrementingColumn: number, zone: zone)
    }

    /// 2024-01-01 00:00:00.000001 and one day later.
    private let begin: Int64 = 1_704_067_200_000_001
    private let end: Int64 = 1_704_153_600_000_000

    @Test func `numbers go on behind the last one`() {
        let clause = criteria(.postgresql, [], "id")
        #expect(clause.clause(SourceOffset(), end: 0) == #" WHERE "id" > -1 ORDER BY "id" ASC"#)
        #expect(clause.clause(SourceOffset(incrementing: 7), end: 0) == #" WHERE "id" > 7 ORDER BY "id" ASC"#)
        let quoted = criteria(.mysql, [], "a`b").clause(SourceOffset(incrementing: 7), end: 0)
        #expect(quoted == " WHERE `a``b` > 7 ORDER BY `a``b` ASC")
    }

    @Test func `times lie between the last one and the database's own`() {
        #expect(
            criteria(.postgresql, ["t"], nil).clause(SourceOffset(timestamp: begin), end: end)
                == #" WHERE "t" > '2024-01-01 00:00:00.000001+00:00' AND "t" < '2024-01-02 00:00:00+00:00' ORDER BY "t" ASC"#
        )
        #expect(
            criteria(.mysql, ["t", "u"], nil).clause(SourceOffset(), end: end)
                == " WHERE COALESCE(`t`,`u`) > '1970-01-01 00:00:00' AND COALESCE(`t`,`u`) < '2024-01-02 00:00:00' "
                + "ORDER BY COALESCE(`t`,`u`) ASC")
    }

    @Test func `a zone moves what databases see`() throws {
        let zone = try SinkOptions.zone("db.timezone", "Asia/Tokyo")
        let clause = criteria(.mysql, ["t"], nil, zone).clause(SourceOffset(timestamp: begin), end: end)
        #expect(clause.hasPrefix(" WHERE `t` > '2024-01-01 09:00:00.000001' AND `t` < '2024-01-02 09:00:00'"))
    }

    @Test func `both columns order rows of one time by their number`() {
        #expect(
            criteria(.mysql, ["t"], "id").clause(SourceOffset(incrementing: 5, timestamp: begin), end: end)
                == " WHERE `t` < '2024-01-02 00:00:00' AND ((`t` = '2024-01-01 00:00:00.000001' AND `id` > 5) OR "
                + "`t` > '2024-01-01 00:00:00.000001') ORDER BY `t`,`id` ASC")
    }

    @Test func `offsets have the original's form`() {
        let offset = SourceOffset(incrementing: 5, timestamp: begin)
        #expect(offset.map["timestamp"] == .int64(1_704_067_200_000))
        #expect(offset.map["timestamp_nanos"] == .int64(1000))
        #expect(SourceOffset(offset.map) == offset)
        // Before 1970, and without the nanoseconds of later versions.
        #expect(SourceOffset(SourceOffset(timestamp: -1).map) == SourceOffset(timestamp: -1))
        let old = ConnectMap([("timestamp", ConnectValue.int64(1500))])
        #expect(SourceOffset(old) == SourceOffset(timestamp: 1_500_000))
        #expect(SourceOffset().map.count == 0)
    }

    @Test func `partitions of earlier versions are known`() {
        let table = TableID(catalog: "db", schema: "public", name: "t")
        #expect(
            SourceOffset.partitions(table).map { $0["table"] } == [
                .string("db.public.t"), .string("public.t"), .string("t"),
            ])
        #expect(SourceOffset.partitions(table).map { $0["protocol"] } == [.string("1"), .string("1"), nil])
    }

    @Test func `offsets that make no sense are refused`() async {
        func message(_ partition: [(String, ConnectValue)], _ offset: [(String, ConnectValue)]?) async -> String {
            await failure { try SourceOffset.check(ConnectMap(partition), offset.map { ConnectMap($0) }) }
        }
        #expect(await message([("query", .string("query"))], [("incrementing", .int64(1))]) == "it did not fail")
        #expect(await message([("x", .string("query"))], nil).hasPrefix("Source partitions have the form"))
        #expect(await message([("table", .string("t"))], [("a", .int64(1))]).hasPrefix("Source offsets have the form"))
        #expect(
            await message([("table", .string("t"))], [("incrementing", .string("1"))]).hasPrefix("Source offsets have"))
        #expect(
            await message([("table", .string("t"))], [("timestamp_nanos", .int64(1))]).contains("needs 'timestamp'"))
        // Nanoseconds.
        #expect(
            await message([("table", .string("t"))], [("timestamp", .int64(1_700_000_000_000_000_000))])
                .hasPrefix("'timestamp' is milliseconds since 1970"))
        #expect(
            await message([("table", .string("t"))], [("timestamp", .int64(.min))])
                .hasPrefix("'timestamp' is milliseconds since 1970"))
    }

    @Test(arguments: [Int64.min, -1_700_000_000_000_000_000, 1_700_000_000_000_000_000, .max])
    func `stored offsets of any size are read`(number: Int64) throws {
        let zone = try SinkOptions.zone("db.timezone", "Asia/Tokyo")
        let map = ConnectMap([
            ("timestamp", ConnectValue.int64(number)), ("timestamp_nanos", .int64(number)),
            ("incrementing", .int64(number)),
        ])
        let offset = SourceOffset(map)
        #expect(offset.timestamp.map { $0 < 0 } == (number < 0) && offset.incrementing == number)
        #expect(SourceOffset(offset.map).incrementing == number)
        for product in [Dialect.Product.postgresql, .mysql, .sqlite] {
            #expect(criteria(product, ["t"], "id", zone).clause(offset, end: end).hasPrefix(" WHERE"))
        }
    }

    @Test func `intervals of any size are taken`() async throws {
        func settings(_ options: [String: String]) throws(ConnectError) -> SourceSettings {
            try SourceSettings(["connection.url": "jdbc:mysql://h/d", "mode": "bulk"].merging(options) { $1 })
        }
        let most = String(Int64.max)
        let large = try settings(["table.poll.interval.ms": most, "timestamp.delay.interval.ms": most])
        #expect(large.tableInterval == SourceSettings.millisMax && large.timestampDelay == SourceSettings.millisMax)
        let small = try settings(["timestamp.delay.interval.ms": String(Int64.min)])
        #expect(small.timestampDelay == -SourceSettings.millisMax)
        #expect(try settings(["timestamp.initial": "-1"]).timestampInitial == -1)
        #expect(
            await failure { _ = try settings(["timestamp.initial": "1700000000000000000"]) }.contains(
                "Value must be milliseconds since 1970"))
    }

    @Test(
        arguments: [
            ("2024-02-29", 1_709_164_800_000_000), ("2024-02-29 12:34:56.5", 1_709_210_096_500_000),
            ("2024-02-29T12:34:56.123456Z", 1_709_210_096_123_456), ("2024-02-29 12:34:56+02", 1_709_202_896_000_000),
            ("2024-02-29 12:34:56-03:30", 1_709_222_696_000_000), ("1969-12-31 23:59:59.999999", -1),
            ("0044-03-15 00:00:00 BC", -63_517_824_000_000_000),
            // Later and earlier than microseconds go.
            ("294276-12-31 23:59:59.999999", 9_223_372_036_854_000_000),
            ("999999999-12-31 00:00:00-12", 9_223_372_036_854_000_000),
            ("999999999-12-31 00:00:00 BC", -9_223_372_036_854_000_000),
        ] as [(String, Int64)])
    func `texts are times`(text: String, micros: Int64) {
        #expect(MomentText(text)?.micros(.utc) == micros)
    }

    @Test(arguments: ["", "x", "2024-13-01", "2023-02-29", "2024-01-01 25", "12", "2024-01-01 00:00:00+x"])
    func `other texts are none`(text: String) { #expect(MomentText(text) == nil) }

    @Test func `tables are given to tasks in turn`() throws {
        let settings = try SourceSettings(["connection.url": "jdbc:mysql://h/d", "mode": "bulk"])
        let names = ["a", "b,c", "d`.e", "f", "g"]
        let tables = names.map { SourceTable(id: TableID(catalog: "d", name: $0)) }
        let configs = TableAssignment.configs(["x": "y"], settings, tables, 2)
        #expect(configs.count == 2 && configs[1]["tables.all"] == nil && configs[1]["x"] == "y")
        #expect(try TableAssignment.tables(configs[0]["tables"] ?? "", settings.dialect) == Array(tables[..<3]))
        #expect(try TableAssignment.tables(configs[1]["tables"] ?? "", settings.dialect) == Array(tables[3...]))
        #expect(try TableAssignment.tables(configs[0]["tables.all"] ?? "", settings.dialect) == tables)
        #expect(TableAssignment.configs([:], settings, [], 5).count == 1)
    }

    @Test(arguments: [
        ("%", "abc", true), ("a_c", "abc", true), ("a\\_c", "abc", false), ("a%", "ba", false), ("", "", true),
    ])
    func `patterns are those of metadata`(pattern: String, name: String, matches: Bool) {
        #expect(NamePattern(pattern).matches(name) == matches)
    }
}
