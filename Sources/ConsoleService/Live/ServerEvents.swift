import HTTPKit
import HTTPTypes
import JSONFormat

/// Events of a server in the form of `text/event-stream`.
enum ServerEvents {
    /// One event; its data is on one line.
    static func event(_ name: String, _ value: JSONValue) -> String {
        "event: \(name)\ndata: \(String(decoding: value.bytes, as: UTF8.self))\n\n"
    }

    static func answer(_ write: @escaping @Sendable (inout HTTPBodyWriter) async throws -> Void) -> HTTPAnswer {
        var answer = HTTPAnswer.stream(contentType: "text/event-stream", write)
        answer.headers[.cacheControl] = "no-store"
        return answer
    }
}
