import DequeModule
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
    static let waitingByteCountMax = 8 << 20
    /// Largest request other than Produce. Small elements take many times their wire size once decoded, and no honest
    /// request of these comes near.
    static let controlByteCountMax = 8 << 20
    /// Answer bytes gathered before they are handed to the channel within one read burst.
    static let outputByteCountMax = 256 << 10
    /// A slice of at least this many bytes goes from the file to the socket without passing through memory.
    static let sendfileByteCountMin = 64 << 10
    /// Bytes of a file that pass through memory at a time, with TLS.
    static let pieceByteCount = 256 << 10
    /// A large frame must make progress at least this often while it holds reserved memory.
    static let stallSecondsMax: Int64 = 10

    let node: BrokerNode
    let registry: LoopConnections
    /// The one that the client came by.
    let listener: Listener
    /// nil without TLS.
    let tls: NIOSSLServerHandler?
    let remoteAddress: String
    /// The address as groups show it.
    let host: String
    private(set) var context: ChannelHandlerContext?
    var splitter: FrameSplitter

    /// Answers in the making.
    var output = ByteBuffer()
    /// The next request that gets an answer has this sequence.
    var nextSequence: UInt64 = 0
    /// The answer that leaves next.
    var nextToSend: UInt64 = 0
    /// Answers that are ready but wait for an earlier one; index 0 is `nextToSend`.
    var waiting: Deque<EncodedReply?> = []
    var waitingByteCount = 0
    /// What to call if the connection ends before the request with this sequence is answered.
    var cancellations: [UInt64: () -> Void] = [:]
    /// Whether members of share groups have sessions here, which end with the connection.
    var hasShareSessions = false

    /// With TLS: what waits for the socket to take what is before it.
    var outgoing: Deque<Outgoing> = []
    /// What the client has shown; nil without SASL.
    var authenticator: Authenticator?
    /// The client's refusal is counted and in the log.
    var isRefusalNoted = false
    /// A password is being checked, or a refusal held back: nothing further is handled.
    var isHeldBack = false
    private var hasLookedAtCertificate = false

    var isHandlingBurst = false
    var needsFlush = false
    /// Whether the registry will call `sendUnsent`.
    var isUnsent = false
    var isReadWanted = false
    var isAwaitingMemory = false
    var reservedByteCount = 0
    var isClosing = false
    /// The client has left, and of what it had sent before nothing more is taken up.
    var isRestOver = false
    /// The answer with which the connection ends, by its place, and why; nil while it goes on.
    var lastWords: (sequence: UInt64, reason: String)?
    /// Ends a connection whose last answer does not leave.
    var lastWordsEnd: Scheduled<Void>?
    /// How long that answer may wait for those before it.
    static let lastWordsTimeout = TimeAmount.seconds(60)
    /// How long a client may take to read it.
    static let lastReadTimeout = TimeAmount.seconds(5)
    /// The broker stops: how often it looked whether the connection is done.
    var drainLooks = 0
    /// Looks until no further requests are handled, and then until a client that does not leave is left.
    static let drainLooksMax = 50
    var isOutputClosed = false
    var lastActivity: NIODeadline = .now()
    var clientId: String? { didSet { quotas.revision = .max } }
    /// Who the client has shown to be.
    var principal = Principal.anonymous { didSet { quotas.revision = .max } }
    /// Whether it has shown that by a delegation token.
    var isByToken = false
    /// What the client is bound by; looked up again when the revision is another than that of `ClientQuotas`.
    var quotas = BoundQuotas()
    /// Until when nothing is handled, because of a quota.
    var throttledUntil: NIODeadline?
    var throttleTimer: Scheduled<Void>?
    /// When the request in hand was taken up; nil where its time does not count.
    var handlingBegan: NIODeadline?
    /// Of the request in hand, without its length prefix.
    var requestByteCount = 0
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
    var pendingCount: Int { Int(nextSequence - nextToSend) }
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
        endThrottling()
        lastWordsEnd?.cancel()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let hasLeft = !isClosing
        isClosing = true
        giveBackMemory()
        if throttledUntil != nil {
            endThrottling()
            if hasLeft { handleRest() }
        }
        let cancellations = self.cancellations
        self.cancellations = [:]
        for cancel in cancellations.values { cancel() }
        if hasShareSessions { node.endShareSessions(of: ObjectIdentifier(self)) }
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
}
