/// Why a text is no JSON Schema that can be used.
package struct JSONSchemaError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The text is no JSON.
        case notJSON
        /// A keyword has a value that it cannot have.
        case keyword
        /// A reference leads nowhere.
        case reference
        /// Nested too deep, or more than can be worked with.
        case tooLarge
    }

    package var code: Code
    /// What is wrong: "expected an object but found a number".
    package var message: String
    /// Where in the schema, as an address: `#/properties/a/type`.
    package var location: String

    package init(_ code: Code, _ message: String, at location: String) {
        self.code = code
        self.message = message
        self.location = location
    }

    package var description: String { location.isEmpty ? message : "\(message) at \(location)" }
}
