import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

/// The open connections of one server.
final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    var count: Int { channels.withLock { $0.count } }

    fileprivate func add(_ channel: any Channel) { channels.withLock { $0[ObjectIdentifier(channel)] = channel } }
    fileprivate func remove(_ channel: any Channel) { channels.withLock { $0[ObjectIdentifier(channel)] = nil } }

    /// Ends all connections, whatever they are doing.
    func closeAll() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) }
    }
}

/// Ends a connection whose client sends a request or takes an answer too slowly, as an idle timeout does not notice a
/// byte now and then, and one whose answer said so. Headers have the idle timeout alone: it runs until a request's headers are complete.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How long after the last answer the client's bytes are still read and thrown away: closing a socket over unread
    /// bytes would reset the connection, and the client might never see the answer.
    private static let lingerTime = TimeAmount.seconds(1)

    private let requestTimeout: TimeAmount?
    private let stallTimeout: TimeAmount
    private let connections: OpenConnections
    private var body: Scheduled<Void>?
    private var stall: Scheduled<Void>?
    private var linger: Scheduled<Void>?
    /// The answer that is being written is the last.
    private var isLastAnswer = false
    /// The last answer is written, and a further request came: it is not answered.
    private var isIgnoring = false

    /// - Parameters:
    ///   - requestTimeout: from the end of a request's headers to the end of its body.
    ///   - stallTimeout: how long the client may take nothing of an answer.
    init(requestTimeout: TimeAmount?, stallTimeout: TimeAmount, connections: OpenConnections) {
        self.requestTimeout = requestTimeout
        self.stallTimeout = stallTimeout
        self.connections = connections
    }

    func handlerAdded(context: ChannelHandlerContext) { connections.add(context.channel) }

    func handlerRemoved(context: ChannelHandlerContext) {
        connections.remove(context.channel)
        cancelAll()
    }

    func channelInactive(context: ChannelHandlerContext) {
        connections.remove(context.channel)
        cancelAll()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            if linger != nil { isIgnoring = true }
            if let requestTimeout { body = closing(context.channel, in: requestTimeout) }
        case .body: break
        case .end:
            body?.cancel()
            body = nil
        }
        if !isIgnoring { context.fireChannelRead(data) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.headerFields[.connection] == "close": isLastAnswer = true
        case .end where isLastAnswer:
            let written = promise ?? context.eventLoop.makePromise()
            let channel = context.channel
            linger = closing(channel, in: Self.lingerTime)
            written.futureResult.whenSuccess { channel.close(mode: .output, promise: nil) }
            return context.write(data, promise: written)
        case .head, .body, .end: break
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stall?.cancel()
            stall = nil
        } else if stall == nil {
            stall = closing(context.channel, in: stallTimeout)
        }
        context.fireChannelWritabilityChanged()
    }

    private func closing(_ channel: any Channel, in time: TimeAmount) -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }

    private func cancelAll() {
        body?.cancel()
        stall?.cancel()
        linger?.cancel()
        body = nil
        stall = nil
    }
}
