import Bytes
import Crypto
import CryptoExtras
import JSONFormat
import Synchronization
import Testing

@testable import Security

@Suite struct TokenTests {
    private static let rules: TokenRules = {
        var rules = TokenRules()
        rules.audiences = ["other", "kafka"]
        rules.issuer = "https://issuer"
        rules.groupsClaim = "groups"
        return rules
    }()

    private func validator(_ rules: TokenRules = rules, _ keys: TokenKeys? = nil) throws -> TokenValidator {
        TokenValidator(rules, try keys ?? TokenIssuer.keys()) { TokenIssuer.now }
    }

    private func reason(_ token: String, _ rules: TokenRules = rules, _ keys: TokenKeys? = nil) throws -> String? {
        let validator = try validator(rules, keys)
        do throws(TokenFailure) {
            _ = try validator.validate(token)
            return nil
        } catch {
            #expect(error.status == .invalidToken)
            #expect(
                !error.reason.contains(token.split(separator: ".").last.map(String.init) ?? "?") || token.count < 64)
            return error.reason
        }
    }

    // MARK: What is taken

    @Test(arguments: TokenAlgorithm.allCases)
    func `a token by a key of the issuer is taken`(algorithm: TokenAlgorithm) throws {
        let claims = TokenIssuer.claims([("groups", .array([.string("admin"), .string("ops")]))])
        let token = try validator().validate(TokenIssuer.token(algorithm, claims))
        #expect(token.principal == Principal(name: "ann"))
        #expect(token.scopes == ["read", "write"])
        #expect(token.groups == ["admin", "ops"])
        #expect(token.expiresAt == TokenIssuer.now + 300_000)
        #expect(try validator().remaining(token) == 300_000)
    }

    @Test func `a token that names no key is tried with those that fit`() throws {
        #expect(try reason(TokenIssuer.token(kid: nil, TokenIssuer.rs256)) == nil)
    }

    @Test func `of keys with one name each is tried`() throws {
        let other = try TokenIssuer.rsaJWK(#require(TokenIssuer.otherRSA), "rsa")
        let right = try TokenIssuer.rsaJWK(#require(TokenIssuer.rsa), "rsa")
        let keys = TokenKeys(try TokenKeySet(JSONValue.object([("keys", .array([other, right]))]).bytes))
        #expect(try reason(TokenIssuer.token(TokenIssuer.rs256), Self.rules, keys) == nil)
    }

    @Test(
        arguments: [
            ([("aud", .array([.string("x"), .string("kafka")]))]), ([("exp", .raw(Array("1700000300.5".utf8)))]),
            // Within what clocks may differ.
            ([("exp", .number(1_699_999_971)), ("iat", .number(1_699_999_000))]), ([("nbf", .number(1_700_000_030))]),
        ] as [[(String, JSONValue?)]])
    func `claims of other forms are taken`(changes: [(String, JSONValue?)]) throws {
        #expect(try reason(TokenIssuer.token(TokenIssuer.claims(changes), TokenIssuer.rs256)) == nil)
    }

    @Test func `the claims of name and scope can be others`() throws {
        var rules = Self.rules
        rules.subjectClaim = "client_id"
        rules.scopeClaim = "scp"
        let claims = TokenIssuer.claims([
            ("client_id", .string(" app ")), ("scp", .array([.string("a"), .string("b c")])), ("sub", nil),
        ])
        let token = try validator(rules).validate(TokenIssuer.token(claims, TokenIssuer.rs256))
        #expect(token.principal.name == "app")
        #expect(token.scopes == ["a", "b", "c"])
    }

    // MARK: What is not

    @Test(
        arguments: [
            ([("exp", .number(1_699_999_970))], "has expired"), ([("exp", nil)], "no 'exp'"),
            ([("exp", .string("1800000000"))], "'exp' is no time"), ([("exp", .number(.max))], "'exp' is no time"),
            ([("exp", .raw(Array("1e400".utf8)))], "'exp' is no time"), ([("iat", nil)], "no 'iat'"),
            ([("nbf", .number(1_700_000_031))], "not valid yet"),
            ([("iat", .number(1_700_000_400))], "ends ('exp') before it begins"),
            ([("iss", .string("https://another"))], "of the issuer 'https://another'"), ([("iss", nil)], "no 'iss'"),
            ([("aud", .string("somebody"))], "audience 'somebody'"), ([("aud", nil)], "no 'aud'"),
            ([("aud", .number(1))], "'aud' is no text"), ([("aud", .array([.number(1)]))], "'aud' is no text"),
            ([("sub", nil)], "no 'sub'"), ([("sub", .number(7))], "'sub' is no text"),
            ([("sub", .string("  "))], "'sub' is empty"), ([("sub", .string("a\nb"))], "control characters"),
            ([("sub", .string(String(repeating: "a", count: 2000)))], "too long"),
        ] as [([(String, JSONValue?)], String)])
    func `claims that are not right are refused`(changes: [(String, JSONValue?)], words: String) throws {
        let reason = try reason(TokenIssuer.token(TokenIssuer.claims(changes), TokenIssuer.rs256))
        #expect(reason?.contains(words) == true, "\(reason ?? "taken")")
    }

    @Test func `without an expected audience a token for somebody is refused, one for nobody taken`() throws {
        var rules = Self.rules
        rules.audiences = []
        #expect(try reason(TokenIssuer.token(TokenIssuer.rs256), rules)?.contains("names none") == true)
        #expect(try reason(TokenIssuer.token(TokenIssuer.claims([("aud", nil)]), TokenIssuer.rs256), rules) == nil)
    }

    @Test func `a signature by another key is refused`() throws {
        let token = try TokenIssuer.token {
            try TokenIssuer.rsaSignature(TokenIssuer.otherRSA, $0, SHA256.self, pss: false)
        }
        #expect(try reason(token)?.contains("not by the issuer's key") == true)
        // A right one of another algorithm than the header says.
        let confused = try TokenIssuer.token {
            try TokenIssuer.rsaSignature(TokenIssuer.rsa, $0, SHA256.self, pss: true)
        }
        #expect(try reason(confused)?.contains("not by the issuer's key") == true)
    }

    @Test func `nothing of a token may change`() throws {
        let token = Array(try TokenIssuer.token(TokenIssuer.rs256).utf8)
        for index in stride(from: 0, to: token.count, by: 7) where token[index] != UInt8(ascii: ".") {
            var changed = token
            changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            // The last letters of a part may have bits that mean nothing; they are none of the ones looked at here.
            #expect(try reason(String(decoding: changed, as: UTF8.self)) != nil, "byte \(index)")
        }
    }

    @Test(arguments: ["none", "None", "HS256", "HS512", "rs256", "EdDSA", "RSA1_5", "dir", ""])
    func `other algorithms are refused, with or without a signature`(alg: String) throws {
        #expect(try reason(TokenIssuer.token(alg: alg) { _ in [] })?.contains("algorithm") == true)
        #expect(try reason(TokenIssuer.token(alg: alg, TokenIssuer.rs256))?.contains("algorithm") == true)
    }

    /// The public key, which everybody knows, as the secret of a symmetric algorithm.
    @Test func `HS256 with the public key is refused`() throws {
        let pem = Array(try #require(TokenIssuer.rsa).publicKey.pemRepresentation.utf8)
        let token = TokenIssuer.token(alg: "HS256") {
            Array(HMAC<SHA256>.authenticationCode(for: $0, using: SymmetricKey(data: pem)))
        }
        #expect(try reason(token)?.contains("algorithm 'HS256' is not taken") == true)
    }

    @Test func `a key is for its own kind of algorithm`() throws {
        // ES256's header with the name of the RSA key, and the other way round.
        let token = try TokenIssuer.token(alg: "ES256", kid: "rsa") {
            Array(try TokenIssuer.p256.signature(for: SHA256.hash(data: $0)).rawRepresentation)
        }
        #expect(try reason(token)?.contains("has no key 'rsa' for ES256") == true)
        #expect(try reason(TokenIssuer.token(alg: "RS256", kid: "p256", TokenIssuer.rs256)) != nil)
        // DER is what other protocols have; JWS has both numbers as they are.
        let der = try TokenIssuer.token(alg: "ES256", kid: "p256") {
            Array(try TokenIssuer.p256.signature(for: SHA256.hash(data: $0)).derRepresentation)
        }
        #expect(try reason(der)?.contains("not by the issuer's key") == true)
    }

    @Test(
        arguments: [
            [("crit", .array([.string("b64")])), ("b64", .bool(false))], [("crit", .array([]))], [("kid", .number(1))],
            [("alg", .string("none"))], [("kid", .string("rsa"))],
        ] as [[(String, JSONValue)]])
    func `headers that ask for more, or say a thing twice, are refused`(more: [(String, JSONValue)]) throws {
        let named = more.contains { $0.0 == "kid" }
        let isTwice = more.contains { $0.0 == "kid" && $0.1.text != nil } || more.contains { $0.0 == "alg" }
        let token = try TokenIssuer.token(kid: named && !isTwice ? nil : "rsa", header: more, TokenIssuer.rs256)
        #expect(try reason(token) != nil)
    }

    @Test(
        arguments: [
            "", ".", "..", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e", "e30.e30.", "W10.W10.AA", "e30=.e30=.AA==",
            "\u{1F600}.e30.AA", "eyJhbGciOiJSUzI1NiJ9..AA", String(repeating: "A", count: 1 << 20),
            String(repeating: ".", count: 60_000),
        ])
    func `what is no token is refused`(text: String) throws { #expect(try reason(text) != nil) }

    @Test func `members that are there twice, deep nests and broken UTF-8 are refused`() throws {
        func token(_ payload: [UInt8]) throws -> String {
            let head = TokenIssuer.base64URL(Array(#"{"alg":"RS256","kid":"rsa"}"#.utf8))
            let text = head + "." + TokenIssuer.base64URL(payload)
            return text + "." + TokenIssuer.base64URL(try TokenIssuer.rs256(Array(text.utf8)))
        }
        let claims = TokenIssuer.claims().bytes
        #expect(try reason(token(claims)) == nil)
        #expect(try reason(token(claims.dropLast() + Array(#","sub":"bob"}"#.utf8))) != nil)
        #expect(
            try reason(token(claims.dropLast() + Array(#","x":"#.utf8) + [UInt8](repeating: 0x5B, count: 20_000)))
                != nil)
        #expect(
            try reason(token(claims.dropLast() + Array(#","x":""#.utf8) + [0xC3, 0x28] + Array(#""}"#.utf8))) != nil)
    }

    // MARK: Keys

    @Test(arguments: ["", "[]", "{}", #"{"keys":{}}"#, #"{"keys":[],"keys":[]}"#])
    func `what is no set of keys is refused`(text: String) {
        #expect(throws: TokenKeySet.Malformed.self) { try TokenKeySet(Array(text.utf8)) }
    }

    /// An issuer may take all of its keys back.
    @Test(
        arguments: [
            #"{"keys":[]}"#, #"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#,
            #"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, #"{"keys":[{"kty":"RSA","n":"","e":""}]}"#,
            #"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#, #"{"keys":[7,null,"x"]}"#,
            #"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
        ])
    func `a set may have no key that can be used`(text: String) throws {
        let set = try TokenKeySet(Array(text.utf8))
        #expect(set.keys.isEmpty)
    }

    @Test func `keys for other uses and damaged ones are passed over, the rest stays`() throws {
        let key = try #require(TokenIssuer.rsa)
        let set = JSONValue.object([
            (
                "keys",
                .array([
                    .object([("kty", .string("oct")), ("k", .string("AAAA"))]),
                    try TokenIssuer.rsaJWK(key, "encrypts", [("key_ops", .array([.string("encrypt")]))]),
                    try TokenIssuer.rsaJWK(key, "hmac", [("alg", .string("HS256"))]),
                    try TokenIssuer.rsaJWK(key, "only384", [("alg", .string("RS384"))]), .string("no key"),
                ])
            )
        ])
        let read = try TokenKeySet(set.bytes)
        #expect(read.keys.map(\.id) == ["only384"])
        #expect(read.candidates("only384", .rs384).count == 1)
        #expect(read.candidates("only384", .rs256).isEmpty)
        #expect(read.candidates("hmac", .rs256).isEmpty)
    }

    /// RFC 7515, appendix A.3: the RFC's own key and signature, by ES256.
    @Test func `the example of the RFC is right`() throws {
        let key = try #require(
            TokenKey(
                .object([
                    ("kty", .string("EC")), ("crv", .string("P-256")),
                    ("x", .string("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")),
                    ("y", .string("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")),
                ])))
        let signed =
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
            + "cnVlfQ"
        let signature = try #require(
            Base64.decode("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"))
        #expect(key.verifies(signature, of: Array(signed.utf8), .es256))
        #expect(!key.verifies(signature, of: Array(signed.utf8) + [0], .es256))
        #expect(!key.verifies(signature, of: Array(signed.utf8), .rs256))
    }

    @Test func `unknown names of keys are asked for once in a while`() throws {
        let keys = try TokenIssuer.keys()
        let count = Mutex(0)
        #expect(!keys.want("new", 0), "nobody fetches")
        keys.onWant { count.withLock { $0 += 1 } }
        #expect(keys.want("new", 0))
        for index in 0..<1000 { keys.want("made up \(index)", Int64(index)) }
        #expect(count.withLock { $0 } == 1)
        // The same name after a minute, another one after ten seconds.
        #expect(!keys.want("new", TokenKeys.earlyMs))
        #expect(keys.want("newer", TokenKeys.earlyMs))
        #expect(keys.want("new", TokenKeys.missingMs))
        #expect(!keys.want(String(repeating: "k", count: 2000), 10 * TokenKeys.missingMs))
        // A clock that was set back.
        #expect(keys.want("newest", -5 * TokenKeys.missingMs))
    }

    @Test func `before there are keys, and for a key that is not there, tokens are refused and keys are wanted`() throws
    {
        let wishes = Mutex(0)
        let keys = TokenKeys()
        keys.onWant { wishes.withLock { $0 += 1 } }
        #expect(try reason(TokenIssuer.token(TokenIssuer.rs256), Self.rules, keys)?.contains("not known yet") == true)
        #expect(wishes.withLock { $0 } == 1)
        keys.replace(try TokenKeySet(TokenIssuer.keySet().bytes))
        #expect(keys.revision == 1)
        #expect(try reason(TokenIssuer.token(TokenIssuer.rs256), Self.rules, keys) == nil)
        #expect(
            try reason(TokenIssuer.token(kid: "new", TokenIssuer.rs256), Self.rules, keys)?.contains("no key 'new'")
                == true)
    }

    // MARK: Unsecured

    @Test func `unsecured tokens are taken where they are asked for, and no others`() throws {
        var rules = UnsecuredTokenRules()
        rules.requiredScopes = ["read"]
        let validator = TokenValidator(unsecured: rules) { TokenIssuer.now }
        func token(_ changes: [(String, JSONValue?)] = [], alg: String = "none") -> String {
            TokenIssuer.token(TokenIssuer.claims(changes), alg: alg, kid: nil) { _ in [] }
        }
        #expect(try validator.validate(token()).principal.name == "ann")
        #expect(try validator.validate(token([("iat", nil)])).principal.name == "ann")
        for bad in [
            token(alg: "RS256"), token([("exp", nil)]), token([("exp", .number(1_700_000_000))]), token([("sub", nil)]),
            token([("iat", .number(1_700_000_001))]), try TokenIssuer.token(TokenIssuer.rs256),
        ] {
            #expect(throws: TokenFailure.self) { try validator.validate(bad) }
        }
        let failure = #expect(throws: TokenFailure.self) { try validator.validate(token([("scope", nil)])) }
        #expect(failure?.status == .insufficientScope)
        #expect(failure?.scope == "read")
    }
}
