/// What is wrong with a schema, with bytes or with a value.
package struct AvroError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The text is no Avro schema.
        case invalidSchema
        /// The reader's schema cannot read what the writer's schema wrote.
        case unresolvable
        /// The bytes, or the JSON text, are not what the schema says.
        case malformed
        /// A value does not fit the schema it should be written with.
        case unfit
        /// A limit of ours, not of the format: nesting, elements without bytes, what a column can hold.
        case tooLarge
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    /// Nesting beyond this is refused in schemas and in data: it is followed by calls that nest as deep.
    package static let depthMax = 512

    static func tooDeep(_ what: String) -> AvroError {
        AvroError(.tooLarge, "\(what) is nested more than \(depthMax) levels deep")
    }
}
