internal import SQLTypes

/// Values as PostgreSQL prints them with `datestyle=ISO`, `intervalstyle=postgres` and `timezone=UTC`.
enum PostgresText {
    /// A moment, a day or a time of day.
    enum Moment: Equatable {
        case finite(Int64)
        case infinity, negativeInfinity
    }

    /// Reads digits and what stands between them.
    private struct Scanner {
        let bytes: UnsafeRawBufferPointer
        var at = 0

        var isAtEnd: Bool { at == bytes.count }

        mutating func number(digits: ClosedRange<Int>) -> Int64? {
            let start = at
            var value: Int64 = 0
            while at < bytes.count, at - start < digits.upperBound, 0x30...0x39 ~= bytes[at] {
                value = value * 10 + Int64(bytes[at] - 0x30)
                at += 1
            }
            return at - start >= digits.lowerBound ? value : nil
        }

        mutating func take(_ letter: Unicode.Scalar) -> Bool {
            guard at < bytes.count, bytes[at] == UInt8(ascii: letter) else { return false }
            at += 1
            return true
        }

        /// Microseconds of `12:34:56.789`.
        mutating func clock() -> Int64? {
            guard let hours = number(digits: 1...9), take(":"), let minutes = number(digits: 2...2), take(":"),
                let seconds = number(digits: 2...2)
            else { return nil }
            var fraction: Int64 = 0
            if take(".") {
                let start = at
                guard let digits = number(digits: 1...6) else { return nil }
                fraction = digits
                for _ in (at - start)..<6 { fraction *= 10 }
            }
            return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
        }

        /// Microseconds east of Greenwich of `+05:30`; 0 when there is none.
        mutating func offset() -> Int64? {
            let isWest = at < bytes.count && bytes[at] == UInt8(ascii: "-")
            guard take("+") || take("-") else { return 0 }
            guard var seconds = number(digits: 2...2).map({ $0 * 3600 }) else { return nil }
            if take(":") {
                guard let minutes = number(digits: 2...2) else { return nil }
                seconds += minutes * 60
            }
            if take(":") {
                guard let rest = number(digits: 2...2) else { return nil }
                seconds += rest
            }
            return (isWest ? -seconds : seconds) * 1_000_000
        }

        /// Days since 1970, without the era.
        mutating func date() -> (year: Int, month: Int, day: Int)? {
            guard let year = number(digits: 4...7), take("-"), let month = number(digits: 2...2), take("-"),
                let day = number(digits: 2...2), 1...12 ~= month, 1...31 ~= day
            else { return nil }
            return (Int(year), Int(month), Int(day))
        }

        mutating func isBeforeChrist() -> Bool { take(" ") && take("B") && take("C") }
    }

    private static func infinite(_ bytes: UnsafeRawBufferPointer) -> Moment? {
        if bytes.elementsEqual("infinity".utf8) { return .infinity }
        return bytes.elementsEqual("-infinity".utf8) ? .negativeInfinity : nil
    }

    /// Days since 1970.
    static func date(_ bytes: UnsafeRawBufferPointer) -> Moment? {
        if let infinite = infinite(bytes) { return infinite }
        var scanner = Scanner(bytes: bytes)
        guard let date = scanner.date() else { return nil }
        let isBeforeChrist = scanner.isBeforeChrist()
        guard scanner.isAtEnd else { return nil }
        let year = isBeforeChrist ? 1 - date.year : date.year
        return .finite(Int64(CivilDate(year: year, month: date.month, day: date.day).days))
    }

    /// Microseconds of the day; 24:00:00 is one.
    static func time(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        var scanner = Scanner(bytes: bytes)
        guard let time = scanner.clock(), scanner.isAtEnd else { return nil }
        return time
    }

    /// Microseconds of the day in UTC.
    static func zonedTime(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        var scanner = Scanner(bytes: bytes)
        guard let time = scanner.clock(), let offset = scanner.offset(), scanner.isAtEnd else { return nil }
        let day: Int64 = 86_400_000_000
        return ((time - offset) % day + day) % day
    }

    /// Microseconds since 1970, in UTC where there is an offset.
    static func timestamp(_ bytes: UnsafeRawBufferPointer) -> Moment? {
        if let infinite = infinite(bytes) { return infinite }
        var scanner = Scanner(bytes: bytes)
        guard let date = scanner.date() else { return nil }
        var time: Int64 = 0
        var offset: Int64 = 0
        // A default may be a day only.
        if scanner.take(" ") {
            guard let clock = scanner.clock(), let zone = scanner.offset() else { return nil }
            time = clock
            offset = zone
        }
        let isBeforeChrist = scanner.isBeforeChrist()
        guard scanner.isAtEnd else { return nil }
        let year = isBeforeChrist ? 1 - date.year : date.year
        let days = Int64(CivilDate(year: year, month: date.month, day: date.day).days)
        let (microseconds, isOver) = days.multipliedReportingOverflow(by: 86_400_000_000)
        return isOver ? nil : .finite(microseconds &+ time &- offset)
    }

    // MARK: Intervals

    struct Interval: Equatable {
        var months: Int64 = 0
        var days: Int64 = 0
        var microseconds: Int64 = 0

        /// A month has 30.4375 days.
        var averageMicroseconds: Int64 {
            let days = Double(months) * 30.4375 + Double(self.days)
            let value = days * 86_400_000_000 + Double(microseconds)
            return Int64(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
        }

        /// `P1Y2M3DT4H5M6.789S`
        var text: String {
            let seconds = microseconds / 1_000_000
            var fraction = String(abs(microseconds % 1_000_000))
            fraction = String(repeating: "0", count: 6 - fraction.utf8.count) + fraction
            while fraction.last == "0" { fraction.removeLast() }
            let rest = seconds % 60
            let sign = microseconds < 0 && rest == 0 && !fraction.isEmpty ? "-" : ""
            return "P\(months / 12)Y\(months % 12)M\(days)DT\(seconds / 3600)H\(seconds / 60 % 60)M\(sign)\(rest)"
                + (fraction.isEmpty ? "" : "." + fraction) + "S"
        }
    }

