import HTTPTypes
import NIOCore
import NIOHTTP1

/// What HTTP/1 asks of a server and the framework behind does not do.
///
/// - Clients of HTTP/1.0, which proxies and health checks are, cannot read chunks and wait for the end of the connection
///   (RFC 9112, 7.1 and 9.3).
/// - `close` is one option of several, in any case (RFC 9110, 7.6.1).
/// - A request that cannot be read is told why.
/// - Where a request ends is not for two to guess (RFC 9112, 3.2 and 6.3): a transfer coding other than `chunked` alone, and
///   more than one `Host`, are refused, and nothing behind them is read.
final class HTTP1Manners: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private struct Pending {
        var isOld: Bool
        var isLast: Bool
    }

    private let limits: NIOHTTPDecoderLimitConfiguration
    private let errors: ErrorBody
    /// Requests whose answer is not whole, in the order of the answers.
    private var pending = CircularBuffer<Pending>(initialCapacity: 4)
    /// Why nothing more is read.
    private var failure: HTTPParserError?
    /// Whether what still comes is passed over.
    private var isOver = false

    init(limits: NIOHTTPDecoderLimitConfiguration, errors: ErrorBody) {
        self.limits = limits
        self.errors = errors
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        if let problem = Self.problem(head.headers) {
            isOver = true
            return errorCaught(context: context, error: problem)
        }
        let isOld = (head.version.major, head.version.minor) < (1, 1)
        let isLast = isOld || Self.closes(head.headers)
        pending.append(Pending(isOld: isOld, isLast: isLast))
        guard isLast else { return context.fireChannelRead(data) }
        // The framework looks for just this.
        head.headers.replaceOrAdd(name: "Connection", value: "close")
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head) where head.status.code >= 200:
            if let request = pending.first {
                guard request.isLast else { break }
                if request.isOld { head.version = .http1_0 }
                head.headers.replaceOrAdd(name: "Connection", value: "close")
            } else if let failure {
                return answer(failure, context, promise)
            } else {
                break
            }
            return context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end: _ = pending.popFirst()
        case .head, .body: break
        }
        context.write(data, promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = failure ?? error as? HTTPParserError
        context.fireErrorCaught(error)
    }

    /// In place of the framework's empty answer, whose end follows.
    private func answer(
        _ failure: HTTPParserError, _ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?
    ) {
        let isTooLong = failure == .headerOverflow
        let answer = errors.write(
            isTooLong
                ? HTTPFailure(
                    .requestHeaderFieldsTooLarge,
                    "the headers of a request may have \(limits.maxHeaderListSize) bytes in "
                        + "\(limits.maxHeaderFieldCount) fields")
                : HTTPFailure(.badRequest, "this is no request of HTTP: \(failure)"))
        guard case .bytes(let body) = answer.body else { return context.close(promise: promise) }
        var head = HTTPResponseHead(
            version: .http1_1, status: isTooLong ? .requestHeaderFieldsTooLarge : .badRequest,
            headers: ["Connection": "close", "Content-Length": String(body.readableBytes)])
        if let type = answer.headers[.contentType] { head.headers.add(name: "Content-Type", value: type) }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: promise)
    }

    private static func problem(_ headers: HTTPHeaders) -> HTTPParserError? {
        if headers.contains(name: "Transfer-Encoding") {
            let codings = headers[canonicalForm: "Transfer-Encoding"]
            guard codings.count == 1, codings[0].lowercased() == "chunked" else { return .invalidHeaderToken }
        }
        return headers["Host"].count > 1 ? .invalidHost : nil
    }

    private static func closes(_ headers: HTTPHeaders) -> Bool {
        headers[canonicalForm: "Connection"].contains { $0.lowercased() == "close" }
    }
}
