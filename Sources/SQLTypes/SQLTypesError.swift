/// Why a value or a text of SQL's types cannot be used. Messages are ksqlDB's own words where clients see them.
package struct SQLTypesError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// A text is not what it should be: a number, a date, a pattern, a type.
        case invalidText
        /// A number does not fit its type.
        case overflow
        /// The types do not allow what was asked for.
        case unsupported
        /// Division by zero, or a result that is not exact where it must be.
        case arithmetic
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
