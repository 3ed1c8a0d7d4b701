import Environment
import TestKit
import Testing

@testable import SQLTypes

@Suite struct TimeTests {
    private static let zones = TimeZones { TimeZoneFiles.read($0) }

    @Test func `days and dates are one another's opposite`() {
        for days in [-800_000, -719_529, -719_468, -1, 0, 1, 59, 60, 365, 11_016, 18_321, 2_932_896, 100_000_000] {
            let date = CivilDate(days: days)
            #expect(date.days == days)
            #expect(1...12 ~= date.month && 1...31 ~= date.day)
        }
        #expect(CivilDate(year: 2000, month: 2, day: 29).days == 11_016)
        #expect(CivilDate(days: 0).weekday == 4)
    }

    @Test(
        arguments: [
            ("2020", 1_577_836_800_000), ("2020-05", 1_588_291_200_000), ("2020-05-26", 1_590_451_200_000),
            ("2020-05-26T10", 1_590_487_200_000), ("2020-05-26T10:15:30.123", 1_590_488_130_123),
            ("2020-05-26T10:15:30.123+0200", 1_590_480_930_123), ("2019-03-17T03:00-0700", 1_552_816_800_000),
            ("2022-04-28T21:44:47.943Z", 1_651_182_287_943), ("1969-12-31T23:59:59.999", -1),
            ("2021-02-31", 1_614_470_400_000),
        ] as [(String, Int64)])
    func `timestamps with missing parts and zones`(text: String, millis: Int64) throws {
        #expect(try TimeText.timestamp(text) == millis)
    }

    @Test(arguments: ["", "abc", "2020-1-1", "2020-05-26 10:00", "2020-13-01", "2020-05-26T25:00", "2020-05-26T10+99"])
    func `what is no timestamp is refused`(text: String) {
        #expect(throws: SQLTypesError.self) { try TimeText.timestamp(text) }
    }

    @Test func `dates and times as text`() throws {
        #expect(TimeText.date(18_408) == "2020-05-26")
        #expect(TimeText.time(36_930_123) == "10:15:30")
        #expect(TimeText.time(36_900_000) == "10:15")
        #expect(TimeText.timestamp(1_590_488_130_123) == "2020-05-26T10:15:30.123")
        #expect(TimeText.timestamp(-1) == "1969-12-31T23:59:59.999")
        #expect(try TimeText.time("10:15:30.5") == 36_930_500)
        #expect(try TimeText.date("2020-05") == 18_383)
    }

    /// Computed with `java.time.ZonedDateTime`: the moment, the zone, the pattern, the text.
    @Test(
        arguments: [
            (
                1_614_852_367_089, "America/New_York", "EEEE, d. MMMM yyyy HH:mm:ss.SSS zzz",
                "Thursday, 4. March 2021 05:06:07.089 EST"
            ),
            (
                1_614_852_367_089, "America/New_York", "yy-M-d h a K k D Q QQQ w W e F A",
                "21-3-4 5 AM 5 5 63 1 Q1 10 1 5 4 18367089"
            ),
            (
                1_614_852_367_089, "America/New_York", "X XX XXX x Z ZZZZ ZZZZZ VV OOOO",
                "-05 -0500 -05:00 -05 -0500 GMT-05:00 -05:00 America/New_York GMT-05:00"
            ),
            (1_616_893_199_000, "Europe/Paris", "yyyy-MM-dd'T'HH:mm:ssXXX", "2021-03-28T01:59:59+01:00"),
            (1_616_893_200_000, "Europe/Paris", "yyyy-MM-dd'T'HH:mm:ssXXX", "2021-03-28T03:00:00+02:00"),
            (2_550_704_553_000, "Europe/Paris", "uuuu HH z", "2050 02 CET"),
            (1_596_017_460_000, "Asia/Shanghai", "z zzzz", "CST China Standard Time"),
            (1_596_017_460_000, "Asia/Manila", "zzzz", "Philippine Standard Time"),
            (1_596_017_460_000, "Europe/Dublin", "z zzzz", "IST Irish Standard Time"),
            (1_580_000_000_000, "Europe/Dublin", "z zzzz", "GMT Greenwich Mean Time"),
            (1_580_000_000_000, "Asia/Jerusalem", "z zzzz", "IST Israel Standard Time"),
            (1_596_017_460_000, "Asia/Jerusalem", "z zzzz", "IDT Israel Daylight Time"),
            (1_596_017_460_000, "America/Sao_Paulo", "z zzzz", "BRT Brasilia Standard Time"),
            (1_596_017_460_000, "Asia/Singapore", "z zzzz", "SGT Singapore Standard Time"),
            (1_580_000_000_000, "Pacific/Auckland", "z zzzz", "NZDT New Zealand Daylight Time"),
            (1_596_017_460_000, "Europe/London", "z zzzz", "BST British Summer Time"),
            (1_596_017_460_000, "America/New_York", "z zzzz v vvvv", "EDT Eastern Daylight Time ET Eastern Time"),
            (0, "UTC", "''yyyy'' 'at' GGGG", "'1970' at Anno Domini"),
            (-62_200_000_000_000, "UTC", "G y u", "BC 3 -2"), (0, "+05:30", "HH:mm VV", "05:30 +05:30"),
        ] as [(Int64, String, String, String)])
    func `patterns print as Java's do`(millis: Int64, zone: String, pattern: String, text: String) throws {
        let compiled = try DateTimePattern(pattern)
        let id = try Self.zones.zone(zone)
        #expect(try compiled.format(DateTimeParts(epochMilli: millis, zone: id)) == text)
    }

