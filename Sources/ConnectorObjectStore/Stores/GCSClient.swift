import Bytes
import ConnectCore
import HTTPCalls
import JSONFormat

/// Google Cloud Storage's JSON API, as far as it is needed: requests, sent again when that may help.
///
/// - SeeAlso: `objects: insert` and "Resumable uploads" in Google's reference of the API.
final class GCSClient: Sendable {
    struct Settings: Sendable {
        var bucket: String
        /// Scheme, host and perhaps port; no slash at the end.
        var endpoint: String
        /// nil: requests go without.
        var credentials: GoogleCredentials?
        var partByteCount: Int
        var retryCountMax: Int
        var schedule: RetrySchedule
        var caller = HTTPCaller.Settings()
    }

    typealias Response = HTTPCaller.Response

    /// Google's own.
    static let serviceURL = "https://storage.googleapis.com"

    let settings: Settings
    private let caller: HTTPCaller
    private let tokens: GoogleTokens?
    private let pause: TaskPause
    private let now: @Sendable () -> Int64
    private let log: @Sendable (TaskLogLevel, String) -> Void

    init(
        _ settings: Settings, _ pause: TaskPause, now: @escaping @Sendable () -> Int64,
        log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) throws(ConnectError) {
        self.settings = settings
        self.pause = pause
        self.now = now
        self.log = log
        let caller = try HTTPCaller(settings.caller)
        self.caller = caller
        tokens = settings.credentials.map {
            GoogleTokens(
                $0, caller, scope: "https://www.googleapis.com/auth/devstorage.read_write",
                hint: "gcs.credentials.path and gcs.credentials.json")
        }
    }

    func close() async { await caller.close() }

    /// Where objects of the bucket are made.
    func uploadURL(_ key: String, kind: String) -> String {
        "\(settings.endpoint)/upload/storage/v1/b/\(PercentEncoding.encoded(settings.bucket))/o?uploadType=\(kind)"
            + "&name=\(PercentEncoding.encoded(key))"
    }

    var bucketURL: String { "\(settings.endpoint)/storage/v1/b/\(PercentEncoding.encoded(settings.bucket))" }

    /// Sends a request until it is answered with something that trying again would not change.
    ///
    /// - Throws: `.retriable` when the store cannot be reached or is overloaded after all attempts.
    func call(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil
    ) async throws(ConnectError) -> Response {
        var attempt = 0
        while true {
            let failure: ConnectError
            do throws(ConnectError) {
                let response = try await once(method, url, headers: headers, body: body)
                guard Self.isPassing(response) else { return response }
                failure = ConnectError(.retriable, error(response, method, nil).message)
            } catch {
                guard error.isRetriable else { throw error }
                failure = error
            }
            try await rest(&attempt, failure)
        }
    }

    /// - Throws: the failure, when it was the last attempt.
    func rest(_ attempt: inout Int, _ failure: ConnectError) async throws(ConnectError) {
        guard attempt < settings.retryCountMax, !pause.isEnded, !Task.isCancelled else { throw failure }
        let wait = settings.schedule.pause(attempt)
        log(.warning, "\(failure.message); attempt \(attempt + 2) follows after \(wait)")
        await pause.wait(wait)
        attempt += 1
    }

    /// - Throws: `.retriable` when there was no answer, `.connect` for credentials that are refused.
    func once(
        _ method: String, _ url: String, headers: [(name: String, value: String)], body: [UInt8]?
    ) async throws(ConnectError) -> Response {
        var hasRenewed = false
        while true {
            var headers = headers
            let token = try await tokens?.current(now: now() / 1000)
            if let token { headers.append(("authorization", "Bearer " + token)) }
            let response = try await caller.send(.init(method, url, headers: headers, body: body))
            guard response.status == 401, let token, !hasRenewed else { return response }
            // It ended earlier than was said.
            hasRenewed = true
            await tokens?.forget(token)
        }
    }

    /// Sending the same again may work.
    static func isPassing(_ response: Response) -> Bool {
        response.status == 408 || response.status == 429 || response.status >= 500
    }

    /// In words that say what to do.
    func error(_ response: Response, _ method: String, _ key: String?) -> ConnectError {
        let place = "\(settings.endpoint), bucket '\(settings.bucket)'" + (key.map { ", object '\($0)'" } ?? "")
        let message = JSONValue.parse(response.body)?["error"]?["message"]?.text ?? response.reason
        let hint: String
        switch response.status {
        case 401:
            hint = settings.credentials == nil ? " (there are no credentials)" : " (check the credentials)"
        case 403: hint = " (the account needs the role Storage Object User for the bucket)"
        case 404: hint = " (the bucket has to be there)"
        default: hint = ""
        }
        return ConnectError(
            .connect, "\(method) at \(place) was refused with \(response.status): \(message.prefix(300))\(hint)")
    }
}
