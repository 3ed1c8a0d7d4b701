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
        switch format {
        case "": return canonicalText
        case "resolved": return schema.text(.resolved)
        default: throw SchemaFailure("\"\(format)\" is no format of Avro schemas; there is \"resolved\"")
        }
    }

    package func incompatibilities(
        reading writer: any SchemaDocument, policy: CompatibilityPolicy
    ) -> [Incompatibility] {
        guard let writer = writer as? AvroDocument else { return [.differentType] }
        var rules = AvroCompatibility(reader: schema, writer: writer.schema)
        return rules.check()
    }

    package var names: [String] { schema.names }
}
