package import HTTPKit
package import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Sends a follower's writes to the leader. A connection for each: they are few, and the leader may be another node the
/// next time.
///
/// Written on NIO's own HTTP handlers, as one kind of request to one kind of server needs no client library.
package struct LeaderClient: Sendable {
    package struct Request: Sendable {
        var method: String
        /// Path and query, as they were sent.
        var target: String
        var headers: [(name: String, value: String)]
        var body: ByteBuffer
    }

    package struct Response: Sendable {
        var status: Int
        var contentType: String?
        var body: ByteBuffer
    }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private static let byteCountMax = 64 << 20
    private static let connectTimeout = TimeAmount.seconds(5)
    private static let answerTimeout = TimeAmount.seconds(60)

    private let group: any EventLoopGroup

    private let tls: PeerTLS?

    /// - Parameter tls: for leaders that speak it; nil trusts the system's authorities.
    package init(group: any EventLoopGroup, tls: PeerTLS? = nil) {
        self.group = group
        self.tls = tls
    }

    /// - Throws: when no whole answer came.
    func send(_ request: Request, to leader: NodeIdentity) async throws -> Response {
        guard ["http", "https"].contains(leader.scheme) else {
            throw Failure(description: "the leader speaks \(leader.scheme)")
        }
        let secure = leader.scheme == "https" ? try await (tls ?? PeerTLS(nil)).context() : nil
        let loop = group.next()
        let promise = loop.makePromise(of: Response.self)
        let connecting = ClientBootstrap(group: loop).connectTimeout(Self.connectTimeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let secure {
                        try channel.pipeline.syncOperations.addHandler(PeerTLS.handler(secure, host: leader.host))
                    }
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(
                        ExchangeHandler(promise, byteCountMax: Self.byteCountMax))
                }
            }
            .connect(host: leader.host, port: leader.port)
        connecting.whenFailure { promise.fail($0) }
        let timer = loop.scheduleTask(in: Self.answerTimeout) {
            promise.fail(Failure(description: "no answer within \(Self.answerTimeout.nanoseconds / 1_000_000_000) s"))
        }
        var head = HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: request.target)
        head.headers.add(name: "Host", value: "\(leader.host):\(leader.port)")
        head.headers.add(name: "Connection", value: "close")
        head.headers.add(name: "Content-Length", value: String(request.body.readableBytes))
        for header in request.headers { head.headers.add(name: header.name, value: header.value) }
        let toSend = head
        connecting.whenSuccess { channel in
            channel.write(HTTPClientRequestPart.head(toSend), promise: nil)
            channel.write(HTTPClientRequestPart.body(.byteBuffer(request.body)), promise: nil)
            channel.writeAndFlush(HTTPClientRequestPart.end(nil)).whenFailure { promise.fail($0) }
        }
        defer {
            timer.cancel()
            connecting.whenSuccess { $0.close(promise: nil) }
        }
        return try await promise.futureResult.get()
    }

    private final class ExchangeHandler: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart

        private let promise: EventLoopPromise<Response>
        private let byteCountMax: Int
        private var response: Response?

        init(_ promise: EventLoopPromise<Response>, byteCountMax: Int) {
            self.promise = promise
            self.byteCountMax = byteCountMax
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                response = Response(
                    status: Int(head.status.code), contentType: head.headers.first(name: "content-type"),
                    body: ByteBuffer())
            case .body(var part):
                response?.body.writeBuffer(&part)
                if (response?.body.readableBytes ?? 0) > byteCountMax {
                    promise.fail(Failure(description: "the leader's answer is too long"))
                    context.close(promise: nil)
                }
            case .end:
                if let response { promise.succeed(response) }
                context.close(promise: nil)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            promise.fail(Failure(description: "the leader closed the connection"))
        }
    }
}
