import Bytes
import Glibc
import KafkaMessages
import NIOCore
import NIOPosix
import OAuthCalls
import Security
import Synchronization

/// Where a broker listens.
struct BrokerAddress: Hashable, CustomStringConvertible {
    var host: String
    var port: Int

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The addresses of `HOST:PORT,[::1]:PORT,...`; a missing port is Kafka's own, 9092.
    static func list(_ text: String) -> [BrokerAddress] {
        text.split(separator: ",").compactMap { part in
            var rest = part.drop { $0 == " " }
            while rest.last == " " { rest.removeLast() }
            if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
            if rest.first == "[", let end = rest.firstIndex(of: "]") {
                let port = rest[rest.index(after: end)...].drop { $0 == ":" }
                return BrokerAddress(
                    host: String(rest[rest.index(after: rest.startIndex)..<end]), port: Int(port) ?? 9092)
            }
            guard !rest.isEmpty else { return nil }
            let parts = rest.split(separator: ":", maxSplits: 1)
            return BrokerAddress(
                host: parts.first.map { String($0) } ?? "", port: parts.dropFirst().first.flatMap { Int($0) } ?? 9092)
        }
    }
}

/// One connection to a broker, on which requests are answered by their numbers.
final class RequestConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<ResponseHandler>
    private let clientId: String
    private let nextCorrelationId = Atomic<Int32>(1)
    private let offered = Mutex<[Int16: ClosedRange<Int16>]>([:])
    /// When the broker wants its client to have authenticated anew (KIP-368): another connection does it before.
    private let expiry = Mutex<ContinuousClock.Instant?>(nil)
    private let isHandedOver = Atomic<Bool>(false)

    private init(channel: any Channel, handler: NIOLoopBound<ResponseHandler>, clientId: String) {
        self.channel = channel
        self.handler = handler
        self.clientId = clientId
    }

    deinit { close() }

    /// Connects and asks which versions the broker offers.
    static func open(
        _ address: BrokerAddress, _ security: ConnectionSecurity, on group: any EventLoopGroup, clientId: String,
        timeout: Duration
    ) async throws(ClusterError) -> RequestConnection {
        let attempt = "connect to \(address)"
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        let connection: RequestConnection
        do {
            let channel = try await ClientBootstrap(group: group)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connectTimeout(TimeAmount(min(timeout, .seconds(10))))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let tls = try security.handler(host: address.host) {
                            try channel.pipeline.syncOperations.addHandler(tls)
                        }
                        try channel.pipeline.syncOperations.addHandler(ResponseHandler(address))
                    }
                }
                .connect(host: address.host, port: address.port).get()
            let handler = try await channel.eventLoop.submit {
                NIOLoopBound(
                    try channel.pipeline.syncOperations.handler(type: ResponseHandler.self),
                    eventLoop: channel.eventLoop)
            }.get()
            connection = RequestConnection(channel: channel, handler: handler, clientId: clientId)
        } catch {
            if let failure = ClusterError(tls: error, address) { throw failure }
            throw ClusterError(.brokerNotAvailable, "\(attempt): \(Self.reason(error))")
        }
        let answer = try await connection.exchange(
            ApiVersionsRequest(), version: 0, timeout: max(timeout / 4, deadline - clock.now))
        try check(answer.errorCode, attempt)
        connection.offered.withLock { offered in
            for api in answer.apiKeys where api.minVersion <= api.maxVersion {
                offered[api.apiKey] = api.minVersion...api.maxVersion
            }
        }
        return connection
    }

    var isOpen: Bool { channel.isActive && expiry.withLock { $0.map { ContinuousClock.now < $0 } ?? true } }

    /// Requests under way fail.
    func close() {
        if !isHandedOver.load(ordering: .acquiring) { channel.close(promise: nil) }
    }

    /// Has what comes from a connected socket go over the connection from here on, and what comes over it into the
    /// socket, which is taken. Nothing may be asked any more.
    func relay(_ socket: Int32) async throws {
        isHandedOver.store(true, ordering: .releasing)
        do {
            let local = try await Self.take(socket, on: channel.eventLoop)
            do {
                try await channel.eventLoop.submit { [channel, handler] in
                    // After its end a channel keeps its handlers for a moment, and tells a new one nothing.
                    guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
                    let (here, there) = RelayEnd.pair()
                    try channel.pipeline.syncOperations.addHandler(here)
                    try local.pipeline.syncOperations.addHandler(there)
                    handler.value.passesOn = true
                }.get()
                try await local.setOption(.autoRead, value: true).get()
            } catch {
                local.close(promise: nil)
                throw error
            }
        } catch {
            channel.close(promise: nil)
            throw error
        }
    }

    /// A channel that does not read yet. The socket is closed when there is none.
    private static func take(_ socket: Int32, on loop: any EventLoop) async throws -> any Channel {
        let isTaken = TakenMark()
        do {
            return try await ClientBootstrap(group: loop)
                .channelInitializer { channel in
                    isTaken.value.store(true, ordering: .releasing)
                    return channel.setOption(.autoRead, value: false)
                }
                .withConnectedSocket(socket).get()
        } catch {
            // A channel closes its socket; before it was made, the socket is still ours.
            if !isTaken.value.load(ordering: .acquiring) { _ = Glibc.close(socket) }
            throw error
        }
    }

    /// Tells the broker who comes.
    ///
    /// - Throws: `.saslAuthenticationFailed`, `.unsupportedSaslMechanism`, and what `exchange` throws.
    func authenticate(_ credentials: ConnectionSecurity.Credentials, timeout: Duration) async throws(ClusterError) {
        let attempt = "authenticate as \(credentials.words)"
        do throws(ClusterError) {
            let shake = try await exchange(
                SaslHandshakeRequest(mechanism: credentials.mechanism.rawValue),
                version: try version(of: .saslHandshake, 1...1), timeout: timeout)
            if ErrorCode(rawValue: shake.errorCode) == .unsupportedSaslMechanism {
                throw ClusterError(
                    .unsupportedSaslMechanism,
                    "the broker does not take \(credentials.mechanism.rawValue), but "
                        + (shake.mechanisms.isEmpty ? "nothing" : shake.mechanisms.joined(separator: ", ")),
                    hint: "set sasl.mechanism to what it takes")
            }
            try check(shake.errorCode, attempt)
            let user = credentials.user
            let password = credentials.password
            switch credentials.mechanism {
            case .plain: _ = try await token("\0\(user)\0\(password)", timeout)
            case .scramSHA256, .scramSHA512:
                var scram = ScramExchange(
                    credentials.mechanism == .scramSHA256 ? .sha256 : .sha512, user: user, password: password,
                    isByToken: credentials.isByToken, nonce: ScramExchange.nonce())
                let answer = try await token(scram.first, timeout)
                let proof = try scram.proof(for: answer)
                let last = try await token(proof, timeout)
                try scram.check(last)
            case .oauthBearer: try await authenticate(by: credentials.tokens, credentials.extensions, timeout)
            }
        } catch {
            close()
            throw error.during(attempt)
        }
    }

    /// RFC 7628: an empty answer lets the client in; another says why not, and wants a last word.
    private func authenticate(
        by tokens: TokenSource?, _ extensions: [String: String], _ timeout: Duration
    ) async throws(ClusterError) {
        guard let tokens else { throw ClusterError(.invalidConfig, "there is nowhere to get a token from") }
        let text: String
        do throws(OAuthFailure) { text = try await tokens.token() } catch {
            // Whoever comes later may get one.
            throw ClusterError(
                error.kind == .unreachable ? .networkException : .saslAuthenticationFailed, error.message)
        }
        let message = OAuthBearerMessage.bytes(token: text, extensions: extensions)
        let answer = try await token(String(decoding: message, as: UTF8.self), timeout)
        guard !answer.isEmpty else { return }
        _ = try await token("\u{1}", timeout)
        throw ClusterError(.saslAuthenticationFailed, "the broker does not take the token: \(answer.prefix(200))")
    }

    /// One step of the conversation.
    private func token(_ text: String, _ timeout: Duration) async throws(ClusterError) -> String {
        let answer = try await exchange(
            SaslAuthenticateRequest(authBytes: ByteBuffer(string: text)),
            version: try version(of: .saslAuthenticate, 0...2), timeout: timeout)
        if ErrorCode(rawValue: answer.errorCode) == .saslAuthenticationFailed {
            throw ClusterError(
                .saslAuthenticationFailed,
                answer.errorMessage ?? "the broker does not take user, password or token")
        }
        try check(answer.errorCode, "authenticate", detail: answer.errorMessage)
        if answer.sessionLifetimeMs > 0 {
            // A little early, as Java's clients do.
            let end = ContinuousClock.now + .milliseconds(answer.sessionLifetimeMs) * 85 / 100
            expiry.withLock { $0 = end }
        }
        return String(buffer: answer.authBytes)
    }

    /// The newest version of a request that the broker offers and `versions` has.
    func version(of api: ApiKey, _ versions: ClosedRange<Int16>) throws(ClusterError) -> Int16 {
        guard let offered = offered.withLock({ $0[api.rawValue] }) else {
            throw ClusterError(.unsupportedVersion, "the cluster does not offer \(api.name)")
        }
        let version = min(versions.upperBound, offered.upperBound)
        guard version >= versions.lowerBound, version >= offered.lowerBound else {
            throw ClusterError(
                .unsupportedVersion,
                "the cluster offers \(api.name) in versions \(offered.lowerBound) to \(offered.upperBound) only")
        }
        return version
    }

    /// Sends a request and waits for its answer.
    ///
    /// - Throws: `.requestTimedOut` (also on cancellation), `.networkException`, `.corruptMessage`.
    func exchange<Request: KafkaRequest>(
        _ request: Request, version: Int16, timeout: Duration
    ) async throws(ClusterError) -> Request.Response {
        let id = nextCorrelationId.wrappingAdd(1, ordering: .relaxed).newValue
        var header = RequestHeader()
        header.requestApiKey = Request.apiKey.rawValue
        header.requestApiVersion = version
        header.correlationId = id
        header.clientId = clientId
        var writer = WireWriter(ByteBuffer(integer: 0 as Int32))
        do throws(WireError) {
            try header.encode(to: &writer, version: Request.apiKey.requestHeaderVersion(version))
            try request.encode(to: &writer, version: version)
        } catch {
            throw ClusterError(.invalidRequest, "\(Request.apiKey.name) version \(version): \(error)")
        }
        var frame = writer.buffer
        frame.setInteger(Int32(clamping: frame.readableBytes - 4), at: frame.readerIndex)
        let body = try await send(frame, id, Request.apiKey, timeout)
        do throws(WireError) {
            var reader = WireReader(body)
            _ = try ResponseHeader(from: &reader, version: Request.apiKey.responseHeaderVersion(version))
            return try Request.Response(from: &reader, version: version)
        } catch {
            close()
            throw ClusterError(.corruptMessage, "the answer to \(Request.apiKey.name) cannot be read: \(error)")
        }
    }

    private func send(
        _ frame: ByteBuffer, _ id: Int32, _ api: ApiKey, _ timeout: Duration
    ) async throws(ClusterError) -> ByteBuffer {
        let loop = channel.eventLoop
        let answer = loop.makePromise(of: ByteBuffer.self)
        let timer = loop.scheduleTask(in: TimeAmount(timeout)) { [channel, handler] in
            let error = ClusterError(.requestTimedOut, "no answer to \(api.name) within \(timeout)")
            // A broker that is silent once is left alone: the next request makes a new connection.
            if handler.value.fail(id, error) { channel.close(promise: nil) }
        }
        defer { timer.cancel() }
        do {
            return try await withTaskCancellationHandler {
                loop.execute { [channel, handler] in
                    if handler.value.expect(id, answer) { channel.writeAndFlush(frame, promise: nil) }
                }
                return try await answer.futureResult.get()
            } onCancel: {
                loop.execute { [handler] in
                    _ = handler.value.fail(id, ClusterError(.requestTimedOut, "the wait for \(api.name) was cancelled"))
                }
            }
        } catch let error as ClusterError {
            throw error
        } catch {
            throw ClusterError(.networkException, Self.reason(error))
        }
    }

    /// The system's own words, without the names of functions around them.
    private static func reason(_ error: any Error) -> String {
        if let error = error as? NIOConnectionError {
            if let first = error.connectionErrors.first { return reason(first.error) }
            return "host '\(error.host)' is unknown"
        }
        if let error = error as? IOError {
            var text = Substring(error.description)
            if let words = text.firstRange(of: ": ") { text = text[words.upperBound...] }
            if let number = text.firstRange(of: " (errno") { text = text[..<number.lowerBound] }
            return text.prefix(1).lowercased() + text.dropFirst()
        }
        if case .connectTimeout? = error as? ChannelError { return "no answer" }
        return "the connection was closed"
    }
}

