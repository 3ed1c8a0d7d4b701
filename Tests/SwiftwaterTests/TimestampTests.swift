import Cluster
import TestKit
import Testing

@testable import swiftwater

@Suite struct TimestampTests {
    /// By `date -u -d @SECONDS` of GNU coreutils.
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_764_093_851_123, "2025-11-25T18:04:11.123Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"), (253_402_300_800_000, "253402300800000"),
            (.max, "\(Int64.max)"),
            (.min, "\(Int64.min)"),
        ] as [(Int64, String)])
    func `prints ISO 8601`(milliseconds: Int64, text: String) {
        #expect(Timestamps.text(milliseconds: milliseconds) == text)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `reads what it prints`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let time = Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &random)
            #expect(Timestamps.parse(Timestamps.text(milliseconds: time), now: 0) == time)
        }
    }

    @Test(
        arguments: [
            ("@12", 12), ("@-12", -12), ("1970-01-02", 86_400_000), ("1970-01-01T00:01", 60_000),
            ("1970-01-01 00:01", 60_000),
            ("1970-01-01T00:00:01.5", 1500), ("1970-01-01T00:00:00.123456Z", 123), ("1970-01-01T01:00+01:00", 0),
            ("1970-01-01T00:00-0130", 5_400_000), ("1970-01-01T02+02", nil), ("10s", 999_990_000),
            ("1h30m", 994_600_000),
            ("2d", 827_200_000), ("250ms", 999_999_750), ("1w", 395_200_000), ("", nil), ("@", nil), ("h", nil),
            ("5", nil),
            ("5y", nil), ("1970-02-30", nil), ("1970-13-01", nil), ("1970-01-01T25:00", nil),
            ("1970-01-01T00:00x", nil),
            ("99999999999999999999d", nil), ("9999999999999d", nil), ("yesterday", nil),
        ] as [(String, Int64?)])
    func `reads times and spans before now`(text: String, milliseconds: Int64?) {
        #expect(Timestamps.parse(text, now: 1_000_000_000) == milliseconds)
    }

    @Test(
        arguments: [
            ("beginning", .beginning), ("earliest", .beginning), ("end", .end), ("latest", .end), ("0", .offset(0)),
            ("42", .offset(42)), ("-10", .beforeEnd(10)), ("-0", .beforeEnd(0)), ("@5", .timestamp(5)),
            ("1970-01-02", .timestamp(86_400_000)), ("10s", .timestamp(990_000)),
            ("-9223372036854775808", .beforeEnd(.max)),
        ] as [(String, LogPosition)])
    func `reads positions`(text: String, position: LogPosition) throws {
        #expect(try StartPosition.parse(text, now: 1_000_000) == position)
    }

    @Test(arguments: ["", "begin", "--", "-x", "1.5", "99999999999999999999"])
    func `refuses what is no position`(text: String) {
        #expect(throws: CommandFailure.self) { try StartPosition.parse(text, now: 0) }
    }

    @Test(arguments: [("0", [0]), ("2,0", [0, 2]), ("0,2-4, 3", [0, 2, 3, 4]), ("7-7", [7])] as [(String, [Int32])])
    func `reads partition lists`(text: String, numbers: [Int32]) throws {
        #expect(try partitionNumbers(text) == numbers)
    }

    @Test(arguments: ["", ",", "a", "-1", "3-1", "1-", "0-2000000000", "99999999999"])
    func `refuses what is no partition list`(text: String) {
        #expect(throws: CommandFailure.self) { try partitionNumbers(text) }
    }
}
