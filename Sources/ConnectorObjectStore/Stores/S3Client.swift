import Bytes
import ConnectCore
import HTTPCalls

/// Signed requests to S3 or to what speaks like it, sent again when that may help.
final class S3Client: Sendable {
    struct Settings: Sendable {
        var bucket: String
        var region: String
        /// `https://host:port`, without a path.
        var scheme = "https"
        var host: String
        /// `/bucket` stands in the path instead of the host.
        var isPathStyle: Bool
        var credentials: S3Credentials
        /// What every object gets: encryption, rights.
        var objectHeaders: [(name: String, value: String)] = []
        /// What every part of an object needs as well: keys of the customer's own.
        var partHeaders: [(name: String, value: String)] = []
        var partByteCount: Int
        var retryCountMax: Int
        var schedule: RetrySchedule
        var caller = HTTPCaller.Settings()
    }

    typealias Response = HTTPCaller.Response

    let settings: Settings
    private let caller: HTTPCaller
    private let signer: RequestSigner
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
        caller = try HTTPCaller(settings.caller)
        signer = RequestSigner(credentials: settings.credentials, region: settings.region)
    }

    func close() async { await caller.close() }

    /// What went wrong, as the server says it.
    struct Refusal: Sendable {
        var status: Int
        var code: String
        var message: String
        var region: String?
        /// The server's clock, as text.
        var date: String?

        var isRetriable: Bool {
            status >= 500 || status == 429 || status == 408
                || [
                    "SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "InternalError",
                    "OperationAborted",
                ].contains(code)
        }
    }

    enum Answer: Sendable {
        case success(Response)
        case refusal(Refusal)
    }

    /// - Parameter accepted: codes that the caller has an answer to; they are given back.
    /// - Throws: `.retriable` when the store cannot be reached or is overloaded after all attempts; else `.connect`.
    func call(
        _ method: String, key: String?, query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [], body: [UInt8] = [], accepted: Set<String> = []
    ) async throws(ConnectError) -> Answer {
        let hash = body.isEmpty ? RequestSigner.emptyHash : RequestSigner.hash(body)
        var attempt = 0
        while true {
            let failure: ConnectError
            do throws(ConnectError) {
                let response = try await send(method, key, query, headers, body, hash)
                guard let refusal = Self.refusal(response) else { return .success(response) }
                if accepted.contains(refusal.code) { return .refusal(refusal) }
                guard refusal.isRetriable else { throw error(refusal, method, key) }
                failure = ConnectError(.retriable, error(refusal, method, key).message)
            } catch {
                guard error.isRetriable else { throw error }
                failure = error
            }
            guard attempt < settings.retryCountMax, !pause.isEnded, !Task.isCancelled else { throw failure }
            let wait = settings.schedule.pause(attempt)
            log(.warning, "\(failure.message); attempt \(attempt + 2) follows after \(wait)")
            await pause.wait(wait)
            attempt += 1
        }
    }

    private func send(
        _ method: String, _ key: String?, _ query: [(name: String, value: String)],
        _ headers: [(name: String, value: String)], _ body: [UInt8], _ hash: String
    ) async throws(ConnectError) -> Response {
        var path = key.map { RequestSigner.path($0) } ?? "/"
        if settings.isPathStyle { path = "/" + PercentEncoding.encoded(settings.bucket) + (key == nil ? "" : path) }
        let host = settings.isPathStyle ? settings.host : settings.bucket + "." + settings.host
        let request = RequestSigner.Request(method: method, host: host, path: path, query: query, headers: headers)
        let signed = signer.headers(request, payloadHash: hash, now: now())
        let question = query.isEmpty ? "" : "?" + RequestSigner.query(query)
        return try await caller.send(
            .init(
                method, "\(settings.scheme)://\(host)\(path)\(question)", headers: signed,
                body: body.isEmpty && method != "PUT" && method != "POST" ? nil : body))
    }

    /// Also a success may be none: the completion of parts answers 200 before it is done.
    private static func refusal(_ response: Response) -> Refusal? {
        let text = response.body.count < 100_000 ? String(decoding: response.body, as: UTF8.self) : ""
        guard !response.isSuccess || text.contains("<Error>") else { return nil }
        return Refusal(
            status: response.isSuccess ? 500 : response.status, code: element("Code", text) ?? "",
            message: element("Message", text) ?? response.reason,
            region: element("Region", text) ?? response.header("x-amz-bucket-region"), date: response.header("date"))
    }

    /// The text of the first element with a name.
    static func element(_ name: String, _ xml: String) -> String? {
        guard let start = xml.firstRange(of: "<\(name)>")?.upperBound,
            let end = xml[start...].firstRange(of: "</\(name)>")?.lowerBound
        else { return nil }
        var text = String(xml[start..<end])
        for (entity, character) in [
            ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#34;", "\""), ("&amp;", "&"),
        ] {
            text = text.replacing(entity, with: character)
        }
        return text
    }

    /// In words that say what to do; neither keys nor signatures are in them.
    func error(_ refusal: Refusal, _ method: String, _ key: String?) -> ConnectError {
        let place =
            "\(settings.scheme)://\(settings.host), bucket '\(settings.bucket)'"
            + (key.map { ", object '\($0)'" } ?? "")
        let code = refusal.code.isEmpty ? "\(refusal.status)" : "\(refusal.status) \(refusal.code)"
        let hint: String
        switch refusal.code {
        case "SignatureDoesNotMatch":
            hint = "the secret key does not belong to the access key: check aws.secret.access.key"
        case "InvalidAccessKeyId": hint = "the access key is not known: check aws.access.key.id"
        case "ExpiredToken", "InvalidToken": hint = "the session token is not valid (any more)"
        case "RequestTimeTooSkewed":
            hint =
                "the clock of this machine says \(RequestSigner.time(now())) and that of the store "
                + "\(refusal.date ?? "something else"): set the clocks right"
        case "NoSuchBucket": hint = "Non-existent S3 bucket: \(settings.bucket)"
        case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect",
            "IllegalLocationConstraintException":
            hint =
                refusal.region.map { "the bucket is in \($0), and s3.region is \(settings.region)" }
                ?? "the bucket is in another region than s3.region (\(settings.region))"
        case "AccessDenied": hint = "the access key may not do this"
        default: hint = Self.cleaned(refusal.message)
        }
        return ConnectError(.connect, "\(method) at \(place) was refused with \(code): \(hint)")
    }

    /// Servers may repeat what was sent to them; a message is kept short.
    private static func cleaned(_ message: String) -> String { String(message.prefix(300)) }
}
