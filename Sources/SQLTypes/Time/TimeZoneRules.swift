/// What a region's clocks show when: the transitions of a TZif file (RFC 8536), and the rule of its footer for the time
/// after the last one.
package struct TimeZoneRules: Sendable {
    package struct Period: Hashable, Sendable {
        /// Seconds east of UTC.
        package var offset: Int
        package var isDaylight: Bool
        /// "CET"
        package var abbreviation: String
    }

    /// Seconds since 1970, ascending.
    private let transitions: [Int64]
    /// Of each transition: what holds from then on.
    private let periods: [Period]
    private let first: Period
    private let footer: Footer?

    /// nil when `bytes` are no TZif file of version 2 or later.
    package init?(tzif bytes: [UInt8]) {
        var reader = Reader(bytes: bytes)
        guard let small = reader.header(), reader.skip(small.size(timeSize: 4)), let header = reader.header() else {
            return nil
        }
        guard header.typeCount > 0, header.size(timeSize: 8) <= bytes.count - reader.at else { return nil }
        var transitions: [Int64] = []
        for _ in 0..<header.timeCount { transitions.append(reader.big(8)) }
        var indices: [Int] = []
        for _ in 0..<header.timeCount { indices.append(Int(reader.big(1) & 0xFF)) }
        var types: [(offset: Int, isDaylight: Bool, name: Int)] = []
        for _ in 0..<header.typeCount {
            types.append((Int(Int32(truncatingIfNeeded: reader.big(4))), reader.big(1) != 0, Int(reader.big(1) & 0xFF)))
        }
        let names = bytes[reader.at..<(reader.at + header.charCount)]
        reader.at += header.charCount
        let all = types.map { type in
            let start = min(names.startIndex + type.name, names.endIndex)
            return Period(
                offset: type.offset, isDaylight: type.isDaylight,
                abbreviation: String(decoding: names[start...].prefix { $0 != 0 }, as: UTF8.self))
        }
        guard indices.allSatisfy({ $0 < all.count }), zip(transitions, transitions.dropFirst()).allSatisfy({ $0 <= $1 })
        else { return nil }
        _ = reader.skip(header.leapCount * 12 + header.standardCount + header.utcCount)
        footer = Footer(String(decoding: bytes[min(reader.at, bytes.count)...].filter { $0 != 0x0A }, as: UTF8.self))
        self.transitions = transitions
        periods = indices.map { all[$0] }
        first = all[0]
    }

    package func period(at epochSecond: Int64) -> Period {
        guard let last = transitions.last else { return footer?.period(at: epochSecond) ?? first }
        if epochSecond >= last, let footer { return footer.period(at: epochSecond) }
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle] <= epochSecond { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? first : periods[low - 1]
    }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        struct Header {
            var utcCount, standardCount, leapCount, timeCount, typeCount, charCount: Int

            func size(timeSize: Int) -> Int {
                timeCount * (timeSize + 1) + typeCount * 6 + charCount + leapCount * (timeSize + 4) + standardCount
                    + utcCount
            }
        }

        /// The caller has checked that so many bytes are left.
        mutating func big(_ count: Int) -> Int64 {
            var value: Int64 = 0
            for _ in 0..<count {
                value = value << 8 | Int64(at < bytes.count ? bytes[at] : 0)
                at += 1
            }
            return value
        }

        mutating func skip(_ count: Int) -> Bool {
            at += count
            return at <= bytes.count
        }

        mutating func header() -> Header? {
            guard bytes.count - at >= 44, bytes[at..<(at + 4)].elementsEqual("TZif".utf8), bytes[at + 4] >= 0x32 else {
                return nil
            }
            at += 20
            var counts: [Int] = []
            for _ in 0..<6 {
                let count = Int(big(4))
                guard count <= bytes.count else { return nil }
                counts.append(count)
            }
            return Header(
                utcCount: counts[0], standardCount: counts[1], leapCount: counts[2], timeCount: counts[3],
                typeCount: counts[4], charCount: counts[5])
        }
    }

    /// "CET-1CEST,M3.5.0,M10.5.0/3": the two periods of every year and when they begin.
    private struct Footer: Sendable {
        private struct Start: Sendable {
            enum Day: Sendable { case weekday(month: Int, week: Int, weekday: Int), julian(Int), zeroBased(Int) }
            var day: Day
            /// Seconds after midnight of the local time before.
            var second: Int

            func days(in year: Int) -> Int {
                let newYear = CivilDate(year: year, month: 1, day: 1).days
                switch day {
                case .zeroBased(let day): return newYear + day
                case .julian(let day): return newYear + day - 1 + (CivilDate.isLeap(year) && day > 59 ? 1 : 0)
                case .weekday(let month, let week, let weekday):
                    let start = CivilDate(year: year, month: month, day: 1).days
                    let first = start + floorMod(weekday - CivilDate.weekday(of: start), 7)
                    let last = start + CivilDate.length(ofMonth: month, year: year) - 1
                    return min(first + (week - 1) * 7, last - floorMod(last - first, 7))
                }
            }
        }

        private var standard: Period
        private var daylight: (period: Period, start: Start, end: Start)?

        init?(_ text: String) {
            var rest = Array(text.utf8)[...]
            guard let name = Self.name(&rest), let offset = Self.time(&rest) else { return nil }
            standard = Period(offset: -offset, isDaylight: false, abbreviation: name)
            guard !rest.isEmpty else { return }
            guard let summerName = Self.name(&rest) else { return nil }
            var summerOffset = standard.offset + 3600
            if rest.first != UInt8(ascii: ",") {
                guard let offset = Self.time(&rest) else { return nil }
                summerOffset = -offset
            }
            guard let start = Self.start(&rest), let end = Self.start(&rest), rest.isEmpty else { return nil }
            daylight = (Period(offset: summerOffset, isDaylight: true, abbreviation: summerName), start, end)
        }

        private static func name(_ rest: inout ArraySlice<UInt8>) -> String? {
            if rest.first == UInt8(ascii: "<") {
                let name = rest.dropFirst().prefix { $0 != UInt8(ascii: ">") }
                rest = rest.dropFirst(name.count + 2)
                return String(decoding: name, as: UTF8.self)
            }
            let name = rest.prefix { 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 }
            rest = rest.dropFirst(name.count)
            return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
        }

        private static func number(_ rest: inout ArraySlice<UInt8>) -> Int? {
            let digits = rest.prefix { 0x30...0x39 ~= $0 }
            guard 1...4 ~= digits.count else { return nil }
            rest = rest.dropFirst(digits.count)
            return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        }

        /// [+-]hh[:mm[:ss]]
        private static func time(_ rest: inout ArraySlice<UInt8>) -> Int? {
            let isNegative = rest.first == UInt8(ascii: "-")
            if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
            guard let hours = number(&rest) else { return nil }
            var seconds = hours * 3600
            for unit in [60, 1] where rest.first == UInt8(ascii: ":") {
                rest = rest.dropFirst()
                guard let value = number(&rest) else { return nil }
                seconds += value * unit
            }
            return isNegative ? -seconds : seconds
        }

        private static func start(_ rest: inout ArraySlice<UInt8>) -> Start? {
            guard rest.popFirst() == UInt8(ascii: ",") else { return nil }
            let day: Start.Day
            switch rest.first {
            case UInt8(ascii: "M"):
                rest = rest.dropFirst()
                guard let month = number(&rest), 1...12 ~= month, rest.popFirst() == UInt8(ascii: "."),
                    let week = number(&rest), 1...5 ~= week, rest.popFirst() == UInt8(ascii: "."),
                    let weekday = number(&rest), 0...6 ~= weekday
                else { return nil }
                day = .weekday(month: month, week: week, weekday: weekday == 0 ? 7 : weekday)
            case UInt8(ascii: "J"):
                rest = rest.dropFirst()
                guard let number = number(&rest), 1...365 ~= number else { return nil }
                day = .julian(number)
            default:
                guard let number = number(&rest), 0...365 ~= number else { return nil }
                day = .zeroBased(number)
            }
            var second = 7200
            if rest.first == UInt8(ascii: "/") {
                rest = rest.dropFirst()
                guard let time = time(&rest) else { return nil }
                second = time
            }
            return Start(day: day, second: second)
        }

        func period(at epochSecond: Int64) -> Period {
            guard let daylight else { return standard }
            let year = CivilDate(days: floorDiv(Int(epochSecond) + standard.offset, 86_400)).year
            let start = daylight.start.days(in: year) * 86_400 + daylight.start.second - standard.offset
            let end = daylight.end.days(in: year) * 86_400 + daylight.end.second - daylight.period.offset
            let at = Int(epochSecond)
            let isDaylight = start < end ? start <= at && at < end : !(end <= at && at < start)
            return isDaylight ? daylight.period : standard
        }
    }
}
