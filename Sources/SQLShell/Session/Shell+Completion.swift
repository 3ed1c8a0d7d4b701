import JSONFormat
import SQLClient
import SQLSyntax

extension Shell {
    /// Whether a text can be run as it is: a command of the shell, or statements up to a semicolon.
    package func isWhole(_ text: String) -> Bool { ShellCommand(text) != nil || SQLParser.isComplete(text) }

    /// The server's names, as far as it tells them.
    ///
    /// - Throws: `ShellFailure` when the user gives up waiting.
    package func completion() async throws -> Completion {
        var completion = Completion()
        for entity in try await entities("SHOW STREAMS EXTENDED; SHOW TABLES EXTENDED;") {
            for source in entity["sourceDescriptions"]?.elements ?? [] {
                if let name = source["name"]?.text { completion.sources.append(name) }
                completion.columns += (source["fields"]?.elements ?? []).compactMap { $0["name"]?.text }
            }
        }
        for entity in try await entities("SHOW FUNCTIONS; SHOW TOPICS; SHOW QUERIES;") {
            completion.functions += (entity["functions"]?.elements ?? []).compactMap { $0["name"]?.text }
            completion.topics += (entity["topics"]?.elements ?? []).compactMap { $0["name"]?.text }
            completion.queries += (entity["queries"]?.elements ?? []).compactMap { $0["id"]?.text }
        }
        return completion
    }

    private func entities(_ statements: String) async throws -> [JSONValue] {
        do {
            return try await answer { client throws(SQLFailure) in try await client.execute(statements) }
        } catch is SQLFailure {
            return []  // without an answer there is nothing to offer but keywords
        }
    }
}
