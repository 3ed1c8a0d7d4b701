import KafkaMessages
import NIOCore
import Security
import Testing

@testable import Broker

@Suite struct AuthenticatorTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func authenticator(_ properties: [String: String] = [:]) throws -> Authenticator {
        let listener = try ListenerConfiguration(
            name: "SASL_PLAINTEXT", .saslPlaintext, host: "127.0.0.1", port: 0,
            properties: properties.merging(["sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256"]) { $1 })
        return Authenticator(try #require(listener.sasl), UserDirectory())
    }

    private func isRefused(_ outcome: Authenticator.Outcome) -> SaslAuthenticateResponse? {
        if case .refused(let response, _) = outcome { response } else { nil }
    }

    /// To an authenticated session of `user`.
    private func login(
        _ authenticator: inout Authenticator, _ user: String, at now: NIODeadline
    ) -> SaslAuthenticateResponse? {
        _ = authenticator.handshake("PLAIN", version: 1, now: now)
        guard case .check(user, "p") = authenticator.authenticate(Array("\0\(user)\0p".utf8), now: now),
            case .answer(let response) = authenticator.checked(Principal(name: user), now: now)
        else { return nil }
        return response
    }

    @Test func `before a client is known it may ask for versions only`() throws {
        let authenticator = try authenticator()
        #expect(authenticator.admission(of: .apiVersions, now: Self.start) == .admitted)
        #expect(authenticator.admission(of: .saslHandshake, now: Self.start) == .authentication)
        for api in ApiKey.allCases where ![.apiVersions, .saslHandshake, .saslAuthenticate].contains(api) {
            guard case .refused = authenticator.admission(of: api, now: Self.start) else {
                Issue.record("\(api.name) is admitted")
                continue
            }
        }
    }

    @Test(
        arguments: [
            ("GSSAPI", 1, ErrorCode.unsupportedSaslMechanism), ("SCRAM-SHA-512", 1, .unsupportedSaslMechanism),
            ("", 1, .unsupportedSaslMechanism), ("PLAIN", 0, .unsupportedVersion),
        ] as [(String, Int16, ErrorCode)])
    func `a mechanism that is not offered ends it, with those that are`(
        name: String, version: Int16, code: ErrorCode
    ) throws {
        var authenticator = try authenticator()
        let (response, refusal) = authenticator.handshake(name, version: version, now: Self.start)
        #expect(response.errorCode == code.rawValue)
        #expect(response.mechanisms == ["PLAIN", "SCRAM-SHA-256"])
        #expect(refusal != nil)
        #expect(authenticator.admission(of: .apiVersions, now: Self.start) == .refused("the client was refused"))
    }

    @Test func `messages out of order are ILLEGAL_SASL_STATE`() throws {
        var early = try authenticator()
        #expect(isRefused(early.authenticate([], now: Self.start))?.errorCode == ErrorCode.illegalSaslState.rawValue)
        var twice = try authenticator()
        _ = twice.handshake("PLAIN", version: 1, now: Self.start)
        let (response, refusal) = twice.handshake("PLAIN", version: 1, now: Self.start)
        #expect(response.errorCode == ErrorCode.illegalSaslState.rawValue)
        #expect(refusal != nil)
    }

    /// The words are upstream `PlainSaslServer`'s and `SaslServerAuthenticator`'s.
    @Test func `who is refused learns nothing about users`() throws {
        var plain = try authenticator()
        _ = plain.handshake("PLAIN", version: 1, now: Self.start)
        _ = plain.authenticate(Array("\0ann\0p".utf8), now: Self.start)
        let wrong = isRefused(plain.checked(nil, now: Self.start))
        #expect(wrong?.errorCode == ErrorCode.saslAuthenticationFailed.rawValue)
        #expect(wrong?.errorMessage == "Authentication failed: Invalid username or password")
        var scram = try authenticator()
        _ = scram.handshake("SCRAM-SHA-256", version: 1, now: Self.start)
        let garbage = isRefused(scram.authenticate([0xFF, 0], now: Self.start))
        #expect(
            garbage?.errorMessage
                == "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256"
        )
    }

    @Test func `sessions end, and go on for those who authenticate anew`() throws {
        var authenticator = try authenticator(["connections.max.reauth.ms": "5000"])
        let response = login(&authenticator, "ann", at: Self.start)
        #expect(response?.sessionLifetimeMs == 5000)
        #expect(authenticator.principal == Principal(name: "ann"))
        #expect(authenticator.admission(of: .fetch, now: Self.start + .milliseconds(4999)) == .admitted)
        // Too early, then in time.
        let (early, _) = authenticator.handshake("PLAIN", version: 1, now: Self.start + .milliseconds(500))
        #expect(early.errorCode == ErrorCode.illegalSaslState.rawValue)
        #expect(login(&authenticator, "ann", at: Self.start + .seconds(4))?.errorCode == 0)
        #expect(authenticator.admission(of: .fetch, now: Self.start + .seconds(8)) == .admitted)
        guard case .refused = authenticator.admission(of: .fetch, now: Self.start + .seconds(9)) else {
            Issue.record("the session has no end")
            return
        }
        #expect(authenticator.admission(of: .saslHandshake, now: Self.start + .seconds(9)) == .authentication)
    }

    @Test func `nobody becomes another`() throws {
        var authenticator = try authenticator(["plain.connections.max.reauth.ms": "5000"])
        _ = login(&authenticator, "ann", at: Self.start)
        #expect(login(&authenticator, "bob", at: Self.start + .seconds(2)) == nil)
        var other = try self.authenticator(["connections.max.reauth.ms": "5000"])
        _ = login(&other, "ann", at: Self.start)
        let (_, refusal) = other.handshake("SCRAM-SHA-256", version: 1, now: Self.start + .seconds(2))
        #expect(refusal?.contains("re-authentication") == true)
    }

    @Test func `without an end of sessions there is nothing to do anew`() throws {
        var authenticator = try authenticator()
        #expect(login(&authenticator, "ann", at: Self.start)?.sessionLifetimeMs == 0)
        let (response, refusal) = authenticator.handshake("PLAIN", version: 1, now: Self.start + .seconds(60))
        #expect(response.errorCode == ErrorCode.illegalSaslState.rawValue)
        #expect(refusal == nil)
        #expect(authenticator.admission(of: .produce, now: Self.start + .seconds(60)) == .admitted)
    }
}
