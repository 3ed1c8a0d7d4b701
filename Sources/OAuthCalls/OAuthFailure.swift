/// Why there is no token.
package struct OAuthFailure: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// Settings that have no meaning.
        case invalidSettings
        /// There was no answer, or one that says to come again.
        case unreachable
        /// The endpoint does not know the client, or gives it no token.
        case refused
        /// What answered is none that gives tokens.
        case notUnderstood
    }

    package var kind: Kind
    /// Without secrets.
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
