/// A number that a date or time has, as the patterns of Java's DateTimeFormatter name it.
package enum DateTimeField: UInt8, Hashable, Sendable, CaseIterable {
    // In the order of Java's ChronoField, which decides what overrides what.
    case nanoOfSecond, nanoOfDay, milliOfDay, secondOfMinute, minuteOfHour, hourOfAmPm, clockHourOfAmPm, hourOfDay
    case clockHourOfDay, amPmOfDay, dayOfWeek, alignedDayOfWeekInMonth, dayOfMonth, dayOfYear, epochDay, monthOfYear
    case yearOfEra, year, era, offsetSeconds
    // Not Java's ChronoFields:
    case quarterOfYear, modifiedJulianDay
    /// Monday is 1 in `dayOfWeek`, Sunday here.
    case localizedDayOfWeek
    case weekBasedYear, weekOfWeekBasedYear, weekOfMonth

    /// As Java's errors name it.
    package var name: String {
        switch self {
        case .localizedDayOfWeek: "DayOfWeek[WeekFields[SUNDAY,1]]"
        case .weekBasedYear: "WeekBasedYear[WeekFields[SUNDAY,1]]"
        case .weekOfWeekBasedYear: "WeekOfWeekBasedYear[WeekFields[SUNDAY,1]]"
        case .weekOfMonth: "WeekOfMonth[WeekFields[SUNDAY,1]]"
        default:
            {
                let text = String(describing: self)
                return text.prefix(1).uppercased() + text.dropFirst()
            }()
        }
    }

    /// Of Java's ChronoFields; the fields of weeks and quarters are none.
    package var isDateBased: Bool {
        switch self {
        case .dayOfWeek, .alignedDayOfWeekInMonth, .dayOfMonth, .dayOfYear, .epochDay, .monthOfYear, .yearOfEra, .year,
            .era:
            true
        default: false
        }
    }

    /// The values that can be, wherever the others are; nil when there is no limit to check.
    var range: ClosedRange<Int>? {
        switch self {
        case .nanoOfSecond: 0...999_999_999
        case .nanoOfDay: 0...86_399_999_999_999
        case .milliOfDay: 0...86_399_999
        case .secondOfMinute, .minuteOfHour: 0...59
        case .hourOfAmPm: 0...11
        case .clockHourOfAmPm: 0...12
        case .hourOfDay: 0...23
        case .clockHourOfDay: 0...24
        case .amPmOfDay, .era: 0...1
        case .dayOfWeek, .localizedDayOfWeek, .alignedDayOfWeekInMonth: 1...7
        case .dayOfMonth: 1...31
        case .dayOfYear: 1...366
        case .monthOfYear: 1...12
        case .yearOfEra: 1...1_000_000_000
        case .year, .weekBasedYear: CivilDate.yearRange
        case .quarterOfYear: 1...4
        case .weekOfWeekBasedYear: 1...54
        case .weekOfMonth: 0...6
        case .offsetSeconds: -ZoneOffset.secondsMax...ZoneOffset.secondsMax
        case .epochDay, .modifiedJulianDay: nil
        }
    }
}

/// Values of fields; those that are missing are nil.
package struct DateTimeFields: Sendable {
    private var values = [Int](repeating: 0, count: DateTimeField.allCases.count)
    private var present: UInt32 = 0

    package init() {}

    package subscript(field: DateTimeField) -> Int? {
        get { present >> UInt32(field.rawValue) & 1 == 1 ? values[Int(field.rawValue)] : nil }
        set {
            if let newValue {
                values[Int(field.rawValue)] = newValue
                present |= 1 << UInt32(field.rawValue)
            } else {
                present &= ~(1 << UInt32(field.rawValue))
            }
        }
    }

    package var isEmpty: Bool { present == 0 }

    /// The value, which is then missing.
    mutating func take(_ field: DateTimeField) -> Int? {
        let value = self[field]
        self[field] = nil
        return value
    }

    /// The fields that are there.
    var fields: [DateTimeField] { isEmpty ? [] : DateTimeField.allCases.filter { self[$0] != nil } }
}

