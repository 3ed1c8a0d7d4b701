import JSONFormat
import NIOCore

/// What a page says on its socket of queries.
///
/// | message | |
/// |---|---|
/// | `{"start": 7, "sql": "SELECT ...", "properties": {}, "sessionVariables": {}}` | begins a query under a number of the page's choice |
/// | `{"stop": 7}` | ends it |
enum QueryMessage: Equatable {
    /// The second is the request to the SQL server.
    case start(Int64, JSONValue)
    case stop(Int64)

    /// nil for anything else.
    init?(_ message: ByteBuffer) {
        guard let body = JSONValue.parse(Array(message.readableBytesView)) else { return nil }
        if let id = body["stop"]?.integer {
            self = .stop(id)
        } else if let id = body["start"]?.integer, let sql = body["sql"]?.text {
            func object(_ name: String) -> JSONValue { body[name]?.members.map { .object($0) } ?? .object([]) }
            self = .start(
                id,
                .object([
                    ("sql", .string(sql)), ("properties", object("properties")),
                    ("sessionVariables", object("sessionVariables")),
                ]))
        } else {
            return nil
        }
    }

    /// A message to the page: a line that says of which query, then lines of the SQL server's answer as they came.
    static func lines(_ id: Int64, _ lines: ByteBuffer) -> ByteBuffer {
        var message = ByteBuffer(string: "{\"id\":\(id)}\n")
        if String(validating: lines.readableBytesView, as: UTF8.self) == nil {
            // A browser ends its connection over bytes that are no text.
            message.writeString(String(decoding: lines.readableBytesView, as: UTF8.self))
        } else {
            message.writeImmutableBuffer(lines)
        }
        return message
    }

    /// A query has ended, unless it had with an error: its number is free again.
    static func end(_ id: Int64) -> ByteBuffer { ByteBuffer(string: "{\"id\":\(id),\"end\":true}") }

    static func failure(_ id: Int64, _ message: String) -> ByteBuffer {
        ByteBuffer(
            bytes: JSONValue.object([("id", .number(id)), ("error", .object([("message", .string(message))]))]).bytes)
    }
}
