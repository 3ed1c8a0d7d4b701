import Bytes
import ConnectCore
import HTTPCalls
import JSONFormat

/// Sends what is put at once: when `put` returns, every record was answered or reported. So all offsets may be committed.
///
/// `@unchecked Sendable`: the contract has one caller at a time for everything but `stop`, which ends the pauses between
/// attempts by `pause`; the exchange is closed when nothing runs any more.
final class HTTPSinkTask: SinkTask, @unchecked Sendable {
    private struct Batch {
        var url: String
        var records: [ConnectRecord] = []
        var texts: [String] = []
    }

    private let settings: HTTPSinkSettings
    private let context: any SinkTaskContext
    private let reporter: (any ResponseReporter)?
    private let pause = TaskPause()
    private var exchange: HTTPCaller?
    private var token: OAuthToken?
    private let json: JSONConverter

    init(_ settings: HTTPSinkSettings, _ context: any SinkTaskContext, _ reporter: (any ResponseReporter)?) {
        self.settings = settings
        self.context = context
        self.reporter = reporter
        var options = JSONConverter.Options()
        options.hasSchemas = false
        json = JSONConverter(options)
    }

    func start() async throws(ConnectError) {
        exchange = try HTTPCaller(settings.exchange)
        if case .oauth(let oauth) = settings.authorization { token = OAuthToken(oauth) }
    }

    func put(_ records: [ConnectRecord]) async throws(ConnectError) {
        var batches: [String: Batch] = [:]
        var order: [String] = []
        for record in records {
            let url = settings.url.text(record, encode: PercentEncoding.encoded)
            let key = url + "\u{0}" + settings.batchKey.text(record)
            if record.value.value.isNull {
                // Earlier records of the key have to be there before it is deleted.
                if settings.onNull == .delete, let batch = batches.removeValue(forKey: key) {
                    order.removeAll { $0 == key }
                    try await deliver(batch)
                }
                try await handleNull(record, url)
                continue
            }
            let text: String
            do throws(ConnectError) { text = try self.text(record) } catch {
                try await failed([record], error, nil)
                continue
            }
            if batches[key] == nil { order.append(key) }
            batches[key, default: Batch(url: url)].records.append(record)
            batches[key]?.texts.append(text)
            if let batch = batches[key], batch.records.count >= settings.batchCountMax {
                batches[key] = nil
                order.removeAll { $0 == key }
                try await deliver(batch)
            }
        }
        for key in order {
            if let batch = batches[key] { try await deliver(batch) }
        }
    }

    func preCommit(_ offsets: [SinkPartition: Int64]) async throws(ConnectError) -> [SinkPartition: Int64] { offsets }

    func stop() async {
        pause.end()
        await exchange?.close()
        exchange = nil
    }

    // MARK: records

    private func text(_ record: ConnectRecord) throws(ConnectError) -> String {
        var text: String
        switch (settings.body, record.value.value) {
        case (.string, _), (.plain, .string):
            text = String(
                decoding: try StringConverter().bytes(record.value, topic: record.topic) ?? [], as: UTF8.self)
        case (.json, _), (.plain, _): text = String(decoding: try json.json(record.value).bytes, as: UTF8.self)
        }
        for replacement in settings.replacements { text = try replacement.apply(text, record) }
        return text
    }

    private func handleNull(_ record: ConnectRecord, _ url: String) async throws(ConnectError) {
        switch settings.onNull {
        case .ignore: return
        case .log:
            context.log(.warning, "A record without a value was passed over: \(Self.place(record))")
        case .fail:
            try await failed(
                [record], ConnectError(.connect, "The record has no value to send: \(Self.place(record))"), nil)
        case .delete:
            var batch = Batch(url: url)
            batch.records = [record]
            try await deliver(batch, method: "DELETE", body: nil)
        }
    }

    static func place(_ record: ConnectRecord) -> String {
        guard case .sink(let topic, let partition, let offset, _) = record.origin else { return record.topic }
        return "topic \(topic), partition \(partition), offset \(offset)"
    }

    // MARK: requests

    private func deliver(_ batch: Batch) async throws(ConnectError) {
        // A single record of a connector without batches stands alone.
        let body =
            settings.batchCountMax == 1 && settings.prefix.isEmpty && settings.suffix.isEmpty
            ? batch.texts[0]
            : settings.prefix + batch.texts.joined(separator: settings.separator) + settings.suffix
        try await deliver(batch, method: settings.method, body: Array(body.utf8))
    }

