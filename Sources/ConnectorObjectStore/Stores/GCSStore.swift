import ConnectCore
import HTTPCalls

/// A bucket of Google Cloud Storage.
struct GCSStore: ObjectStore {
    let client: GCSClient

    func check() async throws(ConnectError) {
        let response = try await client.call("GET", client.bucketURL + "?fields=name")
        // Who may only write objects is not allowed to look, which is fine.
        if response.isSuccess || response.status == 403 { return }
        if response.status == 404 {
            throw ConnectError(.connect, "Non-existent GCS bucket: \(client.settings.bucket)")
        }
        throw client.error(response, "GET", nil)
    }

    func upload(_ key: String, contentType: String, of partition: SinkPartition) -> any ObjectUpload {
        // What an object is for a store that is not told. Emulators read JSON that says so, and lines of it are no JSON.
        GCSUpload(client, key, "application/octet-stream")
    }

    func tag(_ key: String, _ tags: [(name: String, value: String)]) async throws(ConnectError) {}

    func close() async { await client.close() }
}

/// An object that is uploaded in parts, of one session, when it is larger than one, else with one request.
///
/// `@unchecked Sendable`: the contract has one caller at a time.
final class GCSUpload: ObjectUpload, @unchecked Sendable {
    let key: String
    private let client: GCSClient
    private let contentType: String
    private var pending = PendingBytes()
    /// The address of the session.
    private var session: String?
    /// What the store has.
    private var byteCount = 0
    private var isComplete = false
    /// Whether the store may have more than it said: it is asked before anything is sent.
    private var isUnknown = false

    /// Parts that are not the last are multiples of it.
    private static let step = 256 << 10
    private static let earlyByteCountMin = 5 << 20

    init(_ client: GCSClient, _ key: String, _ contentType: String) {
        self.client = client
        self.key = key
        self.contentType = contentType
    }

    var pendingByteCount: Int { pending.count }

    func append(_ bytes: [UInt8]) { pending.append(bytes) }

    func send(early: Bool) async throws(ConnectError) {
        let whole = client.settings.partByteCount / Self.step * Self.step
        // A byte stays, as the last part has to have one.
        while pending.count > whole { try await part(whole, isLast: false) }
        let rest = (pending.count - 1) / Self.step * Self.step
        if early, rest >= Self.earlyByteCountMin { try await part(rest, isLast: false) }
    }

    func complete() async throws(ConnectError) {
        guard !isComplete else { return }
        if session != nil {
            try await part(pending.count, isLast: true)
        } else {
            let response = try await client.call(
                "POST", client.uploadURL(key, kind: "media"), headers: [("content-type", contentType)],
                body: pending.bytes)
            guard response.isSuccess else { throw client.error(response, "POST", key) }
        }
        finished()
    }

    private func begin() async throws(ConnectError) -> String {
        if let session { return session }
        let response = try await client.call(
            "POST", client.uploadURL(key, kind: "resumable"),
            headers: [("content-type", "application/json"), ("x-upload-content-type", contentType)],
            body: Array("{}".utf8))
        guard response.isSuccess, let address = response.header("location") else {
            throw client.error(response, "POST", key)
        }
        session = address
        return address
    }

    /// Sends the next bytes. The store may take fewer of them; after a failure it is asked how many it has.
    private func part(_ count: Int, isLast: Bool) async throws(ConnectError) {
        let session = try await begin()
        let end = byteCount + count
        var attempt = 0
        while isLast || byteCount < end {
            var failure: ConnectError
            do throws(ConnectError) {
                let body = isUnknown ? [] : pending.first(end - byteCount)
                let total = isLast ? String(end) : "*"
                let range =
                    body.isEmpty
                    ? "bytes */\(isUnknown && !isLast ? "*" : total)" : "bytes \(byteCount)-\(end - 1)/\(total)"
                let response = try await client.once("PUT", session, headers: [("content-range", range)], body: body)
                if response.isSuccess {
                    guard isLast else {
                        throw ConnectError(.connect, "the store says that '\(key)' is complete, and it is not")
                    }
                    return
                }
                if response.status == 308 {
                    let wasUnknown = isUnknown
                    isUnknown = false
                    let isFurther = try advance(to: Self.stored(response), end)
                    if isFurther { attempt = 0 }
                    if byteCount < end ? isFurther || wasUnknown : !isLast { continue }
                    failure = ConnectError(.retriable, "the store took nothing more of '\(key)'")
                } else {
                    if response.status == 404 || response.status == 410 {
                        // What the store had of it is not in memory any more.
                        throw ConnectError(
                            .connect,
                            "the store no longer knows the session by which '\(key)' was uploaded (\(response.status)): restart "
                                + "the task, which then writes the object anew from the committed offset")
                    }
                    let refused = client.error(response, "PUT", key)
                    guard GCSClient.isPassing(response) else { throw refused }
                    failure = ConnectError(.retriable, refused.message)
                    isUnknown = true
                }
            } catch {
                guard error.isRetriable else { throw error }
                failure = error
                isUnknown = true
            }
            try await client.rest(&attempt, failure)
        }
    }

    /// - Returns: whether the store has more than it had.
    private func advance(to stored: Int, _ end: Int) throws(ConnectError) -> Bool {
        guard stored >= byteCount, stored <= end else {
            throw ConnectError(
                .connect, "the store has \(stored) bytes of '\(key)', and \(byteCount) to \(end) were sent to it")
        }
        let taken = stored - byteCount
        pending.drop(taken)
        byteCount = stored
        return taken > 0
    }

    /// How many bytes the store has: `Range: bytes=0-N`, or no such header for none.
    private static func stored(_ response: GCSClient.Response) -> Int {
        guard let range = response.header("range"), let dash = range.lastIndex(of: "-"),
            let last = Int(range[range.index(after: dash)...]), last < Int.max
        else { return 0 }
        return last + 1
    }

    private func finished() {
        isComplete = true
        pending = PendingBytes()
    }

    func abort() async {
        guard let address = session, !isComplete else { return }
        session = nil
        // A session that stays ends by itself after a week.
        _ = try? await client.once("DELETE", address, headers: [], body: [])
    }
}
