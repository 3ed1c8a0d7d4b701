/// The formats of schemas that the registry keeps, by the names its API has for them.
package enum SchemaType: String, Sendable, Hashable, CaseIterable {
    case avro = "AVRO"
    case json = "JSON"
    case protobuf = "PROTOBUF"
}

/// A schema that was read, with all that it refers to: what the registry stores, prints and compares.
///
/// Pure values: nothing here reads a topic, a clock or a network.
package protocol SchemaDocument: Sendable {
    var type: SchemaType { get }

    /// The text that is stored, answered and hashed: Java's `ParsedSchema.canonicalString()`.
    var canonicalText: String { get }

    /// The text that two ways to write the same schema have in common: Java's `ParsedSchema.normalize()`.
    func normalizedText() throws(SchemaFailure) -> String

    /// The text in one of the formats of the `format` query parameter: "" is `canonicalText`; Avro has "resolved",
    /// Protobuf "serialized" and "ignore_extensions".
    ///
    /// A format that newer versions may have is the default to Avro and Protobuf.
    ///
    /// - Throws: `SchemaFailure` for any but the default of a JSON Schema.
    func text(format: String) throws(SchemaFailure) -> String

    /// Why this schema cannot read what was written with `writer`; empty when it can. Both are of the same type.
    func incompatibilities(reading writer: any SchemaDocument, policy: CompatibilityPolicy) -> [Incompatibility]

    /// The full names of the records, messages or titles that the schema defines, the main one first: what a subject
    /// name strategy and a search by name go by.
    var names: [String] { get }

    /// The names of the fields at the top, which the metadata can reserve: of the record, of the object's properties, of
    /// all messages that are not inside others.
    var topLevelFields: Set<String> { get }
}

/// How strict the rules of JSON Schema are (`compatibilityPolicy` of the registry's configuration); the other formats
/// have one policy only.
package enum CompatibilityPolicy: String, Sendable, Hashable, CaseIterable {
    case strict = "STRICT"
    case lenient = "LENIENT"
}

/// One schema that another one refers to: `name` is how the referring text calls it (an Avro full name, an import path,
/// a `$ref` address), `text` its canonical text.
package struct ReferencedSchema: Sendable, Hashable {
    package var name: String
    package var subject: String
    package var version: Int32
    package var text: String

    package init(name: String, subject: String, version: Int32, text: String) {
        self.name = name
        self.subject = subject
        self.version = version
        self.text = text
    }
}

/// A schema text that cannot be used, or a question to it that it cannot answer.
package struct SchemaFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong, where in the text (line and column, or a path), and what would be right.
    package var message: String

    package init(_ message: String) { self.message = message }

    package var description: String { message }
}
