import ConnectCore
import JSONFormat
import Synchronization
import Testing

@testable import ConnectorHTTP

@Suite struct SlackSinkTests {
    private let partition = SinkPartition(topic: "t", partition: 0)

    private func task(_ properties: [String: String], _ context: SinkContext) async throws -> any SinkTask {
        let task = try SlackSinkPlugin(version: "1").makeTask(
            ["rate.limit.per.second": "1000", "retry.backoff.ms": "0"].merging(properties) { $1 }, context)
        try await task.start()
        try await task.open([partition])
        return task
    }

    private func text(_ asked: ScriptedServer.Asked) -> String? {
        JSONValue.parse(Array(asked.body.utf8))?["text"]?.text
    }

    @Test func `messages from a template`() async throws {
        try await ScriptedServer.run([(200, "ok", [])]) { url, server in
            let task = try await task(
                [
                    "slack.webhook.url": url + "/services/T/B/S", "slack.channel": "#ops",
                    "message.template": "*${FULL_NAME}* <${stars}>: ${message}",
                ], SinkContext())
            try await task.put([
                record(object([("FULL_NAME", .string("A & B")), ("stars", .int32(1)), ("message", .string("<no>"))])),
                record(.null, offset: 1),
            ])
            #expect(server.requests.map(\.line) == ["POST /services/T/B/S"])
            // What the template says stays, what comes from the record cannot mean anything to Slack.
            #expect(text(server.requests[0]) == "*A &amp; B* <1>: &lt;no&gt;")
            #expect(JSONValue.parse(Array(server.requests[0].body.utf8))?["channel"]?.text == "#ops")
            #expect(try await task.preCommit([partition: 2]) == [partition: 2])
            await task.stop()
        }
    }

    @Test func `the same message only once in a while`() async throws {
        try await ScriptedServer.run { url, server in
            let context = SinkContext()
            let task = try await task(
                [
                    "slack.webhook.url": url, "message.template": "${name} ${n}", "dedupe.key": "${name}",
                    "dedupe.window.ms": "60000",
                ], context)
            func say(_ name: String, _ number: Int32) -> ConnectRecord {
                record(object([("name", .string(name)), ("n", .int32(number))]))
            }
            try await task.put([say("a", 1), say("a", 2), say("b", 3)])
            context.clock.withLock { $0 += 59_999 }
            try await task.put([say("a", 4)])
            context.clock.withLock { $0 += 1 }
            try await task.put([say("a", 5)])
            #expect(server.requests.compactMap(text) == ["a 1", "b 3", "a 5"])
            await task.stop()
        }
    }

    @Test func `what has to wait is not counted as done`() async throws {
        try await ScriptedServer.run { url, server in
            let context = SinkContext()
            let task = try await task(["slack.webhook.url": url, "rate.limit.per.second": "0.01"], context)
            try await task.put((0..<300).map { record(.int32(Int32($0)), offset: $0) })
            #expect(server.requests.count == 1)
            #expect(try await task.preCommit([partition: 300]) == [partition: 1])
            #expect(context.paused.withLock { $0 } == [partition])
            await task.close([partition])
            #expect(try await task.preCommit([:]).isEmpty)
            await task.stop()
        }
    }

    @Test func `waits as long as Slack says`() async throws {
        try await ScriptedServer.run([(429, "", [("Retry-After", "0")]), (503, "", []), (200, "ok", [])]) {
            url, server in
            let task = try await task(["slack.webhook.url": url, "max.retries": "1"], SinkContext())
            try await task.put([record(.string("x"))])
            #expect(server.requests.count == 3)
            #expect(try await task.preCommit([partition: 1]) == [partition: 1])
            await task.stop()
        }
        try await ScriptedServer.run([(429, "", [("Retry-After", "3000")])]) { url, server in
            let task = try await task(["slack.webhook.url": url], SinkContext())
            try await task.put([record(.string("x"))])
            #expect(server.requests.count == 1)
            #expect(try await task.preCommit([partition: 1]) == [partition: 0])
            await task.stop()
        }
    }

    @Test func `what Slack refuses`() async throws {
        try await ScriptedServer.run([(400, "invalid_payload", []), (200, "ok", [])]) { url, server in
            let context = SinkContext(isTolerant: true)
            let task = try await task(["slack.webhook.url": url], context)
            try await task.put([record(.string("x")), record(.string("y"), offset: 1)])
            #expect(context.reported.withLock { $0.count } == 1 && server.requests.count == 2)
            await task.stop()
        }
        try await ScriptedServer.run([(404, "no_service", [])]) { url, server in
            let task = try await task(["slack.webhook.url": url + "/secret"], SinkContext(isTolerant: true))
            let failure = await #expect(throws: ConnectError.self) { try await task.put([record(.string("x"))]) }
            #expect(failure?.message.contains("no_service") == true)
            #expect(failure?.message.contains("secret") == false)
            await task.stop()
        }
    }

    @Test func `the address is never shown`() async throws {
        let context = SinkContext()
        let task = try await task(["slack.webhook.url": "http://127.0.0.1:1/secret", "max.retries": "1"], context)
        let failure = await #expect(throws: ConnectError.self) { try await task.put([record(.string("x"))]) }
        #expect(failure?.message.contains("secret") == false)
        #expect(!context.allLines.contains("secret") && context.allLines.contains("Slack cannot be reached"))
        await task.stop()
        let problems = await SlackSinkPlugin(version: "1").problems(with: ["slack.webhook.url": "hooks/secret"])
        #expect(problems.map(\.option) == ["slack.webhook.url"])
        #expect(problems.first?.message.contains("secret") == false)
    }
}
