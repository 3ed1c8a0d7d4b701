/// Why a regular expression cannot be used.
package struct PatternError: Error, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The text is no regular expression of RE2's syntax.
        case syntax
        /// Matching took more steps than the caller allows.
        case tooComplex
    }

    package var code: Code
    /// What is wrong and where: "missing closing ): `(a`".
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
