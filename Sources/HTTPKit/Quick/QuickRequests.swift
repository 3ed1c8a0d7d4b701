import NIOCore

/// Answers requests for quick routes before anything of HTTP is taken apart: a look at the bytes, the handler, one write.
///
/// Everything else it hands on as it came. Whether it may look at the next bytes is a matter of certainty:
///
/// | so far | the next bytes |
/// |---|---|
/// | all requests answered, here or behind | begin a request: looked at |
/// | one that was handed on is being read or answered | are handed on |
/// | one was handed on whose end this handler cannot tell (chunks, several at once) | are handed on, for good |
///
/// A request that is plain but not whole yet is held for a moment, as many clients send head and body apart; then it is
/// handed on, so that the limits for slow clients are in one place. Clients that do not take their answers are none
/// of its business either: it leaves them to those who wait.
final class QuickRequests: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let routes: QuickRoutes
    private let activity: ConnectionActivity
    private let holdTime: TimeAmount
    /// The beginning of a request.
    private var held: ByteBuffer?
    private var release: Scheduled<Void>?
    /// Bytes of the body of a request that was handed on, which are still to come.
    private var bodyByteCount = 0
    /// Where the requests that were handed on end is not known.
    private var isOff = false

    /// - Parameters:
    ///   - activity: of the same connection, further in.
    ///   - holdTime: how long the rest of a request is waited for.
    init(_ routes: QuickRoutes, _ activity: ConnectionActivity, holdTime: TimeAmount) {
        self.routes = routes
        self.activity = activity
        self.holdTime = holdTime
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isOff { return context.fireChannelRead(data) }
        var bytes = unwrapInboundIn(data)
        if bodyByteCount > 0 {
            bodyByteCount -= bytes.readableBytes
            if bodyByteCount < 0 { isOff = true }
            return context.fireChannelRead(data)
        }
        if var whole = held {
            held = nil
            whole.writeImmutableBuffer(bytes)
            bytes = whole
        }
        guard activity.isAtRest else { return handOn(bytes, context) }
        serve(bytes, context)
    }

    private func serve(_ all: ByteBuffer, _ context: ChannelHandlerContext) {
        var bytes = all
        var hasAnswered = false
        defer { if hasAnswered { context.flush() } }
        while bytes.readableBytes > 0 {
            switch bytes.withUnsafeReadableBytes(PlainHead.look) {
            case .incomplete:
                guard bytes.withUnsafeReadableBytes(routes.mayBegin) else { return handOn(bytes, context) }
                return hold(bytes, context)
            case .other: return handOn(bytes, context)
            case .head(let head):
                // A client that takes nothing is waited for further in.
                guard head.isPlain, context.channel.isWritable,
                    let route = bytes.withUnsafeReadableBytes({
                        routes.route(of: UnsafeRawBufferPointer(rebasing: $0[head.target]))
                    }), head.bodyByteCount <= route.bodyByteCountMax
                else { return handOn(bytes, context) }
                let byteCount = head.byteCount + head.bodyByteCount
                guard bytes.readableBytes >= byteCount else { return hold(bytes, context) }
                guard answer(bytes, head, route, context) else { return handOn(bytes, context) }
                hasAnswered = true
                bytes.moveReaderIndex(forwardBy: byteCount)
            }
        }
        release?.cancel()
        release = nil
    }

    /// - Returns: false when the answer is not at hand.
    private func answer(
        _ bytes: ByteBuffer, _ head: PlainHead, _ route: QuickRoutes.Route, _ context: ChannelHandlerContext
    ) -> Bool {
        let began = NIODeadline.now()
        let start = bytes.readerIndex
        let accept = head.accept.flatMap { bytes.getString(at: start + $0.lowerBound, length: $0.count) }
        guard let body = bytes.getSlice(at: start + head.byteCount, length: head.bodyByteCount),
            let answer = route.handler(QuickRequest(accept: accept, body: body))
        else { return false }
        activity.touch(at: began)
        context.write(wrapOutboundOut(routes.bytes(of: answer, context.channel.allocator)), promise: nil)
        routes.note(route, began: began, on: context.channel)
        return true
    }

    private func hold(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        held = bytes
        guard release == nil else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        release = context.eventLoop.scheduleTask(in: holdTime) {
            let (handler, context) = bound.value
            handler.handOnHeld(context)
        }
    }

    private func handOnHeld(_ context: ChannelHandlerContext) {
        release?.cancel()
        release = nil
        guard let bytes = held else { return }
        held = nil
        handOn(bytes, context)
        context.fireChannelReadComplete()
    }

    private func handOn(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        release?.cancel()
        release = nil
        if case .head(let head) = bytes.withUnsafeReadableBytes(PlainHead.look) {
            bodyByteCount = head.byteCount + head.bodyByteCount - bytes.readableBytes
            if bodyByteCount < 0 || head.isLast { isOff = true }
        } else {
            isOff = true
        }
        context.fireChannelRead(wrapInboundOut(bytes))
    }

    // MARK: The end

    func channelInactive(context: ChannelHandlerContext) {
        handOnHeld(context)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // What the event means for a request that has begun, others know.
        switch event {
        case is ChannelShouldQuiesceEvent, ChannelEvent.inputClosed: handOnHeld(context)
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        release?.cancel()
        release = nil
    }
}
