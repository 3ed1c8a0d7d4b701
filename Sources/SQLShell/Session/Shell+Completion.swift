import JSONFormat
import SQLClient
import SQLSyntax

extension Shell {
    /// Whether a text can be run as it is: a command of the shell, or statements up to a semicolon.
    package func isWhole(_ text: String) -> Bool { ShellCommand(text) != nil || SQLParser.isComplete(text) }

    /// The server's names, as far as it tells them.
    package func completion() async -> Completion {
        var completion = Completion()
        // Without an answer there is nothing to offer but keywords.
        for entity in (try? await client.execute("SHOW STREAMS EXTENDED; SHOW TABLES EXTENDED;")) ?? [] {
            for source in entity["sourceDescriptions"]?.elements ?? [] {
                if let name = source["name"]?.text { completion.sources.append(name) }
                completion.columns += (source["fields"]?.elements ?? []).compactMap { $0["name"]?.text }
            }
        }
        for entity in (try? await client.execute("SHOW FUNCTIONS; SHOW TOPICS;")) ?? [] {
            completion.functions += (entity["functions"]?.elements ?? []).compactMap { $0["name"]?.text }
            completion.topics += (entity["topics"]?.elements ?? []).compactMap { $0["name"]?.text }
        }
        return completion
    }
}
