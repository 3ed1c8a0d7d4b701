import JSONFormat
import Testing

@testable import Security

@Suite struct OAuthBearerTests {
    /// RFC 7628, section 4.1, and forms that Kafka's clients send.
    @Test(
        arguments: [
            (
                "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}",
                "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", "user@example.com", [:]
            ),
            ("n,,\u{1}auth=Bearer a.b.c\u{1}\u{1}", "a.b.c", "", [:]),
            ("n,,\u{1}auth=bearer   a.b-_c.\u{1}traceId=1 2=3\u{1}\u{1}", "a.b-_c.", "", ["traceId": "1 2=3"]),
            ("n,a=a=2Cb=3Dc,\u{1}auth=BEARER t\u{1}\u{1}", "t", "a,b=c", [:]),
        ] as [(String, String, String, [String: String])])
    func `messages of clients are read`(text: String, token: String, id: String, extensions: [String: String]) throws {
        let read = try OAuthBearerMessage(Array(text.utf8))
        #expect(read.token == token)
        #expect(read.authorizationID == id)
        if text.contains("host=") {
            #expect(read.extensions == ["host": "server.example.com", "port": "143"])
        } else {
            #expect(read.extensions == extensions)
        }
    }

    @Test(
        arguments: [
            "", "n,,", "\u{1}", "n,,\u{1}\u{1}", "n,,\u{1}\u{1}\u{1}", "y,,\u{1}auth=Bearer t\u{1}\u{1}",
            "p=tls-unique,,\u{1}auth=Bearer t\u{1}\u{1}", "n,,\u{1}auth=Bearer t\u{1}", "n,,\u{1}auth=Bearer t",
            "n,,\u{1}auth=Basic t\u{1}\u{1}", "n,,\u{1}auth=Bearer\u{1}\u{1}", "n,,\u{1}auth=Bearer t u\u{1}\u{1}",
            "n,,\u{1}auth=Bearer t\u{1}auth=Bearer u\u{1}\u{1}", "n,,\u{1}host=x\u{1}\u{1}",
            "n,,\u{1}au-th=x\u{1}auth=Bearer t\u{1}\u{1}", "n,,\u{1}auth=Bearer t\u{1}x=\u{1}\u{1}",
            "n,,\u{1}auth=Bearer t\u{1}x=\u{7F}\u{1}\u{1}", "n,,\u{1}auth=Bearer t\u{1}=x\u{1}\u{1}",
            "n,a=,\u{1}auth=Bearer t\u{1}\u{1}", "n,b=x,\u{1}auth=Bearer t\u{1}\u{1}",
            "n,a=x=y,\u{1}auth=Bearer t\u{1}\u{1}",
            "n,a=x,y,\u{1}auth=Bearer t\u{1}\u{1}", "n,,\u{1}auth=Bearer t\u{e9}\u{1}\u{1}",
            "n,,\u{1}auth= Bearer t\u{1}\u{1}",
            "n,,\u{1}" + String(repeating: "a=b\u{1}", count: 100) + "auth=Bearer t\u{1}\u{1}",
        ])
    func `what is no message of a client is refused`(text: String) {
        #expect(throws: SaslFailure.self) { try OAuthBearerMessage(Array(text.utf8)) }
    }

    @Test func `bytes that are not UTF-8 are refused`() {
        #expect(throws: SaslFailure.self) { try OAuthBearerMessage([0x6E, 0x2C, 0x2C, 0x01, 0xFF, 0x01, 0x01]) }
    }

    @Test func `what our clients write is what is read`() throws {
        let bytes = OAuthBearerMessage.bytes(token: "a.b.c", extensions: ["pool": "p-1", "cluster": "lkc 1"])
        let read = try OAuthBearerMessage(bytes)
        #expect(read.token == "a.b.c")
        #expect(read.extensions == ["pool": "p-1", "cluster": "lkc 1"])
        #expect(OAuthBearerMessage.problem(withExtension: "auth", "x") != nil)
        #expect(OAuthBearerMessage.problem(withExtension: "a1", "x") != nil)
        #expect(OAuthBearerMessage.problem(withExtension: "a", "\u{1}") != nil)
    }

    // MARK: The exchange

    private func exchange() throws -> SaslExchange {
        var rules = TokenRules()
        rules.audiences = ["kafka"]
        return SaslExchange(
            .oauthBearer, UserDirectory(),
            tokens: TokenValidator(rules, try TokenIssuer.keys()) { TokenIssuer.now })
    }

