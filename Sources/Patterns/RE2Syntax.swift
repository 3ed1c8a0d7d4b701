/// Reads an expression as RE2 does and writes the same for PCRE2.
///
/// Kafka's coordinator compiles subscriptions with RE2/J, which knows neither backreferences nor lookaround, atomic
/// groups, conditions or possessive repetition, and reads a few escapes differently from Perl. Only what RE2 knows goes
/// through, literals as `\x{...}`, groups without captures, so that nothing of PCRE2's own syntax can be smuggled in.
///
/// - SeeAlso: https://github.com/google/re2/wiki/Syntax; the messages are RE2's.
struct RE2Syntax {
    /// RE2's limit of counted repetition, also for the product of nested ones.
    static let repeatCountMax = 1000

    /// What stands left of the reading position inside the innermost group.
    private enum Previous { case nothing, item(weight: Int), repetition(weight: Int) }

    private struct Group {
        var previous = Previous.nothing
        /// The largest product of repetition counts of any item so far.
        var weight = 1
    }

    private let source: [Unicode.Scalar]
    private var at = 0
    private var output = ""
    private var groups = [Group()]
    private var names: Set<String> = []

    private init(_ pattern: String) { source = Array(pattern.unicodeScalars) }

    /// - Throws: `.syntax`.
    static func translate(_ pattern: String) throws(PatternError) -> String {
        var syntax = RE2Syntax(pattern)
        try syntax.expression()
        return syntax.output
    }

    // MARK: Reading

    private var next: Unicode.Scalar? { at < source.count ? source[at] : nil }

    private func follows(_ text: String) -> Bool {
        let scalars = text.unicodeScalars
        return source.count - at >= scalars.count && source[at...].starts(with: scalars)
    }

    private mutating func take(_ text: String) -> Bool {
        guard follows(text) else { return false }
        at += text.unicodeScalars.count
        return true
    }

    private func error(_ message: String, from start: Int) -> PatternError {
        let rest = source[min(start, source.count)...].prefix(40)
        return PatternError(.syntax, "\(message): `\(String(String.UnicodeScalarView(rest)))`")
    }

    // MARK: Structure

    private mutating func expression() throws(PatternError) {
        while let scalar = next {
            switch scalar {
            case "(": try openGroup()
            case ")": try closeGroup()
            case "|":
                at += 1
                output += "|"
                self.previous = .nothing
            case "*", "+", "?": try repetition(from: at, count: 1) { syntax in syntax.at += 1 }
            case "{": try countedRepetition()
            case "[": try characterClass()
            case "\\": try escape()
            case "^", "$":
                at += 1
                assertion(String(scalar))
            case ".":
                at += 1
                item(".")
            default:
                at += 1
                literal(scalar)
            }
        }
        guard groups.count == 1 else { throw error("missing closing )", from: 0) }
    }

    private var previous: Previous {
        get { groups[groups.count - 1].previous }
        set { groups[groups.count - 1].previous = newValue }
    }

    private mutating func item(_ text: String, weight: Int = 1) {
        output += text
        previous = .item(weight: weight)
        groups[groups.count - 1].weight = max(groups[groups.count - 1].weight, weight)
    }

    /// RE2 lets an assertion be repeated, PCRE2 only a group with one.
    private mutating func assertion(_ text: String) { item("(?:\(text))") }

    private mutating func literal(_ scalar: Unicode.Scalar) { item(Self.literal(scalar)) }

    private static func literal(_ scalar: Unicode.Scalar) -> String { "\\x{\(String(scalar.value, radix: 16))}" }

    private mutating func openGroup() throws(PatternError) {
        let start = at
        at += 1
        guard take("?") else {
            output += "(?:"
            groups.append(Group())
            return
        }
        if take("P<") || take("<") {
            let nameStart = at
            while let scalar = next, Self.isWord(scalar) { at += 1 }
            let name = String(String.UnicodeScalarView(source[nameStart..<at]))
            guard !name.isEmpty, take(">") else { throw error("invalid named capture", from: start) }
            guard names.insert(name).inserted else { throw error("duplicate capture group name", from: start) }
            output += "(?:"
            groups.append(Group())
            return
        }
        var flags = ""
        var isNegated = false
        var hasFlag = false
        while let scalar = next {
            at += 1
            switch scalar {
            case "i", "m", "s", "U":
                flags.unicodeScalars.append(scalar)
                hasFlag = true
            case "-" where !isNegated:
                flags += "-"
                isNegated = true
                hasFlag = false
            case ":" where !isNegated || hasFlag:
                output += "(?\(flags):"
                groups.append(Group())
                return
            case ")" where hasFlag:
                output += "(?\(flags))"
                previous = .nothing
                return
            default: throw error("invalid or unsupported Perl syntax", from: start)
            }
        }
        throw error("missing closing )", from: start)
    }

