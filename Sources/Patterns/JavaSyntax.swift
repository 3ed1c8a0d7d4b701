/// Reads an expression as `java.util.regex` does and writes the same for PCRE2, where the two differ: classes inside of
/// classes and their intersections, names of properties, `\u` escapes, flags.
///
/// - SeeAlso: javadoc of `java.util.regex.Pattern`.
struct JavaSyntax {
    private let source: [Unicode.Scalar]
    private let pattern: String
    private var at = 0
    private var output = ""
    /// Whether (?x) may have made comments of what follows.
    private var mayHaveComments = false

    /// Classes nested deeper than this are refused.
    private static let depthMax = 50

    private init(_ pattern: String) {
        self.pattern = pattern
        source = Array(pattern.unicodeScalars)
    }

    /// - Throws: `.syntax`.
    static func translate(_ pattern: String) throws(PatternError) -> String {
        var syntax = JavaSyntax(pattern)
        try syntax.expression()
        return syntax.output
    }

    private var next: Unicode.Scalar? { at < source.count ? source[at] : nil }

    private func error(_ message: String) -> PatternError {
        PatternError(.syntax, "\(message) near index \(at)\n\(pattern)")
    }

    private mutating func expression() throws(PatternError) {
        while let scalar = next {
            switch scalar {
            case "\\": try escape()
            case "[":
                at += 1
                output += try characterClass(depth: 0)
            case "(":
                output += "("
                at += 1
                guard next == "?" else {
                    // "(*" would be a verb of PCRE2; a dangling star to Java.
                    if next == "*" { throw error("Dangling meta character '*'") }
                    continue
                }
                output += "?"
                at += 1
                try group()
            case "{" where !mayHaveComments: try repetition()
            default:
                output.unicodeScalars.append(scalar)
                at += 1
            }
        }
    }

    /// `{2}`, `{2,}` or `{2,3}`. PCRE2 takes a brace that is none of these for itself.
    private mutating func repetition() throws(PatternError) {
        func skipDigits(from start: Int) -> Int {
            var end = start
            while end < source.count, ("0"..."9").contains(source[end]) { end += 1 }
            return end
        }
        var end = skipDigits(from: at + 1)
        guard end > at + 1 else { throw error("Illegal repetition") }
        if end < source.count, source[end] == "," { end = skipDigits(from: end + 1) }
        guard end < source.count, source[end] == "}" else { throw error("Unclosed counted closure") }
        for scalar in source[at...end] { output.unicodeScalars.append(scalar) }
        at = end + 1
    }

    /// What may stand behind `(?`; PCRE2 knows more. Flags that it does not have are left out.
    private mutating func group() throws(PatternError) {
        guard let scalar = next else { throw error("Unknown inline modifier") }
        if ":=!>".unicodeScalars.contains(scalar) { return }
        if scalar == "<" {
            let following = at + 1 < source.count ? source[at + 1] : ">"
            guard "=!".unicodeScalars.contains(following) || following.properties.isAlphabetic && following.isASCII
            else { throw error("Unknown look-behind group") }
            return
        }
        var end = at
        while end < source.count, "idmsuxU-".unicodeScalars.contains(source[end]) { end += 1 }
        guard end < source.count, source[end] == ")" || source[end] == ":" else {
            throw error("Unknown inline modifier")
        }
        if source[at..<end].contains("x") { mayHaveComments = true }
        for flag in source[at..<end] where "imsx-".unicodeScalars.contains(flag) { output.unicodeScalars.append(flag) }
        at = end
    }

    private mutating func escape() throws(PatternError) {
        guard at + 1 < source.count else { throw error("Unexpected internal error") }
        let letter = source[at + 1]
        switch letter {
        case "Q":
            at += 2
            while at < source.count {
                if source[at] == "\\", at + 1 < source.count, source[at + 1] == "E" {
                    at += 2
                    return
                }
                output += Self.literal(source[at])
                at += 1
            }
        case "E", "g", "K", "N", "C", "L", "l", "o", "y", "i", "j", "m", "q", "F", "I", "J", "M", "O", "T", "U", "Y":
            throw error("Illegal/unsupported escape sequence")
        case "1"..."9", "k", "b", "B", "A", "Z", "z", "G", "R", "X":
            output += "\\"
            output.unicodeScalars.append(letter)
            at += 2
        default:
            if let known = try knownClass() {
                output += known
            } else {
                output += Self.literal(try escapedCharacter())
            }
        }
    }

