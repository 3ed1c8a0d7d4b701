import AsyncHTTPClient
import Bytes
package import JSONFormat
import NIOCore
import NIOHTTP1

/// A Connect worker that is asked over HTTP.
package struct ConnectClient: ConnectorAdmin {
    private let base: String
    private let timeout: Duration
    private let user: String?
    private let password: String

    /// Answers longer than this are refused.
    private static let answerByteCountMax = 64 << 20

    /// Lives as long as the process.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5)), decompression: .disabled)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(configuration: configuration)
    }()

    /// - Parameters:
    ///   - url: `http://host:8083`; a slash at the end does not matter.
    ///   - user: for basic authentication; nil for none.
    package init(url: String, timeout: Duration = .seconds(5), user: String? = nil, password: String = "") {
        base = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.timeout = timeout
        self.user = user
        self.password = password
    }

    package func exchange(
        _ method: String, _ path: [String], _ body: JSONValue?
    ) async throws(ConnectorAdminError) -> (status: Int, body: JSONValue) {
        var request = HTTPClientRequest(url: base + "/" + path.map(PercentEncoding.encoded).joined(separator: "/"))
        request.method = HTTPMethod(rawValue: method)
        request.headers.add(name: "accept", value: "application/json")
        if let user { request.setBasicAuth(username: user, password: password) }
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        do {
            let parts = timeout.components
            let response = try await Self.client.execute(
                request, timeout: .milliseconds(parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000))
            let bytes = Array(try await response.body.collect(upTo: Self.answerByteCountMax).readableBytesView)
            return (Int(response.status.code), JSONValue.parse(bytes) ?? .null)
        } catch {
            throw ConnectorAdminError("the Connect worker at \(base) cannot be reached: \(Self.words(error))")
        }
    }

    private static func words(_ error: any Error) -> String {
        if let error = error as? HTTPClientError {
            switch error {
            case .connectTimeout, .deadlineExceeded, .readTimeout: return "no answer in time"
            case .remoteConnectionClosed: return "the connection was closed"
            default: return error.shortDescription
            }
        }
        let text = "\(error)"
        return text.contains("Connection refused") || text.contains("errno: 111") ? "connection refused" : text
    }
}
