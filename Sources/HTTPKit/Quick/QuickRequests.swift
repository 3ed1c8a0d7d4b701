import Glibc
import NIOCore

/// Answers requests for quick routes before anything of HTTP is taken apart: a look at the bytes, the handler, one write for
/// all that came at once.
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
    /// Those further in have been given something since the last complete read.
    private var mustTellComplete = false
    /// Of the last request that was answered here: most clients send the same head again and again.
    private var known: KnownHead?
    /// The body of an answer, and answers as they are sent: memory that is used again.
    private var body: [UInt8] = []
    private var answers = ByteBuffer()

    /// So much of that memory stays between requests.
    private static let keptByteCountMax = 4096
    /// Answers to requests that came together are sent together, up to about so many bytes.
    private static let pieceByteCount = 64 << 10

    /// A head that was looked at, byte for byte, and what it asks for.
    private struct KnownHead {
        static let byteCountMax = 1024

        let bytes: [UInt8]
        let head: PlainHead
        let route: QuickRoutes.Route
        let accept: String?
        let authorization: String?

        func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
            guard bytes.count >= self.bytes.count, let other = bytes.baseAddress else { return false }
            return self.bytes.withUnsafeBytes { own in
                own.baseAddress.map { memcmp($0, other, own.count) == 0 } ?? false
            }
        }
    }

    /// - Parameters:
    ///   - activity: of the same connection, further in.
    ///   - holdTime: how long the rest of a request is waited for.
    init(_ routes: QuickRoutes, _ activity: ConnectionActivity, holdTime: TimeAmount) {
        self.routes = routes
        self.activity = activity
        self.holdTime = holdTime
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isOff { return passOn(data, context) }
        var bytes = unwrapInboundIn(data)
        if bodyByteCount > 0 {
            bodyByteCount -= bytes.readableBytes
            if bodyByteCount < 0 { isOff = true }
            return passOn(data, context)
        }
        if var whole = held {
            held = nil
            whole.writeImmutableBuffer(bytes)
            bytes = whole
        }
        guard activity.isAtRest else { return handOn(bytes, context) }
        serve(bytes, context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // It is a long way through all the others, for nothing where none of them got anything.
        guard mustTellComplete else { return }
        mustTellComplete = false
        context.fireChannelReadComplete()
    }

    private func passOn(_ data: NIOAny, _ context: ChannelHandlerContext) {
        mustTellComplete = true
        context.fireChannelRead(data)
    }

    private func serve(_ all: ByteBuffer, _ context: ChannelHandlerContext) {
        var bytes = all
        // What is handed on is answered after what was answered here.
        func handOnRest() {
            send(context)
            handOn(bytes, context)
        }
        while bytes.readableBytes > 0 {
            let request: KnownHead
            if let known, bytes.withUnsafeReadableBytes(known.begins) {
                request = known
            } else {
                switch bytes.withUnsafeReadableBytes(PlainHead.look) {
                case .incomplete:
                    guard bytes.withUnsafeReadableBytes(routes.mayBegin) else { return handOnRest() }
                    send(context)
                    return hold(bytes, context)
                case .other: return handOnRest()
                case .head(let head):
                    guard let found = find(head, bytes) else { return handOnRest() }
                    request = found
                }
            }
            let byteCount = request.head.byteCount + request.head.bodyByteCount
            guard bytes.readableBytes >= byteCount else {
                send(context)
                return hold(bytes, context)
            }
            // A client that takes nothing is waited for further in.
            guard context.channel.isWritable, answer(bytes, request, context) else { return handOnRest() }
            bytes.moveReaderIndex(forwardBy: byteCount)
            if answers.readableBytes >= Self.pieceByteCount { send(context) }
        }
        send(context)
        release?.cancel()
        release = nil
    }

    /// - Returns: nil for requests that are not for the short way.
    private func find(_ head: PlainHead, _ bytes: ByteBuffer) -> KnownHead? {
        bytes.withUnsafeReadableBytes { bytes -> KnownHead? in
            guard head.isPlain, let route = routes.route(of: UnsafeRawBufferPointer(rebasing: bytes[head.target])),
                head.bodyByteCount <= route.bodyByteCountMax
            else { return nil }
            let request = KnownHead(
                bytes: Array(bytes.prefix(head.byteCount)), head: head, route: route,
                accept: head.accept.map { String(decoding: bytes[$0], as: UTF8.self) },
                authorization: head.authorization.map { String(decoding: bytes[$0], as: UTF8.self) })
            if head.byteCount <= KnownHead.byteCountMax { known = request }
            return request
        }
    }

    /// - Returns: false when the answer is not at hand.
    private func answer(_ bytes: ByteBuffer, _ request: KnownHead, _ context: ChannelHandlerContext) -> Bool {
        let began = NIODeadline.now()
        body.removeAll(keepingCapacity: body.capacity <= Self.keptByteCountMax)
        guard routes.allows(request.authorization, on: context.channel),
            let asked = bytes.getSlice(
                at: bytes.readerIndex + request.head.byteCount, length: request.head.bodyByteCount),
            let contentType = request.route.handler(QuickRequest(accept: request.accept, body: asked), &body)
        else { return false }
        activity.touch(at: began)
        routes.write(body, contentType, to: &answers)
        routes.note(request.route, began: began, on: context.channel)
        return true
    }

    private func send(_ context: ChannelHandlerContext) {
        guard answers.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(answers), promise: nil)
        // The same memory, if the system has taken all of it by now.
        if answers.capacity <= Self.keptByteCountMax { answers.clear() } else { answers = ByteBuffer() }
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
        channelReadComplete(context: context)
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
        passOn(wrapInboundOut(bytes), context)
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
