import Bytes
import ConnectCore
import HTTPCalls
import JSONFormat
import Synchronization

/// HDFS by its REST API (Hadoop's "WebHDFS REST API"): a name node, or a gateway that speaks like one. Requests are sent again
/// when that may help, to another name node where several are named.
final class WebHDFSClient: Sendable {
    struct Settings: Sendable {
        /// `http://host:port`, each without a path.
        var addresses: [String]
        var user: String
        var retryCountMax: Int
        var schedule: RetrySchedule
        var caller = HTTPCaller.Settings()
    }

    private let settings: Settings
    private let caller: HTTPCaller
    private let pause: TaskPause
    private let log: @Sendable (TaskLogLevel, String) -> Void
    /// Which name node answered last.
    private let active = Mutex(0)

    init(
        _ settings: Settings, _ pause: TaskPause, log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) throws(ConnectError) {
        self.settings = settings
        self.pause = pause
        self.log = log
        caller = try HTTPCaller(settings.caller)
    }

    func close() async { await caller.close() }

    /// What went wrong, as the server says it: Hadoop's `RemoteException`.
    struct Refusal: Sendable {
        var status: Int
        var exception: String
        var message: String

        /// Another name node may take it.
        var isStandby: Bool { exception == "StandbyException" }

        var isRetriable: Bool {
            status >= 500 || status == 429 || isStandby
                // IOException: no data node answers, blocks are missing; those that come back make it good.
                || [
                    "IOException", "SafeModeException", "RetriableException", "AlreadyBeingCreatedException",
                    "RecoveryInProgressException",
                    "NotReplicatedYetException", "LeaseExpiredException",
                ].contains(exception)
        }
    }

    enum Answer: Sendable {
        case success(JSONValue?)
        case refusal(Refusal)
    }

    typealias Query = [(name: String, value: String)]

    // MARK: What is done

    /// Whether there is such a file or folder, and how long it is.
    func length(_ path: String) async throws(ConnectError) -> Int64? {
        let answer = try await call("GET", path, [("op", "GETFILESTATUS")], accepted: ["FileNotFoundException"])
        guard case .success(let json) = answer else { return nil }
        return json?["FileStatus"]?["length"]?.integer ?? 0
    }

    func makeFolder(_ path: String) async throws(ConnectError) {
        let answer = try await call("PUT", path, [("op", "MKDIRS")])
        guard case .success(let json) = answer, json?["boolean"]?.flag == true else {
            throw ConnectError(.connect, "\(place(path)): the folder cannot be made")
        }
    }

    /// Makes a file with these bytes, in the place of one that is there.
    func create(_ path: String, _ bytes: [UInt8]) async throws(ConnectError) {
        _ = try await call("PUT", path, [("op", "CREATE"), ("overwrite", "true")], body: bytes)
    }

    /// Once only: who does not know whether it was done has to look.
    func append(_ path: String, _ bytes: [UInt8]) async throws(ConnectError) {
        _ = try await call("POST", path, [("op", "APPEND")], body: bytes, isRepeatable: false)
    }

    /// - Returns: false while the file system is still at it.
    func truncate(_ path: String, to length: Int64) async throws(ConnectError) -> Bool {
        let answer = try await call("POST", path, [("op", "TRUNCATE"), ("newlength", String(length))])
        guard case .success(let json) = answer else { return false }
        return json?["boolean"]?.flag == true
    }

    /// Gives a file another name, in the place of one that has it.
    ///
    /// - Returns: false when there is no such file, or no folder for it.
    func rename(_ path: String, to name: String) async throws(ConnectError) -> Bool {
        let query = [(name: "op", value: "RENAME"), ("destination", name), ("renameoptions", "OVERWRITE")]
        for attempt in 0..<2 {
            let answer = try await call("PUT", path, query, accepted: ["FileNotFoundException"])
            // Gateways know no options and answer false: what is in the way goes first.
            if case .success(let json) = answer, json?["boolean"]?.flag != false { return true }
            guard try await length(path) != nil else { return false }
            guard case .success = answer, attempt == 0, try await length(name) != nil else { break }
            try await delete(name)
        }
        return false
    }

    /// Nothing happens when there is none.
    func delete(_ path: String) async throws(ConnectError) {
        _ = try await call(
            "DELETE", path, [("op", "DELETE"), ("recursive", "true")], accepted: ["FileNotFoundException"])
    }

    /// nil when there is no such file.
    func contents(_ path: String) async throws(ConnectError) -> [UInt8]? {
        guard
            case .success(let response) = try await attempts(
                "GET", path, [("op", "OPEN")], nil, ["FileNotFoundException"], true)
        else { return nil }
        return response.body
    }

    // MARK: Requests

