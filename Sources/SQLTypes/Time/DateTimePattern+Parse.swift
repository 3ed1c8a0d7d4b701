/// What a text says about date, time and zone, after everything that follows from it has been worked out.
package struct ParsedDateTime: Sendable {
    /// Whole dates only.
    package var date: CivilDate?
    /// Nanoseconds of the day.
    package var nanos: Int?
    package var zone: TimeZoneID?
    /// Whether the zone was named by its standard time, such as EST.
    package var namesStandardTime = false
    package var offset: Int?
    /// What neither became part of a date nor of a time.
    package var others = DateTimeFields()

    /// Whether a field has a value, as Java's `isSupported`.
    package func knows(_ field: DateTimeField) -> Bool { value(field) != nil }

    package func value(_ field: DateTimeField) -> Int? {
        if let value = others[field] { return value }
        if let date, let value = DateTimeParts.dateValue(field, date) { return value }
        if let nanos, let value = DateTimeParts.timeValue(field, nanos) { return value }
        return field == .offsetSeconds ? offset : nil
    }
}

extension DateTimePattern {
    /// Reads a whole text, in Java's smart style: the 31st of a shorter month is its last day.
    ///
    /// - Throws: `.invalidText` in Java's words.
    package func parse(_ text: String, zones: TimeZones) throws(SQLTypesError) -> ParsedDateTime {
        var parser = Parser(
            text: Array(text.utf8), isCaseInsensitive: isCaseInsensitive, zones: zones)
        guard parser.parse(elements) else {
            throw SQLTypesError(.invalidText, "Text '\(text)' could not be parsed at index \(parser.failedAt)")
        }
        guard parser.at == parser.text.count else {
            throw SQLTypesError(
                .invalidText, "Text '\(text)' could not be parsed, unparsed text found at index \(parser.at)")
        }
        do { return try parser.state.resolved() } catch {
            throw SQLTypesError(.invalidText, "Text '\(text)' could not be parsed: \(error.message)")
        }
    }

    struct ParseState {
        var fields = DateTimeFields()
        var zone: TimeZoneID?
        var namesStandardTime = false
    }

    private struct Parser {
        let text: [UInt8]
        let isCaseInsensitive: Bool
        let zones: TimeZones
        var at = 0
        var failedAt = 0
        var state = ParseState()

        mutating func fail(_ place: Int) -> Bool {
            failedAt = place
            return false
        }

        mutating func set(_ field: DateTimeField, _ value: Int, from start: Int) -> Bool {
            if let old = state.fields[field], old != value { return fail(start) }
            state.fields[field] = value
            return true
        }

        mutating func parse(_ elements: [Element]) -> Bool {
            for element in elements {
                guard parse(element) else { return false }
            }
            return true
        }

        mutating func parse(_ element: Element) -> Bool {
            switch element {
            case .literal(let literal): return take(Array(literal.utf8))
            case .number(let field, let min, let max, let sign, let following):
                let start = at
                guard let value = number(min, max, sign, following) else { return false }
                return set(field, value, from: start)
            case .twoDigitYear(let field, let following):
                let start = at
                guard let value = number(2, 2, .notNegative, following) else { return false }
                return set(field, 2000 + value, from: start)
            case .fraction(let digits, let following):
                let start = at
                guard var value = number(digits, digits, .notNegative, following) else { return false }
                for _ in digits..<9 { value *= 10 }
                return set(.nanoOfSecond, value, from: start)
            case .text(let field, let style): return name(field, style)
            case .dayPeriod: return fail(at)
            case .offset(let shape, let zero): return offset(shape, zero)
            case .localizedOffset(let isFull): return localizedOffset(isFull)
            case .zoneID: return zone(withNames: false)
            case .zoneText: return zone(withNames: true)
            case .optional(let elements):
                let saved = (at, state)
                if !parse(elements) { (at, state) = saved }
                return true
            case .padded(let width, let element):
                let start = at
                guard start + width <= text.count else { return fail(start) }
                while at < start + width, text[at] == 0x20 { at += 1 }
                guard parse(element) else { return false }
                return at == start + width || fail(start)
            }
        }

