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
            ("http.authorization.type", false), ("oauth2.access.token.url", false),
            ("oauth2.response.token.property", false), ("sasl.oauthbearer.token.endpoint.url", false),
            ("slack.webhook.url", true), ("http.headers.authorization", true), ("oauth2.client.secret", true),
        ])
    func `knows secrets by their names`(option: String, isSecret: Bool) {
        #expect(SecretMask.isSecret(option) == isSecret)
    }

    @Test(
        arguments: [
            ("connection.url", "jdbc:mysql://h/d?user=u&password=S3", "jdbc:mysql://h/d?user=u&password=********"),
            ("connection.url", "jdbc:mysql://h/d?password=S3&user=u", "jdbc:mysql://h/d?password=********&user=u"),
            (
                "connection.url", "jdbc:sqlserver://h;databaseName=d;password=S3;encrypt=true",
                "jdbc:sqlserver://h;databaseName=d;password=********;encrypt=true"
            ),
            ("connection.url", "jdbc:sqlserver://h:1433;password=a@b", "jdbc:sqlserver://h:1433;password=********"),
            ("http.url", "http://u:PW@host/a?b=c", "http://u:********@host/a?b=c"),
            ("http.url", "http://u:P@W@host", "http://u:********@host"),
            (
                "http.url", "http://a,http://u:PW@host,http://v:QW@host",
                "http://a,http://u:********@host,http://v:********@host"
            ),
            ("http.url", "http://host/hook?api_key=k3y#x", "http://host/hook?api_key=********#x"),
            ("http.url", "http://host:80/a@b", "http://host:80/a@b"),
            ("http.url", "http://u:${env:PW}@host", "http://u:${env:PW}@host"),
            ("http.headers.additional", "X-Api-Key:k3y", "X-Api-Key:********"),
            ("http.headers.additional", "Accept:text/plain,X-Api-Key: k3y", "Accept:text/plain,X-Api-Key: ********"),
            ("headers", "Authorization:Bearer a.b-c|Accept:x/y", "Authorization:********|Accept:x/y"),
            ("headers", "Authorization: Digest a=b, c=d, Accept: x", "Authorization: ********, Accept: x"),
            ("headers", "Accept:x/y", "Accept:x/y"), ("transforms.h.headers", "token,key", "token,key"),
            ("topics", "a,b", "a,b"), ("consumer.override.sasl.mechanism", "PLAIN", "PLAIN"),
        ])
    func `secrets inside of values are hidden, and kept when they come back`(
        option: String, value: String, shown: String
    ) {
        let config = JSONValue.object([(option, .string(value))])
        let masked = SecretMask.masked(config: config)
        #expect(masked[option]?.text == shown)
        #expect(SecretMask.hasHidden(masked) == (value != shown))
        #expect(SecretMask.restored(masked, from: config)[option]?.text == value)
    }

    @Test func `around a hidden part the value can be changed`() {
        func saved(_ given: String, _ present: String) -> String? {
            SecretMask.restored(.object([("url", .string(given))]), from: .object([("url", .string(present))]))["url"]?
                .text
        }
        #expect(saved("http://v:********@new", "http://u:PW@old") == "http://v:PW@new")
        #expect(saved("http://v:other@new", "http://u:PW@old") == "http://v:other@new")
        // Which of two it stands for nobody knows.
        #expect(saved("http://v:********@new", "http://u:PW@old?token=t") == "http://v:********@new")
    }

    @Test func `the own level of a subject is told from the general one`() async throws {
        let servers = Kept<HTTPServer>()
        try await TestConsole.with { settings, loops in
            let service = try await TestConsole.service(on: loops) { call in
                switch call.path {
                case "/config", "/config/a%2Fb": .json(try JSONValue.read("{\"compatibilityLevel\": \"BACKWARD\"}"))
                case "/config/broken": .empty(.internalServerError)
                default: .empty(.notFound)
                }
            }
            servers.add(service)
            settings.registry = [try #require(HTTPAddress("http://127.0.0.1:\(service.port)"))]
        } _: { console in
            let own = try await console.ask(.GET, "/api/subjects/a%2Fb/compatibility")
            #expect(own.json["own"]?.text == "BACKWARD" && own.json["general"]?.text == "BACKWARD")
            let none = try await console.ask(.GET, "/api/subjects/none/compatibility")
            #expect(none.status == 200 && none.json["own"] == .null && none.json["general"]?.text == "BACKWARD")
            #expect(try await console.ask(.GET, "/api/subjects/broken/compatibility").status == 502)
        }
        for server in servers.all { await server.stop(within: .zero) }
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
