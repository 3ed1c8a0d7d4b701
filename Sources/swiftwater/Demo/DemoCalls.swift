import JSONCalls
import JSONFormat
import NIOHTTP1

/// The demonstration's small questions to the HTTP surfaces around it.
enum DemoCalls {
    private static let calls = JSONCalls(connectSeconds: 5)

    /// - Returns: status and JSON of the answer; null for one without a body or of another kind.
    /// - Throws: `CommandFailure` when nobody answers.
    static func exchange(
        _ method: HTTPMethod, _ url: String, headers: [(name: String, value: String)] = [], _ body: JSONValue? = nil
    ) async throws -> (status: Int, body: JSONValue) {
        let request = JSONCalls.request(method.rawValue, url, body: body, headers: headers.map { ($0, $1) })
        do {
            let answer = try await calls.exchange(request, timeout: .seconds(10))
            return (answer.status, answer.json ?? .null)
        } catch {
            throw CommandFailure("\(url) cannot be reached: \(error.words)")
        }
    }
}
