/// Writes an expression of ECMA-262 in PCRE2's syntax, where the two differ.
///
/// | ECMA-262 | PCRE2 |
/// |---|---|
/// | `.` is anything but a line terminator, of which there are four | anything but `\n` |
/// | `\s` has Unicode's spaces | ASCII's only |
/// | `\uXXXX`, pairs of surrogates, `\u{X}`, `\cX` | `\x{X}` |
/// | `[` in a class is itself | may begin `[:name:]` |
/// | `{,2}` is text | is a repetition |
/// | `\p{Letter}`, `\p{Script=Greek}` | `\p{L}`, `\p{Greek}` |
///
/// - SeeAlso: ECMA-262, section 22.2.1 (Patterns).
struct ECMASyntax {
    private static let spaces =
        "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
    /// All that `spaces` has not, for inside of a class.
    private static let notSpaces =
        "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"
        + "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{d7ff}\\x{e000}-\\x{fefe}"
        + "\\x{ff00}-\\x{10ffff}"

    private let source: [Unicode.Scalar]
    private var at = 0
    private var output = ""
    private var isStandard = true

    /// - Returns: the pattern for PCRE2, and whether the expression is one of ECMA-262; PCRE2 decides whether it is
    ///   any.
    static func translate(_ text: String) -> (pattern: String, isStandard: Bool) {
        var syntax = ECMASyntax(source: Array(text.unicodeScalars))
        syntax.run()
        return (syntax.output, syntax.isStandard)
    }

    private init(source: [Unicode.Scalar]) { self.source = source }

    private func peek(_ distance: Int = 0) -> Unicode.Scalar? {
        at + distance < source.count ? source[at + distance] : nil
    }

    private static let classLetters = "dDsSwWpP".unicodeScalars

    private func isClassEscape(_ distance: Int) -> Bool {
        peek(distance) == "\\" && (peek(distance + 1).map { Self.classLetters.contains($0) } ?? false)
    }

    private mutating func run() {
        var isInClass = false
        var isBehindClass = false
        while let scalar = peek() {
            // With a class at one end it is a hyphen, not a range (annex B.1.2); to PCRE2 it is an error.
            if isInClass, scalar == "-", isBehindClass || isClassEscape(1) {
                output += "\\-"
                at += 1
                isBehindClass = false
                continue
            }
            isBehindClass = isInClass && isClassEscape(0)
            switch scalar {
            case "\\": escape(isInClass: isInClass)
            case "[" where !isInClass:
                isInClass = true
                output += "["
                at += 1
                if peek() == "^" {
                    output += "^"
                    at += 1
                }
            case "[":
                output += "\\["
                at += 1
            case "]" where isInClass:
                isInClass = false
                output += "]"
                at += 1
            case "." where !isInClass:
                output += "[^\\n\\r\\x{2028}\\x{2029}]"
                at += 1
            case "{" where !isInClass && peek(1) == ",":
                output += "\\{"
                at += 1
            default:
                output.unicodeScalars.append(scalar)
                at += 1
            }
        }
    }

    private mutating func escape(isInClass: Bool) {
        guard let letter = peek(1) else {
            output += "\\"
            at += 1
            return
        }
        at += 2
        switch letter {
        case "s": output += isInClass ? Self.spaces : "[\(Self.spaces)]"
        case "S": output += isInClass ? Self.notSpaces : "[^\(Self.spaces)]"
        case "v": output += "\\x{b}"  // PCRE2's \v is a class
        case "0" where !(peek().map { ("0"..."9").contains($0) } ?? false): output += "\\x{0}"
        case "u": unicodeEscape()
        case "c":
            if let control = peek(), control.isASCII, control.properties.isAlphabetic {
                output += "\\x{\(String(control.value & 31, radix: 16))}"
                at += 1
            } else {
                output += "\\\\c"
            }
        case "p", "P": property(letter, isInClass: isInClass)
        case "d", "D", "w", "W", "b", "t", "n", "r", "f", "x", "k", "1"..."9": output += "\\\(letter)"
        case "B" where !isInClass: output += "\\B"
        default:
            // Letters that mean nothing in ECMA-262 mean something in Java and Perl.
            if letter.isASCII, letter.properties.isAlphabetic { isStandard = false }
            output += "\\"
            output.unicodeScalars.append(letter)
        }
    }

