import JSONFormat
package import JSONSchema

/// A JSON Schema as the registry keeps it.
package struct JSONDocument: SchemaDocument {
    /// Checks values against the schema.
    package let schema: JSONSchema
    package let canonicalText: String
    let model: JSONModel

    /// - Throws: `SchemaFailure` when the text is no JSON Schema, or refers to something that `references` do not have.
    package init(
        _ text: String, references: [ReferencedSchema] = [], isNew: Bool = false
    ) throws(SchemaFailure) {
        let root = try Self.read(text, "schema")
        var documents: [(String, JSONValue)] = []
        for reference in references {
            documents.append((reference.name, try Self.read(reference.text, "schema '\(reference.name)'")))
        }
        do throws(JSONSchemaError) {
            schema = try JSONSchema(root, references: documents)
        } catch {
            throw SchemaFailure("Invalid JSON Schema: \(error.description)")
        }
        canonicalText = String(decoding: root.javaBytes(), as: UTF8.self)
        model = try JSONModel(schema)
        if isNew { try checkNames() }
    }

    private static func read(_ text: String, _ what: String) throws(SchemaFailure) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue.read(text, duplicates: .last)
        } catch {
            throw SchemaFailure("Invalid JSON \(what): \(error.description)")
        }
    }

    /// `$$` is reserved in the names of properties.
    private func checkNames() throws(SchemaFailure) {
        guard case .object(let rules)? = model.nodes.first?.shape else { return }
        if let name = rules.properties.first(where: { $0.name.text.hasPrefix("$$") })?.name.text {
            throw SchemaFailure("Field names cannot start with $$ prefix: #/properties/\(name)")
        }
    }

    package var type: SchemaType { .json }

    package func normalizedText() -> String { String(decoding: schema.root.javaBytes(isSorted: true), as: UTF8.self) }

    package func text(format: String) throws(SchemaFailure) -> String {
        guard format.isEmpty else {
            throw SchemaFailure("JSON schemas have no format '\(format)', only the default one")
        }
        return canonicalText
    }

    /// The schema's title, which is what a record name strategy goes by.
    package var names: [String] { schema.root["title"]?.text.map { [$0] } ?? [] }

    /// The names of the properties of the whole, for rules about names.
    package var propertyNames: [String] {
        guard case .object(let rules)? = model.nodes.first?.shape else { return [] }
        return rules.properties.map(\.name.text)
    }

    package func incompatibilities(
        reading writer: any SchemaDocument, policy: CompatibilityPolicy
    ) -> [Incompatibility] {
        guard let writer = writer as? JSONDocument else {
            return [
                Incompatibility(kind: "TYPE_CHANGED", path: "#/", description: "the schemas are of different types")
            ]
        }
        return differences(from: writer, policy: policy).filter { !$0.kind.isCompatible(policy) }.map(\.incompatibility)
    }

    /// All differences, compatible ones as well.
    func differences(from original: JSONDocument, policy: CompatibilityPolicy) -> [JSONDifference] {
        var comparison = JSONComparison(original: original.model, update: model, policy: policy)
        return comparison.run()
    }

    /// What is wrong about the names that the metadata property `confluent:reserved` keeps free, a list with commas:
    /// none may be dropped, and no property may have one.
    ///
    /// - Parameters:
    ///   - reserved: of this schema.
    ///   - earlier: of the schema that was there before.
    package func reservedIncompatibilities(reserved: String?, earlier: String?) -> [Incompatibility] {
        func names(_ list: String?) -> [String] {
            (list ?? "").split(separator: ",").map { part in
                var part = part
                while let first = part.first, first.isWhitespace { part.removeFirst() }
                while let last = part.last, last.isWhitespace { part.removeLast() }
                return String(part)
            }.filter { !$0.isEmpty }
        }
        let now = Set(names(reserved))
        var found = names(earlier).filter { !now.contains($0) }.map {
            JSONDifference(kind: .reservedPropertyRemoved, path: $0)
        }
        found += propertyNames.filter(now.contains).map {
            JSONDifference(kind: .reservedPropertyConflicts, path: "#/properties/\($0)")
        }
        return found.map(\.incompatibility)
    }
}

extension JSONDifference {
    var incompatibility: Incompatibility {
        Incompatibility(kind: kind.rawValue, path: path, description: kind.sentence(path))
    }
}
