import ConnectCore
import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// The socket that messages come to.
final class SyslogListener: Sendable {
    /// Of a message, in bytes; what is longer is cut.
    static let byteCountMax = 256 << 10
    /// Of connections at once.
    private static let connectionCountMax = 4096

    private let channel: any Channel
    private let connections: Connections

    /// The port that is listened on.
    var port: Int { channel.localAddress?.port ?? 0 }

    private init(_ channel: any Channel, _ connections: Connections) {
        self.channel = channel
        self.connections = connections
    }

    /// - Throws: `.connect` when the address cannot be had.
    static func open(
        _ settings: SyslogSettings, _ queue: SyslogQueue, _ context: any SourceTaskContext
    ) async throws(ConnectError) -> SyslogListener {
        let tls = try settings.tls()
        let connections = Connections()
        let group = MultiThreadedEventLoopGroup.singleton
        do {
            let channel: any Channel
            if settings.transport == .udp {
                channel = try await DatagramBootstrap(group: group)
                    .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 << 10))
                    // What comes while nothing is read waits here; the system gives what it allows.
                    .channelOption(.socketOption(.so_rcvbuf), value: 4 << 20)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(DatagramHandler(queue, context))
                        }
                    }
                    .bind(host: settings.host, port: settings.port).get()
            } else {
                channel = try await ServerBootstrap(group: group)
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .childChannelOption(.socketOption(.so_keepalive), value: 1)
                    .childChannelInitializer { channel in
                        let added = connections.add(channel, countMax: connectionCountMax)
                        guard added == .done else {
                            if added == .tooMany {
                                context.log(
                                    .warning,
                                    "refused a connection of \(sender(channel)): there are \(connectionCountMax)")
                            }
                            return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                        }
                        return channel.eventLoop.makeCompletedFuture {
                            if let tls {
                                try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                            }
                            try channel.pipeline.syncOperations.addHandler(StreamHandler(queue, context))
                        }
                    }
                    .bind(host: settings.host, port: settings.port).get()
            }
            return SyslogListener(channel, connections)
        } catch {
            throw ConnectError(.connect, failure(settings, error))
        }
    }

    private static func failure(_ settings: SyslogSettings, _ error: any Error) -> String {
        let place = "\(settings.transport.rawValue) port \(settings.port) on \(settings.host)"
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE: return "\(place) is already in use: stop what listens there, or change syslog.port"
        case EACCES: return "\(place) needs the right to listen below 1024: change syslog.port"
        case EADDRNOTAVAIL: return "\(place): this machine has no such address; change syslog.listen.address"
        case let code?: return "\(place) cannot be listened on: \(String(cString: strerror(code)))"
        case nil: return "\(place) cannot be listened on: \(error)"
        }
    }

    func close() async {
        try? await channel.close().get()  // closed already: the same to us
        let closing = connections.end().map { $0.close() }
        for connection in closing {
            try? await connection.get()  // as above
        }
    }

    /// The address of who sends, without the port; one of IPv4 as such also where IPv6 is listened on.
    static func sender(_ address: SocketAddress?) -> String? {
        guard let text = address?.ipAddress else { return nil }
        return text.hasPrefix("::ffff:") && text.contains(".") ? String(text.dropFirst(7)) : text
    }

    private static func sender(_ channel: any Channel) -> String { sender(channel.remoteAddress) ?? "unknown" }
}

/// The connections of a listener.
private final class Connections: Sendable {
    private struct State {
        var open: [ObjectIdentifier: any Channel] = [:]
        var isEnded = false
    }

    private let state = Mutex(State())

    enum Added { case done, tooMany, ended }

    func add(_ channel: any Channel, countMax: Int) -> Added {
        let added: Added = state.withLock { state in
            if state.isEnded { return .ended }
            guard state.open.count < countMax else { return .tooMany }
            state.open[ObjectIdentifier(channel)] = channel
            return .done
        }
        if added == .done {
            channel.closeFuture.whenComplete { _ in
                self.state.withLock { _ = $0.open.removeValue(forKey: ObjectIdentifier(channel)) }
            }
        }
        return added
    }

    /// - Returns: those that are open; no other is let in any more.
    func end() -> [any Channel] {
        state.withLock { state in
            state.isEnded = true
            return Array(state.open.values)
        }
    }
}

extension ChannelHandlerContext {
    /// Reads on when the queue has room.
    fileprivate func read(intoRoomOf queue: SyslogQueue) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let loop = eventLoop
        if queue.hasRoom(orElse: { loop.execute { bound.value.read() } }) { read() }
    }
}

/// Each datagram is a message.
private final class DatagramHandler: ChannelDuplexHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundIn = AddressedEnvelope<ByteBuffer>

    private let queue: SyslogQueue
    private let task: any SourceTaskContext
    private var received: [SyslogQueue.Received] = []

    init(_ queue: SyslogQueue, _ task: any SourceTaskContext) {
        self.queue = queue
        self.task = task
    }

    func read(context: ChannelHandlerContext) { context.read(intoRoomOf: queue) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        var bytes = Array(envelope.data.readableBytesView)
        while let last = bytes.last, last == 0x0A || last == 0x0D || last == 0 { bytes.removeLast() }
        guard !bytes.isEmpty else { return }
        received.append(
            .init(bytes: bytes, sender: SyslogListener.sender(envelope.remoteAddress), time: task.now))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        queue.push(received)
        received = []
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A datagram that could not be read; the next ones can.
        task.log(.warning, "reading datagrams: \(error)")
    }
}

/// A connection's messages, one behind the other.
private final class StreamHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private let queue: SyslogQueue
    private let task: any SourceTaskContext
    private var framing = SyslogFraming(byteCountMax: SyslogListener.byteCountMax)
    private var sender: String?

    init(_ queue: SyslogQueue, _ task: any SourceTaskContext) {
        self.queue = queue
        self.task = task
    }

    func channelActive(context: ChannelHandlerContext) {
        sender = SyslogListener.sender(context.channel.remoteAddress)
        context.fireChannelActive()
    }

    func read(context: ChannelHandlerContext) { context.read(intoRoomOf: queue) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        push(framing.append(Array(unwrapInboundIn(data).readableBytesView)))
    }

    func channelInactive(context: ChannelHandlerContext) {
        push(framing.end())
        context.fireChannelInactive()
    }

    private func push(_ messages: [[UInt8]]) {
        let cutCount = framing.takeCutCount()
        if cutCount > 0 {
            task.log(
                .warning,
                "\(cutCount) messages of \(sender ?? "unknown") are longer than \(SyslogListener.byteCountMax) bytes and were "
                    + "cut there")
        }
        guard !messages.isEmpty else { return }
        let now = task.now
        queue.push(messages.map { .init(bytes: $0, sender: sender, time: now) })
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        task.log(.warning, "closed the connection of \(sender ?? "unknown"): \(error)")
        context.close(promise: nil)
    }
}
