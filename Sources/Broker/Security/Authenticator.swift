import KafkaMessages
import NIOCore
import Security

/// What one connection of a listener with SASL has shown of who its client is: the states of upstream
/// `SaslServerAuthenticator`, without sockets or clocks.
///
/// handshake -> exchange (-> checking, or -> preparing -> exchange) -> authenticated -> (handshake, for another session) ...
struct Authenticator {
    /// What is to be done with a request.
    enum Admission: Equatable {
        /// It is one like any other.
        case admitted
        /// It is about who the client is: `handshake` or `authenticate` takes it.
        case authentication
        /// The connection is to be closed.
        case refused(String)
    }

    enum Outcome {
        case answer(SaslAuthenticateResponse)
        /// `checked` is to be called with what came out.
        case check(user: String, password: String)
        /// `prepared` is to be called with the credential of the delegation token.
        case makeCredential(ofToken: String, ScramMechanism)
        /// The client is refused, and has the last word before it is told: `authenticate` takes it.
        case refusing(SaslAuthenticateResponse, reason: String)
        /// The answer is sent after a delay, then the connection is closed.
        case refused(SaslAuthenticateResponse, reason: String)
    }

    private enum State {
        case handshake
        case exchange(SaslExchange)
        case checking(SaslMechanism)
        case preparing(SaslExchange)
        case authenticated
        case refused
    }

    private let settings: SaslSettings
    private let users: UserDirectory
    private let tokens: TokenValidator?
    private var state = State.handshake
    /// The session that there is: it goes on until the next one begins, or its end.
    private var session:
        (principal: Principal, mechanism: SaslMechanism, began: NIODeadline, end: NIODeadline?, isByToken: Bool)?

    /// - Parameter tokens: what checks tokens; nil where none are taken.
    init(_ settings: SaslSettings, _ users: UserDirectory, tokens: TokenValidator? = nil) {
        self.settings = settings
        self.users = users
        self.tokens = tokens
    }

    /// Who the client is; nil before it is known.
    var principal: Principal? { session?.principal }
    /// Whether the client showed a delegation token.
    var isByToken: Bool { session?.isByToken ?? false }
    /// The mechanism that is being used, for counters.
    private(set) var mechanism: SaslMechanism?
    var isAuthenticated: Bool { if case .authenticated = state { true } else { false } }

    /// Whether a session was there before: KIP-368.
    private var isAnew: Bool { session != nil }

    func admission(of apiKey: ApiKey, now: NIODeadline) -> Admission {
        switch state {
        case .handshake where !isAnew:
            return switch apiKey {
            case .apiVersions: .admitted
            case .saslHandshake, .saslAuthenticate: .authentication
            default: .refused("unexpected Kafka request of type \(apiKey.name) during SASL handshake")
            }
        case .authenticated:
            guard let session else { return .refused("there is no session") }
            guard apiKey == .saslHandshake else {
                if let end = session.end, now >= end {
                    return .refused("the session ended, and the client did not authenticate anew")
                }
                return apiKey == .saslAuthenticate ? .authentication : .admitted
            }
            return .authentication
        case .handshake, .exchange, .checking, .preparing:
            return apiKey == .saslAuthenticate || apiKey == .saslHandshake
                ? .authentication
                : .refused("unexpected Kafka request of type \(apiKey.name) during SASL authentication")
        case .refused: return .refused("the client was refused")
        }
    }

    /// - Returns: the answer, and why the connection is to be closed after it; nil when it is not.
    mutating func handshake(
        _ name: String, version: Int16, now: NIODeadline
    ) -> (SaslHandshakeResponse, refusal: String?) {
        let offered = settings.mechanisms.map(\.rawValue)
        func answer(_ code: ErrorCode) -> SaslHandshakeResponse {
            SaslHandshakeResponse(errorCode: code.rawValue, mechanisms: offered)
        }
        switch state {
        case .handshake: break
        case .authenticated:
            // Without an end of sessions there is nothing to do anew; and not more often than once a second.
            guard let session, session.end != nil, now - session.began >= .seconds(1) else {
                return (answer(.illegalSaslState), nil)
            }
        case .exchange, .checking, .preparing, .refused:
            state = .refused
            return (answer(.illegalSaslState), "a handshake of SASL in the middle of another")
        }
        guard version >= 1 else {
            state = .refused
            return (
                answer(.unsupportedVersion),
                "SaslHandshake of version 0, behind which messages come without headers; version 1 is offered"
            )
        }
        guard let mechanism = SaslMechanism(rawValue: name), settings.mechanisms.contains(mechanism) else {
            state = .refused
            // What the client sent goes into the log, so not more of it than a name can have.
            let shown = String(name.filter { $0.isASCII && !$0.isNewline }.prefix(40))
            return (
                answer(.unsupportedSaslMechanism),
                "unsupported SASL mechanism '\(shown)'; \(offered.joined(separator: ", ")) are offered"
            )
        }
        self.mechanism = mechanism
        if let session, session.mechanism != mechanism {
            state = .refused
            return (
                answer(.none),
                "SASL mechanism '\(mechanism.rawValue)' requested by client is not supported for re-authentication of "
                    + "mechanism '\(session.mechanism.rawValue)'"
            )
        }
        state = .exchange(SaslExchange(mechanism, users, tokens: tokens))
        return (answer(.none), nil)
    }

