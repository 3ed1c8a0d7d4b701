/// A day of the proleptic Gregorian calendar, as Java's LocalDate.
package struct CivilDate: Hashable, Sendable {
    package var year: Int
    /// 1...12
    package var month: Int
    /// 1...31
    package var day: Int

    /// The years that `days` and what follows from it are defined for: Java's.
    package static let yearRange = -999_999_999...999_999_999

    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The day that many days after 1970-01-01. Years begin in March here, so that leap days are the last.
    package init(days: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// Days after 1970-01-01.
    package var days: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    package static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    package static func length(ofMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// 1...366
    package var dayOfYear: Int { days - CivilDate(year: year, month: 1, day: 1).days + 1 }

    /// 1 is Monday, 7 Sunday.
    package var weekday: Int { Self.weekday(of: days) }

    package static func weekday(of days: Int) -> Int { floorMod(days + 3, 7) + 1 }

    /// "2020-05-26"; years beyond four digits have a sign.
    package var text: String {
        let number = String(abs(year))
        let padded = String(repeating: "0", count: max(0, 4 - number.utf8.count)) + number
        let sign = year < 0 ? "-" : (year > 9999 ? "+" : "")
        return "\(sign)\(padded)-\(twoDigits(month))-\(twoDigits(day))"
    }
}

/// `value` in at least two digits.
func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : String(value) }

@inlinable
package func floorDiv(_ a: Int, _ b: Int) -> Int {
    let quotient = a / b
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient
}

@inlinable
package func floorMod(_ a: Int, _ b: Int) -> Int {
    let rest = a % b
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest
}
