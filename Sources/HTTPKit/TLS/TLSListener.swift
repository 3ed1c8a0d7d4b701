package import Logging
import NIOCore
package import NIOPosix
import NIOSSL
package import Security
import Synchronization

/// The TLS of one port. Certificate, key and trusted authorities are read again when their files have changed, at the
/// next connection; those that cannot be used leave the ones in force, and an error in the log.
package final class TLSListener: Sendable {
    private struct State {
        var context: NIOSSLContext
        var stamps: FileStamps
        /// Somebody reads the files.
        var isReading = false
    }

    private let store: KeyStore
    private let state: Mutex<State>
    private let threads: NIOThreadPool
    private let logger: Logger
    /// Of failed handshakes, so that a scanner does not fill the log.
    private let told = Mutex<[String: NIODeadline]>([:])
    private static let tellingInterval = TimeAmount.seconds(60)

    /// - Parameter threads: where files are read.
    /// - Throws: what cannot be used.
    package init(
        _ store: KeyStore, on threads: NIOThreadPool = .singleton, logger: Logger
    ) throws(KeyStoreError) {
        self.store = store
        self.threads = threads
        self.logger = logger
        // Of what changes from here on the next connection tells.
        let stamps = FileStamps(store.files)
        state = Mutex(State(context: try Self.context(store), stamps: stamps))
    }

    private static func context(_ store: KeyStore) throws(KeyStoreError) -> NIOSSLContext {
        var configuration = try store.configuration()
        configuration.applicationProtocols = ["h2", "http/1.1"]
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw KeyStoreError("certificate and key do not fit together (\(error))")
        }
    }

    /// For a new connection, by the files as they are now.
    func context(on loop: any EventLoop) -> EventLoopFuture<NIOSSLContext> {
        threads.runIfActive(eventLoop: loop) { self.current() }
    }

    /// Looks at the files: not on an event loop.
    package func refresh() { _ = current() }

    private func current() -> NIOSSLContext {
        let stamps = FileStamps(store.files)
        // One reads; whoever comes meanwhile gets what was there before.
        let (present, mustRead) = state.withLock { state in
            let mustRead = stamps != state.stamps && !state.isReading
            if mustRead { (state.stamps, state.isReading) = (stamps, true) }
            return (state.context, mustRead)
        }
        guard mustRead else { return present }
        do throws(KeyStoreError) {
            let fresh = try Self.context(store)
            state.withLock { ($0.context, $0.isReading) = (fresh, false) }
            logger.notice("read the certificate again", metadata: ["files": "\(store.files)"])
            return fresh
        } catch {
            // It is told of once, not with each connection.
            state.withLock { $0.isReading = false }
            logger.error(
                "the certificate has changed and cannot be used: the one from before stays in force",
                metadata: ["error": "\(error)"])
            return present
        }
    }

    /// Tells why a handshake failed, each reason once in a while.
    func failed(_ error: any Error, from address: String) {
        let words = "\(error)"
        let isPlain = words.contains("HTTP_REQUEST") || words.contains("WRONG_VERSION_NUMBER")
        let reason =
            isPlain
            ? "a client speaks plain HTTP to a port that speaks TLS: use https://"
            : "the TLS handshake with a client failed"
        logger.debug("\(reason)", metadata: ["remote": "\(address)", "error": "\(words)"])
        let now = NIODeadline.now()
        let isNews = told.withLock { told in
            if let last = told[reason], now - last < Self.tellingInterval { return false }
            told[reason] = now
            return true
        }
        if isNews {
            logger.warning("\(reason)", metadata: ["remote": "\(address)", "error": "\(words)"])
        }
    }
}

/// Stands behind the handler of TLS: tells of a handshake that failed, and ends the connection.
final class TLSWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let listener: TLSListener
    private var isEstablished = false

    init(_ listener: TLSListener) { self.listener = listener }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isEstablished = true
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A client that closes without a word of TLS is no news, nor is what happens to a connection in use.
        if case NIOSSLError.uncleanShutdown = error { return context.close(promise: nil) }
        guard error is NIOSSLError || error is BoringSSLError || error is NIOSSLExtraError else {
            return context.fireErrorCaught(error)
        }
        if !isEstablished {
            let isSilent: Bool
            if case NIOSSLError.handshakeFailed(let reason) = error, "\(reason)".contains("EOF during handshake") {
                isSilent = true
            } else {
                isSilent = false
            }
            if !isSilent {
                listener.failed(error, from: context.channel.remoteAddress?.ipAddress ?? "unknown")
            }
        }
        context.close(promise: nil)
    }
}