    @Test func `a token lets its subject in until it ends`() throws {
        var exchange = try exchange()
        let message = OAuthBearerMessage.bytes(token: try TokenIssuer.token(TokenIssuer.rs256))
        #expect(try exchange.next(message) == .acceptedUntil(Principal(name: "ann"), lifetimeMs: 300_000))
        #expect(throws: SaslFailure.self) { try exchange.next(message) }
    }

    @Test(arguments: [[1], [], [1, 1], Array("n,,".utf8)] as [[UInt8]])
    func `a token that is not taken is answered, and whatever comes then ends it`(last: [UInt8]) throws {
        var exchange = try exchange()
        let token = try TokenIssuer.token(TokenIssuer.claims([("exp", .number(1))]), TokenIssuer.rs256)
        let step = try exchange.next(OAuthBearerMessage.bytes(token: token))
        #expect(
            step == .refusing(Array(#"{"status":"invalid_token"}"#.utf8), reason: "the token has expired ('exp')"))
        let failure = #expect(throws: SaslFailure.self) { try exchange.next(last) }
        #expect(failure?.words == #"{"status":"invalid_token"}"#)
        #expect(throws: SaslFailure.self) { try exchange.next(last) }
    }

    @Test func `nobody acts for another`() throws {
        let token = try TokenIssuer.token(TokenIssuer.rs256)
        var own = try exchange()
        let named = Array("n,a=ann,\u{1}auth=Bearer \(token)\u{1}\u{1}".utf8)
        #expect(try own.next(named) == .acceptedUntil(Principal(name: "ann"), lifetimeMs: 300_000))
        var other = try exchange()
        let failure = #expect(throws: SaslFailure.self) {
            try other.next(Array("n,a=bob,\u{1}auth=Bearer \(token)\u{1}\u{1}".utf8))
        }
        #expect(failure?.words?.contains("authorization id") == true)
    }

    @Test func `without anything that checks tokens nobody is let in`() throws {
        var exchange = SaslExchange(.oauthBearer, UserDirectory())
        let message = OAuthBearerMessage.bytes(token: try TokenIssuer.token(TokenIssuer.rs256))
        #expect(throws: SaslFailure.self) { try exchange.next(message) }
    }

    // MARK: Settings

    @Test(
        arguments: [
            ("https://issuer/keys", true), ("http://localhost:8080/keys", true), ("http://127.0.0.1/keys", true),
            ("http://[::1]:80/keys", true), ("file:///etc/keys.json", true), ("file:/etc/keys.json", true),
            ("FILE:///k", true), ("http://issuer/keys", false), ("http://127.0.0.1.example.com/keys", false),
            ("http://localhost@evil/keys", false), ("https://user:pass@issuer/keys", false),
            ("ftp://issuer/keys", false),
            ("issuer/keys", false), ("file:keys.json", false), ("https://", false), ("http://128.0.0.1/", false),
            ("http://127.1/", false), ("", false),
        ])
    func `keys and secrets go by https, and on this machine`(url: String, isRight: Bool) {
        #expect((TokenSettings.problem(withURL: url) == nil) == isRight)
    }

    @Test func `settings have Kafka's names and values`() throws {
        let values = [
            "jwks.endpoint.url": "https://i/k", "jwks.endpoint.refresh.ms": "60000", "clock.skew.seconds": "5",
            "expected.audience": "a, b", "expected.issuer": "i", "sub.claim.name": "client_id",
        ]
        let settings = try TokenSettings("sasl.oauthbearer.") { values[$0] }
        #expect(settings.source == TokenKeySource(url: "https://i/k", refreshMs: 60_000))
        #expect(settings.rules.audiences == ["a", "b"])
        #expect(settings.rules.clockSkewMs == 5000)
        #expect(settings.rules.subjectClaim == "client_id")
        for (name, value) in [
            ("jwks.endpoint.url", ""), ("jwks.endpoint.url", "http://elsewhere/"), ("clock.skew.seconds", "-1"),
            ("jwks.endpoint.refresh.ms", "x"), ("jwks.endpoint.retry.backoff.ms", "0"),
        ] {
            let failure = #expect(throws: TokenSettings.Malformed.self) {
                try TokenSettings("sasl.oauthbearer.") { $0 == name ? value : values[$0] }
            }
            #expect(failure?.description.contains("sasl.oauthbearer." + name) == true)
        }
    }
}
