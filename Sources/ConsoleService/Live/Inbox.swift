package import JSONFormat

/// The newest messages of webhooks, for those who look.
package actor Inbox {
    package struct Message: Sendable {
        var number: Int64
        /// Milliseconds since 1970.
        var time: Int64
        var hook: String
        var text: String
        var body: JSONValue

        package var json: JSONValue {
            .object([
                ("id", .number(number)), ("time", .number(time)), ("hook", .string(hook)), ("text", .string(text)),
                ("body", body),
            ])
        }
    }

    package static let countMax = 500
    private static let pendingCountMax = 100

    /// In the order they came.
    package private(set) var messages: [Message] = []
    private var nextNumber: Int64 = 1
    private var watchers: [Int: AsyncStream<Message>.Continuation] = [:]
    private var nextWatcher = 0

    package init() {}

    package func take(_ hook: String, _ bytes: [UInt8], at time: Int64) {
        let body = JSONValue.parse(bytes) ?? .string(String(decoding: bytes, as: UTF8.self))
        let message = Message(number: nextNumber, time: time, hook: hook, text: Self.text(body), body: body)
        nextNumber += 1
        messages.append(message)
        if messages.count > Self.countMax { messages.removeFirst(messages.count - Self.countMax) }
        for watcher in watchers.values { watcher.yield(message) }
    }

    /// Messages from now on; who is slow misses the oldest of them.
    package func watch() -> (id: Int, AsyncStream<Message>) {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Message.self, bufferingPolicy: .bufferingNewest(Self.pendingCountMax))
        nextWatcher += 1
        watchers[nextWatcher] = continuation
        return (nextWatcher, stream)
    }

    package func unwatch(_ id: Int) { watchers.removeValue(forKey: id)?.finish() }

    package func stop() {
        for watcher in watchers.values { watcher.finish() }
        watchers = [:]
    }

    /// What Slack would show: `text`, else the texts of its blocks and attachments; else the body as it is.
    private static func text(_ body: JSONValue) -> String {
        if let text = body.text { return text }
        if let text = body["text"]?.text, !text.isEmpty { return text }
        let parts = (body["blocks"]?.elements ?? []) + (body["attachments"]?.elements ?? [])
        let texts = parts.compactMap { $0["text"]?["text"]?.text ?? $0["text"]?.text ?? $0["fallback"]?.text }
        return texts.isEmpty ? String(decoding: body.bytes, as: UTF8.self) : texts.joined(separator: "\n")
    }
}
