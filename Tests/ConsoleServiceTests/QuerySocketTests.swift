import Bytes
import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import NIOHTTP1
import Testing

@testable import ConsoleService

/// Queries of a page over one WebSocket.
@Suite struct QuerySocketTests {
    // MARK: Words

    @Test func `reads what pages say`() throws {
        func read(_ text: String) -> QueryMessage? { QueryMessage(ByteBuffer(string: text)) }
        #expect(read(#"{"stop": 7}"#) == .stop(7))
        let request = try JSONValue.read(#"{"sql":"SELECT 1;","properties":{"a":"b"},"sessionVariables":{}}"#)
        #expect(read(#"{"start": 1, "sql": "SELECT 1;", "properties": {"a": "b"}}"#) == .start(1, request))
        for text in ["", "7", "{}", #"{"start": 1}"#, #"{"start": "1", "sql": "x"}"#, #"{"stop": 1.5}"#, "[1]"] {
            #expect(read(text) == nil, "\(text)")
        }
    }

    @Test func `a message is text whatever came`() {
        let message = QueryMessage.lines(3, ByteBuffer(bytes: [0x5B, 0xFF, 0x5D, 0x0A]))
        #expect(String(buffer: message) == "{\"id\":3}\n[\u{FFFD}]\n")
    }

    // MARK: A server of SQL that does what its query says

    private static let header = #"{"queryId":"q","columnNames":["A"],"columnTypes":["INTEGER"]}"#

    /// - Parameter ends: gets the texts of push queries that have ended.
    private static func sql(_ call: HTTPCall, _ ends: Kept<String>) async throws -> HTTPAnswer {
        let body = try await call.json()
        let sql = body["sql"]?.text ?? ""
        guard call.path == "/query-stream" else { return .empty(.notFound) }
        switch sql {
        case "bad":
            return .json(
                .object([
                    ("@type", .string("statement_error")), ("error_code", .number(40001)),
                    ("message", .string("no such stream")),
                ]),
                status: .badRequest)
        case "cut":
            return .stream(contentType: "text/plain") { writer in
                for part in [header + "\n[1", "0]\n[20]", "\n\n", "[30]"] {
                    try await writer.write(part)
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        case "flood":
            return .stream(contentType: "text/plain") { writer in
                defer { ends.add(sql) }
                let rows = String(repeating: "[1234567890]\n", count: 5000)
                while true { try await writer.write(rows) }
            }
        case "long":
            return .stream(contentType: "text/plain") { writer in
                defer { ends.add(sql) }
                let part = String(repeating: "x", count: 1 << 20)
                while true { try await writer.write(part) }
            }
        default:
            return .stream(contentType: "text/plain") { writer in
                defer { ends.add(sql) }
                try await writer.write(header + "\n[\"\(sql)\"]\n")
                try await Task.sleep(for: .seconds(3600))
            }
        }
    }

    private func withSocket(
        stall: Duration = .seconds(15), _ body: (SocketClient, TestConsole, Kept<String>) async throws -> Void
    ) async throws {
        let servers = Kept<HTTPServer>()
        let ends = Kept<String>()
        try await TestConsole.with { settings, loops in
            let service = try await TestConsole.service(on: loops) { call in try await Self.sql(call, ends) }
            servers.add(service)
            settings.sql = [try #require(HTTPAddress("http://127.0.0.1:\(service.port)"))]
            settings.querySocketStall = stall
        } _: { console in
            let client = try SocketClient(port: console.server.port)
            let address = "127.0.0.1:\(console.server.port)"
            let status = try await client.open("/api/query", [("Host", address), ("Origin", "http://\(address)")])
            #expect(status == "HTTP/1.1 101 Switching Protocols")
            try await body(client, console, ends)
        }
        for server in servers.all { await server.stop(within: .zero) }
    }

    private static func start(_ id: Int64, _ sql: String) -> JSONValue {
        .object([("start", .number(id)), ("sql", .string(sql))])
    }

    private static func reaches(_ condition: () -> Bool) async throws -> Bool {
        for _ in 0..<4000 {
            if condition() { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    // MARK: Queries

    @Test func `many queries share a socket and end one by one`() async throws {
        try await withSocket { client, _, ends in
            for id in 1...40 { try client.send(Self.start(Int64(id), "push \(id)")) }
            var rows: [String: String] = [:]
            while rows.count < 40 {
                guard case .text(let text) = try await client.next() else {
                    Issue.record("the socket ended")
                    return
                }
                let lines = text.split(separator: "\n").map(String.init)
                #expect(lines.count == 3 && lines[1] == Self.header)
                rows[lines[0]] = lines.last
            }
            for id in 1...40 { #expect(rows["{\"id\":\(id)}"] == "[\"push \(id)\"]") }
            try client.send(.object([("stop", .number(17))]))
            #expect(try await client.next() == .text(#"{"id":17,"end":true}"#))
            #expect(try await Self.reaches { ends.all == ["push 17"] })
            // The number is free again, and one that nobody knows is nothing to worry about.
            try client.send(.object([("stop", .number(99))]))
            try client.send(Self.start(17, "again"))
            #expect(try await client.next() == .text("{\"id\":17}\n\(Self.header)\n[\"again\"]\n"))
        }
    }

    @Test func `all queries end with their page`() async throws {
        try await withSocket { client, console, ends in
            let address = "127.0.0.1:\(console.server.port)"
            do {
                let other = try SocketClient(port: console.server.port)
                _ = try await other.open("/api/query", [("Host", address), ("X-Swiftwater-Console", "1")])
                for id in 1...3 { try other.send(Self.start(Int64(id), "of another")) }
                for _ in 1...3 { _ = try await other.next() }
            }
            #expect(try await Self.reaches { ends.all.count == 3 })
            try client.send(Self.start(1, "stays"))
            #expect(try await client.next() == .text("{\"id\":1}\n\(Self.header)\n[\"stays\"]\n"))
        }
    }

    @Test func `rows come whole however they were cut`() async throws {
        try await withSocket { client, _, _ in
            try client.send(Self.start(5, "cut"))
            var lines: [String] = []
            while true {
                guard case .text(let text) = try await client.next(), text != #"{"id":5,"end":true}"# else { break }
                let parts = text.split(separator: "\n").map(String.init)
                #expect(parts.first == #"{"id":5}"#)
                lines += parts.dropFirst()
            }
            #expect(lines == [Self.header, "[10]", "[20]", "[30]"])
        }
    }

    @Test func `what goes wrong is told of its query`() async throws {
        try await withSocket { client, _, _ in
            try client.send(Self.start(1, "bad"))
            #expect(try await client.next() == .text(#"{"id":1,"error":{"message":"no such stream"}}"#))
            #expect(try await client.next() == .text(#"{"id":1,"end":true}"#))
            try client.send(Self.start(2, "long"))
            guard case .text(let text) = try await client.next() else {
                Issue.record("the socket ended")
                return
            }
            #expect(text.hasPrefix(#"{"id":2,"error":{"message":"the rows are longer than"#))
            #expect(try await client.next() == .text(#"{"id":2,"end":true}"#))
        }
    }

    @Test func `without a SQL server queries fail with a hint`() async throws {
        try await TestConsole.with { console in
            let client = try SocketClient(port: console.server.port)
            _ = try await client.open("/api/query", [("Host", "localhost"), ("Origin", "http://localhost")])
            try client.send(Self.start(1, "SELECT 1;"))
            guard case .text(let text) = try await client.next() else {
                Issue.record("the socket ended")
                return
            }
            #expect(text.contains("--ksql-url"))
        }
    }

    @Test(
        arguments: [
            (["nonsense"], "a message is like"), (["{}"], "a message is like"),
            ([#"{"start":1,"sql":"a"}"#, #"{"start":1,"sql":"b"}"#], "query 1 runs already"),
        ])
    func `a page that breaks the rules is cut off with a reason`(messages: [String], reason: String) async throws {
        try await withSocket { client, _, _ in
            for message in messages { try client.send(text: Array(message.utf8)) }
            while true {
                guard case .close(let code, let text) = try await client.next() else { continue }
                #expect(code == 1008 && text.hasPrefix(reason))
                return
            }
        }
    }

    @Test func `a page that takes nothing is cut off with a reason, and its queries end`() async throws {
        try await withSocket(stall: .milliseconds(300)) { client, _, ends in
            for id in 1...3 { try client.send(Self.start(Int64(id), "flood")) }
            #expect(try await Self.reaches { ends.all.count == 3 })
            while true {
                guard case .close(let code, let reason) = try await client.next() else { continue }
                #expect(code == 1008 && reason.hasPrefix("the page took no rows for"))
                return
            }
        }
    }

    // MARK: Who may

    @Test func `pages of others get no socket`() async throws {
        try await withSocket { _, console, _ in
            let port = console.server.port
            let host = ("Host", "127.0.0.1:\(port)")
            for headers in [
                [host], [host, ("Origin", "http://evil.example.com")], [host, ("Origin", "null")],
                [host, ("Origin", "http://127.0.0.1:1")],
                [host, ("Origin", "http://evil.example.com"), ("X-Swiftwater-Console", "1")],
                [host, ("Origin", "http://127.0.0.1:\(port)"), ("Sec-Fetch-Site", "cross-site")],
                [("Host", "evil.example.com"), ("Origin", "http://evil.example.com")],
            ] {
                let client = try SocketClient(port: port)
                #expect(try await client.open("/api/query", headers) == "HTTP/1.1 403 Forbidden", "\(headers)")
            }
            #expect(try await console.ask(.GET, "/api/query").status == 426)
        }
    }
}
