import HTTPTypes
import JSONFormat
import Logging
import NIOCore
import Synchronization
import TestKit
import Testing

@testable import HTTPKit

@Suite struct HTTPServerTests {
    private static let quiet: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }()

    private static func router() -> HTTPRouter {
        var router = HTTPRouter(errors: .errorCode)
        router.get("/text") { _ in .text("hello\n") }
        router.get("/hello/{name}") { call in .text("hello \(call.parameter("name")) \(call.query("q") ?? "-")") }
        router.post("/json") { call in .json(.object([("got", try await call.json())])) }
        router.post("/large", bodyByteCountMax: 10 << 20) { call in .text("\(try await call.bytes().readableBytes)") }
        router.get("/stream") { _ in
            .stream(contentType: "text/plain") { writer in
                for piece in ["a", "b", "c"] { try await writer.write(piece) }
            }
        }
        router.get("/broken") { _ in throw TextClient.Failure(message: "a secret of ours") }
        router.post("/endless", traits: .hasEndlessBody) { _ in throw HTTPFailure(.badRequest, "not like this") }
        router.get("/conflict") { _ in throw HTTPFailure(.conflict, "no", code: 40901) }
        router.get("/number") { call in .text("\(try call.number("n", default: 7)) \(try call.flag("f"))") }
        return router
    }

    private func withServer(
        configure: (inout HTTPServerConfiguration) -> Void = { _ in },
        _ body: (HTTPServer) async throws -> Void
    ) async throws {
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configure(&configuration)
        let loops = HTTPLoops()
        let server = try await HTTPServer.start(
            configuration, router: Self.router(), on: loops.group, logger: Self.quiet)
        do {
            try await body(server)
        } catch {
            await server.stop(within: .zero)
            await loops.shutdown()
            throw error
        }
        await server.stop(within: .zero)
        await loops.shutdown()
    }

    /// Request line, body if any, status, and what the body holds.
    @Test(
        arguments: [
            ("GET /text", "", 200, "hello\n"), ("GET /hello/a%2Fb?q=x+y", "", 200, "hello a/b x y"),
            ("POST /json", "{\"a\": [1]}", 200, "{\"got\":{\"a\":[1]}}"),
            ("POST /json", "{", 400, "\"error_code\":400"), ("POST /json", "", 400, "the body is empty"),
            ("GET /nothing", "", 404, "there is nothing at /nothing"), ("PUT /text", "", 405, "GET, HEAD, OPTIONS"),
            ("GET /conflict", "", 409, "{\"error_code\":40901,\"message\":\"no\"}"),
            ("GET /broken", "", 500, "{\"error_code\":500,\"message\":\"internal server error\"}"),
            ("GET /%zz", "", 400, "cannot be decoded"), ("OPTIONS /text", "", 204, ""), ("OPTIONS *", "", 204, ""),
            ("OPTIONS /nothing", "", 404, "nothing"), ("GET /number?n=5&f=TRUE", "", 200, "5 true"),
            ("GET /number", "", 200, "7 false"), ("GET /number?n=x", "", 400, "whole number"),
            ("GET /number?f=1", "", 400, "true or false"),
        ])
    func `answers`(line: String, body: String, status: Int, expected: String) async throws {
        try await withServer { server in
            let client = try TextClient(port: server.port)
            let length = body.isEmpty ? "" : "Content-Length: \(body.utf8.count)\r\n"
            try client.send("\(line) HTTP/1.1\r\nHost: x\r\n\(length)\r\n\(body)")
            let answer = try await client.answer()
            #expect(answer.head.hasPrefix("HTTP/1.1 \(status) "))
            #expect(answer.body.contains(expected), "\(answer.body)")
            // The connection goes on.
            try client.send("GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await client.answer().body == "hello\n")
        }
    }

    @Test func `answers HEAD with the head of GET, and 405 with what there is`() async throws {
        try await withServer { server in
            let client = try TextClient(port: server.port)
            try client.send("HEAD /text HTTP/1.1\r\nHost: x\r\n\r\nGET /text HTTP/1.1\r\nHost: x\r\n\r\n")
            let head = try await client.answer(hasBody: false).head.lowercased()
            #expect(head.contains("content-length: 6"))
            #expect(head.contains("date: "))
            #expect(try await client.answer().body == "hello\n")
            try client.send("DELETE /text HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await client.answer().head.lowercased().contains("allow: get, head, options"))
        }
    }

    /// As Jetty's filter for cross-origin requests.
    @Test(
        arguments: [
            // Origins and methods that are allowed, request, its headers, status, headers of the answer that are there.
            (
                "*", "GET,PUT", "OPTIONS /text", ["Origin: http://a", "Access-Control-Request-Method: PUT"], 200,
                [
                    "access-control-allow-origin: http://a", "access-control-allow-methods: GET,PUT",
                    "access-control-allow-credentials: true", "access-control-max-age: 1800",
                    "access-control-allow-headers: X-Requested-With,Content-Type,Accept,Origin",
                ]
            ),
            (
                "http://b, https://*.a.com", "", "OPTIONS /nothing",
                [
                    "Origin: https://x.y.a.com", "Access-Control-Request-Method: POST",
                    "Access-Control-Request-Headers: content-type,accept",
                ], 200, ["access-control-allow-origin: https://x.y.a.com", "vary: Origin"]
            ),
            ("*", "", "OPTIONS /text", ["Origin: http://a", "Access-Control-Request-Method: PUT"], 200, []),
            (
                "*", "", "OPTIONS /text",
                ["Origin: http://a", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: X-Own"],
                200,
                []
            ),
            ("http://b", "", "OPTIONS /text", ["Origin: http://a", "Access-Control-Request-Method: GET"], 204, []),
            ("*", "", "OPTIONS /text", ["Origin: http://a"], 204, ["access-control-allow-origin: http://a"]),
            ("*", "", "GET /text", ["Origin: http://a"], 200, ["access-control-allow-origin: http://a"]),
            ("http://a", "", "GET /conflict", ["Origin: http://a"], 409, ["access-control-allow-origin: http://a"]),
            ("http://a", "", "GET /text", ["Origin: http://a.com"], 200, []),
            ("http://a*c", "", "GET /text", ["Origin: http://abcb"], 200, []),
            ("*", "", "GET /text", [], 200, []),
            ("", "", "GET /text", ["Origin: http://a"], 200, []),
        ] as [(String, String, String, [String], Int, [String])])
    func `lets pages of other origins in`(
        origins: String, methods: String, line: String, headers: [String], status: Int, expected: [String]
    ) async throws {
        try await withServer(configure: { $0.crossOrigin = CrossOriginRules(origins: origins, methods: methods) }) {
            server in
            let client = try TextClient(port: server.port)
            try client.send("\(line) HTTP/1.1\r\nHost: localhost\r\n" + headers.map { $0 + "\r\n" }.joined() + "\r\n")
            let head = try await client.answer().head
            #expect(head.hasPrefix("HTTP/1.1 \(status) "))
            let lines = head.split(separator: "\r\n").map(String.init)
            for header in expected {
                #expect(lines.contains { $0.lowercased() == header.lowercased() }, "\(header) in \(head)")
            }
            #expect(expected.isEmpty != head.lowercased().contains("access-control"), "\(head)")
        }
    }

    @Test func `a page may have any header where all are allowed`() async throws {
        try await withServer(configure: { $0.crossOrigin = CrossOriginRules(origins: "*", headers: "*") }) { server in
            let client = try TextClient(port: server.port)
            try client.send(
                "OPTIONS /text HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\nAccess-Control-Request-Method: GET\r\n"
                    + "Access-Control-Request-Headers: X-Own, X-Other\r\n\r\n")
            #expect(try await client.answer().head.lowercased().contains("access-control-allow-headers: x-own,x-other"))
        }
    }

    @Test func `streams in chunks, and answers what was sent at once in order`() async throws {
        try await withServer { server in
            let client = try TextClient(port: server.port)
            let get = { (path: String) in "GET \(path) HTTP/1.1\r\nHost: x\r\n" }
            try client.send(
                get("/text") + "\r\n" + get("/hello/b") + "\r\n" + get("/stream") + "Connection: close\r\n\r\n")
            #expect(try await client.answer().body == "hello\n")
            #expect(try await client.answer().body == "hello b -")
            let rest = try await client.rest() ?? ""
            #expect(rest.lowercased().contains("transfer-encoding: chunked"))
            #expect(rest.hasSuffix("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"))
        }
    }

    @Test func `refuses a body that is too long, and lets the client see it`() async throws {
        try await withServer(configure: { $0.bodyByteCountMax = 1000 }) { server in
            let announced = try TextClient(port: server.port)
            let body = String(repeating: "x", count: 1001)
            try announced.send("POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n\(body)")
            #expect(try await announced.answer().head.hasPrefix("HTTP/1.1 413 "))
            #expect(try await announced.rest() == "")
            // Whatever follows is not answered.
            let further = try TextClient(port: server.port)
            try further.send("POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n\(body)")
            try further.send("GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await further.answer().head.hasPrefix("HTTP/1.1 413 "))
            #expect(try await further.rest() == "")
            let chunked = try TextClient(port: server.port)
            try chunked.send(
                "POST /json HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n\(body)\r\n0\r\n\r\n")
            #expect(try await chunked.answer().head.hasPrefix("HTTP/1.1 413 "))
            #expect(try await chunked.rest() == "")
            // The route's own bound wins over the server's.
            let large = try TextClient(port: server.port)
            try large.send("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n\(body)")
            #expect(try await large.answer().body == "1001")
        }
    }

    @Test func `asks for a body that a client offers, and not for one that is too long`() async throws {
        try await withServer(configure: { $0.bodyByteCountMax = 100 }) { server in
            let client = try TextClient(port: server.port)
            try client.send("POST /json HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            #expect(try await client.answer(hasBody: false).head.hasPrefix("HTTP/1.1 100 "))
            try client.send("[]")
            #expect(try await client.answer().body == "{\"got\":[]}")
            try client.send("POST /json HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n")
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 413 "))
        }
    }

    enum Nonsense: CaseIterable {
        case words, longHeader, manyHeaders, negativeLength, binary

        var text: String {
            switch self {
            case .words: "GARBAGE\r\n\r\n"
            case .longHeader: "GET /text HTTP/1.1\r\nHost: x\r\nA: \(String(repeating: "a", count: 40 << 10))\r\n\r\n"
            case .manyHeaders: "GET /text HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 200) + "\r\n"
            case .negativeLength: "POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"
            case .binary: "\u{0}\u{1}\u{2}\r\n\r\n"
            }
        }
    }

    @Test(arguments: Nonsense.allCases)
    func `ends a connection that makes no sense, and serves the others`(nonsense: Nonsense) async throws {
        try await withServer(configure: { $0.idleTimeout = .milliseconds(300) }) { server in
            let bad = try TextClient(port: server.port)
            try bad.send(nonsense.text)
            let good = try TextClient(port: server.port)
            try good.send("GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(try await good.answer().body == "hello\n")
            let said = try await bad.rest()
            let status = nonsense == .longHeader || nonsense == .manyHeaders ? 431 : 400
            #expect(said == nil || said == "" || said?.hasPrefix("HTTP/1.1 \(status) ") == true)
            // What was said has a reason.
            if let said, said != "" { #expect(said.contains("\"error_code\":\(status),\"message\":\"")) }
        }
    }

    /// Requests whose end or host another server on the way may see elsewhere: what it takes for a body must not be answered.
    @Test(
        arguments: [
            ("POST /json", "Host: x\r\nTransfer-Encoding: xchunked\r\n"),
            ("POST /json", "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n"),
            ("POST /json", "Host: x\r\nTransfer-Encoding: chunked, chunked\r\n"),
            ("POST /json", "Host: x\r\nTransfer-Encoding:\r\n"),
            ("POST /json", "Host: x\r\nTransfer-Encoding: ,\r\n"),
            ("GET /text", "Host: x\r\nHost: y\r\n"),
            ("GET /text", "Host: x\r\nhost: x\r\n"),
            ("GET /text", "Host: x\r\nHost: y\r\n" + upgradeFields),
            ("POST /json", "Host: x\r\nTransfer-Encoding:\r\n" + upgradeFields),
            ("POST /json", "Host: x\r\nTransfer-Encoding: xchunked\r\n" + upgradeFields),
            ("GET /text", "Host: x\r\nHost: y\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
            ("GET /text", "Host: x\r\nTransfer-Encoding: gzip\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
        ])
    func `a request that two may read differently is refused`(line: String, fields: String) async throws {
        try await withServer { server in
            let client = try TextClient(port: server.port)
            try client.send("\(line) HTTP/1.1\r\n\(fields)\r\nGET /text HTTP/1.1\r\nHost: x\r\n\r\n")
            let answer = try await client.answer()
            #expect(answer.head.hasPrefix("HTTP/1.1 400 "))
            #expect(answer.body.contains("\"error_code\":400,\"message\":\""))
            #expect(try await client.rest() == "")
        }
    }

    private static let upgradeFields =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"

    /// Request, and all that comes until the server ends the connection.
    @Test(arguments: [
        ("GET /text HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK", "hello\n"),
        ("GET /stream HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK", "abc"),
        ("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.0 200 OK", "abc"),
        (
            "GET /nothing HTTP/1.0\r\n\r\n", "HTTP/1.0 404 Not Found",
            "{\"error_code\":404,\"message\":\"there is nothing at /nothing\"}"
        ),
        ("GET /text HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", "HTTP/1.1 200 OK", "hello\n"),
        ("GET /text HTTP/1.1\r\nHost: x\r\nConnection: TE, close\r\n\r\n", "HTTP/1.1 200 OK", "hello\n"),
    ])
    func `ends a connection that is for one answer`(request: String, status: String, body: String) async throws {
        try await withServer { server in
            let client = try TextClient(port: server.port)
            try client.send(request)
            let said = try #require(try await client.rest())
            #expect(said.hasPrefix(status + "\r\n") && said.hasSuffix("\r\n\r\n" + body), "\(said)")
            #expect(said.contains("\r\nConnection: close\r\n") && !said.lowercased().contains("chunked"))
        }
    }

    @Test func `lines that end with LF alone get an answer`() async throws {
        try await withServer { server in
            let client = try TextClient(port: server.port)
            try client.send("GET /text HTTP/1.1\nHost: x\nConnection: close\n\n")
            let said = try await client.rest()
            #expect(said?.hasPrefix("HTTP/1.1 ") == true, "\(said ?? "-")")
        }
    }

    @Test func `ends connections that send too slowly or nothing`() async throws {
        try await withServer(configure: {
            $0.idleTimeout = .milliseconds(200)
            $0.requestTimeout = .milliseconds(200)
        }) { server in
            let silent = try TextClient(port: server.port)
            let halfHead = try TextClient(port: server.port)
            try halfHead.send("GET /text HTTP/1.1\r\nHost:")
            let halfBody = try TextClient(port: server.port)
            try halfBody.send("POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[")
            // Each read ends when the server closes, at the latest when the socket's own time limit makes it fail.
            #expect(try await silent.rest() == "")
            #expect(try await halfHead.rest() != nil)
            #expect(try await halfBody.rest() != nil)
        }
    }

    /// As long as it is not answered such a body may take its time.
    @Test func `a body without end ends some time behind its answer`() async throws {
        try await withServer(configure: { $0.requestTimeout = .seconds(1) }) { server in
            let client = try TextClient(port: server.port)
            try client.send("POST /endless HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n[")
            // The read ends when the server closes; it fails at the socket's own time limit.
            let said = try await client.rest()
            // On a busy machine the time may be over before the handler is asked.
            #expect(said == nil || said == "" || said?.contains("not like this") == true)
        }
    }

    @Test func `tells who counts`() async throws {
        let seen = Mutex<[String]>([])
        let box = Box(seen)
        try await withServer(configure: { configuration in
            configuration.observe = { exchange in
                let text = "\(exchange.method) \(exchange.route ?? "-") \(exchange.status.code)"
                box.seen.withLock { $0.append(text) }
            }
        }) { server in
            let client = try TextClient(port: server.port)
            for path in ["/hello/x", "/nothing"] {
                try client.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await client.answer()
            }
            try client.send("GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try await client.answer()
            #expect(box.seen.withLock { Array($0.prefix(2)) } == ["GET /hello/{name} 200", "GET - 404"])
        }
    }

    private final class Box: Sendable {
        let seen: Mutex<[String]>
        init(_ seen: consuming sending Mutex<[String]>) { self.seen = seen }
    }

    /// A request that is being answered when the server stops gets its answer; idle connections end at once.
    @Test func `stops when what it is doing is done`() async throws {
        let (arrived, hasArrived) = AsyncStream.makeStream(of: Void.self)
        let (release, mayGo) = AsyncStream.makeStream(of: Void.self)
        var router = HTTPRouter(errors: .plain)
        router.get("/slow") { _ in
            hasArrived.yield()
            for await _ in release { break }
            return .text("done\n")
        }
        let loops = HTTPLoops()
        let server = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: Self.quiet)
        let idle = try TextClient(port: server.port)
        let busy = try TextClient(port: server.port)
        try busy.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        for await _ in arrived { break }
        async let stopped: Void = server.stop(within: .seconds(20))
        #expect(try await idle.rest() == "")
        mayGo.yield()
        #expect(try await busy.answer().body == "done\n")
        await stopped
        #expect(throws: BlockingSocket.Failure.self) { try TextClient(port: server.port) }
        await loops.shutdown()
    }

    @Test func `does not wait for a request without end`() async throws {
        let (arrived, hasArrived) = AsyncStream.makeStream(of: Void.self)
        var router = HTTPRouter(errors: .plain)
        router.get("/never") { _ in
            hasArrived.yield()
            try await Task.sleep(for: .seconds(600))
            return .empty()
        }
        let loops = HTTPLoops()
        let server = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: Self.quiet)
        let client = try TextClient(port: server.port)
        try client.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        for await _ in arrived { break }
        await server.stop(within: .milliseconds(50))
        #expect(try await client.rest() != "HTTP/1.1 200 OK")
        await loops.shutdown()
    }

    @Test func `says that a port is taken`() async throws {
        try await withServer { server in
            let loops = HTTPLoops()
            let error = await #expect(throws: HTTPServerError.self) {
                try await HTTPServer.start(
                    HTTPServerConfiguration(host: "127.0.0.1", port: server.port), router: Self.router(),
                    on: loops.group, logger: Self.quiet)
            }
            #expect(error?.code == .addressInUse)
            await loops.shutdown()
        }
    }
}
