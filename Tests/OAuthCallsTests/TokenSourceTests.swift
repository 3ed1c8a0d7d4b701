import Bytes
import HTTPKit
import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import Security
import Synchronization
import Testing

@testable import OAuthCalls

/// A token endpoint and keys on loopback, as far as the tests need them.
private final class Endpoint: Sendable {
    struct Asked: Sendable, Equatable {
        var authorization: String
        var body: String
    }

    let asked = Mutex<[Asked]>([])
    /// Of keys.
    let fetches = Mutex(0)
    /// Status and body of the next answers; the last one stays.
    let answers: Mutex<[(Int, String)]>

    init(_ answers: [(Int, String)]) { self.answers = Mutex(answers) }

    static func with(_ answers: [(Int, String)], _ body: (Endpoint, String) async throws -> Void) async throws {
        let endpoint = Endpoint(answers)
        var router = HTTPRouter(errors: .plain)
        router.post("/token") { call in
            let bytes = try await call.bytes()
            endpoint.asked.withLock {
                $0.append(Asked(authorization: call.headers[.authorization] ?? "", body: String(buffer: bytes)))
            }
            return endpoint.answer()
        }
        router.get("/keys") { _ in
            endpoint.fetches.withLock { $0 += 1 }
            return endpoint.answer()
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let loops = HTTPLoops()
        let server = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: logger)
        let result: Result<Void, any Error>
        do { result = .success(try await body(endpoint, "http://127.0.0.1:\(server.port)")) } catch {
            result = .failure(error)
        }
        await server.stop(within: .zero)
        await loops.shutdown()
        try result.get()
    }

    private func answer() -> HTTPAnswer {
        let (status, text) = answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        return .text(text, status: HTTPResponse.Status(code: status))
    }
}

@Suite struct TokenSourceTests {
    private static func origin(_ url: String, scope: String? = "a b", encodes: Bool = false) throws -> TokenOrigin {
        .endpoint(
            try TokenEndpoint(
                url: url + "/token", clientID: "the client", clientSecret: "s:e+c/ret", scope: scope,
                encodesHeader: encodes))
    }

