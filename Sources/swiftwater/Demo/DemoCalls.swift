import AsyncHTTPClient
import JSONFormat
import NIOCore
import NIOHTTP1

/// The demonstration's small questions to the HTTP surfaces around it.
enum DemoCalls {
    /// Lives as long as the process.
    private static let client = HTTPClient(
        configuration: .init(redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5))))

    /// - Returns: status and JSON of the answer; null for one without a body or of another kind.
    /// - Throws: `CommandFailure` when nobody answers.
    static func exchange(
        _ method: HTTPMethod, _ url: String, headers: [(name: String, value: String)] = [], _ body: JSONValue? = nil
    ) async throws -> (status: Int, body: JSONValue) {
        var request = HTTPClientRequest(url: url)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        do {
            let response = try await client.execute(request, timeout: .seconds(10))
            let bytes = Array(try await response.body.collect(upTo: 16 << 20).readableBytesView)
            return (Int(response.status.code), JSONValue.parse(bytes) ?? .null)
        } catch {
            throw CommandFailure("\(url) cannot be reached: \(error)")
        }
    }
}
