import ConnectCore
import HTTPCalls

/// A bucket.
struct S3Store: ObjectStore {
    let client: S3Client

    func check() async throws(ConnectError) {
        // Who may only write objects is not allowed to look, which is fine.
        let answer = try await client.call(
            "GET", key: nil, query: [("list-type", "2"), ("max-keys", "1")], accepted: ["NoSuchBucket", "AccessDenied"])
        if case .refusal(let refusal) = answer, refusal.code == "NoSuchBucket" {
            throw ConnectError(.connect, "Non-existent S3 bucket: \(client.settings.bucket)")
        }
    }

    func upload(_ key: String, contentType: String, of partition: SinkPartition) -> any ObjectUpload {
        S3Upload(client, key, contentType)
    }

    func tag(_ key: String, _ tags: [(name: String, value: String)]) async throws(ConnectError) {
        func escaped(_ text: String) -> String {
            text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        }
        let set = tags.map { "<Tag><Key>\(escaped($0.name))</Key><Value>\(escaped($0.value))</Value></Tag>" }.joined()
        _ = try await client.call(
            "PUT", key: key, query: [("tagging", "")], headers: [("content-type", "application/xml")],
            body: Array(
                "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>\(set)</TagSet></Tagging>".utf8))
    }

    func close() async { await client.close() }
}

/// An object that is uploaded in parts when it is larger than one, else with one request.
///
/// `@unchecked Sendable`: the contract has one caller at a time.
final class S3Upload: ObjectUpload, @unchecked Sendable {
    let key: String
    private let client: S3Client
    private let contentType: String
    private var pending = PendingBytes()
    private var uploadID: String?
    private var etags: [String] = []
    private var byteCount = 0
    private var isComplete = false

    /// What the store takes as a part that is not the last.
    private static let partByteCountMin = 5 << 20
    private static let partCountMax = 10_000

    init(_ client: S3Client, _ key: String, _ contentType: String) {
        self.client = client
        self.key = key
        self.contentType = contentType
    }

    var pendingByteCount: Int { pending.count }

    func append(_ bytes: [UInt8]) { pending.append(bytes) }

    func send(early: Bool) async throws(ConnectError) {
        // Parts grow when there are many, so that the largest objects do not need more parts than there may be.
        let whole = max(client.settings.partByteCount, byteCount / 5000)
        while pending.count >= whole { try await part(whole) }
        if early, pending.count >= Self.partByteCountMin { try await part(pending.count) }
    }

    private func part(_ count: Int) async throws(ConnectError) {
        guard etags.count < Self.partCountMax else {
            throw ConnectError(.connect, "the object '\(key)' has \(Self.partCountMax) parts: lower flush.size")
        }
        let id: String
        if let uploadID {
            id = uploadID
        } else {
            id = try await begin()
            uploadID = id
        }
        let body = pending.first(count)
        let answer = try await client.call(
            "PUT", key: key, query: [("partNumber", String(etags.count + 1)), ("uploadId", id)],
            headers: client.settings.partHeaders, body: body)
        guard case .success(let response) = answer, let etag = response.header("etag") else {
            throw ConnectError(.connect, "the store took a part of '\(key)' without saying its etag")
        }
        etags.append(etag)
        byteCount += count
        pending.drop(count)
    }

    private var objectHeaders: [(name: String, value: String)] {
        [(name: "content-type", value: contentType)] + client.settings.objectHeaders + client.settings.partHeaders
    }

    private func begin() async throws(ConnectError) -> String {
        let answer = try await client.call("POST", key: key, query: [("uploads", "")], headers: objectHeaders)
        guard case .success(let response) = answer,
            let id = S3Client.element("UploadId", String(decoding: response.body, as: UTF8.self))
        else { throw ConnectError(.connect, "the store began no upload of '\(key)'") }
        return id
    }

    func complete() async throws(ConnectError) {
        guard !isComplete else { return }
        guard let id = uploadID else {
            _ = try await client.call("PUT", key: key, headers: objectHeaders, body: pending.bytes)
            return finished()
        }
        if pending.count > 0 { try await part(pending.count) }
        func escaped(_ text: String) -> String { text.replacing("&", with: "&amp;").replacing("\"", with: "&quot;") }
        let parts = etags.enumerated().map {
            "<Part><PartNumber>\($0.offset + 1)</PartNumber><ETag>\(escaped($0.element))</ETag></Part>"
        }.joined()
        let answer = try await client.call(
            "POST", key: key, query: [("uploadId", id)], headers: [("content-type", "application/xml")],
            body: Array(
                "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(parts)</CompleteMultipartUpload>"
                    .utf8), accepted: ["NoSuchUpload"])
        if case .refusal(let refusal) = answer {
            // The answer to an earlier attempt may have been lost: then the object is there.
            let head = try await client.call("HEAD", key: key, headers: client.settings.partHeaders)
            guard case .success(let response) = head, response.header("content-length") == String(byteCount) else {
                throw client.error(refusal, "POST", key)
            }
        }
        finished()
    }

    private func finished() {
        isComplete = true
        pending = PendingBytes()
    }

    func abort() async {
        guard let id = uploadID, !isComplete else { return }
        uploadID = nil
        // Parts that stay behind cost money and nothing else; a rule of the bucket removes them.
        _ = try? await client.call("DELETE", key: key, query: [("uploadId", id)])
    }
}
