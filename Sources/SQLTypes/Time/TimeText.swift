/// TIME, DATE and TIMESTAMP as texts, the way casts, literals and comparisons read and write them.
package enum TimeText {
    package static let millisPerDay: Int64 = 86_400_000

    // MARK: Writing

    /// "2020-05-26"
    package static func date(_ days: Int32) -> String { CivilDate(days: Int(days)).text }

    /// "10:15" or "10:15:30": seconds only when there are any, never fractions.
    package static func time(_ millis: Int32) -> String {
        let seconds = floorMod(floorDiv(Int(millis), 1000), 86_400)
        let minutes = "\(twoDigits(seconds / 3600)):\(twoDigits(seconds / 60 % 60))"
        return seconds % 60 == 0 ? minutes : "\(minutes):\(twoDigits(seconds % 60))"
    }

    /// "2020-05-26T10:15:30.000", in UTC.
    package static func timestamp(_ millis: Int64) -> String {
        let days = floorDiv(Int(millis), Int(millisPerDay))
        let rest = floorMod(Int(millis), Int(millisPerDay))
        let fraction = String(rest % 1000)
        let seconds = rest / 1000
        // The pattern's `yyyy` is the year of the era: the year 0 is the year 1 before Christ.
        var date = CivilDate(days: days)
        if date.year <= 0 { date.year = 1 - date.year }
        return date.text + "T\(twoDigits(seconds / 3600)):\(twoDigits(seconds / 60 % 60)):\(twoDigits(seconds % 60))."
            + String(repeating: "0", count: 3 - fraction.utf8.count) + fraction
    }

    /// "10:15:00", as a `java.sql.Time`.
    package static func javaTime(_ millis: Int32) -> String {
        let seconds = floorMod(floorDiv(Int(millis), 1000), 86_400)
        return "\(twoDigits(seconds / 3600)):\(twoDigits(seconds / 60 % 60)):\(twoDigits(seconds % 60))"
    }

    /// "2020-05-26 10:15:30.0", as a `java.sql.Timestamp` in UTC.
    package static func javaTimestamp(_ millis: Int64) -> String {
        var text = timestamp(millis).replacing("T", with: " ")
        while text.hasSuffix("0"), !text.hasSuffix(".0") { text.removeLast() }
        return text
    }

    // MARK: Reading

    /// "10:15", "10:15:30", "10:15:30.123": milliseconds of the day.
    /// - Throws: `.invalidText` in ksqlDB's words.
    package static func time(_ text: String) throws(SQLTypesError) -> Int32 {
        var reader = Reader(text)
        guard let nanos = reader.localTime(), reader.isAtEnd else {
            throw SQLTypesError(
                .invalidText,
                "Failed to parse time '\(text)': \(reader.failure)\nRequired format is: \"HH:mm:ss.SSS\", for example: "
                    + "'01:34:20.123' or '01:34:20'. Partials are also supported, for example '01:34'")
        }
        return Int32(nanos / 1_000_000)
    }

    /// "2020-05-26", "2020-05" and "2020": days since 1970-01-01.
    /// - Throws: `.invalidText` in ksqlDB's words.
    package static func date(_ text: String) throws(SQLTypesError) -> Int32 {
        var reader = Reader(completeDate(text))
        guard let date = reader.date(isSmart: false), reader.isAtEnd, let days = Int32(exactly: date.days) else {
            throw SQLTypesError(
                .invalidText,
                "Failed to parse date '\(text)': \(reader.failure)\nRequired format is: \"yyyy-MM-dd\", for example "
                    + "'2020-05-26'. Partials are also supported, for example '2020-05'")
        }
        return days
    }

    /// "2020", "2020-05", "2020-05-26T10", "2020-05-26T10:15:30.000+0200": milliseconds since 1970 UTC. What is missing is
    /// the earliest, a missing zone UTC.
    /// - Throws: `.invalidText` in ksqlDB's words.
    package static func timestamp(_ text: String) throws(SQLTypesError) -> Int64 {
        let parts = text.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        let hasTime = parts.count > 1
        var clock = hasTime ? String(parts[1]) : ""
        var zone = ""
        if let at = clock.firstIndex(where: { $0 == "+" || $0 == "-" || $0 == "Z" }) {
            zone = String(clock[at...])
            clock = String(clock[..<at])
        }
        let pattern = "00:00:00.000"
        if clock.utf8.count < pattern.utf8.count { clock += pattern.dropFirst(clock.utf8.count) }
        let date = hasTime ? String(parts[0]) : completeDate(text)
        var reader = Reader("\(date)T\(clock)")
        var reason = ""
        if let offset = zone.isEmpty ? 0 : ZoneOffset.seconds(zone) {
            if let millis = reader.dateTime(), reader.isAtEnd {
                let (result, overflow) = millis.subtractingReportingOverflow(Int64(offset) * 1000)
                if !overflow { return result }
            }
            reason = reader.failure
        } else {
            reason = "Failed to parse timezone '\(zone)': Invalid ID for ZoneOffset, invalid format: \(zone)"
        }
        throw SQLTypesError(
            .invalidText,
            "Failed to parse timestamp '\(text)': \(reason)\nRequired format is: \"yyyy-MM-dd'T'HH:mm:ss.SSS\", with an "
                + "optional numeric 4-digit timezone, for example: '2020-05-26T23.59.58.000' or with tz: "
                + "'2020-05-26T23.59.58.000+0200'. Partials are also supported, for example \"2020-05-26\"")
    }

    private static func completeDate(_ text: String) -> String {
        // As Java splits: a minus at the very end begins no further part.
        var parts = text.split(separator: "-", omittingEmptySubsequences: false)
        while parts.count > 1, parts.last == "" { parts.removeLast() }
        return switch parts.count {
        case 1: text + "-01-01"
        case 2: text + "-01"
        default: text
        }
    }

    /// Walks over a text of fixed fields.
    private struct Reader {
        let text: String
        let bytes: [UInt8]
        var at = 0

        init(_ text: String) {
            self.text = text
            bytes = Array(text.utf8)
        }

        var isAtEnd: Bool { at == bytes.count }

        /// Java's words for where reading stopped.
        var failure: String { "Text '\(text)' could not be parsed at index \(at)" }

        mutating func digits(_ count: Int) -> Int? {
            guard bytes.count - at >= count else { return nil }
            var value = 0
            for offset in 0..<count {
                let byte = bytes[at + offset]
                guard 0x30...0x39 ~= byte else { return nil }
                value = value * 10 + Int(byte - 0x30)
            }
            at += count
            return value
        }

        mutating func take(_ character: Character) -> Bool {
            guard at < bytes.count, bytes[at] == character.asciiValue else { return false }
            at += 1
            return true
        }

        /// Four digits; more with a sign in front.
        mutating func year() -> Int? {
            let start = at
            let isNegative = take("-")
            let hasSign = isNegative || take("+")
            var count = 0
            while at + count < bytes.count, count < 10, 0x30...0x39 ~= bytes[at + count] { count += 1 }
            guard count == 4 || count > 4 && hasSign && count < 10, let value = digits(count) else {
                at = start
                return nil
            }
            return isNegative ? -value : value
        }

        /// - Parameter isSmart: days beyond the month's last one mean the last one.
        mutating func date(isSmart: Bool) -> CivilDate? {
            guard let year = year(), take("-"), let month = digits(2), take("-"), var day = digits(2),
                1...12 ~= month, 1...31 ~= day
            else { return nil }
            let length = CivilDate.length(ofMonth: month, year: year)
            if day > length {
                guard isSmart else { return nil }
                day = length
            }
            return CivilDate(year: year, month: month, day: day)
        }

        /// Nanoseconds of the day.
        mutating func localTime() -> Int? {
            guard let hour = digits(2), hour < 24, take(":"), let minute = digits(2), minute < 60 else { return nil }
            var seconds = hour * 3600 + minute * 60
            var nanos = 0
            if take(":") {
                guard let second = digits(2), second < 60 else { return nil }
                seconds += second
                if take(".") {
                    var unit = 100_000_000
                    while unit > 0, let digit = digits(1) {
                        nanos += digit * unit
                        unit /= 10
                    }
                }
            }
            return seconds * 1_000_000_000 + nanos
        }

        /// "yyyy-MM-dd'T'HH:mm:ss.SSS"
        mutating func dateTime() -> Int64? {
            guard let date = date(isSmart: true), take("T"), let hour = digits(2), hour < 24, take(":"),
                let minute = digits(2), minute < 60, take(":"), let second = digits(2), second < 60, take("."),
                let millis = digits(3)
            else { return nil }
            let (days, overflow) = Int64(date.days).multipliedReportingOverflow(by: millisPerDay)
            let clock = Int64(((hour * 60 + minute) * 60 + second) * 1000 + millis)
            let (sum, sumOverflow) = days.addingReportingOverflow(clock)
            return overflow || sumOverflow ? nil : sum
        }
    }
}

