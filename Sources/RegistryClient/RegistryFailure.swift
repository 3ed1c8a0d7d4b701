/// Why the registry did not do what it was asked.
package struct RegistryFailure: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Hashable {
        /// None of the addresses could be reached, or the answer did not come in time.
        case unreachable
        /// The registry refused; `code` is its error code (40401: no such subject), or the HTTP status where its answer has
        /// none.
        case refused(status: Int, code: Int)
        /// Something answered that is no schema registry.
        case notUnderstood
        /// A registry answered a schema of a type that is not known here.
        case unknownType
    }

    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// The registry's error code; nil when it did not answer one.
    package var code: Int? {
        if case .refused(_, let code) = kind { code } else { nil }
    }

    /// Subject, version or schema is not there.
    package var isNotFound: Bool { code.map { (40401...40409).contains($0) } ?? false }

    package var description: String { message }
}
