import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOHTTPTypesHTTP2
import NIOSSL
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
        /// The streams that tasks are to serve, as they come.
        case http2(AsyncStream<Exchange>)
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
        http1 = HTTP1Channel(responder: { try await responder.respond(to: $0, with: $1, on: $2, isHTTP2: false) })
        http2Streams = HTTP1Channel(
            responder: { try await responder.respond(to: $0, with: $1, on: $2, isHTTP2: true) })
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        connections.add(channel)
        guard let tls = configuration.security.tls else {
            return channel.eventLoop.makeCompletedFuture { try setUp(channel, logger) }
        }
        return tls.context(on: channel.eventLoop).flatMapThrowing { context in
            try channel.pipeline.syncOperations.addHandlers([NIOSSLServerHandler(context: context), TLSWatch(tls)])
            return try setUp(channel, logger)
        }
    }

    /// Runs on the connection's event loop. What the client speaks, its first bytes tell with TLS as well.
    private func setUp(_ channel: any Channel, _ logger: Logger) throws -> Value {
        let negotiated = channel.eventLoop.makePromise(of: Negotiated.self)
        let opening = ConnectionOpening(
            headByteCountMax: configuration.headerByteCountMax, idleTimeout: configuration.idleTimeout,
            isEncrypted: configuration.security.tls != nil,
            prepare: { request, channel in responder.prepareSocket(request, on: channel) },
            decided: { decision, bytes, context in
                self.open(decision, bytes, context, logger, negotiated)
            }, gone: { negotiated.succeed(.none) })
        try channel.pipeline.syncOperations.addHandler(opening)
        return Value(channel: channel, negotiated: negotiated.futureResult)
    }

    /// Runs on the connection's event loop, within the opening handler.
    private func open(
        _ decision: ConnectionOpening.Decision, _ bytes: ByteBuffer, _ context: ChannelHandlerContext, _ logger: Logger,
        _ negotiated: EventLoopPromise<Negotiated>
    ) {
        let channel = context.channel
        func openHTTP1(_ bytes: ByteBuffer) throws {
            negotiated.succeed(.http1(try http1Pipeline(channel)))
            hand(bytes, to: context)
        }
        do {
            switch decision {
            case .http1: try openHTTP1(bytes)
            case .http2:
                negotiated.succeed(.http2(try http2Pipeline(channel)))
                hand(bytes, to: context)
            case .upgradeToHTTP2(let request, let body):
                // In small letters, as Vert.x has it: the Python client `ksql` compares the bytes.
                context.writeAndFlush(
                    NIOAny(
                        ByteBuffer(
                            string: "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")),
                    promise: nil)
                try channel.pipeline.syncOperations.addHandler(FirstStream(headerBlock: request.headerBlock))
                negotiated.succeed(.http2(try http2Pipeline(channel, firstBody: body)))
                hand(bytes, to: context)
            case .webSocket(let request):
                guard let accept = WebSocketConnection.acceptance(of: request),
                    let call = responder.webSocket(request, on: channel)
                else {
                    var whole = request.bytes
                    whole.writeImmutableBuffer(bytes)
                    return try openHTTP1(whole)
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

    private func http1Pipeline(_ channel: any Channel) throws -> Exchange {
        let pipeline = channel.pipeline.syncOperations
        let activity = ConnectionActivity(idleTimeout: configuration.idleTimeout)
        if let routes = responder.quickRoutes {
            let holdTime = min(.seconds(1), configuration.idleTimeout)
            try pipeline.addHandler(QuickRequests(routes, activity, holdTime: holdTime))
        }
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = configuration.headerByteCountMax
        limits.maxHeaderListSize = configuration.headerByteCountMax
        limits.maxHeaderFieldCount = configuration.headerCountMax
        // Answers are in order, as a connection's task deals with one request after another; names and values of headers are
        // checked where they are made; errors are answered by the task.
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false,
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
        try pipeline.addHandlers([
            HTTP1Manners(limits: limits, errors: responder.errors),
            HTTP1ToHTTPServerCodec(secure: configuration.security.tls != nil),
            ConnectionGuard(
                requestTimeout: configuration.requestTimeout, stallTimeout: configuration.stallTimeout, isStream: false),
            activity,
        ])
        return try Exchange(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }

    /// - Parameter firstBody: of the request that the first stream begins with, if it came otherwise than in frames.
    private func http2Pipeline(
        _ channel: any Channel, firstBody: ByteBuffer = ByteBuffer()
    ) throws -> AsyncStream<Exchange> {
        var settings = NIOHTTP2Handler.Configuration()
        settings.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: configuration.streamCountMax),
            HTTP2Setting(parameter: .maxHeaderListSize, value: configuration.headerByteCountMax),
            HTTP2Setting(parameter: .initialWindowSize, value: configuration.streamWindowByteCount),
        ]
        settings.stream.targetWindowSize = configuration.streamWindowByteCount
        let (streams, continuation) = AsyncStream.makeStream(of: Exchange.self)
        let manager = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: channel.eventLoop,
            configuration: .init(
                maxIdleTime: configuration.idleTimeout, maxAge: nil, maxGraceTime: nil,
                keepalive: .init(pingInterval: .seconds(60), ackTimeout: .seconds(20))))
        let routes = responder.quickRoutes
        let streamEnds = StreamEnds()
        let first = NIOLoopBoundBox(firstBody.readableBytes > 0 ? firstBody : nil, eventLoop: channel.eventLoop)
        let bound = NIOLoopBound(streamEnds, eventLoop: channel.eventLoop)
        let handler = NIOHTTP2Handler(
            mode: .server, eventLoop: channel.eventLoop, connectionConfiguration: settings.connection,
            streamConfiguration: settings.stream, streamDelegate: manager.http2StreamDelegate
        ) { [configuration] stream in
            stream.eventLoop.makeCompletedFuture {
                bound.value.add(stream)
                try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPServerCodec())
                if let body = first.value {
                    first.value = nil
                    try stream.pipeline.syncOperations.addHandler(FirstBody(body))
                }
                try stream.pipeline.syncOperations.addHandlers([
                    ConnectionGuard(
                        requestTimeout: configuration.requestTimeout, stallTimeout: configuration.stallTimeout,
                        isStream: true)
                ])
                func open(_ stream: any Channel) throws {
                    continuation.yield(
                        try Exchange(
                            wrappingChannelSynchronously: stream,
                            configuration: .init(isOutboundHalfClosureEnabled: false)))
                }
                guard let routes else { return try open(stream) }
                try stream.pipeline.syncOperations.addHandler(QuickStream(routes, open: open))
            }
        }
        try channel.pipeline.syncOperations.addHandlers([streamEnds, handler, manager])
        channel.closeFuture.whenComplete { _ in continuation.finish() }
        return streams
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.negotiated.get() {
            case .none: break
            case .http1(let exchange): await serve(exchange, http1, logger)
            case .http2(let streams):
                await withDiscardingTaskGroup { group in
                    for await stream in streams {
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