    private mutating func closeGroup() throws(PatternError) {
        guard groups.count > 1, let group = groups.popLast() else { throw error("unexpected )", from: at) }
        at += 1
        item(")", weight: group.weight)
    }

    // MARK: Repetition

    private mutating func repetition(
        from start: Int, count: Int, _ consume: (inout RE2Syntax) -> Void
    ) throws(PatternError) {
        let weight: Int
        switch previous {
        case .nothing: throw error("missing argument to repetition operator", from: start)
        case .repetition: throw error("invalid nested repetition operator", from: start)
        case .item(let itemWeight): weight = itemWeight * max(1, count)
        }
        guard weight <= Self.repeatCountMax else { throw error("invalid repeat count", from: start) }
        consume(&self)
        _ = take("?")  // lazy: the same texts are matched
        output.unicodeScalars.append(contentsOf: source[start..<at])
        previous = .repetition(weight: weight)
        groups[groups.count - 1].weight = max(groups[groups.count - 1].weight, weight)
    }

    /// `{n}`, `{n,}` and `{n,m}`; a brace that begins none of them is a literal.
    private mutating func countedRepetition() throws(PatternError) {
        let start = at
        var end = at + 1
        func number() -> Int? {
            let digits = source[end...].prefix { ("0"..."9").contains($0) }
            guard let first = digits.first, digits.count == 1 || first != "0" else { return nil }
            end += digits.count
            // What does not fit is more than the limit as well.
            return digits.count > 4 ? Int(Int32.max) : digits.reduce(0) { $0 * 10 + Int($1.value - 48) }
        }
        guard let low = number() else { return braceIsLiteral() }
        var high: Int? = low
        if end < source.count, source[end] == "," {
            end += 1
            if end < source.count, source[end] == "}" {
                high = nil
            } else {
                guard let number = number() else { return braceIsLiteral() }
                high = number
            }
        }
        guard end < source.count, source[end] == "}" else { return braceIsLiteral() }
        guard max(low, high ?? low) <= Self.repeatCountMax, low <= high ?? low else {
            throw error("invalid repeat count", from: start)
        }
        try repetition(from: start, count: max(low, high ?? low)) { syntax in syntax.at = end + 1 }
    }

    private mutating func braceIsLiteral() {
        at += 1
        literal("{")
    }

    // MARK: Escapes

    private mutating func escape() throws(PatternError) {
        let start = at
        if take("\\Q") {
            while at < source.count, !take("\\E") {
                literal(source[at])
                at += 1
            }
            return
        }
        switch at + 1 < source.count ? source[at + 1] : nil {
        case "A", "z", "b", "B":
            assertion("\\" + String(source[at + 1]))
            at += 2
            return
        default: break
        }
        if let known = try knownClass(isInsideClass: false) { return item(known) }
        at = start
        literal(try escapedCharacter())
    }

    /// `\d`, `\s`, `\w`, `\p` and their opposites. RE2's white space lacks the vertical tab.
    private mutating func knownClass(isInsideClass: Bool) throws(PatternError) -> String? {
        let start = at
        guard at + 1 < source.count else { return nil }
        let letter = source[at + 1]
        switch letter {
        case "d", "D", "w", "W":
            at += 2
            return "\\" + String(letter)
        case "s":
            at += 2
            let members = "\\x{9}\\x{a}\\x{c}\\x{d}\\x{20}"
            return isInsideClass ? members : "[\(members)]"
        case "S":
            at += 2
            return isInsideClass ? "\\S\\x{b}" : "[\\S\\x{b}]"
        case "p", "P":
            at += 2
            guard let first = next else { throw error("invalid character class range", from: start) }
            at += 1
            guard first == "{" else {
                guard ("A"..."Z").contains(first) else { throw error("invalid character class range", from: start) }
                return "\\\(letter){\(first)}"
            }
            let nameStart = at
            while let scalar = next, scalar != "}" { at += 1 }
            var name = source[nameStart..<at]
            guard take("}") else { throw error("invalid character class range", from: start) }
            let caret = name.first == "^" ? "^" : ""
            if !caret.isEmpty { name.removeFirst() }
            // PCRE2's own properties begin with X and are not Unicode's.
            guard
                let initial = name.first, ("A"..."W").contains(initial) || ("Y"..."Z").contains(initial),
                name.allSatisfy({ Self.isWord($0) && !("0"..."9").contains($0) })
            else { throw error("invalid character class range", from: start) }
            return "\\\(letter){\(caret)\(String(String.UnicodeScalarView(name)))}"
        default: return nil
        }
    }

