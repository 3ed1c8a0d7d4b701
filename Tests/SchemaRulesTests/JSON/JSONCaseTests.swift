import Foundation
import JSONFormat
import JSONSchema
import Testing

@testable import SchemaRules

/// The judged pairs of schemas of the project's shared data, found by SWIFTWATER_SHARED or beside the package.
@Suite(.enabled(if: casesFolder != nil, "no registry cases: set SWIFTWATER_SHARED"))
struct JSONCaseTests {
    /// Kinds and paths in their order, and the verdict under both policies.
    @Test(
        arguments: [
            "json-diff.json", "json-diff-2020-12.json", "json-diff-combined.json", "json-diff-combined-2020-12.json",
        ])
    func `finds the differences that the original finds`(file: String) throws {
        let cases = try Self.read(file)
        for (number, one) in cases.enumerated() {
            let label = "\(file) \(number): \(one["description"]?.text ?? "")"
            let original = try Self.document(one["original_schema"])
            let update = try Self.document(one["update_schema"])
            let expected = one["changes"]?.elements?.compactMap(\.text) ?? []
            for policy in CompatibilityPolicy.allCases {
                let reserved = update.reservedIncompatibilities(
                    reserved: one["update_metadata"]?["properties"]?["confluent:reserved"]?.text,
                    earlier: one["original_metadata"]?["properties"]?["confluent:reserved"]?.text)
                let found = update.differences(from: original, policy: policy)
                if policy == .strict {
                    let changes =
                        reserved.map { "\($0.kind) \($0.path)" } + found.map { "\($0.kind.rawValue) \($0.path)" }
                    #expect(changes == expected, "\(label)")
                }
                let isCompatible =
                    reserved.isEmpty && update.incompatibilities(reading: original, policy: policy).isEmpty
                let verdict = one["compatible"]?.flag
                #expect(
                    isCompatible == (policy == .strict ? verdict : one["compatible_lenient"]?.flag ?? verdict),
                    "\(label), \(policy)")
            }
        }
        print("\(file): \(cases.count) cases")
    }

    /// A schema of 2020-12 and what it is in draft 7: the same model, so no difference in either direction.
    @Test func `reads modern schemas like their draft 7 form`() throws {
        // What the suite has at the addresses that some of the schemas refer to.
        let remotes = [
            "name.json": #"{"$defs": {"orNull": {"anyOf": [{"type": "null"}, {"type": "string"}]}}}"#,
            "subSchemas.json": ##"{"integer": {"type": "integer"}, "refToInteger": {"$ref": "#/integer"}}"##,
            "node": #"{"description": "node", "type": "object"}"#,
        ].map { ReferencedSchema(name: "http://localhost:1234/" + $0.key, subject: $0.key, version: 1, text: $0.value) }
        var count = 0
        for (number, one) in try Self.read("json-draft-conversion-all-schemas.json").enumerated() {
            guard one["skip"]?.flag != true, var source = one["source_schema"], var target = one["target_schema"]
            else { continue }
            // The target leaves the definitions out, which a reader of the whole needs, and so is written without an
            // $id.
            if case .object(let members) = source {
                source = .object([("$schema", .string(Draft.draft2020.metaSchema))] + members)
                let definitions = members.filter { $0.0 == "$defs" }
                if case .object(let members) = target { target = .object(members + definitions) }
            }
            let modern = try JSONDocument(String(decoding: source.bytes, as: UTF8.self), references: remotes)
            let legacy = try JSONDocument(String(decoding: target.bytes, as: UTF8.self), references: remotes)
            var comparison = ModelEquality(modern.model, legacy.model)
            let isSame = comparison.isSame(0, 0)
            #expect(isSame, "case \(number): \(String(decoding: source.bytes, as: UTF8.self))")
            for (new, old) in [(modern, legacy), (legacy, modern)] {
                let found = new.incompatibilities(reading: old, policy: .strict).filter {
                    $0.kind != "MIN_CONTAINS_ADDED"
                }
                // `{}` is written as an object or array without rules by one of the two.
                #expect(found.isEmpty || target == .object([]), "case \(number): \(found)")
            }
            count += 1
        }
        print("json-draft-conversion-all-schemas.json: \(count) cases")
    }

    private static func document(_ schema: JSONValue?) throws -> JSONDocument {
        try JSONDocument(String(decoding: try #require(schema).bytes, as: UTF8.self))
    }

    private static func read(_ file: String) throws -> [JSONValue] {
        let bytes = try Data(contentsOf: #require(casesFolder).appending(path: file))
        return try #require(JSONValue.parse(Array(bytes))?.elements)
    }
}

private let casesFolder: URL? = {
    let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    let shared =
        ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"].map { URL(filePath: $0) }
        ?? package.deletingLastPathComponent().appending(path: "shared")
    let folder = shared.appending(path: "registry-cases")
    return FileManager.default.fileExists(atPath: folder.appending(path: "json-diff.json").path) ? folder : nil
}()
