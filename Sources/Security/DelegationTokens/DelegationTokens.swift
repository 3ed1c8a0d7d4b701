import Bytes
import Crypto
import Synchronization

/// The delegation tokens of a broker, and how clients come by them: by SCRAM, with the token's id as name and its HMAC in
/// Base64 as password.
///
/// - SeeAlso: upstream `DelegationTokenCache`, `DelegationTokenManager`.
package final class DelegationTokens: Sendable {
    private struct State {
        var tokens: [String: DelegationToken] = [:]
        /// Ids by digests of HMACs: what a client sends is looked up without a comparison that could be timed.
        var ids: [[UInt8]: String] = [:]
        /// Of tokens that somebody has come by: to make one takes milliseconds.
        var credentials: [ScramCredentialKey: ScramCredential] = [:]
    }

    private let key: SymmetricKey
    private let now: @Sendable () -> Int64
    private let state = Mutex(State())

    /// - Parameters:
    ///   - secret: `delegation.token.secret.key`; with another one all tokens have other HMACs.
    ///   - now: milliseconds since 1970.
    package init(secret: String, now: @escaping @Sendable () -> Int64) {
        key = SymmetricKey(data: Array(secret.utf8))
        self.now = now
    }

    /// What shows that somebody has the token: 64 bytes, as upstream's `DelegationTokenManager.createHmac` makes them.
    package func hmac(of id: String) -> [UInt8] {
        Array(HMAC<SHA512>.authenticationCode(for: Array(id.utf8), using: key))
    }

    /// Takes over other tokens.
    package func replace(_ tokens: some Collection<DelegationToken>) {
        let hashed = tokens.map { (digest(hmac(of: $0.id)), $0) }
        state.withLock { state in
            state = State()
            for (digest, token) in hashed {
                state.tokens[token.id] = token
                state.ids[digest] = token.id
            }
        }
    }

    /// Takes a new token, or one that was renewed.
    package func set(_ token: DelegationToken) {
        let digest = digest(hmac(of: token.id))
        state.withLock { state in
            state.tokens[token.id] = token
            state.ids[digest] = token.id
        }
    }

    package func remove(_ ids: some Collection<String>) {
        let removed = ids.map { (digest(hmac(of: $0)), $0) }
        state.withLock { state in
            for (digest, id) in removed {
                state.tokens[id] = nil
                state.ids[digest] = nil
                for mechanism in ScramMechanism.allCases {
                    state.credentials[ScramCredentialKey(user: id, mechanism: mechanism)] = nil
                }
            }
        }
    }

    /// The token of an HMAC, also one that is over.
    package func token(hmac: [UInt8]) -> DelegationToken? {
        let digest = digest(hmac)
        return state.withLock { state in state.ids[digest].flatMap { state.tokens[$0] } }
    }

    private func digest(_ hmac: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: hmac)) }

    // MARK: Coming by one

    /// The token of an id and how much longer it counts; nil where there is none or it is over.
    func valid(_ id: String) -> (token: DelegationToken, remainingMs: Int64)? {
        let moment = now()
        guard let token = state.withLock({ $0.tokens[id] }), !token.isOver(at: moment) else { return nil }
        return (token, max(0, min(token.expiresAt, token.endsAt) - moment))
    }

    /// The credential of a token that somebody has come by; nil where `credential` has to make it.
    func knownCredential(of id: String, _ mechanism: ScramMechanism) -> ScramCredential? {
        state.withLock { $0.credentials[ScramCredentialKey(user: id, mechanism: mechanism)] }
    }

    /// What a client proves that it has the token by. Takes milliseconds the first time: not for event loops.
    package func credential(of id: String, _ mechanism: ScramMechanism) -> ScramCredential {
        if let known = knownCredential(of: id, mechanism) { return known }
        let place = ScramCredentialKey(user: id, mechanism: mechanism)
        let salt = ScramCredential.randomSalt()
        let count = ScramMechanism.iterationCounts.lowerBound
        let password = Array(Base64.encode(hmac(of: id)).utf8)
        let made = ScramCredential(
            saltedPassword: mechanism.salted(password, salt, Int(count)), salt: salt, iterationCount: count, mechanism)
        return state.withLock { state in
            // Another client may have been quicker, and is being asked by that one.
            if let found = state.credentials[place] { return found }
            if state.tokens[id] != nil { state.credentials[place] = made }
            return made
        }
    }
}
