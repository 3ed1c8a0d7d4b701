import HTTPTypes
import Logging
import NIOCore
import Synchronization
import Testing

@testable import HTTPKit

/// The short way to answers. Its handler leaves bodies that begin with "slow" to the other one, and answers "quick".
@Suite struct QuickRouteTests {
    private final class Seen: Sendable {
        let quick = Atomic<Int>(0)
        let routes = Mutex<[String]>([])
    }

    private func withServer(
        configure: (inout HTTPServerConfiguration) -> Void = { _ in },
        _ body: (HTTPServer, Seen) async throws -> Void
    ) async throws {
        let seen = Seen()
        var router = HTTPRouter(errors: .errorCode)
        router.post("/ask", bodyByteCountMax: 100) { call in
            .text("slow \(String(buffer: try await call.bytes()))")
        }
        router.get("/text") { _ in .text("hello") }
        router.quick("/ask", bodyByteCountMax: 20) { request, output in
            let text = String(buffer: request.body)
            output += "quick \(text)".utf8
            if text.hasPrefix("slow") { return nil }
            if text == "long" { output += String(repeating: "-", count: 15_000).utf8 }
            seen.quick.wrappingAdd(1, ordering: .relaxed)
            return request.accept ?? "text/plain"
        }
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configuration.observe = { exchange in
            seen.routes.withLock { $0.append("\(exchange.method) \(exchange.route ?? "-") \(exchange.status.code)") }
        }
        configure(&configuration)
        let loops = HTTPLoops()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await HTTPServer.start(configuration, router: router, on: loops.group, logger: logger)
        do {
            try await body(server, seen)
        } catch {
            await server.stop(within: .zero)
            await loops.shutdown()
            throw error
        }
        await server.stop(within: .zero)
        await loops.shutdown()
    }

    private func post(_ body: String, _ headers: String = "") -> String {
        "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
    }

    @Test func `the whole answer of the short way`() async throws {
        try await withServer { server, seen in
            let client = try TextClient(port: server.port)
            try client.send(post("a", "Accept: x/y\r\nConnection: Keep-Alive\r\n"))
            let (head, body) = try await client.answer()
            let lines = head.split(separator: "\r\n").filter { !$0.hasPrefix("Date: ") }
            #expect(lines == ["HTTP/1.1 200 OK", "Content-Type: x/y", "Content-Length: 7"])
            #expect(head.contains("\r\nDate: "))
            #expect(body == "quick a")
            #expect(seen.routes.withLock { $0 } == ["POST /ask 200"])
        }
    }

    /// What is sent at once, and the bodies of the answers to it; afterwards the connection goes on.
    @Test(
        arguments: [
            (["slow"], ["slow slow"]), (["a", "b", "c"], ["quick a", "quick b", "quick c"]),
            (["a", "slow", "b"], ["quick a", "slow slow", "slow b"]),
            (["slow", "a"], ["slow slow", "slow a"]), (["", "a"], ["quick ", "quick a"]),
        ])
    func `answers come in the order of the requests`(bodies: [String], answers: [String]) async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(bodies.map { post($0) }.joined())
            for answer in answers { #expect(try await client.answer().body == answer) }
            try client.send("GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await client.answer().body == "hello")
        }
    }

    /// The head of a request is looked at again when it is another one than before.
    @Test func `heads that differ, and one that does not`() async throws {
        try await withServer { server, seen in
            let client = try TextClient(port: server.port)
            let requests = [
                ("a", "Accept: x/y\r\n"), ("b", "Accept: x/y\r\n"), ("cc", "Accept: x/y\r\n"), ("d", "Accept: x/z\r\n"),
                ("e", ""), ("f", "Accept: x/y\r\n"), ("g", "X: \(String(repeating: "x", count: 2000))\r\n"), ("h", ""),
            ]
            for (body, headers) in requests {
                try client.send(post(body, headers))
                let answer = try await client.answer()
                #expect(answer.body == "quick \(body)")
                let type = headers.hasPrefix("Accept: ") ? headers.dropFirst(8).prefix(3) : "text/plain"
                #expect(answer.head.contains("Content-Type: \(type)\r\n"))
            }
            #expect(seen.quick.load(ordering: .relaxed) == requests.count)
            try client.send(post("i", "Connection: close\r\n"))
            #expect(try await client.answer().body == "slow i")
            #expect(try await client.rest() == "")
        }
    }