/// What a pattern formats: parts of it may be missing.
package struct DateTimeParts: Sendable {
    package var date: CivilDate?
    /// Nanoseconds of the day.
    package var nanos: Int?
    package var zone: TimeZoneID?
    /// The period that holds in the zone.
    package var period: TimeZoneRules.Period?

    package init(date: CivilDate? = nil, nanos: Int? = nil) {
        self.date = date
        self.nanos = nanos
    }

    /// A moment as the clocks of a zone show it.
    package init(epochMilli: Int64, zone: TimeZoneID) {
        let seconds = floorDiv(Int(epochMilli), 1000)
        let period = zone.period(at: Int64(seconds))
        let local = seconds + period.offset
        let days = floorDiv(local, 86_400)
        date = CivilDate(days: days)
        nanos = (local - days * 86_400) * 1_000_000_000 + floorMod(Int(epochMilli), 1000) * 1_000_000
        self.zone = zone
        self.period = period
    }

    /// nil when the value is not known.
    func value(_ field: DateTimeField) -> Int? {
        if let value = date.flatMap({ Self.dateValue(field, $0) }) { return value }
        if let value = nanos.flatMap({ Self.timeValue(field, $0) }) { return value }
        return field == .offsetSeconds ? period?.offset : nil
    }

    static func timeValue(_ field: DateTimeField, _ nanos: Int) -> Int? {
        let seconds = nanos / 1_000_000_000
        let hour = seconds / 3600
        return switch field {
        case .nanoOfSecond: nanos % 1_000_000_000
        case .nanoOfDay: nanos
        case .milliOfDay: nanos / 1_000_000
        case .secondOfMinute: seconds % 60
        case .minuteOfHour: seconds / 60 % 60
        case .hourOfAmPm: hour % 12
        case .clockHourOfAmPm: hour % 12 == 0 ? 12 : hour % 12
        case .hourOfDay: hour
        case .clockHourOfDay: hour == 0 ? 24 : hour
        case .amPmOfDay: hour / 12
        default: nil
        }
    }

    static func dateValue(_ field: DateTimeField, _ date: CivilDate) -> Int? {
        switch field {
        case .dayOfWeek: date.weekday
        case .localizedDayOfWeek: date.weekday % 7 + 1
        case .alignedDayOfWeekInMonth: (date.day - 1) % 7 + 1
        case .dayOfMonth: date.day
        case .dayOfYear: date.dayOfYear
        case .epochDay: date.days
        case .modifiedJulianDay: date.days + 40_587
        case .monthOfYear: date.month
        case .quarterOfYear: (date.month + 2) / 3
        case .yearOfEra: date.year >= 1 ? date.year : 1 - date.year
        case .year: date.year
        case .era: date.year >= 1 ? 1 : 0
        case .weekBasedYear: weekBased(date).year
        case .weekOfWeekBasedYear: weekBased(date).week
        case .weekOfMonth: week(of: date.day, date)
        default: nil
        }
    }

    /// The week, beginning with Sunday, in which the first day that is counted is in the week 1.
    private static func week(of dayNumber: Int, _ date: CivilDate) -> Int {
        let weekday = date.weekday % 7  // Sunday is 0
        let firstWeekday = floorMod(weekday - (dayNumber - 1), 7)
        return (dayNumber - 1 + firstWeekday) / 7 + 1
    }

    private static func weekBased(_ date: CivilDate) -> (year: Int, week: Int) {
        // The week in which the next year begins belongs to that year already.
        let nextYear = CivilDate(year: date.year + 1, month: 1, day: 1)
        if nextYear.days - nextYear.weekday % 7 <= date.days { return (date.year + 1, 1) }
        return (date.year, week(of: date.dayOfYear, date))
    }
}
