import ConnectCore
import Environment
import SQLTypes
import Testing

@testable import ConnectorObjectStore

@Suite struct PartitionTests {
    private static let zones = TimeZones { TimeZoneFiles.read($0) }

    /// 2013-05-24T15:07:09.045Z, by Joda-Time's documentation of its letters.
    @Test(arguments: [
        ("'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "UTC", "year=2013/month=05/day=24/hour=15"),
        ("'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "Asia/Tokyo", "year=2013/month=05/day=25/hour=00"),
        ("yy-M-d h:mm:ss.SSS a", "UTC", "13-5-24 3:07:09.045 PM"),
        ("xxxx'w'ww e E EEEE D", "UTC", "2013w21 5 Fri Friday 144"),
        ("MMM MMMM", "Europe/Paris", "May May"), ("S SS SSSSS", "UTC", "0 04 04500"),
        ("Z ZZ", "America/New_York", "-0400 -04:00"), ("'it''s' ''", "UTC", "it's '"), ("kk KK CC", "UTC", "15 03 20"),
        ("'dt'=yyyyMMdd", "Europe/Berlin", "dt=20130524"),
    ])
    func `paths by time`(pattern: String, zone: String, path: String) throws {
        let pattern = try PathPattern(pattern, zone: Self.zones.zone(zone))
        #expect(pattern.text(1_369_408_029_045) == path)
    }

    @Test func `letters that are none are refused`() {
        #expect(throws: ConnectError(.illegalArgument, "Illegal pattern component: bb")) {
            try PathPattern("yyyy-bb", zone: .utc)
        }
    }

    /// By hand: spans are counted in local time.
    @Test(
        arguments: [
            ("UTC", 3_600_000, 1_369_408_029_045, 1_369_407_600_000),
            ("UTC", 86_400_000, 1_369_408_029_045, 1_369_353_600_000),
            // India is half an hour off: its hours begin at half past.
            ("Asia/Kolkata", 3_600_000, 1_369_408_029_045, 1_369_407_600_000 - 1_800_000 + 0),
            ("Asia/Tokyo", 86_400_000, 1_369_408_029_045, 1_369_407_600_000),
        ] as [(String, Int64, Int64, Int64)])
    func `beginnings of spans`(zone: String, span: Int64, time: Int64, start: Int64) throws {
        let partitioner = TimePartitioner(
            try PathPattern("HH", zone: Self.zones.zone(zone)), span: span, extractor: .record)
        #expect(partitioner.beginning(time) == start)
    }

    @Test(
        arguments: [
            ("2013-05-24T15:07:09.045Z", 1_369_408_029_045), ("2013-05-24T15:07:09Z", 1_369_408_029_000),
            ("2013-05-24T15:07", 1_369_408_020_000), ("2013-05-24", 1_369_353_600_000),
            ("2013-05-24T17:07:09+02:00", 1_369_408_029_000), ("2013-05-24T10:07:09.5-0500", 1_369_408_029_500),
            ("2013-05-24T15:07:09.123456Z", 1_369_408_029_123), ("2013-13-24", nil), ("2013-02-30", nil), ("x", nil),
            ("999999999999999999-01-01", nil), ("292278993-12-31T23:59:59.999Z", 9_223_372_017_129_599_999),
            ("2013-05-24T25:00", nil), ("", nil), ("2013-05-24T", nil),
        ] as [(String, Int64?)])
    func `moments as texts`(text: String, millis: Int64?) { #expect(ISOMoment.millis(text) == millis) }

    @Test(
        arguments: [
            (SchemaAffix.none, "R", "partition=0"), (.prefix, "R", "schema_name=R|partition=0"),
            (.suffix, "R", "partition=0|schema_name=R"), (.suffix, nil, "partition=0|schema_name=null"),
        ] as [(SchemaAffix, String?, String)])
    func `the name of a schema as a folder`(affix: SchemaAffix, name: String?, path: String) {
        let schema = ConnectSchema.structure([], name: name)
        #expect(affix.path("partition=0", schema, delimiter: "|") == path)
        #expect(affix == .none || affix.path("x", nil, delimiter: "/").contains("schema_name=null"))
    }

    @Test func `fields and their kinds`() throws {
        let schema = ConnectSchema.structure([
            .init("country", .string), .init("n", .int32), .init("ok", .boolean),
            .init("in", .structure([.init("x", .int64)])), .init("d", .float64), .init("none", .optionalString),
            .init("no", .optionalInt64),
        ])
        let inner = ConnectStruct(schema.fields[3].schema, values: [.int64(7)])
        let value = ConnectStruct(
            schema, values: [.string("AT"), .int32(4), .boolean(true), .structure(inner), .float64(1), .null, .null])
        let record = sinkRecord(.structure(value), schema, offset: 1, partition: 3)
        let path = { (fields: [String]) in
            try Partitioner.byField(fields).path(record, delimiter: "/", millis: nil)
        }
        #expect(try path(["country"]) == "country=AT")
        #expect(try path(["n", "ok", "in.x"]) == "n=4/ok=true/in.x=7")
        #expect(try Partitioner.byPartition.path(record, delimiter: "/", millis: nil) == "partition=3")
        #expect(try path(["none"]) == "none=null")
        #expect(throws: ConnectError.self) { try path(["no"]) }
        #expect(throws: ConnectError.self) { try path(["d"]) }
        #expect(throws: ConnectError.self) { try path(["missing"]) }
    }

    @Test func `times of records`() throws {
        let fields: [(ConnectValue, Int64?)] = [
            (.int64(5), 5), (.instant(6), 6), (.string("1970-01-01T00:00:01Z"), 1000), (.float64(1.9), 1),
            (.float64(.nan), nil), (.null, nil), (.int64(.max), 1 << 53), (.int64(.min), -1 << 53),
            (.instant(.max), 1 << 53), (.string("292278993-01-01"), 1 << 53),
        ]
        for (value, millis) in fields {
            let record = sinkRecord(object([("ts", value)]), offset: 0)
            #expect((try? TimestampExtractor.field("ts").millis(record, now: 1)) == millis)
        }
        // With a schema it has to be a whole one.
        let schema = ConnectSchema.structure([.init("ts", .float64)])
        let fraction = sinkRecord(.structure(ConnectStruct(schema, values: [.float64(1)])), schema, offset: 0)
        #expect(throws: ConnectError.self) { try TimestampExtractor.field("ts").millis(fraction, now: 1) }
        let bare = sinkRecord(.null, offset: 0, timestamp: nil)
        #expect(throws: ConnectError.self) { try TimestampExtractor.record.millis(bare, now: 1) }
        #expect(try TimestampExtractor.wallclock.millis(bare, now: 1) == 1)
    }

    @Test func `changes of schemas`() throws {
        func version(_ number: Int32?, _ fields: [String]) -> ConnectSchema {
            .structure(fields.map { .init($0, .optionalInt32) }, name: "r", version: number)
        }
        let (one, two) = (version(1, ["a"]), version(2, ["a", "b"]))
        #expect(try SchemaCompatibility.none.needsNewObject(one, two))
        #expect(try !SchemaCompatibility.none.needsNewObject(one, version(1, ["a"])))
        #expect(try SchemaCompatibility.backward.needsNewObject(one, two))
        #expect(try !SchemaCompatibility.backward.needsNewObject(two, one))
        #expect(try SchemaCompatibility.forward.needsNewObject(two, one))
        #expect(try !SchemaCompatibility.forward.needsNewObject(one, two))
        #expect(throws: ConnectError.self) { try SchemaCompatibility.none.needsNewObject(one, nil) }
        let old = ConnectValue.structure(ConnectStruct(one, values: [.int32(4)]))
        let projected = try SchemaProjection.project(old, one, two)
        #expect(projected == .structure(ConnectStruct(two, values: [.int32(4), .null])))
        let strict = ConnectSchema.structure([.init("a", .int64), .init("c", .string)], name: "r", version: 3)
        #expect(throws: ConnectError.self) { try SchemaProjection.project(old, one, strict) }
    }

    /// From midnight of the zone on.
    @Test func `scheduled times`() {
        #expect(PartitionWriter.next(1_369_408_029_045, 3_600_000, .utc) == 1_369_411_200_000)
        #expect(PartitionWriter.next(1_369_408_029_045, 25 * 60_000, .utc) == 1_369_353_600_000 + 37 * 25 * 60_000)
        #expect(PartitionWriter.next(1_369_408_029_045, .max, .utc) == .max)
    }
}
