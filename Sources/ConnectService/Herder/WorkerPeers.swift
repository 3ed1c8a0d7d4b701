import AsyncHTTPClient
import Bytes
import Cluster
import ConnectCore
import Crypto
import HTTPKit
import JSONCalls
import JSONFormat
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// Requests from worker to worker: those of clients handed on, and the workers' own, which are signed (KIP-507).
final class WorkerPeers: Sendable {
    struct Answer: Sendable {
        var status: Int
        var contentType: String?
        var location: String?
        var body: [UInt8]
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    static let signatureHeader = "X-Connect-Authorization"
    static let algorithmHeader = "X-Connect-Request-Signature-Algorithm"
    private static let algorithm = "HmacSHA256"
    private static let keyLifetime: Int64 = 3_600_000
    private static let byteCountMax = 64 << 20

    private let client: HTTPClient
    private let tls: PeerTLS?

    /// - Parameter tls: for workers that speak it; nil trusts the system's authorities.
    init(group: any EventLoopGroup, tls: PeerTLS? = nil) {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5)), decompression: .disabled)
        configuration.connectionPool.retryConnectionEstablishment = false
        self.tls = tls
        client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    func close() async { try? await client.shutdown() }  // it fails only when it was called before

    /// - Parameter target: path and query.
    /// - Throws: when no whole answer came.
    func send(
        _ method: String, _ target: String, to url: String, body: [UInt8], headers: [(String, String)] = []
    ) async throws -> Answer {
        let base = url.hasSuffix("/") ? String(url.dropLast()) : url
        var request = HTTPClientRequest(url: base + target)
        request.method = HTTPMethod(rawValue: method)
        if !body.isEmpty {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        // With each request, as its files may have changed; connections are kept by it.
        request.tlsConfiguration = await tls?.configuration()
        do {
            let response = try await client.execute(request, timeout: .seconds(90))
            return Answer(
                status: Int(response.status.code), contentType: response.headers.first(name: "content-type"),
                location: response.headers.first(name: "location"),
                body: Array(try await response.body.collect(upTo: Self.byteCountMax).readableBytesView))
        } catch {
            throw Failure(description: "the worker at \(url) does not answer: \(JSONCalls.words(error))")
        }
    }

    // MARK: The workers' own

    func sendTasks(_ name: String, _ configs: [[String: String]], to url: String, key: SessionKey?) async throws {
        let body = JSONValue.array(configs.map { Herder.object($0) }).bytes
        try await own("POST", "/connectors/\(PercentEncoding.encoded(name))/tasks", to: url, body, key)
    }

    func fence(_ name: String, at url: String, key: SessionKey?) async throws {
        try await own("PUT", "/connectors/\(PercentEncoding.encoded(name))/fence", to: url, [], key)
    }

    private func own(_ method: String, _ target: String, to url: String, _ body: [UInt8], _ key: SessionKey?)
        async throws
    {
        var headers: [(String, String)] = []
        if let key {
            headers = [
                (Self.signatureHeader, Base64.encode(Self.signature(body, key))),
                (Self.algorithmHeader, Self.algorithm),
            ]
        }
        let answer = try await send(method, target, to: url, body: body, headers: headers)
        guard 200..<300 ~= answer.status else {
            throw Failure(
                description: "HTTP \(answer.status) \(String(decoding: answer.body.prefix(500), as: UTF8.self))")
        }
    }

    static func signature(_ body: [UInt8], _ key: SessionKey) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: body, using: SymmetricKey(data: key.key)))
    }

    /// Whether a request comes from a worker that has read the key.
    static func isSigned(_ body: [UInt8], _ signature: String?, _ algorithm: String?, _ key: SessionKey) -> Bool {
        guard algorithm == Self.algorithm, let signature = signature.flatMap(Base64.decode) else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(
            signature, authenticating: body, using: SymmetricKey(data: key.key))
    }

    /// As the new leader: makes sure that there is a key that is not too old.
    func lead(_ herder: Herder) async {
        guard herder.settings.protocolName.lowercased() == "sessioned" else { return }
        let now = herder.parts.now()
        if let key = herder.config.read({ $0.sessionKey }), now - key.created < Self.keyLifetime { return }
        let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        do {
            try await herder.config.write([
                ConfigRecords.sessionKey(SessionKey(key: bytes, algorithm: Self.algorithm, created: now))
            ])
        } catch {
            herder.logger.error("the workers' session key could not be stored", metadata: ["error": "\(error)"])
        }
    }
}
