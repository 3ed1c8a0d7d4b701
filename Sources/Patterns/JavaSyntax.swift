/// Reads an expression as `java.util.regex` does and writes the same for PCRE2, where the two differ: classes inside of
/// classes and their intersections, names of properties, `\u` escapes, flags.
///
/// - SeeAlso: javadoc of `java.util.regex.Pattern`.
struct JavaSyntax {
    private var source: [Unicode.Scalar]
    private let pattern: String
    private var at = 0
    private var output = ""
    private var flags = JavaFlags()
    /// Of the groups around the place, outermost first.
    private var outerFlags: [JavaFlags] = []
    /// Groups with numbers that have begun.
    private var groupCount = 0
    /// Characters of look-behinds that were written out.
    private var writtenOutCount = 0
    /// Characters that were looked at for the ends of look-behinds: those of inner ones several times.
    private var lookBehindReadCount = 0

    /// Classes nested deeper than this are refused.
    private static let depthMax = 50
    /// For all of a pattern: a look-behind within one that is written out stands there several times, and is itself
    /// written out each time.
    private static let writtenOutCountMax = 64 << 10
    private static let lookBehindReadCountMax = 256 << 10

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
            if skipComment() { continue }
            switch scalar {
            case "\\": try escape()
            case "[":
                at += 1
                let members = try characterClass(depth: 0)
                output += flags.foldsASCIIOnly ? "(?-i:\(members))" : members
            case "(":
                at += 1
                if next == "?" {
                    at += 1
                    try group()
                    continue
                }
                // "(*" would be a verb of PCRE2; a dangling star to Java.
                if next == "*" { throw error("Dangling meta character '*'") }
                groupCount += 1
                begin("(")
            case ")":
                if let outer = outerFlags.popLast() { flags = outer }
                output += ")"
                at += 1
            case "{": try repetition()
            case ".", "^", "$":
                output += lineEnd(scalar)
                at += 1
            default:
                output += needsFolding(scalar) ? literal(scalar) : String(scalar)
                at += 1
            }
        }
    }

    private mutating func begin(_ group: String) {
        outerFlags.append(flags)
        output += group
    }

    /// White space and what stands behind # with (?x), which holds in classes as well.
    private mutating func skipComment() -> Bool {
        guard flags.hasComments, let scalar = next else { return false }
        if scalar == "#" {
            while let inside = next, !JavaFlags.commentEnds.contains(inside) { at += 1 }
            return true
        }
        guard JavaFlags.commentSpaces.contains(scalar) else { return false }
        at += 1
        return true
    }

    private func lineEnd(_ scalar: Unicode.Scalar) -> String {
        guard flags.hasUnixLines else { return String(scalar) }
        return switch scalar {
        case "." where !flags.matchesLineEnds: "[^\\n]"
        case "$": flags.isMultiline ? "(?=\\n|\\z)" : "(?=\\n?\\z)"
        case "^" where flags.isMultiline: "(?:\\A|(?<=\\n)(?!\\z))"
        default: String(scalar)
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

    /// What may stand behind `(?`; PCRE2 knows more.
    private mutating func group() throws(PatternError) {
        guard let scalar = next else { throw error("Unknown inline modifier") }
        if ":=!>".unicodeScalars.contains(scalar) {
            begin("(?" + String(scalar))
            at += 1
            return
        }
        if scalar == "<" {
            let following = at + 1 < source.count ? source[at + 1] : ">"
            if "=!".unicodeScalars.contains(following) {
                begin("(?<" + String(following))
                at += 2
                try writeOutLookBehind()
                return
            }
            guard following.properties.isAlphabetic, following.isASCII else {
                throw error("Unknown look-behind group")
            }
            groupCount += 1
            begin("(?")
            try name()
            return
        }
        try inlineFlags()
    }

    /// `<name>` as it is.
    private mutating func name() throws(PatternError) {
        guard let end = source[at...].firstIndex(of: ">") else {
            throw error("named capturing group is missing trailing '>'")
        }
        for scalar in source[at...end] { output.unicodeScalars.append(scalar) }
        at = end + 1
    }

    private mutating func writeOutLookBehind() throws(PatternError) {
        let end = JavaLookBehind.end(
            of: source, from: at, hasComments: flags.hasComments, readCount: &lookBehindReadCount)
        guard lookBehindReadCount <= Self.lookBehindReadCountMax else { throw error("Look-behinds are too long") }
        guard let end, let text = JavaLookBehind.expanded(source[at..<end], hasComments: flags.hasComments) else {
            return
        }
        writtenOutCount += text.count
        guard writtenOutCount <= Self.writtenOutCountMax else {
            throw error("Look-behinds of several lengths are too long")
        }
        source.replaceSubrange(at..<end, with: text)
    }

    /// `i-s)` or `i-s:`. PCRE2 is told of those that it has and that are not dealt with here.
    private mutating func inlineFlags() throws(PatternError) {
        var new = flags
        var texts = (on: "", off: "")
        var isOn = true
        while let scalar = next, scalar != ")", scalar != ":" {
            if scalar == "-", isOn {
                isOn = false
            } else {
                guard JavaFlags.letters.contains(scalar) else { throw error("Unknown inline modifier") }
                new.set(scalar, isOn)
                if "ims".unicodeScalars.contains(scalar) {
                    if isOn { texts.on.unicodeScalars.append(scalar) } else { texts.off.unicodeScalars.append(scalar) }
                }
            }
            at += 1
        }
        guard let end = next else { throw error("Unknown inline modifier") }
        at += 1
        let text = texts.on + (texts.off.isEmpty ? "" : "-" + texts.off)
        if end == ":" {
            begin("(?\(text):")
        } else if !text.isEmpty {
            output += "(?\(text))"
        }
        flags = new
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
                output += literal(source[at])
                at += 1
            }
        case "E", "g", "K", "N", "C", "L", "l", "o", "y", "i", "j", "m", "q", "F", "I", "J", "M", "O", "T", "U", "Y":
            throw error("Illegal/unsupported escape sequence")
        case "1"..."9": reference()
        case "k":
            at += 2
            guard next == "<" else { throw error("\\k is not followed by '<' for named capturing group") }
            output += "\\k"
            try name()
        case "b" where flags.hasUnicodeClasses:
            output += JavaUnicodeClasses.wordBoundary
            at += 2
        case "B" where flags.hasUnicodeClasses:
            output += JavaUnicodeClasses.noWordBoundary
            at += 2
        case "b", "B", "A", "Z", "z", "G", "R", "X":
            output += "\\"
            output.unicodeScalars.append(letter)
            at += 2
        default:
            if let known = try knownClass() {
                output += known
            } else {
                output += literal(try escapedCharacter())
            }
        }
    }

    /// `\12` is the twelfth group only where as many have begun; else the first one and a 2.
    private mutating func reference() {
        at += 1
        var number = 0
        while let digit = next, ("0"..."9").contains(digit) {
            let longer = number * 10 + Int(digit.value - 48)
            guard number == 0 || longer <= groupCount else { break }
            number = longer
            at += 1
        }
        output += "\\g{\(number)}"
    }

    private static func literal(_ scalar: Unicode.Scalar) -> String { "\\x{\(String(scalar.value, radix: 16))}" }

    /// A character as PCRE2 is to read it, whose `i` knows the case of all letters: K of the Kelvin sign, too.
    private func literal(_ scalar: Unicode.Scalar) -> String {
        guard needsFolding(scalar) else { return Self.literal(scalar) }
        return switch scalar {
        case "k", "K": "(?-i:[kK])"
        case "s", "S": "(?-i:[sS])"
        default: "(?-i:\(Self.literal(scalar)))"
        }
    }

    private func needsFolding(_ scalar: Unicode.Scalar) -> Bool {
        guard flags.foldsASCIIOnly else { return false }
        return scalar.isASCII ? "kKsS".unicodeScalars.contains(scalar) : scalar.properties.isCased
    }

    /// A class with a backslash, as a class of its own.
    private mutating func knownClass() throws(PatternError) -> String? {
        let letter = source[at + 1]
        switch letter {
        case "d", "D", "s", "S", "w", "W", "h", "H", "v", "V":
            at += 2
            if flags.hasUnicodeClasses, let lower = String(letter).lowercased().unicodeScalars.first,
                let members = JavaUnicodeClasses.escapes[lower]
            {
                return "[\(letter == lower ? "" : "^")\(members)]"
            }
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

    private func property(_ name: String, isNegated: Bool) throws(PatternError) -> String {
        if flags.hasUnicodeClasses {
            if let members = JavaUnicodeClasses.posix[name] { return "[\(isNegated ? "^" : "")\(members)]" }
            if let members = JavaUnicodeClasses.negatedPosix[name] { return "[\(isNegated ? "" : "^")\(members)]" }
        }
        if let members = JavaProperties.ascii[name] ?? JavaProperties.binary[name] {
            return "[\(isNegated ? "^" : "")\(members)]"
        }
        for prefix in ["In", "block=", "blk="] where name.hasPrefix(prefix) {
            let block = name.dropFirst(prefix.count).filter { !" -_".contains($0) }.uppercased()
            guard let range = JavaProperties.blocks[block] else {
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
            if skipComment() { continue }
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
                        members += member(source[at], source[at])
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
            guard next == "-", at + 1 < source.count, source[at + 1] != "]", source[at + 1] != "[" else {
                members += member(low, low)
                continue
            }
            at += 1
            let high = try classCharacter()
            guard low.value <= high.value else { throw error("Illegal character range") }
            members += member(low, high)
        }
        at += 1
        close(&members)
        return assembled(parts, isNegated: isNegated)
    }

    /// A character or a range, with the other case of ASCII letters where that is all that has one.
    private func member(_ low: Unicode.Scalar, _ high: Unicode.Scalar) -> String {
        func range(_ low: UInt32, _ high: UInt32) -> String {
            let start = "\\x{\(String(low, radix: 16))}"
            return low == high ? start : "\(start)-\\x{\(String(high, radix: 16))}"
        }
        var text = range(low.value, high.value)
        guard flags.foldsASCIIOnly else { return text }
        for (letters, distance) in [(0x61...0x7A as ClosedRange<UInt32>, -32), (0x41...0x5A, 32)] {
            let (from, to) = (max(low.value, letters.lowerBound), min(high.value, letters.upperBound))
            if from <= to { text += range(UInt32(Int(from) + distance), UInt32(Int(to) + distance)) }
        }
        return text
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
