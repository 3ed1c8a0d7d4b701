/// A pattern of Java's DateTimeFormatter with the texts of English, compiled.
///
/// - SeeAlso: javadoc of `java.time.format.DateTimeFormatter`, "Patterns for Formatting and Parsing".
package struct DateTimePattern: Sendable {
    enum Sign: Sendable { case normal, notNegative, exceedsPad }
    enum Style: Sendable { case short, full, narrow }

    indirect enum Element: Sendable {
        /// `following` are the digits that adjacent fields of fixed width need; nil when this is such a field itself.
        case number(DateTimeField, min: Int, max: Int, sign: Sign, following: Int?)
        /// Two digits of a year from 2000 on.
        case twoDigitYear(DateTimeField, following: Int?)
        case fraction(digits: Int, following: Int?)
        case text(DateTimeField, Style)
        case dayPeriod(Style)
        case literal(String)
        /// `pattern` as in +HH:mm; `zero` is what stands for no offset.
        case offset(OffsetPattern, zero: String)
        case localizedOffset(isFull: Bool)
        case zoneID
        case zoneText(isFull: Bool, isGeneric: Bool)
        case optional([Element])
        case padded(Int, Element)
    }

    enum OffsetPattern: Sendable {
        /// Whether minutes and seconds are there: always, when not 0, never.
        case hours, hoursMinutes(hasColon: Bool), hoursMinutesSeconds(hasColon: Bool)
    }

    package let text: String
    let elements: [Element]
    /// Letters match in any case.
    let isCaseInsensitive: Bool

    /// Groups in `[ ]` nested deeper than this are refused.
    private static let depthMax = 32

    /// - Throws: `.invalidText` in Java's words.
    package init(_ text: String, isCaseInsensitive: Bool = false) throws(SQLTypesError) {
        self.text = text
        self.isCaseInsensitive = isCaseInsensitive
        var compiler = Compiler(text: text, pattern: Array(text.unicodeScalars))
        elements = try compiler.compile()
    }

    private struct Compiler {
        let text: String
        let pattern: [Unicode.Scalar]
        var at = 0
        /// The elements of every group that is open.
        var groups: [[Element]] = [[]]
        /// Where in the innermost group the number stands that adjacent fields would follow.
        var numberAt: [Int?] = [nil]
        var padding: Int?

        func error(_ message: String) -> SQLTypesError { SQLTypesError(.invalidText, message) }

        mutating func compile() throws(SQLTypesError) -> [Element] {
            while at < pattern.count {
                let scalar = pattern[at]
                switch scalar {
                case "A"..."Z", "a"..."z":
                    let start = at
                    while at < pattern.count, pattern[at] == scalar { at += 1 }
                    var count = at - start
                    var letter = scalar
                    if letter == "p" {
                        guard at < pattern.count, isLetter(pattern[at]) else {
                            throw error("Pad letter 'p' must be followed by valid pad pattern: \(text)")
                        }
                        padding = count
                        letter = pattern[at]
                        let start = at
                        while at < pattern.count, pattern[at] == letter { at += 1 }
                        count = at - start
                    }
                    try field(letter, count)
                    guard padding == nil else {
                        throw error("Pad letter 'p' must be followed by valid pad pattern: \(text)")
                    }
                case "'":
                    at += 1
                    var literal = String.UnicodeScalarView()
                    while true {
                        guard at < pattern.count else {
                            throw error("Pattern ends with an incomplete string literal: \(text)")
                        }
                        if pattern[at] == "'" {
                            guard at + 1 < pattern.count, pattern[at + 1] == "'" else { break }
                            at += 1
                        }
                        literal.append(pattern[at])
                        at += 1
                    }
                    at += 1
                    append(.literal(literal.isEmpty ? "'" : String(literal)))
                case "[":
                    guard groups.count < DateTimePattern.depthMax else {
                        throw error("Pattern has too many nested optional sections: \(text)")
                    }
                    numberAt[numberAt.count - 1] = nil
                    groups.append([])
                    numberAt.append(nil)
                    at += 1
                case "]":
                    guard groups.count > 1 else { throw error("Pattern invalid as it contains ] without previous [") }
                    closeGroup()
                    at += 1
                case "{", "}", "#": throw error("Pattern includes reserved character: '\(scalar)'")
                default:
                    append(.literal(String(scalar)))
                    at += 1
                }
            }
            while groups.count > 1 { closeGroup() }
            return groups[0]
        }

        private mutating func closeGroup() {
            let elements = groups.removeLast()
            numberAt.removeLast()
            if !elements.isEmpty { append(.optional(elements)) }
        }

        private func isLetter(_ scalar: Unicode.Scalar) -> Bool {
            ("A"..."Z").contains(scalar) || ("a"..."z").contains(scalar)
        }

        private mutating func append(_ element: Element) {
            var element = element
            if let width = padding {
                element = .padded(width, element)
                padding = nil
            }
            groups[groups.count - 1].append(element)
            numberAt[numberAt.count - 1] = nil
        }

        /// Numbers of fixed width that follow a number directly take their digits from it.
        private mutating func append(number element: Element, fixedWidth: Int?) {
            let group = groups.count - 1
            if padding != nil { return append(element) }
            if let active = numberAt[group] {
                if let fixedWidth {
                    groups[group][active] = groups[group][active].reserving(fixedWidth)
                    groups[group].append(element.fixed)
                } else {
                    groups[group][active] = groups[group][active].fixed
                    groups[group].append(element)
                    numberAt[group] = groups[group].count - 1
                }
            } else {
                groups[group].append(element)
                numberAt[group] = groups[group].count - 1
            }
        }

        private mutating func number(_ field: DateTimeField, _ min: Int, _ max: Int, _ sign: Sign) throws(SQLTypesError)
        {
            guard 1...19 ~= min else {
                throw error("The minimum width must be from 1 to 19 inclusive but was \(min)")
            }
            let isFixed = min == max && sign == .notNegative
            append(
                number: .number(field, min: min, max: max, sign: sign, following: 0), fixedWidth: isFixed ? max : nil)
        }

        /// `d` or `dd`.
        private mutating func oneOrTwo(_ field: DateTimeField, _ letter: Unicode.Scalar, _ count: Int)
            throws(SQLTypesError)
        {
            switch count {
            case 1: try number(field, 1, 19, .normal)
            case 2: try number(field, 2, 2, .notNegative)
            default: throw tooMany(letter)
            }
        }

        private func tooMany(_ letter: Unicode.Scalar) -> SQLTypesError { error("Too many pattern letters: \(letter)") }

        private func style(_ letter: Unicode.Scalar, _ count: Int) throws(SQLTypesError) -> Style {
            switch count {
            case 1, 2, 3: .short
            case 4: .full
            case 5: .narrow
            default: throw tooMany(letter)
            }
        }

        private mutating func field(_ letter: Unicode.Scalar, _ count: Int) throws(SQLTypesError) {
            switch letter {
            case "u", "y", "Y":
                let field: DateTimeField = letter == "u" ? .year : letter == "y" ? .yearOfEra : .weekBasedYear
                if count == 2 {
                    append(number: .twoDigitYear(field, following: 0), fixedWidth: 2)
                } else {
                    try number(field, count, 19, count < 4 ? .normal : .exceedsPad)
                }
            case "M", "L": try numberOrText(.monthOfYear, letter, count)
            case "Q", "q": try numberOrText(.quarterOfYear, letter, count)
            case "e", "c":
                guard letter == "e" || count != 2 else { throw error("Invalid pattern \"cc\"") }
                if count <= 2 {
                    try number(.localizedDayOfWeek, count, count, .notNegative)
                } else {
                    append(.text(.localizedDayOfWeek, try style(letter, count)))
                }
            case "E": append(.text(.dayOfWeek, try style(letter, count)))
            case "G": append(.text(.era, try style(letter, count)))
            case "a":
                guard count == 1 else { throw tooMany(letter) }
                append(.text(.amPmOfDay, .short))
            case "B":
                guard count == 1 || count == 4 || count == 5 else { throw error("Wrong number of pattern letters: B") }
                append(.dayPeriod(try style(letter, count)))
            case "w":
                guard count <= 2 else { throw tooMany(letter) }
                try number(.weekOfWeekBasedYear, count, 2, .notNegative)
            case "W":
                guard count == 1 else { throw tooMany(letter) }
                try number(.weekOfMonth, 1, 1, .notNegative)
            case "D":
                switch count {
                case 1: try number(.dayOfYear, 1, 19, .normal)
                case 2, 3: try number(.dayOfYear, count, 3, .notNegative)
                default: throw tooMany(letter)
                }
            case "d": try oneOrTwo(.dayOfMonth, letter, count)
            case "F":
                guard count == 1 else { throw tooMany(letter) }
                try number(.alignedDayOfWeekInMonth, 1, 19, .normal)
            case "g": try number(.modifiedJulianDay, count, 19, .normal)
            case "h": try oneOrTwo(.clockHourOfAmPm, letter, count)
            case "H": try oneOrTwo(.hourOfDay, letter, count)
            case "k": try oneOrTwo(.clockHourOfDay, letter, count)
            case "K": try oneOrTwo(.hourOfAmPm, letter, count)
            case "m": try oneOrTwo(.minuteOfHour, letter, count)
            case "s": try oneOrTwo(.secondOfMinute, letter, count)
            case "S":
                guard count <= 9 else {
                    throw error("Maximum width must be from 1 to 9 inclusive but was \(count)")
                }
                append(number: .fraction(digits: count, following: 0), fixedWidth: count)
            case "A": try number(.milliOfDay, count, 19, .notNegative)
            case "n": try number(.nanoOfSecond, count, 19, .notNegative)
            case "N": try number(.nanoOfDay, count, 19, .notNegative)
            case "V":
                guard count == 2 else { throw error("Pattern letter count must be 2: V") }
                append(.zoneID)
            case "v":
                guard count == 1 || count == 4 else { throw error("Wrong number of pattern letters: v") }
                append(.zoneText(isFull: count == 4, isGeneric: true))
            case "z":
                guard count <= 4 else { throw tooMany(letter) }
                append(.zoneText(isFull: count == 4, isGeneric: false))
            case "O":
                guard count == 1 || count == 4 else { throw error("Pattern letter count must be 1 or 4: O") }
                append(.localizedOffset(isFull: count == 4))
            case "X", "x":
                guard count <= 5 else { throw tooMany(letter) }
                let shape: OffsetPattern =
                    switch count {
                    case 1: .hours
                    case 2, 3: .hoursMinutes(hasColon: count == 3)
                    default: .hoursMinutesSeconds(hasColon: count == 5)
                    }
                let zero = letter == "X" ? "Z" : count == 1 ? "+00" : count % 2 == 0 ? "+0000" : "+00:00"
                append(.offset(shape, zero: zero))
            case "Z":
                switch count {
                case 1, 2, 3: append(.offset(.hoursMinutes(hasColon: false), zero: "+0000"))
                case 4: append(.localizedOffset(isFull: true))
                case 5: append(.offset(.hoursMinutesSeconds(hasColon: true), zero: "Z"))
                default: throw tooMany(letter)
                }
            default: throw error("Unknown pattern letter: \(letter)")
            }
        }

        private mutating func numberOrText(
            _ field: DateTimeField, _ letter: Unicode.Scalar, _ count: Int
        ) throws(SQLTypesError) {
            if count <= 2 {
                try oneOrTwo(field, letter, count)
            } else {
                append(.text(field, try style(letter, count)))
            }
        }
    }
}

extension DateTimePattern.Element {
    /// The same, leaving `width` more digits to the fields behind.
    fileprivate func reserving(_ width: Int) -> Self {
        switch self {
        case .number(let field, let min, let max, let sign, let following):
            .number(field, min: min, max: max, sign: sign, following: following.map { $0 + width })
        case .twoDigitYear(let field, let following): .twoDigitYear(field, following: following.map { $0 + width })
        case .fraction(let digits, let following): .fraction(digits: digits, following: following.map { $0 + width })
        default: self
        }
    }

    /// The same, of fixed width.
    fileprivate var fixed: Self {
        switch self {
        case .number(let field, let min, let max, let sign, _):
            .number(field, min: min, max: max, sign: sign, following: nil)
        case .twoDigitYear(let field, _): .twoDigitYear(field, following: nil)
        case .fraction(let digits, _): .fraction(digits: digits, following: nil)
        default: self
        }
    }
}
