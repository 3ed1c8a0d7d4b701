/// Why something cannot be done to a cluster, although the cluster itself has not refused it.
package struct AdministrationFailure: Error, Sendable, CustomStringConvertible {
    /// Lowercase, no full stop.
    package var message: String
    /// What the user can do about it, when there is something to say.
    package var hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }

    package var description: String { message + (hint.map { " (\($0))" } ?? "") }
}
