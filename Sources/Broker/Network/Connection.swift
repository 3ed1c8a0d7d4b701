import Bytes
import Coordinators
import DequeModule
import Environment
import KafkaMessages
import LogStorage
import Logging
import NIOCore
import NIOSSL
import Security

/// One client connection: frames in, answers out in the order of the requests.
///
/// Lives on its event loop and is only touched there. Data-plane requests are handled synchronously inside
/// `channelRead`; their answers gather in one buffer that is flushed once per read burst. Requests whose answer comes
/// later (long polls, acks=all, administration) leave a gap that later answers wait behind.
///
/// Bounds: at most `pendingCountMax` requests without an answer and one high-water mark of unsent bytes; beyond either
/// the connection stops reading, so that a fast or silent peer is slowed down by TCP instead of filling memory.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = IOData

    /// Requests of one connection that may wait for their answer.
    static let pendingCountMax = 1024
    /// Bytes of answers that are ready but wait for an earlier one; beyond it no further requests are handled.
    private static let waitingByteCountMax = 8 << 20
    /// Largest request other than Produce. Small elements take many times their wire size once decoded, and no honest
    /// request of these comes near.
    private static let controlByteCountMax = 8 << 20
    /// Answer bytes gathered before they are handed to the channel within one read burst.
    private static let outputByteCountMax = 256 << 10
    /// A slice of at least this many bytes goes from the file to the socket without passing through memory.
    static let sendfileByteCountMin = 64 << 10
    /// Bytes of a file that pass through memory at a time, with TLS.
    private static let pieceByteCount = 256 << 10
    /// A large frame must make progress at least this often while it holds reserved memory.
    private static let stallSecondsMax: Int64 = 10

    let node: BrokerNode
    let registry: LoopConnections
    /// The one that the client came by.
    let listener: Listener
    /// nil without TLS.
    private let tls: NIOSSLServerHandler?
    let remoteAddress: String
    /// The address as groups show it.
    private let host: String
    private(set) var context: ChannelHandlerContext?
    private var splitter: FrameSplitter

    /// Answers in the making.
    private var output = ByteBuffer()
    /// The next request that gets an answer has this sequence.
    private var nextSequence: UInt64 = 0
    /// The answer that leaves next.
    private var nextToSend: UInt64 = 0
    /// Answers that are ready but wait for an earlier one; index 0 is `nextToSend`.
    private var waiting: Deque<EncodedReply?> = []
    private var waitingByteCount = 0
    /// What to call if the connection ends before the request with this sequence is answered.
    private var cancellations: [UInt64: () -> Void] = [:]

    /// With TLS: what waits for the socket to take what is before it.
    private var outgoing: Deque<Outgoing> = []
    /// What the client has shown; nil without SASL.
    var authenticator: Authenticator?
    /// The client's refusal is counted and in the log.
    var isRefusalNoted = false
    /// A password is being checked, or a refusal held back: nothing further is handled.
    var isHeldBack = false
    private var hasLookedAtCertificate = false

    private var isHandlingBurst = false
    private var needsFlush = false
    /// Whether the registry will call `sendUnsent`.
    private var isUnsent = false
    private var isReadWanted = false
    private var isAwaitingMemory = false
    private var reservedByteCount = 0
    private(set) var isClosing = false
    /// The answer with which the connection ends, by its place, and why; nil while it goes on.
    private var lastWords: (sequence: UInt64, reason: String)?
    /// How long that answer may wait for those before it.
    private static let lastWordsTimeout = TimeAmount.seconds(60)
    /// How long a client may take to read it.
    private static let lastReadTimeout = TimeAmount.seconds(5)
    /// The broker stops: how often it looked whether the connection is done.
    private var drainLooks = 0
    /// Looks until no further requests are handled, and then until a client that does not leave is left.
    private static let drainLooksMax = 50
    private var isOutputClosed = false
    private(set) var lastActivity: NIODeadline = .now()
    private(set) var clientId: String?
    /// Who the client has shown to be.
    var principal = Principal.anonymous
    var clientSoftwareName = "unknown"
    var clientSoftwareVersion = "unknown"

    /// - Parameter tls: the handler before this one in the pipeline, where the listener has TLS.
    init(
        node: BrokerNode, registry: LoopConnections, remoteAddress: String, listener: Listener,
        tls: NIOSSLServerHandler? = nil
    ) {
        self.node = node
        self.registry = registry
        self.remoteAddress = remoteAddress
        self.listener = listener
        self.tls = tls
        host = "/" + remoteAddress
        authenticator = listener.sasl.map { Authenticator($0, node.controller.users, tokens: listener.tokens) }
        splitter = FrameSplitter(
            byteCountMax: min(node.requestByteCountMax, listener.sasl?.requestByteCountMax ?? .max))
    }

    /// Requests that have no answer yet.
    private var pendingCount: Int { Int(nextSequence - nextToSend) }
    var isIdle: Bool { outgoing.isEmpty && pendingCount == 0 && splitter.partialByteCount == 0 }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        registry.add(self)
    }

    func channelActive(context: ChannelHandlerContext) {
        context.read()
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        registry.remove(self)
        giveBackMemory()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosing = true
        giveBackMemory()
        let cancellations = self.cancellations
        self.cancellations = [:]
        for cancel in cancellations.values { cancel() }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastActivity = .now()
        guard !isOutputClosed else { return }  // too late for an answer; the client asks another broker
        guard hasLookedAtCertificate || takesCertificate() else { return }
        splitter.append(unwrapInboundIn(data))
        handleFrames()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        flushOutput()
        isReadWanted = true
        readIfPossible()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        sendOutgoing()
        if context.channel.isWritable { resume() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let reason = Self.reasonOfTLS(error) { noteFailureOfTLS(reason) }
        // Resets and broken pipes are a client's way of leaving.
        node.logger.debug("connection failed", metadata: ["remote": "\(remoteAddress)", "error": "\(error)"])
        context.close(promise: nil)
    }

    /// Looks once at the certificate of a client of TLS without SASL.
    ///
    /// - Returns: false when it is not let in.
    private func takesCertificate() -> Bool {
        hasLookedAtCertificate = true
        guard listener.securityProtocol == .ssl, let certificate = tls?.peerCertificate else { return true }
        guard let bytes = try? certificate.toDERBytes(), let name = DistinguishedName.subject(ofCertificate: bytes),
            let mapped = listener.configuration.rules.name(of: name)
        else {
            let reason = "no rule of ssl.principal.mapping.rules is for the name of the client's certificate"
            noteAuthentication(isRight: false, reason)
            close(because: reason)
            return false
        }
        principal = Principal(name: mapped)
        noteAuthentication(isRight: true)
        return true
    }

    /// From now on requests may be as long as anybody's.
    func takesLongRequests() { splitter.byteCountMax = node.requestByteCountMax }

    // MARK: Reading

    private func handleFrames() {
        guard !isHandlingBurst else { return }
        isHandlingBurst = true
        defer { isHandlingBurst = false }
        do throws(WireError) {
            while !isClosing, canHandleMore, let frame = try splitter.next() {
                giveBackMemory()
                handle(frame)
            }
        } catch {
            close(because: splitter.beginsTLS ? Self.isSpeakingTLS : "\(error)")
        }
    }

    /// False when the peer should read its answers before it may ask for more.
    private var canHandleMore: Bool {
        if drainLooks > Self.drainLooksMax || isHeldBack || !outgoing.isEmpty { return false }
        if pendingCount >= Self.pendingCountMax || waitingByteCount >= Self.waitingByteCountMax { return false }
        if output.readableBytes >= Self.outputByteCountMax { flushOutput() }
        return context?.channel.isWritable ?? false
    }

    /// Goes on after an answer left or the socket took bytes.
    func resume() {
        guard !isClosing else { return }
        if splitter.hasUnreadBytes { handleFrames() }
        if !isHandlingBurst {
            flushOutput()
            readIfPossible()
        }
    }

    private func readIfPossible() {
        guard isReadWanted, !isClosing, !isAwaitingMemory, canHandleMore || isOutputClosed, !splitter.hasUnreadBytes
        else { return }
        guard hasMemoryForPartialFrame() else { return }
        isReadWanted = false
        context?.read()
    }

    /// Reserves the memory of a large frame before its bytes are read.
    private func hasMemoryForPartialFrame() -> Bool {
        // Who is unknown takes nothing of what all share: the largest request then is `sasl.server.max.receive.size`.
        guard authenticator.map({ $0.principal != nil }) ?? true else { return true }
        guard reservedByteCount == 0, let frameByteCount = splitter.partialFrameByteCount,
            frameByteCount > RequestMemory.uncountedByteCountMax, let context
        else { return true }
        let loop = context.eventLoop
        let me = NIOLoopBound(self, eventLoop: loop)
        let isReserved = node.requestMemory.reserve(frameByteCount) { [requestMemory = node.requestMemory] in
            loop.execute { me.value.memoryArrived(frameByteCount, from: requestMemory) }
        }
        if isReserved {
            reservedByteCount = frameByteCount
        } else {
            isAwaitingMemory = true
        }
        return isReserved
    }

    private func memoryArrived(_ byteCount: Int, from requestMemory: RequestMemory) {
        isAwaitingMemory = false
        if isClosing {
            requestMemory.release(byteCount)
        } else {
            reservedByteCount = byteCount
            lastActivity = .now()
            readIfPossible()
        }
    }

    private func giveBackMemory() {
        guard reservedByteCount > 0 else { return }
        let byteCount = reservedByteCount
        reservedByteCount = 0
        node.requestMemory.release(byteCount)
    }

    private func handle(_ frame: ByteBuffer) {
        let byteCount = frame.readableBytes
        do throws(WireError) {
            var reader = WireReader(frame)
            let header = try RequestHeader(frame: &reader)
            let version = header.requestApiVersion
            guard let apiKey = ApiKey(rawValue: header.requestApiKey), let offered = OfferedApis.versions(of: apiKey)
            else {
                return close(because: "request with api key \(header.requestApiKey), which is not offered")
            }
            guard offered.contains(version) else {
                if apiKey == .apiVersions { return refuseApiVersions(header) }
                return close(
                    because: "\(apiKey.name) request of version \(version); "
                        + "\(offered.lowerBound) to \(offered.upperBound) are offered")
            }
            guard apiKey == .produce || byteCount <= Self.controlByteCountMax else {
                return close(because: "\(apiKey.name) request of \(byteCount) bytes")
            }
            if header.clientId != clientId { clientId = header.clientId }
            registry.metrics.noteRequest(apiKey, byteCount: byteCount + 4)
            let responder = makeResponder(header, apiKey)
            if let authenticator {
                switch authenticator.admission(of: apiKey, now: .now()) {
                case .admitted: break
                case .authentication: return try authenticate(&reader, version, apiKey, responder)
                case .refused(let reason):
                    noteAuthentication(isRight: false, reason)
                    return close(because: reason)
                }
            }
            try node.handle(&reader, version, apiKey, self, responder)
        } catch {
            close(because: "request of \(byteCount) bytes cannot be read: \(error)")
        }
    }

    private func makeResponder(_ header: RequestHeader, _ apiKey: ApiKey) -> Responder {
        Responder(
            target: .connection(place(header.correlationId)), apiKey: apiKey, apiVersion: header.requestApiVersion,
            client: ClientIdentity(clientId: clientId ?? "", host: host), principal: principal, listener: listener)
    }

    private func place(_ correlationId: Int32) -> Responder.ConnectionPlace {
        let loop = registry.eventLoop
        return .init(
            connection: NIOLoopBound(self, eventLoop: loop), eventLoop: loop, sequence: nextSequence,
            correlationId: correlationId, arrivedAt: lastActivity)
    }

    /// An unknown version of ApiVersions is answered in layout 0 with the list, so that the client can choose (KIP-511).
    private func refuseApiVersions(_ header: RequestHeader) {
        let responder = Responder(
            target: .connection(place(header.correlationId)), apiKey: .apiVersions, apiVersion: 0,
            client: ClientIdentity(clientId: clientId ?? "", host: host), principal: principal, listener: listener)
        registry.metrics.noteRequest(.apiVersions, byteCount: 0)
        willAnswer(responder)
        var response = ApiVersionsResponse()
        response.errorCode = ErrorCode.unsupportedVersion.rawValue
        response.apiKeys = OfferedApis.list
        responder.send(response)
    }

    // MARK: Answering

    /// Takes the request's place in the order of answers. Every handler calls it before it sends, except for a produce
    /// with acks=0, which has no answer.
    func willAnswer(_ responder: Responder) {
        if case .connection(let place) = responder.target {
            precondition(place.sequence == nextSequence, "answers must be announced in the order of their requests")
        }
        nextSequence += 1
    }

    /// Calls `cancel` if the connection ends before `responder` has answered.
    func onClose(of responder: Responder, _ cancel: @escaping () -> Void) {
        if case .connection(let place) = responder.target { cancellations[place.sequence] = cancel }
    }

    /// Encodes an answer and sends it, or keeps it until the ones before it are sent.
    func complete(
        _ responder: Responder, _ place: Responder.ConnectionPlace, _ message: some KafkaMessage, _ regions: [LogSlice]
    ) {
        guard !isClosing else { return }
        if !cancellations.isEmpty { cancellations[place.sequence] = nil }
        if place.sequence == nextToSend {
            nextToSend += 1
            if !waiting.isEmpty { waiting.removeFirst() }
            var writer = WireWriter(take(&output))
            let reply = encode(responder, place, message, regions, into: &writer)
            output = writer.buffer
            if let reply { write(reply) }
            sendWaiting()
        } else {
            var writer = WireWriter(ByteBuffer())
            let index = Int(place.sequence - nextToSend)
            while waiting.count <= index { waiting.append(nil) }
            let reply =
                encode(responder, place, message, regions, into: &writer)
                ?? EncodedReply(buffer: writer.buffer, splits: [], regions: [])
            waitingByteCount += reply.buffer.readableBytes
            waiting[index] = reply
        }
        if lastWords != nil { closeBehindLastWords() }
        if isHandlingBurst {
            needsFlush = true
        } else if registry.isCorked {
            if !isUnsent { registry.addUnsent(self) }
            isUnsent = true
        } else {
            flushOutput()
            resume()
        }
    }

    /// Sends what was completed while the event loop's connections were corked.
    func sendUnsent() {
        isUnsent = false
        flushOutput()
        resume()
    }

    private func sendWaiting() {
        while let first = waiting.first, let reply = first {
            waiting.removeFirst()
            waitingByteCount -= reply.buffer.readableBytes
            nextToSend += 1
            if reply.regions.isEmpty {
                output.writeImmutableBuffer(reply.buffer)
            } else {
                write(reply)
            }
        }
    }

    /// Appends length, header and body.
    ///
    /// - Returns: nil when all of the answer is in the writer; else its parts, the writer then being empty, so that file
    ///   regions can go between them.
    private func encode(
        _ responder: Responder, _ place: Responder.ConnectionPlace, _ message: some KafkaMessage, _ regions: [LogSlice],
        into writer: inout WireWriter
    ) -> EncodedReply? {
        let start = writer.buffer.writerIndex
        writer.buffer.writeInteger(0 as Int32)
        writer.buffer.writeInteger(place.correlationId)
        if responder.apiKey.responseHeaderVersion(responder.apiVersion) >= 1 { writer.buffer.writeInteger(0 as UInt8) }
        do {
            try message.encode(to: &writer, version: responder.apiVersion)
        } catch {
            // A field that this version cannot carry: our own mistake, which must not reach the client as garbage.
            node.logger.error(
                "answer cannot be encoded",
                metadata: [
                    "api": "\(responder.apiKey.name)", "version": "\(responder.apiVersion)", "error": "\(error)",
                ])
            writer.buffer.moveWriterIndex(to: start)
            close(because: "answer cannot be encoded")
            return nil
        }
        let external = regions.reduce(0) { $0 + $1.byteCount }
        let byteCount = writer.buffer.writerIndex - start - 4 + external
        writer.buffer.setInteger(Int32(clamping: byteCount), at: start)
        registry.metrics.noteAnswer(
            responder.apiKey, byteCount: byteCount + 4, nanoseconds: (.now() - place.arrivedAt).nanoseconds)
        message.forEachErrorCode { code in
            if code != 0 { node.metrics.noteError(responder.apiKey, code) }
        }
        guard !writer.splits.isEmpty else { return nil }
        defer {
            writer = WireWriter(ByteBuffer())
        }
        return EncodedReply(buffer: writer.buffer, splits: writer.splits, regions: regions)
    }

    /// Hands a reply with file regions to the channel, in the order of its parts.
    private func write(_ reply: EncodedReply) {
        guard let context else { return }
        // An answer that was late may be waiting to be sent, and goes first.
        if output.readableBytes > 0 { write(take(&output), context) }
        var rest = reply.buffer
        for split in reply.splits {
            let headByteCount = split.position - rest.readerIndex
            if headByteCount > 0, let head = rest.readSlice(length: headByteCount) { write(head, context) }
            write(reply.regions[split.token], context)
        }
        if rest.readableBytes > 0 { write(rest, context) }
        needsFlush = true
        sendOutgoing()
    }

    private func write(_ buffer: ByteBuffer, _ context: ChannelHandlerContext) {
        if outgoing.isEmpty {
            context.write(wrapOutboundOut(.byteBuffer(buffer)), promise: nil)
        } else {
            outgoing.append(.buffer(buffer))
        }
    }

    private func write(_ slice: LogSlice, _ context: ChannelHandlerContext) {
        guard slice.byteCount > 0, let descriptor = slice.file?.descriptor else { return }
        guard tls == nil else { return outgoing.append(.slice(slice)) }
        let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
        let region = FileRegion(
            fileHandle: handle, readerIndex: Int(slice.position), endIndex: Int(slice.position) + slice.byteCount)
        let written = context.eventLoop.makePromise(of: Void.self)
        let unowned = NIOLoopBound(handle, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            // The descriptor belongs to the slice's file, which must stay open until here.
            withExtendedLifetime(slice) { _ = try? unowned.value.takeDescriptorOwnership() }
        }
        context.write(wrapOutboundOut(.fileRegion(region)), promise: written)
    }

    private func flushOutput() {
        guard let context else { return }
        if output.readableBytes > 0 {
            write(output, context)
            context.flush()
            // The channel has usually let go of the storage by now; then it is used again.
            if output.capacity > Self.outputByteCountMax { output = ByteBuffer() } else { output.clear() }
        } else if needsFlush {
            context.flush()
        }
        needsFlush = false
    }

    /// With TLS: a part of a file passes through memory, in pieces, each when the socket has taken those before. So a client
    /// that reads slowly holds a piece, however much it has asked for.
    private func sendOutgoing() {
        guard !outgoing.isEmpty, let context else { return }
        while !isClosing, context.channel.isWritable, let first = outgoing.popFirst() {
            switch first {
            case .buffer(let buffer): context.write(wrapOutboundOut(.byteBuffer(buffer)), promise: nil)
            case .slice(var slice):
                var piece = slice
                piece.byteCount = min(slice.byteCount, Self.pieceByteCount)
                slice.byteCount -= piece.byteCount
                slice.position += Int64(piece.byteCount)
                if slice.byteCount > 0 { outgoing.prepend(.slice(slice)) }
                do throws(LogError) {
                    context.write(wrapOutboundOut(.byteBuffer(try piece.buffer())), promise: nil)
                } catch {
                    // The answer's length has been promised already.
                    node.alarm.note(error, reading: slice.file?.path ?? "a log")
                    return close(because: "a log cannot be read: \(error)")
                }
            }
            context.flush()
        }
        if lastWords != nil { closeBehindLastWords() }
    }

    // MARK: Closing

    /// Ends the connection when an answer has reached the client: behind those to earlier requests, some of which may wait for
    /// records or for others. Nothing more is to be read meanwhile, which is the caller's to see to.
    func close(because reason: String, behind responder: Responder) {
        guard !isClosing, lastWords == nil, case .connection(let place) = responder.target, let context else { return }
        lastWords = (place.sequence, reason)
        closeBehindLastWords()
        guard !isClosing else { return }
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.lastWordsTimeout) { me.value.close(because: reason) }
    }

    private func closeBehindLastWords() {
        guard !isClosing, let lastWords, nextToSend > lastWords.sequence else { return }
        flushOutput()
        guard !isClosing, outgoing.isEmpty, let context else { return }
        node.logger.info(
            "closing connection",
            metadata: [
                "remote": "\(remoteAddress)", "client": "\(clientId ?? "")", "reason": "\(lastWords.reason)",
            ])
        isClosing = true
        // A client that does not read is not waited for.
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let end = context.eventLoop.scheduleTask(in: Self.lastReadTimeout) { me.value.context?.close(promise: nil) }
        // Completes after all that was written before it.
        let written = context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer())))
        written.assumeIsolated().whenComplete { _ in
            end.cancel()
            self.context?.close(promise: nil)
        }
    }

    func close(because reason: String) {
        guard !isClosing else { return }
        node.logger.info(
            "closing connection",
            metadata: ["remote": "\(remoteAddress)", "client": "\(clientId ?? "")", "reason": "\(reason)"])
        flushOutput()
        isClosing = true
        context?.close(promise: nil)
    }

    /// Called now and then: ends connections without traffic and those that hold memory for a frame that does not come.
    func closeIfStale(now: NIODeadline, idleMax: TimeAmount?) {
        let silence = now - lastActivity
        if reservedByteCount > 0, silence > .seconds(Self.stallSecondsMax) {
            close(because: "a request of \(reservedByteCount) bytes stopped arriving")
        } else if let idleMax, silence > idleMax, pendingCount == 0 {
            close(because: "idle for more than connections.max.idle.ms")
        }
    }

    /// For shutdown, called every few milliseconds: ends the connection once all that the client sent is answered.
    ///
    /// Requests that had arrived when the broker began to stop may still be in the socket, so the first look only lets
    /// the event loop read them. Then our direction is closed and the client's is read to its end: closing the socket
    /// over unread bytes would reset the connection, and the client could lose answers that have already left.
    func drain() {
        drainLooks += 1
        if isOutputClosed {
            if drainLooks > 2 * Self.drainLooksMax { context?.close(promise: nil) }
            return
        }
        let isRefusing = drainLooks > Self.drainLooksMax
        guard drainLooks > 1, !isClosing, let context, pendingCount == 0, outgoing.isEmpty || isRefusing,
            isRefusing || (splitter.partialByteCount == 0 && !splitter.hasUnreadBytes)
        else { return }
        isOutputClosed = true
        flushOutput()
        // Completes after all that was written before it.
        let written = context.writeAndFlush(wrapOutboundOut(.byteBuffer(ByteBuffer())))
        written.assumeIsolated().whenComplete { _ in self.context?.close(mode: .output, promise: nil) }
        isReadWanted = true
        readIfPossible()
    }
}

/// What waits for a socket with TLS.
private enum Outgoing {
    case buffer(ByteBuffer)
    case slice(LogSlice)
}

/// An answer that is encoded but not yet sent. Region `splits[i].token` belongs at byte `splits[i].position`.
struct EncodedReply {
    var buffer: ByteBuffer
    var splits: [(position: Int, token: Int)]
    var regions: [LogSlice]
}

/// Moves a buffer out of its variable, so that writing to it does not copy.
private func take(_ buffer: inout ByteBuffer) -> ByteBuffer {
    let taken = buffer
    buffer = ByteBuffer()
    return taken
}
