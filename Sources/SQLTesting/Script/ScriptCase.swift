package import SQLSyntax

/// One test of a script: statements and assertions that run one after the other.
///
///     --@test: ratings are counted
///     CREATE STREAM ratings (stars INT) WITH (kafka_topic='ratings', value_format='JSON');
///     ...
///     ASSERT VALUES counts (stars, n) VALUES (5, 1);
package struct ScriptCase: Sendable {
    package enum Step: Sendable {
        case statement(ParsedStatement)
        /// Text that is no statement.
        case unreadable(SQLSyntaxError)
    }

    package var name: String
    package var steps: [Step] = []
    /// `--@expected.error`: the original's class of the error that must end the test.
    package var expectedError: String?
    /// `--@expected.message`: a part of its text.
    package var expectedMessage: String?

    /// The tests of a script. Statements before the first `--@test` are a test of the name of the file.
    package static func cases(in text: String, file: String) -> [ScriptCase] {
        var cases: [ScriptCase] = []
        func take(_ directives: [Directive]) {
            for directive in directives {
                switch directive.name.lowercased() {
                case "test": cases.append(ScriptCase(name: directive.text))
                case "expected.error":
                    if !cases.isEmpty { cases[cases.count - 1].expectedError = directive.text }
                case "expected.message":
                    if !cases.isEmpty { cases[cases.count - 1].expectedMessage = directive.text }
                default: break
                }
            }
        }
        var reader = StatementReader(text, dialect: .testScript)
        while true {
            var step: Step?
            do throws(SQLSyntaxError) { step = try reader.next().map { .statement($0) } } catch {
                step = .unreadable(error)
            }
            take(reader.directives)
            guard let step else { return cases }
            if cases.isEmpty { cases.append(ScriptCase(name: file)) }
            cases[cases.count - 1].steps.append(step)
        }
    }
}
