import JSONFormat
import NIOHTTP1

/// The console of the demonstration: its inbox takes the alerts, and it keeps the dashboard.
struct DemoConsole: Sendable {
    let url: String

    /// Where alerts are sent to.
    var hook: String { url + "/hooks/unhappy-customers" }

    /// Texts of the messages that came to the inbox, oldest first.
    ///
    /// - Throws: `CommandFailure`.
    func messages() async throws -> [String] {
        let answer = try await DemoCalls.exchange(.GET, url + "/api/inbox/messages")
        guard answer.status == 200, let messages = answer.body.elements else {
            throw CommandFailure("the console's inbox answered HTTP \(answer.status)")
        }
        return messages.compactMap { $0["text"]?.text }
    }

    /// Keeps a dashboard in place of the one with its id.
    ///
    /// - Throws: `CommandFailure`.
    func save(_ dashboard: JSONValue) async throws {
        let id = dashboard["id"]?.text ?? ""
        let answer = try await DemoCalls.exchange(
            .PUT, "\(url)/api/dashboards/\(id)", headers: [("X-Swiftwater-Console", "1")], dashboard)
        guard 200..<300 ~= answer.status else {
            throw CommandFailure(
                "stage 'dashboard' failed: \(answer.body["message"]?.text ?? "the console answered HTTP \(answer.status)")"
            )
        }
    }

    /// How many panels a dashboard has; nil when there is none of that id.
    func panelCount(_ id: String) async throws -> Int? {
        let answer = try await DemoCalls.exchange(.GET, "\(url)/api/dashboards/\(id)")
        return answer.status == 200 ? answer.body["panels"]?.elements?.count : nil
    }
}
