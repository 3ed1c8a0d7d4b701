import Cluster
import JSONFormat
import NIOCore
import NIOHTTP1
import Testing

@testable import ConsoleService

/// Dashboards and webhooks.
@Suite struct StoreTests {
    private static let dashboard = """
        {"title": "Ratings", "panels": [{"title": "Per minute", "sql": "SELECT * FROM R EMIT CHANGES;", "kind": "line",
         "x": "T", "y": ["N"]}]}
        """

    @Test func `dashboards are kept in their topic and replayed from it`() async throws {
        try await TestConsole.with { console in
            #expect(try await console.ask(.GET, "/api/dashboards").json.elements?.isEmpty == true)
            let body = try JSONValue.read(Self.dashboard)
            #expect(try await console.ask(.PUT, "/api/dashboards/ratings", body).status == 200)
            #expect(try await console.ask(.PUT, "/api/dashboards/other", body).status == 200)
            let kept = try await console.ask(.GET, "/api/dashboards/ratings").json
            #expect(kept["id"]?.text == "ratings" && kept["title"]?.text == "Ratings")
            #expect(kept["panels"]?.elements?.first?["y"]?.elements?.first?.text == "N")
            // Another console on the same cluster sees them, and changes of both.
            let second = DashboardStore(console.cluster, topic: ConsoleSettings().dashboardsTopic)
            #expect(try await second.all().compactMap { $0["id"]?.text } == ["other", "ratings"])
            #expect(try await second.remove("other"))
            #expect(try await console.ask(.GET, "/api/dashboards/other").status == 404)
            #expect(try await console.ask(.DELETE, "/api/dashboards/other").status == 404)
            #expect(try await console.ask(.DELETE, "/api/dashboards/ratings").status == 204)
            #expect(try await second.all().isEmpty)
            let configs = try await console.cluster.configs(of: .topic(ConsoleSettings().dashboardsTopic))
            #expect(configs.first { $0.name == "cleanup.policy" }?.value == "compact")
        }
    }

    @Test(arguments: ["0", "4", "8", "1.5", "\"2\"", "null"])
    func `a panel is one, two or three thirds wide`(_ width: String) throws {
        func board(_ width: String) throws -> JSONValue {
            try .read(#"{"title": "W", "panels": [{"title": "P", "sql": "S", "kind": "bar", "width": \#(width)}]}"#)
        }
        for width in ["1", "2", "3"] { _ = try DashboardStore.checked("w", board(width), at: 1) }
        let refusal = #expect(throws: DashboardStore.Refusal.self) {
            try DashboardStore.checked("w", board(width), at: 1)
        }
        #expect(refusal?.message == "the width of panel 1 is 1, 2 or 3: thirds of the page")
        // One that is there since nobody looked can be changed.
        let kept = try #require(DashboardStore.read(board(width).bytes))
        #expect(kept["panels"]?.elements?.first?["width"] == nil)
        _ = try DashboardStore.checked("w", kept, at: 1)
    }

