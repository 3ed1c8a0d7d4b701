import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Security
import Synchronization

/// The certificate of a listener and what it demands of clients' certificates, read from the files that its settings name.
///
/// Files that change are read again, on a thread beside the event loops, for connections that come afterwards; when the new ones
/// cannot be used, the old ones stay and the log says so.
final class ListenerTLS: Sendable {
    private struct State {
        var context: NIOSSLContext
        var stamps: FileStamps
        var nextLook: NIODeadline
        var isReading = false
    }

    private let configuration: ListenerConfiguration
    private let paths: [String]
    private let logger: Logger
    private let state: Mutex<State>

    /// How often files are looked at, at most.
    private static let lookInterval = TimeAmount.seconds(1)

    /// - Throws: `.invalidConfiguration` for files that cannot be used, with what to do about them.
    init(_ configuration: ListenerConfiguration, _ logger: Logger) throws(BrokerError) {
        self.configuration = configuration
        self.logger = logger
        paths = ["ssl.keystore.location", "ssl.truststore.location"].map(configuration.value).filter { !$0.isEmpty }
        let stamps = FileStamps(paths)
        let context = try Self.context(configuration)
        state = Mutex(State(context: context, stamps: stamps, nextLook: .now() + Self.lookInterval))
    }

    /// A handler for a new connection.
    func handler() -> NIOSSLServerHandler { NIOSSLServerHandler(context: context()) }

    private func context() -> NIOSSLContext {
        let (context, isChanged) = state.withLock { state in
            guard !paths.isEmpty, !state.isReading, NIODeadline.now() >= state.nextLook else {
                return (state.context, false)
            }
            state.nextLook = .now() + Self.lookInterval
            let stamps = FileStamps(paths)
            guard stamps != state.stamps else { return (state.context, false) }
            // Not tried again before they change once more.
            state.stamps = stamps
            state.isReading = true
            return (state.context, true)
        }
        // A store under a password takes its time.
        if isChanged { NIOThreadPool.singleton.submit { _ in self.readAgain() } }
        return context
    }

    private func readAgain() {
        var read: NIOSSLContext?
        do throws(BrokerError) {
            read = try Self.context(configuration)
            logger.notice("read the certificate of a listener again", metadata: ["listener": "\(configuration.name)"])
        } catch {
            logger.error(
                "the changed certificate of a listener cannot be used; the one before stays",
                metadata: ["listener": "\(configuration.name)", "error": "\(error)"])
        }
        state.withLock { state in
            state.isReading = false
            if let read { state.context = read }
        }
    }

    // MARK: Reading

    private static func context(_ listener: ListenerConfiguration) throws(BrokerError) -> NIOSSLContext {
        let identity = try read(listener) { () throws(KeyStoreError) in try self.identity(listener) }
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: identity.chain.map { .certificate($0) }, privateKey: .privateKey(identity.key))
        let versions = listener.value("ssl.enabled.protocols").split { $0 == "," || $0 == " " }
        tls.minimumTLSVersion = versions.contains("TLSv1.2") ? .tlsv12 : .tlsv13
        tls.maximumTLSVersion = versions.contains("TLSv1.3") ? .tlsv13 : .tlsv12
        tls.shutdownTimeout = .milliseconds(500)
        let suites = listener.value("ssl.cipher.suites").split { $0 == "," || $0 == " " }.map(String.init)
        if !suites.isEmpty {
            let found = suites.compactMap { self.suites[$0] }
            if found.isEmpty {
                throw BrokerError(
                    .invalidConfiguration,
                    "ssl.cipher.suites of listener \(listener.name): none of them is there; there are "
                        + self.suites.keys.sorted().joined(separator: ", "))
            }
            tls.cipherSuiteValues = found
        }
        switch listener.value("ssl.client.auth") {
        case "required": tls.certificateVerification = .noHostnameVerification
        case "requested": tls.certificateVerification = .optionalVerification
        default: tls.certificateVerification = .none
        }
        let trusted = try read(listener) { () throws(KeyStoreError) in try self.trusted(listener) }
        tls.trustRoots = trusted.isEmpty ? .default : .certificates(trusted)
        do {
            return try NIOSSLContext(configuration: tls)
        } catch {
            throw BrokerError(
                .invalidConfiguration,
                "TLS of listener \(listener.name) cannot be set up: the key may not be that of the certificate "
                    + "(\(error))")
        }
    }

    private static let suites: [String: NIOTLSCipher] = [
        "TLS_AES_128_GCM_SHA256": .TLS_AES_128_GCM_SHA256, "TLS_AES_256_GCM_SHA384": .TLS_AES_256_GCM_SHA384,
        "TLS_CHACHA20_POLY1305_SHA256": .TLS_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ]

    private static func identity(_ listener: ListenerConfiguration) throws(KeyStoreError) -> TLSIdentity {
        let path = listener.value("ssl.keystore.location")
        let keyPassword = text("ssl.key.password", listener)
        if !path.isEmpty {
            return try TLSIdentity(
                try StoreFile.contents(path), password: text("ssl.keystore.password", listener),
                keyPassword: keyPassword, named: "'\(path)'")
        }
        guard let key = text("ssl.keystore.key", listener) else {
            throw KeyStoreError("ssl.keystore.certificate.chain is set, and ssl.keystore.key is not")
        }
        return try TLSIdentity(
            chain: Array(listener.value("ssl.keystore.certificate.chain").utf8), key: Array(key.utf8), keyPassword,
            named: "ssl.keystore.certificate.chain")
    }

    private static func trusted(_ listener: ListenerConfiguration) throws(KeyStoreError) -> [NIOSSLCertificate] {
        let path = listener.value("ssl.truststore.location")
        if !path.isEmpty {
            return try StoreFile.trusted(
                try StoreFile.contents(path), password: text("ssl.truststore.password", listener), named: "'\(path)'")
        }
        guard let inline = text("ssl.truststore.certificates", listener) else { return [] }
        return try StoreFile.trusted(Array(inline.utf8), password: nil, named: "ssl.truststore.certificates")
    }

    private static func text(_ name: String, _ listener: ListenerConfiguration) -> String? {
        let value = listener.value(name)
        return value.isEmpty ? nil : value
    }

    private static func read<Value>(
        _ listener: ListenerConfiguration, _ body: () throws(KeyStoreError) -> Value
    ) throws(BrokerError) -> Value {
        do throws(KeyStoreError) { return try body() } catch {
            throw BrokerError(.invalidConfiguration, "TLS of listener \(listener.name): \(error)")
        }
    }
}
