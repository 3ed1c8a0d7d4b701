import JSONFormat
import Logging
import NIOCore
import Synchronization
import Testing

@testable import HTTPKit

/// HTTP/2 and WebSocket on the port of HTTP/1.1.
@Suite struct ProtocolTests {
    /// Counts handlers that ended because their client was gone.
    private final class Ends: Sendable {
        private let state = Mutex(0)
        var count: Int { state.withLock { $0 } }
        func add() { state.withLock { $0 += 1 } }

        func reaches(_ count: Int) async throws -> Bool {
            for _ in 0..<12000 {
                if self.count >= count { return true }
                try await Task.sleep(for: .milliseconds(5))
            }
            return false
        }
    }

    private func withServer(_ body: (HTTPServer, Ends) async throws -> Void) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let ends = Ends()
        var router = HTTPRouter(errors: .errorCode)
        router.get("/text") { call in .text("hello \(call.isHTTP2)\n") }
        router.post("/json", bodyByteCountMax: 10) { call in .json(.object([("got", try await call.json())])) }
        router.post("/length") { call in .text("\(try await call.bytes().readableBytes)") }
        router.get("/endless") { _ in
            .stream(contentType: "text/plain") { writer in
                defer { ends.add() }
                try await writer.write("begun\n")
                try await Task.sleep(for: .seconds(3600))
            }
        }
        // Answers each part of the body while the others are still to come.
        router.post("/echo", traits: .hasEndlessBody) { call in
            .stream(contentType: "text/plain") { writer in
                let (parts, source) = AsyncStream.makeStream(of: ByteBuffer.self)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        try await call.parts { source.yield($0) }
                        source.finish()
                    }
                    for await part in parts { try await writer.write(part) }
                    try await group.waitForAll()
                }
            }
        }
        router.webSocket("/socket") { call, socket in
            do {
                try await socket.send("you asked \(call.query("q") ?? "")")
                guard call.query("q") == "stay" else { return WebSocketClosing(1000, "done") }
                try await Task.sleep(for: .seconds(3600))
            } catch { ends.add() }
            return WebSocketClosing(1011, "left")
        }
        router.webSocket("/talk", messageCountMax: 2, accepts: { $0.query("q") != "no" }) { call, socket in
            guard call.query("q") != "deaf" else {
                try? await Task.sleep(for: .seconds(3600))
                return WebSocketClosing(1011, "left")
            }
            for await message in socket.messages {
                do { try await socket.send("you said \(String(buffer: message))") } catch { break }
            }
            ends.add()
            return WebSocketClosing(1000, "done")
        }
        let loops = HTTPLoops()
        let server = try await HTTPServer.start(
            HTTPServerConfiguration(host: "127.0.0.1", port: 0), router: router, on: loops.group, logger: logger)
        do {
            try await body(server, ends)
        } catch {
            await server.stop(within: .zero)
            await loops.shutdown()
            throw error
        }
        await server.stop(within: .zero)
        await loops.shutdown()
    }

    @Test func `answers HTTP/2 by prior knowledge, many requests on one connection`() async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            try client.client.send(FrameClient.preface)
            try client.request(1, "GET", "/text")
            #expect(try await client.text(1) == "hello true\n")
            try client.request(3, "POST", "/json", hasBody: true)
            try client.body(3, "[1,2]", isLast: true)
            #expect(try await client.text(3) == "{\"got\":[1,2]}")
            try client.request(5, "GET", "/nothing")
            #expect(try await client.text(5).contains("404"))
            #expect(server.connectionCount == 1)
        }
    }

    @Test func `takes a preface byte by byte`() async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            for byte in FrameClient.preface { try client.client.send([byte]) }
            try client.request(1, "GET", "/text")
            #expect(try await client.text(1) == "hello true\n")
        }
    }

    @Test func `refuses a long body of HTTP/2 and goes on with the connection`() async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            try client.client.send(FrameClient.preface)
            try client.request(1, "POST", "/json", hasBody: true)
            try client.body(1, "[1,2,3,4,5,6,7,8]", isLast: false)
            #expect(try await client.text(1).contains("413"))
            try client.request(3, "GET", "/text")
            #expect(try await client.text(3) == "hello true\n")
        }
    }

    @Test func `answers while the body still comes`() async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            try client.client.send(FrameClient.preface)
            try client.request(1, "POST", "/echo", hasBody: true)
            for text in ["one", "two", "three"] {
                try client.body(1, text, isLast: false)
                let frame = try await client.frame(FrameClient.data, 1)
                #expect(String(decoding: frame.payload, as: UTF8.self) == text)
            }
            try client.body(1, "", isLast: true)
            #expect(try await client.text(1) == "")
        }
    }

    @Test func `upgrades to HTTP/2 and answers the request that asked for it`() async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            try client.client.send(
                "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                    + "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")
            let head = try await client.client.answer(hasBody: false).head
            #expect(head.hasPrefix("HTTP/1.1 101 "))
            // Clients that compare bytes know these words from Vert.x, in small letters.
            #expect(head.contains("connection: upgrade\r\nupgrade: h2c"))
            try client.client.send(FrameClient.preface)
            #expect(try await client.text(1) == "hello true\n")
            try client.request(3, "GET", "/text")
            #expect(try await client.text(3) == "hello true\n")
        }
    }

    /// What cannot be upgraded is answered as it is.
    @Test(
        arguments: [
            "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
            "GET /text HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            "GET /text HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ])
    func `ignores other upgrades`(request: String) async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(request)
            #expect(try await client.answer().body == "hello false\n")
            try client.send("GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await client.answer().body == "hello false\n")
        }
    }

    private static func upgrade(_ line: String, _ body: String, _ fields: String = "", length: Int? = nil) -> String {
        "\(line) HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            + "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\(fields)"
            + "Content-Length: \(length ?? body.utf8.count)\r\n\r\n\(body)"
    }

    /// RFC 7540, 3.2: the request is sent whole, then the client waits for 101.
    @Test(arguments: [1, 60, 144, 150])
    func `upgrades a request with a body, however it comes`(cut: Int) async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            let request = Array(Self.upgrade("POST /json", "[1, 2, 3]").utf8)
            try client.client.send(Array(request.prefix(cut)))
            try await Task.sleep(for: .milliseconds(20))
            try client.client.send(Array(request.dropFirst(cut)))
            #expect(try await client.client.answer(hasBody: false).head.hasPrefix("HTTP/1.1 101 "))
            try client.client.send(FrameClient.preface)
            #expect(try await client.text(1) == "{\"got\":[1,2,3]}")
            try client.request(3, "POST", "/json", hasBody: true)
            try client.body(3, "[4]", isLast: true)
            #expect(try await client.text(3) == "{\"got\":[4]}")
        }
    }

    /// The body is longer than a frame and than the first window of flow control.
    @Test func `a long body of an upgraded request is whole, and counted by nobody`() async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            try client.client.send(Self.upgrade("POST /length", String(repeating: "x", count: 900_000)))
            #expect(try await client.client.answer(hasBody: false).head.hasPrefix("HTTP/1.1 101 "))
            try client.client.send(FrameClient.preface)
            var updates: [FrameClient.Frame] = []
            while true {
                let frame = try await client.frame()
                if frame.kind == 8 { updates.append(frame) }
                if frame.kind == FrameClient.data, frame.stream == 1 {
                    #expect(String(decoding: frame.payload, as: UTF8.self) == "900000")
                    break
                }
            }
            #expect(updates.isEmpty, "the client has nothing to get back")
            try client.request(3, "POST", "/length", hasBody: true)
            try client.body(3, "1234", isLast: true)
            #expect(try await client.text(3) == "4")
        }
    }

    @Test func `answers a body that is echoed in an upgraded request`() async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            try client.client.send(Self.upgrade("POST /echo", "{\"target\":\"s\"}\n{\"ID\":1}\n"))
            #expect(try await client.client.answer(hasBody: false).head.hasPrefix("HTTP/1.1 101 "))
            try client.client.send(FrameClient.preface)
            #expect(try await client.text(1) == "{\"target\":\"s\"}\n{\"ID\":1}\n")
        }
    }

    /// What is not upgraded is answered as it is, and the connection goes on.
    @Test(
        arguments: [
            "POST /json HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                + "HTTP2-Settings: AAMAAABk\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n",
            "POST /json HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n[1]",
            "POST /json HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n"
                + "[1]",
        ])
    func `answers a request with a body that cannot be upgraded`(request: String) async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(request)
            #expect(try await client.answer().body == "{\"got\":[1]}")
            try client.send("GET /text HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await client.answer().body == "hello false\n")
        }
    }

    @Test func `asks for the body of an upgrade that waits to be asked, over HTTP 1`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(Self.upgrade("POST /json", "", "Expect: 100-continue\r\n", length: 3))
            #expect(try await client.answer(hasBody: false).head.hasPrefix("HTTP/1.1 100 "))
            try client.send("[1]")
            #expect(try await client.answer().body == "{\"got\":[1]}")
        }
    }

    @Test func `a body beyond the limit of an upgrade is refused over HTTP 1`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(Self.upgrade("POST /json", "[1]", length: 1 << 21))
            #expect(try await client.answer().head.hasPrefix("HTTP/1.1 413 "))
        }
    }

    private static let halves: [String] = [
        "G", "GET / HTTP/1.1\r\nX: ", "GET /text HTTP/1.1\r\nHost: x\r\nX", "POST /json HTTP/1.1\r\nHost: x\r\nX: ",
        "POST /json HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n[1",
        "POST /json HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1",
        "GET /text HTTP/1.1\r\nHost: x\r\n\r\nGET /text HTTP/1.1\r\nHo", "PRI * HTTP/2", "BREW ", "\u{16}\u{3}\u{1}",
        upgrade("POST /json", "[1", length: 9), upgrade("GET /text", ""),
        String(decoding: FrameClient.preface, as: UTF8.self),
        String(decoding: FrameClient.preface + FrameClient.bytes(1, 4, 1, [0x83, 0x86, 0x84]), as: UTF8.self),
    ]

    private static let wholes = [
        "GET /text HTTP/1.1\r\nHost: x\r\n\r\n", upgrade("POST /json", "[1]", "Expect: nothing\r\n"),
    ]

    /// Places of clients that are gone are free long before anything times out.
    @Test(arguments: halves)
    func `a client that ends in the middle frees its place`(sent: String) async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(sent)
            for _ in 0..<4000 where server.connectionCount < 1 { try await Task.sleep(for: .milliseconds(5)) }
            client.endSending()
            _ = try await client.rest()
            for _ in 0..<4000 where server.connectionCount > 0 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(server.connectionCount == 0)
        }
    }

    @Test(arguments: wholes)
    func `a client that only ends its sending gets its answer`(sent: String) async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(sent)
            client.endSending()
            let rest = try await client.rest()
            #expect(rest?.hasPrefix("HTTP/1.1 200 ") == true, "\(rest ?? "-")")
        }
    }

    @Test func `a client of HTTP 2 that only ends its sending gets its answer`() async throws {
        try await withServer { server, _ in
            let client = try FrameClient(port: server.port)
            try client.client.send(FrameClient.preface)
            try client.request(1, "GET", "/text")
            client.client.endSending()
            #expect(try await client.text(1) == "hello true\n")
            _ = try await client.client.rest()
        }
    }

    @Test func `that all places are taken is told once a minute`() {
        let lines = Lines()
        var configuration = HTTPServerConfiguration(host: "127.0.0.1", port: 0)
        configuration.connectionCountMax = 2
        var places = ConnectionPlaces(configuration, logger: Logger(label: "test") { _ in lines })
        let start = NIODeadline.now()
        // Seconds, and how many lines there are then.
        for (second, count) in [(0, 0), (0, 1), (1, 1), (59, 1), (61, 2)] as [(Int64, Int)] {
            if second > 0 { places.connectionClosed() }
            places.opened(at: start + .seconds(second))
            #expect(lines.count == count, "after \(second) seconds")
            #expect(places.isAcceptingNewConnections() == (count == 0))
        }
    }

    /// Counts lines of a log.
    private final class Lines: LogHandler, Sendable {
        private let lines = Mutex(0)
        var count: Int { lines.withLock { $0 } }
        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        var logLevel: Logger.Level {
            get { .trace }
            set {}
        }
        subscript(metadataKey _: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }

        func log(event: LogEvent) { lines.withLock { $0 += 1 } }
    }

    @Test func `ends an endless answer when its client is gone`() async throws {
        try await withServer { server, ends in
            do {
                let client = try TextClient(port: server.port)
                try client.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await client.answer(hasBody: false)
            }
            #expect(try await ends.reaches(1))
            let client = try FrameClient(port: server.port)
            try client.client.send(FrameClient.preface)
            try client.request(1, "GET", "/endless")
            _ = try await client.frame(FrameClient.data, 1)
            try client.client.send(FrameClient.bytes(FrameClient.reset, 0, 1, [0, 0, 0, 8]))
            #expect(try await ends.reaches(2))
            try client.request(3, "GET", "/text")
            #expect(try await client.text(3) == "hello true\n")
        }
    }

    private static func handshake(_ query: String, path: String = "/socket") -> String {
        "GET \(path)?q=\(query) HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    }

    /// Key and answer of RFC 6455, 1.3; the frames by its section 5.2.
    @Test func `speaks WebSocket`() async throws {
        try await withServer { server, _ in
            let client = try TextClient(port: server.port)
            try client.send(Self.handshake("a"))
            let head = try await client.answer(hasBody: false).head
            #expect(head.hasPrefix("HTTP/1.1 101 "))
            #expect(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
            #expect(try await client.bytes(2) == [0x81, 11])
            #expect(String(decoding: try await client.bytes(11), as: UTF8.self) == "you asked a")
            #expect(try await client.bytes(8) == [0x88, 6, 0x03, 0xE8] + Array("done".utf8))
            // The client's own closing frame, masked by nothing.
            try client.send([0x88, 0x80, 0, 0, 0, 0])
            #expect(try await client.rest() == "")
        }
    }

    @Test func `answers pings and closing frames of a WebSocket, and ends its handler`() async throws {
        try await withServer { server, ends in
            let client = try TextClient(port: server.port)
            try client.send(Self.handshake("stay"))
            _ = try await client.answer(hasBody: false)
            _ = try await client.bytes(2 + 14)
            try client.send([0x89, 0x82, 0, 0, 0, 0, 7, 8])
            #expect(try await client.bytes(4) == [0x8A, 2, 7, 8])
            try client.send([0x88, 0x80, 0, 0, 0, 0])
            #expect(try await client.bytes(4) == [0x88, 2, 0x03, 0xE8])
            #expect(try await ends.reaches(1))
            let plain = try TextClient(port: server.port)
            try plain.send("GET /socket HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await plain.answer().head.hasPrefix("HTTP/1.1 426 "))
        }
    }

    /// A masked frame of RFC 6455, 5.2, whose mask changes nothing.
    private static func text(_ text: String) -> [UInt8] {
        [0x81, 0x80 | UInt8(text.utf8.count), 0, 0, 0, 0] + Array(text.utf8)
    }

    @Test func `gives a handler the messages of a WebSocket, and no more than it takes`() async throws {
        try await withServer { server, ends in
            let client = try TextClient(port: server.port)
            try client.send(Self.handshake("", path: "/talk"))
            _ = try await client.answer(hasBody: false)
            for word in ["one", "two", "six"] {
                try client.send(Self.text(word))
                #expect(try await client.bytes(2 + 12) == [0x81, 12] + Array("you said \(word)".utf8))
            }
            try client.send([0x88, 0x80, 0, 0, 0, 0])
            #expect(try await client.bytes(4) == [0x88, 2, 0x03, 0xE8])
            #expect(try await ends.reaches(1))
            let loud = try TextClient(port: server.port)
            try loud.send(Self.handshake("deaf", path: "/talk"))
            _ = try await loud.answer(hasBody: false)
            for _ in 0..<3 { try loud.send(Self.text("again")) }
            #expect(try await loud.bytes(4).prefix(1) == [0x88])
            // A refused one is a request like any other.
            let refused = try TextClient(port: server.port)
            try refused.send(Self.handshake("no", path: "/talk"))
            #expect(try await refused.answer().head.hasPrefix("HTTP/1.1 426 "))
        }
    }

    @Test func `stops with clients of all protocols`() async throws {
        try await withServer { server, ends in
            let socket = try TextClient(port: server.port)
            try socket.send(Self.handshake("stay"))
            _ = try await socket.answer(hasBody: false)
            let frames = try FrameClient(port: server.port)
            try frames.client.send(FrameClient.preface)
            try frames.request(1, "GET", "/text")
            #expect(try await frames.text(1) == "hello true\n")
            let silent = try TextClient(port: server.port)
            for _ in 0..<4000 where server.connectionCount < 3 { try await Task.sleep(for: .milliseconds(5)) }
            await server.stop(within: .seconds(5))
            #expect(server.connectionCount == 0)
            #expect(try await silent.rest() == "")
            #expect(ends.count == 1)
        }
    }
}
