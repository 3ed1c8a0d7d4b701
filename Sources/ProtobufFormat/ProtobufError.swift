/// What is wrong with a `.proto` text, a descriptor, or a value that does not fit its message.
///
/// Malformed bytes of a message are a `WireError`; this is for what people write.
package struct ProtobufError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The text is not `.proto`, or the bytes are no descriptor.
        case syntax
        /// A type or an import that nobody defines.
        case unresolved
        /// Well-formed, but against a rule: two fields with one number, an import cycle, nesting that is too deep.
        case invalid
        /// A value that the field it is meant for cannot hold.
        case value
    }

    package var code: Code
    package var message: String
    /// Where in the text; nil when the complaint is about no single place.
    package var position: TextPosition?

    package init(_ code: Code, _ message: String, at position: TextPosition? = nil) {
        self.code = code
        self.message = message
        self.position = position
    }

    package var description: String { position.map { "\($0): \(message)" } ?? message }
}

/// A place in a text for people: both count from 1, columns in bytes.
package struct TextPosition: Hashable, Sendable, CustomStringConvertible {
    package var line: Int32
    package var column: Int32

    package init(line: Int32, column: Int32) {
        self.line = line
        self.column = column
    }

    package var description: String { "line \(line), column \(column)" }
}
