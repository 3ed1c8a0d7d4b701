import Bytes
import Crypto
package import NIOCore
import NIOWebSocket

/// A WebSocket (RFC 6455) of one client.
package struct WebSocket: Sendable {
    /// Text messages of the client in their order, as bytes that should be UTF-8, for routes that take some. It ends when
    /// the client is gone.
    package let messages: AsyncStream<ByteBuffer>
    private let outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>

    fileprivate init(
        _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>, _ messages: AsyncStream<ByteBuffer>
    ) {
        self.outbound = outbound
        self.messages = messages
    }

    /// Sends a text message. Returns when the connection takes more.
    ///
    /// - Parameter text: UTF-8.
    /// - Throws: when the client is gone.
    package func send(_ text: ByteBuffer) async throws {
        try await write(WebSocketFrame(fin: true, opcode: .text, data: text))
    }

    package func send(_ text: String) async throws { try await send(ByteBuffer(string: text)) }

    /// Asks whether the client is still there, and keeps what lies between from closing an idle connection.
    package func ping() async throws { try await write(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer())) }

    fileprivate func pong(_ data: ByteBuffer) async throws {
        try await write(WebSocketFrame(fin: true, opcode: .pong, data: data))
    }

    fileprivate func close(_ closing: WebSocketClosing) async throws {
        var data = ByteBuffer()
        data.writeInteger(closing.code)
        // A control frame holds 125 bytes (RFC 6455, 5.5), and must hold whole characters.
        var reason = closing.reason[...]
        while reason.utf8.count > 123 { reason.removeLast() }
        data.writeString(String(reason))
        try await write(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))
    }

    private func write(_ frame: WebSocketFrame) async throws {
        do { try await outbound.write(frame) } catch { throw ConnectionFailure(cause: error) }
    }
}

/// How a handler ends a WebSocket.
package struct WebSocketClosing: Sendable {
    /// RFC 6455, 7.4.1: 1000 normal, 1001 going away, 1003 unsupported data, 1008 against the rules, 1011 internal error.
    package var code: UInt16
    /// Cut to 123 bytes.
    package var reason: String

    package init(_ code: UInt16, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}

/// The connection of one WebSocket.
struct WebSocketConnection: Sendable {
    /// What clients send are control frames and questions; a message of this size is none that any handler wants.
    private static let messageByteCountMax = 64 << 10

    private let channel: NIOAsyncChannel<WebSocketFrame, WebSocketFrame>

    /// The answer that accepts an upgrade; nil when the request is not one of version 13 with a key.
    static func acceptance(of request: UpgradeRequest) -> ByteBuffer? {
        guard request.value("sec-websocket-version") == "13", let key = request.value("sec-websocket-key"),
            key.utf8.count == 24
        else { return nil }
        // The text is the protocol's own (RFC 6455, 1.3).
        let digest = Insecure.SHA1.hash(data: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
        return ByteBuffer(
            string: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Accept: \(Base64.encode(Array(digest)))\r\n\r\n")
    }

    /// Runs on the channel's event loop.
    static func open(_ channel: any Channel, _ configuration: HTTPServerConfiguration) throws -> WebSocketConnection {
        try channel.pipeline.syncOperations.addHandlers([
            WebSocketFrameEncoder(),
            ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: messageByteCountMax)),
            WebSocketProtocolErrorHandler(isServer: true),
            NIOWebSocketFrameAggregator(
                minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 1024,
                maxAccumulatedFrameSize: messageByteCountMax),
            WebSocketGuard(stallTimeout: configuration.stallTimeout),
        ])
        return WebSocketConnection(channel: try NIOAsyncChannel(wrappingChannelSynchronously: channel))
    }

    /// Runs the handler until it ends or the client is gone.
    func serve(_ call: HTTPResponder.WebSocketCall) async {
        try? await channel.executeThenClose { inbound, outbound in  // it fails when the client is gone, as it may
            let (messages, source) = AsyncStream.makeStream(
                of: ByteBuffer.self, bufferingPolicy: .bufferingOldest(max(1, call.messageCountMax)))
            let socket = WebSocket(outbound, messages)
            let takesMessages = call.messageCountMax > 0
            try await withThrowingTaskGroup(of: End.self) { group in
                group.addTask { .handler(await call.run(socket)) }
                group.addTask {
                    defer { source.finish() }
                    for try await frame in inbound {
                        switch frame.opcode {
                        case .ping: try await socket.pong(frame.unmaskedData)
                        case .text where takesMessages:
                            if case .dropped = source.yield(frame.unmaskedData) { return .flood }
                        case .connectionClose: return .client(isClosing: true)
                        default: break
                        }
                    }
                    return .client(isClosing: false)
                }
                switch try await group.next() {
                case .handler(let closing):
                    try await socket.close(closing)
                    // The socket is closed over the client's own closing frame, else bytes that nobody read would reset it.
                    let channel = channel.channel
                    let linger = channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
                    _ = try await group.next()
                    linger.cancel()
                case .client(let isClosing):
                    group.cancelAll()
                    if isClosing { try await socket.close(WebSocketClosing(1000, "")) }
                case .flood:
                    group.cancelAll()
                    try await socket.close(WebSocketClosing(1008, "messages come faster than they can be taken"))
                case nil: break
                }
            }
        }
    }

    private enum End: Sendable {
        case handler(WebSocketClosing)
        case client(isClosing: Bool)
        /// More messages came than may wait.
        case flood
    }
}

/// Ends a WebSocket whose client takes nothing, and all of them when the server stops.
private final class WebSocketGuard: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = WebSocketFrame
    typealias OutboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let stallTimeout: TimeAmount
    private var stall: Scheduled<Void>?

    init(stallTimeout: TimeAmount) { self.stallTimeout = stallTimeout }

    func handlerRemoved(context: ChannelHandlerContext) { stall?.cancel() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stall?.cancel()
            stall = nil
        } else if stall == nil {
            let channel = context.channel
            stall = context.eventLoop.scheduleTask(in: stallTimeout) { channel.close(promise: nil) }
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            var data = ByteBuffer()
            data.writeInteger(UInt16(1001))
            data.writeString("the server stops")
            context.writeAndFlush(
                wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: data)), promise: nil)
            context.close(promise: nil)
        case ChannelEvent.inputClosed: context.close(promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }
}
