/// A mechanism of SASL that listeners may offer.
package enum SaslMechanism: String, CaseIterable, Hashable, Sendable {
    case plain = "PLAIN"
    case scramSHA256 = "SCRAM-SHA-256"
    case scramSHA512 = "SCRAM-SHA-512"
    case oauthBearer = "OAUTHBEARER"

    package var scram: ScramMechanism? {
        switch self {
        case .plain, .oauthBearer: nil
        case .scramSHA256: .sha256
        case .scramSHA512: .sha512
        }
    }
}

/// Why a client is not let in.
package struct SaslFailure: Error, Equatable, Sendable {
    /// For the log, without secrets.
    package var reason: String
    /// What the client is told; nil for the words that tell it nothing about users.
    package var words: String?

    package init(_ reason: String, words: String? = nil) {
        self.reason = reason
        self.words = words
    }
}

/// The server's side of one exchange, whichever mechanism it is of.
package struct SaslExchange: Sendable {
    package enum Step: Sendable, Equatable {
        /// The client is to answer.
        case challenge([UInt8])
        /// It is who it says, and is told `last`.
        case accepted(Principal, last: [UInt8])
        /// The password has to be checked, which may take a while.
        case check(user: String, password: String)
        /// The credential of a delegation token has to be made, which takes a while; `resume` takes it.
        case makeCredential(ofToken: String, ScramMechanism)
        /// It is who its token says, for so many milliseconds.
        case acceptedUntil(Principal, lifetimeMs: Int64)
        /// It has a delegation token, which counts for so many more milliseconds, and is told `last`.
        case acceptedByToken(Principal, last: [UInt8], lifetimeMs: Int64)
        /// It is not let in, and is told so; it answers once more, and `next` throws the reason.
        case refusing([UInt8], reason: String)
    }

    package let mechanism: SaslMechanism
    private let users: UserDirectory
    private let tokens: TokenValidator?
    private var scram: ScramServer?
    private var bearer: OAuthBearerServer?
    private var isOver = false

    /// - Parameters:
    ///   - nonce: the server's part, other than any before.
    ///   - tokens: what checks the tokens of OAUTHBEARER; without it nobody comes by that.
    package init(
        _ mechanism: SaslMechanism, _ users: UserDirectory, nonce: String = ScramServer.nonce(),
        tokens: TokenValidator? = nil
    ) {
        self.mechanism = mechanism
        self.users = users
        self.tokens = tokens
        scram = mechanism.scram.map { ScramServer($0, nonce: nonce) }
        bearer = mechanism == .oauthBearer ? tokens.map { OAuthBearerServer($0) } : nil
    }

    /// Takes what the client says next.
    package mutating func next(_ token: [UInt8]) throws(SaslFailure) -> Step {
        guard !isOver else { throw SaslFailure("the exchange is over") }
        if mechanism == .oauthBearer { return try nextOfBearer(token) }
        guard let text = String(validating: token, as: UTF8.self) else {
            isOver = true
            throw SaslFailure("the client's message is not UTF-8")
        }
        guard scram != nil else {
            isOver = true
            let message = try PlainMessage(text)
            return .check(user: message.user, password: message.password)
        }
        do throws(SaslFailure) {
            return try nextOfScram(text)
        } catch {
            isOver = true
            throw error
        }
    }

    private mutating func nextOfBearer(_ message: [UInt8]) throws(SaslFailure) -> Step {
        // Only a token that is not taken is followed by another message.
        isOver = true
        guard let tokens, var server = bearer else { throw SaslFailure("nothing here checks tokens") }
        let step = try server.next(message)
        bearer = server
        switch step {
        case .accepted(let token):
            return .acceptedUntil(token.principal, lifetimeMs: tokens.remaining(token))
        case .refused(let answer, let failure):
            isOver = false
            return .refusing(answer, reason: failure.reason)
        }
    }

    private mutating func nextOfScram(_ text: String) throws(SaslFailure) -> Step {
        guard var server = scram else { throw SaslFailure("there is no exchange of SCRAM") }
        defer { scram = server }
        if server.user == nil {
            let user = try server.begin(text)
            let credential =
                server.isByToken
                ? try credential(ofToken: user, server.mechanism) : users.credential(of: user, server.mechanism)
            guard let credential else { return .makeCredential(ofToken: user, server.mechanism) }
            return .challenge(Array(server.challenge(credential).utf8))
        }
        let last = Array(try server.finish(text).utf8)
        isOver = true
        let user = server.user ?? ""
        guard server.isByToken else { return .accepted(Principal(name: user), last: last) }
        // It may have been ended meanwhile.
        guard let (token, remainingMs) = users.delegationTokens?.valid(user) else { throw Self.noToken }
        return .acceptedByToken(token.owner, last: last, lifetimeMs: remainingMs)
    }

    /// Takes the credential that `makeCredential` asked for.
    package mutating func resume(_ credential: ScramCredential) throws(SaslFailure) -> Step {
        guard !isOver, var server = scram, server.isByToken else {
            throw SaslFailure("no credential of a delegation token was being made")
        }
        let challenge = server.challenge(credential)
        scram = server
        return .challenge(Array(challenge.utf8))
    }

    private static let noToken = SaslFailure("there is no delegation token of this id, or it is over")

    /// Ids cannot be guessed, so that it does no harm to say at once that there is none.
    ///
    /// - Returns: nil when the credential has to be made.
    private func credential(
        ofToken id: String, _ mechanism: ScramMechanism
    ) throws(SaslFailure) -> ScramCredential? {
        guard let tokens = users.delegationTokens else {
            throw SaslFailure("the client comes with a delegation token, and delegation.token.secret.key is not set")
        }
        guard tokens.valid(id) != nil else { throw Self.noToken }
        return tokens.knownCredential(of: id, mechanism)
    }
}

/// What a client of PLAIN says (RFC 4616): `[AUTHORIZED] NUL USER NUL PASSWORD`.
package struct PlainMessage: Equatable, Sendable {
    package var user: String
    package var password: String

    /// - Throws: with the words of upstream `PlainSaslServer`.
    package init(_ text: String) throws(SaslFailure) {
        let parts = text.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3 else {
            throw SaslFailure("a message of PLAIN has 3 parts, this one \(parts.count)")
        }
        guard !parts[1].isEmpty else { throw SaslFailure("no user in the message of PLAIN") }
        guard !parts[2].isEmpty else { throw SaslFailure("no password in the message of PLAIN") }
        guard parts[0].isEmpty || parts[0] == parts[1] else {
            throw SaslFailure(
                "the client asks to act for another user",
                words: "Authentication failed: Client requested an authorization id that is different from username")
        }
        user = parts[1]
        password = parts[2]
    }
}
