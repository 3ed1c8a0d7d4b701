internal import SQLTypes

/// A date, a time or both, as databases write them: `2024-02-29`, `12:34:56.789`, `2024-02-29 12:34:56.789+02`.
struct MomentText: Sendable, Hashable {
    /// What times that do not fit into microseconds become, as PostgreSQL's drivers have its infinity.
    static let microsMax: Int64 = 9_223_372_036_854_000_000

    /// Days since 1970.
    var days: Int64 = 0
    /// Of the day; those of MySQL may be outside of it.
    var timeMicros: Int64 = 0
    /// What the text says of its zone, in seconds.
    var ahead: Int?
    /// MySQL's day zero, or a month or day that is zero.
    var isZeroDate = false

    /// - Parameter roundsToMillis: as SQLite reads fractions.
    init?(_ text: String, roundsToMillis: Bool = false) {
        var rest = Array(text.utf8)[...]
        while rest.last == 0x20 { rest.removeLast() }
        var isBeforeChrist = false
        if rest.suffix(3).elementsEqual(" BC".utf8) {
            isBeforeChrist = true
            rest.removeLast(3)
        }
        func digits() -> Int? {
            let run = rest.prefix { 0x30...0x39 ~= $0 }
            guard 1...9 ~= run.count else { return nil }
            rest = rest[run.endIndex...]
            return run.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        }
        func take(_ byte: Character) -> Bool {
            guard let first = rest.first, first == byte.asciiValue else { return false }
            rest.removeFirst()
            return true
        }
        let isNegative = take("-")
        guard var number = digits() else { return nil }
        if take("-") {
            guard !isNegative, let month = digits(), take("-"), let day = digits(), month <= 12, day <= 31 else {
                return nil
            }
            isZeroDate = month == 0 || day == 0
            if isBeforeChrist { number = 1 - number }
            if !isZeroDate {
                guard day <= CivilDate.length(ofMonth: month, year: number) else { return nil }
                days = Int64(CivilDate(year: number, month: month, day: day).days)
            }
            guard !rest.isEmpty else { return }
            guard take(" ") || take("T"), let hour = digits() else { return nil }
            number = hour
        }
        guard take(":"), let minute = digits(), minute < 60 else { return nil }
        var seconds = number * 3600 + minute * 60
        var fraction: Int64 = 0
        if take(":") {
            guard let second = digits(), second < 61 else { return nil }
            seconds += second
            if take(".") {
                let run = rest.prefix { 0x30...0x39 ~= $0 }
                rest = rest[run.endIndex...]
                var unit: Int64 = 100_000_000
                for digit in run {
                    fraction += Int64(digit - 0x30) * unit
                    unit /= 10
                }
                fraction = roundsToMillis ? (fraction + 500_000) / 1_000_000 * 1000 : fraction / 1000
            }
        }
        timeMicros = Int64(seconds) * 1_000_000 + fraction
        if isNegative { timeMicros = -timeMicros }
        guard !rest.isEmpty else { return }
        let zone = String(decoding: rest, as: UTF8.self)
        if zone == "Z" || zone == "z" {
            ahead = 0
            return
        }
        // PostgreSQL leaves minutes out where there are none.
        guard let seconds = ZoneOffset.seconds(zone) ?? ZoneOffset.seconds(zone + ":00") else { return nil }
        ahead = seconds
    }

    /// Microseconds since 1970; a text without a zone is of this one.
    func micros(_ zone: TimeZoneID) -> Int64 {
        let (midnight, isDayTooFar) = days.multipliedReportingOverflow(by: CellText.microsOfDay)
        let (local, isTimeTooFar) = midnight.addingReportingOverflow(timeMicros)
        // Calendars go further than microseconds do. Zones move the result by less than two days.
        guard !isDayTooFar, !isTimeTooFar, local.magnitude < (Self.microsMax - 2 * CellText.microsOfDay).magnitude
        else {
            return days < 0 ? -Self.microsMax : Self.microsMax
        }
        if let ahead { return local - Int64(ahead) * 1_000_000 }
        let second = Int64(floorDiv(Int(local), 1_000_000))
        return zone.epochSecond(local: second) * 1_000_000 + Int64(floorMod(Int(local), 1_000_000))
    }
}
