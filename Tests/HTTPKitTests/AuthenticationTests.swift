import Bytes
import HTTPTypes
import Logging
import NIOCore
import Security
import Testing

@testable import HTTPKit

/// A server that asks for users: `ann` with the role `admin`, `bob` without, both with the password "secret".
@Suite struct AuthenticationTests {
    private struct Two: PasswordCheck {
        func principal(user: String, password: String) -> Principal? {
            ["ann", "bob"].contains(user) && password == "secret" ? Principal(name: user) : nil
        }
    }

    private let process = ProcessCredentials()

    private func withServer(
        roles: Set<String>? = nil, _ body: (HTTPServer, HTTPAuthentication) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var router = HTTPRouter(errors: .errorCode)
        router.get("/who") { call in .text(call.principal?.name ?? "nobody") }
        router.get("/handed-on") { call in .text(call.authorizationToHandOn ?? "nothing") }
        router.get("/healthz") { _ in .text("ok") }
        router.get("/public/{name}") { call in .text(call.parameter("name")) }
        router.post("/ask", bodyByteCountMax: 100) { _ in .text("slow") }
        router.quick("/ask", bodyByteCountMax: 20) { _, output in
            output += "quick".utf8
            return "text/plain"
        }
        router.webSocket("/socket") { call, _ in WebSocketClosing(1000, call.principal?.name ?? "nobody") }
        let users = HTTPUsers(file: nil, process: process)
        users.add(Two())
        var rules = HTTPAccessRules(
            realm: "a \"realm\"", roles: roles, skippedPaths: ["/public/*"], isOpen: { _, path in path == ["healthz"] })
        rules.unauthorizedCode = 40101
        let authentication = HTTPAuthentication(users, rules)
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

    private func header(_ user: String, _ password: String) -> String {
        "Authorization: Basic \(Base64.encode(Array("\(user):\(password)".utf8)))\r\n"
    }

    private func get(_ path: String, _ headers: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n"
    }

    @Test func `asks for a user, and tells the handler who it is`() async throws {
        try await withServer { server, authentication in
            let client = try TextClient(port: server.port)
            for headers in ["", header("ann", "wrong"), header("eve", "secret"), "Authorization: Bearer x\r\n"] {
                try client.send(get("/who", headers))
                let (head, body) = try await client.answer()
                #expect(head.hasPrefix("HTTP/1.1 401 "), "\(headers)")
                #expect(head.contains("WWW-Authenticate: Basic realm=\"a realm\", charset=\"UTF-8\""))
                #expect(body == #"{"error_code":40101,"message":"Unauthorized"}"#)
            }
            for _ in 0..<2 {
                try client.send(get("/who", header("ann", "secret")))
                #expect(try await client.answer().body == "ann")
            }
            let counts = Dictionary(uniqueKeysWithValues: authentication.counts.map { ($0.outcome, $0.count) })
            #expect(counts[.missing] == 2 && counts[.wrong] == 2 && counts[.allowed] == 2)
        }
    }

    /// Another node would learn what opens everything here.
    @Test func `what a part of the process shows is not handed on`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            let own = header("ann", "secret")
            try client.send(get("/handed-on", own))
            #expect(try await client.answer().body == own.dropFirst("Authorization: ".count).dropLast("\r\n".count))
            try client.send(get("/handed-on", header(ProcessCredentials.user, process.password)))
            #expect(try await client.answer().body == "nothing")
        }
    }

    @Test(arguments: [("/healthz", "ok"), ("/public/a", "a"), ("/public/b?c=d", "b")])
    func `leaves open what is to be open`(path: String, body: String) async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(get(path))
            #expect(try await client.answer().body == body)
        }
    }

    @Test(arguments: ["/public/../who", "/healthz/", "/public/%2e%2e/who", "//who", "/who?x=/healthz", "/nothing"])
    func `opens nothing else by a path that looks like it`(path: String) async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(get(path))
            let (head, body) = try await client.answer()
            #expect(!body.contains("nobody"))
            #expect(head.hasPrefix("HTTP/1.1 401 ") || head.hasPrefix("HTTP/1.1 404 ") || body == "ok")
        }
    }

    @Test func `a user without the role is refused`() async throws {
        try await withServer(roles: ["admin"]) { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(get("/who", header("bob", "secret")))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 403 "))
        }
    }

    @Test func `the short way is for users, too`() async throws {
        try await withServer { server, _ in
            func ask(_ headers: String) -> String {
                "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\(headers)\r\na"
            }
            let client = try TextClient(port: server.port)
            try client.send(ask(""))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 401 "))
            try client.send(ask(header("ann", "wrong")))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 401 "))
            // The first right one is looked at, those behind are known.
            try client.send(ask(header("ann", "secret")))
            #expect(try await client.answer().body == "slow")
            try client.send(ask(header("ann", "secret")))
            #expect(try await client.answer().body == "quick")
            try client.send(ask(header("ann", "Secret")))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 401 "))
        }
    }

    @Test func `a WebSocket is for users, also for one that is not known yet`() async throws {
        try await withServer { server, _ in
            func handshake(_ headers: String) -> String {
                get(
                    "/socket",
                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\(headers)")
            }
            for headers in ["", header("ann", "wrong")] {
                let client = try TextClient(port: server.port)
                try client.send(handshake(headers))
                #expect(try await client.answer().head.hasPrefix("HTTP/1.1 401 "))
            }
            for _ in 0..<2 {
                let client = try TextClient(port: server.port)
                try client.send(handshake(header("ann", "secret")))
                #expect(try await client.answer(hasBody: false).head.hasPrefix("HTTP/1.1 101 "))
                #expect(try await client.bytes(7) == [0x88, 5, 0x03, 0xE8] + Array("ann".utf8))
            }
        }
    }

    @Test func `an address with too many wrong passwords has to wait`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            var last = ""
            for count in 0..<100 where !last.hasPrefix("HTTP/1.1 429 ") {
                try client.send(get("/who", header("ann", "wrong \(count)")))
                last = try await client.answer().head
                #expect(last.hasPrefix("HTTP/1.1 401 ") || last.contains("Retry-After: "))
            }
            #expect(last.hasPrefix("HTTP/1.1 429 "))
        }
    }

    @Test func `parts of the process come in by an address that nobody else has`() async throws {
        try await withServer(roles: ["admin"]) { server, _ in
            let address = try #require(HTTPAddress(server.ownURL))
            let client = try TextClient(port: server.port)
            try client.send(get("/who", header(try #require(address.user), address.password)))
            #expect(try await client.answer().body == ProcessCredentials.user)
            #expect(!address.description.contains(address.password))
        }
    }
}
