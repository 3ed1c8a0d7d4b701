import Foundation
import JSONFormat
import ProtobufFormat
import SchemaRules
import Testing

/// Cases of the original's own tests and pairs that its classes have judged. They are no part of this repository:
/// `SWIFTWATER_SHARED` or the folder `shared` beside it has them in `registry-cases`.
enum RegistryCases {
    static let folder: URL? = {
        let shared = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"].map { URL(filePath: $0) }
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folder = (shared ?? package.deletingLastPathComponent().appending(path: "shared"))
            .appending(path: "registry-cases")
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }()

    static func load(_ name: String) throws -> [JSONValue] {
        guard let folder else { return [] }
        let bytes = try Array(Data(contentsOf: folder.appending(path: name)))
        return JSONValue.parse(bytes)?.elements ?? []
    }
}

@Suite(
    .enabled(if: RegistryCases.folder != nil, "needs the registry's cases: SWIFTWATER_SHARED=FOLDER"))
struct ProtobufCaseTests {
    private func references(_ value: JSONValue, _ side: String) -> [ReferencedSchema] {
        let named = value["\(side)_references"]?.elements ?? []
        return (value["\(side)_dependencies"]?.elements ?? []).map { dependency in
            let name = dependency["name"]?.text ?? ""
            let reference = named.first { $0["name"]?.text == name }
            return ReferencedSchema(
                name: name, subject: reference?["subject"]?.text ?? name,
                version: reference?["version"]?.integer.flatMap { Int32(exactly: $0) } ?? 1,
                text: dependency["dependency"]?.text ?? "")
        }
    }

    @Test func `differences are those of the original`() throws {
        let cases = try RegistryCases.load("protobuf-diff.json")
        #expect(!cases.isEmpty)
        for value in cases {
            let name = value["description"]?.text ?? ""
            let original = try ProtobufDocument(
                value["original_schema"]?.text ?? "", references: references(value, "original"), isNew: true)
            let update = try ProtobufDocument(
                value["update_schema"]?.text ?? "", references: references(value, "update"), isNew: true)
            let changes = update.differences(from: original).map { "\($0.kind.rawValue) \($0.path)" }
            let expected = (value["changes"]?.elements ?? []).compactMap(\.text)
            #expect(changes.sorted() == expected.sorted(), "\(name)")
            let reasons = update.incompatibilities(reading: original, policy: .strict)
            #expect(reasons.isEmpty == (value["compatible"]?.flag ?? false), "\(name)")
            #expect(reasons.allSatisfy { !$0.description.isEmpty }, "\(name)")
        }
    }

    /// The pairs were judged by 7.0.16. Releases since then find a field that leaves its oneof compatible, and so do we
    /// (the cases of the original's own tests say so): where that is the only difference of opinion, it is none.
    private func isCompatible(_ new: ProtobufDocument, reading old: ProtobufDocument, judged: Bool?) -> Bool {
        let differences = new.differences(from: old)
        let isCompatible = differences.allSatisfy(\.kind.isCompatible)
        #expect(isCompatible == new.incompatibilities(reading: old, policy: .strict).isEmpty)
        if isCompatible, judged == false, differences.contains(where: { $0.kind == .oneofFieldMovedToTopLevel }) {
            return false
        }
        return isCompatible
    }

    @Test func `pairs are judged and printed like the original does`() throws {
        let cases = try RegistryCases.load("protobuf-compat-java.json").filter { $0["type"]?.text == "PROTOBUF" }
        #expect(!cases.isEmpty)
        for value in cases {
            let name = value["name"]?.text ?? ""
            let old = try ProtobufDocument(value["old"]?.text ?? "", references: [], isNew: true)
            let new = try ProtobufDocument(value["new"]?.text ?? "", references: [], isNew: true)
            let isBackward = isCompatible(new, reading: old, judged: value["BACKWARD"]?.flag)
            let isForward = isCompatible(old, reading: new, judged: value["FORWARD"]?.flag)
            #expect(isBackward == value["BACKWARD"]?.flag, "\(name)")
            #expect(isForward == value["FORWARD"]?.flag, "\(name)")
            #expect((isBackward && isForward) == value["FULL"]?.flag, "\(name)")
            #expect(old.canonicalText == value["old_canonical"]?.text, "\(name)")
            #expect(new.canonicalText == value["new_canonical"]?.text, "\(name)")
            #expect(try new.normalizedText() == value["new_normalized"]?.text, "\(name)")
        }
    }
}
