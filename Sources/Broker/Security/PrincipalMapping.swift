import Patterns
import Synchronization

/// Makes the name of a principal from that of a certificate: `DEFAULT`, or `RULE:PATTERN/REPLACEMENT/[LU]`, separated by
/// commas; the first rule whose pattern matches all of the name is taken.
///
/// - SeeAlso: KIP-371; upstream `SslPrincipalMapper`, `java.util.regex.Matcher.replaceAll`.
final class PrincipalMapping: Sendable {
    /// A search keeps its state in the pattern, so only one is on at a time.
    private struct Rule {
        /// nil takes the name as it is.
        var pattern: JavaPattern?
        var replacement: String
        var casing: Character?
    }
    private let rules: Mutex<[Rule]>

    static let unchanged = PrincipalMapping()

    private init() { rules = Mutex([Rule(pattern: nil, replacement: "", casing: nil)]) }

    /// - Throws: for what is no rule, or has a pattern that is none.
    init(_ text: String) throws(PatternError) {
        var made: [Rule] = []
        var rest = text[...]
        while true {
            rest = rest.drop { $0 == " " || $0 == "," }
            guard !rest.isEmpty else { break }
            if rest.hasPrefix("DEFAULT") {
                rest = rest.dropFirst("DEFAULT".count)
                made.append(Rule(pattern: nil, replacement: "", casing: nil))
            } else if rest.hasPrefix("RULE:") {
                rest = rest.dropFirst("RULE:".count)
                guard let pattern = Self.part(&rest), let replacement = Self.part(&rest) else {
                    throw PatternError(.syntax, "a rule is not like RULE:PATTERN/REPLACEMENT/[LU]")
                }
                var casing: Character?
                if let letter = rest.first, letter == "L" || letter == "U" {
                    casing = letter
                    rest = rest.dropFirst()
                }
                made.append(
                    Rule(pattern: try JavaPattern("\\A(?:\(pattern))\\z"), replacement: replacement, casing: casing))
            } else {
                throw PatternError(.syntax, "a rule is DEFAULT or like RULE:PATTERN/REPLACEMENT/[LU]")
            }
            rest = rest.drop { $0 == " " }
            guard rest.isEmpty || rest.first == "," else {
                throw PatternError(.syntax, "something follows a rule before the next comma")
            }
        }
        if made.isEmpty { made = [Rule(pattern: nil, replacement: "", casing: nil)] }
        let all = made
        rules = Mutex(all)
    }

    /// Up to the next `/` that no backslash stands before.
    private static func part(_ rest: inout Substring) -> String? {
        var part = ""
        while let character = rest.popFirst() {
            if character == "/" { return part }
            part.append(character)
            if character == "\\", let next = rest.popFirst() { part.append(next) }
        }
        return nil
    }

    /// - Returns: nil when no rule applies.
    func name(of distinguished: String) -> String? {
        rules.withLock { rules in
            for rule in rules {
                guard let pattern = rule.pattern else { return distinguished }
                let bytes = Array(distinguished.utf8)
                // A pattern that takes too many steps does not match, so that nobody gets in by it.
                guard let match = try? pattern.firstMatch(in: bytes) else { continue }
                let name = Self.replaced(rule.replacement, match, bytes)
                return switch rule.casing {
                case "L": name.lowercased()
                case "U": name.uppercased()
                default: name
                }
            }
            return nil
        }
    }

    /// `$1` to `$9` and beyond are groups, where there are such; a backslash takes what follows as it is.
    private static func replaced(_ replacement: String, _ match: JavaPattern.Match, _ text: [UInt8]) -> String {
        var result = ""
        var rest = replacement[...]
        while let character = rest.popFirst() {
            if character == "\\", let next = rest.popFirst() {
                result.append(next)
                continue
            }
            guard character == "$" else {
                result.append(character)
                continue
            }
            // As many digits as there are groups for.
            var number: Int?
            while let digit = rest.first.flatMap({ $0.isASCII ? $0.wholeNumberValue : nil }) {
                let longer = (number ?? 0) * 10 + digit
                guard longer < match.groups.count else { break }
                number = longer
                rest = rest.dropFirst()
            }
            guard let number else {
                result.append("$")
                continue
            }
            if let range = match.groups[number] { result += String(decoding: text[range], as: UTF8.self) }
        }
        return result
    }
}
