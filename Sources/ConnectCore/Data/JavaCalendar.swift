import SQLTypes

/// Dates as Java's `GregorianCalendar` counts them: Julian before October 15th, 1582, with the weeks of the United States,
/// which begin on Sunday and of which the first holds January 1st.
struct JavaDate {
    var year: Int
    /// 1...12
    var month: Int
    var day: Int
    /// Since 1970-01-01.
    let days: Int

    /// The first day of the Gregorian calendar.
    static let firstGregorian = -141_427
    static let firstGregorianYear = 1582

    init(days: Int) {
        self.days = days
        guard days < Self.firstGregorian else {
            let date = CivilDate(days: days)
            (year, month, day) = (date.year, date.month, date.day)
            return
        }
        // Years from March on, so that the leap day is the last one.
        let count = days + Self.julianShift
        let place = floorMod(count, 1461)
        let yearInCycle = min(place / 365, 3)
        let dayOfYear = place - 365 * yearInCycle
        let shifted = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shifted + 2) / 5 + 1
        month = shifted < 10 ? shifted + 3 : shifted - 9
        year = 4 * floorDiv(count, 1461) + yearInCycle + (month <= 2 ? 1 : 0)
    }

    /// Days between March 1st of the Julian year 0 and 1970-01-01.
    private static let julianShift = 719_470

    /// The days since 1970-01-01 of a month's first.
    static func first(ofMonth month: Int, _ year: Int, isJulian: Bool) -> Int {
        guard isJulian else { return CivilDate(year: year, month: month, day: 1).days }
        let shifted = month > 2 ? month - 3 : month + 9
        let marchYear = month > 2 ? year : year - 1
        return 365 * marchYear + floorDiv(marchYear, 4) + (153 * shifted + 2) / 5 - julianShift
    }

    static func newYear(_ year: Int) -> Int { first(ofMonth: 1, year, isJulian: year <= firstGregorianYear) }

    /// 1 for Monday.
    var weekday: Int { CivilDate.weekday(of: days) }
    var dayOfYear: Int { days - Self.newYear(year) + 1 }
    var weekOfMonth: Int { (days - Self.sunday(onOrBefore: days - day + 1)) / 7 + 1 }

    /// The week and the year that it belongs to.
    var weekYear: (year: Int, week: Int) {
        func start(_ year: Int) -> Int { Self.sunday(onOrBefore: Self.newYear(year)) }
        if days >= start(year + 1) { return (year + 1, 1) }
        return (year, (days - start(year)) / 7 + 1)
    }

    static func sunday(onOrBefore days: Int) -> Int { self.days(of: 1, onOrBefore: days) }

    /// The last day of the week, 1 for Sunday, that is not after `days`.
    static func days(of weekday: Int, onOrBefore days: Int) -> Int {
        // 1970-01-01 was a Thursday, 5.
        days - floorMod(days + 5 - weekday, 7)
    }
}

/// What a text says of a moment, field by field, and the moment that this makes: as Java decides it where fields
/// contradict each other. Any number counts: the 13th month is January.
///
/// - SeeAlso: Java's `Calendar`, "Calendar Fields Resolution".
struct CalendarFields {
    enum Field: Int, CaseIterable {
        /// 0 for years before Christ.
        case era
        case year, weekYear
        /// From 0.
        case month
        case weekOfYear, weekOfMonth, dayOfMonth, dayOfYear
        /// 1 for Sunday.
        case weekday
        /// Which of the month's Sundays, Mondays ... it is.
        case weekdayInMonth
        /// 1 for the afternoon, and hours of it.
        case half, hourOfHalf
        case hour, minute, second, millisecond
        /// Milliseconds east of Greenwich.
        case zone
    }

    private var values = [Int](repeating: 0, count: Field.allCases.count)
    /// When each was set, from 1; 0 for those that were not.
    private var stamps = [Int](repeating: 0, count: Field.allCases.count)
    private var last = 0

    mutating func set(_ field: Field, _ value: Int) {
        last += 1
        values[field.rawValue] = value
        stamps[field.rawValue] = last
    }

    private func has(_ field: Field) -> Bool { stamps[field.rawValue] > 0 }
    private func stamp(_ field: Field) -> Int { stamps[field.rawValue] }
    private func value(_ field: Field, default fallback: Int = 0) -> Int {
        has(field) ? values[field.rawValue] : fallback
    }

    /// Since 1970; nil when it does not fit.
    var milliseconds: Int64? {
        var days = stamp(.weekYear) > stamp(.year) ? weekDate : date
        var time = ((hours * 60 + value(.minute)) * 60 + value(.second)) * 1000 + value(.millisecond) - value(.zone)
        days += floorDiv(time, Int(JavaText.millisOfDay))
        time = floorMod(time, Int(JavaText.millisOfDay))
        let (product, isTooMuch) = Int64(days).multipliedReportingOverflow(by: JavaText.millisOfDay)
        let (sum, isStill) = product.addingReportingOverflow(Int64(time))
        return isTooMuch || isStill ? nil : sum
    }

    private var hours: Int {
        let halves = has(.hourOfHalf) && has(.half) ? max(stamp(.hourOfHalf), stamp(.half)) : 0
        let isWhole =
            max(halves, stamp(.hour)) > 0
            ? stamp(.hour) > halves : max(stamp(.hourOfHalf), stamp(.half)) == 0
        return isWhole ? value(.hour) : value(.hourOfHalf) + 12 * value(.half)
    }

    private var isBeforeChrist: Bool { has(.era) && value(.era) == 0 }

    // MARK: Days

