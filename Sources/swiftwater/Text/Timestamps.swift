import Environment

/// Points in time as people write and read them, in UTC.
enum Timestamps {
    /// Now, as `2026-11-25T18:04:11.123Z`.
    static func now() -> String { text(milliseconds: nowMilliseconds()) }

    /// Milliseconds since 1970.
    static func nowMilliseconds() -> Int64 { SystemWallClock().now() }

    /// ISO 8601 of milliseconds since 1970, or the number itself where the calendar ends (years beyond 9999).
    static func text(milliseconds: Int64) -> String {
        let (days, inDay) = floorDivide(milliseconds, 86_400_000)
        guard -719_162...2_932_896 ~= days else { return String(milliseconds) }  // years 0001...9999
        let (year, month, day) = civil(days)
        func padded(_ number: Int64, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
        let hours = "\(padded(inDay / 3_600_000, 2)):\(padded(inDay / 60_000 % 60, 2))"
        return "\(date)T\(hours):\(padded(inDay / 1000 % 60, 2)).\(padded(inDay % 1000, 3))Z"
    }

    /// Milliseconds since 1970 of `@MILLISECONDS`, of a date or time in ISO 8601 (UTC unless it says otherwise), or of
    /// a span before now such as `90s`, `15m`, `1h30m`, `2d`; nil when it is none of these.
    static func parse(_ text: String, now: Int64) -> Int64? {
        if text.first == "@" { return Int64(text.dropFirst()) }
        if let span = span(text) { return now.subtractingReportingOverflow(span).partialValue }
        return date(text)
    }

    /// Milliseconds of `1h30m` and the like.
    static func span(_ text: String) -> Int64? {
        let units: [(name: String, milliseconds: Int64)] = [
            ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000),
        ]
        var rest = text[...]
        var sum: Int64 = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest[digits.endIndex...]
            let name = rest.prefix { $0.isLetter }
            rest = rest[name.endIndex...]
            guard let count = Int64(digits), let unit = units.first(where: { $0.name == name }) else { return nil }
            let (product, isTooBig) = count.multipliedReportingOverflow(by: unit.milliseconds)
            let (next, isTooBigTogether) = sum.addingReportingOverflow(product)
            guard !isTooBig, !isTooBigTogether else { return nil }
            sum = next
        }
        return sum
    }

    /// Milliseconds of an ISO 8601 duration of days and time, such as `P2DT1H30M` or `PT0.5S`; nil for anything else.
    static func isoSpan(_ text: String) -> Int64? {
        guard text.first == "P" || text.first == "p", text.count > 1 else { return nil }
        let parts = text.dropFirst().uppercased().split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        guard let days = parts.first, days.isEmpty || days.last == "D" || days.last == "W" else { return nil }
        var sum = days.isEmpty ? 0 : span(days.lowercased())
        if parts.count == 2 {
            guard let last = parts[1].last, "HMS".contains(last) else { return nil }
            var time = parts[1].lowercased()
            var milliseconds: Int64 = 0
            if last == "S", let point = time.firstIndex(of: ".") {
                let digits = time[time.index(after: point)...].dropLast()
                guard !digits.isEmpty, let fraction = Int64((digits + "00").prefix(3)) else { return nil }
                milliseconds = fraction
                time = time[..<point] + "s"
            }
            guard let before = sum, let rest = span(time) else { return nil }
            let (whole, isTooBig) = before.addingReportingOverflow(rest)
            let (total, isTooBigTogether) = whole.addingReportingOverflow(milliseconds)
            sum = isTooBig || isTooBigTogether ? nil : total
        }
        return sum
    }

    /// `2026-11-25`, `2026-11-25T18:04`, with seconds and fraction, with `Z` or `+01:00`; a space may stand for the T.
    private static func date(_ text: String) -> Int64? {
        var rest = text[...]
        func number(_ width: Int) -> Int64? {
            let digits = rest.prefix(width)
            guard digits.count == width, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
            rest = rest.dropFirst(width)
            return Int64(digits)
        }
        func skip(_ characters: String) -> Bool {
            guard let first = rest.first, characters.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = number(4), skip("-"), let month = number(2), skip("-"), let day = number(2),
            1...12 ~= month, 1...31 ~= day
        else { return nil }
        let days = daysSince1970(year, month, day)
        guard civil(days) == (year, month, day) else { return nil }  // there is no 30 February
        var milliseconds = days * 86_400_000
        if rest.isEmpty { return milliseconds }
        guard skip("Tt "), let hour = number(2), skip(":"), let minute = number(2), hour < 24, minute < 60 else {
            return nil
        }
        milliseconds += hour * 3_600_000 + minute * 60_000
        if skip(":") {
            guard let second = number(2), second <= 60 else { return nil }
            milliseconds += second * 1000
            if skip(".,") {
                let digits = rest.prefix { $0.isASCII && $0.isNumber }
                guard !digits.isEmpty, let fraction = Int64((digits + "00").prefix(3)) else { return nil }
                milliseconds += fraction
                rest = rest[digits.endIndex...]
            }
        }
        if rest.isEmpty { return milliseconds }
        if skip("Zz") { return rest.isEmpty ? milliseconds : nil }
        let sign: Int64 = rest.first == "-" ? -1 : 1
        guard skip("+-"), let hours = number(2), hours < 24 else { return nil }
        _ = skip(":")
        let minutes = rest.isEmpty ? 0 : number(2)
        guard let minutes, minutes < 60, rest.isEmpty else { return nil }
        return milliseconds - sign * (hours * 3_600_000 + minutes * 60_000)
    }

    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": the proleptic Gregorian calendar without tables.

    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = floorDivide(y, 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func floorDivide(_ a: Int64, _ b: Int64) -> (Int64, Int64) {
        let remainder = a % b
        return remainder < 0 ? (a / b - 1, remainder + b) : (a / b, remainder)
    }
}
