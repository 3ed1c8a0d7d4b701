/// The statements of a pipeline with the sentences that explain them.
struct DemoScript: Equatable {
    /// A comment, and the statements up to the next one.
    struct Step: Equatable {
        var comment: String
        /// As they are in the file, with their semicolons.
        var statements: [String]

        /// What the step is about, for one line: the comment's first sentence.
        var summary: String {
            guard let end = comment.firstRange(of: ". ") else { return comment }
            return String(comment[..<end.lowerBound]) + "."
        }
    }

    var steps: [Step]

    /// - Parameter text: lines. Comments stand on lines of their own between statements; a statement ends with a semicolon
    ///   at the end of a line.
    init(_ text: String) {
        steps = []
        var statement: [Substring] = []
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let words = line.trimmed
            if statement.isEmpty, words.hasPrefix("--") {
                let comment = words.dropFirst(2).trimmed
                if let last = steps.indices.last, steps[last].statements.isEmpty {
                    steps[last].comment += " " + comment
                } else {
                    steps.append(Step(comment: comment, statements: []))
                }
                continue
            }
            if statement.isEmpty, words.isEmpty { continue }
            statement.append(line)
            guard words.hasSuffix(";") else { continue }
            if steps.isEmpty { steps.append(Step(comment: "", statements: [])) }
            steps[steps.count - 1].statements.append(statement.joined(separator: "\n"))
            statement = []
        }
    }
}

/// What a statement does, as far as the demonstration treats them differently.
enum DemoStatementKind: Equatable {
    case query
    case insert
    /// With the connector's name.
    case connector(String)
    case other

    init(_ statement: String) {
        let words = statement.split { $0.isWhitespace || $0 == "(" }
        switch words.first?.uppercased() {
        case "SELECT", "PRINT": self = .query
        case "INSERT": self = .insert
        default:
            if words.count > 3, words[0].uppercased() == "CREATE", words[2].uppercased() == "CONNECTOR" {
                self = .connector(String(words[3]))
            } else {
                self = .other
            }
        }
    }
}
