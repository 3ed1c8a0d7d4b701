import ConnectCore

/// Why a statement was not carried out, by what is to be done about it.
struct SnowflakeFailure: Error, Sendable {
    enum Kind: Sendable, Equatable {
        /// The session may be gone, and whether the statement was carried out is not known: begin anew with another.
        case transient
        /// A value of a row does not fit its column.
        case row
        /// What the statement names is not there, or may not be seen.
        case missing
        /// It is there already.
        case exists
        /// The offsets in the table are not those that were expected: another task has written them.
        case fenced
        /// The table of offsets has less of partitions than this task has committed. With the offsets from which they have to be
        /// read again.
        case behind([SinkPartition: Int64])
        case permanent
    }

    var kind: Kind
    var message: String
    /// Snowflake's number of the error; empty when the failure is none of a statement.
    var code = ""

    init(_ kind: Kind, _ message: String, code: String = "") {
        self.kind = kind
        self.message = message
        self.code = code
    }

    /// Of an answer that says `success: false`.
    ///
    /// - Parameter what: what was to be done, for people.
    init(code: String, state: String, message: String, what: String) {
        let number = Int(code) ?? 0
        switch number {
        // Tokens that are no longer good, sessions that are gone.
        case 390_104, 390_108, 390_110...390_115, 390_195, 390_302, 390_303: kind = .transient
        // An internal error, a canceled query, a deadlock, a lock that was not to be had, a timeout, a service that is busy.
        case 603, 604, 625, 628, 630, 639, 57_014: kind = .transient
        case 1430, 2002: kind = .exists
        case 2003, 2043: kind = message.contains("already exists") ? .exists : .missing
        case 100_000..<101_000: kind = .row
        default: kind = state.hasPrefix("22") || state.hasPrefix("23") ? .row : .permanent
        }
        self.code = code
        self.message = "\(what): Snowflake answered \(code) (\(state)): \(message.prefix(600))"
        if kind == .permanent, let hint = Self.hint(number) { self.message += "; \(hint)" }
    }

    private static func hint(_ code: Int) -> String? {
        switch code {
        case 606:
            "name a warehouse in snowflake.warehouse.name, or give the user one: ALTER USER ... SET DEFAULT_WAREHOUSE"
        case 3001: "grant the role of snowflake.role.name what it needs"
        case 390_100, 390_144:
            "check snowflake.user.name and that its RSA_PUBLIC_KEY is the one of snowflake.private.key, and the clock"
        case 390_189, 390_186: "check snowflake.role.name and that the role is granted to the user"
        default: nil
        }
    }

    /// In Connect's terms.
    var connectError: ConnectError { ConnectError(kind == .transient ? .retriable : .connect, message) }
}
