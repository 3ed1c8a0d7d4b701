package import JSONFormat

/// What people note about a schema: tags on parts of it, properties of it, and which of these are secret.
///
/// - SeeAlso: upstream entity `Metadata`. All collections are kept sorted, as the identity of a schema hashes them.
package struct SchemaMetadata: Hashable, Sendable {
    /// The property that the registry sets to the schema's version, where it is used.
    package static let versionProperty = "confluent:version"
    package static let reservedProperty = "confluent:reserved"

    /// Names of tags by path pattern.
    package var tags: [String: [String]]
    package var properties: [String: String]
    /// Names of properties whose values are secret.
    package var sensitive: [String]

    package init(tags: [String: [String]] = [:], properties: [String: String] = [:], sensitive: [String] = []) {
        self.tags = tags.mapValues(Self.sortedSet)
        self.properties = properties
        self.sensitive = Self.sortedSet(sensitive)
    }

    /// - Throws: `SchemaFailure` when `json` has another shape. Members that are unknown are left out.
    package init(_ json: JSONValue) throws(SchemaFailure) {
        guard let members = json.members else { throw SchemaFailure("metadata is an object") }
        var tags: [String: [String]] = [:]
        var properties: [String: String] = [:]
        var sensitive: [String] = []
        for (name, value) in members where value != .null {
            switch name {
            case "tags":
                guard let paths = value.members else { throw SchemaFailure("metadata.tags is an object") }
                for (path, names) in paths {
                    tags[path] = try Self.strings(names, "metadata.tags of '\(path)'")
                }
            case "properties":
                guard let pairs = value.members else { throw SchemaFailure("metadata.properties is an object") }
                for (key, value) in pairs where value != .null {
                    guard let text = value.scalarText else {
                        throw SchemaFailure("metadata property '\(key)' is a string")
                    }
                    properties[key] = text
                }
            case "sensitive": sensitive = try Self.strings(value, "metadata.sensitive")
            default: continue
            }
        }
        self.init(tags: tags, properties: properties, sensitive: sensitive)
    }

    private static func strings(_ value: JSONValue, _ what: String) throws(SchemaFailure) -> [String] {
        if value == .null { return [] }
        guard let elements = value.elements else { throw SchemaFailure("\(what) is an array of strings") }
        var strings: [String] = []
        for element in elements {
            guard let text = element.text else { throw SchemaFailure("\(what) is an array of strings") }
            strings.append(text)
        }
        return strings
    }

    private static func sortedSet(_ strings: [String]) -> [String] { Set(strings).sorted() }

    /// Without what is empty.
    package var json: JSONValue {
        var members: [(String, JSONValue)] = []
        if !tags.isEmpty {
            members.append(
                ("tags", .object(tags.sorted { $0.key < $1.key }.map { ($0, .array($1.map { .string($0) })) })))
        }
        if !properties.isEmpty {
            members.append(("properties", .object(properties.sorted { $0.key < $1.key }.map { ($0, .string($1)) })))
        }
        if !sensitive.isEmpty { members.append(("sensitive", .array(sensitive.map { .string($0) }))) }
        return .object(members)
    }

    package var version: String? { properties[Self.versionProperty] }

    /// The same with the version noted as a property.
    package func setting(version: Int32) -> SchemaMetadata {
        var copy = self
        copy.properties[Self.versionProperty] = String(version)
        return copy
    }

    /// The same without the version, which differs between versions of what is otherwise one schema.
    package var withoutVersion: SchemaMetadata {
        var copy = self
        copy.properties[Self.versionProperty] = nil
        return copy
    }

    /// Names of top-level fields that no version may use again.
    package var reservedFields: Set<String> {
        Set(
            (properties[Self.reservedProperty] ?? "").split(separator: ",").map { field in
                String(field.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
            }.filter { !$0.isEmpty })
    }

    /// Why a schema may not have this metadata after what was there before: fields that are reserved may not be used, nor
    /// be given back. In the words of the registry that validates fields.
    package static func reservedFieldConflicts(
        _ document: any SchemaDocument, _ metadata: SchemaMetadata?, after previous: SchemaMetadata?
    ) -> [String] {
        let reserved = metadata?.reservedFields ?? []
        let removed = (previous?.reservedFields ?? []).subtracting(reserved)
        return removed.sorted().map {
            "The new schema has reserved field \($0) removed from its metadata which is present in the old schema's "
                + "metadata."
        }
            + reserved.intersection(document.topLevelFields).sorted().map {
                "The new schema has field that conflicts with the reserved field \($0)."
            }
    }

    package var isEmpty: Bool { tags.isEmpty && properties.isEmpty && sensitive.isEmpty }

    /// Both together; where they name the same, `upper` holds.
    package static func merged(_ lower: SchemaMetadata?, _ upper: SchemaMetadata?) -> SchemaMetadata? {
        guard let lower, let upper else { return upper ?? lower }
        return SchemaMetadata(
            tags: lower.tags.merging(upper.tags) { $1 }, properties: lower.properties.merging(upper.properties) { $1 },
            sensitive: lower.sensitive + upper.sensitive)
    }
}

extension JSONValue {
    /// A string as it is; a number or truth value as its text, which Java's reader takes for strings too.
    package var scalarText: String? {
        switch self {
        case .string(let text): text
        case .number(let number): String(number)
        case .bool(let flag): flag ? "true" : "false"
        case .raw(let text): String(decoding: text, as: UTF8.self)
        default: nil
        }
    }
}
