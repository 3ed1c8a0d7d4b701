import ConnectCore
import HTTPTypes
import Synchronization
import Testing

@testable import ConnectorHTTP

@Suite struct HTTPSinkTests {
    private func put(
        _ properties: [String: String], _ records: [ConnectRecord], _ context: SinkContext = SinkContext(),
        plugin: any SinkPlugin = HTTPSinkPlugin(version: "1", reporter: nil)
    ) async throws {
        let task = try plugin.makeTask(["retry.backoff.ms": "0"].merging(properties) { $1 }, context)
        try await task.start()
        do { try await task.put(records) } catch {
            await task.stop()
            throw error
        }
        let offsets = [SinkPartition(topic: "t", partition: 0): Int64(9)]
        #expect(try await task.preCommit(offsets) == offsets)
        await task.stop()
    }

    @Test func `one request for each record`() async throws {
        try await ScriptedServer.run { url, server in
            try await put(
                ["http.api.url": url + "/in/${topic}/${key}", "headers": "X-A: 1|X-B:2 : 3"],
                [record(.string("one"), key: .string("a/b")), record(object([("k", .int32(1))]), key: .string("c"))])
            #expect(server.requests.map(\.line) == ["POST /in/t/a%2Fb", "POST /in/t/c"])
            #expect(server.requests.map(\.body) == ["one", "{k=1}"])
            let headers = server.requests[0].headers
            #expect(headers[try #require(HTTPField.Name("X-A"))] == "1")
            #expect(headers[try #require(HTTPField.Name("X-B"))] == "2 : 3")
        }
    }

    @Test func `batches with what stands around and between`() async throws {
        try await ScriptedServer.run { url, server in
            let records = (0..<5).map { record(object([("n", .int32($0))])) }
            try await put(
                [
                    "http.api.url": url, "request.body.format": "json", "batch.max.size": "2", "batch.prefix": "<",
                    "batch.suffix": ">", "batch.separator": "; ", "request.method": "put",
                ], records)
            #expect(server.requests.map(\.body) == [#"<{"n":0}; {"n":1}>"#, #"<{"n":2}; {"n":3}>"#, #"<{"n":4}>"#])
            #expect(server.requests.allSatisfy { $0.line == "PUT /" })
            #expect(server.requests[0].headers[.contentType] == "application/json")
        }
    }

    @Test func `a batch is of one key, or as a JSON array of any`() async throws {
        try await ScriptedServer.run { url, server in
            let records = [("a", 1), ("b", 2), ("a", 3)].map { record(.int32(Int32($1)), key: .string($0)) }
            try await put(["http.api.url": url, "batch.max.size": "10"], records)
            #expect(server.requests.map(\.body) == ["1,3", "2"])
            try await put(
                [
                    "http.api.url": url, "batch.max.size": "10", "batch.key.pattern": "${topic}",
                    "request.body.format": "json", "batch.json.as.array": "true",
                ], records)
            #expect(server.requests.last?.body == "[1,2,3]")
        }
    }

