/// Why bytes are no row, a row has no bytes, or a schema and columns do not go together.
package struct FormatError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The bytes of one record cannot be read; others may be.
        case deserialization
        /// One row cannot be written.
        case serialization
        /// The columns or the schema cannot be had in the format at all.
        case schema
        /// The registry has no such schema, or there is no registry.
        case registry
        /// The registry did not answer: the same bytes may be read, or the row written, later.
        case unavailable
    }

    package var code: Code
    /// In ksqlDB's words where it has any.
    package var message: String
    /// What led to it, the nearest first: `cause` of the processing log.
    package var causes: [String]

    package init(_ code: Code, _ message: String, causes: [String] = []) {
        self.code = code
        self.message = message
        self.causes = causes
    }

    package var description: String { message }
}
