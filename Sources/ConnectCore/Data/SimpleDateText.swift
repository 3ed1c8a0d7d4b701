import SQLTypes

/// A pattern of Java's `SimpleDateFormat`, in UTC and in English, for printing and reading.
package struct SimpleDateText: Sendable {
    private enum Part: Sendable {
        case literal(String)
        case field(Character, width: Int)
    }

    package let pattern: String
    private let parts: [Part]

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
                guard character != "X" || at - start <= 3 else {
                    throw ConnectError(.illegalArgument, "invalid ISO 8601 format: length=\(at - start)")
                }
                parts.append(.field(character, width: at - start))
            } else {
                literal.append(character)
                at += 1
            }
        }
        guard !isQuoted else { throw ConnectError(.illegalArgument, "Unterminated quote") }
        if !literal.isEmpty { parts.append(.literal(literal)) }
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
        var reader = SimpleDateReader(text)
        var isRead = true
        for (index, part) in parts.enumerated() where isRead {
            switch part {
            case .literal(let literal): isRead = reader.literal(literal)
            case .field(let letter, let width):
                isRead = reader.field(letter, width, isLimited: isNumber(index + 1))
            }
        }
        guard isRead, reader.at > 0, let millis = reader.fields.milliseconds else {
            throw .data("Could not parse timestamp: value (\(text)) does not match pattern (\(pattern))")
        }
        return millis
    }

    /// Whether a part is a number, before which another one ends after its own width.
    private func isNumber(_ index: Int) -> Bool {
        guard index < parts.count, case .field(let letter, let width) = parts[index] else { return false }
        switch letter {
        case "M", "L": return width <= 2
        case "G", "E", "a", "z", "Z", "X": return false
        default: return true
        }
    }

    private static func text(_ millis: Int64, _ parts: [Part]) -> String {
        let days = floorDiv(Int(millis), 86_400_000)
        let rest = floorMod(Int(millis), 86_400_000)
        let date = JavaDate(days: days)
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

    private static func field(_ letter: Character, _ width: Int, _ date: JavaDate, hour: Int, rest: Int) -> String {
        let pad = JavaText.pad
        switch letter {
        case "G": return date.year > 0 ? "AD" : "BC"
        case "y": return year(date.year > 0 ? date.year : 1 - date.year, width)
        case "Y": return year(date.weekYear.year, width)
        case "M", "L":
            let name = SimpleDateNames.longMonths[min(max(date.month, 1), 12) - 1]
            return width >= 4 ? name : width == 3 ? String(name.prefix(3)) : pad(date.month, width)
        case "w": return pad(date.weekYear.week, width)
        case "W": return pad(date.weekOfMonth, width)
        case "D": return pad(date.dayOfYear, width)
        case "d": return pad(date.day, width)
        case "F": return pad((date.day - 1) / 7 + 1, width)
        case "E":
            let name = SimpleDateNames.longWeekdays[min(max(date.weekday, 1), 7) - 1]
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
}
