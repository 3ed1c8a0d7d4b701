import SQLTypes

/// Walks over the bytes of a message from its beginning to its end.
struct SyslogScanner {
    let bytes: ArraySlice<UInt8>
    private(set) var at: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    var isAtEnd: Bool { at >= bytes.endIndex }
    var next: UInt8? { isAtEnd ? nil : bytes[at] }
    /// What has not been read.
    var rest: ArraySlice<UInt8> { bytes[at...] }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
    static func isDigit(_ byte: UInt8) -> Bool { 0x30...0x39 ~= byte }
    static func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    mutating func skip(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        at += 1
        return true
    }

    mutating func skip(_ word: StaticString) -> Bool {
        let matches = word.withUTF8Buffer { word in
            rest.count >= word.count && rest.prefix(word.count).elementsEqual(word)
        }
        if matches { at += word.utf8CodeUnitCount }
        return matches
    }

    @discardableResult mutating func skipSpaces() -> Bool {
        let start = at
        while let byte = next, Self.isSpace(byte) { at += 1 }
        return at > start
    }

    /// The bytes up to the next one that does not belong to them; may be none.
    mutating func take(while belongs: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = at
        while let byte = next, belongs(byte) { at += 1 }
        return bytes[start..<at]
    }

    mutating func takeRest() -> ArraySlice<UInt8> {
        defer { at = bytes.endIndex }
        return rest
    }

    /// A word and the spaces behind it; nil without a word.
    mutating func word() -> ArraySlice<UInt8>? {
        let word = take { !Self.isSpace($0) }
        guard !word.isEmpty else { return nil }
        skipSpaces()
        return word
    }

    /// A number of so many digits.
    mutating func number(_ digitCount: ClosedRange<Int>) -> Int? {
        let start = at
        var value = 0
        while let byte = next, Self.isDigit(byte), at - start < digitCount.upperBound {
            value = value * 10 + Int(byte - 0x30)
            at += 1
        }
        return at - start >= digitCount.lowerBound ? value : nil
    }

    /// `<34>`: RFC 5424, 6.2.1. nil when there is none; then nothing is read.
    mutating func priority() -> Int32? {
        let start = at
        guard skip(UInt8(ascii: "<")), let number = number(1...3), skip(UInt8(ascii: ">")) else {
            at = start
            return nil
        }
        return Int32(number)
    }
}

// MARK: Points in time

extension SyslogScanner {
    private static let months: [[UInt8]] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ].map { Array($0.utf8) }

    /// `Oct 11 22:14:15`, `Oct  1 2003 22:14:15` or RFC 3339 with or without an offset; one without is UTC, as in the
    /// original.
    ///
    /// - Parameter now: milliseconds since 1970; says the year where none is given.
    /// - Returns: milliseconds since 1970; nil when there is none, then nothing is read.
    mutating func time(now: Int64) -> Int64? {
        let start = at
        guard let byte = next else { return nil }
        let time = Self.isDigit(byte) ? rfc3339() : namedMonth(now)
        if time == nil { at = start }
        return time
    }

    private mutating func namedMonth(_ now: Int64) -> Int64? {
        let name = take { 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 }.map { $0 | 0x20 }
        guard let month = Self.months.firstIndex(of: name), skipSpaces(), let day = number(1...2), skipSpaces() else {
            return nil
        }
        let place = at
        var year: Int?
        if let number = number(4...4), skipSpaces() { year = number } else { at = place }
        guard let clock = clock() else { return nil }
        if let year { return Self.milliseconds(year, month + 1, day, clock) }
        // The year in which it is nearest to now: at the turn of a year senders are a little behind or before.
        let this = CivilDate(days: Int(floorDiv(Int(now), 86_400_000))).year
        return [this - 1, this, this + 1].compactMap { year in
            // A 29th of February is the day before in years that have none.
            let isLeapDay = month == 1 && day == 29 && !CivilDate.isLeap(year)
            return Self.milliseconds(year, month + 1, isLeapDay ? 28 : day, clock)
        }.min { abs($0 - now) < abs($1 - now) }
    }

    private mutating func rfc3339() -> Int64? {
        guard let year = number(4...4), skip(UInt8(ascii: "-")), let month = number(2...2), skip(UInt8(ascii: "-")),
            let day = number(2...2), skip(UInt8(ascii: "T")) || skip(UInt8(ascii: "t")) || skip(UInt8(ascii: " ")),
            let clock = clock(), let time = Self.milliseconds(year, month, day, clock)
        else { return nil }
        var milliseconds: Int64 = 0
        if skip(UInt8(ascii: ".")) {
            let digits = take(while: Self.isDigit)
            guard !digits.isEmpty else { return nil }
            for place in 0..<3 {
                let digit = place < digits.count ? digits[digits.startIndex + place] - 0x30 : 0
                milliseconds = milliseconds * 10 + Int64(digit)
            }
        }
        guard let offset = offset() else { return nil }
        return time + milliseconds - offset
    }

    /// In milliseconds; 0 when none is given.
    private mutating func offset() -> Int64? {
        if skip(UInt8(ascii: "Z")) || skip(UInt8(ascii: "z")) { return 0 }
        let sign: Int64
        if skip(UInt8(ascii: "+")) {
            sign = 1
        } else if skip(UInt8(ascii: "-")) {
            sign = -1
        } else {
            return 0
        }
        guard let hours = number(2...2), hours <= 18 else { return nil }
        _ = skip(UInt8(ascii: ":"))
        guard let minutes = number(2...2), minutes < 60 else { return nil }
        return sign * Int64(hours * 60 + minutes) * 60_000
    }

    /// `22:14:15`, in milliseconds of the day.
    private mutating func clock() -> Int64? {
        guard let hours = number(1...2), hours < 24, skip(UInt8(ascii: ":")), let minutes = number(1...2), minutes < 60,
            skip(UInt8(ascii: ":")), let seconds = number(1...2), seconds < 61
        else { return nil }
        return Int64((hours * 60 + minutes) * 60 + seconds) * 1000
    }

    private static func milliseconds(_ year: Int, _ month: Int, _ day: Int, _ clock: Int64) -> Int64? {
        guard 1...12 ~= month, 1...CivilDate.length(ofMonth: month, year: year) ~= day else { return nil }
        return Int64(CivilDate(year: year, month: month, day: day).days) * 86_400_000 + clock
    }
}