    @Test func `tries again and gives up`() async throws {
        try await ScriptedServer.run([(500, "", []), (429, "", [("Retry-After", "0")]), (200, "", [])]) { url, server in
            try await put(["http.api.url": url], [record(.string("x"))])
            #expect(server.requests.count == 3)
        }
        try await ScriptedServer.run([(503, "down", [])]) { url, server in
            let failure = await #expect(throws: ConnectError.self) {
                try await put(["http.api.url": url + "?token=secret", "max.retries": "2"], [record(.string("x"))])
            }
            #expect(server.requests.count == 3)
            #expect(failure?.message.contains("Status code : 503") == true)
            #expect(failure?.message.contains("down") == true)
            #expect(failure?.message.contains("secret") == false)
            #expect(failure?.isRetriable == false)
        }
        try await ScriptedServer.run([(404, "", [])]) { url, server in
            await #expect(throws: ConnectError.self) {
                try await put(["http.api.url": url, "retry.on.status.codes": "500-"], [record(.string("x"))])
            }
            #expect(server.requests.count == 1)
        }
    }

    @Test func `failures go where they are to go`() async throws {
        try await ScriptedServer.run([(400, "bad", []), (200, "", [])]) { url, server in
            let context = SinkContext(isTolerant: true)
            let properties = ["http.api.url": url, "retry.on.status.codes": "500-"]
            try await put(properties, [record(.string("x"), offset: 1), record(.string("y"), offset: 2)], context)
            #expect(context.reported.withLock { $0.map(\.record.kafkaOffset) } == [1])
            #expect(server.requests.count == 2)
        }
        for behaviour in ["ignore", "log"] {
            try await ScriptedServer.run([(400, "", [])]) { url, _ in
                let context = SinkContext()
                try await put(
                    ["http.api.url": url, "behavior.on.error": behaviour, "max.retries": "0"], [record(.string("x"))],
                    context)
                #expect(
                    context.lines.withLock { $0.contains { $0.contains("Status code : 400") } } == (behaviour == "log"))
            }
        }
    }

    @Test func `records without a value`() async throws {
        try await ScriptedServer.run { url, server in
            let records = [record(.string("x"), key: .string("k")), record(.null, key: .string("k"))]
            try await put(
                ["http.api.url": url + "/${key}", "behavior.on.null.values": "delete", "batch.max.size": "5"], records)
            #expect(server.requests.map(\.line) == ["POST /k", "DELETE /k"])
            try await put(["http.api.url": url], [records[1]])
            #expect(server.requests.count == 2)
            await #expect(throws: ConnectError.self) {
                try await put(["http.api.url": url, "behavior.on.null.values": "fail"], [records[1]])
            }
        }
    }

    @Test func `logs in`() async throws {
        try await ScriptedServer.run { url, server in
            try await put(
                ["http.api.url": url, "auth.type": "BASIC", "connection.user": "u", "connection.password": "p"],
                [record(.string("x"))])
            try await put(["http.api.url": url, "auth.type": "bearer", "bearer.token": "T"], [record(.string("x"))])
            #expect(server.requests.map { $0.headers[.authorization] } == ["Basic dTpw", "Bearer T"])
        }
    }

    @Test func `a token is asked for once, and anew when it is refused`() async throws {
        let token = #"{"access_token":"T1","expires_in":3600}"#
        try await ScriptedServer.run([
            (200, token, []), (200, "", []), (401, "", []), (200, token.replacing("T1", with: "T2"), []), (200, "", []),
        ]) { url, server in
            try await put(
                [
                    "http.api.url": url + "/api", "auth.type": "OAUTH2", "oauth2.token.url": url + "/token",
                    "oauth2.client.id": "id", "oauth2.client.secret": "s&c",
                ], [record(.string("1")), record(.string("2"))])
            #expect(
                server.requests.map(\.line)
                    == ["POST /token", "POST /api", "POST /api", "POST /token", "POST /api"])
            #expect(server.requests[0].body == "grant_type=client_credentials&scope=any")
            #expect(server.requests[0].headers[.authorization] == "Basic aWQ6cyZj")
            #expect(server.requests[1].headers[.authorization] == "Bearer T1")
            #expect(server.requests[4].headers[.authorization] == "Bearer T2")
        }
    }

    private final class Reporter: ResponseReporter {
        let reports = Mutex<[(topic: String, value: String)]>([])
        func report(
            topic: String, key: [UInt8]?, value: [UInt8], headers: [(name: String, value: [UInt8])]
        ) async throws(ConnectError) {
            reports.withLock { $0.append((topic, String(decoding: value, as: UTF8.self))) }
        }
    }

    @Test func `answers are reported where there is a way to`() async throws {
        try await ScriptedServer.run([(200, "fine", []), (400, "bad", [])]) { url, _ in
            let reporter = Reporter()
            let properties = [
                "name": "c1", "http.api.url": url, "reporter.bootstrap.servers": "x:1", "max.retries": "0",
                "behavior.on.error": "ignore", "report.errors.as": "http_response",
            ]
            try await put(
                properties, [record(.string("1")), record(.string("2"))],
                plugin: HTTPSinkPlugin(version: "1", reporter: reporter))
            #expect(reporter.reports.withLock { $0.map(\.topic) } == ["c1-success", "c1-error"])
            #expect(reporter.reports.withLock { $0.map(\.value) } == ["fine", "bad"])
            let problems = await HTTPSinkPlugin(version: "1", reporter: nil).problems(with: properties)
            #expect(problems.map(\.option) == ["reporter.bootstrap.servers"])
        }
    }

    @Test(arguments: [
        (["http.api.url": "ftp://x"], "http.api.url"),
        (["http.api.url": "http://h", "headers": "nonsense"], "headers"),
        (["http.api.url": "http://h", "retry.on.status.codes": "x"], "retry.on.status.codes"),
        (["http.api.url": "http://h", "regex.patterns": "a~b", "regex.replacements": "c"], "regex.replacements"),
        (["http.api.url": "http://h", "regex.patterns": "(", "regex.replacements": "c"], "regex.patterns"),
        (["http.api.url": "http://h", "auth.type": "BASIC"], "connection.user"),
        (["http.api.url": "https://h", "https.ssl.keystore.type": "BKS"], "https.ssl.keystore.type"),
    ])
    func `says which option is wrong`(properties: [String: String], option: String) async {
        let problems = await HTTPSinkPlugin(version: "1", reporter: nil).problems(with: properties)
        #expect(problems.map(\.option) == [option])
    }

    @Test func `the one by Aiven`() async throws {
        let plugin = AivenHTTPSinkPlugin(version: "1")
        try await ScriptedServer.run([(500, "", []), (200, "", [])]) { url, server in
            let properties = [
                "http.url": url, "http.authorization.type": "static", "http.headers.authorization": "Key 1",
                "http.headers.content.type": "application/json", "http.headers.additional": "a:b,c: d",
                "batching.enabled": "true",
            ]
            try await put(properties, [record(object([("k", .int32(1))])), record(.string("text"))], plugin: plugin)
            #expect(server.requests.map(\.body) == ["{\"k\":1}\ntext\n", "{\"k\":1}\ntext\n"])
            #expect(server.requests[1].headers[.authorization] == "Key 1")
            #expect(server.requests[1].headers[.contentType] == "application/json")
            #expect(server.requests[1].headers[try #require(HTTPField.Name("c"))] == "d")
        }
        #expect(
            await plugin.problems(with: ["http.url": "http://h", "http.authorization.type": "static"]).map(\.option)
                == ["http.headers.authorization"])
    }
}
