package import Avro

/// An Avro schema in the registry.
package struct AvroDocument: SchemaDocument {
    package let schema: AvroSchema
    package let canonicalText: String

    /// - Throws: `SchemaFailure` when the text, or one of the references, is no Avro schema.
    package init(_ text: String, references: [ReferencedSchema], isNew: Bool) throws(SchemaFailure) {
        do throws(AvroError) {
            schema = try AvroSchema(text, references: references.map(\.text), checksDefaults: isNew)
        } catch {
            throw SchemaFailure(error.message)
        }
        canonicalText = schema.text(.canonical)
    }

    package var type: SchemaType { .avro }

    package func normalizedText() throws(SchemaFailure) -> String { schema.text(.normalized) }

    package func text(format: String) throws(SchemaFailure) -> String {
        // What a newer version may have is the default to the original.
        format == "resolved" ? schema.text(.resolved) : canonicalText
    }

    package func incompatibilities(
        reading writer: any SchemaDocument, policy: CompatibilityPolicy
    ) -> [Incompatibility] {
        guard let writer = writer as? AvroDocument else { return [.differentType] }
        var rules = AvroCompatibility(reader: schema, writer: writer.schema)
        return rules.check()
    }

    /// Whether a canonical text names an alias twice in one list, as those of earlier versions do where a schema named it by
    /// its full name and by its short one.
    package static func repeatsAlias(_ canonicalText: String) -> Bool {
        canonicalText.ranges(of: "\"aliases\":[").contains { list in
            let aliases = canonicalText[list.upperBound...].prefix { $0 != "]" }.split(separator: ",")
            return Set(aliases).count < aliases.count
        }
    }

    package var names: [String] { schema.names }

    package var topLevelFields: Set<String> {
        guard case .record(let record) = schema.type.kind else { return [] }
        return Set(record.fields.map(\.name))
    }
}
