import NIOCore

/// Finds out from the first bytes of a connection what it speaks, as all protocols share one port.
///
/// | first bytes | protocol |
/// |---|---|
/// | the preface `PRI * HTTP/2.0` ... | HTTP/2 by prior knowledge (RFC 9113, 3.3) |
/// | a request with `Upgrade: h2c`, whole | HTTP/2 by upgrade (RFC 7540, 3.2) |
/// | a GET with `Upgrade: websocket` | WebSocket (RFC 6455), if there is a route |
/// | anything else | HTTP/1.1 |
///
/// A request for an upgrade may have a body of known length, up to a limit: its client sends all of it before it speaks
/// HTTP/2. With a longer one, chunks, or a body that it asks about first, it is one of HTTP/1.1.
/// So is one with several `Host` or with a transfer coding, which HTTP/1.1 checks and may refuse.
///
/// The decision is made once; then the handler hands on what it kept and leaves.
final class ConnectionOpening: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Decision {
        case http1
        case http2
        /// The request that asked for it becomes the connection's first stream.
        case upgradeToHTTP2(UpgradeRequest, body: ByteBuffer)
        case webSocket(UpgradeRequest)
    }

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    private static let methods = ["GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "HEAD ", "OPTIONS "].map {
        Array($0.utf8)
    }
    private static let headEnd = Array("\r\n\r\n".utf8)
    /// What some write instead; HTTP/1.1 deals with it.
    private static let bareEnd = Array("\n\n".utf8)
    /// The longest body of a request that asks for HTTP/2.
    static let bodyByteCountMax = 1 << 20

    private let headByteCountMax: Int
    /// How long a client may say nothing at all, where others may rest for longer between their requests.
    private static let silenceMax = TimeAmount.seconds(60)
    private let idleTimeout: TimeAmount
    private let isEncrypted: Bool
    private let prepare: (UpgradeRequest, any Channel) -> EventLoopFuture<Void>?
    private let decided: (Decision, ByteBuffer, ChannelHandlerContext) -> Void
    private let gone: () -> Void
    private var pending = ByteBuffer()
    /// Bytes in which no head ended.
    private var searchedByteCount = 0
    /// A request for HTTP/2 whose body is still to come, taken from `pending`.
    private var incomplete: UpgradeRequest?
    private var isDecided = false
    /// A request for a WebSocket is being prepared for.
    private var isPreparing = false
    private var idle: Scheduled<Void>?

    /// - Parameters:
    ///   - headByteCountMax: a longer head is left to HTTP/1.1, which refuses it.
    ///   - isEncrypted: with TLS there is no upgrade to HTTP/2 (RFC 9113, 3.1).
    ///   - prepare: what has to be done, on other threads, before a request for a WebSocket is decided; nil for nothing.
    ///   - decided: sets up the pipeline behind this handler and passes the bytes on.
    ///   - gone: the connection ended before it said what it speaks.
    init(
        headByteCountMax: Int, idleTimeout: TimeAmount, isEncrypted: Bool = false,
        prepare: @escaping (UpgradeRequest, any Channel) -> EventLoopFuture<Void>? = { _, _ in nil },
        decided: @escaping (Decision, ByteBuffer, ChannelHandlerContext) -> Void, gone: @escaping () -> Void
    ) {
        self.headByteCountMax = headByteCountMax
        self.idleTimeout = idleTimeout
        self.isEncrypted = isEncrypted
        self.prepare = prepare
        self.decided = decided
        self.gone = gone
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        idle = context.eventLoop.scheduleTask(in: min(Self.silenceMax, idleTimeout)) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        idle?.cancel()
        leave()
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent where !isDecided: context.close(promise: nil)
        case ChannelEvent.inputClosed where isPreparing: context.close(promise: nil)
        case ChannelEvent.inputClosed where !isDecided:
            if let request = incomplete { putBack(request) }
            guard pending.readableBytes > 0 else { return context.close(promise: nil) }
            // Those behind must hear of the end, or they would wait for the rest of the request, and once this handler has
            // left, they cannot be told.
            decide(.http1, context, telling: event)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDecided else { return context.fireChannelRead(data) }
        pending.writeImmutableBuffer(unwrapInboundIn(data))
        guard !isPreparing else {
            // Nobody sends so much before the answer.
            if pending.readableBytes > headByteCountMax { context.close(promise: nil) }
            return
        }
        guard let decision = look() else { return }
        guard case .webSocket(let request) = decision, let prepared = prepare(request, context.channel) else {
            return decide(decision, context)
        }
        isPreparing = true
        let bound = NIOLoopBound((self, decision, context), eventLoop: context.eventLoop)
        prepared.whenComplete { _ in
            let (handler, decision, context) = bound.value
            handler.isPreparing = false
            guard !handler.isDecided, context.channel.isActive else { return }
            handler.decide(decision, context)
        }
    }

    /// nil when more bytes have to come.
    private func look() -> Decision? {
        if let request = incomplete { return upgrade(request) }
        let bytes = pending.readableBytesView
        if bytes.starts(with: Self.preface) { return .http2 }
        if Self.preface.starts(with: bytes) { return nil }
        guard Self.methods.contains(where: { bytes.starts(with: $0) }) else {
            return Self.methods.contains { $0.starts(with: bytes) } ? nil : .http1
        }
        let from = bytes.startIndex + max(0, searchedByteCount - Self.headEnd.count)
        let looked = bytes[from...].prefix(headByteCountMax)
        guard let end = looked.firstRange(of: Self.headEnd) else {
            guard bytes.count <= headByteCountMax, looked.firstRange(of: Self.bareEnd) == nil else { return .http1 }
            searchedByteCount = bytes.count
            return nil
        }
        guard let request = UpgradeRequest(head: bytes[..<end.lowerBound]) else { return .http1 }
        pending.moveReaderIndex(forwardBy: end.upperBound - bytes.startIndex)
        guard request.isOfOneEnd else {
            putBack(request)
            return .http1
        }
        switch request.protocolName {
        case "websocket" where request.method == "GET": return .webSocket(request)
        case "h2c" where request.canBeFirstStream && !isEncrypted:
            incomplete = request
            return upgrade(request)
        default:
            putBack(request)
            return .http1
        }
    }

    private func upgrade(_ request: UpgradeRequest) -> Decision? {
        guard let byteCount = request.bodyByteCount, let body = pending.readSlice(length: byteCount) else { return nil }
        return .upgradeToHTTP2(request, body: body)
    }

    private func putBack(_ request: UpgradeRequest) {
        incomplete = nil
        var whole = request.bytes
        whole.writeImmutableBuffer(pending)
        pending = whole
    }

    private func decide(_ decision: Decision, _ context: ChannelHandlerContext, telling event: Any? = nil) {
        isDecided = true
        idle?.cancel()
        let bytes = pending
        pending = ByteBuffer()
        decided(decision, bytes, context)
        if let event { context.fireUserInboundEventTriggered(event) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func leave() {
        guard !isDecided else { return }
        isDecided = true
        gone()
    }
}
