import Crypto
import Synchronization

/// The users that a broker knows by their SCRAM credentials, and how their passwords are checked, by whichever protocol they
/// come.
///
/// One list for all: a SCRAM credential also tells whether a password that came as such, by PLAIN or HTTP, is right. That
/// check is slow on purpose; one that succeeded is remembered for a minute, as a keyed hash, so that the next call with the
/// same password is cheap.
package final class UserDirectory: Sendable {
    private struct State {
        var credentials: [ScramCredentialKey: ScramCredential] = [:]
        /// Numbers of iterations that credentials have, by mechanism, sorted.
        var iterationCounts: [ScramMechanism: [Int32]] = [:]
        /// Rises with every change, which forgets all that is remembered.
        var revision: UInt64 = 0
        /// When what was remembered is forgotten.
        var remembered: [[UInt8]: ContinuousClock.Instant] = [:]
    }

    private static let rememberedCountMax = 4096
    private static let rememberedFor = Duration.seconds(60)
    /// Longest password that is looked at.
    private static let passwordByteCountMax = 4096

    private let state = Mutex(State())
    /// Of this process alone: what is remembered is kept under it.
    private let secret = SymmetricKey(size: .bits256)
    /// What made-up credentials come from.
    private let maker: SymmetricKey
    private let now: @Sendable () -> ContinuousClock.Instant

    /// Who comes with a token in place of a password; nil where there are none.
    package let delegationTokens: DelegationTokens?

    /// Bytes of a secret for made-up credentials.
    package static let makerByteCount = 32

    /// - Parameter maker: what credentials of users that there are not are made of. Nobody else may know it, and it stays with
    ///   the users: with another one after a restart their salts would change, and so tell them from those that there are.
    ///   nil makes one up.
    package init(
        maker: [UInt8]? = nil, delegationTokens: DelegationTokens? = nil,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.delegationTokens = delegationTokens
        self.maker = SymmetricKey(data: maker ?? randomBytes(Self.makerByteCount))
        self.now = now
    }

    /// Takes over another list.
    package func replace(_ credentials: [ScramCredentialKey: ScramCredential]) {
        var counts: [ScramMechanism: Set<Int32>] = [:]
        for (key, credential) in credentials { counts[key.mechanism, default: []].insert(credential.iterationCount) }
        state.withLock { state in
            state.credentials = credentials
            state.iterationCounts = counts.mapValues { $0.sorted() }
            state.revision += 1
            state.remembered = [:]
        }
    }

    /// The credential of a user. For one that there is not it is made up, the same each time, and no password fits it: nobody
    /// is to learn by asking which users there are.
    func credential(of user: String, _ mechanism: ScramMechanism) -> ScramCredential {
        let (found, counts) = state.withLock {
            ($0.credentials[ScramCredentialKey(user: user, mechanism: mechanism)], $0.iterationCounts[mechanism])
        }
        if let found { return found }
        let made = Array(HMAC<SHA512>.authenticationCode(for: Array("\(mechanism.name) \(user)".utf8), using: maker))
        var count = ScramMechanism.iterationCounts.lowerBound
        if let counts, let first = made.last, !counts.isEmpty { count = counts[Int(first) % counts.count] }
        return ScramCredential(
            salt: Array(made.prefix(24)), storedKey: randomBytes(mechanism.digest([]).count),
            serverKey: randomBytes(mechanism.digest([]).count), iterationCount: count)
    }

    // MARK: Passwords

    /// Whether the password is known to be right without a slow check.
    func remembers(_ user: String, _ password: String) -> Bool {
        let moment = now()
        return state.withLock { state in
            guard !state.remembered.isEmpty else { return false }
            return state.remembered[tag(user, password, state.revision)].map { $0 > moment } ?? false
        }
    }

    /// Checks a password against the credentials of a user, or does what takes as long for a user without any.
    func accepts(_ user: String, _ password: String) -> Bool {
        guard password.utf8.count <= Self.passwordByteCountMax else { return false }
        if remembers(user, password) { return true }
        let revision = state.withLock { $0.revision }
        let bytes = Array(password.utf8)
        var isRight = false
        // All of them, made up ones for those that there are not: the time does not tell who is known by which.
        for mechanism in ScramMechanism.allCases where credential(of: user, mechanism).accepts(bytes, mechanism) {
            isRight = true
        }
        guard isRight else { return false }
        remember(user, password, revision)
        return true
    }

    private func remember(_ user: String, _ password: String, _ revision: UInt64) {
        let moment = now()
        state.withLock { state in
            guard state.revision == revision else { return }
            if state.remembered.count >= Self.rememberedCountMax {
                state.remembered = state.remembered.filter { $0.value > moment }
                if state.remembered.count >= Self.rememberedCountMax { state.remembered = [:] }
            }
            state.remembered[tag(user, password, revision)] = moment + Self.rememberedFor
        }
    }

    private func tag(_ user: String, _ password: String, _ revision: UInt64) -> [UInt8] {
        Array(
            HMAC<SHA256>.authenticationCode(for: Array("\(revision) \(user)\0\(password)".utf8), using: secret))
    }
}

/// The users of one listener, or of all: those of a configuration file, with their passwords, and those of the directory.
package struct UserCheck: PasswordCheck {
    package let directory: UserDirectory
    /// Passwords of the file's users; a user of several listeners may have several.
    private let listed: [[UInt8]: [String]]

    /// - Parameter listed: users of configuration files, with their passwords.
    package init(_ directory: UserDirectory, listed: [[String: String]] = []) {
        self.directory = directory
        var all: [[UInt8]: [String]] = [:]
        for users in listed {
            for (user, password) in users { all[Array(user.utf8), default: []].append(password) }
        }
        self.listed = all
    }

    /// Who it is when that can be said at once; nil says nothing.
    package func quickPrincipal(user: String, password: String) -> Principal? {
        let given = Array(password.utf8)
        // All are compared, so that the time does not tell which it was.
        let isListed = (listed[Array(user.utf8)] ?? []).reduce(false) { isSame(Array($1.utf8), given) || $0 }
        return isListed || directory.remembers(user, password) ? Principal(name: user) : nil
    }

    package func principal(user: String, password: String) -> Principal? {
        guard !user.isEmpty, !password.isEmpty else { return nil }
        if let quick = quickPrincipal(user: user, password: password) { return quick }
        return directory.accepts(user, password) ? Principal(name: user) : nil
    }
}
