import ConnectCore
import HTTPCalls
import JSONFormat

/// Sends messages one after the other at the pace that Slack allows. What has to wait stays here, up to a number, and is not
/// counted as done; reading stops meanwhile.
///
/// `@unchecked Sendable`: the contract has one caller at a time for everything but `stop`, which ends pauses by `pause`; the
/// exchange is closed when nothing runs any more.
final class SlackSinkTask: SinkTask, @unchecked Sendable {
    /// So many records may wait before reading stops.
    static let waitingCountMax = 200
    /// A call of `put` sends for so long; the rest goes with the next.
    private static let budget = Duration.seconds(2)
    /// Slack cuts longer ones.
    private static let messageCountMax = 39_000
    private static let knownCountMax = 10_000

    private let settings: SlackSettings
    private let context: any SinkTaskContext
    private let pause = TaskPause()
    private var exchange: HTTPCaller?
    private var waiting: [ConnectRecord] = []
    private var assigned: Set<SinkPartition> = []
    private var isPaused = false
    /// When the next message may be sent.
    private var due = ContinuousClock.now
    private var attempt = 0
    /// Keys of messages and when they were sent, the oldest first in `order`.
    private var sent: [String: Int64] = [:]
    private var order: [(key: String, time: Int64)] = []

    init(_ settings: SlackSettings, _ context: any SinkTaskContext) {
        self.settings = settings
        self.context = context
    }

    func start() async throws(ConnectError) { exchange = try HTTPCaller(settings.exchange) }

    func open(_ partitions: [SinkPartition]) async throws(ConnectError) {
        assigned.formUnion(partitions)
        if isPaused { context.pause(partitions) }
    }

    func close(_ partitions: [SinkPartition]) async {
        assigned.subtract(partitions)
        let gone = Set(partitions)
        waiting.removeAll { Self.partition($0).map(gone.contains) ?? false }
    }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        waiting += records
        try await send(until: .now + Self.budget)
        if waiting.count > Self.waitingCountMax, !isPaused {
            isPaused = true
            context.pause(Array(assigned))
        } else if waiting.count <= Self.waitingCountMax / 2, isPaused {
            isPaused = false
            context.resume(Array(assigned))
        }
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] {
        var offsets = offsets
        for record in waiting.reversed() {
            if let partition = Self.partition(record), let offset = record.kafkaOffset, offsets[partition] != nil {
                offsets[partition] = offset
            }
        }
        return offsets
    }

    func stop() async {
        pause.end()
        await exchange?.close()
        exchange = nil
    }

    private static func partition(_ record: ConnectRecord) -> SinkPartition? {
        guard case .sink(let topic, let partition, _, _) = record.origin else { return nil }
        return SinkPartition(topic: topic, partition: partition)
    }

    private func send(until end: ContinuousClock.Instant) async throws(ConnectError) {
        var done = 0
        defer { waiting.removeFirst(done) }
        while done < waiting.count, !pause.isEnded, !Task.isCancelled {
            let record = waiting[done]
            // Most records of a busy topic are known: their messages need not be made.
            if let key = settings.dedupeKey, !record.value.value.isNull, isKnown(key.text(record)) {
                done += 1
                continue
            }
            guard let message = try await message(record) else {
                done += 1
                continue
            }
            let key = settings.dedupeKey?.text(record) ?? message
            if isKnown(key) {
                done += 1
                continue
            }
            guard due < end else { return }
            await pause.wait(due - .now)
            guard !pause.isEnded, !Task.isCancelled else { return }
            if try await post(message, record) {
                remember(key)
                done += 1
            }
        }
    }

    /// nil for records of which nothing is sent.
    private func message(_ record: ConnectRecord) async throws(ConnectError) -> String? {
        if record.value.value.isNull {
            if settings.failsOnNull {
                try await context.report(
                    record, ConnectError(.connect, "The record has no value to send: \(HTTPSinkTask.place(record))"))
            }
            return nil
        }
        var text: String
        if let template = settings.template {
            text = template.text(record, encode: Self.escaped)
        } else {
            var options = JSONConverter.Options()
            options.hasSchemas = false
            do throws(ConnectError) {
                text = Self.escaped(
                    String(decoding: try JSONConverter(options).json(record.value).bytes, as: UTF8.self))
            } catch {
                try await context.report(record, error)
                return nil
            }
        }
        if text.count > Self.messageCountMax { text = String(text.prefix(Self.messageCountMax)) + "…" }
        return text
    }

    /// The three characters that mean something to Slack.
    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    /// - Returns: false when the message has to be sent again.
    private func post(_ message: String, _ record: ConnectRecord) async throws(ConnectError) -> Bool {
        guard let exchange else { throw ConnectError(.connect, "The task was not started") }
        var members: [(String, JSONValue)] = [("text", .string(message))]
        for (name, value) in settings.more { members.append((name, .string(value))) }
        let body = JSONValue.object(members)
        var failure: ConnectError
        var wait: Duration?
        do throws(ConnectError) {
            let response = try await exchange.send(
                .init("POST", settings.url, headers: [("content-type", "application/json")], body: body.bytes))
            if response.isSuccess {
                attempt = 0
                due = .now + settings.interval
                return true
            }
            failure = ConnectError(.connect, "Slack answered HTTP \(response.status): \(response.excerpt.prefix(200))")
            switch response.status {
            case 429:
                wait = response.retryAfter ?? .seconds(30)
                // Slack says when to come again: that is no failed attempt.
                attempt = 0
            case 500...: break
            case 400, 413:
                // The message is what it does not like; the next one may do.
                try await context.report(record, failure)
                attempt = 0
                due = .now + settings.interval
                return true
            default: throw failure
            }
        } catch {
            guard error.isRetriable else { throw error }
            // The words of a failed connection would show the address, which is a secret.
            failure = ConnectError(.connect, "Slack cannot be reached")
        }
        guard attempt < settings.retryCountMax || wait != nil else { throw failure }
        let after = max(wait ?? settings.schedule.pause(attempt), settings.interval)
        if wait == nil { attempt += 1 }
        context.log(.warning, "\(failure.message); the next attempt is in \(after)")
        due = .now + after
        return false
    }

    // MARK: what was sent

    private func isKnown(_ key: String) -> Bool {
        guard settings.window > 0, let time = sent[key] else { return false }
        return context.now - time < settings.window
    }

    private func remember(_ key: String) {
        guard settings.window > 0 else { return }
        let now = context.now
        sent[key] = now
        order.append((key, now))
        while let first = order.first, order.count > Self.knownCountMax || now - first.time >= settings.window {
            order.removeFirst()
            // A key that was sent again since stands further behind as well.
            if sent[first.key] == first.time { sent[first.key] = nil }
        }
    }
}
