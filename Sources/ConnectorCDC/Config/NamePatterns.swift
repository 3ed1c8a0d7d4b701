internal import ConnectCore
internal import Patterns

/// Regular expressions separated by commas, each of which has to match a whole name, in any case of its letters. A comma
/// of an expression's own has a backslash in front. For one thread at a time.
final class NamePatterns {
    private let patterns: [JavaPattern]
    private var known: [String: Bool] = [:]
    /// Names whose answer is kept.
    private static let knownCountMax = 100_000

    /// - Throws: `.config` with what is wrong with an expression.
    init(_ list: String) throws(ConnectError) {
        var patterns: [JavaPattern] = []
        for text in Self.split(list) {
            do throws(PatternError) {
                patterns.append(try JavaPattern("(?i)\\A(?:" + text + ")\\z"))
            } catch {
                throw .config("'\(text)' is no regular expression: \(error.message)")
            }
        }
        self.patterns = patterns
    }

    /// - Throws: `.config` that names the option, and the part of a configuration where the expressions stand.
    convenience init(_ list: String, of option: String, from place: String? = nil) throws(ConnectError) {
        do throws(ConnectError) { try self.init(list) } catch {
            throw ConfigValidator.invalid(option, (place.map { "'\($0)': " } ?? "") + error.message)
        }
    }

    static func split(_ list: String) -> [String] {
        var parts: [String] = []
        var part = ""
        var escaped = false
        for character in list {
            if escaped {
                if character != "," { part.append("\\") }
                part.append(character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else if character == "," {
                parts.append(part)
                part = ""
            } else {
                part.append(character)
            }
        }
        if escaped { part.append("\\") }
        parts.append(part)
        return parts.map { $0.trimmingSpaces }.filter { !$0.isEmpty }
    }

    private static func matches(_ pattern: JavaPattern, _ name: [UInt8]) -> Bool {
        // An expression that takes too long to match does not match.
        ((try? pattern.firstMatch(in: name)) ?? nil) != nil
    }

    /// Which of the expressions is the first that matches; their number when none does.
    func place(of name: String) -> Int {
        let bytes = Array(name.utf8)
        return patterns.firstIndex { Self.matches($0, bytes) } ?? patterns.count
    }

    func matches(_ name: String) -> Bool {
        if let answer = known[name] { return answer }
        let bytes = Array(name.utf8)
        let answer = patterns.contains { Self.matches($0, bytes) }
        if known.count >= Self.knownCountMax { known.removeAll() }
        known[name] = answer
        return answer
    }
}

extension StringProtocol {
    /// Without blanks at both ends.
    var trimmingSpaces: String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
