import JSONFormat
package import SchemaRules

/// A schema as the registry keeps it: once, however many subjects have it. Never changes.
package final class StoredSchema: Sendable {
    package let type: SchemaType
    /// The canonical text, as UTF-8.
    package let text: [UInt8]
    package let references: [StoredReference]
    package let metadata: SchemaMetadata?
    package let ruleSet: SchemaRuleSet?
    package let identity: SchemaIdentity

    package init(
        type: SchemaType, text: [UInt8], references: [StoredReference] = [], metadata: SchemaMetadata? = nil,
        ruleSet: SchemaRuleSet? = nil
    ) {
        self.type = type
        self.text = text
        self.references = references
        self.metadata = metadata
        self.ruleSet = ruleSet
        identity = SchemaIdentity(text: text, references: references, metadata: metadata, ruleSet: ruleSet)
    }

    package var string: String { String(decoding: text, as: UTF8.self) }

    /// The text as a JSON string.
    var quotedText: JSONValue {
        var quoted: [UInt8] = []
        quoted.reserveCapacity(text.count + text.count / 4 + 2)
        JSONText.quote(text, to: &quoted)
        return .raw(quoted)
    }
}

extension StoredSchema: Equatable {
    package static func == (a: StoredSchema, b: StoredSchema) -> Bool {
        a === b || (a.type == b.type && a.identity == b.identity && a.text == b.text)
    }
}
