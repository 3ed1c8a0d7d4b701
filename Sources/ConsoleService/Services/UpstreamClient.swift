import AsyncHTTPClient
import Bytes
import JSONCalls
import JSONFormat
import NIOCore
import NIOHTTP1

/// The console's requests to registry, Connect and SQL, by their HTTP APIs: ours and foreign ones alike.
struct UpstreamClient: Sendable {
    let upstream: ConsoleUpstream
    let addresses: [HTTPAddress]

    /// Push queries hold their connections, so there are more than the client's default.
    private static let calls = JSONCalls(connectSeconds: 5, connectionCountMax: 1024, idleSeconds: 20)

    /// Why there is no answer of a service.
    enum Failure: Error {
        /// There is no such service.
        case absent
        case unreachable(String)
        /// It answered otherwise than with 2xx.
        case refused(status: Int, message: String)

        var words: String {
            switch self {
            case .absent: "off"
            case .unreachable(let message), .refused(_, let message): message
            }
        }
    }

    /// Sends a request to the first node that can be reached.
    ///
    /// - Parameters:
    ///   - target: path and query as they are sent, beginning with a slash.
    ///   - timeout: until the answer begins; nil for queries, which begin to answer when they have something to tell.
    func send(
        _ method: HTTPMethod, _ target: String, headers: [(String, String)] = [], body: ByteBuffer? = nil,
        timeout: TimeAmount? = .seconds(120)
    ) async throws(Failure) -> HTTPClientResponse {
        guard !addresses.isEmpty else { throw .absent }
        var failure = Failure.absent
        for address in addresses {
            var request = HTTPClientRequest(url: address.base + target)
            request.method = method
            for (name, value) in headers { request.headers.add(name: name, value: value) }
            if let user = address.user { request.setBasicAuth(username: user, password: address.password) }
            if let body { request.body = .bytes(body) }
            do {
                return try await Self.calls.client.execute(
                    request, deadline: timeout.map { .now() + $0 } ?? .distantFuture)
            } catch {
                failure = .unreachable(
                    "the \(upstream.title) at \(address) cannot be reached: \(JSONCalls.words(error))")
                if error is CancellationError { break }
            }
        }
        throw failure
    }

    /// A question whose answer is JSON.
    ///
    /// - Parameter path: its parts, not yet encoded.
    func json(
        _ method: HTTPMethod, _ path: [String], _ query: [(String, String)] = [], _ body: JSONValue? = nil,
        timeout: TimeAmount = .seconds(10)
    ) async throws(Failure) -> JSONValue {
        var headers = [("accept", "application/json")]
        if upstream == .sql { headers = [("accept", "application/vnd.ksql.v1+json, application/json")] }
        if body != nil { headers.append(("content-type", "application/json")) }
        let response = try await send(
            method, JSONCalls.target(path, query), headers: headers, body: body.map { ByteBuffer(bytes: $0.bytes) },
            timeout: timeout)
        let bytes = try await collect(response)
        let status = Int(response.status.code)
        let value = JSONValue.parse(bytes)
        guard 200..<300 ~= status else {
            throw .refused(
                status: status, message: value?["message"]?.text ?? "the \(upstream.title) answered HTTP \(status)")
        }
        guard let value else {
            throw .unreachable("what answers as the \(upstream.title) is none: its answer is no JSON")
        }
        return value
    }

    func collect(_ response: HTTPClientResponse) async throws(Failure) -> [UInt8] {
        do { return try await Self.calls.answer(response).bytes } catch {
            throw .unreachable("the answer of the \(upstream.title) did not come: \(error.words)")
        }
    }
}
