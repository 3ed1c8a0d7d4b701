extension DateTimePattern {
    /// The moment that a text means, in milliseconds since 1970. What the text does not say is 1970-01-01 00:00 in the
    /// given zone.
    ///
    /// - Throws: `.invalidText`.
    package func timestamp(_ text: String, zone: TimeZoneID, zones: TimeZones) throws(SQLTypesError) -> Int64 {
        let parsed = try parse(text, zones: zones)
        let zone = parsed.zone ?? parsed.offset.map { TimeZoneID(offset: $0) } ?? zone
        let date: CivilDate
        if let whole = parsed.date { date = whole } else { date = try Self.partialDate(parsed, text) }
        guard CivilDate.yearRange ~= date.year else {
            throw SQLTypesError(.invalidText, "Text '\(text)' could not be parsed: the year is out of range")
        }
        let nanos = parsed.nanos ?? Self.partialTime(parsed)
        let local = Int64(date.days) * 86_400 + Int64(nanos / 1_000_000_000)
        // Where clocks show a time twice, a whole date and time with a zone is the earlier of the two, unless the zone is
        // named by its standard time; else the offset is kept that the same day had in 1970, where Java begins.
        var preferred = parsed.offset
        if preferred == nil, parsed.zone == nil || parsed.date == nil || parsed.nanos == nil {
            let start = zone.offset(at: zone.epochSecond(local: 0))
            let sameDay = Int64((date.dayOfYear - 1) * 86_400 + nanos / 1_000_000_000)
            preferred = zone.offset(at: zone.epochSecond(local: sameDay, preferring: start))
        }
        let second = zone.epochSecond(
            local: local, preferring: preferred, isLater: preferred == nil && parsed.namesStandardTime)
        let (millis, overflow) = second.multipliedReportingOverflow(by: 1000)
        guard !overflow else { throw SQLTypesError(.invalidText, "long overflow") }
        return millis + Int64(nanos / 1_000_000 % 1000)
    }

    /// The date that single fields make of 1970-01-01, in Java's order.
    private static func partialDate(_ parsed: ParsedDateTime, _ text: String) throws(SQLTypesError) -> CivilDate {
        var date = CivilDate(year: 1970, month: 1, day: 1)
        let fields = parsed.others
        if let weekday = fields[.dayOfWeek] { date = CivilDate(days: date.days + weekday - date.weekday) }
        if let aligned = fields[.alignedDayOfWeekInMonth] {
            date = CivilDate(days: date.days + aligned - ((date.day - 1) % 7 + 1))
        }
        if let day = fields[.dayOfMonth] {
            guard day <= CivilDate.length(ofMonth: date.month, year: date.year) else {
                throw SQLTypesError(.invalidText, "Invalid date '\(DateTimeNames.months[date.month - 1]) \(day)'")
            }
            date.day = day
        }
        if let day = fields[.dayOfYear] {
            if day == 366 {
                guard let year = fields[.year] else {
                    throw SQLTypesError(.invalidText, "Leap day cannot be parsed without supplying the year field")
                }
                date = moved(date, year: year)
            }
            guard day <= (CivilDate.isLeap(date.year) ? 366 : 365) else {
                throw SQLTypesError(
                    .invalidText, "Invalid date 'DayOfYear 366' as '\(date.year)' is not a leap year")
            }
            date = CivilDate(days: CivilDate(year: date.year, month: 1, day: 1).days + day - 1)
        }
        if let month = fields[.monthOfYear] {
            date = CivilDate(
                year: date.year, month: month, day: min(date.day, CivilDate.length(ofMonth: month, year: date.year)))
        }
        if let yearOfEra = fields[.yearOfEra] { date = moved(date, year: date.year >= 1 ? yearOfEra : 1 - yearOfEra) }
        if let year = fields[.year] { date = moved(date, year: year) }
        if let era = fields[.era], (date.year >= 1 ? 1 : 0) != era { date = moved(date, year: 1 - date.year) }
        return date
    }

    /// The same day of another year; February 29 becomes the 28th where there is none.
    private static func moved(_ date: CivilDate, year: Int) -> CivilDate {
        CivilDate(
            year: year, month: date.month, day: min(date.day, CivilDate.length(ofMonth: date.month, year: year)))
    }

    /// The time that single fields make of midnight.
    private static func partialTime(_ parsed: ParsedDateTime) -> Int {
        let fields = parsed.others
        var seconds = fields[.secondOfMinute] ?? 0
        seconds += (fields[.minuteOfHour] ?? 0) * 60
        var hour = fields[.hourOfAmPm] ?? 0
        if let whole = fields[.hourOfDay] { hour = whole % 24 }
        if let half = fields[.amPmOfDay] { hour = hour % 12 + half * 12 }
        return (seconds + hour * 3600) * 1_000_000_000 + (fields[.nanoOfSecond] ?? 0)
    }
}
