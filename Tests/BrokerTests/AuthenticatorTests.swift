import Bytes
import Environment
import KafkaMessages
import NIOCore
import Security
import Testing

@testable import Broker

@Suite struct AuthenticatorTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func authenticator(
        _ properties: [String: String] = [:], users: UserDirectory = UserDirectory()
    ) throws -> Authenticator {
        let listener = try ListenerConfiguration(
            name: "SASL_PLAINTEXT", .saslPlaintext, host: "127.0.0.1", port: 0,
            properties: properties.merging(["sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256"]) { $1 })
        return Authenticator(try #require(listener.sasl), users)
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

    // MARK: Tokens

    private static let moment: Int64 = 1_700_000_000_000

    /// By tokens that nobody has signed.
    private func tokens(_ properties: [String: String] = [:]) throws -> Authenticator {
        let handler =
            "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
        let listener = try ListenerConfiguration(
            name: "SASL_PLAINTEXT", .saslPlaintext, host: "127.0.0.1", port: 0,
            properties: properties.merging([
                "sasl.enabled.mechanisms": "OAUTHBEARER", "sasl.server.callback.handler.class": handler,
            ]) { $1 })
        #expect(listener.takesUnsecuredTokens && !listener.authenticates)
        let validator = try listener.tokenValidator([:], ManualClock(Self.moment))
        return Authenticator(try #require(listener.sasl), UserDirectory(), tokens: validator)
    }

    private func message(_ user: String, seconds: Int64 = 300) -> [UInt8] {
        func part(_ text: String) -> String { Base64.encode(Array(text.utf8)).replacing("=", with: "") }
        let claims = "{\"sub\":\"\(user)\",\"exp\":\(Self.moment / 1000 + seconds)}"
        return OAuthBearerMessage.bytes(token: part(#"{"alg":"none"}"#) + "." + part(claims) + ".")
    }

    private func lifetime(_ outcome: Authenticator.Outcome) -> Int64? {
        if case .answer(let response) = outcome, response.errorCode == 0 { response.sessionLifetimeMs } else { nil }
    }

    @Test func `a session ends with its token, and another one begins anew`() throws {
        var authenticator = try tokens()
        _ = authenticator.handshake("OAUTHBEARER", version: 1, now: Self.start)
        #expect(lifetime(authenticator.authenticate(message("ann"), now: Self.start)) == 300_000)
        #expect(authenticator.principal == Principal(name: "ann"))
        let late = Self.start + .seconds(299)
        #expect(authenticator.admission(of: .produce, now: late) == .admitted)
        _ = authenticator.handshake("OAUTHBEARER", version: 1, now: late)
        #expect(lifetime(authenticator.authenticate(message("ann", seconds: 600), now: late)) == 600_000)
        #expect(authenticator.admission(of: .produce, now: late + .seconds(599)) == .admitted)
        guard case .refused = authenticator.admission(of: .produce, now: late + .seconds(600)) else {
            Issue.record("the session has no end")
            return
        }
    }

    @Test func `the shorter of token and setting counts`() throws {
        for (properties, seconds, expected) in [
            ([:], 100, 100_000), (["connections.max.reauth.ms": "60000"], 100, 60_000),
            (["oauthbearer.connections.max.reauth.ms": "60000"], 10, 10_000),
        ] as [([String: String], Int64, Int64)] {
            var authenticator = try tokens(properties)
            _ = authenticator.handshake("OAUTHBEARER", version: 1, now: Self.start)
            #expect(lifetime(authenticator.authenticate(message("ann", seconds: seconds), now: Self.start)) == expected)
        }
    }

    @Test func `who comes by a bad token is told, and then refused`() throws {
        var authenticator = try tokens()
        _ = authenticator.handshake("OAUTHBEARER", version: 1, now: Self.start)
        guard
            case .refusing(let response, let reason) = authenticator.authenticate(
                message("ann", seconds: -1), now: Self.start)
        else {
            Issue.record("the token is taken")
            return
        }
        #expect(response.errorCode == 0)
        #expect(String(buffer: response.authBytes) == #"{"status":"invalid_token"}"#)
        #expect(reason.contains("expired"))
        #expect(authenticator.principal == nil)
        guard case .refused = authenticator.admission(of: .metadata, now: Self.start) else {
            Issue.record("a request is taken")
            return
        }
        let last = isRefused(authenticator.authenticate([1], now: Self.start))
        #expect(last?.errorCode == ErrorCode.saslAuthenticationFailed.rawValue)
        #expect(last?.errorMessage == #"{"status":"invalid_token"}"#)
        #expect(authenticator.admission(of: .apiVersions, now: Self.start) == .refused("the client was refused"))
    }

    @Test func `another user's token does not prolong a session`() throws {
        var authenticator = try tokens()
        _ = authenticator.handshake("OAUTHBEARER", version: 1, now: Self.start)
        _ = authenticator.authenticate(message("ann"), now: Self.start)
        let later = Self.start + .seconds(2)
        _ = authenticator.handshake("OAUTHBEARER", version: 1, now: later)
        #expect(
            isRefused(authenticator.authenticate(message("bob"), now: later))?.errorMessage?.contains(
                "Cannot change principals")
                == true)
    }

    @Test(
        arguments: [
            ([:], "jwks.endpoint.url is not set"),
            (["sasl.oauthbearer.jwks.endpoint.url": "http://elsewhere/keys"], "use https://"),
            (
                ["sasl.server.callback.handler.class": "com.example.Mine"],
                "there are OAuthBearerValidatorCallbackHandler"
            ),
            (
                [
                    "sasl.oauthbearer.jwks.endpoint.url": "https://issuer/keys",
                    "oauthbearer.sasl.jaas.config":
                        "OAuthBearerLoginModule required unsecuredValidatorRequiredScope=\"a\";",
                ], "unsecured validator"
            ),
            (
                ["sasl.oauthbearer.jwks.endpoint.url": "https://i/k", "sasl.oauthbearer.jwt.validator.class": "Mine"],
                "DefaultJwtValidator"
            ),
            (
                [
                    "sasl.oauthbearer.jwks.endpoint.url": "https://i/k",
                    "sasl.jaas.config":
                        "OAuthBearerLoginModule required ssl.truststore.location=\"a.jks\" ssl.truststore.type=\"JKS\";",
                ], "only PEM"
            ),
        ] as [([String: String], String)])
    func `settings of tokens that have no meaning are refused`(properties: [String: String], words: String) throws {
        let failure = #expect(throws: BrokerError.self) {
            try ListenerConfiguration(
                name: "SASL_SSL", .saslPlaintext, host: "127.0.0.1", port: 0,
                properties: properties.merging(["sasl.enabled.mechanisms": "OAUTHBEARER"]) { $1 })
        }
        #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
    }

    @Test func `settings of one listener's tokens win`() throws {
        let listener = try ListenerConfiguration(
            name: "INSIDE", .saslPlaintext, host: "127.0.0.1", port: 0,
            properties: [
                "sasl.enabled.mechanisms": "oauthbearer", "sasl.oauthbearer.jwks.endpoint.url": "https://all/keys",
                "listener.name.inside.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": "https://inside/keys",
                "listener.name.inside.oauthbearer.sasl.oauthbearer.jwks.endpoint.refresh.ms": "60000",
                "listener.name.inside.oauthbearer.sasl.jaas.config":
                    "OAuthBearerLoginModule required ssl.truststore.location=\"ca.pem\";",
            ])
        #expect(
            listener.tokenKeySource
                == TokenKeySource(url: "https://inside/keys", refreshMs: 60_000, trustFile: "ca.pem"))
        #expect(listener.authenticates)
        #expect(throws: BrokerError.self) { try listener.tokenValidator([:], ManualClock(Self.moment)) }
    }

    // MARK: Delegation tokens

    /// That takes milliseconds, which no event loop has.
    @Test func `the credential of a delegation token is made elsewhere`() throws {
        let ann = Principal(name: "ann")
        let delegated = DelegationTokens(secret: "s") { 1000 }
        delegated.set(
            DelegationToken(
                id: "t", owner: ann, requester: ann, renewers: [], issuedAt: 0, expiresAt: 5000, endsAt: 9000))
        let first = Array("n,,n=t,r=abc,tokenauth=true".utf8)
        for isMade in [false, true] {
            var authenticator = try authenticator(users: UserDirectory(delegationTokens: delegated))
            _ = authenticator.handshake("SCRAM-SHA-256", version: 1, now: Self.start)
            guard case .makeCredential(ofToken: "t", .sha256) = authenticator.authenticate(first, now: Self.start),
                case .refused = authenticator.admission(of: .produce, now: Self.start)
            else {
                Issue.record("the credential is not waited for")
                return
            }
            let credential = isMade ? delegated.credential(of: "t", .sha256) : nil
            let outcome = authenticator.prepared(credential, now: Self.start)
            #expect(!authenticator.isAuthenticated)
            if isMade {
                #expect(lifetime(outcome) == 0)
            } else {
                #expect(isRefused(outcome)?.errorCode == ErrorCode.saslAuthenticationFailed.rawValue)
            }
            #expect(isRefused(authenticator.prepared(credential, now: Self.start)) != nil)
        }
        // The next one finds it made.
        var authenticator = try authenticator(users: UserDirectory(delegationTokens: delegated))
        _ = authenticator.handshake("SCRAM-SHA-256", version: 1, now: Self.start)
        #expect(lifetime(authenticator.authenticate(first, now: Self.start)) == 0)
    }
}
