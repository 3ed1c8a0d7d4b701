import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers a request for a quick route on its HTTP/2 stream, without a task for the stream. All others, and those whose answer
/// is not at hand, it gives to whoever serves streams, with all that it has read of them.
final class QuickStream: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private let routes: QuickRoutes
    private let open: (any Channel) throws -> Void
    private var head: HTTPRequest?
    private var route: QuickRoutes.Route?
    private var body: ByteBuffer?
    private var isOver = false

    /// - Parameter open: serves the stream from now on, by handlers that it adds behind this one.
    init(_ routes: QuickRoutes, open: @escaping (any Channel) throws -> Void) {
        self.routes = routes
        self.open = open
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isOver { return context.fireChannelRead(data) }
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            route = route(of: head)
            if route == nil { handOn(context) }
        case .body(let part):
            if body == nil { body = part } else { body?.writeImmutableBuffer(part) }
            if body?.readableBytes ?? 0 > route?.bodyByteCountMax ?? 0 { handOn(context) }
        case .end(let trailers):
            if trailers != nil || !answer(context) {
                handOn(context)
                context.fireChannelRead(data)
            }
        }
    }

    private func route(of head: HTTPRequest) -> QuickRoutes.Route? {
        guard head.method == .post, let path = head.path, let route = routes.routes.first(where: { $0.path == path }),
            head.headerFields[.origin] == nil, PageGuard.site(head) == nil, head.headerFields[.expect] == nil,
            head.headerFields[.contentLength].flatMap(Int.init) ?? 0 <= route.bodyByteCountMax
        else { return nil }
        return route
    }

    /// - Returns: false when the answer is not at hand.
    private func answer(_ context: ChannelHandlerContext) -> Bool {
        let began = NIODeadline.now()
        var answer: [UInt8] = []
        guard let route, let head, routes.allows(head.headerFields[.authorization], on: context.channel),
            let contentType = route.handler(
                QuickRequest(accept: head.headerFields[.accept], body: body ?? ByteBuffer()), &answer)
        else { return false }
        isOver = true
        context.write(wrapOutboundOut(.head(routes.head(bodyByteCount: answer.count, contentType))), promise: nil)
        if !answer.isEmpty {
            context.write(wrapOutboundOut(.body(context.channel.allocator.buffer(bytes: answer))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        routes.note(route, began: began, on: context.channel)
        return true
    }

    private func handOn(_ context: ChannelHandlerContext) {
        isOver = true
        do { try open(context.channel) } catch {
            context.fireErrorCaught(error)
            return context.close(promise: nil)
        }
        if let head { context.fireChannelRead(wrapInboundOut(.head(head))) }
        if let body { context.fireChannelRead(wrapInboundOut(.body(body))) }
        head = nil
        body = nil
    }
}
