import SchemaRules

/// A JSON Schema that was taken unread, for an import: only its text is known.
struct UncheckedDocument: SchemaDocument {
    let canonicalText: String

    /// - Throws: `SchemaFailure` when the text is no JSON.
    init(_ text: String) throws(SchemaFailure) { canonicalText = try JSONDocument.canonicalText(unchecked: text) }

    var type: SchemaType { .json }
    var names: [String] { [] }
    var topLevelFields: Set<String> { [] }

    func normalizedText() -> String { canonicalText }
    func text(format: String) -> String { canonicalText }

    /// Imports are not compared.
    func incompatibilities(
        reading writer: any SchemaDocument, policy: CompatibilityPolicy
    ) -> [Incompatibility] { [] }
}
