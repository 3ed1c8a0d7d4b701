import ConnectCore
import SQLTypes

/// A pattern of Joda-Time's `DateTimeFormat`, which `path.format` is, printed in a time zone. Names are English.
struct PathPattern: Sendable {
    private enum Part: Sendable {
        case literal(String)
        case field(Character, width: Int)
    }

    private let parts: [Part]
    let zone: TimeZoneID
    /// Whether names of months or days are in it.
    let hasNames: Bool

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    /// - Throws: `.illegalArgument` in Joda's words.
    init(_ pattern: String, zone: TimeZoneID) throws(ConnectError) {
        var parts: [Part] = []
        var literal = ""
        let text = Array(pattern)
        var at = 0
        while at < text.count {
            let character = text[at]
            if character.isASCII, character.isLetter {
                let start = at
                while at < text.count, text[at] == character { at += 1 }
                guard "GCYyxwMdDeEaHhKkmsSzZ".contains(character) else {
                    throw ConnectError(.illegalArgument, "Illegal pattern component: \(String(text[start..<at]))")
                }
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = ""
                parts.append(.field(character, width: at - start))
                continue
            }
            at += 1
            guard character == "'" else {
                literal.append(character)
                continue
            }
            if at < text.count, text[at] == "'" {
                literal.append("'")
                at += 1
                continue
            }
            // To the closing quote, or to the end as Joda has it; two of them are one.
            while at < text.count {
                if text[at] == "'" {
                    at += 1
                    guard at < text.count, text[at] == "'" else { break }
                }
                literal.append(text[at])
                at += 1
            }
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        self.parts = parts
        self.zone = zone
        hasNames = parts.contains {
            guard case .field(let letter, let width) = $0 else { return false }
            return letter == "E" || letter == "a" || letter == "G" || (letter == "M" && width >= 3)
        }
    }

    /// - Parameter millis: since 1970.
    func text(_ millis: Int64) -> String {
        let second = Int64(floorDiv(Int(millis), 1000))
        let offset = zone.offset(at: second)
        let local = Int(millis) + offset * 1000
        let date = CivilDate(days: floorDiv(local, 86_400_000))
        let rest = floorMod(local, 86_400_000)
        var output = ""
        for part in parts {
            switch part {
            case .literal(let text): output += text
            case .field(let letter, let width): output += field(letter, width, date, rest, second, offset)
            }
        }
        return output
    }

    private func field(
        _ letter: Character, _ width: Int, _ date: CivilDate, _ rest: Int, _ second: Int64, _ offset: Int
    ) -> String {
        let hour = rest / 3_600_000
        switch letter {
        case "G": return date.year > 0 ? "AD" : "BC"
        case "C": return Self.pad(abs(date.year) / 100, width)
        case "y": return Self.year(date.year, width)
        case "Y": return Self.year(date.year > 0 ? date.year : 1 - date.year, width)
        case "x": return Self.year(Self.week(date).year, width)
        case "w": return Self.pad(Self.week(date).week, width)
        case "M":
            let name = Self.months[min(max(date.month, 1), 12) - 1]
            return width >= 4 ? name : width == 3 ? String(name.prefix(3)) : Self.pad(date.month, width)
        case "d": return Self.pad(date.day, width)
        case "D": return Self.pad(date.dayOfYear, width)
        case "e": return Self.pad(date.weekday, width)
        case "E":
            let name = Self.weekdays[min(max(date.weekday, 1), 7) - 1]
            return width >= 4 ? name : String(name.prefix(3))
        case "a": return hour < 12 ? "AM" : "PM"
        case "H": return Self.pad(hour, width)
        case "k": return Self.pad(hour == 0 ? 24 : hour, width)
        case "K": return Self.pad(hour % 12, width)
        case "h": return Self.pad(hour % 12 == 0 ? 12 : hour % 12, width)
        case "m": return Self.pad(rest / 60_000 % 60, width)
        case "s": return Self.pad(rest / 1000 % 60, width)
        case "S":
            // A fraction: digits from the left.
            let digits = Self.pad(rest % 1000, 3)
            return width <= 3 ? String(digits.prefix(width)) : digits + String(repeating: "0", count: width - 3)
        case "z":
            return zone.isFixed
                ? (offset == 0 ? "UTC" : Self.offset(offset, ":")) : zone.period(at: second).abbreviation
        default: return width >= 3 ? (zone.id == "Z" ? "UTC" : zone.id) : Self.offset(offset, width == 2 ? ":" : "")
        }
    }

    private static func offset(_ seconds: Int, _ colon: String) -> String {
        let minutes = abs(seconds) / 60
        return (seconds < 0 ? "-" : "+") + pad(minutes / 60, 2) + colon + pad(minutes % 60, 2)
    }

    private static func year(_ year: Int, _ width: Int) -> String {
        width == 2 ? pad(floorMod(year, 100), 2) : pad(year, width)
    }

    private static func pad(_ value: Int, _ width: Int) -> String {
        let text = String(value.magnitude)
        return (value < 0 ? "-" : "") + String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    /// ISO weeks: they begin on Monday, and the first is the one with January 4th.
    private static func week(_ date: CivilDate) -> (year: Int, week: Int) {
        func start(_ year: Int) -> Int {
            let fourth = CivilDate(year: year, month: 1, day: 4)
            return fourth.days - (fourth.weekday - 1)
        }
        let days = date.days
        let year = days >= start(date.year + 1) ? date.year + 1 : days < start(date.year) ? date.year - 1 : date.year
        return (year, (days - start(year)) / 7 + 1)
    }
}

/// Moments as texts in ISO 8601, as Joda's `dateTimeParser` reads them.
enum ISOMoment {
    /// Milliseconds since 1970; without an offset in UTC.
    static func millis(_ text: String) -> Int64? {
        let parts = text.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count <= 2, let day = parts.first else { return nil }
        let numbers = day.split(separator: "-", omittingEmptySubsequences: false).map { number($0) }
        guard 1...3 ~= numbers.count, let year = numbers[0], year <= yearMax, day.utf8.prefix(5).count >= 4
        else { return nil }
        let month = numbers.count > 1 ? numbers[1] : 1
        let dayOfMonth = numbers.count > 2 ? numbers[2] : 1
        guard let month, let dayOfMonth, 1...12 ~= month, 1...CivilDate.length(ofMonth: month, year: year) ~= dayOfMonth
        else { return nil }
        var millis = Int64(CivilDate(year: year, month: month, day: dayOfMonth).days) * 86_400_000
        guard parts.count == 2 else { return millis }
        var time = parts[1]
        if time.hasSuffix("Z") || time.hasSuffix("z") {
            time = time.dropLast()
        } else if let sign = time.lastIndex(where: { $0 == "+" || $0 == "-" }) {
            let digits = time[time.index(after: sign)...].filter { $0 != ":" }
            guard digits.utf8.count == 2 || digits.utf8.count == 4, let hours = number(digits.prefix(2)),
                let minutes = digits.utf8.count == 4 ? number(digits.suffix(2)) : 0, hours < 24, minutes < 60
            else { return nil }
            millis += Int64((hours * 60 + minutes) * 60_000) * (time[sign] == "-" ? 1 : -1)
            time = time[..<sign]
        }
        let units: [(unit: Int64, limit: Int)] = [(3_600_000, 24), (60_000, 60), (1000, 60)]
        let fields = time.split(separator: ":", omittingEmptySubsequences: false)
        guard fields.count <= 3 else { return nil }
        for (index, field) in fields.enumerated() {
            let pieces = field.split(whereSeparator: { $0 == "." || $0 == "," })
            guard let whole = pieces.first.flatMap({ number($0) }), whole < units[index].limit, pieces.count <= 2,
                pieces.count == 1 || index == 2
            else { return nil }
            millis += Int64(whole) * units[index].unit
            guard pieces.count == 2 else { continue }
            guard number(pieces[1].prefix(18)) != nil else { return nil }
            let digits = pieces[1].prefix(3)
            millis += Int64((number(digits) ?? 0) * [100, 10, 1][digits.utf8.count - 1])
        }
        return millis
    }

    /// Joda-Time's; milliseconds of its end are a number of 64 bits.
    private static let yearMax = 292_278_993

    private static func number(_ text: some StringProtocol) -> Int? {
        guard 1...18 ~= text.utf8.count, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return Int(text)
    }
}
