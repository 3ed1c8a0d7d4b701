/// The flags that hold at a place of an expression of Java's: `(?i)` and its like set them to the end of the group.
struct JavaFlags {
    /// `i`, which is for the letters of ASCII alone unless `u` is set as well.
    private(set) var isCaseless = false
    /// `u`
    private(set) var foldsUnicode = false
    /// `U`: `\w`, `\d`, `\s`, `\b` and the POSIX classes go by Unicode.
    private(set) var hasUnicodeClasses = false
    /// `x`: white space and what stands behind # mean nothing.
    private(set) var hasComments = false
    /// `m`
    private(set) var isMultiline = false
    /// `s`
    private(set) var matchesLineEnds = false
    /// `d`: only a line feed ends a line.
    private(set) var hasUnixLines = false

    static let letters = "idmsuxU".unicodeScalars

    /// What `x` passes over, and what ends a comment that # begins.
    static let commentSpaces = " \t\n\u{b}\u{c}\r".unicodeScalars
    static let commentEnds = "\n\r\u{85}\u{2028}\u{2029}".unicodeScalars

    var foldsASCIIOnly: Bool { isCaseless && !foldsUnicode }

    /// - Parameter letter: one of `letters`.
    mutating func set(_ letter: Unicode.Scalar, _ isOn: Bool) {
        switch letter {
        case "i": isCaseless = isOn
        case "u": foldsUnicode = isOn
        case "U":
            hasUnicodeClasses = isOn
            foldsUnicode = isOn
        case "x": hasComments = isOn
        case "m": isMultiline = isOn
        case "s": matchesLineEnds = isOn
        case "d": hasUnixLines = isOn
        default: break
        }
    }
}

/// What classes mean with `(?U)`, as members of a class.
///
/// - SeeAlso: "Unicode support" in the javadoc of `java.util.regex.Pattern`.
enum JavaUnicodeClasses {
    private static let alphabetic = "\\p{L}\\p{Nl}\\x{24b6}-\\x{24e9}"
    private static let space = "\\s\\x{85}\\p{Z}"
    static let word = "\(alphabetic)\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}"
    static let wordBoundary = "(?:(?<=[\(word)])(?![\(word)])|(?<![\(word)])(?=[\(word)]))"
    static let noWordBoundary = "(?:(?<=[\(word)])(?=[\(word)])|(?<![\(word)])(?![\(word)]))"

    /// By the letter of `\d`, `\s` and `\w`.
    static let escapes: [Unicode.Scalar: String] = ["d": "\\p{Nd}", "s": space, "w": word]

    /// By the names of the POSIX classes; Graph and Print by what they are not, see `negated`.
    static let posix: [String: String] = [
        "Lower": "\\p{Ll}\\x{aa}\\x{ba}\\x{2170}-\\x{217f}\\x{24d0}-\\x{24e9}",
        "Upper": "\\p{Lu}\\x{2160}-\\x{216f}\\x{24b6}-\\x{24cf}", "Alpha": alphabetic, "Digit": "\\p{Nd}",
        "Alnum": "\(alphabetic)\\p{Nd}", "Punct": "\\p{P}", "Blank": "\\t\\p{Zs}", "Cntrl": "\\p{Cc}",
        "XDigit": "\\p{Nd}0-9a-fA-F", "Space": space,
    ]
    static let negatedPosix: [String: String] = [
        "Graph": "\(space)\\p{Cc}\\p{Cs}\\p{Cn}", "Print": "\\p{Zl}\\p{Zp}\\p{Cc}\\p{Cs}\\p{Cn}",
    ]
}
