package import AsyncHTTPClient
import Bytes
package import JSONFormat
package import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// JSON over HTTP with a service of the platform or another's: a schema registry, a Connect worker, a SQL server, a
/// console's peers. Holds connections as long as the process lives: kept in a static property, one for a kind of service.
package struct JSONCalls: Sendable {
    package struct Answer: Sendable {
        package var status: Int
        package var bytes: [UInt8]

        package var isSuccess: Bool { 200..<300 ~= status }
        /// nil for bytes that are no JSON, as none are.
        package var json: JSONValue? { JSONValue.parse(bytes) }
    }

    /// There was no whole answer.
    package struct NoAnswer: Error {
        /// Why, as `connection refused`.
        package var words: String
    }

    /// For answers that are read as they come.
    package let client: HTTPClient
    private let answerByteCountMax: Int

    /// - Parameters:
    ///   - connectSeconds: how long a connection may take to be made.
    ///   - answerByteCountMax: longer answers are refused.
    ///   - connectionCountMax: to one host at a time; nil for the client's own choice.
    ///   - idleSeconds: how long a connection is kept that nobody uses.
    ///   - trustFile: a PEM file of authorities to trust besides the system's; those of the process without one.
    package init(
        connectSeconds: Int64 = 10, answerByteCountMax: Int = 64 << 20, connectionCountMax: Int? = nil,
        idleSeconds: Int64 = 60, trustFile: String? = nil
    ) {
        self.answerByteCountMax = answerByteCountMax
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(connectSeconds)),
            decompression: .disabled)
        // A refused connection is an answer: trying it again until the time is over would only keep the next node from
        // being asked.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.idleTimeout = .seconds(idleSeconds)
        if let connectionCountMax {
            configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionCountMax
        }
        configuration.httpVersion = .http1Only
        if let file = trustFile ?? Self.trustFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.additionalTrustRoots = [.file(file)]
            configuration.tlsConfiguration = tls
        }
        client = HTTPClient(configuration: configuration)
    }

    /// Closes the connections of calls that are not kept as long as the process lives. Nothing is asked afterwards.
    package func shutdown() async {
        try? await client.shutdown()  // it fails only when it was called before
    }

    private static let trusted = Mutex<String?>(nil)

    /// A PEM file of authorities that all clients of the process trust besides the system's; nil for none.
    package static var trustFile: String? { trusted.withLock { $0 } }

    /// Has all clients trust further authorities: to be called before the first of them is made.
    ///
    /// - Throws: `NoAnswer` when the file has no certificates that can be read.
    package static func trust(_ file: String) throws(NoAnswer) {
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(file), !certificates.isEmpty else {
            throw NoAnswer(words: "'\(file)' has no PEM certificates that can be read")
        }
        trusted.withLock { $0 = file }
    }

    /// Path and query as they are sent, beginning with a slash.
    ///
    /// - Parameter path: its parts, not yet encoded.
    package static func target(_ path: [String], _ query: [(String, String)] = []) -> String {
        var target = "/" + path.map(PercentEncoding.encoded).joined(separator: "/")
        for (index, (name, value)) in query.enumerated() {
            target += (index == 0 ? "?" : "&") + PercentEncoding.encoded(name) + "=" + PercentEncoding.encoded(value)
        }
        return target
    }

    /// - Parameters:
    ///   - url: scheme, host, port and target.
    ///   - type: what a body is sent as.
    ///   - accept: what may come back; the body's type without it.
    ///   - headers: more of them.
    ///   - user: for basic authentication; nil for none.
    package static func request(
        _ method: String, _ url: String, body: JSONValue? = nil, type: String = "application/json",
        accept: String? = nil, headers: [(String, String)] = [], user: String? = nil, password: String = ""
    ) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.method = HTTPMethod(rawValue: method)
        request.headers.add(name: "accept", value: accept ?? type)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let user { request.setBasicAuth(username: user, password: password) }
        if let body {
            request.headers.add(name: "content-type", value: type)
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        return request
    }

    /// A form as browsers send them (`application/x-www-form-urlencoded`), for which JSON comes back.
    package static func form(
        _ url: String, _ fields: [(String, String)], headers: [(String, String)] = []
    ) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "accept", value: "application/json")
        request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        let pairs = fields.map { PercentEncoding.encoded($0.0) + "=" + PercentEncoding.encoded($0.1) }
        request.body = .bytes(ByteBuffer(string: pairs.joined(separator: "&")))
        return request
    }

    /// Sends a request and waits for the whole answer, of any status.
    ///
    /// - Parameter timeout: for all of it.
    package func exchange(
        _ request: HTTPClientRequest, timeout: Duration
    ) async throws(NoAnswer) -> Answer {
        do {
            let response = try await client.execute(request, timeout: Self.amount(timeout))
            return try await answer(response)
        } catch let failure as NoAnswer {
            throw failure
        } catch {
            throw NoAnswer(words: Self.words(error))
        }
    }

    /// The whole of an answer that has begun.
    package func answer(_ response: HTTPClientResponse) async throws(NoAnswer) -> Answer {
        do {
            let body = try await response.body.collect(upTo: answerByteCountMax)
            return Answer(status: Int(response.status.code), bytes: Array(body.readableBytesView))
        } catch is NIOTooManyBytesError {
            throw NoAnswer(words: "the answer is longer than \(answerByteCountMax) bytes")
        } catch {
            throw NoAnswer(words: Self.words(error))
        }
    }

    package static func amount(_ duration: Duration) -> TimeAmount {
        let parts = duration.components
        return .milliseconds(parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000)
    }
}
