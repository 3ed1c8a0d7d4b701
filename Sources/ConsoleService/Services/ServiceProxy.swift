import AsyncHTTPClient
import Bytes
package import HTTPKit
import HTTPTypes
import JSONFormat
import NIOCore
import NIOHTTP1

/// Passes requests below `/api/registry`, `/api/connect` and `/api/sql` on to the services, and their answers back as they
/// come.
package struct ServiceProxy: Sendable {
    private let client: UpstreamClient
    private var upstream: ConsoleUpstream { client.upstream }

    /// Of requests; answers have no bound.
    static let bodyByteCountMax = 16 << 20

    package init(_ upstream: ConsoleUpstream, _ settings: ConsoleSettings) {
        client = UpstreamClient(upstream: upstream, addresses: settings.addresses(upstream))
    }

    /// - Parameter prefix: of the path, which the service does not see.
    package func answer(_ call: HTTPCall, prefix: String) async throws -> HTTPAnswer {
        guard !client.addresses.isEmpty else {
            throw HTTPFailure(.notFound, "there is no \(upstream.title) here: \(upstream.hint)", code: 40401)
        }
        let path = try Self.path(call.path, prefix: prefix)
        let segments = path.split(separator: "/").map { PercentEncoding.decoded($0) }
        var body = call.method == .get || call.method == .head ? nil : try await call.bytes()
        if upstream == .connect, let given = body { body = try await restoring(given, segments) }
        var headers: [(String, String)] = []
        for name in [HTTPField.Name.accept, .contentType] {
            if let value = call.headers[name] { headers.append((name.rawName, value)) }
        }
        let isQuery = upstream == .sql && ["query", "query-stream"].contains(segments.first ?? "")
        let response: HTTPClientResponse
        do throws(UpstreamClient.Failure) {
            response = try await client.send(
                HTTPMethod(rawValue: call.method.rawValue), path + (call.rawQuery.map { "?" + $0 } ?? ""),
                headers: headers, body: body, timeout: isQuery ? nil : .seconds(120))
        } catch {
            throw HTTPFailure(.badGateway, error.words, code: 50201)
        }
        return try await answer(response, segments)
    }

    private func answer(_ response: HTTPClientResponse, _ segments: [String]) async throws -> HTTPAnswer {
        var answer = HTTPAnswer(status: .init(code: Int(response.status.code)))
        for name in ["content-type", "retry-after"] {
            if let value = response.headers.first(name: name), let field = HTTPField.Name(name) {
                answer.headers[field] = value
            }
        }
        if answer.status == .noContent { return answer }
        guard upstream == .connect else {
            answer.body = .stream { writer in
                var parts = response.body.makeAsyncIterator()
                while true {
                    let part: ByteBuffer?
                    do { part = try await parts.next() } catch {
                        // The client has closed its side, which is how a push query ends.
                        if Task.isCancelled { throw CancellationError() }
                        throw error
                    }
                    guard let part else { return }
                    try await writer.write(part)
                }
            }
            return answer
        }
        let bytes: [UInt8]
        do throws(UpstreamClient.Failure) { bytes = try await client.collect(response) } catch {
            throw HTTPFailure(.badGateway, error.words, code: 50201)
        }
        let isConfig = segments.count == 3 && segments[0] == "connectors" && segments[2] == "config"
        // Errors repeat nothing of a configuration, but the same look at them does no harm.
        let shown = JSONValue.parse(bytes).map { value in
            SecretMask.masked(answer: value, isConfig: isConfig && value["error_code"] == nil && value["config"] == nil)
                .bytes
        }
        answer.body = .bytes(ByteBuffer(bytes: shown ?? bytes))
        return answer
    }

    /// A configuration to be stored or checked, with the secrets that were hidden from its writer.
    private func restoring(_ body: ByteBuffer, _ segments: [String]) async throws -> ByteBuffer {
        guard let value = JSONValue.parse(Array(body.readableBytesView)) else { return body }
        let config = value["config"]?.members != nil ? value["config"] ?? value : value
        guard SecretMask.hasHidden(config) else { return body }
        let name =
            segments.count >= 2 && segments[0] == "connectors"
            ? segments[1] : value["name"]?.text ?? config["name"]?.text
        guard let name else { return body }
        let present: JSONValue
        do throws(UpstreamClient.Failure) {
            present = try await client.json(.GET, ["connectors", name, "config"])
        } catch {
            if case .refused(404, _) = error { return body }  // a new connector has nothing to keep
            throw HTTPFailure(.badGateway, error.words, code: 50201)
        }
        let restored = SecretMask.restored(config, from: present)
        guard case .object(let members) = value, value["config"]?.members != nil else {
            return ByteBuffer(bytes: restored.bytes)
        }
        return ByteBuffer(
            bytes: JSONValue.object(members.map { $0.0 == "config" ? ($0.0, restored) : $0 }).bytes)
    }

    /// The path at the service.
    ///
    /// - Throws: `HTTPFailure` 400 for one that would leave the API of the service, however it is written.
    static func path(_ path: String, prefix: String) throws(HTTPFailure) -> String {
        guard path == prefix || path.hasPrefix(prefix + "/") else {
            throw HTTPFailure(.badRequest, "the path \(path) is not below \(prefix)")
        }
        let rest = path.dropFirst(prefix.count)
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
            throw HTTPFailure(.badRequest, "the path has characters that must be escaped")
        }
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        for (index, part) in parts.enumerated() {
            let decoded = PercentEncoding.decoded(part)
            let pieces = decoded.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }
            guard !pieces.contains("."), !pieces.contains(".."), !part.isEmpty || index == parts.count - 1,
                decoded.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
            else { throw HTTPFailure(.badRequest, "the path \(path) is refused") }
        }
        return rest.isEmpty ? "/" : String(rest)
    }
}
