/// Look-behinds of Java's syntax whose length varies within bounds, `(?<=a{1,3})`, as alternatives of one length each,
/// `(?<=a|aa|aaa)`: PCRE2 takes no other ones.
struct JavaLookBehind {
    private typealias Text = [Unicode.Scalar]

    private let source: Text
    /// `(?x)`
    private let hasComments: Bool
    private var at = 0
    private var varies = false
    /// Whether there is a group that takes part in numbering.
    private var hasGroups = false

    /// More alternatives or characters than this are not written out.
    private static let alternativeCountMax = 256
    private static let lengthMax = 8192
    private static let depthMax = 20
    private static let classDepthMax = 50

    private init(_ source: [Unicode.Scalar], _ hasComments: Bool) {
        self.source = source
        self.hasComments = hasComments
    }

    /// - Parameters:
    ///   - body: what stands between `(?<=` and its bracket.
    ///   - hasComments: whether `(?x)` holds there.
    /// - Returns: nil where it is of one length anyway, has no bound, or has in it what cannot be written several
    ///   times: groups that have numbers would give others to those that follow.
    static func expanded(_ body: ArraySlice<Unicode.Scalar>, hasComments: Bool) -> [Unicode.Scalar]? {
        var parser = JavaLookBehind(Array(body), hasComments)
        guard let alternatives = parser.alternatives(depth: 0), parser.at == parser.source.count, parser.varies,
            !parser.hasGroups
        else { return nil }
        return Array(alternatives.joined(separator: ["|"]))
    }

    /// The place of the bracket that closes a group whose content begins at `start`; nil when there is none.
    ///
    /// - Parameter readCount: grows by the characters that were looked at.
    static func end(
        of source: [Unicode.Scalar], from start: Int, hasComments: Bool, readCount: inout Int
    ) -> Int? {
        var parser = JavaLookBehind(source, hasComments)
        parser.at = start
        let isClosed = parser.skipGroup()
        readCount += parser.at - start
        return isClosed ? parser.at - 1 : nil
    }

    private var next: Unicode.Scalar? { at < source.count ? source[at] : nil }

    private func follows(_ text: String) -> Bool {
        source[at...].starts(with: text.unicodeScalars)
    }

    /// As `JavaSyntax` passes white space and comments with `(?x)`.
    private mutating func skipComments() {
        guard hasComments else { return }
        while let scalar = next {
            if scalar == "#" {
                while let inside = next, !JavaFlags.commentEnds.contains(inside) { at += 1 }
            } else if JavaFlags.commentSpaces.contains(scalar) {
                at += 1
            } else {
                return
            }
        }
    }

    private mutating func alternatives(depth: Int) -> [Text]? {
        guard depth < Self.depthMax else { return nil }
        var done: [Text] = []
        var current: [Text] = [[]]
        skipComments()
        while let scalar = next, scalar != ")" {
            if scalar == "|" {
                at += 1
                done += current
                guard done.count < Self.alternativeCountMax else { return nil }
                current = [[]]
                skipComments()
                continue
            }
            guard let atom = atom(depth), let (least, most) = quantifier(),
                let repeated = Self.repeated(atom, least, most), Self.append(repeated, to: &current)
            else { return nil }
            if least != most { varies = true }
            skipComments()
        }
        done += current
        return done.count <= Self.alternativeCountMax ? done : nil
    }

    private static func repeated(_ options: [Text], _ least: Int, _ most: Int) -> [Text]? {
        guard 0 <= least, least <= most, most <= lengthMax else { return nil }
        var result: [Text] = []
        var power: [Text] = [[]]
        var length = 0
        for count in 0...most {
            if count >= least {
                result += power
                length += power.reduce(0) { $0 + $1.count }
            }
            guard result.count <= alternativeCountMax, length <= lengthMax else { return nil }
            if count < most, !append(options, to: &power) { return nil }
        }
        return result
    }

    /// Puts each of the options behind each of the texts.
    ///
    /// - Returns: false when that is too much.
    private static func append(_ options: [Text], to texts: inout [Text]) -> Bool {
        guard texts.count * options.count <= alternativeCountMax else { return false }
        if options.count == 1 {
            // In place: else n characters were copied n times.
            for index in texts.indices { texts[index] += options[0] }
        } else {
            texts = texts.flatMap { first in options.map { first + $0 } }
        }
        return texts.reduce(0) { $0 + $1.count } <= lengthMax
    }

