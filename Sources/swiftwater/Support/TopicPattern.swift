import ArgumentParser
import Cluster
import Patterns

/// Topics that are named by a regular expression, in Java's language and as a whole, as Kafka's tools take it.
struct TopicPattern: Sendable {
    let text: String

    /// - Throws: `CommandFailure` (usage) for a text that is no regular expression.
    init(_ text: String) throws {
        self.text = text
        do throws(PatternError) {
            _ = try JavaPattern("\\A(?:\(text))\\z")
        } catch { throw CommandFailure.usage("--include \(text) is no regular expression: \(error.message)") }
    }

    /// Those of `names` that match.
    func matching(_ names: [String]) throws -> [String] {
        do throws(PatternError) {
            let expression = try JavaPattern("\\A(?:\(text))\\z")
            var found: [String] = []
            for name in names where try expression.firstMatch(in: Array(name.utf8)) != nil { found.append(name) }
            return found
        } catch { throw CommandFailure("--include \(text): \(error.message)") }
    }

    /// The names of a cluster's topics that match, without the broker's own.
    func topics(in cluster: any Cluster) async throws -> [String] {
        try matching(try await cluster.topics().filter { !$0.isInternal }.map(\.name)).sorted()
    }
}

/// `--include`, the same with every command that looks at topics.
struct TopicPatternOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Topics whose whole name matches this regular expression, but for the broker's own.", valueName: "regex"))
    var include: String?

    func pattern() throws -> TopicPattern? { try include.map { try TopicPattern($0) } }

    /// The topics that are named and those that match, each once; `all` where neither is said.
    ///
    /// - Parameter mayBeNone: whether a pattern that matches nothing is no failure.
    func chosen(
        _ names: [String], in cluster: any Cluster, all: () async throws -> [String], mayBeNone: Bool = false
    ) async throws -> [String] {
        var seen: Set<String> = []
        let names = names.filter { seen.insert($0).inserted }
        guard let pattern = try pattern() else { return names.isEmpty ? try await all() : names }
        let found = try await pattern.topics(in: cluster)
        if found.isEmpty, names.isEmpty, !mayBeNone { throw Self.none(pattern) }
        return names + found.filter { !seen.contains($0) }
    }

    static func none(_ pattern: TopicPattern) -> CommandFailure {
        CommandFailure("no topic matches '\(pattern.text)'", hint: "'swiftwater topic list' shows those that there are")
    }
}
