/// Look-behinds of Java's syntax whose length varies within bounds, `(?<=a{1,3})`, as alternatives of one length each,
/// `(?<=a|aa|aaa)`: PCRE2 takes no other ones.
struct JavaLookBehind {
    private typealias Text = [Unicode.Scalar]

    private let source: Text
    private var at = 0
    private var varies = false

    /// More alternatives or characters than this are not written out.
    private static let alternativeCountMax = 256
    private static let lengthMax = 8192
    private static let depthMax = 20

    private init(_ body: some Sequence<Unicode.Scalar>) { source = Array(body) }

    /// - Parameter body: what stands between `(?<=` and its bracket.
    /// - Returns: nil where it is of one length anyway, has no bound, or has in it what cannot be written several
    ///   times.
    static func expanded(_ body: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar]? {
        var parser = JavaLookBehind(body)
        guard let alternatives = parser.alternatives(depth: 0), parser.at == parser.source.count, parser.varies else {
            return nil
        }
        return Array(alternatives.joined(separator: ["|"]))
    }

    /// The place of the bracket that closes a group whose content begins at `start`; nil when there is none.
    static func end(of source: [Unicode.Scalar], from start: Int) -> Int? {
        var parser = JavaLookBehind(source)
        parser.at = start
        return parser.skipGroup() ? parser.at - 1 : nil
    }

    private var next: Unicode.Scalar? { at < source.count ? source[at] : nil }

    private func follows(_ text: String) -> Bool {
        source[at...].starts(with: text.unicodeScalars)
    }

    private mutating func alternatives(depth: Int) -> [Text]? {
        guard depth < Self.depthMax else { return nil }
        var done: [Text] = []
        var current: [Text] = [[]]
        while let scalar = next, scalar != ")" {
            if scalar == "|" {
                at += 1
                done += current
                current = [[]]
                continue
            }
            guard let atom = atom(depth), let (least, most) = quantifier(),
                let repeated = Self.repeated(atom, least, most), let product = Self.product(current, repeated)
            else { return nil }
            if least != most { varies = true }
            current = product
        }
        done += current
        return done.count <= Self.alternativeCountMax ? done : nil
    }

    private static func repeated(_ options: [Text], _ least: Int, _ most: Int) -> [Text]? {
        guard least <= most, most <= lengthMax else { return nil }
        var result: [Text] = []
        var power: [Text]? = [[]]
        for count in 0...most {
            guard let current = power else { return nil }
            if count >= least { result += current }
            guard result.count <= alternativeCountMax else { return nil }
            if count < most { power = product(current, options) }
        }
        return result
    }

    private static func product(_ a: [Text], _ b: [Text]) -> [Text]? {
        guard a.count * b.count <= alternativeCountMax else { return nil }
        let result = a.flatMap { first in b.map { first + $0 } }
        return result.reduce(0) { $0 + $1.count } <= lengthMax ? result : nil
    }

    /// One item without its quantifier, in all of its forms.
    private mutating func atom(_ depth: Int) -> [Text]? {
        let start = at
        guard let scalar = next else { return nil }
        switch scalar {
        case "*", "+", "?", "{": return nil
        case "\\": guard skipEscape() else { return nil }
        case "[": guard skipClass() else { return nil }
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
                // A group that takes part in numbering stands there once only.
                guard let inner = alternatives(depth: depth + 1), inner.count == 1, next == ")" else { return nil }
                at += 1
            }
        default: at += 1
        }
        return [Array(source[start..<at])]
    }

    /// How often the item before stands there; nil when there is no bound.
    private mutating func quantifier() -> (least: Int, most: Int)? {
        var bounds = (least: 1, most: 1)
        switch next {
        case "?":
            bounds = (0, 1)
            at += 1
        case "*", "+": return nil
        case "{":
            guard let end = source[at...].firstIndex(of: "}") else { return nil }
            let parts = String(String.UnicodeScalarView(source[(at + 1)..<end])).split(
                separator: ",", omittingEmptySubsequences: false)
            guard parts.count <= 2, let least = Int(parts[0]), let most = Int(parts[parts.count - 1]) else {
                return nil
            }
            bounds = (least, most)
            at = end + 1
        default: return bounds
        }
        // Reluctant and possessive ones are as long.
        if next == "?" || next == "+" { at += 1 }
        return bounds
    }

    private mutating func skip(_ count: Int) -> Bool {
        at += count
        return at <= source.count
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
        case "u": return skip(4)
        case "c": return skip(1)
        case "0":
            var count = 0
            while count < 3, let digit = next, ("0"..."7").contains(digit) {
                at += 1
                count += 1
            }
            return count > 0
        case "1"..."9", "k": return false  // their length is not known
        default: return true
        }
    }

    private mutating func skipClass() -> Bool {
        at += 1
        if next == "^" { at += 1 }
        if next == "]" { at += 1 }
        while let scalar = next {
            switch scalar {
            case "\\": guard skipEscape() else { return false }
            case "[": guard skipClass() else { return false }
            case "]":
                at += 1
                return true
            default: at += 1
            }
        }
        return false
    }

    /// Passes the bracket that closes the group.
    private mutating func skipGroup() -> Bool {
        var depth = 1
        while let scalar = next {
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
                guard skipClass() else { return false }
                continue
            case "(": depth += 1
            case ")": depth -= 1
            default: break
            }
            at += 1
            if depth == 0 { return true }
        }
        return false
    }
}
