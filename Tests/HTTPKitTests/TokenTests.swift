import Bytes
import HTTPTypes
import Logging
import NIOCore
import Security
import Synchronization
import Testing

@testable import HTTPKit

/// A server that takes tokens, by an issuer that everybody believes, and passwords where a test says so.
@Suite struct TokenTests {
    private struct Ann: PasswordCheck {
        func principal(user: String, password: String) -> Principal? {
            user == "ann" && password == "secret" ? Principal(name: user) : nil
        }
    }

    private static let secret = "0123456789abcdef0123456789abcdef"
    private let process = ProcessCredentials(nodes: NodeCredentials(secret: secret))

    private func withServer(
        roles: Set<String>? = nil, takesPasswords: Bool = false,
        _ body: (HTTPServer, HTTPAuthentication) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var router = HTTPRouter(errors: .errorCode)
        router.get("/who") { call in .text(call.principal?.name ?? "nobody") }
        router.get("/handed-on") { call in .text(call.authorizationToHandOn ?? "nothing") }
        router.post("/ask", bodyByteCountMax: 100) { _ in .text("slow") }
        router.quick("/ask", bodyByteCountMax: 20) { _, output in
            output += "quick".utf8
            return "text/plain"
        }
        router.webSocket("/waits") { _, _ in
            try? await Task.sleep(for: .seconds(3600))  // until it is cancelled
            return WebSocketClosing(1000, "")
        }
        router.webSocket("/socket") { call, _ in WebSocketClosing(1000, call.principal?.name ?? "nobody") }
        let users = HTTPUsers(file: nil, process: process)
        users.add(Ann())
        let tokens = HTTPTokens(
            TokenValidator(unsecured: UnsecuredTokenRules()) { 1_700_000_000_000 },
            roles: { $0 == "ann" ? ["admin"] : [] })
        let authentication = HTTPAuthentication(
            users, HTTPAccessRules(realm: "r", roles: roles), tokens: tokens, takesPasswords: takesPasswords)
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configuration.security = HTTPSecurity(authentication: authentication, process: process)
        let loops = HTTPLoops()
        let server = try await HTTPServer.start(configuration, router: router, on: loops.group, logger: logger)
        let result: Result<Void, any Error>
        do { result = .success(try await body(server, authentication)) } catch { result = .failure(error) }
        await server.stop(within: .zero)
        await loops.shutdown()
        await users.shutdown()
        try result.get()
    }

    private func token(_ user: String, end: Int64 = 1_700_000_300, alg: String = "none") -> String {
        func part(_ text: String) -> String { Base64.encode(Array(text.utf8)).replacing("=", with: "") }
        return part("{\"alg\":\"\(alg)\"}") + "." + part("{\"sub\":\"\(user)\",\"exp\":\(end)}") + "."
    }

    private func bearer(_ token: String) -> String { "Authorization: Bearer \(token)\r\n" }
    private func basic(_ user: String, _ password: String) -> String {
        "Authorization: Basic \(Base64.encode(Array("\(user):\(password)".utf8)))\r\n"
    }
    private func get(_ path: String, _ headers: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n"
    }

    @Test func `a token says who comes`() async throws {
        try await withServer { server, authentication in
            let client = try TextClient(port: server.port)
            for headers in [bearer(token("bob")), "authorization: bearer   \(token("bob"))  \r\n"] {
                try client.send(get("/who", headers))
                #expect(try await client.answer().body == "bob")
            }
            try client.send(get("/handed-on", bearer(token("bob"))))
            #expect(try await client.answer().body == "Bearer " + token("bob"))
            let counts = Dictionary(uniqueKeysWithValues: authentication.counts.map { ($0.outcome, $0.count) })
            #expect(counts[.allowed] == 3 && counts[.wrong] == 0)
        }
    }