    @Test func `long answers to requests that come together`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(String(repeating: post("long"), count: 5) + post("a"))
            for _ in 1...5 { #expect(try await client.answer().body.utf8.count == 15_010) }
            #expect(try await client.answer().body.hasSuffix(" a"))
            try client.send(post("b"))
            #expect(try await client.answer().body.hasSuffix(" b"))
        }
    }

    @Test func `the short way is taken again after the long one`() async throws {
        try await withServer { server, seen in
            let client = try TextClient(port: server.port)
            for round in 1...3 {
                try client.send(post("slow"))
                #expect(try await client.answer().body == "slow slow")
                try client.send("GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try await client.answer().body == "hello")
                try client.send(post("slow 0123456789", "Expect: 100-continue\r\n"))
                #expect(try await client.answer().head == "HTTP/1.1 100 Continue")
                #expect(try await client.answer().body == "slow slow 0123456789")
                try client.send(post("a"))
                #expect(try await client.answer().body == "quick a")
                #expect(seen.quick.load(ordering: .relaxed) == round)
            }
        }
    }

    /// Whatever the places where the bytes were cut, the answers are the same.
    @Test(arguments: 1..<60)
    func `requests in pieces`(cut: Int) async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            let bytes = Array(post("abc").utf8)
            try client.send(Array(bytes[..<min(cut, bytes.count)]))
            // The answer to another client's request says that the first piece was most likely read.
            let other = try TextClient(port: server.port)
            try other.send(post("x"))
            #expect(try await other.answer().body == "quick x")
            try client.send(Array(bytes[min(cut, bytes.count)...]))
            #expect(try await client.answer().body.hasSuffix(" abc"))
            try client.send(post("d"))
            #expect(try await client.answer().body.hasSuffix(" d"))
        }
    }

    /// Requests that only the long way can judge.
    @Test(
        arguments: [
            ("POST /ask HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "200", "slow a"),
            ("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nOrigin: y\r\n\r\na", "403", "by the name 'x'"),
            (
                "POST /ask HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 1\r\nSec-Fetch-Site: cross-site\r\n\r\na", "403",
                "another origin"
            ),
            ("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nSec-Fetch-Site: none\r\n\r\na", "200", "slow a"),
            ("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\na", "200", "slow a"),
            ("POST /ask?q HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na", "200", "slow a"),
            ("POST /ask HTTP/1.0\r\nHost: x\r\nContent-Length: 1\r\n\r\na", "200", "slow a"),
            (
                "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n012345678901234567890123456789", "200",
                "slow 012345678901234567890123456789"
            ),
            ("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n", "413", "longer than 100 bytes"),
            ("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", "400", ""),
            ("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na", "400", ""),
            ("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n\r\na", "400", ""),
            ("PUT /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na", "405", ""),
            ("POST /ask HTTP/1.1\r\nHost: x\r\nA: \u{1}\r\nContent-Length: 1\r\n\r\na", "400", ""),
        ])
    func `the long way`(request: String, status: String, body: String) async throws {
        try await withServer { server, seen in
            let client = try TextClient(port: server.port)
            try client.send(request)
            let answer = try await client.answer()
            #expect(answer.head.split(separator: " ").dropFirst().first == status[...])
            #expect(answer.body.contains(body))
            #expect(seen.quick.load(ordering: .relaxed) == 0)
        }
    }

    @Test func `streams of HTTP/2 take the short way, or the long one`() async throws {
        try await withServer { server, seen in
            let client = try FrameClient(port: server.port)
            try client.client.send(FrameClient.preface)
            try client.request(1, "POST", "/ask", hasBody: true)
            try client.body(1, "a", isLast: false)
            try client.body(1, "b", isLast: true)
            #expect(try await client.text(1) == "quick ab")
            try client.request(3, "POST", "/ask", hasBody: true)
            try client.body(3, "slow", isLast: true)
            #expect(try await client.text(3) == "slow slow")
            try client.request(5, "POST", "/ask", hasBody: true)
            try client.body(5, "0123456789", isLast: false)
            try client.body(5, "01234567890123456789", isLast: true)
            #expect(try await client.text(5) == "slow 012345678901234567890123456789")
            try client.request(7, "GET", "/text")
            #expect(try await client.text(7) == "hello")
            try client.request(9, "POST", "/ask")
            #expect(try await client.text(9) == "quick ")
            #expect(seen.quick.load(ordering: .relaxed) == 2)
            // Many at once, in any order.
            for stream in stride(from: UInt32(11), to: 51, by: 2) {
                try client.request(stream, "POST", "/ask", hasBody: true)
                try client.body(stream, stream % 4 == 1 ? "slow" : "\(stream)", isLast: true)
            }
            var texts: [UInt32: String] = [:]
            while texts.count < 20 {
                let frame = try await client.frame()
                guard frame.kind == FrameClient.data, !frame.payload.isEmpty else { continue }
                texts[frame.stream] = String(decoding: frame.payload, as: UTF8.self)
            }
            for (stream, text) in texts { #expect(text == (stream % 4 == 1 ? "slow slow" : "quick \(stream)")) }
            #expect(server.connectionCount == 1)
        }
    }

    @Test func `a connection ends when nothing is asked, and when a request does not go on`() async throws {
        try await withServer {
            $0.idleTimeout = .milliseconds(300)
        } _: { server, _ in
            let idle = try TextClient(port: server.port)
            try idle.send(post("a"))
            #expect(try await idle.answer().body == "quick a")
            let half = try TextClient(port: server.port)
            try half.send("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
            #expect(try await idle.rest() == "")
            // With or without an answer, but it ends.
            _ = try await half.rest()
        }
    }

    @Test func `what has begun is handed on when the client ends its side`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send("POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
            client.endSending()
            #expect(try await client.rest()?.contains("200 OK") != true)
        }
    }

    @Test func `a stop answers what was asked and ends the rest`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(post("a"))
            #expect(try await client.answer().body == "quick a")
            try client.send("POST /ask HTTP/1.1\r\nHost: x\r\n")
            await server.stop(within: .seconds(5))
            _ = try await client.rest()
            #expect(server.connectionCount == 0)
        }
    }
}

