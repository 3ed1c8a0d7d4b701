import AsyncHTTPClient
import Bytes
import JSONFormat
import NIOCore
import NIOHTTP1

/// One HTTP exchange with the registry, whichever of its nodes answers.
struct RegistryTransport: Sendable {
    let addresses: [HTTPAddress]
    let timeout: Duration
    /// Answers longer than this are refused: a registry with 100 000 schemas of 1 KiB fits.
    static let answerByteCountMax = 256 << 20

    /// Lives as long as the process. A refused connection is an answer: trying it again until the time is over would only
    /// keep the next node from being asked.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(10)), decompression: .disabled)
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(configuration: configuration)
    }()

    private static let contentType = "application/vnd.schemaregistry.v1+json"

    /// Nodes are asked in turn: the next one only when a connection fails, since an answer is an answer.
    ///
    /// - Throws: `RegistryFailure`.
    func exchange(
        _ method: HTTPMethod, _ path: [String], _ query: [(String, String)], _ body: JSONValue?
    ) async throws(RegistryFailure) -> JSONValue {
        var failure: RegistryFailure?
        for address in addresses {
            do {
                return try await exchange(address, method, path, query, body)
            } catch {
                guard case .unreachable = error.kind else { throw error }
                failure = failure ?? error
            }
        }
        throw failure ?? RegistryFailure(.unreachable, "there is no address of a schema registry")
    }

    private func exchange(
        _ address: HTTPAddress, _ method: HTTPMethod, _ path: [String], _ query: [(String, String)],
        _ body: JSONValue?
    ) async throws(RegistryFailure) -> JSONValue {
        var url = address.base + "/" + path.map(PercentEncoding.encoded).joined(separator: "/")
        for (index, (name, value)) in query.enumerated() {
            url += (index == 0 ? "?" : "&") + PercentEncoding.encoded(name) + "=" + PercentEncoding.encoded(value)
        }
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers.add(name: "accept", value: Self.contentType + ", application/json")
        request.headers.add(name: "confluent-accept-unknown-properties", value: "true")
        if let user = address.user { request.setBasicAuth(username: user, password: address.password) }
        if let body {
            request.headers.add(name: "content-type", value: Self.contentType)
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        let status: Int
        let bytes: [UInt8]
        do {
            let response = try await Self.client.execute(request, timeout: timeAmount)
            status = Int(response.status.code)
            bytes = Array(try await response.body.collect(upTo: Self.answerByteCountMax).readableBytesView)
        } catch {
            throw RegistryFailure(
                .unreachable, "the schema registry at \(address) cannot be reached: \(Self.words(error))")
        }
        let value = JSONValue.parse(bytes)
        guard (200..<300).contains(status) else {
            if let value, let message = value["message"]?.text {
                let code = value["error_code"]?.integer.map { Int($0) } ?? status
                throw RegistryFailure(.refused(status: status, code: code), message)
            }
            throw RegistryFailure(
                .refused(status: status, code: status), "the schema registry at \(address) answered HTTP \(status)")
        }
        guard let value else {
            throw RegistryFailure(
                .notUnderstood, "what answers at \(address) is no schema registry: its answer is no JSON")
        }
        return value
    }

    private var timeAmount: TimeAmount {
        let parts = timeout.components
        return .milliseconds(parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000)
    }

    private static func words(_ error: any Error) -> String {
        if let error = error as? HTTPClientError {
            switch error {
            case .connectTimeout, .deadlineExceeded, .readTimeout: return "no answer in time"
            case .remoteConnectionClosed: return "the connection was closed"
            default: return error.shortDescription
            }
        }
        if let error = error as? IOError { return error.errnoCode == 111 ? "connection refused" : "\(error)" }
        let text = "\(error)"
        return text.contains("Connection refused") || text.contains("errno: 111") ? "connection refused" : text
    }
}
