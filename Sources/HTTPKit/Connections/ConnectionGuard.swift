import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

/// The open connections of one server.
final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    var count: Int { channels.withLock { $0.count } }

    /// The connection is kept until it is closed.
    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in self.channels.withLock { $0[id] = nil } }
    }

    /// Ends all connections, whatever they are doing, and returns when none is left of them.
    func closeAll() async {
        let open = channels.withLock { Array($0.values) }
        for channel in open { channel.close(promise: nil) }
        for channel in open {
            try? await channel.closeFuture.get()  // how it ended does not matter
        }
    }
}

/// What the guard of a connection is told about the request that is being answered.
enum GuardEvent {
    /// The request's body has no end that could be waited for.
    case bodyHasNoEnd
    /// The answer goes on until its client is gone; then `gone` is called, on the event loop. A client that only ends its side
    /// is gone, too.
    case answerHasNoEnd(gone: @Sendable () -> Void)
}

/// Ends a connection, or a stream of an HTTP/2 connection, whose client sends a request or takes an answer too slowly, as an
/// idle timeout does not notice a byte now and then, and one whose answer said so. Headers have the idle timeout alone: it
/// runs until a request's headers are complete.
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
    private let isStream: Bool
    private var body: Scheduled<Void>?
    private var stall: Scheduled<Void>?
    private var linger: Scheduled<Void>?
    /// The answer that is being written is the last.
    private var isLastAnswer = false
    /// The last answer is written, and a further request came: it is not answered.
    private var isIgnoring = false
    private var mustClose = false
    private var isBodyComplete = false
    private var isInputClosed = false
    private var gone: (@Sendable () -> Void)?

    /// - Parameters:
    ///   - requestTimeout: from the end of a request's headers to the end of its body.
    ///   - stallTimeout: how long the client may take nothing of an answer.
    ///   - isStream: of HTTP/2, where the connection outlives the exchange.
    init(requestTimeout: TimeAmount?, stallTimeout: TimeAmount, isStream: Bool) {
        self.requestTimeout = requestTimeout
        self.stallTimeout = stallTimeout
        self.isStream = isStream
    }

    func handlerRemoved(context: ChannelHandlerContext) { cancelAll() }

    func channelInactive(context: ChannelHandlerContext) {
        cancelAll()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A stream that was reset stays open to its handler otherwise.
        if isStream { context.close(promise: nil) }
        context.fireErrorCaught(error)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event {
            isInputClosed = true
            // Of a connection of HTTP/1.1, the decoder tells that a request ended in its middle.
            if gone != nil || (isStream && !isBodyComplete) { return context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let event = event as? GuardEvent else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        switch event {
        case .bodyHasNoEnd:
            body?.cancel()
            body = nil
        case .answerHasNoEnd(let gone):
            self.gone = gone
            if isInputClosed { context.close(promise: nil) }
        }
        promise?.succeed()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            // The decoder reads nothing behind such a request.
            if !isStream, head.headerFields[.upgrade] != nil,
                head.headerFields[.connection]?.lowercased().contains("upgrade") == true
            {
                mustClose = true
            }
            if linger != nil { isIgnoring = true }
            isBodyComplete = false
            if let requestTimeout { body = closing(context.channel, in: requestTimeout) }
        case .body: break
        case .end:
            isBodyComplete = true
            body?.cancel()
            body = nil
        }
        if !isIgnoring { context.fireChannelRead(data) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head) where mustClose && head.status.kind != .informational:
            isLastAnswer = true
            head.headerFields[.connection] = "close"
            return context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .head(let head) where head.headerFields[.connection] == "close": isLastAnswer = true
        case .end where isLastAnswer:
            gone = nil
            let written = promise ?? context.eventLoop.makePromise()
            let channel = context.channel
            linger = closing(channel, in: Self.lingerTime)
            // Where nothing more comes, nothing is waited for.
            let mode = isInputClosed ? CloseMode.all : .output
            written.futureResult.whenSuccess { channel.close(mode: mode, promise: nil) }
            return context.write(data, promise: written)
        case .end:
            gone = nil
            // What the client still sends on an answered stream is read for a moment, then the stream is reset.
            if isStream, !isBodyComplete { linger = closing(context.channel, in: Self.lingerTime) }
            // Behind its answer a body that might have had no end has to come to one.
            if !isStream, !isBodyComplete, body == nil, let requestTimeout {
                body = closing(context.channel, in: requestTimeout)
            }
        case .head, .body: break
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
        gone?()
        gone = nil
    }
}