        func matches(_ bytes: [UInt8], at place: Int) -> Bool {
            guard text.count - place >= bytes.count else { return false }
            for (offset, byte) in bytes.enumerated() {
                let other = text[place + offset]
                if byte == other { continue }
                guard isCaseInsensitive, Self.lower(byte) == Self.lower(other) else { return false }
            }
            return true
        }

        static func lower(_ byte: UInt8) -> UInt8 { 0x41...0x5A ~= byte ? byte | 0x20 : byte }

        mutating func take(_ bytes: [UInt8]) -> Bool {
            guard matches(bytes, at: at) else { return fail(at) }
            at += bytes.count
            return true
        }

        /// - Parameter following: digits to leave to the fields behind; nil for a field of fixed width.
        mutating func number(_ min: Int, _ max: Int, _ sign: Sign, _ following: Int?) -> Int? {
            let start = at
            func failed(_ place: Int) -> Int? {
                failedAt = place
                at = start
                return nil
            }
            guard at < text.count else { return failed(start) }
            var isNegative = false
            var isPositive = false
            if text[at] == UInt8(ascii: "+") {
                guard sign == .exceedsPad else { return failed(start) }
                isPositive = true
                at += 1
            } else if text[at] == UInt8(ascii: "-") {
                guard sign != .notNegative else { return failed(start) }
                isNegative = true
                at += 1
            }
            let first = at
            guard first + min <= text.count else { return failed(start) }
            var width = max + (following ?? 0)
            var count = 0
            for pass in 0..<2 {
                count = 0
                while count < width, first + count < text.count, 0x30...0x39 ~= text[first + count] { count += 1 }
                guard count >= min else { return failed(start) }
                guard pass == 0, let following, following > 0 else { break }
                width = Swift.max(min, count - following)
            }
            guard count <= 18 else { return failed(start) }  // no field has so large a value
            var value = 0
            for offset in 0..<count { value = value * 10 + Int(text[first + offset] - 0x30) }
            at = first + count
            if isNegative {
                guard value != 0 else { return failed(start) }
                return -value
            }
            if sign == .exceedsPad, min < 19 {
                if isPositive ? count <= min : count > min { return failed(start) }
            }
            return value
        }

        /// The longest name of the style, else of any other: locales without long names write short ones for them.
        mutating func name(_ field: DateTimeField, _ style: Style) -> Bool {
            let start = at
            for candidate in [style, .full, .short] {
                if style == .narrow, candidate != .narrow { continue }
                let names = DateTimeNames.names(field, candidate)
                var best: (index: Int, count: Int)?
                for (index, name) in names.enumerated() {
                    let bytes = Array(name.utf8)
                    if bytes.count > best?.count ?? 0, matches(bytes, at: at) { best = (index, bytes.count) }
                }
                // One letter may stand for several months: it says nothing then.
                if let best, style != .narrow || names.filter({ $0 == names[best.index] }).count == 1 {
                    at += best.count
                    return set(field, best.index + (field.range?.lowerBound ?? 0), from: start)
                }
            }
            return fail(start)
        }

        mutating func twoDigits() -> Int? {
            guard at + 2 <= text.count, 0x30...0x39 ~= text[at], 0x30...0x39 ~= text[at + 1] else { return nil }
            at += 2
            return Int(text[at - 2] - 0x30) * 10 + Int(text[at - 1] - 0x30)
        }

