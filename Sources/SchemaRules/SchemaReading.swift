extension SchemaType {
    /// Reads a schema text of this type.
    ///
    /// - Parameters:
    ///   - references: everything the text refers to, directly or through others; what is referred to comes before what
    ///     refers to it, each once.
    ///   - isNew: whether the checks for newly registered schemas apply (in Avro: that defaults fit their types), which
    ///     schemas that a topic already holds may fail.
    /// - Throws: `SchemaFailure` when the text is no schema of this type.
    package func read(
        _ text: String, references: [ReferencedSchema] = [], isNew: Bool = false
    ) throws(SchemaFailure) -> any SchemaDocument {
        switch self {
        case .avro: try AvroDocument(text, references: references, isNew: isNew)
        case .json: try JSONDocument(text, references: references)
        case .protobuf: try ProtobufDocument(text, references: references, isNew: isNew)
        }
    }
}
