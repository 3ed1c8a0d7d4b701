import NIOCore

/// One of two channels of one event loop: what comes here goes out at the other end, no faster than that takes it. When one
/// ends, so does the other.
final class RelayEnd: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var other: RelayEnd?
    private var context: ChannelHandlerContext?
    private var waitsToRead = false

    static func pair() -> (RelayEnd, RelayEnd) {
        let (one, two) = (RelayEnd(), RelayEnd())
        (one.other, two.other) = (two, one)
        return (one, two)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        // It has ended already, unless this one was added too late to be told of its channel's end.
        other?.context?.close(promise: nil)
        other = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { other?.write(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { other?.context?.flush() }

    func channelInactive(context: ChannelHandlerContext) {
        other?.context?.close(promise: nil)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func read(context: ChannelHandlerContext) {
        if other?.context?.channel.isWritable ?? true { context.read() } else { waitsToRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { other?.readOn() }
        context.fireChannelWritabilityChanged()
    }

    private func write(_ bytes: ByteBuffer) { context?.write(wrapOutboundOut(bytes), promise: nil) }

    private func readOn() {
        guard waitsToRead else { return }
        waitsToRead = false
        context?.read()
    }
}
