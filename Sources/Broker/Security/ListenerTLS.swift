import Glibc
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// The certificate of a listener and what it demands of clients' certificates, read from the files that its settings name.
///
/// Files that change are read again for connections that come afterwards; when the new ones cannot be used, the old ones stay
/// and the log says so. A key store in PKCS#12 is read at the start alone: the library ends the program for one whose key has
/// no certificate, which cannot be seen before.
final class ListenerTLS: Sendable {
    private struct Stamp: Equatable {
        var seconds: Int
        var nanoseconds: Int
        var byteCount: Int
        var inode: UInt64
    }

    private typealias Identity = (chain: [NIOSSLCertificate], key: NIOSSLPrivateKey)

    private struct State {
        var context: NIOSSLContext
        var stamps: [Stamp?]
        var nextLook: NIODeadline
    }

    private let configuration: ListenerConfiguration
    private let paths: [String]
    /// What is not read again; nil when it is.
    private let fixed: Identity?
    private let logger: Logger
    private let state: Mutex<State>

    /// How often files are looked at, at most.
    private static let lookInterval = TimeAmount.seconds(1)
    /// Largest file that is read.
    private static let fileByteCountMax = 8 << 20

    /// - Throws: `.invalidConfiguration` for files that cannot be used, with what to do about them.
    init(_ configuration: ListenerConfiguration, _ logger: Logger) throws(BrokerError) {
        self.configuration = configuration
        self.logger = logger
        let isPKCS12 = Self.isPKCS12(configuration)
        paths = (isPKCS12 ? ["ssl.truststore.location"] : ["ssl.keystore.location", "ssl.truststore.location"])
            .map(configuration.value).filter { !$0.isEmpty }
        let stamps = paths.map(Self.stamp)
        let identity = try Self.keyStore(configuration)
        fixed = isPKCS12 ? identity : nil
        let context = try Self.context(configuration, identity)
        state = Mutex(State(context: context, stamps: stamps, nextLook: .now() + Self.lookInterval))
    }

    /// A handler for a new connection.
    func handler() -> NIOSSLServerHandler { NIOSSLServerHandler(context: context()) }

    private func context() -> NIOSSLContext {
        state.withLock { state in
            guard !paths.isEmpty, NIODeadline.now() >= state.nextLook else { return state.context }
            state.nextLook = .now() + Self.lookInterval
            let stamps = paths.map(Self.stamp)
            guard stamps != state.stamps else { return state.context }
            // Not tried again before they change once more.
            state.stamps = stamps
            do throws(BrokerError) {
                let identity = if let fixed { fixed } else { try Self.keyStore(configuration) }
                state.context = try Self.context(configuration, identity)
                logger.notice(
                    "read the certificate of a listener again", metadata: ["listener": "\(configuration.name)"])
            } catch {
                logger.error(
                    "the changed certificate of a listener cannot be used; the one before stays",
                    metadata: ["listener": "\(configuration.name)", "error": "\(error)"])
            }
            return state.context
        }
    }

