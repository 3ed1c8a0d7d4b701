import Foundation
import JSONFormat
import Testing

@testable import JSONSchema

/// The public JSON Schema Test Suite, when SWIFTWATER_JSON_SCHEMA_SUITE says where it is: a folder with `tests` and
/// `remotes`. `Scripts/json-schema-suite.py` fetches one, and makes more of the kind.
@Suite(.enabled(if: suiteFolder != nil, "no JSON Schema Test Suite: set SWIFTWATER_JSON_SCHEMA_SUITE"))
struct SuiteTests {
    private static let drafts: [(folder: String, draft: Draft)] = [
        ("draft4", .draft4), ("draft6", .draft6), ("draft7", .draft7), ("draft2019-09", .draft2019),
        ("draft2020-12", .draft2020),
    ]

    /// Beginnings of the names of what is optional and left out: encoded contents are not looked into, and 1.0 is an
    /// integer in draft 4 as it is in the later ones.
    private static let skipped = [
        "draft7/optional/content.json", "draft4/optional/zeroTerminatedFloats.json",
    ]

    @Test(arguments: drafts.map(\.folder), ["", "optional", "optional/format"])
    func `agrees with the suite`(draft: String, part: String) throws {
        let root = try #require(suiteFolder)
        let folder = root.appending(path: "tests/\(draft)/\(part)")
        let version = try #require(Self.drafts.first { $0.folder == draft }?.draft)
        let remotes = try Self.remotes(root.appending(path: "remotes"), version)
        var passed = 0
        let files = FileManager.default.subpaths(atPath: folder.path) ?? []
        for file in files.filter({ !$0.contains("/") }).sorted()
        where file.hasSuffix(".json") {
            let bytes = try Array(Data(contentsOf: folder.appending(path: file)))
            for group in try #require(JSONValue.parse(bytes)?.elements) {
                let name = "\(draft)/\(part)/\(file): \(group["description"]?.text ?? "")"
                let schema: JSONSchema
                do {
                    schema = try JSONSchema(
                        try #require(group["schema"]), references: remotes, defaultDraft: version,
                        format: part == "optional/format" ? .demand : .hint)
                } catch {
                    Issue.record("\(name): \(error)")
                    continue
                }
                for test in group["tests"]?.elements ?? [] {
                    let label = "\(name): \(test["description"]?.text ?? "")"
                    guard !Self.skipped.contains(where: label.hasPrefix), let data = test["data"] else { continue }
                    let violations = schema.violations(in: data)
                    #expect(violations.isEmpty == test["valid"]?.flag, "\(label): \(violations)")
                    #expect(schema.isValid(data) == violations.isEmpty, "\(label)")
                    passed += 1
                }
            }
        }
        print("\(draft)/\(part): \(passed) cases")
    }

    private static func remotes(_ folder: URL, _ draft: Draft) throws -> [(name: String, root: JSONValue)] {
        // "next" is a draft that is not finished.
        let paths = (FileManager.default.subpaths(atPath: folder.path) ?? []).filter { !$0.hasPrefix("draft-next") }
        return try paths.filter { $0.hasSuffix(".json") }.sorted().compactMap { path in
            let bytes = try Array(Data(contentsOf: folder.appending(path: path)))
            return JSONValue.parse(bytes).map { ("http://localhost:1234/\(path)", $0) }
        }
    }
}

private let suiteFolder: URL? = ProcessInfo.processInfo.environment["SWIFTWATER_JSON_SCHEMA_SUITE"].map {
    URL(filePath: $0)
}
