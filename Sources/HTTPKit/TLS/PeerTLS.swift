package import Logging
package import NIOCore
package import NIOPosix
package import NIOSSL
package import Security
import Synchronization

/// How a server speaks TLS to others of its kind, as a client. Its files are read again when they have changed, for connections
/// that come afterwards; those that cannot be used leave the ones in force, and an error in the log.
package final class PeerTLS: Sendable {
    private struct State {
        var configuration: TLSConfiguration
        var context: NIOSSLContext
        var stamps: FileStamps
        /// Somebody reads the files.
        var isReading = false
    }

    private let store: KeyStore?
    private let state: Mutex<State>
    private let threads: NIOThreadPool
    private let logger: Logger?

    /// - Parameters:
    ///   - store: of this server; nil trusts the system's authorities and shows nothing.
    ///   - threads: where files are read.
    ///   - logger: is told of files that have changed.
    /// - Throws: what cannot be used.
    package init(
        _ store: KeyStore?, on threads: NIOThreadPool = .singleton, logger: Logger? = nil
    ) throws(KeyStoreError) {
        self.store = store
        self.threads = threads
        self.logger = logger
        // Of what changes from here on the next connection tells.
        let stamps = FileStamps(store?.files ?? [])
        let (configuration, context) = try Self.read(store)
        state = Mutex(State(configuration: configuration, context: context, stamps: stamps))
    }

    private static func read(_ store: KeyStore?) throws(KeyStoreError) -> (TLSConfiguration, NIOSSLContext) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let store { configuration = try store.clientConfiguration() }
        do { return (configuration, try NIOSSLContext(configuration: configuration)) } catch {
            throw KeyStoreError("certificate and key do not fit together (\(error))")
        }
    }

    /// For clients that make connections by a configuration, by the files as they are now.
    package func configuration() async -> TLSConfiguration { await onThread { $0.configuration } }

    /// For a new connection, by the files as they are now.
    package func context() async -> NIOSSLContext { await onThread { $0.context } }

    /// The first handler of a connection to a host.
    ///
    /// - Parameter context: as `context()` gives it.
    package static func handler(_ context: NIOSSLContext, host: String) throws -> any ChannelHandler {
        // An address is compared with the addresses of the certificate, and has no place in SNI.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }

    private func onThread<Value: Sendable>(_ body: @escaping @Sendable (borrowing State) -> Value) async -> Value {
        guard let store, !store.files.isEmpty else { return state.withLock { body($0) } }
        // Threads that have ended leave what was read last.
        try? await threads.runIfActive { self.refresh() }
        return state.withLock { body($0) }
    }

    /// Looks at the files: not on an event loop.
    package func refresh() {
        guard let store else { return }
        let stamps = FileStamps(store.files)
        // One reads; whoever comes meanwhile has what was there before.
        let mustRead = state.withLock { state in
            guard stamps != state.stamps, !state.isReading else { return false }
            (state.stamps, state.isReading) = (stamps, true)
            return true
        }
        guard mustRead else { return }
        do throws(KeyStoreError) {
            let (configuration, context) = try Self.read(store)
            state.withLock { ($0.configuration, $0.context, $0.isReading) = (configuration, context, false) }
            logger?.notice("read the certificate for other nodes again", metadata: ["files": "\(store.files)"])
        } catch {
            // It is told of once, not with each connection.
            state.withLock { $0.isReading = false }
            logger?.error(
                "the certificate for other nodes has changed and cannot be used: the one from before stays in force",
                metadata: ["error": "\(error)"])
        }
    }
}