    /// One item without its quantifier, in all of its forms.
    private mutating func atom(_ depth: Int) -> [Text]? {
        let start = at
        guard let scalar = next else { return nil }
        switch scalar {
        case "*", "+", "?", "{": return nil
        case "\\":
            if follows("\\0") {
                at += 2
                guard let code = octal() else { return nil }
                // A digit that comes to stand behind it is not to become part of it.
                return [Array("\\x{\(String(code, radix: 16))}".unicodeScalars)]
            }
            let isQuote = follows("\\Q")
            guard skipEscape() else { return nil }
            if isQuote {
                skipComments()
                // It would be for the last character alone.
                if let next, "*+?{".unicodeScalars.contains(next) { return nil }
            }
        case "[": guard skipClass(depth: 0) else { return nil }
        case "(":
            if follows("(?:") {
                at += 3
                guard let inner = alternatives(depth: depth + 1), next == ")" else { return nil }
                at += 1
                if inner.count > 1 { varies = true }
                return inner
            }
            let isAssertion = ["(?=", "(?!", "(?<=", "(?<!"].contains { follows($0) }
            if !isAssertion, follows("(?") { return nil }
            at += 1
            if isAssertion {
                guard skipGroup() else { return nil }
            } else {
                hasGroups = true
                guard let inner = alternatives(depth: depth + 1), inner.count == 1, next == ")" else { return nil }
                at += 1
            }
        default: at += 1
        }
        return [Array(source[start..<at])]
    }

    /// How often the item before stands there; nil when there is no bound.
    private mutating func quantifier() -> (least: Int, most: Int)? {
        skipComments()
        var bounds = (least: 1, most: 1)
        switch next {
        case "?":
            bounds = (0, 1)
            at += 1
        case "*", "+": return nil
        case "{":
            at += 1
            guard let least = number() else { return nil }
            bounds = (least, least)
            if next == "," {
                at += 1
                guard let most = number() else { return nil }
                bounds.most = most
            }
            guard next == "}" else { return nil }
            at += 1
        default: return bounds
        }
        skipComments()
        // Reluctant and possessive ones are as long.
        if next == "?" || next == "+" { at += 1 }
        return bounds
    }

    /// Digits alone, as `JavaSyntax` takes them; nil when there are none and when it is more than may be written out.
    private mutating func number() -> Int? {
        let start = at
        var value = 0
        while let digit = next, ("0"..."9").contains(digit) {
            value = value * 10 + Int(digit.value - 48)
            guard value <= Self.lengthMax else { return nil }
            at += 1
        }
        return at > start ? value : nil
    }

    private mutating func skip(_ count: Int) -> Bool {
        guard source.count - at >= count else { return false }
        at += count
        return true
    }

    private mutating func skipEscape() -> Bool {
        guard at + 1 < source.count else { return false }
        let letter = source[at + 1]
        at += 2
        switch letter {
        case "Q":
            while at < source.count, !follows("\\E") { at += 1 }
            at = min(at + 2, source.count)
            return true
        case "p", "P", "x":
            guard next == "{" else { return skip(letter == "x" ? 2 : 1) }
            guard let end = source[at...].firstIndex(of: "}") else { return false }
            at = end + 1
            return true
        case "u":
            guard skip(4) else { return false }
            // Halves of a pair that follow one another are one character.
            let digits = source[(at - 4)..<(at - 2)]
            let isHigh = zip(digits, ["dD", "89abAB"]).allSatisfy { $1.unicodeScalars.contains($0) }
            return isHigh && follows("\\u") ? skip(6) : true
        case "c": return skip(1)
        case "0": return octal() != nil
        case "1"..."9", "k": return false  // their length is not known
        default: return true
        }
    }

    /// Up to three digits behind `\0`, as `JavaSyntax` reads them.
    private mutating func octal() -> UInt32? {
        let start = at
        var code: UInt32 = 0
        while at - start < 3, let digit = next, ("0"..."7").contains(digit), code * 8 + digit.value - 48 <= 0o377 {
            code = code * 8 + digit.value - 48
            at += 1
        }
        return at > start ? code : nil
    }

    private mutating func skipClass(depth: Int) -> Bool {
        guard depth < Self.classDepthMax else { return false }
        at += 1
        if next == "^" { at += 1 }
        skipComments()
        if next == "]" { at += 1 }
        while true {
            skipComments()
            guard let scalar = next else { return false }
            switch scalar {
            case "\\": guard skipEscape() else { return false }
            case "[": guard skipClass(depth: depth + 1) else { return false }
            case "]":
                at += 1
                return true
            default: at += 1
            }
        }
    }

    /// Passes the bracket that closes the group.
    private mutating func skipGroup() -> Bool {
        var depth = 1
        while true {
            skipComments()
            guard let scalar = next else { return false }
            switch scalar {
            case "\\":
                // Also references, as nothing is measured here.
                if at + 1 < source.count, "123456789k".unicodeScalars.contains(source[at + 1]) {
                    at += 2
                } else if !skipEscape() {
                    return false
                }
                continue
            case "[":
                guard skipClass(depth: 0) else { return false }
                continue
            case "(":
                guard noteGroup() else { return false }
                depth += 1
            case ")": depth -= 1
            default: break
            }
            at += 1
            if depth == 0 { return true }
        }
    }

    /// Looks at what a bracket opens, without passing it.
    ///
    /// - Returns: false for flags that turn comments on or off, which are not followed here.
    private mutating func noteGroup() -> Bool {
        guard follows("(?") else {
            hasGroups = true
            return true
        }
        if follows("(?<") {
            if !follows("(?<="), !follows("(?<!") { hasGroups = true }
            return true
        }
        for scalar in source[(at + 2)...] {
            if scalar == "x" { return false }
            guard scalar == "-" || JavaFlags.letters.contains(scalar) else { break }
        }
        return true
    }
}