    private func call(
        _ method: String, _ path: String, _ query: Query, body: [UInt8]? = nil, accepted: Set<String> = [],
        isRepeatable: Bool = true
    ) async throws(ConnectError) -> Answer {
        switch try await attempts(method, path, query, body, accepted, isRepeatable) {
        case .refusal(let refusal): return .refusal(refusal)
        case .success(let response):
            guard !response.body.isEmpty else { return .success(nil) }
            guard let json = JSONValue.parse(response.body) else {
                throw ConnectError(
                    .connect, "\(place(path)) gave an answer that is no JSON: \(response.excerpt.prefix(200))")
            }
            return .success(json)
        }
    }

    private enum Outcome: Sendable {
        case success(HTTPCaller.Response)
        case refusal(Refusal)
    }

    /// - Throws: `.retriable` when no name node took it after all attempts; else `.connect`.
    private func attempts(
        _ method: String, _ path: String, _ query: Query, _ body: [UInt8]?, _ accepted: Set<String>,
        _ isRepeatable: Bool
    ) async throws(ConnectError) -> Outcome {
        var attempt = 0
        let first = active.withLock { $0 }
        while true {
            let index = (first + attempt) % settings.addresses.count
            var failure: ConnectError
            // What was refused before it got any bytes may be sent again in any case.
            var isUntouched = true
            do throws(ConnectError) {
                var response = try await ask(settings.addresses[index], method, path, query)
                if let place = try destination(response, path, body) {
                    isUntouched = isRepeatable
                    response = try await caller.send(
                        .init(method, place, headers: [("content-type", "application/octet-stream")], body: body))
                }
                guard !response.isSuccess else {
                    active.withLock { $0 = index }
                    return .success(response)
                }
                let refusal = Self.refusal(response)
                if accepted.contains(refusal.exception) { return .refusal(refusal) }
                failure = error(refusal, method, path, query)
                if refusal.isRetriable { failure.code = .retriable }
            } catch {
                failure = error
            }
            guard failure.isRetriable, isUntouched else { throw failure }
            let countMax = settings.retryCountMax + settings.addresses.count - 1
            guard attempt < countMax, !pause.isEnded, !Task.isCancelled else { throw failure }
            let wait = settings.schedule.pause(attempt / settings.addresses.count)
            log(.warning, "\(failure.message); attempt \(attempt + 2) follows after \(wait)")
            await pause.wait(wait)
            attempt += 1
        }
    }

    /// What has bytes goes in two steps: the name node tells which data node takes or gives them.
    private func ask(
        _ address: String, _ method: String, _ path: String, _ query: Query
    ) async throws(ConnectError) -> HTTPCaller.Response {
        let encoded = path.split(separator: "/").map { PercentEncoding.encoded(String($0)) }.joined(separator: "/")
        let question = (query + [("user.name", settings.user)]).map {
            PercentEncoding.encoded($0.name) + "=" + PercentEncoding.encoded($0.value)
        }.joined(separator: "&")
        return try await caller.send(.init(method, "\(address)/webhdfs/v1/\(encoded)?\(question)"))
    }

    /// Where the second step goes; nil when there is none.
    private func destination(
        _ response: HTTPCaller.Response, _ path: String, _ body: [UInt8]?
    ) throws(ConnectError) -> String? {
        guard response.status == 307 else {
            // Who has taken no bytes has made an empty file.
            guard let body, !body.isEmpty, response.isSuccess else { return nil }
            throw ConnectError(.connect, "\(place(path)): the server did not tell where bytes are to be sent")
        }
        guard let location = response.header("location") else {
            throw ConnectError(.connect, "\(place(path)): the server sends on to nowhere")
        }
        return location
    }

    private static func refusal(_ response: HTTPCaller.Response) -> Refusal {
        let remote = JSONValue.parse(response.body)?["RemoteException"]
        return Refusal(
            status: response.status, exception: remote?["exception"]?.text ?? "",
            message: remote?["message"]?.text ?? response.reason)
    }

    private func place(_ path: String) -> String { "\(settings.addresses.joined(separator: ",")), '\(path)'" }

    private func error(_ refusal: Refusal, _ method: String, _ path: String, _ query: Query) -> ConnectError {
        let name = refusal.exception.isEmpty ? "\(refusal.status)" : "\(refusal.status) \(refusal.exception)"
        let hint: String
        switch refusal.exception {
        case "AccessControlException", "SecurityException":
            hint = "the user '\(settings.user)' (hdfs.user) may not do this: " + Self.cleaned(refusal.message)
        case "": hint = Self.cleaned(refusal.message) + ": is this the address of WebHDFS?"
        default: hint = Self.cleaned(refusal.message)
        }
        return ConnectError(
            .connect, "\(query.first?.value ?? method) at \(place(path)) was refused with \(name): \(hint)")
    }

    /// Messages have the traces of Java behind them.
    private static func cleaned(_ message: String) -> String {
        String(message.prefix { !$0.isNewline }.prefix(300))
    }
}
