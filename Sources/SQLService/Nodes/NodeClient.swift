import AsyncHTTPClient
import HTTPKit
import JSONCalls
import JSONFormat
import NIOCore
import NIOHTTP1
import SQLRuntime
import StreamEngine

/// Asks other nodes of the service, over HTTP, with or without TLS: all of them speak alike.
struct NodeClient: Sendable {
    private let security: SQLNodeSecurity

    init(_ security: SQLNodeSecurity) { self.security = security }

    /// Answers longer than this are refused.
    private static let answerByteCountMax = 512 << 20

    /// Lives as long as the process.
    private static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(2)), decompression: .disabled)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 32
        return HTTPClient(configuration: configuration)
    }()

    /// Rows of partitions that another node has.
    ///
    /// - Parameter address: "host:port".
    /// - Throws: as the node says; `.notReady` when it does not answer: others will have its tasks.
    func rows(_ question: NodeMessage.Question, of address: String) async throws(RunError) -> NodeMessage.Rows {
        let bytes: ByteBuffer
        do {
            bytes = try await post(
                NodeMessage.path, NodeMessage.encode(question), "application/octet-stream", to: address, .seconds(30))
        } catch {
            throw RunError(
                .notReady,
                "the node at \(address), which has rows of the table, does not answer: "
                    + JSONCalls.words(error))
        }
        let answer: Result<NodeMessage.Rows, RunError>
        do throws(NodeMessage.Malformed) { answer = try NodeMessage.answer(bytes) } catch {
            throw RunError(.cluster, "the node at \(address) answers something that cannot be read: \(error)")
        }
        return try answer.get()
    }

    /// The queries of another node.
    func status(of address: String, timeout: TimeAmount) async throws -> NodeStatus {
        let bytes = try await post(NodeStatus.path, ByteBuffer(string: "{}"), "application/json", to: address, timeout)
        guard let status = JSONValue.parse(Array(bytes.readableBytesView)).flatMap({ NodeStatus($0) }) else {
            throw Refusal(description: "what answers is no status of a node")
        }
        return status
    }

    /// Tells another node something; what does not arrive is told again in time.
    func tell(_ path: String, _ message: JSONValue, to address: String) async throws {
        _ = try await post(path, ByteBuffer(bytes: message.bytes), "application/json", to: address, .seconds(2))
    }

    private struct Refusal: Error, CustomStringConvertible { var description: String }

    private func post(
        _ path: String, _ body: ByteBuffer, _ type: String, to address: String, _ timeout: TimeAmount
    ) async throws -> ByteBuffer {
        var request = HTTPClientRequest(url: "\(security.peers == nil ? "http" : "https")://\(address)\(path)")
        request.method = .POST
        request.headers.add(name: "content-type", value: type)
        if let shown = security.authorization { request.headers.add(name: "authorization", value: shown) }
        request.tlsConfiguration = await security.peers?.configuration()
        request.body = .bytes(body)
        let response = try await Self.client.execute(request, timeout: timeout)
        let bytes = try await response.body.collect(upTo: Self.answerByteCountMax)
        guard response.status != .unauthorized else {
            throw Refusal(
                description: "it asks for the secret of nodes: http.nodes.secret is to be the same on all of them")
        }
        guard response.status == .ok else { throw Refusal(description: "HTTP status \(response.status.code)") }
        return bytes
    }
}