@Suite struct PlainHeadTests {
    private func look(_ text: String) -> PlainHead.Look { Array(text.utf8).withUnsafeBytes { PlainHead.look(at: $0) } }

    @Test func `finds the end of a request`() throws {
        let text = "POST /a HTTP/1.1\r\nhost: x\r\nACCEPT:  y/z \r\nContent-Length: 12\r\n\r\nrest"
        guard case .head(let head) = look(text) else { return #expect(Bool(false), "no head") }
        let bytes = Array(text.utf8)
        #expect(head.byteCount == bytes.count - 4)
        #expect(head.bodyByteCount == 12)
        #expect(String(decoding: bytes[head.target], as: UTF8.self) == "/a")
        #expect(head.accept.map { String(decoding: bytes[$0], as: UTF8.self) } == "y/z")
        #expect(head.isPlain && !head.isLast)
        for cut in 0..<head.byteCount {
            #expect(look(String(decoding: bytes[..<cut], as: UTF8.self)) == .incomplete)
        }
    }

    /// By hand: whether the end is known, and then whether the request is plain.
    @Test(
        arguments: [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, false),
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", true, false),
            ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", true, false),
            ("POST / HTTP/1.1\r\nHost: x\r\nHost: x\r\nContent-Length: 0\r\n\r\n", true, false),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", true, true),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", true, false),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nUpgrade: h2c\r\n\r\n", false, false),
            ("POST / HTTP/1.1\nHost: x\r\n\r\n", false, false), ("POST  / HTTP/1.1\r\n\r\n", false, false),
            ("POST / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", false, false), ("\r\n\r\n", false, false),
            ("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", false, false),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1234567890\r\n\r\n", false, false),
        ])
    func `knows what it knows`(text: String, isKnown: Bool, isPlain: Bool) {
        if case .head(let head) = look(text) {
            #expect(isKnown && head.isPlain == isPlain)
        } else {
            #expect(!isKnown)
            #expect(look(text) == .other)
        }
    }

    @Test func `long heads are left to others`() {
        #expect(look("POST /" + String(repeating: "a", count: 9000)) == .other)
        let headers = (0..<100).map { "A\($0): b\r\n" }.joined()
        #expect(look("POST / HTTP/1.1\r\n\(headers)\r\n") == .other)
    }
}
