import SQLTypes

/// A pattern of Java's `SimpleDateFormat`, in UTC and in English, for printing and reading.
package struct SimpleDateText: Sendable {
    private enum Part: Sendable {
        case literal(String)
        case field(Character, width: Int)
    }

    package let pattern: String
    private let parts: [Part]
    private let reader: SimpleDatePattern

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    /// - Throws: `.illegalArgument` in Java's words.
    package init(_ pattern: String) throws(ConnectError) {
        var parts: [Part] = []
        let text = Array(pattern)
        var literal = ""
        var isQuoted = false
        var at = 0
        func isLetter(_ character: Character) -> Bool { character.isASCII && character.isLetter }
        while at < text.count {
            let character = text[at]
            if character == "'" {
                if at + 1 < text.count, text[at + 1] == "'" {
                    literal.append("'")
                    at += 2
                    continue
                }
                isQuoted.toggle()
                at += 1
            } else if !isQuoted, isLetter(character) {
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = ""
                let start = at
                while at < text.count, text[at] == character { at += 1 }
                guard "GyYMLwWDdFEuaHkKhmsSzZX".contains(character) else {
                    throw ConnectError(.illegalArgument, "Illegal pattern character '\(character)'")
                }
                parts.append(.field(character, width: at - start))
            } else {
                literal.append(character)
                at += 1
            }
        }
        guard !isQuoted else { throw ConnectError(.illegalArgument, "Unterminated quote") }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        do throws(SQLTypesError) {
            reader = try SimpleDatePattern(pattern)
        } catch {
            throw ConnectError(.illegalArgument, error.message)
        }
        self.parts = parts
        self.pattern = pattern
    }

    /// The pattern of `java.util.Date.toString`.
    static func javaDate(_ millis: Int64) -> String {
        let parts: [Part] = [
            .field("E", width: 3), .literal(" "), .field("M", width: 3), .literal(" "), .field("d", width: 2),
            .literal(" "), .field("H", width: 2), .literal(":"), .field("m", width: 2), .literal(":"),
            .field("s", width: 2), .literal(" "), .field("z", width: 3), .literal(" "), .field("y", width: 4),
        ]
        return text(millis, parts)
    }

    package func text(_ millis: Int64) -> String { Self.text(millis, parts) }

    /// Milliseconds since 1970.
    ///
    /// - Throws: `.data` when the text does not match.
    package func millis(_ text: String) throws(ConnectError) -> Int64 {
        do throws(SQLTypesError) {
            return try reader.milliseconds(text, zones: .offsetsOnly)
        } catch {
            if namesZone, let plain = Self.withOffset(text),
                let millis = try? reader.milliseconds(plain, zones: .offsetsOnly)
            {
                return millis
            }
            throw .data("Could not parse timestamp: value (\(text)) does not match pattern (\(pattern))")
        }
    }

    private var namesZone: Bool {
        parts.contains { if case .field("z", _) = $0 { true } else { false } }
    }

    /// The abbreviations of zones in wide use, as minutes east: a summer's name is its own offset, whatever the date.
    private static let zoneOffsets: [String: Int] = [
        "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420,
        "AKST": -540, "AKDT": -480, "HST": -600, "AST": -240, "ADT": -180, "NST": -210, "NDT": -150, "BRT": -180,
        "ART": -180, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "MET": 60, "MEST": 120, "SAST": 120,
        "EET": 120, "EEST": 180, "MSK": 180, "EAT": 180, "PKT": 300, "IST": 330, "SGT": 480, "HKT": 480, "AWST": 480,
        "JST": 540, "KST": 540, "ACST": 570, "AEST": 600, "ACDT": 630, "AEDT": 660, "NZST": 720, "NZDT": 780,
    ]

    /// The text with an offset in the place of a zone's abbreviation.
    private static func withOffset(_ text: String) -> String? {
        var start: String.Index?
        for index in text.indices + [text.endIndex] {
            if index < text.endIndex, text[index].isASCII, text[index].isLetter {
                start = start ?? index
            } else if let from = start {
                start = nil
                guard let minutes = zoneOffsets[text[from..<index].uppercased()] else { continue }
                let size = Int(minutes.magnitude)
                let offset = (minutes < 0 ? "-" : "+") + JavaText.pad(size / 60, 2) + JavaText.pad(size % 60, 2)
                return text[..<from] + offset + text[index...]
            }
        }
        return nil
    }

    private static func text(_ millis: Int64, _ parts: [Part]) -> String {
        let days = floorDiv(Int(millis), 86_400_000)
        let rest = floorMod(Int(millis), 86_400_000)
        let date = CivilDate(days: days)
        let hour = rest / 3_600_000
        var output = ""
        for part in parts {
            switch part {
            case .literal(let text): output += text
            case .field(let letter, let width):
                output += field(letter, width, date, hour: hour, rest: rest)
            }
        }
        return output
    }

    private static func field(_ letter: Character, _ width: Int, _ date: CivilDate, hour: Int, rest: Int) -> String {
        let pad = JavaText.pad
        switch letter {
        case "G": return date.year > 0 ? "AD" : "BC"
        case "y": return year(date.year > 0 ? date.year : 1 - date.year, width)
        case "Y": return year(weekYear(date).year, width)
        case "M", "L":
            let name = months[min(max(date.month, 1), 12) - 1]
            return width >= 4 ? name : width == 3 ? String(name.prefix(3)) : pad(date.month, width)
        case "w": return pad(weekYear(date).week, width)
        case "W":
            // Weeks begin on Sunday; the first holds the 1st.
            let first = CivilDate(year: date.year, month: date.month, day: 1).weekday % 7
            return pad((date.day - 1 + first) / 7 + 1, width)
        case "D": return pad(date.dayOfYear, width)
        case "d": return pad(date.day, width)
        case "F": return pad((date.day - 1) / 7 + 1, width)
        case "E":
            let name = weekdays[min(max(date.weekday, 1), 7) - 1]
            return width >= 4 ? name : String(name.prefix(3))
        case "u": return pad(date.weekday, width)
        case "a": return hour < 12 ? "AM" : "PM"
        case "H": return pad(hour, width)
        case "k": return pad(hour == 0 ? 24 : hour, width)
        case "K": return pad(hour % 12, width)
        case "h": return pad(hour % 12 == 0 ? 12 : hour % 12, width)
        case "m": return pad(rest / 60_000 % 60, width)
        case "s": return pad(rest / 1000 % 60, width)
        case "S": return pad(rest % 1000, width)
        case "z": return width >= 4 ? "Coordinated Universal Time" : "UTC"
        case "Z": return "+0000"
        default: return "Z"
        }
    }

    private static func year(_ year: Int, _ width: Int) -> String {
        width == 2 ? JavaText.pad(year % 100, 2) : JavaText.pad(year, width)
    }

    /// Java's weeks in the United States: they begin on Sunday, and the first is the one with January 1st.
    private static func weekYear(_ date: CivilDate) -> (year: Int, week: Int) {
        func start(_ year: Int) -> Int {
            let first = CivilDate(year: year, month: 1, day: 1)
            return first.days - first.weekday % 7
        }
        let days = date.days
        if days >= start(date.year + 1) { return (date.year + 1, 1) }
        return (date.year, (days - start(date.year)) / 7 + 1)
    }
}