    /// RFC 6750, section 3.
    @Test func `who shows none, or a bad one, is told so`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            for headers in ["", basic("ann", "secret"), "Authorization: Digest x\r\n", bearer("")] {
                try client.send(get("/who", headers))
                let head = try await client.answer().head
                #expect(head.hasPrefix("HTTP/1.1 401 ") && head.contains("WWW-Authenticate: Bearer realm=\"r\"\r\n"))
                #expect(!head.contains("Basic"))
            }
            for bad in [
                "x", token("bob", end: 1), token("bob", alg: "RS256"), token(ProcessCredentials.user), "a b",
                token("bob") + "\u{e9}", String(repeating: "a.", count: 3000),
            ] {
                try client.send(get("/who", bearer(bad)))
                let head = try await client.answer().head
                #expect(head.hasPrefix("HTTP/1.1 401 "), "\(bad)")
                #expect(head.contains("Bearer realm=\"r\", error=\"invalid_token\", error_description=\""), "\(bad)")
            }
        }
    }

    @Test func `passwords stay where they are taken, with a challenge for each`() async throws {
        try await withServer(takesPasswords: true) { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(get("/who"))
            let head = try await client.answer().head
            #expect(head.contains("WWW-Authenticate: Basic realm=\"r\", charset=\"UTF-8\"\r\n"))
            #expect(head.contains("WWW-Authenticate: Bearer realm=\"r\"\r\n"))
            for headers in [basic("ann", "secret"), bearer(token("ann"))] {
                try client.send(get("/who", headers))
                #expect(try await client.answer().body == "ann")
            }
        }
    }

    @Test func `roles are asked for`() async throws {
        try await withServer(roles: ["admin"]) { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(get("/who", bearer(token("ann"))))
            #expect(try await client.answer().body == "ann")
            try client.send(get("/who", bearer(token("bob"))))
            let head = try await client.answer().head
            #expect(head.hasPrefix("HTTP/1.1 403 ") && head.contains("error=\"insufficient_scope\""))
        }
    }

    @Test func `parts of the process come by their password`() async throws {
        try await withServer(roles: ["admin"]) { server, _ in
            let address = try #require(HTTPAddress(server.ownURL))
            let client = try TextClient(port: server.port)
            try client.send(get("/who", basic(try #require(address.user), address.password)))
            #expect(try await client.answer().body == ProcessCredentials.user)
            try client.send(get("/who", basic(ProcessCredentials.user, "wrong")))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 401 "))
        }
    }

    @Test(arguments: [false, true])
    func `other nodes come by their secret, whoever else may`(takesPasswords: Bool) async throws {
        try await withServer(roles: ["admin"], takesPasswords: takesPasswords) { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(get("/who", basic(NodeCredentials.user, Self.secret)))
            #expect(try await client.answer().body == NodeCredentials.user)
            try client.send(get("/who", basic(NodeCredentials.user, "wrong")))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 401 "))
            try client.send(get("/who", bearer(token(NodeCredentials.user))))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 401 "))
        }
    }

    @Test func `a WebSocket ends with the token`() async throws {
        try await withServer { server, _ in
            let socket = try TextClient(port: server.port)
            try socket.send(
                get(
                    "/waits",
                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(bearer(token("bob", end: 1_700_000_001)))"))
            #expect(try await socket.answer(hasBody: false).head.hasPrefix("HTTP/1.1 101 "))
            #expect(try await socket.bytes(4).suffix(2) == [0x03, 0xF0])
        }
    }

    @Test func `the short way is for tokens that are known`() async throws {
        try await withServer { server, _ in
            func ask(_ token: String) -> String {
                "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\(bearer(token))\r\na"
            }
            let client = try TextClient(port: server.port)
            for (token, expected) in [(token("ann"), "slow"), (token("ann"), "quick"), (token("bob"), "slow")] {
                try client.send(ask(token))
                #expect(try await client.answer().body == expected)
            }
            try client.send(ask(token("bob", end: 1)))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 401 "))
        }
    }

    @Test func `a WebSocket opens with a token`() async throws {
        try await withServer { server, _ in
            func handshake(_ headers: String) -> String {
                get(
                    "/socket",
                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(headers)")
            }
            let refused = try TextClient(port: server.port)
            try refused.send(handshake(bearer(token("ann", end: 1))))
            #expect(try await refused.answer().head.hasPrefix("HTTP/1.1 401 "))
            let client = try TextClient(port: server.port)
            try client.send(handshake(bearer(token("ann"))))
            #expect(try await client.answer(hasBody: false).head.hasPrefix("HTTP/1.1 101 "))
            #expect(try await client.bytes(7) == [0x88, 5, 0x03, 0xE8] + Array("ann".utf8))
        }
    }

    @Test func `what is kept of a token ends with it, and with the keys`() throws {
        let wall = Moment(1_700_000_000_000)
        let steady = Moment(0)
        let tokens = HTTPTokens(TokenValidator(unsecured: UnsecuredTokenRules()) { wall.value }) {
            _ in
            []
        } now: {
            .uptimeNanoseconds(UInt64(steady.value) * 1_000_000)
        }
        let token = token("ann", end: 1_700_000_010)
        #expect(tokens.atHand(token) == nil)
        #expect(try tokens.user(token).principal.name == "ann")
        #expect(tokens.atHand(token)?.principal.name == "ann")
        steady.set(9_999)
        #expect(tokens.atHand(token) != nil)
        steady.set(10_000)
        #expect(tokens.atHand(token) == nil)
        for index in 0..<(2 * HTTPTokens.knownCountMax) { _ = try tokens.user(self.token("user\(index)")) }
        #expect(tokens.atHand(self.token("user\(2 * HTTPTokens.knownCountMax - 1)")) != nil)
    }

    private final class Moment: Sendable {
        private let time: Mutex<Int64>
        init(_ value: Int64) { time = Mutex(value) }
        var value: Int64 { time.withLock { $0 } }
        func set(_ value: Int64) { time.withLock { $0 = value } }
    }
}