    /// `1 year 2 mons 3 days 04:05:06.789`
    static func interval(_ text: String) -> Interval? {
        var interval = Interval()
        var words = text.split(separator: " ")[...]
        while let word = words.popFirst() {
            if word.contains(":") {
                let isNegative = word.hasPrefix("-")
                let bytes = Array((isNegative || word.hasPrefix("+") ? word.dropFirst() : word).utf8)
                guard let time = bytes.withUnsafeBytes({ time($0) }) else { return nil }
                interval.microseconds = isNegative ? -time : time
                continue
            }
            guard let count = Int64(word), abs(count) < 1 << 32, let unit = words.popFirst() else { return nil }
            switch unit {
            case "year", "years": interval.months += count * 12
            case "mon", "mons", "month", "months": interval.months += count
            case "day", "days": interval.days += count
            default: return nil
            }
        }
        return interval
    }

    // MARK: Compound values

    /// How many arrays there are in `{{1,2},{3,4}}`; nil for an array without any inside.
    static func nestedCount(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var at = bytes.startIndex
        if bytes.first == UInt8(ascii: "[") {
            guard let sign = bytes.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            at = sign + 1
        }
        guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "{"), bytes[at + 1] == UInt8(ascii: "{") else {
            return nil
        }
        var (count, depth, isQuoted) = (0, 0, false)
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\\"): at += 1
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "{") where !isQuoted:
                if depth == 1 { count += 1 }
                depth += 1
            case UInt8(ascii: "}") where !isQuoted: depth -= 1
            default: break
            }
            at += 1
        }
        return count
    }

    /// The elements of `{1,NULL,"a b"}`; nil for what is no array or has arrays inside.
    static func array(_ bytes: UnsafeRawBufferPointer) -> [[UInt8]?]? {
        var at = bytes.startIndex
        // Bounds that do not begin with 1 stand in front.
        if bytes.first == UInt8(ascii: "[") {
            guard let sign = bytes.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            at = sign + 1
        }
        guard at < bytes.count, bytes[at] == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}") else { return nil }
        at += 1
        let end = bytes.count - 1
        var elements: [[UInt8]?] = []
        if at == end { return elements }
        while true {
            var element: [UInt8] = []
            var isQuoted = false
            if at < end, bytes[at] == UInt8(ascii: "\"") {
                isQuoted = true
                at += 1
                while at < end, bytes[at] != UInt8(ascii: "\"") {
                    if bytes[at] == UInt8(ascii: "\\") { at += 1 }
                    guard at < end else { return nil }
                    element.append(bytes[at])
                    at += 1
                }
                guard at < end else { return nil }
                at += 1
            } else {
                while at < end, bytes[at] != UInt8(ascii: ",") {
                    guard bytes[at] != UInt8(ascii: "{") else { return nil }
                    if bytes[at] == UInt8(ascii: "\\") { at += 1 }
                    guard at < end else { return nil }
                    element.append(bytes[at])
                    at += 1
                }
            }
            elements.append(!isQuoted && element.elementsEqual("NULL".utf8) ? nil : element)
            if at == end { return elements }
            guard bytes[at] == UInt8(ascii: ",") else { return nil }
            at += 1
        }
    }

    /// The entries of `"k"=>"v", "n"=>NULL`.
    static func hstore(_ bytes: UnsafeRawBufferPointer) -> [(key: String, value: String?)]? {
        var entries: [(key: String, value: String?)] = []
        var at = 0
        func quoted() -> String? {
            guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { return nil }
            at += 1
            var text: [UInt8] = []
            while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
                if bytes[at] == UInt8(ascii: "\\") { at += 1 }
                guard at < bytes.count else { return nil }
                text.append(bytes[at])
                at += 1
            }
            guard at < bytes.count else { return nil }
            at += 1
            return String(decoding: text, as: UTF8.self)
        }
        func skip(_ text: String) -> Bool {
            guard bytes.count - at >= text.utf8.count, bytes[at..<at + text.utf8.count].elementsEqual(text.utf8) else {
                return false
            }
            at += text.utf8.count
            return true
        }
        while at < bytes.count {
            guard let key = quoted(), skip("=>") else { return nil }
            if skip("NULL") {
                entries.append((key, nil))
            } else {
                guard let value = quoted() else { return nil }
                entries.append((key, value))
            }
            if at < bytes.count, !skip(", ") { return nil }
        }
        return entries
    }

    /// A geometric value with its numbers as Java's doubles: `(1,1),(0,0)` is `(1.0,1.0),(0.0,0.0)`.
    static func javaGeometry(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var text: [UInt8] = []
        for part in numbersAndMarks(bytes) {
            if let number = Double(part) { text += DoubleText.text(number).utf8 } else { text += part.utf8 }
        }
        return text
    }

    static func numbers(_ bytes: UnsafeRawBufferPointer) -> [Double] {
        numbersAndMarks(bytes).compactMap { Double($0) }
    }

    private static func numbersAndMarks(_ bytes: UnsafeRawBufferPointer) -> [Substring] {
        let text = String(decoding: bytes, as: UTF8.self)
        var parts: [Substring] = []
        var start = text.startIndex
        for index in text.indices where "()[]{}<>,;".contains(text[index]) {
            if start < index { parts.append(text[start..<index]) }
            parts.append(text[index...index])
            start = text.index(after: index)
        }
        if start < text.endIndex { parts.append(text[start...]) }
        return parts
    }
}
