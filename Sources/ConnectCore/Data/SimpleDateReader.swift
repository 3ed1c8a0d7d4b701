import SQLTypes

/// Reads a text by the parts of a `SimpleDateFormat`, in English, field after field.
struct SimpleDateReader {
    private let text: [UInt8]
    private(set) var at = 0
    private(set) var fields = CalendarFields()

    init(_ text: String) { self.text = Array(text.utf8) }

    mutating func literal(_ literal: String) -> Bool {
        guard text[at...].starts(with: literal.utf8) else { return false }
        at += literal.utf8.count
        return true
    }

    /// - Parameter isLimited: whether a number ends after `width` characters, as another one follows.
    /// - Returns: false when the text has something else at this place.
    mutating func field(_ letter: Character, _ width: Int, isLimited: Bool) -> Bool {
        let start = at
        while at < text.count, text[at] == 0x20 || text[at] == 0x09 { at += 1 }
        guard at < text.count else { return false }
        let limit = isLimited ? start + width : text.count
        switch letter {
        case "G": return name(.era, SimpleDateNames.eras, from: start)
        case "E": return name(.weekday, SimpleDateNames.weekdays, from: start)
        case "a": return name(.half, SimpleDateNames.halves, from: start)
        case "M" where width > 2, "L" where width > 2: return name(.month, SimpleDateNames.months, from: start)
        case "z", "Z": return zone(from: start)
        case "X": return isoZone(width)
        default: return number(letter, width, limit)
        }
    }

    // MARK: Numbers

    private mutating func number(_ letter: Character, _ width: Int, _ limit: Int) -> Bool {
        let start = at
        guard limit <= text.count, let value = integer(limit) else { return false }
        switch letter {
        case "y", "Y":
            let isShort = width <= 2 && at - start == 2 && value >= 0
            // Java counts from 80 years ago; a fixed year gives the same result whenever a record is read.
            fields.set(letter == "y" ? .year : .weekYear, isShort ? value + (value < 46 ? 2000 : 1900) : value)
        case "M", "L": fields.set(.month, value - 1)
        case "w": fields.set(.weekOfYear, value)
        case "W": fields.set(.weekOfMonth, value)
        case "D": fields.set(.dayOfYear, value)
        case "d": fields.set(.dayOfMonth, value)
        case "F": fields.set(.weekdayInMonth, value)
        // From Monday; what is no weekday stays as it is.
        case "u": fields.set(.weekday, 1...7 ~= value ? value % 7 + 1 : value)
        case "H": fields.set(.hour, value)
        case "k": fields.set(.hour, value == 24 ? 0 : value)
        case "K": fields.set(.hourOfHalf, value)
        case "h": fields.set(.hourOfHalf, value == 12 ? 0 : value)
        case "m": fields.set(.minute, value)
        case "s": fields.set(.second, value)
        default: fields.set(.millisecond, value)
        }
        return true
    }

    /// As much of a number, which may be negative, as stands before `limit`; of 32 bits, as Java takes it.
    private mutating func integer(_ limit: Int) -> Int? {
        var place = at
        let isNegative = place < limit && text[place] == UInt8(ascii: "-")
        if isNegative { place += 1 }
        let first = place
        var value: Int64 = 0
        var isTooMuch = false
        while place < limit, 0x30...0x39 ~= text[place] {
            let (product, isMore) = value.multipliedReportingOverflow(by: 10)
            let (sum, isStill) = product.addingReportingOverflow(Int64(text[place] - 0x30))
            isTooMuch = isTooMuch || isMore || isStill
            value = isTooMuch ? 0 : sum
            place += 1
        }
        guard place > first else { return nil }
        at = place
        if isTooMuch { return Int(isNegative ? Int32.min : .max) }
        return Int(Int32(truncatingIfNeeded: isNegative ? -value : value))
    }

    // MARK: Names

    /// The longest of the names that stands here, in any case. Blanks in front of names are not passed over.
    private mutating func name(
        _ field: CalendarFields.Field, _ names: [(name: String, value: Int)], from start: Int
    ) -> Bool {
        at = start
        guard let (value, count) = longest(names) else { return false }
        fields.set(field, value)
        at += count
        return true
    }

    private func longest(_ names: [(name: String, value: Int)]) -> (value: Int, count: Int)? {
        var best: (value: Int, count: Int)?
        for (name, value) in names where name.utf8.count > best?.count ?? 0 && stands(name) {
            best = (value, name.utf8.count)
        }
        return best
    }

    private func stands(_ name: String) -> Bool {
        guard text.count - at >= name.utf8.count else { return false }
        return zip(text[at...], name.utf8).allSatisfy { Self.small($0) == Self.small($1) }
    }

    private static func small(_ byte: UInt8) -> UInt8 { 0x41...0x5A ~= byte ? byte | 0x20 : byte }

