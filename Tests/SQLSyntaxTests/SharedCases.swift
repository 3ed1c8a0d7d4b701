import Foundation

/// Statements of conformance cases, found by the environment variable SWIFTWATER_SHARED.
struct SharedCases {
    struct Case: Sendable, CustomStringConvertible {
        var name: String
        var statements: [String]
        /// `parse`, `statement`, `process`, or nil where nothing fails.
        var stage: String?
        var message: String?
        /// Whether the message lists tokens as a parser generator does.
        var isJavaSpecific: Bool
        var description: String { name }
        /// Queries over HTTP are sent one by one.
        var isREST: Bool

        /// The texts that are parsed as a whole.
        var requests: [String] {
            guard isREST, let first = statements.firstIndex(where: { $0.hasPrefix("SELECT ") }) else {
                return [statements.joined(separator: "\n")]
            }
            return [statements[..<first].joined(separator: "\n")] + statements[first...]
        }
    }

    static let folder = URL(filePath: ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"] ?? "../shared")
    static let isThere = FileManager.default.fileExists(atPath: folder.appending(path: "sql-cases").path)

    /// Cases of JSON files, whose failure stands in `expectedException` or `expectedError`.
    static func cases(in name: String) throws -> [Case] {
        var cases: [Case] = []
        for file in try files(in: name, ending: "json") where file.lastPathComponent != "INDEX.json" {
            let content = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
            for test in content?["tests"] as? [[String: Any]] ?? [] {
                let failure = test["expectedException"] as? [String: Any] ?? test["expectedError"] as? [String: Any]
                cases.append(
                    Case(
                        name: test["name"] as? String ?? "", statements: test["statements"] as? [String] ?? [],
                        stage: failure?["stage"] as? String, message: failure?["message"] as? String,
                        isJavaSpecific: failure?["messageIsJavaSpecific"] as? Bool ?? false,
                        isREST: name == "rest-cases"))
            }
        }
        return cases
    }

    static func files(in name: String, ending: String) throws -> [URL] {
        let all = try FileManager.default.subpathsOfDirectory(atPath: folder.appending(path: name).path)
        return all.filter { $0.hasSuffix("." + ending) }.sorted().map {
            folder.appending(path: name).appending(path: $0)
        }
    }
}
