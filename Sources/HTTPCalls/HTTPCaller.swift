import AsyncHTTPClient
import Bytes
package import ConnectCore
import JSONCalls
import NIOCore
import NIOHTTP1
import NIOSSL

/// A client of somebody else's HTTP API, as connectors need it: requests with bodies in memory, answers of bounded size,
/// failures in words without secrets. Holds connections until `close`.
package final class HTTPCaller: Sendable {
    package struct Request: Sendable {
        package var method: String
        package var url: String
        package var headers: [(name: String, value: String)]
        package var body: [UInt8]?

        package init(
            _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil
        ) {
            self.method = method
            self.url = url
            self.headers = headers
            self.body = body
        }
    }

    package struct Response: Sendable {
        package var status: Int
        package var reason: String
        package var headers: [(name: String, value: String)]
        package var body: [UInt8]

        package var isSuccess: Bool { 200..<300 ~= status }

        /// The first header of the name, in any case.
        package func header(_ name: String) -> String? {
            headers.first { $0.name.lowercased() == name.lowercased() }?.value
        }

        /// How long the server asks to wait, from `Retry-After` in seconds.
        package var retryAfter: Duration? {
            header("retry-after").flatMap { Int64($0) }.flatMap { 0...86_400 ~= $0 ? .seconds($0) : nil }
        }

        /// The beginning of the body, for messages.
        package var excerpt: String { String(decoding: body.prefix(1000), as: UTF8.self) }
    }

    package struct Settings: Sendable {
        package var connectTimeout: Duration = .seconds(30)
        /// From the last byte of the request to the whole answer.
        package var timeout: Duration = .seconds(30)
        package var connectionCountMax = 8
        package var tls = TLSSettings()
        package var proxy: Proxy?
        /// Answers that are longer are failures.
        package var bodyByteCountMax = 64 << 20

        package init() {}
    }

    package struct Proxy: Sendable {
        package var host: String
        package var port: Int
        package var user: String?
        package var password: String?

        package init(host: String, port: Int, user: String? = nil, password: String? = nil) {
            self.host = host
            self.port = port
            self.user = user
            self.password = password
        }
    }

    private let client: HTTPClient
    private let settings: Settings

    /// - Throws: `.config` for certificates that cannot be read.
    package init(_ settings: Settings) throws(ConnectError) {
        self.settings = settings
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try settings.tls.configuration(), redirectConfiguration: .disallow,
            timeout: .init(connect: Self.amount(settings.connectTimeout)), decompression: .disabled)
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = max(1, settings.connectionCountMax)
        configuration.httpVersion = .http1Only
        if let proxy = settings.proxy {
            configuration.proxy = .server(
                host: proxy.host, port: proxy.port,
                authorization: proxy.user.map { .basic(username: $0, password: proxy.password ?? "") })
        }
        client = HTTPClient(configuration: configuration)
    }

    /// Whoever forgot `close` must not end the process.
    deinit {
        let _: EventLoopFuture<Void> = client.shutdown()
    }

    /// - Throws: `.retriable` when there was no answer; `.config` for an address that is none.
    package func send(_ request: Request) async throws(ConnectError) -> Response {
        var sent = HTTPClientRequest(url: request.url)
        sent.method = HTTPMethod(rawValue: request.method)
        for header in request.headers { sent.headers.add(name: header.name, value: header.value) }
        if let body = request.body { sent.body = .bytes(ByteBuffer(bytes: body)) }
        do {
            let answer = try await client.execute(sent, timeout: Self.amount(settings.timeout))
            let body = try await answer.body.collect(upTo: settings.bodyByteCountMax)
            return Response(
                status: Int(answer.status.code), reason: answer.status.reasonPhrase,
                headers: answer.headers.map { ($0.name, $0.value) }, body: Array(body.readableBytesView))
        } catch {
            throw Self.failure(error, request.url)
        }
    }

    /// Ends all connections. Has to be called once, when no request is under way.
    package func close() async {
        // Nothing is left to do with connections that could not be closed.
        try? await client.shutdown()
    }

    package static func basicAuthorization(_ user: String, _ password: String) -> (name: String, value: String) {
        ("authorization", "Basic " + Base64.encode(Array((user + ":" + password).utf8)))
    }

    /// An address without what may be secret in it: name, password and query.
    package static func shown(_ url: String) -> String {
        var text = url[...]
        if let query = text.firstIndex(where: { $0 == "?" || $0 == "#" }) { text = text[..<query] }
        guard let scheme = text.firstRange(of: "://") else { return String(text) }
        let rest = text[scheme.upperBound...]
        let authorityEnd = rest.firstIndex(of: "/") ?? rest.endIndex
        guard let at = rest[..<authorityEnd].lastIndex(of: "@") else { return String(text) }
        return String(text[..<scheme.upperBound]) + rest[rest.index(after: at)...]
    }

    private static func failure(_ error: any Error, _ url: String) -> ConnectError {
        let place = shown(url)
        if let error = error as? HTTPClientError {
            switch error {
            case .invalidURL, .emptyHost, .emptyScheme, .missingSocketPath:
                return .config("'\(place)' is no address of the form http://host:port/path")
            case .connectTimeout, .deadlineExceeded, .readTimeout, .writeTimeout:
                return ConnectError(.retriable, "\(place) did not answer in time")
            case .remoteConnectionClosed:
                return ConnectError(.retriable, "\(place) closed the connection")
            default: return ConnectError(.retriable, "\(place): \(JSONCalls.words(error))")
            }
        }
        if error is NIOTooManyBytesError {
            return ConnectError(.connect, "\(place) gave an answer that is longer than allowed")
        }
        return ConnectError(.retriable, "\(place) cannot be reached: \(JSONCalls.words(error))")
    }

    private static func amount(_ duration: Duration) -> TimeAmount {
        let parts = duration.components
        return .milliseconds(parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000)
    }
}
