import Bytes
import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import NIOHTTP1
import Testing

@testable import ConsoleService

/// Requests that go on to the services.
@Suite struct ProxyTests {
    @Test(
        arguments: [
            ("/api/sql", "/"), ("/api/sql/ksql", "/ksql"), ("/api/sql/a%2Fb/c", "/a%2Fb/c"),
            ("/api/sql/info/", "/info/"),
        ])
    func `paths go on as they are`(path: String, target: String) throws {
        #expect(try ServiceProxy.path(path, prefix: "/api/sql") == target)
    }

    @Test(
        arguments: [
            "/api/sql/..", "/api/sql/../admin", "/api/sql/%2e%2e/admin", "/api/sql/a%2f..%2f..%2fb", "/api/sql/.%2E",
            "/api/sql//other.example.com/x", "/api/sql/a\\..\\b", "/api/sql/a%5c..%5cb", "/api/sql/%0d%0aHost:x",
            "/api/sqlx", "/api/sql/%00", "/api/sql/./a",
        ])
    func `tricks with paths are refused`(path: String) {
        #expect(throws: HTTPFailure.self) { try ServiceProxy.path(path, prefix: "/api/sql") }
    }

    @Test func `a service that is not there is told`() async throws {
        try await TestConsole.with { settings, _ in
            settings.sql = [try #require(HTTPAddress("http://127.0.0.1:1"))]
        } _: { console in
            let absent = try await console.ask(.GET, "/api/registry/subjects")
            #expect(absent.status == 404)
            #expect(absent.json["error_code"]?.integer == 40401)
            #expect(absent.json["message"]?.text?.contains("--registry-url") == true)
            let down = try await console.ask(.GET, "/api/sql/info")
            #expect(down.status == 502)
            #expect(down.json["message"]?.text?.contains("connection refused") == true)
        }
    }

    @Test func `requests and answers go through, cookies and origins do not`() async throws {
        let servers = Kept<HTTPServer>()
        try await TestConsole.with { settings, loops in
            let service = try await TestConsole.service(on: loops) { call in
                let text = String(buffer: try await call.bytes())
                let names = call.headers.map { $0.name.canonicalName }.sorted().joined(separator: ",")
                return HTTPAnswer(
                    status: .init(code: call.path == "/missing" ? 404 : 200),
                    headers: [.contentType: "application/vnd.ksql.v1+json", .setCookie: "a=b"],
                    body: .bytes(
                        ByteBuffer(string: "\(call.method) \(call.path) \(call.rawQuery ?? "-") \(text) \(names)")))
            }
            servers.add(service)
            settings.sql = [try #require(HTTPAddress("http://127.0.0.1:\(service.port)"))]
        } _: { console in
            let answer = try await console.ask(
                .POST, "/api/sql/ksql?a=%2Fb",
                headers: [
                    ("X-Swiftwater-Console", "1"), ("Cookie", "c=d"), ("Accept", "application/json"),
                    ("Authorization", "Basic eA=="),
                ], body: Array("{}".utf8))
            #expect(answer.text.hasPrefix("POST /ksql a=%2Fb {} "))
            #expect(!answer.text.contains("cookie") && !answer.text.contains("authorization"))
            #expect(answer.headers.first(name: "Content-Type") == "application/vnd.ksql.v1+json")
            #expect(!answer.headers.contains(name: "Set-Cookie"))
            #expect(try await console.ask(.GET, "/api/sql/missing").status == 404)
        }
        for server in servers.all { await server.stop(within: .zero) }
    }

    // MARK: Secrets

    @Test(
        arguments: [
            ("database.password", true), ("connection.password", true), ("slack.token", true),
            ("aws.secret.access.key", true),
            ("sasl.jaas.config", true), ("ssl.keystore.location", false), ("database.user", false),
            ("key.converter", false), ("errors.deadletterqueue.topic.name", false), ("tasks.max", false),
        ])
    func `knows secrets by their names`(option: String, isSecret: Bool) {
        #expect(SecretMask.isSecret(option) == isSecret)
    }

    @Test func `answers of Connect lose their secrets, configurations that come back keep them`() async throws {
        let stored = Kept<String>()
        let servers = Kept<HTTPServer>()
        try await TestConsole.with { settings, loops in
            let service = try await TestConsole.service(on: loops) { call in
                let config = """
                    {"name": "c", "connection.password": "hunter2", "topics": "t", "ref.password": "${file:/p:x}"}
                    """
                switch (call.method, call.path) {
                case (.get, "/connectors/c/config"): return .json(try JSONValue.read(config))
                case (.get, "/connectors"):
                    return .json(try JSONValue.read("{\"c\": {\"info\": {\"name\": \"c\", \"config\": \(config)}}}"))
                case (.put, _), (.post, _):
                    let text = String(buffer: try await call.bytes())
                    stored.add(text)
                    return .json(
                        try JSONValue.read(
                            """
                            {"configs": [{"definition": {"name": "x", "type": "PASSWORD"},
                             "value": {"name": "x", "value": "hunter2", "errors": []}}]}
                            """))
                default: return .empty(.notFound)
                }
            }
            servers.add(service)
            settings.connect = [try #require(HTTPAddress("http://127.0.0.1:\(service.port)"))]
        } _: { console in
            let config = try await console.ask(.GET, "/api/connect/connectors/c/config")
            #expect(config.json["connection.password"]?.text == SecretMask.text)
            #expect(config.json["ref.password"]?.text == "${file:/p:x}")
            #expect(config.json["topics"]?.text == "t")
            let all = try await console.ask(.GET, "/api/connect/connectors?expand=info")
            #expect(!all.text.contains("hunter2") && all.text.contains(SecretMask.text))
            let checked = try await console.ask(
                .PUT, "/api/connect/connector-plugins/X/config/validate", config.json)
            #expect(!checked.text.contains("hunter2"))
            _ = try await console.ask(.PUT, "/api/connect/connectors/c/config", config.json)
            _ = try await console.ask(
                .POST, "/api/connect/connectors", .object([("name", .string("c")), ("config", config.json)]))
            let texts = stored.all
            #expect(texts.count == 3)
            for text in texts { #expect(text.contains("hunter2") && !text.contains(SecretMask.text), "\(text)") }
        }
        for server in servers.all { await server.stop(within: .zero) }
    }
}
