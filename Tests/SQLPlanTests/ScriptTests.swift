import Foundation
import SQLPlan
import SQLSyntax
import SQLTypes
import Testing

/// The statements of the scripts of the workspace: what must fail fails with the text, all else is planned. What flows
/// through the queries is not tested here.
@Suite struct ScriptTests {
    @Test(.enabled(if: SharedCases.folder != nil, "the scripts were not found"))
    func `statements of scripts plan or fail as the original's`() throws {
        guard let folder = SharedCases.folder?.appending(path: "script-cases") else { return }
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        var passed = 0
        for file in files.sorted(by: { $0.path < $1.path }) where file.pathExtension == "sql" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for block in text.split(separator: "--@test:").dropFirst() {
                let failure = Self.run(String(block))
                #expect(failure == nil, "\(file.lastPathComponent): \(failure ?? "")")
                if failure == nil { passed += 1 }
            }
        }
        #expect(passed > 0)
    }

    private static func run(_ block: String) -> String? {
        let lines = block.split(separator: "\n", omittingEmptySubsequences: false)
        let name = lines.first ?? ""
        let marker = "--@expected.message:"
        let message = lines.first { $0.hasPrefix(marker) }.map {
            $0.dropFirst(marker.count).trimmingCharacters(in: .whitespaces)
        }
        let isAssertion = lines.contains { $0.hasPrefix("--@expected.error:") && $0.hasSuffix("AssertionError") }
        do {
            let lab = try Lab()
            for statement in try SQLParser.script(lines.dropFirst().joined(separator: "\n"), dialect: .testScript) {
                switch statement.statement {
                case .assertValues(let values), .assertTombstone(let values):
                    guard let source = lab.catalog[values.target.text] else {
                        return "\(name): no \(values.target.text)"
                    }
                    _ = try lab.executor.values(values, for: source, in: lab.catalog)
                case .assertSource: continue
                default: _ = try lab.execute(statement)
                }
            }
        } catch {
            guard let message else { return "\(name): \(error)" }
            return "\(error)".contains(message) ? nil : "\(name): \(error)\n    expected: \(message)"
        }
        // What statements of the test itself compare.
        if message?.hasPrefix("Expected ") == true { return nil }
        return message == nil || isAssertion ? nil : "\(name) does not fail: \(message ?? "")"
    }
}