    private static func literal(_ scalar: Unicode.Scalar) -> String { "\\x{\(String(scalar.value, radix: 16))}" }

    /// A class with a backslash, as a class of its own.
    private mutating func knownClass() throws(PatternError) -> String? {
        let letter = source[at + 1]
        switch letter {
        case "d", "D", "s", "S", "w", "W", "h", "H", "v", "V":
            at += 2
            return "\\" + String(letter)
        case "p", "P":
            at += 2
            var name = ""
            if next == "{" {
                at += 1
                while let scalar = next, scalar != "}" {
                    name.unicodeScalars.append(scalar)
                    at += 1
                }
                guard next == "}" else { throw error("Unclosed character family") }
                at += 1
            } else if let scalar = next {
                name = String(scalar)
                at += 1
            }
            return try property(name, isNegated: letter == "P")
        default: return nil
        }
    }

    private static let ascii: [String: String] = [
        "Lower": "a-z", "Upper": "A-Z", "ASCII": "\\x00-\\x7f", "Alpha": "a-zA-Z", "Digit": "0-9",
        "Alnum": "a-zA-Z0-9", "Punct": "!-\\/:-@\\[-`{-~", "Graph": "!-~", "Print": " -~", "Blank": " \\t",
        "Cntrl": "\\x00-\\x1f\\x7f", "XDigit": "0-9a-fA-F", "Space": " \\t\\n\\x0b\\f\\r",
    ]

    private static let binary: [String: String] = [
        "javaLowerCase": "\\p{Ll}", "javaUpperCase": "\\p{Lu}", "javaWhitespace": "\\s", "javaDigit": "\\p{Nd}",
        "javaLetter": "\\p{L}", "javaLetterOrDigit": "\\p{L}\\p{Nd}", "IsAlphabetic": "\\p{L}\\p{Nl}",
        "IsLetter": "\\p{L}", "IsUppercase": "\\p{Lu}", "IsLowercase": "\\p{Ll}", "IsTitlecase": "\\p{Lt}",
        "IsPunctuation": "\\p{P}", "IsDigit": "\\p{Nd}", "IsControl": "\\p{Cc}", "IsWhite_Space": "\\s\\p{Z}",
        "IsWhiteSpace": "\\s\\p{Z}", "IsIdeographic": "\\p{Han}", "IsHex_Digit": "0-9a-fA-F",
    ]