    @Test func `of two changes of one version the second is refused`() async throws {
        try await TestConsole.with { console in
            func put(_ body: String, as id: String = "ratings") async throws -> TestConsole.Answer {
                try await console.ask(.PUT, "/api/dashboards/\(id)", try .read(body))
            }
            func board(_ title: String, _ version: Int64) -> String {
                "{\"title\": \"\(title)\", \"panels\": [], \"version\": \(version)}"
            }
            let made = try await put(board("made", 0))
            let version = try #require(made.json["version"]?.integer)
            #expect(made.status == 200 && version > 0)
            let again = try await put(board("again", 0))
            #expect(again.status == 409 && again.text.contains("already"))
            let first = try await put(board("first", version))
            #expect(first.status == 200)
            let second = try await put(board("second", version))
            #expect(second.status == 409 && second.text.contains("was changed meanwhile"))
            #expect(try await console.ask(.GET, "/api/dashboards/ratings").json["title"]?.text == "first")
            // A program that knows nothing of versions writes as before.
            #expect(try await put(Self.dashboard).status == 200)
            let now = try await console.ask(.GET, "/api/dashboards/ratings").json["version"]?.integer ?? 0
            #expect(now > first.json["version"]?.integer ?? .max)
            #expect(try await console.ask(.DELETE, "/api/dashboards/ratings").status == 204)
            let gone = try await put(board("gone", now))
            #expect(gone.status == 409 && gone.text.contains("deleted"))
            #expect(try await put("{\"title\": \"t\", \"panels\": [], \"version\": \"1\"}").status == 400)
            // All at once: one of them wins.
            let answers = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<8 { group.addTask { try await put(board("t\(number)", 0), as: "race").status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.sorted() == [200] + Array(repeating: 409, count: 7))
        }
    }

    @Test func `dashboards without a version, as earlier programs wrote them, are read`() throws {
        func version(_ text: String) -> Int64? { DashboardStore.read(Array(text.utf8))?["version"]?.integer }
        #expect(version("{\"title\": \"t\", \"updated\": 17, \"panels\": []}") == 17)
        #expect(version("{\"title\": \"t\", \"panels\": []}") == 1)
        #expect(version("{\"title\": \"t\", \"updated\": 17, \"version\": 20, \"panels\": []}") == 20)
        #expect(DashboardStore.read(Array("{}".utf8)) == nil)
    }

    @Test(
        arguments: [
            ("a b", dashboard), ("x", "{}"), ("x", "{\"title\": \"\", \"panels\": []}"),
            ("x", "{\"title\": \"t\", \"panels\": [{\"title\": \"p\", \"sql\": \"\", \"kind\": \"pie\"}]}"),
            ("x", "{\"title\": \"t\"}"),
        ])
    func `what is no dashboard is refused`(id: String, body: String) throws {
        #expect(throws: DashboardStore.Refusal.self) {
            try DashboardStore.checked(id, try JSONValue.read(body), at: 0)
        }
    }

    @Test func `records of others in the topic do no harm`() async throws {
        try await TestConsole.with { console in
            let topic = ConsoleSettings().dashboardsTopic
            try await console.cluster.createTopic(NewTopic(topic, partitionCount: 1), validateOnly: false)
            try await console.write(topic, [(nil, "x"), ("a", "not json"), ("b", "{}"), ("c", nil)])
            #expect(try await console.ask(.GET, "/api/dashboards").json.elements?.isEmpty == true)
        }
    }

    @Test func `webhooks are shown, without our header`() async throws {
        try await TestConsole.with { console in
            let taken = try await console.ask(
                .POST, "/hooks/slack", headers: [], body: Array("{\"text\": \"Unhappy: Ann\"}".utf8))
            #expect(taken.status == 200 && taken.text == "ok")
            let blocks = "{\"blocks\": [{\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"b\"}}]}"
            _ = try await console.ask(.POST, "/hooks/slack", headers: [], body: Array(blocks.utf8))
            _ = try await console.ask(.POST, "/hooks/other", headers: [], body: Array("plain".utf8))
            let messages = try await console.ask(.GET, "/api/inbox/messages").json.elements ?? []
            #expect(messages.compactMap { $0["text"]?.text } == ["Unhappy: Ann", "b", "plain"])
            #expect(messages.compactMap { $0["hook"]?.text } == ["slack", "slack", "other"])
            let other = [("Origin", "http://evil.example.com")]
            #expect(try await console.ask(.POST, "/hooks/slack", headers: other, body: [0x78]).status == 403)
        }
        try await TestConsole.with { settings, _ in
            settings.hasInbox = false
        } _: { console in
            let answer = try await console.ask(.POST, "/hooks/slack", headers: [], body: [0x78])
            #expect(answer.status == 405)
        }
    }

    @Test func `an inbox is bounded`() async {
        let inbox = Inbox()
        for number in 0..<600 { await inbox.take("h", Array("\(number)".utf8), at: 0) }
        #expect(await inbox.messages.count == Inbox.countMax)
        #expect(await inbox.messages.last?.text == "599")
    }
}