/// Offsets from UTC as texts.
package enum ZoneOffset {
    /// Offsets go no further than 18 hours.
    package static let secondsMax = 18 * 3600

    /// What Java's `ZoneOffset.of` reads: Z, +h, +hh, +hh:mm, +hhmm, +hh:mm:ss, +hhmmss; nil for anything else.
    package static func seconds(_ text: some StringProtocol) -> Int? {
        let bytes = Array(text.utf8)
        if bytes == [UInt8(ascii: "Z")] { return 0 }
        guard let sign = bytes.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return nil }
        let body = bytes.dropFirst()
        let hasColons = body.contains(UInt8(ascii: ":"))
        var digits: [Int] = []
        for (index, byte) in body.enumerated() {
            if hasColons, index % 3 == 2 {
                guard byte == UInt8(ascii: ":") else { return nil }
            } else {
                guard 0x30...0x39 ~= byte else { return nil }
                digits.append(Int(byte - 0x30))
            }
        }
        if hasColons, body.count != 5, body.count != 8 { return nil }
        let hours: Int
        var minutes = 0
        var seconds = 0
        switch digits.count {
        case 1: hours = digits[0]
        case 2, 4, 6:
            hours = digits[0] * 10 + digits[1]
            if digits.count > 2 { minutes = digits[2] * 10 + digits[3] }
            if digits.count > 4 { seconds = digits[4] * 10 + digits[5] }
        default: return nil
        }
        guard minutes < 60, seconds < 60 else { return nil }
        let total = (hours * 60 + minutes) * 60 + seconds
        guard total <= secondsMax else { return nil }
        return sign == UInt8(ascii: "-") ? -total : total
    }

    /// "Z", "+02:00", "-03:30:15".
    package static func text(_ seconds: Int) -> String {
        if seconds == 0 { return "Z" }
        let magnitude = abs(seconds)
        let minutes = "\(seconds < 0 ? "-" : "+")\(twoDigits(magnitude / 3600)):\(twoDigits(magnitude / 60 % 60))"
        return magnitude % 60 == 0 ? minutes : "\(minutes):\(twoDigits(magnitude % 60))"
    }
}
