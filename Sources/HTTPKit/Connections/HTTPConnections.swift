import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import NIOWebSocket

/// Sets up and serves the connections of a server, whatever of HTTP/1.1, HTTP/2 and WebSocket each of them speaks.
struct HTTPConnections: ServerChildChannel {
    typealias Exchange = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    struct Value: ServerChildChannelValue {
        let channel: any Channel
        let negotiated: EventLoopFuture<Negotiated>
    }

    enum Negotiated: Sendable {
        case http1(Exchange)
        case http2(NIOHTTP2Handler.AsyncStreamMultiplexer<Exchange>)
        case webSocket(WebSocketConnection, HTTPResponder.WebSocketCall)
        /// The client was gone before it said anything.
        case none
    }

    let responder: HTTPResponder
    let configuration: HTTPServerConfiguration
    let connections: OpenConnections
    /// Both answer by the same responder; they differ in what they tell it.
    private let http1: HTTP1Channel
    private let http2Streams: HTTP1Channel

    init(responder: HTTPResponder, configuration: HTTPServerConfiguration, connections: OpenConnections) {
        self.responder = responder
        self.configuration = configuration
        self.connections = connections
        let requestTimeout = configuration.requestTimeout
        let stallTimeout = configuration.stallTimeout
        http1 = HTTP1Channel(
            responder: { try await responder.respond(to: $0, with: $1, on: $2, isHTTP2: false) },
            configuration: .init(
                additionalChannelHandlers: [
                    ConnectionGuard(requestTimeout: requestTimeout, stallTimeout: stallTimeout, isStream: false)
                ],
                idleTimeout: configuration.idleTimeout,
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: configuration.headerByteCountMax,
                    maxHeaderListSize: configuration.headerByteCountMax,
                    maxHeaderFieldCount: configuration.headerCountMax)))
        http2Streams = HTTP1Channel(
            responder: { try await responder.respond(to: $0, with: $1, on: $2, isHTTP2: true) })
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        connections.add(channel)
        let negotiated = channel.eventLoop.makePromise(of: Negotiated.self)
        return channel.eventLoop.makeCompletedFuture {
            let opening = ConnectionOpening(
                headByteCountMax: configuration.headerByteCountMax, idleTimeout: configuration.idleTimeout,
                decided: { decision, bytes, context in
                    self.open(decision, bytes, context, logger, negotiated)
                }, gone: { negotiated.succeed(.none) })
            try channel.pipeline.syncOperations.addHandler(opening)
            return Value(channel: channel, negotiated: negotiated.futureResult)
        }
    }

    /// Runs on the connection's event loop, within the opening handler.
    private func open(
        _ decision: ConnectionOpening.Decision, _ bytes: ByteBuffer, _ context: ChannelHandlerContext, _ logger: Logger,
        _ negotiated: EventLoopPromise<Negotiated>
    ) {
        let channel = context.channel
        func openHTTP1(_ bytes: ByteBuffer) {
            let exchange = http1.setup(channel: channel, logger: logger)
            exchange.map { Negotiated.http1($0) }.cascade(to: negotiated)
            hand(bytes, to: context)
        }
        do {
            switch decision {
            case .http1: openHTTP1(bytes)
            case .http2:
                negotiated.succeed(.http2(try http2Pipeline(channel, logger)))
                hand(bytes, to: context)
            case .upgradeToHTTP2(let request):
                context.writeAndFlush(
                    NIOAny(
                        ByteBuffer(
                            string: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")),
                    promise: nil)
                try channel.pipeline.syncOperations.addHandler(FirstStream(headerBlock: request.headerBlock))
                negotiated.succeed(.http2(try http2Pipeline(channel, logger)))
                hand(bytes, to: context)
            case .webSocket(let request):
                guard let accept = WebSocketConnection.acceptance(of: request),
                    let call = responder.webSocket(request, remoteAddress: channel.remoteAddress?.ipAddress)
                else {
                    var whole = request.bytes
                    whole.writeImmutableBuffer(bytes)
                    return openHTTP1(whole)
                }
                context.writeAndFlush(NIOAny(accept), promise: nil)
                let connection = try WebSocketConnection.open(channel, configuration)
                negotiated.succeed(.webSocket(connection, call))
                hand(bytes, to: context)
            }
        } catch {
            negotiated.fail(error)
            context.close(promise: nil)
        }
    }

    private func hand(_ bytes: ByteBuffer, to context: ChannelHandlerContext) {
        if bytes.readableBytes > 0 { context.fireChannelRead(NIOAny(bytes)) }
        context.fireChannelReadComplete()
    }

    private func http2Pipeline(
        _ channel: any Channel, _ logger: Logger
    ) throws -> NIOHTTP2Handler.AsyncStreamMultiplexer<Exchange> {
        var settings = NIOHTTP2Handler.Configuration()
        settings.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: configuration.streamCountMax),
            HTTP2Setting(parameter: .maxHeaderListSize, value: configuration.headerByteCountMax),
            HTTP2Setting(parameter: .initialWindowSize, value: configuration.streamWindowByteCount),
        ]
        settings.stream.targetWindowSize = configuration.streamWindowByteCount
        let requestTimeout = configuration.requestTimeout
        let stallTimeout = configuration.stallTimeout
        return try channel.pipeline.syncOperations.configureAsyncHTTP2Pipeline(
            mode: .server,
            connectionManagerConfiguration: .init(
                maxIdleTime: configuration.idleTimeout, maxAge: nil, maxGraceTime: nil,
                keepalive: .init(pingInterval: .seconds(60), ackTimeout: .seconds(20))),
            http2HandlerConfiguration: settings
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandlers([
                    HTTP2FramePayloadToHTTPServerCodec(),
                    ConnectionGuard(requestTimeout: requestTimeout, stallTimeout: stallTimeout, isStream: true),
                ])
                return try Exchange(
                    wrappingChannelSynchronously: stream, configuration: .init(isOutboundHalfClosureEnabled: false))
            }
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.negotiated.get() {
            case .none: break
            case .http1(let exchange): await serve(exchange, http1, logger)
            case .http2(let multiplexer):
                try await withThrowingDiscardingTaskGroup { group in
                    for try await stream in multiplexer.inbound {
                        group.addTask { await serve(stream, http2Streams, logger) }
                    }
                }
            case .webSocket(let connection, let call): await connection.serve(call)
            }
        } catch {
            logger.trace("connection ended", metadata: ["error": "\(error)"])
        }
        value.channel.close(promise: nil)
    }

    /// The tasks of a connection run on its event loop: a short request is answered without a change of threads. Handlers
    /// that may take long leave it, see `HTTPRouter`.
    private func serve(_ exchange: Exchange, _ channel: HTTP1Channel, _ logger: Logger) async {
        await withTaskExecutorPreference(LoopExecutor.of(exchange.channel.eventLoop)) {
            await channel.handleHTTP(asyncChannel: exchange, logger: logger)
        }
    }
}

/// Runs tasks on an event loop.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    private init(_ loop: any EventLoop) { self.loop = loop }

    /// Executors are cheap, and tasks that run on different executors of one loop still run on its thread.
    static func of(_ loop: any EventLoop) -> LoopExecutor { LoopExecutor(loop) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