    private static func stamp(_ path: String) -> Stamp? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Stamp(
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec, byteCount: Int(status.st_size),
            inode: UInt64(status.st_ino))
    }

    // MARK: Reading

    private static func context(
        _ listener: ListenerConfiguration, _ identity: Identity
    ) throws(BrokerError) -> NIOSSLContext {
        let (chain, key) = identity
        var tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
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
        let trusted = try trustStore(listener)
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

    private static func isPKCS12(_ listener: ListenerConfiguration) -> Bool {
        listener.value("ssl.keystore.type") == "PKCS12" && !listener.value("ssl.keystore.location").isEmpty
    }

    private static func keyStore(_ listener: ListenerConfiguration) throws(BrokerError) -> Identity {
        let path = listener.value("ssl.keystore.location")
        let keyPassword = Array(listener.value("ssl.key.password").utf8)
        if isPKCS12(listener) {
            let bytes = try contents(path, "ssl.keystore.location", listener)
            let password = listener.value("ssl.keystore.password")
            guard PKCS12Contents(bytes).mayHoldKeyAndCertificate else {
                throw unreadable("ssl.keystore.location", path, listener)
            }
            let bundle = try read("ssl.keystore.location", path, listener) {
                try NIOSSLPKCS12Bundle(buffer: bytes, passphrase: password.utf8)
            }
            return (bundle.certificateChain, bundle.privateKey)
        }
        var chain = Array(listener.value("ssl.keystore.certificate.chain").utf8)
        var key = Array(listener.value("ssl.keystore.key").utf8)
        if !path.isEmpty {
            chain = try contents(path, "ssl.keystore.location", listener)
            key = chain
        } else if key.isEmpty {
            throw BrokerError(
                .invalidConfiguration,
                "listener \(listener.name) has ssl.keystore.certificate.chain, but no ssl.keystore.key")
        }
        let name = path.isEmpty ? "ssl.keystore.certificate.chain" : "ssl.keystore.location"
        let certificates = try read(name, path, listener) { try NIOSSLCertificate.fromPEMBytes(chain) }
        let privateKey = try read(path.isEmpty ? "ssl.keystore.key" : name, path, listener) {
            try NIOSSLPrivateKey(bytes: key, format: .pem) { set in set(keyPassword) }
        }
        guard !certificates.isEmpty else { throw unreadable(name, path, listener) }
        return (certificates, privateKey)
    }

    private static func trustStore(_ listener: ListenerConfiguration) throws(BrokerError) -> [NIOSSLCertificate] {
        let path = listener.value("ssl.truststore.location")
        let inline = Array(listener.value("ssl.truststore.certificates").utf8)
        guard !path.isEmpty || !inline.isEmpty else { return [] }
        let bytes = path.isEmpty ? inline : try contents(path, "ssl.truststore.location", listener)
        let name = path.isEmpty ? "ssl.truststore.certificates" : "ssl.truststore.location"
        let certificates = try read(name, path, listener) { try NIOSSLCertificate.fromPEMBytes(bytes) }
        guard !certificates.isEmpty else { throw unreadable(name, path, listener) }
        return certificates
    }

    private static func contents(
        _ path: String, _ setting: String, _ listener: ListenerConfiguration
    ) throws(BrokerError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw BrokerError(
                .invalidConfiguration,
                "\(setting) of listener \(listener.name): '\(path)' cannot be read: "
                    + String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += chunk[..<count]
            guard bytes.count <= fileByteCountMax else { break }
        }
        return bytes
    }

    private static func read<Value>(
        _ setting: String, _ path: String, _ listener: ListenerConfiguration, _ body: () throws -> Value
    ) throws(BrokerError) -> Value {
        do { return try body() } catch { throw unreadable(setting, path, listener) }
    }

    private static func unreadable(
        _ setting: String, _ path: String, _ listener: ListenerConfiguration
    ) -> BrokerError {
        BrokerError(
            .invalidConfiguration,
            "\(setting) of listener \(listener.name)\(path.isEmpty ? "" : ": '\(path)'") has no certificate or key that "
                + "can be read; encrypted keys take ssl.key.password, PKCS12 files their password and "
                + "ssl.keystore.type=PKCS12, and a JKS file becomes PKCS12 by: keytool -importkeystore -srckeystore "
                + "OLD.jks -destkeystore NEW.p12 -deststoretype PKCS12")
    }
}

/// What can be seen of a PKCS#12 file without its password (RFC 7292).
///
/// The library ends the program on a file that has no key or no certificate, as trust stores are.
struct PKCS12Contents {
    private static let bag: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01]
    private static let encryptedData: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x06]

    let mayHoldKeyAndCertificate: Bool

    init(_ bytes: [UInt8]) {
        // Keys are in bags of their own, whose type is readable; certificates often lie in an encrypted part.
        let hasKey = [1, 2].contains { Self.holds(bytes, Self.bag + [$0]) }
        let hasCertificate = Self.holds(bytes, Self.bag + [3]) || Self.holds(bytes, Self.encryptedData)
        mayHoldKeyAndCertificate = hasKey && hasCertificate
    }

    private static func holds(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        guard bytes.count >= part.count, let first = part.first else { return false }
        for start in 0...(bytes.count - part.count)
        where bytes[start] == first && bytes[start..<start + part.count].elementsEqual(part) {
            return true
        }
        return false
    }
}
