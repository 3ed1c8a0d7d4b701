import AsyncHTTPClient
import Bytes
package import JSONFormat
import NIOCore
import NIOHTTP1

/// Why a Connect worker did not do what it was asked.
package struct ConnectClientFailure: Error, Sendable, CustomStringConvertible {
    /// HTTP status of the answer; nil when there was none.
    package var status: Int?
    package var message: String
    package var description: String { message }
}

/// A client of Kafka Connect's REST API, ours or another.
package struct ConnectClient: Sendable {
    /// Scheme, host, port and perhaps a path, without a slash at the end.
    package let url: String

    private static let byteCountMax = 64 << 20

    /// Lives as long as the process.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10)), decompression: .disabled)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(configuration: configuration)
    }()

    /// - Returns: nil for what is no address such as `http://127.0.0.1:8083`.
    package init?(_ text: String) {
        var url = text.contains("://") ? text : "http://" + text
        while url.hasSuffix("/") { url.removeLast() }
        let rest = url.drop { $0 != ":" }.dropFirst(3)
        guard url.hasPrefix("http://") || url.hasPrefix("https://"), !rest.isEmpty, rest.first != ":",
            !rest.contains(where: \.isWhitespace)
        else { return nil }
        self.url = url
    }

    /// - Parameters:
    ///   - path: its parts, not yet encoded.
    ///   - timeoutSeconds: for the whole exchange.
    /// - Returns: null for an answer without a body.
    /// - Throws: also for an answer of another status than 2xx, with its message.
    package func exchange(
        _ method: String, _ path: [String], _ query: [(String, String)] = [], _ body: JSONValue? = nil,
        timeoutSeconds: Int64 = 90
    ) async throws(ConnectClientFailure) -> JSONValue {
        var target = url + "/" + path.map(PercentEncoding.encoded).joined(separator: "/")
        for (index, (name, value)) in query.enumerated() {
            target += (index == 0 ? "?" : "&") + PercentEncoding.encoded(name) + "=" + PercentEncoding.encoded(value)
        }
        var request = HTTPClientRequest(url: target)
        request.method = HTTPMethod(rawValue: method)
        request.headers.add(name: "accept", value: "application/json")
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        let status: Int
        let bytes: [UInt8]
        do {
            let response = try await Self.client.execute(request, timeout: .seconds(timeoutSeconds))
            status = Int(response.status.code)
            bytes = Array(try await response.body.collect(upTo: Self.byteCountMax).readableBytesView)
        } catch {
            throw ConnectClientFailure(message: "the Connect worker at \(url) cannot be reached: \(Self.words(error))")
        }
        let json = bytes.isEmpty ? JSONValue.null : JSONValue.parse(bytes)
        guard 200..<300 ~= status else {
            throw ConnectClientFailure(
                status: status,
                message: json?["message"]?.text ?? "the Connect worker at \(url) answered HTTP \(status)")
        }
        guard let json else {
            throw ConnectClientFailure(
                status: status, message: "what answers at \(url) is no Connect worker: its answer is no JSON")
        }
        return json
    }

    /// A failed request in the words of people.
    package static func words(_ error: any Error) -> String {
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
