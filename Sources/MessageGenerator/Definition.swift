import Foundation

/// One definition file of Kafka (`clients/src/main/resources/common/message/*.json`).
struct Definition {
    enum Kind: String { case request, response, header, data }

    var name: String
    var kind: Kind
    var apiKey: Int?
    var validVersions: VersionRange
    var flexibleVersions: VersionRange
    var fields: [Field]
    var commonStructs: [Structure]

    struct Structure {
        var name: String
        var versions: VersionRange
        var fields: [Field]
    }

    struct Field: Sendable {
        var name: String
        var type: FieldType
        var versions: VersionRange
        var nullableVersions: VersionRange
        var taggedVersions: VersionRange
        var tag: Int?
        /// False for the one field (the client id of a request header) that never is compact.
        var followsFlexibility: Bool
        var ignorable: Bool
        var defaultText: String?
        var fields: [Field]
    }
}

/// The type of a field, as Kafka spells it.
indirect enum FieldType: Equatable, Sendable {
    case bool, int8, int16, int32, int64, uint16, uint32, float64, uuid
    case string, bytes, records
    case structure(String)
    case array(FieldType)

    private static let primitives: [String: FieldType] = [
        "bool": .bool, "int8": .int8, "int16": .int16, "int32": .int32, "int64": .int64, "uint16": .uint16,
        "uint32": .uint32, "float64": .float64, "uuid": .uuid, "string": .string, "bytes": .bytes, "records": .records,
    ]

    init(_ text: String) {
        if text.hasPrefix("[]") {
            self = .array(FieldType(String(text.dropFirst(2))))
        } else {
            self = Self.primitives[text] ?? .structure(text)
        }
    }
}

extension Definition {
    init(contentsOf file: URL) throws {
        let text = try String(contentsOf: file, encoding: .utf8)
        let json = text.split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.drop { $0 == " " || $0 == "\t" }.hasPrefix("//") }.joined(separator: "\n")
        guard let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any] else {
            throw GeneratorError("\(file.lastPathComponent): not an object")
        }
        do {
            try self.init(object)
        } catch let error as GeneratorError {
            throw GeneratorError("\(file.lastPathComponent): \(error)")
        }
    }

    private init(_ object: [String: Any]) throws {
        name = try object.text("name")
        guard let kind = Kind(rawValue: try object.text("type")) else {
            throw GeneratorError("unknown type of message")
        }
        self.kind = kind
        apiKey = object["apiKey"] as? Int
        validVersions = try VersionRange(try object.text("validVersions"))
        flexibleVersions = try VersionRange(object["flexibleVersions"] as? String ?? "none")
        fields = try object.objects("fields").map { try Field($0) }
        commonStructs = try object.objects("commonStructs").map { structure in
            Structure(
                name: try structure.text("name"), versions: try VersionRange(try structure.text("versions")),
                fields: try structure.objects("fields").map { try Field($0) })
        }
    }
}

extension Definition.Field {
    fileprivate init(_ object: [String: Any]) throws {
        name = try object.text("name")
        type = FieldType(try object.text("type"))
        taggedVersions = try VersionRange(object["taggedVersions"] as? String ?? "none")
        tag = object["tag"] as? Int
        versions = try (object["versions"] as? String).map { try VersionRange($0) } ?? taggedVersions
        nullableVersions = try VersionRange(object["nullableVersions"] as? String ?? "none")
        followsFlexibility = object["flexibleVersions"] as? String != "none"
        ignorable = object["ignorable"] as? Bool ?? false
        defaultText =
            switch object["default"] {
            case nil: nil
            case is NSNull: "null"
            case let text as String: text
            // JSON booleans and numbers arrive as NSNumber; only the field's type tells them apart.
            case let number as NSNumber where type == .bool: number.boolValue ? "true" : "false"
            case let number as NSNumber: number.stringValue
            case let other?: throw GeneratorError("\(name): default \(other)")
            }
        fields = try object.objects("fields").map { try Self($0) }
        if !taggedVersions.isEmpty, taggedVersions != versions || tag == nil {
            throw GeneratorError("\(name): tagged in other versions than it exists in")
        }
    }
}

extension [String: Any] {
    fileprivate func text(_ key: String) throws -> String {
        guard let text = self[key] as? String else { throw GeneratorError("no text \"\(key)\"") }
        return text
    }

    fileprivate func objects(_ key: String) throws -> [[String: Any]] {
        guard let value = self[key] else { return [] }
        guard let objects = value as? [[String: Any]] else { throw GeneratorError("\"\(key)\" is not a list") }
        return objects
    }
}

extension Definition {
    /// This definition with the older versions of `old`, an earlier release's definition of the same message.
    ///
    /// A field lives from its first version in either release; its last version, its type and everything else are the
    /// newer release's. Fields that only the old release has keep their place behind the field they followed there.
    func extended(downTo low: Int, by old: Definition) throws -> Definition {
        guard old.validVersions.contains(low) else { throw GeneratorError("\(name) has no version \(low)") }
        var merged = self
        merged.validVersions.low = low
        merged.flexibleVersions = flexibleVersions.union(old.flexibleVersions)
        merged.fields = Self.merge(fields, old.fields)
        return merged
    }

    private static func merge(_ new: [Field], _ old: [Field]) -> [Field] {
        var merged = new
        for (index, oldField) in old.enumerated() {
            if let position = merged.firstIndex(where: { $0.name == oldField.name }) {
                merged[position].versions.low = min(merged[position].versions.low, oldField.versions.low)
                merged[position].nullableVersions =
                    merged[position].nullableVersions.union(oldField.nullableVersions)
                    .intersection(merged[position].versions)
                merged[position].fields = merge(merged[position].fields, oldField.fields)
            } else {
                let before = index == 0 ? nil : old[index - 1].name
                let position = merged.firstIndex { $0.name == before }.map { $0 + 1 } ?? 0
                merged.insert(oldField, at: position)
            }
        }
        return merged
    }
}
