import Foundation
import JSONFormat
import ProtobufFormat
import SQLFormats
import SQLTypes
import Testing

/// The folder of test data that is no part of the repository.
enum SharedCases {
    static let folder: URL = {
        let named = ProcessInfo.processInfo.environment["SWIFTWATER_SHARED"]
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return URL(filePath: named ?? root.appending(path: "../shared").path).appending(path: "sql-cases")
    }()

    static var exists: Bool { FileManager.default.fileExists(atPath: folder.path) }

    static func cases() throws -> [JSONValue] {
        var cases: [JSONValue] = []
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        for file in files.sorted(by: { $0.path < $1.path })
        where file.pathExtension == "json" && file.lastPathComponent != "INDEX.json" {
            let json = try JSONValue.read(Array(Data(contentsOf: file)).span.bytes)
            cases += json["tests"]?.elements ?? []
        }
        return cases
    }

    static func format(_ json: JSONValue?) -> SerdeFormat? {
        guard let name = json?.text ?? json?["format"]?.text, let format = SQLFormat(name: name) else { return nil }
        var properties: [String: String] = [:]
        for (name, value) in json?["properties"]?.members ?? [] { properties[name] = value.text }
        let features = (json?["features"]?.elements ?? []).compactMap { $0.text.flatMap { SerdeFeature(rawValue: $0) } }
        return SerdeFormat(FormatInfo(format, properties: properties), features: Set(features))
    }

    static func schema(_ json: JSONValue, _ format: SQLFormat) -> RegistrySchema {
        switch format {
        case .protobuf: RegistrySchema(type: "PROTOBUF", text: json.text ?? "")
        case .avro: RegistrySchema(type: "AVRO", text: String(decoding: json.bytes, as: UTF8.self))
        default: RegistrySchema(type: "JSON", text: String(decoding: json.bytes, as: UTF8.self))
        }
    }
}

@Suite(.enabled(if: SharedCases.exists, "the folder of test cases is missing: set SWIFTWATER_SHARED"))
struct DerivationTests {
    @Test func `derived schemas are those that the original registered`() throws {
        var compared = 0
        var differences: [String] = []
        for test in try SharedCases.cases() {
            let observed = test["observed"]
            let given = Set((test["topics"]?.elements ?? []).compactMap { $0["name"]?.text })
            let topics = observed?["topics"]?.elements ?? []
            let statements = (test["statements"]?.elements ?? []).compactMap(\.text).joined(separator: "\n")
            for source in observed?["sources"]?.elements ?? [] {
                guard let text = source["schema"]?.text, let name = source["name"]?.text else { continue }
                let columns = try SchemaText.columns(text)
                // The topic of a source by its name, or the only other one.
                let lower = statements.components(separatedBy: "CREATE").first {
                    $0.uppercased().contains("STREAM \(name.uppercased()) ")
                        || $0.uppercased().contains("TABLE \(name.uppercased()) ")
                }
                guard
                    let topic = topics.first(where: { $0["name"]?.text == name })
                        ?? topics.first(where: { topic in
                            let name = topic["name"]?.text ?? ""
                            return lower?.lowercased().contains("kafka_topic='\(name.lowercased())'") == true
                        })
                else { continue }
                guard !given.contains(topic["name"]?.text ?? "") else { continue }
                for side in ["key", "value"] {
                    guard let registered = topic[side + "Schema"],
                        let info = SharedCases.format(topic[side + "Format"]),
                        info.info.schemaID == nil
                    else { continue }
                    let fields = columns.filter { $0.role == (side == "key" ? .key : .value) }
                        .map { SQLField($0.name, $0.type) }
                    let derived = try RegistrySchemas.schema(of: fields, format: info)
                    compared += 1
                    let isSame =
                        if info.info.format == .protobuf {
                            derived.text == registered.text
                        } else {
                            try JSONValue.read(derived.text).isSame(as: registered)
                        }
                    if !isSame {
                        let wanted = registered.text ?? String(decoding: registered.bytes, as: UTF8.self)
                        differences.append(
                            "\(test["name"]?.text ?? "") \(name) \(side) \(text)\n\(derived.text)\n\(wanted)")
                    }
                    // And back again.
                    let inferred = try RegistrySchemas.columns(
                        of: derived, references: { _ in nil }, format: info, isKey: side == "key", keepsNames: true)
                    if inferred.map(\.type) != fields.map(\.type), info.info.format != .avro {
                        differences.append("inferred \(inferred) for \(fields)")
                    }
                }
            }
        }
        #expect(
            differences.isEmpty,
            "\(differences.count) of \(compared):\n\(differences.prefix(12).joined(separator: "\n\n"))")
        #expect(compared > 300)
    }

    @Test func `columns of given schemas are those that the original inferred`() throws {
        var compared = 0
        var differences: [String] = []
        for test in try SharedCases.cases() {
            let sources = test["observed"]?["sources"]?.elements ?? []
            let statements = (test["statements"]?.elements ?? []).compactMap(\.text)
            for topic in test["topics"]?.elements ?? [] {
                guard let name = topic["name"]?.text,
                    let statement = statements.first(where: {
                        $0.lowercased().contains("kafka_topic='\(name.lowercased())'")
                            || $0.lowercased().contains("kafka_topic = '\(name.lowercased())'")
                    }), !statement.contains(" AS SELECT"), !statement.contains(" as SELECT")
                else { continue }
                let head = statement.prefix(while: { $0 != "(" }).uppercased()
                guard head.hasSuffix("WITH ") else { continue }
                let words = head.split(separator: " ")
                guard words.count == 4, let source = sources.first(where: { $0["name"]?.text == String(words[2]) }),
                    let observed = (test["observed"]?["topics"]?.elements ?? []).first(where: {
                        $0["name"]?.text == name
                    })
                else { continue }
                let columns = try SchemaText.columns(source["schema"]?.text ?? "")
                for side in ["key", "value"] {
                    guard let json = topic[side + "Schema"], let format = SharedCases.format(observed[side + "Format"])
                    else { continue }
                    let schema = SharedCases.schema(json, format.info.format)
                    let references = topic[side + "SchemaReferences"]?.elements ?? []
                    var referring = schema
                    for reference in references {
                        referring.references.append(
                            .init(
                                name: reference["name"]?.text ?? "", subject: reference["name"]?.text ?? "", version: 1)
                        )
                    }
                    let inferred = try RegistrySchemas.columns(
                        of: referring,
                        references: { reference in
                            references.first { $0["name"]?.text == reference.name }.flatMap { $0["schema"] }
                                .map { SharedCases.schema($0, format.info.format) }
                        }, format: format, isKey: side == "key", keepsNames: format.info.schemaID != nil)
                    let expected = columns.filter { $0.role == (side == "key" ? .key : .value) }
                        .map { SQLField($0.name, $0.type) }
                    compared += 1
                    if inferred != expected {
                        differences.append("\(test["name"]?.text ?? "") \(side): \(inferred) instead of \(expected)")
                    }
                }
            }
        }
        #expect(
            differences.isEmpty,
            "\(differences.count) of \(compared):\n\(differences.prefix(12).joined(separator: "\n"))")
        #expect(compared > 20)
    }
}