    /// One character written with a backslash.
    private mutating func escapedCharacter() throws(PatternError) -> Unicode.Scalar {
        let start = at
        at += 1
        guard let scalar = next else { throw error("trailing backslash at end of expression", from: start) }
        at += 1
        switch scalar {
        case "a": return "\u{7}"
        case "f": return "\u{c}"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "v": return "\u{b}"
        case "0"..."7":
            // One digit that is not 0 would be a backreference, which RE2 does not have.
            guard scalar == "0" || (next.map { ("0"..."7").contains($0) } ?? false) else { break }
            var value = scalar.value - 48
            for _ in 0..<2 {
                guard let digit = next, ("0"..."7").contains(digit) else { break }
                value = value * 8 + digit.value - 48
                at += 1
            }
            if let scalar = Unicode.Scalar(value) { return scalar }
        case "x":
            var digits: ArraySlice<Unicode.Scalar>
            if take("{") {
                digits = source[at...].prefix { $0.properties.isASCIIHexDigit }
                at += digits.count
                guard !digits.isEmpty, take("}") else { throw error("invalid escape sequence", from: start) }
            } else {
                digits = source[at...].prefix(2)
                guard digits.count == 2, digits.allSatisfy(\.properties.isASCIIHexDigit) else { break }
                at += 2
            }
            while digits.count > 1, digits.first == "0" { digits.removeFirst() }
            if digits.count <= 6, let value = UInt32(String(String.UnicodeScalarView(digits)), radix: 16),
                let scalar = Unicode.Scalar(value)
            {
                return scalar
            }
        default:
            if scalar.isASCII, !Self.isWord(scalar) || scalar == "_" { return scalar }
        }
        throw error("invalid escape sequence", from: start)
    }

    // MARK: Classes

    private static let classNames: Set<String> = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "word", "xdigit",
    ]

    private mutating func characterClass() throws(PatternError) {
        let start = at
        at += 1
        var text = take("^") ? "[^" : "["
        var isFirst = true
        while next != "]" || isFirst {
            isFirst = false
            guard let scalar = next else { throw error("missing closing ]", from: start) }
            if follows("[:") {
                if let named = try namedClass() {
                    text += named
                    continue
                }
            }
            if scalar == "\\", let known = try knownClass(isInsideClass: true) {
                text += known
                continue
            }
            let rangeStart = at
            let low = try classCharacter(of: start)
            text += Self.literal(low)
            guard follows("-"), at + 1 < source.count, source[at + 1] != "]" else { continue }
            at += 1
            let high = try classCharacter(of: start)
            guard low <= high else { throw error("invalid character class range", from: rangeStart) }
            text += "-" + Self.literal(high)
        }
        at += 1
        item(text + "]")
    }

    /// `[:alpha:]` or `[:^alpha:]`; nil when the bracket is a character of the class.
    private mutating func namedClass() throws(PatternError) -> String? {
        let start = at
        let name = source[(at + 2)...].prefix { $0 != ":" && $0 != "]" }
        let end = at + 2 + name.count
        guard end + 1 < source.count, source[end] == ":", source[end + 1] == "]" else { return nil }
        let word = String(String.UnicodeScalarView(name.first == "^" ? name.dropFirst() : name))
        guard Self.classNames.contains(word) else { throw error("invalid character class range", from: start) }
        at = end + 2
        return "[:\(String(String.UnicodeScalarView(name))):]"
    }

    private mutating func classCharacter(of start: Int) throws(PatternError) -> Unicode.Scalar {
        guard let scalar = next else { throw error("missing closing ]", from: start) }
        if scalar == "\\" { return try escapedCharacter() }
        at += 1
        return scalar
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }
}
