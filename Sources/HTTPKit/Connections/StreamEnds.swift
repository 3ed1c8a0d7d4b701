import NIOCore

/// Ends an HTTP/2 connection whose client sends nothing more: at once when nothing is left to answer, else behind the answers to
/// the requests that are whole. Nobody behind hears of it otherwise.
final class StreamEnds: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var streams: [ObjectIdentifier: any Channel] = [:]
    private var ending: (any Channel)?

    /// On the event loop of the connection, which is that of its streams.
    func add(_ stream: any Channel) {
        let id = ObjectIdentifier(stream)
        streams[id] = stream
        let bound = NIOLoopBound(self, eventLoop: stream.eventLoop)
        stream.closeFuture.whenComplete { _ in
            bound.value.streams[id] = nil
            bound.value.endIfDone()
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event {
            let bound = NIOLoopBound((self, context.channel), eventLoop: context.eventLoop)
            // What came before has to be with its streams first.
            context.eventLoop.execute {
                let (ends, channel) = bound.value
                ends.end(channel)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func end(_ channel: any Channel) {
        ending = channel
        // Requests that are not whole end by it, see `ConnectionGuard`.
        for stream in streams.values { stream.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        endIfDone()
    }

    private func endIfDone() {
        guard streams.isEmpty, let channel = ending else { return }
        ending = nil
        channel.close(promise: nil)
    }
}