    // MARK: Zones

    /// `+hhmm`, `GMT+hh:mm` or a name. Behind blanks `GMT` is a name, and what follows is not read.
    private mutating func zone(from start: Int) -> Bool {
        if let sign = sign { return offset(sign, hasColon: false, hasMinutes: true, needsTwoDigits: false) }
        if at == start, stands("GMT") {
            at += 3
            guard let sign = sign else {
                fields.set(.zone, 0)
                return true
            }
            return offset(sign, hasColon: true, hasMinutes: true, needsTwoDigits: false)
        }
        guard let (minutes, count) = longest(SimpleDateNames.zones) else { return false }
        fields.set(.zone, minutes * 60_000)
        at += count
        return true
    }

    /// `Z`, or `+hh`, `+hhmm` or `+hh:mm` by the pattern's width.
    private mutating func isoZone(_ width: Int) -> Bool {
        if text[at] == UInt8(ascii: "Z") {
            at += 1
            fields.set(.zone, 0)
            return true
        }
        guard let sign = sign else { return false }
        return offset(sign, hasColon: width == 3, hasMinutes: width != 1, needsTwoDigits: true)
    }

    private var sign: Int? {
        guard at < text.count else { return nil }
        return text[at] == UInt8(ascii: "+") ? 1 : text[at] == UInt8(ascii: "-") ? -1 : nil
    }

    private mutating func offset(_ sign: Int, hasColon: Bool, hasMinutes: Bool, needsTwoDigits: Bool) -> Bool {
        at += 1
        func digit(_ place: Int) -> Int? {
            place < text.count && 0x30...0x39 ~= text[place] ? Int(text[place] - 0x30) : nil
        }
        guard var hours = digit(at) else { return false }
        at += 1
        if let second = digit(at) {
            hours = hours * 10 + second
            at += 1
        } else if needsTwoDigits || !hasColon {
            return false
        }
        var minutes = 0
        if hasMinutes {
            if hasColon {
                guard at < text.count, text[at] == UInt8(ascii: ":") else { return false }
                at += 1
            }
            guard let tens = digit(at), let ones = digit(at + 1) else { return false }
            minutes = tens * 10 + ones
            at += 2
        }
        guard hours <= 23, minutes <= 59 else { return false }
        fields.set(.zone, sign * (hours * 60 + minutes) * 60_000)
        return true
    }
}

/// The words of dates, whole and short, with their numbers in `CalendarFields`.
enum SimpleDateNames {
    static let longMonths = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    /// From Monday on.
    static let longWeekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    static let months = withShort(longMonths.enumerated().map { ($1, $0) })
    static let weekdays = withShort(longWeekdays.enumerated().map { ($1, ($0 + 1) % 7 + 1) })
    static let halves = [(name: "AM", value: 0), (name: "PM", value: 1)]
    static let eras = [(name: "BC", value: 0), (name: "AD", value: 1)]

    private static func withShort(_ names: [(name: String, value: Int)]) -> [(name: String, value: Int)] {
        names + names.map { (String($0.name.prefix(3)), $0.value) }
    }

    /// Zones in wide use, as minutes east: a summer's name is its own offset, whatever the date.
    static let zones: [(name: String, value: Int)] = [
        ("UTC", 0), ("GMT", 0), ("Coordinated Universal Time", 0), ("Greenwich Mean Time", 0), ("EST", -300),
        ("EDT", -240), ("CST", -360), ("CDT", -300), ("MST", -420), ("MDT", -360), ("PST", -480), ("PDT", -420),
        ("AKST", -540), ("AKDT", -480), ("HST", -600), ("AST", -240), ("ADT", -180), ("NST", -210), ("NDT", -150),
        ("BRT", -180),
        ("ART", -180), ("WET", 0), ("WEST", 60), ("BST", 60), ("CET", 60), ("CEST", 120), ("MET", 60), ("MEST", 120),
        ("SAST", 120), ("EET", 120), ("EEST", 180), ("MSK", 180), ("EAT", 180), ("PKT", 300), ("IST", 330),
        ("SGT", 480), ("HKT", 480), ("AWST", 480), ("JST", 540), ("KST", 540), ("ACST", 570), ("AEST", 600),
        ("ACDT", 630), ("AEDT", 660), ("NZST", 720), ("NZDT", 780), ("Eastern Standard Time", -300),
        ("Eastern Daylight Time", -240), ("Central Standard Time", -360), ("Central Daylight Time", -300),
        ("Mountain Standard Time", -420), ("Mountain Daylight Time", -360), ("Pacific Standard Time", -480),
        ("Pacific Daylight Time", -420), ("Central European Standard Time", 60),
        ("Central European Summer Time", 120), ("British Summer Time", 60), ("Japan Standard Time", 540),
    ]
}