        mutating func offset(_ shape: OffsetPattern, _ zero: String) -> Bool {
            let start = at
            if take(Array(zero.utf8)) { return set(.offsetSeconds, 0, from: start) }
            if at < text.count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") {
                let isNegative = text[at] == UInt8(ascii: "-")
                at += 1
                let hasColon: Bool
                var needsMinutes = true
                var mayHaveSeconds = false
                switch shape {
                case .hours: (hasColon, needsMinutes) = (false, false)
                case .hoursMinutes(let colon): hasColon = colon
                case .hoursMinutesSeconds(let colon): (hasColon, mayHaveSeconds) = (colon, true)
                }
                var parts: [Int] = []
                if let hours = twoDigits() {
                    parts.append(hours)
                    for _ in 0..<(mayHaveSeconds ? 2 : 1) {
                        let before = at
                        if hasColon {
                            guard at < text.count, text[at] == UInt8(ascii: ":") else { break }
                            at += 1
                        }
                        guard let part = twoDigits(), part < 60 else {
                            at = before
                            break
                        }
                        parts.append(part)
                    }
                }
                if parts.count >= (needsMinutes ? 2 : 1) {
                    let seconds =
                        parts[0] * 3600 + (parts.count > 1 ? parts[1] * 60 : 0) + (parts.count > 2 ? parts[2] : 0)
                    guard seconds <= ZoneOffset.secondsMax else { return fail(start) }
                    return set(.offsetSeconds, isNegative ? -seconds : seconds, from: start)
                }
                at = start
            }
            return fail(start)
        }

        mutating func localizedOffset(_ isFull: Bool) -> Bool {
            let start = at
            guard take(Array("GMT".utf8)) else { return false }
            guard at < text.count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") else {
                return set(.offsetSeconds, 0, from: start)
            }
            let isNegative = text[at] == UInt8(ascii: "-")
            at += 1
            var hours = 0
            if isFull {
                guard let value = twoDigits() else { return fail(start) }
                hours = value
            } else {
                guard at < text.count, 0x30...0x39 ~= text[at] else { return fail(start) }
                hours = Int(text[at] - 0x30)
                at += 1
                if at < text.count, 0x30...0x39 ~= text[at] {
                    hours = hours * 10 + Int(text[at] - 0x30)
                    at += 1
                }
            }
            var seconds = hours * 3600
            for unit in [60, 1] where at < text.count && text[at] == UInt8(ascii: ":") {
                at += 1
                guard let value = twoDigits(), value < 60 else {
                    at -= 1  // the colon belongs to what follows
                    break
                }
                seconds += value * unit
            }
            guard seconds <= ZoneOffset.secondsMax else { return fail(start) }
            return set(.offsetSeconds, isNegative ? -seconds : seconds, from: start)
        }

        /// An offset, the longest known region, or with names also "PST" and "Pacific Standard Time".
        mutating func zone(withNames: Bool) -> Bool {
            let start = at
            var end = at
            while end < text.count, end - start < 64,
                "/_+-:~".utf8.contains(text[end]) || 0x30...0x39 ~= text[end] || 0x41...0x5A ~= text[end]
                    || 0x61...0x7A ~= text[end]
            {
                end += 1
            }
            var known: (zone: TimeZoneID, end: Int)?
            while end > start {
                let candidate = String(decoding: text[start..<end], as: UTF8.self)
                if let zone = try? zones.zone(candidate) {
                    known = (zone, end)
                    break
                }
                end -= 1
            }
            if withNames {
                let rest = String(decoding: text[start...].prefix(64), as: UTF8.self)
                if let name = ZoneNames.zone(at: rest, isCaseInsensitive: isCaseInsensitive),
                    start + name.count >= known?.end ?? 0, let zone = try? zones.zone(name.zone)
                {
                    // "GMT" and "UTC" are zones of their own.
                    if name.zone != "Europe/London" || known == nil {
                        known = (zone, start + name.count)
                        state.namesStandardTime = name.isStandard
                    }
                }
            }
            guard let known else { return fail(start) }
            at = known.end
            state.zone = known.zone
            return true
        }
    }
}