    private var weekDate: Int {
        var week = value(.weekOfYear, default: 1)
        var weekday = value(.weekday, default: 1)
        // Numbers that are no weekday count from Monday, as in the text.
        if weekday > 7 {
            week += (weekday - 1) / 7
            weekday = (weekday - 1) % 7 + 1
            weekday = weekday % 7 + 1
        } else if weekday < 1 {
            let count = -weekday / 7 + 1
            week -= count
            weekday = (weekday + 7 * count) % 7 + 1
        }
        let days = JavaDate.sunday(onOrBefore: JavaDate.newYear(value(.weekYear))) + (week - 1) * 7 + weekday - 1
        // The era is that of the other fields.
        guard JavaDate(days: self.date).year <= 0 else { return days }
        let date = JavaDate(days: days)
        return JavaDate.first(ofMonth: date.month, 1 - date.year, isJulian: true) + date.day - 1
    }

    /// Which fields say the day.
    private enum Choice { case dayOfMonth, weekOfMonth, weekdayInMonth, dayOfYear, weekOfYear }

    /// The fields that were set last among those that say a day; without any that do, the last that say something.
    private var choice: Choice {
        func withWeekday(_ field: Field) -> Int {
            has(field) && has(.weekday) ? max(stamp(field), stamp(.weekday)) : 0
        }
        var weekOfMonth = withWeekday(.weekOfMonth)
        var weekdayInMonth = withWeekday(.weekdayInMonth)
        var weekOfYear = withWeekday(.weekOfYear)
        var best = max(stamp(.dayOfMonth), weekOfMonth, weekdayInMonth, stamp(.dayOfYear), weekOfYear)
        if best == 0 {
            weekOfMonth = stamp(.weekOfMonth)
            weekdayInMonth = max(stamp(.weekdayInMonth), stamp(.weekday))
            weekOfYear = stamp(.weekOfYear)
            best = max(weekOfMonth, weekdayInMonth, weekOfYear)
        }
        if best == stamp(.dayOfMonth) { return .dayOfMonth }
        let isOfMonth =
            best == weekOfMonth && stamp(.weekOfMonth) >= stamp(.weekOfYear)
            || best == weekdayInMonth && stamp(.weekdayInMonth) >= stamp(.weekOfYear)
        guard isOfMonth else { return best == stamp(.dayOfYear) ? .dayOfYear : .weekOfYear }
        // The weekday may have been set last, for both of them.
        if weekOfMonth == weekdayInMonth {
            return stamp(.weekOfMonth) >= stamp(.weekdayInMonth) ? .weekOfMonth : .weekdayInMonth
        }
        return best == weekOfMonth ? .weekOfMonth : .weekdayInMonth
    }

    private var date: Int {
        let year = value(.year, default: 1970)
        let astronomical = isBeforeChrist ? 1 - year : year
        let choice = choice
        let gregorian = days(choice, astronomical, isJulian: false)
        if astronomical > JavaDate.firstGregorianYear, gregorian >= JavaDate.firstGregorian { return gregorian }
        let julian = days(choice, astronomical, isJulian: true)
        if astronomical < JavaDate.firstGregorianYear { return julian }
        // In the year of the change, days of the year count from its beginning.
        if choice == .dayOfYear || choice == .weekOfYear { return julian }
        return gregorian >= JavaDate.firstGregorian ? gregorian : julian
    }

    private func days(_ choice: Choice, _ given: Int, isJulian: Bool) -> Int {
        if choice == .dayOfYear || choice == .weekOfYear {
            let first = JavaDate.first(ofMonth: 1, given, isJulian: isJulian)
            if choice == .dayOfYear { return first + value(.dayOfYear) - 1 }
            return weekday(inWeekOf: first) + 7 * (value(.weekOfYear) - 1)
        }
        let year = given + floorDiv(value(.month), 12)
        let month = floorMod(value(.month), 12) + 1
        let first = JavaDate.first(ofMonth: month, year, isJulian: isJulian)
        switch choice {
        case .weekOfMonth: return weekday(inWeekOf: first) + 7 * (value(.weekOfMonth) - 1)
        case .weekdayInMonth:
            let count = value(.weekdayInMonth, default: 1)
            var end = first + 7 * count - 1
            if count < 0 {
                let next = JavaDate.first(
                    ofMonth: month % 12 + 1, month == 12 ? year + 1 : year, isJulian: isJulian)
                end = next - 1 + 7 * (count + 1)
            }
            return JavaDate.days(of: value(.weekday, default: 1), onOrBefore: end)
        default: return first + value(.dayOfMonth, default: 1) - 1
        }
    }

    /// The weekday, Sunday where none is said, of the week that a day is in.
    private func weekday(inWeekOf day: Int) -> Int {
        JavaDate.days(of: value(.weekday, default: 1), onOrBefore: JavaDate.sunday(onOrBefore: day) + 6)
    }
}

/// What a day's name is in two calendars: ISO 8601's, which databases have, and that of `java.util.Date`, which is the Julian one
/// before October 15th, 1582.
package enum LegacyCalendar {
    /// The day, since 1970-01-01, that Java's calendar gives the name that ISO 8601 gives to `days`.
    package static func days(named days: Int64) -> Int64 {
        guard days < JavaDate.firstGregorian, let day = Int(exactly: days), day > -1_000_000_000 else { return days }
        let name = CivilDate(days: day)
        return Int64(JavaDate.first(ofMonth: name.month, name.year, isJulian: true) + name.day - 1)
    }

    /// The day that ISO 8601 gives the name that Java's calendar gives to `days`.
    package static func named(_ days: Int64) -> Int64 {
        guard days < JavaDate.firstGregorian, let day = Int(exactly: days), day > -1_000_000_000 else { return days }
        let name = JavaDate(days: day)
        return Int64(CivilDate(year: name.year, month: name.month, day: 1).days + name.day - 1)
    }
}