    /// Computed with `java.time.format.DateTimeFormatter` and what ksqlDB makes of its fields.
    @Test(
        arguments: [
            ("yyyy-MM-dd'T'HH:mm:ssX", "2018-05-11T21:58:33Z", "UTC", 1_526_075_913_000),
            ("yyyyMMddHHmmssSSS", "20210304050607089", "UTC", 1_614_834_367_089),
            ("EEE, d MMM yyyy HH:mm:ss z", "Thu, 4 Mar 2021 05:06:07 EST", "UTC", 1_614_852_367_000),
            ("yyyy-MM-dd HH:mm z", "2020-11-01 01:30 EST", "UTC", 1_604_212_200_000),
            ("yyyy-MM-dd HH:mm z", "2020-11-01 01:30 EDT", "UTC", 1_604_208_600_000),
            ("yyyy-MM-dd HH:mm z", "2020-07-29 10:11 SGT", "UTC", 1_595_988_660_000),
            ("yyyy-MM-dd HH:mm z", "2020-07-29 10:11 BRT", "UTC", 1_596_028_260_000),
            ("yyyy-MM", "2020-05", "UTC", 1_588_291_200_000), ("HH:mm", "10:15", "UTC", 36_900_000),
            ("dd/MM/yy", "31/02/20", "UTC", 1_582_934_400_000), ("D yyyy", "366 2020", "UTC", 1_609_372_800_000),
            ("yyyy-MM-dd hh:mm a", "2020-01-01 12:30 AM", "UTC", 1_577_838_600_000),
            ("yyyy-MM-dd HH:mm", "2020-01-01 24:00", "UTC", 1_577_923_200_000),
            ("yyyy-MM-dd HH:mm", "2021-03-28 02:30", "Europe/Paris", 1_616_895_000_000),
            ("yyyy-MM-dd HH:mm", "2021-10-31 02:30", "Europe/Paris", 1_635_643_800_000),
            ("yyyy-MM-dd VV", "2021-07-01 Asia/Tokyo", "UTC", 1_625_065_200_000),
            ("uuuu-MM-dd'T'HH:mm[:ss[.SSS]][X]", "2020-05-26T10:15", "UTC", 1_590_488_100_000),
        ] as [(String, String, String, Int64)])
    func `patterns read as Java's do`(pattern: String, text: String, zone: String, millis: Int64) throws {
        let compiled = try DateTimePattern(pattern)
        let id = try Self.zones.zone(zone)
        #expect(try compiled.timestamp(text, zone: id, zones: Self.zones) == millis)
    }