    @Test func `a token is asked for once, and again when most of its time is over`() async throws {
        try await Endpoint.with([(200, #"{"access_token":"one","token_type":"bearer","expires_in":100}"#)]) {
            endpoint, url in
            let time = Mutex<Int64>(0)
            let source = TokenSource(try Self.origin(url)) { time.withLock { $0 } }
            try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<8 { group.addTask { try await source.token() } }
                for try await token in group { #expect(token == "one") }
            }
            #expect(
                endpoint.asked.withLock { $0 } == [
                    Endpoint.Asked(
                        authorization: "Basic " + Base64.encode(Array("the client:s:e+c/ret".utf8)),
                        body: "grant_type=client_credentials&scope=a%20b")
                ])
            time.withLock { $0 = 79_999 }
            _ = try await source.token()
            #expect(endpoint.asked.withLock { $0.count } == 1)
            time.withLock { $0 = 80_000 }
            _ = try await source.token()
            #expect(endpoint.asked.withLock { $0.count } == 2)
        }
    }

    @Test func `a token goes on while no other one comes`() async throws {
        let right = (200, #"{"access_token":"one","expires_in":100}"#)
        try await Endpoint.with([right, (400, "{}")]) { endpoint, url in
            let time = Mutex<Int64>(0)
            let source = TokenSource(try Self.origin(url, scope: nil, encodes: true)) { time.withLock { $0 } }
            #expect(try await source.token() == "one")
            let first = endpoint.asked.withLock { $0.first }
            #expect(first?.body == "grant_type=client_credentials")
            #expect(first?.authorization == "Basic " + Base64.encode(Array("the%20client:s%3Ae%2Bc%2Fret".utf8)))
            time.withLock { $0 = 90_000 }
            #expect(try await source.token() == "one")
            #expect(try await source.token() == "one", "it is not asked for again at once")
            #expect(endpoint.asked.withLock { $0.count } == 2)
            time.withLock { $0 = 100_000 }
            await #expect(throws: OAuthFailure.self) { try await source.token() }
        }
    }

    @Test(
        arguments: [
            (
                401, #"{"error":"invalid_client","error_description":"who?"}"#, OAuthFailure.Kind.refused,
                "invalid_client (who?)"
            ),
            (403, "", .refused, "HTTP 403"), (302, "", .refused, "HTTP 302"), (200, "", .notUnderstood, "access_token"),
            (200, #"{"access_token":"a b"}"#, .notUnderstood, "access_token"),
            (200, #"{"access_token":7}"#, .notUnderstood, "access_token"),
            (200, #"{"access_token":"a","token_type":"mac"}"#, .notUnderstood, "mac"),
            (503, #"{"error":"x\u0000y"}"#, .unreachable, "HTTP 503: xy"),
        ] as [(Int, String, OAuthFailure.Kind, String)])
    func `why there is no token is told, without secrets`(
        status: Int, body: String, kind: OAuthFailure.Kind, words: String
    ) async throws {
        try await Endpoint.with([(status, body)]) { _, url in
            let failure = await #expect(throws: OAuthFailure.self) { try await TokenSource(Self.origin(url)).token() }
            #expect(failure?.kind == kind)
            #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
            #expect(failure?.message.contains("e+c") == false)
        }
    }

    @Test func `an endpoint that is busy is asked again`() async throws {
        try await Endpoint.with([(503, ""), (429, ""), (200, #"{"access_token":"late"}"#)]) { endpoint, url in
            let source = TokenSource(try Self.origin(url))
            #expect(try await source.token() == "late")
            #expect(endpoint.asked.withLock { $0.count } == 3)
        }
    }

    @Test func `unsecured tokens are what their validator takes`() async throws {
        let origin = try TokenOrigin(clientProperties: [
            "enable.sasl.oauthbearer.unsecure.jwt": "true",
            "sasl.oauthbearer.config": "principal=ann scope=a,b lifeSeconds=60",
        ])
        let text = try await TokenSource(origin) { 1_700_000_000_000 }.token()
        let token = try TokenValidator(unsecured: UnsecuredTokenRules()) { 1_700_000_000_000 }.validate(text)
        #expect(token.principal.name == "ann")
        #expect(token.scopes == ["a", "b"])
        #expect(token.expiresAt == 1_700_000_060_000)
        #expect(TokenText.end(of: text) == 1_700_000_060_000)
    }

    @Test func `properties of clients say where tokens come from`() throws {
        let oidc = [
            "sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.token.endpoint.url": "https://i/t",
            "sasl.oauthbearer.client.id": "c", "sasl.oauthbearer.client.secret": "s", "sasl.oauthbearer.scope": "x",
        ]
        let endpoint = try TokenEndpoint(url: "https://i/t", clientID: "c", clientSecret: "s", scope: "x")
        #expect(try TokenOrigin(clientProperties: oidc) == .endpoint(endpoint))
        let file = try TokenOrigin(clientProperties: ["sasl.oauthbearer.token.endpoint.url": "file:///run/token"])
        #expect(file == .file("/run/token"))
        for (name, value) in [
            ("sasl.oauthbearer.token.endpoint.url", ""), ("sasl.oauthbearer.token.endpoint.url", "http://elsewhere/t"),
            ("sasl.oauthbearer.client.id", ""), ("sasl.oauthbearer.client.secret", ""),
            ("sasl.oauthbearer.method", "magic"),
            ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
        ] {
            #expect(throws: OAuthFailure.self, "\(name)=\(value)") {
                try TokenOrigin(clientProperties: oidc.merging([name: value]) { $1 })
            }
        }
        #expect(throws: OAuthFailure.self) { try TokenOrigin(clientProperties: [:]) }
    }

    @Test func `clients of one process share a token, and another secret is another client`() throws {
        let one = try Self.origin("http://localhost:1")
        let same = try Self.origin("http://localhost:1")
        let other = try Self.origin("http://localhost:1", scope: nil)
        #expect(TokenSource.shared(one) === TokenSource.shared(same))
        #expect(TokenSource.shared(one) !== TokenSource.shared(other))
    }

    // MARK: Keys

    @Test func `keys stay when others cannot be fetched, and come early when they are wanted`() async throws {
        let keys =
            #"{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#
            + #""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        try await Endpoint.with([(200, keys), (200, "{}"), (500, ""), (200, keys)]) { endpoint, url in
            let fetcher = KeyFetcher(
                TokenKeySource(url: url + "/keys", retryBackoffMs: 1, retryBackoffMaxMs: 2), logger: logger)
            await fetcher.start()
            #expect(fetcher.keys.revision == 1)
            #expect(fetcher.keys.want("new", 0))
            while fetcher.keys.revision < 2 { await Task.yield() }
            #expect(fetcher.keys.current?.keys.count == 1)
            #expect(endpoint.answers.withLock { $0.count } == 1)
            await fetcher.stop()
            #expect(!fetcher.keys.want("newer", 1_000_000))
        }
    }

    @Test func `keys are fetched when it is time or when they are wanted, and not besides`() async throws {
        let keys =
            #"{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#
            + #""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        try await Endpoint.with([(500, ""), (503, ""), (200, "x"), (200, keys)]) { endpoint, url in
            let fetcher = KeyFetcher(
                TokenKeySource(url: url + "/keys", retryBackoffMs: 1, retryBackoffMaxMs: 2), logger: logger)
            await fetcher.start()
            // Three waits end by themselves, and two by wishes.
            for revision in 1...3 {
                while fetcher.keys.revision < revision { await Task.yield() }
                if revision < 3 { #expect(fetcher.keys.want("new \(revision)", Int64(revision) * 1_000_000)) }
            }
            await fetcher.stop()
            #expect(endpoint.fetches.withLock { $0 } == 6)
        }
    }

    @Test func `a source of keys that is not there leaves none`() async {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let fetcher = KeyFetcher(TokenKeySource(url: "file:///not/there.json"), logger: logger)
        await fetcher.start()
        #expect(fetcher.keys.current == nil)
        await fetcher.stop()
        await fetcher.stop()
    }
}
