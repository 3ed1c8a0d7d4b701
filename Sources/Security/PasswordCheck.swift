/// Knows the users of one list, whichever port they come to.
package protocol PasswordCheck: Sendable {
    /// Whether `password` is the one of `user`. May take milliseconds of a processor, as stored passwords are slow to
    /// try; so it is not called on an event loop.
    ///
    /// - Returns: who that is; nil for an unknown user as for a wrong password, which nobody is to tell apart.
    func principal(user: String, password: String) -> Principal?
}