    /// Takes the next message of the exchange.
    mutating func authenticate(_ token: [UInt8], now: NIODeadline) -> Outcome {
        guard case .exchange(var exchange) = state else {
            let isLater = isAuthenticated
            if !isLater { state = .refused }
            let response = SaslAuthenticateResponse(
                errorCode: ErrorCode.illegalSaslState.rawValue,
                errorMessage: isLater
                    ? "SaslAuthenticate request received after successful authentication"
                    : "SaslAuthenticate request received before SaslHandshake")
            return isLater ? .answer(response) : .refused(response, reason: "SaslAuthenticate before SaslHandshake")
        }
        return advance(&exchange, now) { exchange throws(SaslFailure) in try exchange.next(token) }
    }

    private mutating func advance(
        _ exchange: inout SaslExchange, _ now: NIODeadline,
        _ next: (inout SaslExchange) throws(SaslFailure) -> SaslExchange.Step
    ) -> Outcome {
        do throws(SaslFailure) {
            let step = try next(&exchange)
            state = .exchange(exchange)
            switch step {
            case .challenge(let bytes):
                return .answer(SaslAuthenticateResponse(errorMessage: nil, authBytes: ByteBuffer(bytes: bytes)))
            case .accepted(let principal, let last): return accept(principal, exchange.mechanism, last, now)
            case .check(let user, let password):
                state = .checking(exchange.mechanism)
                return .check(user: user, password: password)
            case .makeCredential(let id, let mechanism):
                state = .preparing(exchange)
                return .makeCredential(ofToken: id, mechanism)
            case .acceptedUntil(let principal, let lifetimeMs):
                return accept(principal, exchange.mechanism, [], now, credentialMs: lifetimeMs)
            case .acceptedByToken(let principal, let last, let lifetimeMs):
                return accept(
                    principal, exchange.mechanism, last, now, credentialMs: lifetimeMs, isByToken: true)
            case .refusing(let bytes, let reason):
                return .refusing(
                    SaslAuthenticateResponse(errorMessage: nil, authBytes: ByteBuffer(bytes: bytes)), reason: reason)
            }
        } catch {
            return refuse(error, exchange.mechanism)
        }
    }

    /// Takes what came out of the check of a password.
    mutating func checked(_ principal: Principal?, now: NIODeadline) -> Outcome {
        guard case .checking(let mechanism) = state else {
            return refuse(SaslFailure("no password was being checked"), .plain)
        }
        guard let principal else {
            return refuse(
                SaslFailure(
                    "unknown user or wrong password", words: "Authentication failed: Invalid username or password"),
                mechanism)
        }
        return accept(principal, mechanism, [], now)
    }

    /// Takes the credential of a delegation token; nil where none could be made.
    mutating func prepared(_ credential: ScramCredential?, now: NIODeadline) -> Outcome {
        guard case .preparing(var exchange) = state else {
            return refuse(SaslFailure("no credential of a delegation token was being made"), .scramSHA256)
        }
        guard let credential else {
            return refuse(SaslFailure("the credential of the delegation token was not made"), exchange.mechanism)
        }
        return advance(&exchange, now) { exchange throws(SaslFailure) in try exchange.resume(credential) }
    }

    /// - Parameter credentialMs: how long what the client showed goes on; nil for what has no end.
    private mutating func accept(
        _ principal: Principal, _ mechanism: SaslMechanism, _ last: [UInt8], _ now: NIODeadline,
        credentialMs: Int64? = nil, isByToken: Bool = false
    ) -> Outcome {
        if let session, session.principal != principal {
            return refuse(
                SaslFailure(
                    "cannot change principals during re-authentication from \(session.principal) to \(principal)",
                    words: "Cannot change principals during re-authentication from "
                        + "\(session.principal) to \(principal)"), mechanism)
        }
        let maxMs = settings.lifetimesMs[mechanism] ?? 0
        // As upstream's ReauthInfo: a session ends with what it began by, or when it has to be renewed, whichever is first.
        let lifetimeMs = credentialMs.map { max(0, maxMs > 0 ? min($0, maxMs) : $0) } ?? maxMs
        // The bound keeps the sum within what a deadline can be: three hundred years.
        let hasEnd = credentialMs != nil || maxMs > 0
        let end = hasEnd ? now + .milliseconds(min(lifetimeMs, 1 << 42)) : nil
        session = (principal, mechanism, now, end, isByToken)
        state = .authenticated
        return .answer(
            SaslAuthenticateResponse(
                errorMessage: nil, authBytes: ByteBuffer(bytes: last), sessionLifetimeMs: lifetimeMs))
    }

    private mutating func refuse(_ failure: SaslFailure, _ mechanism: SaslMechanism) -> Outcome {
        state = .refused
        let words =
            failure.words ?? "Authentication failed during "
            + (isAnew ? "re-authentication" : "authentication")
            + " due to invalid credentials with SASL mechanism \(mechanism.rawValue)"
        return .refused(
            SaslAuthenticateResponse(errorCode: ErrorCode.saslAuthenticationFailed.rawValue, errorMessage: words),
            reason: failure.reason)
    }
}