    /// Blocks that people name, by their names without spaces, hyphens and underscores.
    private static let blocks: [String: ClosedRange<UInt32>] = [
        "BASICLATIN": 0...0x7F, "LATIN1SUPPLEMENT": 0x80...0xFF, "LATINEXTENDEDA": 0x100...0x17F,
        "LATINEXTENDEDB": 0x180...0x24F, "IPAEXTENSIONS": 0x250...0x2AF, "COMBININGDIACRITICALMARKS": 0x300...0x36F,
        "GREEK": 0x370...0x3FF, "GREEKANDCOPTIC": 0x370...0x3FF, "CYRILLIC": 0x400...0x4FF,
        "CYRILLICSUPPLEMENT": 0x500...0x52F, "CYRILLICSUPPLEMENTARY": 0x500...0x52F, "ARMENIAN": 0x530...0x58F,
        "HEBREW": 0x590...0x5FF, "ARABIC": 0x600...0x6FF, "DEVANAGARI": 0x900...0x97F, "BENGALI": 0x980...0x9FF,
        "TAMIL": 0xB80...0xBFF, "THAI": 0xE00...0xE7F, "GEORGIAN": 0x10A0...0x10FF, "HANGULJAMO": 0x1100...0x11FF,
        "GREEKEXTENDED": 0x1F00...0x1FFF, "GENERALPUNCTUATION": 0x2000...0x206F, "CURRENCYSYMBOLS": 0x20A0...0x20CF,
        "LETTERLIKESYMBOLS": 0x2100...0x214F, "ARROWS": 0x2190...0x21FF, "MATHEMATICALOPERATORS": 0x2200...0x22FF,
        "BOXDRAWING": 0x2500...0x257F, "GEOMETRICSHAPES": 0x25A0...0x25FF, "MISCELLANEOUSSYMBOLS": 0x2600...0x26FF,
        "DINGBATS": 0x2700...0x27BF, "CJKSYMBOLSANDPUNCTUATION": 0x3000...0x303F, "HIRAGANA": 0x3040...0x309F,
        "KATAKANA": 0x30A0...0x30FF, "CJKUNIFIEDIDEOGRAPHS": 0x4E00...0x9FFF, "HANGULSYLLABLES": 0xAC00...0xD7AF,
        "EMOTICONS": 0x1F600...0x1F64F,
    ]

    private func property(_ name: String, isNegated: Bool) throws(PatternError) -> String {
        if let members = Self.ascii[name] ?? Self.binary[name] { return "[\(isNegated ? "^" : "")\(members)]" }
        for prefix in ["In", "block=", "blk="] where name.hasPrefix(prefix) {
            let block = name.dropFirst(prefix.count).filter { !" -_".contains($0) }.uppercased()
            guard let range = Self.blocks[block] else {
                throw error("Unknown character block name {\(name.dropFirst(prefix.count))}")
            }
            let members = "\\x{\(String(range.lowerBound, radix: 16))}-\\x{\(String(range.upperBound, radix: 16))}"
            return "[\(isNegated ? "^" : "")\(members)]"
        }
        var plain = name
        for prefix in ["Is", "general_category=", "gc=", "script=", "sc="] where plain.hasPrefix(prefix) {
            plain.removeFirst(prefix.count)
            break
        }
        let isName = plain.utf8.allSatisfy { 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 || $0 == UInt8(ascii: "_") }
        guard isName, !plain.isEmpty, !plain.hasPrefix("X") else {
            throw error("Unknown character property name {\(name)}")
        }
        // Java writes scripts in any case.
        let script = plain.count > 2 ? plain.prefix(1).uppercased() + plain.dropFirst().lowercased() : plain
        return "\\\(isNegated ? "P" : "p"){\(script)}"
    }

