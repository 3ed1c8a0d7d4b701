/// A pattern of Java's SimpleDateFormat for reading, as Apache's FastDateFormat reads it: leniently. Numbers may have any
/// number of digits, the 31st of February is a day in March, what stands behind the last field is ignored.
package struct SimpleDatePattern: Sendable {
    private enum Field: Sendable {
        case literal([UInt8])
        /// `width` digits at most; 0 for any number, with spaces in front.
        case number(Unit, width: Int)
        case month
        case weekday
        case half
        case era
        /// Z, +hh, +hhmm or +hh:mm
        case offset
        case zone
    }

    private enum Unit: Sendable {
        case year, shortYear, month, day, dayOfYear, hour, clockHour, halfHour, clockHalfHour, minute, second, milli
        /// 1 is Monday.
        case weekday
        /// The third in "the third Monday of the month".
        case weekdayInMonth
        case weekOfMonth, weekOfYear
    }

    private let fields: [Field]

    /// - Parameter allowsStandaloneMonth: whether L is a letter; it is SimpleDateFormat's, not FastDateFormat's.
    /// - Throws: `.invalidText`.
    package init(_ text: String, allowsStandaloneMonth: Bool = true) throws(SQLTypesError) {
        var fields: [Field] = []
        let pattern = Array(text.unicodeScalars)
        var at = 0
        var groups: [(letter: Unicode.Scalar, width: Int, literal: String)] = []
        while at < pattern.count {
            let scalar = pattern[at]
            if ("A"..."Z").contains(scalar) || ("a"..."z").contains(scalar) {
                let start = at
                while at < pattern.count, pattern[at] == scalar { at += 1 }
                groups.append((scalar, at - start, ""))
                continue
            }
            var literal = String.UnicodeScalarView()
            var isQuoted = false
            while at < pattern.count {
                let scalar = pattern[at]
                if !isQuoted, ("A"..."Z").contains(scalar) || ("a"..."z").contains(scalar) { break }
                at += 1
                if scalar == "'" {
                    if at < pattern.count, pattern[at] == "'" {
                        literal.append(scalar)
                        at += 1
                    } else {
                        isQuoted.toggle()
                    }
                } else {
                    literal.append(scalar)
                }
            }
            guard !isQuoted else { throw SQLTypesError(.invalidText, "Unterminated quote") }
            groups.append(("'", 0, String(literal)))
        }
        for (index, group) in groups.enumerated() {
            guard allowsStandaloneMonth || group.letter != "L" else {
                throw SQLTypesError(.invalidText, "Format 'L' not supported")
            }
            // A number that another one follows ends after its own width.
            let next = index + 1 < groups.count ? groups[index + 1] : ("'", 0, "")
            let width = Self.isNumber(next.0, next.1) ? group.width : 0
            fields.append(try Self.field(group.letter, group.width, group.literal, limit: width))
        }
        self.fields = fields
    }

    private static func isNumber(_ letter: Unicode.Scalar, _ width: Int) -> Bool {
        switch letter {
        case "M", "L": width < 3
        case "y", "Y", "D", "F", "H", "K", "S", "W", "d", "h", "k", "m", "s", "u", "w": true
        default: false
        }
    }

    private static func field(
        _ letter: Unicode.Scalar, _ width: Int, _ literal: String, limit: Int
    ) throws(SQLTypesError) -> Field {
        switch letter {
        case "'": .literal(Array(literal.utf8))
        case "y", "Y": .number(width > 2 ? .year : .shortYear, width: limit)
        case "M", "L": width >= 3 ? .month : .number(.month, width: limit)
        case "d": .number(.day, width: limit)
        case "D": .number(.dayOfYear, width: limit)
        case "H": .number(.hour, width: limit)
        case "k": .number(.clockHour, width: limit)
        case "K": .number(.halfHour, width: limit)
        case "h": .number(.clockHalfHour, width: limit)
        case "m": .number(.minute, width: limit)
        case "s": .number(.second, width: limit)
        case "S": .number(.milli, width: limit)
        case "u": .number(.weekday, width: limit)
        case "F": .number(.weekdayInMonth, width: limit)
        case "W": .number(.weekOfMonth, width: limit)
        case "w": .number(.weekOfYear, width: limit)
        case "E": .weekday
        case "a": .half
        case "G": .era
        case "X": .offset
        case "Z", "z": .zone
        default: throw SQLTypesError(.invalidText, "Format '\(letter)' not supported")
        }
    }

    /// Milliseconds since 1970; without a zone in the text in UTC.
    ///
    /// - Throws: `.invalidText`: "Unparseable date".
    package func milliseconds(_ text: String, zones: TimeZones) throws(SQLTypesError) -> Int64 {
        var reader = Reader(text: Array(text.utf8), zones: zones)
        for field in fields {
            guard reader.read(field) else {
                throw SQLTypesError(.invalidText, "Unparseable date: \"\(text)\"")
            }
        }
        guard let result = reader.milliseconds else {
            throw SQLTypesError(.invalidText, "Unparseable date: \"\(text)\" is out of range")
        }
        return result
    }

    private struct Reader {
        let text: [UInt8]
        let zones: TimeZones
        var at = 0
        var year = 1970
        var date = CalendarDate()
        var hour = 0
        var halfHour: Int?
        var half = 0
        var minute = 0
        var second = 0
        var milli = 0
        var isBeforeChrist = false
        var zone: TimeZoneID?

        mutating func read(_ field: Field) -> Bool {
            switch field {
            case .literal(let literal):
                guard text[at...].starts(with: literal) else { return false }
                at += literal.count
                return true
            case .number(let unit, let width):
                guard let value = number(width) else { return false }
                set(unit, value)
                return true
            case .month:
                guard let index = name(DateTimeNames.months) else { return false }
                date.set(.month, index + 1)
                return true
            case .weekday:
                guard let index = name(DateTimeNames.weekdays) else { return false }
                date.set(.weekday, index + 1)
                return true
            case .half:
                guard let index = name(["AM", "PM"]) else { return false }
                half = index
                return true
            case .era:
                guard let index = name(["BC", "AD"]) else { return false }
                isBeforeChrist = index == 0
                return true
            case .offset: return offset(needsSign: false)
            case .zone: return namedZone()
            }
        }

        private mutating func number(_ width: Int) -> Int? {
            if width == 0 {
                while at < text.count, text[at] == 0x20 || 0x09...0x0D ~= text[at] { at += 1 }
            }
            let start = at
            let end = width == 0 ? text.count : min(text.count, at + width)
            var value = 0
            while at < end, 0x30...0x39 ~= text[at] {
                guard value < 100_000_000 else { return nil }  // no field of use is so large
                value = value * 10 + Int(text[at] - 0x30)
                at += 1
            }
            return at > start ? value : nil
        }

        private mutating func set(_ unit: Unit, _ value: Int) {
            switch unit {
            case .year: year = value
            case .shortYear:
                // Java counts from 80 years ago; a fixed year gives the same result whenever a stream is read.
                year = value < 100 ? (value < 46 ? 2000 + value : 1900 + value) : value
            case .month: date.set(.month, value)
            case .day: date.set(.day, value)
            case .dayOfYear: date.set(.dayOfYear, value)
            case .weekday: date.set(.weekday, value)
            case .weekdayInMonth: date.set(.weekdayInMonth, value)
            case .weekOfMonth: date.set(.weekOfMonth, value)
            case .weekOfYear: date.set(.weekOfYear, value)
            case .hour: hour = value
            case .clockHour: hour = value == 24 ? 0 : value
            case .halfHour: halfHour = value
            case .clockHalfHour: halfHour = value == 12 ? 0 : value
            case .minute: minute = value
            case .second: second = value
            case .milli: milli = value
            }
        }

        /// The longest of the names and their first three letters, in any case.
        private mutating func name(_ names: [String]) -> Int? {
            for length in [Int.max, 3] {
                for (index, name) in names.enumerated() {
                    let bytes = Array(name.prefix(length).lowercased().utf8)
                    guard text.count - at >= bytes.count else { continue }
                    let found = text[at..<(at + bytes.count)].map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }
                    if found == bytes {
                        at += bytes.count
                        return index
                    }
                }
            }
            return nil
        }

        private mutating func offset(needsSign: Bool) -> Bool {
            guard at < text.count else { return false }
            if !needsSign, text[at] == UInt8(ascii: "Z") {
                at += 1
                zone = TimeZoneID(offset: 0)
                return true
            }
            // The longest form that can be read.
            for length in [6, 5, 3] where at + length <= text.count {
                let part = String(decoding: text[at..<(at + length)], as: UTF8.self)
                guard part.hasPrefix("+") || part.hasPrefix("-"), let seconds = ZoneOffset.seconds(part) else {
                    continue
                }
                at += length
                zone = TimeZoneID(offset: seconds)
                return true
            }
            return false
        }

        private mutating func namedZone() -> Bool {
            if offset(needsSign: true) { return true }
            let rest = String(decoding: text[at...].prefix(64), as: UTF8.self)
            if rest.hasPrefix("GMT") || rest.hasPrefix("UTC") {
                at += 3
                if !offset(needsSign: true) { zone = TimeZoneID(offset: 0) }
                return true
            }
            guard let name = ZoneNames.zone(at: rest, isCaseInsensitive: true), let known = try? zones.zone(name.zone)
            else {
                return false
            }
            at += name.count
            zone = known
            return true
        }

        /// nil when it does not fit.
        var milliseconds: Int64? {
            let days = date.days(year: isBeforeChrist ? 1 - year : year)
            let hours = halfHour.map { $0 + half * 12 } ?? hour
            let local = Int64(days) * 86_400 + Int64((hours * 60 + minute) * 60 + second)
            let seconds = zone?.epochSecond(local: local) ?? local
            let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
            let (sum, sumOverflow) = product.addingReportingOverflow(Int64(milli))
            return overflow || sumOverflow ? nil : sum
        }
    }
}