extension DateTimePattern.ParseState {
    /// What follows from the fields.
    ///
    /// - Throws: `.invalidText` for values that cannot be and that contradict each other.
    func resolved() throws(SQLTypesError) -> ParsedDateTime {
        var fields = fields
        for field in fields.fields {
            guard let value = fields[field] else { continue }
            // Java checks these when it uses them; 24:00 is checked below.
            if let range = field.range, !range.contains(value), !(field == .hourOfDay && value == 24) {
                throw Self.invalid(field, range, value)
            }
        }
        var result = ParsedDateTime()
        result.zone = zone
        result.namesStandardTime = namesStandardTime
        result.offset = fields.take(.offsetSeconds)
        try Self.resolveDate(&fields, &result)
        let extraDays = try Self.resolveTime(&fields, &result)
        if extraDays > 0, let date = result.date { result.date = CivilDate(days: date.days + extraDays) }
        if let date = result.date {
            for field in fields.fields {
                guard let value = fields[field], let actual = DateTimeParts.dateValue(field, date) else { continue }
                guard actual == value else {
                    throw SQLTypesError(
                        .invalidText,
                        "Conflict found: Field \(field.name) \(actual) differs from \(field.name) \(value) derived "
                            + "from \(date.text)")
                }
                fields[field] = nil
            }
        }
        if let nanos = result.nanos {
            for field in fields.fields {
                guard let value = fields[field], let actual = DateTimeParts.timeValue(field, nanos) else { continue }
                guard actual == value else {
                    throw SQLTypesError(
                        .invalidText, "Conflict found: Field \(field.name) \(actual) differs from \(value)")
                }
                fields[field] = nil
            }
        }
        result.others = fields
        return result
    }

    private static func invalid(_ field: DateTimeField, _ range: ClosedRange<Int>, _ value: Int) -> SQLTypesError {
        SQLTypesError(
            .invalidText,
            "Invalid value for \(field.name) (valid values \(range.lowerBound) - \(range.upperBound)): \(value)")
    }

    private static func put(
        _ field: DateTimeField, _ value: Int, _ fields: inout DateTimeFields
    ) throws(SQLTypesError) {
        if let old = fields[field], old != value {
            throw SQLTypesError(
                .invalidText, "Conflict found: \(field.name) \(old) differs from \(field.name) \(value)")
        }
        fields[field] = value
    }

    private static func resolveDate(
        _ fields: inout DateTimeFields, _ result: inout ParsedDateTime
    ) throws(SQLTypesError) {
        if let days = fields.take(.modifiedJulianDay) { try put(.epochDay, days - 40_587, &fields) }
        if let days = fields.take(.epochDay) {
            guard abs(days) <= 365_241_780_471 else {
                throw invalid(.epochDay, -365_243_219_162...365_241_780_471, days)
            }
            result.date = CivilDate(days: days)
            return
        }
        if let weekday = fields.take(.localizedDayOfWeek) {
            try put(.dayOfWeek, weekday == 1 ? 7 : weekday - 1, &fields)
        }
        if let yearOfEra = fields[.yearOfEra] {
            if let era = fields.take(.era) {
                fields[.yearOfEra] = nil
                try put(.year, era == 1 ? yearOfEra : 1 - yearOfEra, &fields)
            } else {
                fields[.yearOfEra] = nil
                let isBefore = (fields[.year] ?? 1) <= 0
                try put(.year, isBefore ? 1 - yearOfEra : yearOfEra, &fields)
            }
        }
        if let year = fields[.year] {
            if let month = fields[.monthOfYear], let day = fields[.dayOfMonth] {
                fields[.year] = nil
                fields[.monthOfYear] = nil
                fields[.dayOfMonth] = nil
                result.date = CivilDate(
                    year: year, month: month, day: min(day, CivilDate.length(ofMonth: month, year: year)))
                return
            }
            if let day = fields[.dayOfYear] {
                guard day <= (CivilDate.isLeap(year) ? 366 : 365) else {
                    throw SQLTypesError(.invalidText, "Invalid date 'DayOfYear 366' as '\(year)' is not a leap year")
                }
                fields[.year] = nil
                fields[.dayOfYear] = nil
                result.date = CivilDate(days: CivilDate(year: year, month: 1, day: 1).days + day - 1)
                return
            }
        }
        if let weekday = fields[.dayOfWeek] {
            let fromSunday = weekday % 7
            if let year = fields[.weekBasedYear], let week = fields[.weekOfWeekBasedYear] {
                fields[.weekBasedYear] = nil
                fields[.weekOfWeekBasedYear] = nil
                fields[.dayOfWeek] = nil
                let newYear = CivilDate(year: year, month: 1, day: 1)
                result.date = CivilDate(days: newYear.days - newYear.weekday % 7 + (week - 1) * 7 + fromSunday)
                return
            }
            if let year = fields[.year], let month = fields[.monthOfYear], let week = fields[.weekOfMonth] {
                fields[.year] = nil
                fields[.monthOfYear] = nil
                fields[.weekOfMonth] = nil
                fields[.dayOfWeek] = nil
                let start = CivilDate(year: year, month: month, day: 1)
                let date = CivilDate(days: start.days - start.weekday % 7 + (week - 1) * 7 + fromSunday)
                result.date = date
            }
        }
    }