    @Test(
        arguments: [
            "yyyyy-MM-ddTHH", "'abc", "]", "#", "{", "ddd", "V", "p", "cc", "XXXXXX", "SSSSSSSSSS",
            "uuuuuuuuuuuuuuuuuuuu",
        ])
    func `patterns that Java refuses`(pattern: String) {
        #expect(throws: SQLTypesError.self) { try DateTimePattern(pattern) }
    }

    /// What `SimpleDateFormat`, as Apache reads its patterns, makes of texts.
    @Test(
        arguments: [
            ("yyyy-MM-dd", "2003-12-24-01-01", 1_072_224_000_000), ("yyyyMMdd", "20200526", 1_590_451_200_000),
            ("d MMM yy", "5 jan 99", 915_494_400_000), ("dd/MMMM/yyyy", "01/August/2020", 1_596_240_000_000),
            ("yyyy-MM-dd", "2021-02-31", 1_614_729_600_000), ("yyyy-MM-dd HH:mm Z", "1970-01-01 02:00 +0200", 0),
            ("YYYY-'W'ww-u", "2020-W09-6", 18_321 * 86_400_000), ("YYYY ww u", "2020 09 7", 18_315 * 86_400_000),
            ("YYYY-'W'ww", "2020-W09", 18_315 * 86_400_000), ("EEE yyyy-MM-dd", "Mon 2020-02-29", 18_321 * 86_400_000),
            ("yyyy-MM W u", "2020-02 2 3", 18_297 * 86_400_000), ("yyyy-MM-dd", "1582-10-15", -12_219_292_800_000),
            ("yyyy-MM-dd", "1582-10-04", -12_219_379_200_000), ("yyyy DDD", "2020 366", 18_627 * 86_400_000),
            ("F yyyy", "5 2020", 18_294 * 86_400_000), ("yyyy-MM-dd", "20-02-29", -712_166 * 86_400_000),
        ] as [(String, String, Int64)])
    func `simple patterns are lenient`(pattern: String, text: String, millis: Int64) throws {
        let compiled = try SimpleDatePattern(pattern)
        #expect(try compiled.milliseconds(text, zones: Self.zones) == millis)
    }

    @Test(arguments: ["Z", "UTC", "GMT", "UTC+02:00", "+18:00", "-0330", "+7", "Europe/London", "Etc/UTC"])
    func `zones that there are`(id: String) throws { _ = try Self.zones.zone(id) }

    @Test(arguments: [
        "", "+19", "+1:00", "Nowhere/City", "../etc/passwd", "/etc/passwd", "a", "posix/UTC", "zone.tab", "UTC+x",
    ])
    func `zones that there are not`(id: String) {
        #expect(throws: SQLTypesError.self) { try Self.zones.zone(id) }
    }

    @Test(arguments: 1...3)
    func `damaged zone files are refused or harmless`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bytes = try #require(TimeZoneFiles.read("America/New_York"))
        for _ in 0..<300 {
            var damaged = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
            for _ in 0..<3 where !damaged.isEmpty {
                damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = TimeZoneRules(tzif: damaged)?.period(at: 1_600_000_000)
        }
    }

    @Test(arguments: 1...3)
    func `patterns and texts of any kind do not trap`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let letters = Array("GuyYDMLdQqwWEecFaBhHKkmsSAnNVvzOXxZp'[]-/: .,T#{}0").map(String.init)
        for _ in 0..<2000 {
            let pattern = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                letters.randomElement(using: &random) ?? ""
            }.joined()
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                ["0", "1", "9", "-", "+", "Z", "Jan", "MON", "am", " ", "UTC", ":"].randomElement(using: &random) ?? ""
            }.joined()
            let millis = [Int64.min, .max, 0, Int64(random.next() >> 20)].randomElement(using: &random) ?? 0
            if let compiled = try? DateTimePattern(pattern) {
                _ = try? compiled.format(DateTimeParts(epochMilli: millis, zone: .utc))
                _ = try? compiled.timestamp(text, zone: .utc, zones: .offsetsOnly)
            }
            _ = try? SimpleDatePattern(pattern).milliseconds(text, zones: .offsetsOnly)
        }
    }
}
