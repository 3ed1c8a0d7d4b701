import Patterns

/// `deleteTopicList` of `/ksql/terminate`, and `ksql.hidden.topics`: regular expressions of Java's syntax, each for the whole
/// of a name.
struct TopicPatterns {
    private let patterns: [JavaPattern]

    /// Texts that are no expressions match nothing: an older version may have written them to the command topic.
    init(_ texts: [String]) {
        patterns = texts.compactMap { try? Self.whole($0) }
    }

    /// The first text that is no expression; nil when there is none.
    static func invalid(among texts: [String]) -> String? {
        texts.first { text in
            do throws(PatternError) {
                _ = try JavaPattern(text)
                _ = try whole(text)
                return false
            } catch { return true }
        }
    }

    /// The patterns of a property, separated by commas.
    static func texts(_ property: String, _ settings: SQLServerSettings) -> [String] {
        let list = settings.properties[property] ?? PropertyCatalog.definition(property)?.defaultValue ?? ""
        return list.split(separator: ",").map { $0.filter { $0 != " " } }
    }

    /// An expression for one name.
    static func literal(_ name: String) -> String { "\\Q" + name + "\\E" }

    private static func whole(_ text: String) throws(PatternError) -> JavaPattern {
        try JavaPattern("\\A(?:" + text + ")\\z")
    }

    /// An expression that takes too long on a name does not match it: a topic that stays can still be deleted.
    func match(_ topic: String) -> Bool {
        patterns.contains { pattern in
            do throws(PatternError) { return try pattern.firstMatch(in: Array(topic.utf8)) != nil } catch {
                return false
            }
        }
    }
}