/// Whether a channel has taken a socket.
private final class TakenMark: Sendable {
    let value = Atomic<Bool>(false)
}

/// Cuts the answers out of the stream and hands each to who waits for it. Lives on the connection's event loop.
private final class ResponseHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// No answer to a request of ours is near it; a longer one is a peer that is not Kafka.
    private static let byteCountMax: Int32 = 100 << 20

    private let address: BrokerAddress
    private var incoming = ByteBuffer()
    private var waiting: [Int32: EventLoopPromise<ByteBuffer>] = [:]
    private var failure: ClusterError?
    /// Somebody else reads the stream.
    var passesOn = false

    init(_ address: BrokerAddress) { self.address = address }

    /// - Returns: false when the connection is over and the promise was failed.
    func expect(_ id: Int32, _ answer: EventLoopPromise<ByteBuffer>) -> Bool {
        if let failure {
            answer.fail(failure)
            return false
        }
        waiting[id] = answer
        return true
    }

    /// - Returns: whether somebody still waited.
    func fail(_ id: Int32, _ error: ClusterError) -> Bool {
        guard let answer = waiting.removeValue(forKey: id) else { return false }
        answer.fail(error)
        return true
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if passesOn { return context.fireChannelRead(data) }
        var bytes = unwrapInboundIn(data)
        incoming.discardReadBytes()
        incoming.writeBuffer(&bytes)
        while let byteCount = incoming.getInteger(at: incoming.readerIndex, as: Int32.self) {
            guard 4...Self.byteCountMax ~= byteCount else {
                end(ClusterError(.corruptMessage, "an answer of \(byteCount) bytes: this is no Kafka broker"))
                context.close(promise: nil)
                return
            }
            guard incoming.readableBytes >= 4 + Int(byteCount) else { return }
            incoming.moveReaderIndex(forwardBy: 4)
            guard let frame = incoming.readSlice(length: Int(byteCount)),
                let id = frame.getInteger(at: frame.readerIndex, as: Int32.self)
            else { return }
            // Nobody waits for the answer to a request that was given up.
            waiting.removeValue(forKey: id)?.succeed(frame)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let failure = ClusterError(tls: error, address) { end(failure) }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(ClusterError(.networkException, "the broker closed the connection"))
        context.fireChannelInactive()
    }

    private func end(_ error: ClusterError) {
        failure = failure ?? error
        let all = waiting.values
        waiting = [:]
        for answer in all { answer.fail(error) }
    }
}