    private func deliver(_ batch: Batch, method: String, body: [UInt8]?) async throws(ConnectError) {
        guard let exchange else { throw ConnectError(.connect, "The task was not started") }
        var attempt = 0
        var hasNewToken = false
        while true {
            var request = HTTPCaller.Request(method, batch.url, headers: settings.headers, body: body)
            if body != nil, !request.headers.contains(where: { $0.name.lowercased() == "content-type" }) {
                let type = settings.body == .json ? "application/json" : "text/plain; charset=utf-8"
                request.headers.append(("content-type", type))
            }
            var failure: ConnectError
            var answer: HTTPCaller.Response?
            do throws(ConnectError) {
                switch settings.authorization {
                case .none: break
                case .header(let name, let value): request.headers.append((name, value))
                case .oauth:
                    if let token {
                        request.headers.append(("authorization", "Bearer " + (try await token.value(exchange))))
                    }
                }
                let response = try await exchange.send(request)
                if response.isSuccess {
                    try await report(batch, response, nil)
                    return
                }
                answer = response
                failure = ConnectError(
                    .connect,
                    "Error while processing HTTP request with Url : \(HTTPCaller.shown(batch.url)), Status code : "
                        + "\(response.status), Reason Phrase : \(response.reason), Response Content : \(response.excerpt)"
                )
                if response.status == 401, let token, !hasNewToken {
                    hasNewToken = true
                    token.forget()
                    continue
                }
            } catch {
                failure = error
            }
            let mayHelp = answer.map { settings.retryCodes.contains($0.status) } ?? failure.isRetriable
            guard mayHelp, attempt < settings.retryCountMax else {
                failure.code = .connect
                try await report(batch, answer, failure)
                return try await failed(batch.records, failure, answer)
            }
            context.log(.warning, "Attempt \(attempt + 1) of \(settings.retryCountMax + 1) failed: \(failure.message)")
            await pause.wait(max(answer?.retryAfter ?? .zero, settings.schedule.pause(attempt)))
            guard !pause.isEnded, !Task.isCancelled else {
                throw ConnectError(.retriable, "The task was stopped while a request was to be sent again")
            }
            attempt += 1
        }
    }

    private func failed(
        _ records: [ConnectRecord], _ failure: ConnectError, _ answer: HTTPCaller.Response?
    ) async throws(ConnectError) {
        switch settings.onError {
        case .ignore: return
        case .log: context.log(.error, failure.message)
        case .fail: for record in records { try await context.report(record, failure) }
        }
    }

    // MARK: answers in topics

    private func report(
        _ batch: Batch, _ answer: HTTPCaller.Response?, _ failure: ConnectError?
    ) async throws(ConnectError) {
        guard let reporter, let topics = settings.reporter, let record = batch.records.first else { return }
        var headers: [(name: String, value: [UInt8])] = []
        if case .sink(let topic, let partition, let offset, _) = record.origin {
            headers = [
                ("input_record_topic", Array(topic.utf8)), ("input_record_partition", Array(String(partition).utf8)),
                ("input_record_offset", Array(String(offset).utf8)),
            ]
        }
        if let timestamp = record.timestamp {
            headers.append(("input_record_timestamp", Array(String(timestamp).utf8)))
        }
        if let answer { headers.append(("response_status", Array(String(answer.status).utf8))) }
        let words = failure.map { Array($0.message.utf8) }
        let value = words.map { topics.errorsAreResponses ? answer?.body ?? $0 : $0 } ?? answer?.body ?? []
        try await reporter.report(
            topic: failure == nil ? topics.success : topics.error, key: try json.bytes(record.key, topic: record.topic),
            value: value, headers: headers)
    }
}

/// A token that is asked for when there is none, or when the one there is has run out.
///
/// `@unchecked Sendable`: used by its task alone, which has one caller at a time.
final class OAuthToken: @unchecked Sendable {
    private let settings: OAuthSettings
    private var known: (token: String, end: ContinuousClock.Instant?)?

    init(_ settings: OAuthSettings) { self.settings = settings }

    func forget() { known = nil }

    func value(_ exchange: HTTPCaller) async throws(ConnectError) -> String {
        if let known, known.end.map({ $0 > .now }) ?? true { return known.token }
        var form = [("grant_type", "client_credentials")]
        if let scope = settings.scope { form.append(("scope", scope)) }
        var request = HTTPCaller.Request("POST", settings.url, headers: settings.headers)
        request.headers.append(("content-type", "application/x-www-form-urlencoded"))
        request.headers.append(("accept", "application/json"))
        if settings.isInHeader {
            request.headers.append(HTTPCaller.basicAuthorization(settings.client, settings.secret))
        } else {
            form += [("client_id", settings.client), ("client_secret", settings.secret)]
        }
        request.body = Array(
            form.map { PercentEncoding.encoded($0.0) + "=" + PercentEncoding.encoded($0.1) }.joined(separator: "&").utf8
        )
        let response = try await exchange.send(request)
        let place = HTTPCaller.shown(settings.url)
        guard response.isSuccess else {
            // The answer is not shown: it may repeat what was sent.
            throw ConnectError(
                response.status >= 500 || response.status == 429 ? .retriable : .connect,
                "No token from \(place): it answered HTTP \(response.status)")
        }
        guard let json = JSONValue.parse(response.body), let token = json[settings.tokenProperty]?.text else {
            throw ConnectError(.connect, "The answer of \(place) has no '\(settings.tokenProperty)'")
        }
        let seconds = json["expires_in"]?.integer
        // A little earlier than it runs out: the request has to get there.
        known = (token, seconds.map { .now + .seconds(max(0, $0 - min(30, $0 / 10))) })
        return token
    }
}
