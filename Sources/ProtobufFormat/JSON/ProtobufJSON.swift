/// Choices that Protocol Buffers leaves open for its JSON.
package struct ProtobufJSONOptions: Sendable {
    /// Fields that cannot tell "not set" from their default are written as well.
    package var includesDefaults = false
    /// Names as in the `.proto` text instead of `lowerCamelCase`.
    package var usesProtoNames = false
    package var writesEnumsAsNumbers = false
    /// Members that the message does not have, and constants that an enum does not have, are passed over.
    package var ignoresUnknown = false

    package init() {}
}

/// Days, and the texts of timestamps and durations.
///
/// - SeeAlso: RFC 3339; Protocol Buffers, "ProtoJSON Format".
enum ProtobufTime {
    static let timestampSeconds: ClosedRange<Int64> = -62_135_596_800...253_402_300_799
    static let durationSeconds: ClosedRange<Int64> = -315_576_000_000...315_576_000_000

    /// `2020-01-02T03:04:05.678Z`; nil outside of the years 1 to 9999.
    static func timestampText(_ seconds: Int64, _ nanos: Int32) -> String? {
        guard timestampSeconds.contains(seconds), 0...999_999_999 ~= nanos else { return nil }
        let day = (seconds - ((seconds % 86400) + 86400) % 86400) / 86400
        let second = seconds - day * 86400
        let (year, month, dayOfMonth) = date(day)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))T\(padded(second / 3600, 2))"
            + ":\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))\(fraction(nanos))Z"
    }

    /// `1.500s`; nil beyond 10000 years.
    static func durationText(_ seconds: Int64, _ nanos: Int32) -> String? {
        guard durationSeconds.contains(seconds), -999_999_999...999_999_999 ~= nanos,
            !(seconds > 0 && nanos < 0), !(seconds < 0 && nanos > 0)
        else { return nil }
        let sign = seconds < 0 || nanos < 0 ? "-" : ""
        return "\(sign)\(abs(seconds))\(fraction(abs(nanos)))s"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Nothing, 3, 6 or 9 digits.
    private static func fraction(_ nanos: Int32) -> String {
        if nanos == 0 { return "" }
        var digits = padded(Int64(nanos), 9)
        while digits.hasSuffix("000") { digits.removeLast(3) }
        return "." + digits
    }

    static func timestamp(_ text: String) -> (seconds: Int64, nanos: Int32)? {
        var reader = DigitReader(text)
        guard let year = reader.number(4), reader.skip("-"), let month = reader.number(2), reader.skip("-"),
            let day = reader.number(2), reader.skip("T") || reader.skip("t"), let hour = reader.number(2),
            reader.skip(":"),
            let minute = reader.number(2), reader.skip(":"), let second = reader.number(2),
            let nanos = reader.fraction(),
            year >= 1, 1...12 ~= month, 1...daysInMonth(year, month) ~= day, hour < 24, minute < 60, second < 60
        else { return nil }
        var offset: Int64 = 0
        if !reader.skip("Z"), !reader.skip("z") {
            let isWest = reader.skip("-")
            guard isWest || reader.skip("+"), let hours = reader.number(2), reader.skip(":"),
                let minutes = reader.number(2), hours < 24, minutes < 60
            else { return nil }
            offset = (isWest ? -1 : 1) * (hours * 3600 + minutes * 60)
        }
        guard reader.isAtEnd else { return nil }
        let seconds = self.day(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
        return timestampSeconds.contains(seconds) ? (seconds, nanos) : nil
    }

    static func duration(_ text: String) -> (seconds: Int64, nanos: Int32)? {
        var reader = DigitReader(text)
        let isNegative = reader.skip("-")
        guard let seconds = reader.number(nil), let nanos = reader.fraction(), reader.skip("s"), reader.isAtEnd,
            durationSeconds.contains(seconds)
        else { return nil }
        return isNegative ? (-seconds, -nanos) : (seconds, nanos)
    }

    /// Days since 1970 of a day of the Gregorian calendar (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func day(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(_ day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = day + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let m = (5 * dayOfYear + 2) / 153
        let month = m < 10 ? m + 3 : m - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * m + 2) / 5 + 1)
    }

    private static func daysInMonth(_ year: Int64, _ month: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// Digits and marks of a text, one after the other.
private struct DigitReader {
    private let bytes: [UInt8]
    private var at = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { at == bytes.count }

    mutating func skip(_ mark: Character) -> Bool {
        guard at < bytes.count, bytes[at] == mark.asciiValue else { return false }
        at += 1
        return true
    }

    /// Exactly `count` digits; nil: 1 to 15 of them.
    mutating func number(_ count: Int?) -> Int64? {
        var value: Int64 = 0
        let start = at
        while at < bytes.count, 0x30...0x39 ~= bytes[at], at - start < count ?? 15 {
            value = value * 10 + Int64(bytes[at] - 0x30)
            at += 1
        }
        return at - start == count ?? max(1, at - start) ? value : nil
    }

    /// `.5` as 500000000; 0 when there is none, nil for more than nine digits.
    mutating func fraction() -> Int32? {
        guard skip(".") else { return 0 }
        var value: Int32 = 0
        var scale: Int32 = 100_000_000
        let start = at
        while at < bytes.count, 0x30...0x39 ~= bytes[at], at - start < 9 {
            value += Int32(bytes[at] - 0x30) * scale
            scale /= 10
            at += 1
        }
        return at > start ? value : nil
    }
}
