import HTTPKit
import HTTPTypes
import JSONCalls
import JSONFormat
import Logging
import NIOCore
import Testing

@Suite struct JSONCallsTests {
    /// Long enough for a machine on which everything else is tested at the same time.
    private static let patience = Duration.seconds(180)
    /// Short answers only, so that a long one is seen.
    private static let calls = JSONCalls(connectSeconds: 180, answerByteCountMax: 1000)

    private func withServer(_ body: (String) async throws -> Void) async throws {
        let loops = HTTPLoops()
        var router = HTTPRouter(errors: .errorCode)
        router.on(.post, "/echo/{path*}") { call in
            let text = String(buffer: try await call.bytes())
            let type = call.headers[.contentType] ?? "none"
            let accept = call.headers[.accept] ?? "none"
            let user = call.headers[.authorization] ?? "nobody"
            return .bytes(
                "[\"\(call.path)\",\"\(type)\",\"\(accept)\",\"\(user)\",\(text)]".utf8,
                contentType: "application/json")
        }
        router.on(.get, "/refused") { _ in
            .bytes("{\"message\":\"no\"}".utf8, contentType: "application/json", status: .conflict)
        }
        router.on(.get, "/text") { _ in .bytes("hello".utf8, contentType: "text/plain") }
        router.on(.get, "/long") { _ in
            .bytes(String(repeating: "x", count: 1001).utf8, contentType: "text/plain")
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: logger)
        do {
            try await body("http://127.0.0.1:\(server.port)")
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    @Test(
        arguments: [
            ([], [], "/"), (["a", "b"], [], "/a/b"), (["a/b", "c d"], [], "/a%2Fb/c%20d"),
            (["s"], [("x", "1"), ("y z", "&=")], "/s?x=1&y%20z=%26%3D"), (["ü"], [], "/%C3%BC"),
        ] as [([String], [(String, String)], String)])
    func `paths and queries are encoded`(path: [String], query: [(String, String)], target: String) {
        #expect(JSONCalls.target(path, query) == target)
    }

    @Test func `a body, its type and who asks are sent`() async throws {
        try await withServer { base in
            let request = JSONCalls.request(
                "POST", base + JSONCalls.target(["echo", "a"]), body: .object([("b", .bool(true))]),
                type: "application/vnd.x+json", user: "user", password: "secret")
            let answer = try await Self.calls.exchange(request, timeout: Self.patience)
            #expect(answer.isSuccess)
            let type = "\"application/vnd.x+json\""
            #expect(answer.json?.elements?.count == 5)
            #expect(
                String(decoding: answer.bytes, as: UTF8.self)
                    == "[\"/echo/a\",\(type),\(type),\"Basic dXNlcjpzZWNyZXQ=\",{\"b\":true}]")
        }
    }

    @Test func `answers of every status are answers`() async throws {
        try await withServer { base in
            let refused = try await Self.calls.exchange(
                JSONCalls.request("GET", base + "/refused"), timeout: Self.patience)
            #expect(refused.status == 409 && !refused.isSuccess && refused.json?["message"]?.text == "no")
            let text = try await Self.calls.exchange(JSONCalls.request("GET", base + "/text"), timeout: Self.patience)
            #expect(text.isSuccess && text.json == nil && text.bytes == Array("hello".utf8))
        }
    }

    @Test func `an answer beyond the limit is refused`() async throws {
        try await withServer { base in
            let failure = await #expect(throws: JSONCalls.NoAnswer.self) {
                try await Self.calls.exchange(JSONCalls.request("GET", base + "/long"), timeout: Self.patience)
            }
            #expect(failure?.words == "the answer is longer than 1000 bytes")
        }
    }

    @Test func `a server that is not there is told in words`() async {
        let failure = await #expect(throws: JSONCalls.NoAnswer.self) {
            try await Self.calls.exchange(JSONCalls.request("GET", "http://127.0.0.1:1/"), timeout: Self.patience)
        }
        #expect(failure?.words == "connection refused")
    }

    @Test func `a server without TLS and a host that nobody knows are told in words`() async throws {
        try await withServer { base in
            let failure = await #expect(throws: JSONCalls.NoAnswer.self) {
                try await Self.calls.exchange(
                    JSONCalls.request("GET", base.replacing("http:", with: "https:")), timeout: Self.patience)
            }
            #expect(failure?.words == "it does not speak TLS: use http://")
        }
        // By RFC 6761 there is no such host.
        let failure = await #expect(throws: JSONCalls.NoAnswer.self) {
            try await Self.calls.exchange(JSONCalls.request("GET", "http://host.invalid:1/"), timeout: Self.patience)
        }
        #expect(failure?.words == "the host 'host.invalid' is not known")
    }
}
