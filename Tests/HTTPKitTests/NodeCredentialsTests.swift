import Bytes
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import Security
import Testing

@testable import HTTPKit

/// What nodes of one cluster show each other.
@Suite struct NodeCredentialsTests {
    private static let secret = "0123456789abcdef0123456789abcdef"

    @Test(arguments: [
        ("", false), ("0123456789abcdef0123456", false), (secret, true), (secret + " ", false), ("ä" + secret, false),
        (String(repeating: "x", count: 513), false),
    ])
    func `a secret is long enough and can be sent`(text: String, isOne: Bool) {
        #expect((NodeCredentials(secret: text) != nil) == isOne)
    }

    @Test func `opens what the parts of a process may, from anywhere, to who has it`() throws {
        let nodes = try #require(NodeCredentials(secret: Self.secret))
        let process = ProcessCredentials(nodes: nodes)
        let users = HTTPUsers(file: nil, process: process)
        let shown = try #require(BasicCredentials(nodes.header))
        let user = try #require(users.atHand(shown, isNear: false))
        #expect(user.isNode && !user.isProcess && user.nodeAuthorization == nil)
        #expect(
            users.atHand(BasicCredentials(user: NodeCredentials.user, password: "x" + Self.secret), isNear: true) == nil
        )
        #expect(
            HTTPUsers(file: nil, process: ProcessCredentials()).atHand(shown, isNear: true) == nil,
            "without the setting nobody is a node")
        let part = users.atHand(
            BasicCredentials(user: ProcessCredentials.user, password: process.password), isNear: true)
        #expect(part?.nodeAuthorization == nodes.header)
    }

    private func header(_ user: String, _ password: String) -> String {
        "Authorization: Basic \(Base64.encode("\(user):\(password)".utf8))\r\n"
    }

    private func withServer(
        _ authentication: HTTPAuthentication, _ process: ProcessCredentials?, _ body: (HTTPServer) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var router = HTTPRouter(errors: .errorCode)
        router.get("/who") { call in .text(call.principal?.name ?? "nobody") }
        router.get("/handed-on") { call in .text(call.authorizationToHandOn ?? "nothing") }
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configuration.security = HTTPSecurity(authentication: authentication, process: process)
        let server = try await HTTPServer.start(
            configuration, router: router, on: MultiThreadedEventLoopGroup.singleton, logger: logger)
        do { try await body(server) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    /// The password of the process is for it alone; the secret of nodes is for them.
    @Test func `a part of the process is a node to others`() async throws {
        let nodes = try #require(NodeCredentials(secret: Self.secret))
        let process = ProcessCredentials(nodes: nodes)
        let users = HTTPUsers(file: nil, process: process)
        var rules = HTTPAccessRules(realm: "a realm", roles: ["admin"])
        rules.unauthorizedCode = 40101
        try await withServer(HTTPAuthentication(users, rules), process) { server in
            let client = try TextClient(port: server.port)
            func ask(_ path: String, _ header: String) async throws -> String {
                try client.send("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\(header)\r\n")
                return try await client.answer().body
            }
            #expect(try await ask("/handed-on", header(ProcessCredentials.user, process.password)) == nodes.header)
            #expect(try await ask("/who", header(NodeCredentials.user, Self.secret)) == NodeCredentials.user)
            #expect(try await ask("/handed-on", header(NodeCredentials.user, Self.secret)) == nodes.header)
            #expect(try await ask("/who", header(NodeCredentials.user, "wrong")).contains("40101"))
        }
        await users.shutdown()
    }

    @Test func `a port of nodes takes nobody else`() async throws {
        let nodes = try #require(NodeCredentials(secret: Self.secret))
        try await withServer(HTTPAuthentication(nodes: nodes), nil) { server in
            let client = try TextClient(port: server.port)
            for (header, isLetIn) in [
                ("", false), (header(NodeCredentials.user, Self.secret), true), (header("ann", Self.secret), false),
                (header(NodeCredentials.user, "wrong"), false),
            ] {
                try client.send("GET /who HTTP/1.1\r\nHost: 127.0.0.1\r\n\(header)\r\n")
                let (head, body) = try await client.answer()
                #expect(head.hasPrefix(isLetIn ? "HTTP/1.1 200 " : "HTTP/1.1 401 "))
                #expect(isLetIn || body.contains("http.nodes.secret"))
                #expect(!body.contains(Self.secret))
            }
        }
    }
}