    /// - Returns: the days that 24:00 goes beyond the date.
    private static func resolveTime(
        _ fields: inout DateTimeFields, _ result: inout ParsedDateTime
    ) throws(SQLTypesError) -> Int {
        if let hour = fields.take(.clockHourOfDay) {
            try put(.hourOfDay, hour == 24 ? 0 : hour, &fields)
        }
        if let hour = fields.take(.clockHourOfAmPm) {
            try put(.hourOfAmPm, hour == 12 ? 0 : hour, &fields)
        }
        if let half = fields[.amPmOfDay], let hour = fields[.hourOfAmPm] {
            fields[.amPmOfDay] = nil
            fields[.hourOfAmPm] = nil
            try put(.hourOfDay, half * 12 + hour, &fields)
        }
        if let nanos = fields.take(.nanoOfDay) {
            for field in [.hourOfDay, .minuteOfHour, .secondOfMinute, .nanoOfSecond] as [DateTimeField] {
                try put(field, DateTimeParts.timeValue(field, nanos) ?? 0, &fields)
            }
        }
        if let millis = fields.take(.milliOfDay) {
            let nanos = millis * 1_000_000
            // A finer fraction completes the milliseconds.
            if let fraction = fields[.nanoOfSecond] {
                guard fraction / 1_000_000 == millis % 1000 else {
                    throw SQLTypesError(.invalidText, "Conflict found: MilliOfDay \(millis) differs from NanoOfSecond")
                }
            } else {
                fields[.nanoOfSecond] = nanos % 1_000_000_000
            }
            for field in [.hourOfDay, .minuteOfHour, .secondOfMinute] as [DateTimeField] {
                try put(field, DateTimeParts.timeValue(field, nanos) ?? 0, &fields)
            }
        }
        guard let hour = fields[.hourOfDay] else { return 0 }
        let minute = fields[.minuteOfHour]
        let second = fields[.secondOfMinute]
        let nano = fields[.nanoOfSecond]
        // What is finer counts only when all that is coarser is there.
        if minute == nil, second != nil || nano != nil { return 0 }
        if second == nil, nano != nil { return 0 }
        var extraDays = 0
        var seconds = hour * 3600
        if hour == 24 {
            guard minute ?? 0 == 0, second ?? 0 == 0, nano ?? 0 == 0 else { throw invalid(.hourOfDay, 0...23, hour) }
            extraDays = 1
            seconds = 0
        }
        seconds += (minute ?? 0) * 60 + (second ?? 0)
        result.nanos = seconds * 1_000_000_000 + (nano ?? 0)
        for field in [.hourOfDay, .minuteOfHour, .secondOfMinute, .nanoOfSecond] as [DateTimeField] {
            fields[field] = nil
        }
        return extraDays
    }
}
