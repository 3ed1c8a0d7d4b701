import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// What is going on on a connection of HTTP/1.1: which requests are being read and answered, and since when nothing is.
///
/// Ends a connection that is idle for too long: one without a request, and one whose request does not go on, headers
/// included. When the server stops, ends it at once, or after the answers that are under way.
final class ConnectionActivity: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let idleTimeout: TimeAmount
    private var lastActive = NIODeadline.now()
    private var timer: Scheduled<Void>?
    /// Requests whose head was read, and whose answer is not whole.
    private var requestCount = 0
    private var isReading = false
    /// The connection ends with the answers that are under way.
    private var isEnding = false
    private var mustClose = false

    init(idleTimeout: TimeAmount) { self.idleTimeout = idleTimeout }

    /// Everything that was read is answered, and more may be asked.
    var isAtRest: Bool { requestCount == 0 && !isReading && !isEnding }

    /// A request was answered that did not come this far.
    func touch(at time: NIODeadline) { lastActive = time }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { schedule(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        schedule(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        isEnding = true
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastActive = .now()
        switch unwrapInboundIn(data) {
        case .head:
            isReading = true
            requestCount += 1
        case .body: break
        case .end: isReading = false
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.headerFields[.connection] == "close": isEnding = true
        case .head, .body: break
        case .end:
            requestCount -= 1
            guard requestCount == 0 else { break }
            if mustClose {
                context.writeAndFlush(data, promise: promise)
                return context.close(promise: nil)
            }
            lastActive = .now()
            schedule(context)
        }
        context.write(data, promise: promise)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ChannelShouldQuiesceEvent else { return context.fireUserInboundEventTriggered(event) }
        isEnding = true
        if requestCount > 0 { mustClose = true } else { context.close(promise: nil) }
    }

    private func schedule(_ context: ChannelHandlerContext) {
        guard timer == nil, context.channel.isActive else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: lastActive + idleTimeout) {
            let (activity, context) = bound.value
            activity.timer = nil
            activity.look(context)
        }
    }

    private func look(_ context: ChannelHandlerContext) {
        // An answer takes the time that it takes; its end looks again.
        if !isReading, requestCount > 0 { return }
        if NIODeadline.now() >= lastActive + idleTimeout { return context.close(promise: nil) }
        schedule(context)
    }
}
