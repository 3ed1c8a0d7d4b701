import JSONFormat
package import JSONSchema

/// A JSON Schema as the registry keeps it.
package struct JSONDocument: SchemaDocument {
    /// Checks values against the schema.
    package let schema: JSONSchema
    package let canonicalText: String
    let model: JSONModel

    /// - Throws: `SchemaFailure` when the text is no JSON Schema, or refers to something that `references` do not have.
    package init(_ text: String, references: [ReferencedSchema] = []) throws(SchemaFailure) {
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
    }

    /// The canonical text of a schema of which nothing is known but that it is JSON.
    ///
    /// - Throws: `SchemaFailure` when it is not.
    package static func canonicalText(unchecked text: String) throws(SchemaFailure) -> String {
        String(decoding: try read(text, "schema").javaBytes(), as: UTF8.self)
    }

    private static func read(_ text: String, _ what: String) throws(SchemaFailure) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue.read(text, duplicates: .last)
        } catch {
            throw SchemaFailure("Invalid JSON \(what): \(error.description)")
        }
    }

    /// `$$` is reserved in the names of properties, where fields are validated.
    ///
    /// - Throws: `SchemaFailure` in the original's words.
    package func checkNames() throws(SchemaFailure) {
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

    package var topLevelFields: Set<String> {
        guard case .object(let rules)? = model.nodes.first?.shape else { return [] }
        return Set(rules.properties.map(\.name.text))
    }

    package func incompatibilities(
        reading writer: any SchemaDocument, policy: CompatibilityPolicy
    ) -> [Incompatibility] {
        guard let writer = writer as? JSONDocument else {
            return [.differentType]
        }
        return differences(from: writer, policy: policy).filter { !$0.kind.isCompatible(policy) }.map(\.incompatibility)
    }

    /// All differences, compatible ones as well.
    func differences(from original: JSONDocument, policy: CompatibilityPolicy) -> [JSONDifference] {
        var comparison = JSONComparison(original: original.model, update: model, policy: policy)
        return comparison.run()
    }
}

extension JSONDifference {
    var incompatibility: Incompatibility {
        Incompatibility(
            kind: kind.rawValue, path: path, description: kind.sentence(path, reader: "new", writer: "old"),
            reversedDescription: kind.sentence(path, reader: "old", writer: "new"), quote: "\"")
    }
}
