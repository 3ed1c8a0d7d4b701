/// The day that fields of a text make of a year as Java's lenient `GregorianCalendar` finds it in the United States, where
/// weeks begin on Sundays and the first of a year or month is the one with its first day.
struct CalendarDate {
    enum Field: Int, CaseIterable { case month, day, dayOfYear, weekday, weekdayInMonth, weekOfMonth, weekOfYear }

    /// The Gregorian calendar begins on 1582-10-15; days before are the Julian calendar's.
    private static let gregorianStart = -141_427

    private var values = [Int](repeating: 0, count: Field.allCases.count)
    /// When each was set, beginning with 1; 0 where it was not.
    private var stamps = [Int](repeating: 0, count: Field.allCases.count)
    private var lastStamp = 0

    mutating func set(_ field: Field, _ value: Int) {
        lastStamp += 1
        values[field.rawValue] = value
        stamps[field.rawValue] = lastStamp
    }

    private func value(_ field: Field) -> Int { values[field.rawValue] }
    private func stamp(_ field: Field) -> Int { stamps[field.rawValue] }

    /// Days since 1970.
    func days(year: Int) -> Int {
        let way = self.way
        let days = self.days(year, way, Self.gregorian)
        return days >= Self.gregorianStart ? days : self.days(year, way, Self.julian)
    }

    /// What decides: of the fields that make a day, alone or with the weekday, those set last.
    private var way: Field {
        func withWeekday(_ field: Field) -> Int {
            stamp(field) == 0 || stamp(.weekday) == 0 ? 0 : max(stamp(field), stamp(.weekday))
        }
        let day = stamp(.day)
        let dayOfYear = stamp(.dayOfYear)
        var ofMonth = withWeekday(.weekOfMonth)
        var inMonth = withWeekday(.weekdayInMonth)
        var ofYear = withWeekday(.weekOfYear)
        var best = max(day, ofMonth, inMonth, dayOfYear, ofYear)
        if best == 0 {
            ofMonth = stamp(.weekOfMonth)
            inMonth = max(stamp(.weekdayInMonth), stamp(.weekday))
            ofYear = stamp(.weekOfYear)
            best = max(ofMonth, inMonth, ofYear)
            if best == 0 { return .day }
        }
        if best == day { return .day }
        if best == ofMonth && stamp(.weekOfMonth) >= stamp(.weekOfYear)
            || best == inMonth && stamp(.weekdayInMonth) >= stamp(.weekOfYear)
        {
            if ofMonth == inMonth {
                return stamp(.weekOfMonth) >= stamp(.weekdayInMonth) ? .weekOfMonth : .weekdayInMonth
            }
            return best == ofMonth ? .weekOfMonth : .weekdayInMonth
        }
        return best == dayOfYear ? .dayOfYear : .weekOfYear
    }

    /// - Parameter first: the first day of a year's month.
    private func days(_ year: Int, _ way: Field, _ first: (_ year: Int, _ month: Int) -> Int) -> Int {
        // Months beyond the twelfth are those of later years.
        let month = stamp(.month) == 0 ? 0 : value(.month) - 1
        let start =
            way == .dayOfYear || way == .weekOfYear
            ? first(year, 1) : first(year + floorDiv(month, 12), floorMod(month, 12) + 1)
        let weekday = stamp(.weekday) == 0 ? 0 : value(.weekday) % 7
        switch way {
        case .dayOfYear: return start + value(.dayOfYear) - 1
        case .weekOfMonth, .weekOfYear: return Self.last(0, notAfter: start) + weekday + 7 * (value(way) - 1)
        case .weekdayInMonth:
            let count = stamp(.weekdayInMonth) == 0 ? 1 : value(.weekdayInMonth)
            return Self.last(weekday, notAfter: start + 7 * count - 1)
        default: return start + (stamp(.day) == 0 ? 0 : value(.day) - 1)
        }
    }

    /// The last such weekday, 0 is Sunday; 1970-01-01 was a Thursday.
    private static func last(_ weekday: Int, notAfter day: Int) -> Int { day - floorMod(day + 4 - weekday, 7) }

    private static func gregorian(_ year: Int, _ month: Int) -> Int { CivilDate(year: year, month: month, day: 1).days }

    private static func julian(_ year: Int, _ month: Int) -> Int {
        // Years begin in March here, so that the leap day is their last.
        let year = month <= 2 ? year - 1 : year
        return 365 * year + floorDiv(year, 4) + (153 * ((month + 9) % 12) + 2) / 5 - 719_470
    }
}
