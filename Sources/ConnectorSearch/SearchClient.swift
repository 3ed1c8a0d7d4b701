import Bytes
import ConnectCore
import HTTPCalls
import JSONFormat
import Synchronization

/// Requests to a cluster: each goes to one node, and to the next when that one fails.
final class SearchClient: Sendable {
    private let settings: SearchSettings
    private let caller: HTTPCaller
    private let pause: TaskPause
    private let log: @Sendable (TaskLogLevel, String) -> Void
    /// The place of the node that answers.
    private let node = Mutex(0)

    init(
        _ settings: SearchSettings, _ pause: TaskPause, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) throws(ConnectError) {
        self.settings = settings
        self.pause = pause
        self.log = log
        caller = try HTTPCaller(settings.caller)
    }

    func close() async { await caller.close() }

    /// Sends a request until a node answers with something that trying again would not change.
    ///
    /// - Throws: `.connect` after the last attempt, `.retriable` when the task is stopped meanwhile.
    func send(
        _ method: String, _ path: String, _ body: [UInt8]? = nil, type: String = "application/json"
    ) async throws(ConnectError) -> HTTPCaller.Response {
        var attempt = 0
        while true {
            let place = node.withLock { $0 }
            let url = settings.urls[place % settings.urls.count]
            var headers: [(name: String, value: String)] = []
            if body != nil { headers.append(("content-type", type)) }
            if let authorization = settings.authorization { headers.append(authorization) }
            var failure: ConnectError
            var wait = Duration.zero
            do throws(ConnectError) {
                let response = try await caller.send(.init(method, url + path, headers: headers, body: body))
                guard response.status == 429 || response.status >= 500 else { return response }
                wait = response.retryAfter ?? .zero
                failure = ConnectError(
                    .connect, "\(HTTPCaller.shown(url)) answered HTTP \(response.status): \(Self.reason(response))")
            } catch {
                guard error.isRetriable else { throw error }
                failure = ConnectError(.connect, error.message)
            }
            node.withLock { if $0 == place { $0 = (place + 1) % settings.urls.count } }
            guard attempt < settings.retryCountMax else {
                failure.message = "Failed after \(attempt + 1) attempts: \(failure.message)"
                throw failure
            }
            log(.warning, "Attempt \(attempt + 1) of \(settings.retryCountMax + 1) failed: \(failure.message)")
            try await rest(max(wait, settings.schedule.pause(attempt)))
            attempt += 1
        }
    }

    /// - Throws: `.retriable` when the task is stopped meanwhile.
    func rest(_ duration: Duration) async throws(ConnectError) {
        await pause.wait(duration)
        guard !pause.isEnded, !Task.isCancelled else {
            throw ConnectError(.retriable, "The task was stopped while a request was to be sent again")
        }
    }

    /// Why a server refused, in its own words.
    static func reason(_ response: HTTPCaller.Response) -> String {
        guard let error = JSONValue.parse(response.body)?["error"] else { return response.excerpt }
        if let text = error.text { return text }
        return "\(error["type"]?.text ?? "error"): \(error["reason"]?.text ?? "")"
    }

    /// The first number of the server's version; nil for OpenSearch, which has no types either.
    func majorVersion() async throws(ConnectError) -> Int? {
        let response = try await send("GET", "/")
        guard response.isSuccess, let json = JSONValue.parse(response.body) else {
            let hint = response.status == 401 ? " (check connection.username and connection.password)" : ""
            throw ConnectError(
                .connect,
                "The cluster does not say its version: HTTP \(response.status): \(Self.reason(response))\(hint)")
        }
        guard json["version"]?["distribution"]?.text == nil else { return nil }
        return json["version"]?["number"]?.text.flatMap { Int($0.prefix { $0 != "." }) }
    }

    /// Makes an index or data stream that is not there.
    func create(_ name: String, isDataStream: Bool) async throws(ConnectError) {
        let path = "/" + PercentEncoding.encoded(name)
        if try await send("HEAD", path).isSuccess { return }
        let response = try await send("PUT", (isDataStream ? "/_data_stream" : "") + path)
        // Another task was faster.
        if response.isSuccess || Self.reason(response).contains("resource_already_exists_exception") { return }
        throw ConnectError(
            .connect,
            "Could not create \(isDataStream ? "data stream" : "index") '\(name)': HTTP \(response.status): "
                + Self.reason(response))
    }

    /// Gives an index the mapping that goes with a schema, unless it has one.
    func ensureMapping(_ name: String, _ schema: ConnectSchema?, typeName: String?) async throws(ConnectError) {
        let path = "/" + PercentEncoding.encoded(name) + "/_mapping"
        let known = try await send("GET", path)
        if known.isSuccess, let json = JSONValue.parse(known.body) {
            for (_, index) in json.members ?? [] {
                if let mappings = index["mappings"]?.members, !mappings.isEmpty { return }
            }
        }
        let mapping = try Mapping.json(schema, hasCompactMaps: settings.hasCompactMaps)
        guard mapping["properties"] != nil else {
            throw .data("Only structs have a mapping; the schema of '\(name)' is \(schema?.kind.rawValue ?? "null")")
        }
        let response = try await send(
            "PUT", path + (typeName.map { "/" + PercentEncoding.encoded($0) } ?? ""), mapping.bytes)
        guard response.isSuccess else {
            throw ConnectError(
                .connect,
                "Could not give index '\(name)' its mapping: HTTP \(response.status): \(Self.reason(response))")
        }
    }
}
