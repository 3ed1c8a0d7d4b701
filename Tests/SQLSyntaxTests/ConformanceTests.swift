import Foundation
import Testing

@testable import SQLSyntax

/// Texts of ksqlDB's own tests and the errors it gives for them. The rules must hold without them: see the other suites.
@Suite(.enabled(if: SharedCases.isThere, "the conformance cases are not there: set SWIFTWATER_SHARED"))
struct ConformanceTests {
    /// A script's error is the one of its first wrong statement.
    private func failure(_ text: String) -> SQLSyntaxError? {
        do {
            _ = try SQLParser.script(text)
            return nil
        } catch { return error }
    }

    @Test func `statements of all cases parse, but those that must not`() throws {
        var statementCount = 0
        var failureCount = 0
        for test in try SharedCases.cases(in: "sql-cases") + SharedCases.cases(in: "rest-cases") {
            statementCount += test.statements.count
            let error = test.requests.lazy.compactMap(failure).first
            let message = test.message ?? ""
            let isSyntax =
                test.stage == "parse" || message.contains("Syntax Error") || message.contains("Value must be integer")
            #expect((error != nil) == isSyntax, "\(test): \(error?.message ?? "parsed")")
            guard let error else { continue }
            failureCount += 1
            #expect(
                test.isJavaSpecific || error.message.contains(message), "\(test)\n\(error.message)\nwanted\n\(message)")
            if test.isJavaSpecific, !error.message.contains(message) {
                print("other words than ksqlDB's parser generator: \(error.headline) / \(message)")
            }
        }
        print("statements of cases: \(statementCount), of which \(failureCount) cases fail to parse as they should")
        #expect(statementCount > 1_000)
    }

    @Test func `statements of all cases read back from their canonical text`() throws {
        var count = 0
        for test in try SharedCases.cases(in: "sql-cases") + SharedCases.cases(in: "rest-cases") {
            for text in test.statements {
                guard let parsed = try? SQLParser.statement(text).statement else { continue }  // has its own test
                count += 1
                let again = try SQLParser.statement(parsed.description).statement
                #expect(again == parsed, "\(test): \(parsed)")
                #expect(again.description == parsed.description)
            }
        }
        print("statements printed and read back: \(count)")
        #expect(count > 1_000)
    }

    @Test func `unknown qualifiers are told as ksqlDB tells them`() throws {
        var count = 0
        for test in try SharedCases.cases(in: "sql-cases") + SharedCases.cases(in: "rest-cases") {
            guard let parsed = try? SQLParser.script(test.statements.joined(separator: "\n")) else { continue }
            var message: String?
            for statement in parsed {
                do { try statement.checkQualifiers() } catch { message = message ?? error.message }
            }
            let wanted = test.message ?? ""
            let isUnknown = wanted.contains("is not a valid stream/table name or alias")
            #expect((message != nil) == isUnknown, "\(test): \(message ?? "")")
            guard let message else { continue }
            #expect(message.contains(wanted), "\(test): \(message)")
            count += 1
        }
        print("cases with unknown qualifiers: \(count)")
    }

    @Test func `test scripts parse with their directives`() throws {
        var statementCount = 0
        var directives: [String: Int] = [:]
        for file in try SharedCases.files(in: "script-cases", ending: "sql") {
            var reader = StatementReader(try String(contentsOf: file, encoding: .utf8), dialect: .testScript)
            while let parsed = try reader.next() {
                statementCount += 1
                for directive in reader.directives { directives[directive.name, default: 0] += 1 }
                let again = try SQLParser.statement(parsed.statement.description, dialect: .testScript).statement
                #expect(again == parsed.statement, "\(file.lastPathComponent): \(parsed.text)")
            }
        }
        print("statements of test scripts: \(statementCount), directives: \(directives.sorted { $0.key < $1.key })")
        #expect(statementCount > 100)
        #expect(Set(directives.keys) == ["test", "expected.error", "expected.message"])
    }

    /// Statements as people write them, sent to a server or typed on its command line.
    @Test func `statements of tutorials parse and read back`() throws {
        var count = 0
        for file in try SharedCases.files(in: "scenarios", ending: "json")
        where file.lastPathComponent == "scenario.json" {
            let content = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
            for step in content?["steps"] as? [[String: Any]] ?? []
            where ["ksql", "query"].contains(step["op"] as? String) {
                let texts = step["sql"] as? [String] ?? (step["sql"] as? String).map { [$0] } ?? []
                for text in texts {
                    for parsed in try SQLParser.script(text, dialect: .commandLine) {
                        count += 1
                        try parsed.checkQualifiers()
                        let again = try SQLParser.statement(parsed.statement.description, dialect: .commandLine)
                        #expect(again.statement == parsed.statement, "\(file.path): \(parsed.text)")
                    }
                }
            }
        }
        print("statements of tutorials: \(count)")
        #expect(count > 100)
    }

    /// Schema texts that the original recorded.
    @Test func `recorded schemas parse`() throws {
        var count = 0
        for file in try SharedCases.files(in: "sql-cases", ending: "json") where file.lastPathComponent != "INDEX.json"
        {
            let content = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
            for schema in Self.schemas(content) {
                count += 1
                let columns = try SQLParser.columns(schema)
                let printed = columns.map { Identifier.quote($0.name.text) + $0.sql.dropFirst($0.name.printed.count) }
                #expect(try SQLParser.columns(printed.joined(separator: ", ")) == columns)
            }
        }
        print("schemas: \(count)")
        #expect(count > 100)
    }

    private static func schemas(_ value: Any) -> [String] {
        if let list = value as? [Any] { return list.flatMap(schemas) }
        guard let object = value as? [String: Any] else { return [] }
        let sources = object["sources"] as? [[String: Any]] ?? []
        let own = sources.compactMap { $0["schema"] as? String }
        return own + object.values.flatMap(schemas)
    }
}