    /// One character written with a backslash.
    private mutating func escapedCharacter() throws(PatternError) -> Unicode.Scalar {
        guard at + 1 < source.count else { throw error("Unexpected internal error") }
        let letter = source[at + 1]
        at += 2
        func hex(_ digits: Int) throws(PatternError) -> UInt32 {
            guard at + digits <= source.count,
                let value = UInt32(String(String.UnicodeScalarView(source[at..<(at + digits)])), radix: 16)
            else { throw error("Illegal hexadecimal escape sequence") }
            at += digits
            return value
        }
        var code: UInt32
        switch letter {
        case "t": return "\t"
        case "n": return "\n"
        case "r": return "\r"
        case "f": return "\u{c}"
        case "a": return "\u{7}"
        case "e": return "\u{1b}"
        case "c":
            guard let scalar = next else { throw error("Illegal control escape sequence") }
            at += 1
            code = scalar.value ^ 64
        case "0":
            code = 0
            let start = at
            while at - start < 3, let digit = next, ("0"..."7").contains(digit), code * 8 + digit.value - 48 <= 0o377 {
                code = code * 8 + digit.value - 48
                at += 1
            }
            guard at > start else { throw error("Illegal octal escape sequence") }
        case "x":
            if next == "{" {
                let digits = source[(at + 1)...].prefix { $0 != "}" }
                guard let value = UInt32(String(String.UnicodeScalarView(digits)), radix: 16) else {
                    throw error("Illegal hexadecimal escape sequence")
                }
                code = value
                at += digits.count + 2
            } else {
                code = try hex(2)
            }
        case "u":
            code = try hex(4)
            // Halves of a pair that follow one another are one character.
            if 0xD800...0xDBFF ~= code, at + 1 < source.count, source[at] == "\\", source[at + 1] == "u" {
                at += 2
                let low = try hex(4)
                guard 0xDC00...0xDFFF ~= low else { throw error("Illegal Unicode escape sequence") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
        case "A"..."Z", "a"..."z", "1"..."9": throw error("Illegal/unsupported escape sequence")
        default: return letter
        }
        guard let scalar = Unicode.Scalar(code) else { throw error("Illegal Unicode escape sequence") }
        return scalar
    }

    // MARK: Classes

    /// A class whose bracket has been read, as a group where PCRE2 has no such class.
    private mutating func characterClass(depth: Int) throws(PatternError) -> String {
        guard depth < Self.depthMax else { throw error("Character classes are nested too deeply") }
        let isNegated = next == "^"
        if isNegated { at += 1 }
        /// What must hold in turn: `a&&b&&c`.
        var parts: [[String]] = [[]]
        var members = ""
        var isFirst = true
        func close(_ members: inout String) {
            if !members.isEmpty { parts[parts.count - 1].append("[\(members)]") }
            members = ""
        }
        while true {
            guard let scalar = next else { throw error("Unclosed character class") }
            if scalar == "]", !isFirst || !members.isEmpty || parts.count > 1 || !parts[0].isEmpty { break }
            isFirst = false
            if scalar == "[" {
                at += 1
                let nested = try characterClass(depth: depth + 1)
                close(&members)
                parts[parts.count - 1].append(nested)
                continue
            }
            if scalar == "&", at + 1 < source.count, source[at + 1] == "&" {
                at += 2
                while next == "&" { at += 1 }
                close(&members)
                if next != "]" { parts.append([]) }
                continue
            }
            if scalar == "\\", at + 1 < source.count {
                if source[at + 1] == "Q" {
                    at += 2
                    while at < source.count, !(source[at] == "\\" && at + 1 < source.count && source[at + 1] == "E") {
                        members += Self.literal(source[at])
                        at += 1
                    }
                    at = min(at + 2, source.count)
                    continue
                }
                if let known = try knownClass() {
                    if known.hasPrefix("[") {
                        close(&members)
                        parts[parts.count - 1].append(known)
                    } else {
                        members += known
                    }
                    continue
                }
            }
            let low = try classCharacter()
            members += Self.literal(low)
            guard next == "-", at + 1 < source.count, source[at + 1] != "]", source[at + 1] != "[" else { continue }
            at += 1
            let high = try classCharacter()
            guard low.value <= high.value else { throw error("Illegal character range") }
            members += "-" + Self.literal(high)
        }
        at += 1
        close(&members)
        return assembled(parts, isNegated: isNegated)
    }

    private func assembled(_ parts: [[String]], isNegated: Bool) -> String {
        let unions = parts.filter { !$0.isEmpty }
        if unions.count == 1, unions[0].count == 1, unions[0][0].hasPrefix("[") {
            let single = unions[0][0]
            if !isNegated { return single }
            if !single.hasPrefix("[^") { return "[^" + single.dropFirst() }
        }
        var text = ""
        for (index, union) in unions.enumerated() {
            let alternatives = union.count == 1 ? union[0] : "(?:\(union.joined(separator: "|")))"
            text += index == unions.count - 1 ? alternatives : "(?=\(alternatives))"
        }
        return isNegated ? "(?:(?!\(text))[\\s\\S])" : "(?:\(text))"
    }

    private mutating func classCharacter() throws(PatternError) -> Unicode.Scalar {
        guard let scalar = next else { throw error("Unclosed character class") }
        if scalar == "\\" { return try escapedCharacter() }
        at += 1
        return scalar
    }
}