    private mutating func unicodeEscape() {
        if peek() == "{" {
            let digits = source[(at + 1)...].prefix { $0.properties.isASCIIHexDigit }
            if !digits.isEmpty, at + 1 + digits.count < source.count, source[at + 1 + digits.count] == "}" {
                output += "\\x{\(String(String.UnicodeScalarView(digits)))}"
                at += digits.count + 2
                return
            }
        }
        guard let first = codeUnit(at) else {
            isStandard = false
            output += "u"
            return
        }
        at += 4
        var value = first
        if 0xD800...0xDBFF ~= first, peek() == "\\", peek(1) == "u", let second = codeUnit(at + 2),
            0xDC00...0xDFFF ~= second
        {
            value = 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
            at += 6
        }
        // A lone surrogate is in no text; U+FFFF, which is no character, stands for it.
        output += "\\x{\(String(0xD800...0xDFFF ~= value ? 0xFFFF : value, radix: 16))}"
    }

    private func codeUnit(_ start: Int) -> UInt32? {
        guard start + 4 <= source.count else { return nil }
        return UInt32(String(String.UnicodeScalarView(source[start..<(start + 4)])), radix: 16)
    }

    private static let categories: [String: String] = [
        "Letter": "L", "Cased_Letter": "L&", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll",
        "Titlecase_Letter": "Lt",
        "Modifier_Letter": "Lm", "Other_Letter": "Lo", "Mark": "M", "Nonspacing_Mark": "Mn", "Spacing_Mark": "Mc",
        "Enclosing_Mark": "Me", "Number": "N", "Decimal_Number": "Nd", "digit": "Nd", "Letter_Number": "Nl",
        "Other_Number": "No", "Punctuation": "P", "punct": "P", "Connector_Punctuation": "Pc", "Dash_Punctuation": "Pd",
        "Open_Punctuation": "Ps", "Close_Punctuation": "Pe", "Initial_Punctuation": "Pi", "Final_Punctuation": "Pf",
        "Other_Punctuation": "Po", "Symbol": "S", "Math_Symbol": "Sm", "Currency_Symbol": "Sc", "Modifier_Symbol": "Sk",
        "Other_Symbol": "So", "Separator": "Z", "Space_Separator": "Zs", "Line_Separator": "Zl",
        "Paragraph_Separator": "Zp", "Other": "C", "Control": "Cc", "Format": "Cf", "Surrogate": "Cs",
        "Private_Use": "Co", "Unassigned": "Cn", "Alphabetic": "L", "IsAlphabetic": "L", "IsLetter": "L",
        "IsDigit": "Nd",
    ]

    /// Java's names of POSIX classes.
    private static let javaClasses: Set<String> = [
        "Lower", "Upper", "ASCII", "Alpha", "Digit", "Alnum", "Punct", "Graph", "Print", "Blank", "Cntrl", "XDigit",
        "Space",
    ]

    private mutating func property(_ letter: Unicode.Scalar, isInClass: Bool) {
        guard peek() == "{", let end = source[at...].firstIndex(of: "}") else {
            output += "\\\(letter)"
            return
        }
        var name = String(String.UnicodeScalarView(source[(at + 1)..<end]))
        at = end + 1
        if Self.javaClasses.contains(name) {
            isStandard = false
            let posix = "[:\(letter == "P" ? "^" : "")\(name.lowercased()):]"
            output += isInClass ? posix : "[\(posix)]"
            return
        }
        if let equals = name.firstIndex(of: "=") { name = String(name[name.index(after: equals)...]) }
        if let category = Self.categories[name] {
            name = category
        } else if name.hasPrefix("Is") {
            // Java's scripts: `\p{IsLatin}`.
            isStandard = false
            name = String(name.dropFirst(2))
        }
        output += "\\\(letter){\(name)}"
    }
}
