import Glibc
import NIOCore
import NIOSSL
import OAuthCalls
import Security

/// How connections of our own are protected, and who comes over them, by librdkafka's names of properties.
struct ConnectionSecurity: Sendable {
    enum Mechanism: String, Sendable, CaseIterable {
        case plain = "PLAIN"
        case scramSHA256 = "SCRAM-SHA-256"
        case scramSHA512 = "SCRAM-SHA-512"
        case oauthBearer = "OAUTHBEARER"
    }

    struct Credentials: Sendable {
        var mechanism: Mechanism
        var user: String
        var password: String
        /// Whether these are id and HMAC of a delegation token.
        var isByToken = false
        /// Of OAUTHBEARER, in place of user and password.
        var tokens: TokenSource?
        /// What goes along with a token (KIP-342).
        var extensions: [String: String] = [:]

        /// Who comes, for messages.
        var words: String
    }

    /// nil without TLS.
    let tls: NIOSSLContext?
    /// nil without SASL.
    let credentials: Credentials?

    /// Reads the files that the properties name.
    ///
    /// - Throws: `.unsupportedVersion` for mechanisms that are not there, `.invalidConfig` for what cannot be used.
    init(_ properties: [String: String]) throws(ClusterError) {
        let security = (properties["security.protocol"] ?? "plaintext").lowercased()
        guard ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"].contains(security) else {
            throw ClusterError(.invalidConfig, "there is no security.protocol '\(security)'")
        }
        tls = security.hasSuffix("ssl") ? try Self.context(properties) : nil
        guard security.hasPrefix("sasl") else {
            credentials = nil
            return
        }
        let name = properties["sasl.mechanism"] ?? properties["sasl.mechanisms"] ?? "GSSAPI"
        guard let mechanism = Mechanism(rawValue: name.uppercased()) else {
            let known = Mechanism.allCases.map(\.rawValue).joined(separator: ", ")
            throw ClusterError(
                .unsupportedVersion, "requests of our own with the SASL mechanism \(name) are not possible",
                hint: "sasl.mechanism can be one of \(known)")
        }
        let user = properties["sasl.username"] ?? ""
        guard mechanism == .oauthBearer else {
            let isByToken = properties[RemoteConfiguration.tokenAuthName] == "true"
            guard !isByToken || mechanism != .plain else {
                throw ClusterError(
                    .invalidConfig, "delegation tokens do not go with sasl.mechanism=PLAIN",
                    hint: "set it to SCRAM-SHA-256 or SCRAM-SHA-512")
            }
            credentials = Credentials(
                mechanism: mechanism, user: user, password: properties["sasl.password"] ?? "", isByToken: isByToken,
                words: isByToken ? "delegation token '\(user)'" : "'\(user)'")
            return
        }
        let origin: TokenOrigin
        do throws(OAuthFailure) { origin = try TokenOrigin(clientProperties: properties) } catch {
            throw ClusterError(.invalidConfig, error.message)
        }
        credentials = Credentials(
            mechanism: mechanism, user: "", password: "", tokens: .shared(origin),
            extensions: try Self.extensions(properties["sasl.oauthbearer.extensions"] ?? ""), words: origin.words)
    }

    /// `NAME=VALUE,NAME=VALUE`
    private static func extensions(_ text: String) throws(ClusterError) -> [String: String] {
        var found: [String: String] = [:]
        for pair in text.split(separator: ",") {
            let sides = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard sides.count == 2 else {
                throw ClusterError(.invalidConfig, "sasl.oauthbearer.extensions are written as NAME=VALUE,NAME=VALUE")
            }
            let name = sides[0].filter { $0 != " " }
            if let problem = OAuthBearerMessage.problem(withExtension: name, sides[1]) {
                throw ClusterError(.invalidConfig, "sasl.oauthbearer.extensions: '\(name)' cannot be sent: \(problem)")
            }
            found[name] = sides[1]
        }
        return found
    }

    /// The handler for a connection; nil without TLS.
    func handler(host: String) throws -> NIOSSLClientHandler? {
        guard let tls else { return nil }
        // An address is compared with the addresses of the certificate, and has no place in SNI.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : host)
    }

    private static func context(_ properties: [String: String]) throws(ClusterError) -> NIOSSLContext {
        for name in ["ssl.crl.location", "ssl.engine.location"] where properties[name]?.isEmpty == false {
            throw ClusterError(.unsupportedVersion, "requests of our own with \(name) are not possible")
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        let verification = properties["enable.ssl.certificate.verification"]?.lowercased() ?? "true"
        if ["false", "0", "f"].contains(verification) {
            configuration.certificateVerification = .none
        } else if properties["ssl.endpoint.identification.algorithm"]?.lowercased() == "none" {
            configuration.certificateVerification = .noHostnameVerification
        }
        func text(_ name: String) -> String? { properties[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let pem = text("ssl.ca.pem") {
            configuration.trustRoots = .certificates(
                try read { () throws(KeyStoreError) in
                    try StoreFile.trusted(Array(pem.utf8), password: nil, named: "ssl.ca.pem")
                })
        } else if let path = text("ssl.ca.location"), path != "probe" {
            configuration.trustRoots = try trusted(path)
        }
        let password = text("ssl.key.password")
        if let path = text("ssl.keystore.location") {
            let identity = try read { () throws(KeyStoreError) in
                try TLSIdentity(
                    try StoreFile.contents(path), password: text("ssl.keystore.password"), keyPassword: password,
                    named: "'\(path)'")
            }
            show(identity, in: &configuration)
        }
        if let chain = try pem("ssl.certificate.location", "ssl.certificate.pem", text) {
            guard let key = try pem("ssl.key.location", "ssl.key.pem", text) else {
                throw ClusterError(
                    .invalidConfig, "\(chain.name) is a certificate without a key",
                    hint: "name its key with ssl.key.location or ssl.key.pem")
            }
            let identity = try read { () throws(KeyStoreError) in
                try TLSIdentity(chain: chain.bytes, key: key.bytes, password, named: chain.name)
            }
            show(identity, in: &configuration)
        } else if try pem("ssl.key.location", "ssl.key.pem", text) != nil {
            throw ClusterError(
                .invalidConfig, "there is a key of TLS without a certificate",
                hint: "name its certificate with ssl.certificate.location or ssl.certificate.pem")
        }
        let trusted = text("ssl.ca.location") ?? "the configuration of TLS"
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw ClusterError(
                .invalidConfig, "'\(trusted)' cannot be used for TLS: there is no certificate in it that can be read")
        }
    }

    private static func show(_ identity: TLSIdentity, in configuration: inout TLSConfiguration) {
        configuration.certificateChain = identity.chain.map { .certificate($0) }
        configuration.privateKey = .privateKey(identity.key)
    }

    /// A file or text of PEM; nil when neither is named.
    private static func pem(
        _ location: String, _ inline: String, _ text: (String) -> String?
    ) throws(ClusterError) -> (bytes: [UInt8], name: String)? {
        if let path = text(location) {
            return (try read { () throws(KeyStoreError) in try StoreFile.contents(path) }, "'\(path)'")
        }
        return text(inline).map { (Array($0.utf8), inline) }
    }

    /// Authorities of a file, or of a folder as OpenSSL has them.
    private static func trusted(_ path: String) throws(ClusterError) -> NIOSSLTrustRoots {
        if let folder = opendir(path) {
            closedir(folder)
            return .file(path)
        }
        return .certificates(
            try read { () throws(KeyStoreError) in
                try StoreFile.trusted(try StoreFile.contents(path), password: nil, named: "'\(path)'")
            })
    }

    private static func read<Value>(
        _ body: () throws(KeyStoreError) -> Value
    ) throws(ClusterError) -> Value {
        do throws(KeyStoreError) { return try body() } catch {
            throw ClusterError(.invalidConfig, "TLS: \(error.message)", hint: error.hint)
        }
    }
}

extension ClusterError {
    /// Why TLS failed; nil for what is no failure of TLS.
    init?(tls error: any Error, _ address: BrokerAddress) {
        switch error {
        case is NIOSSLExtraError:
            self.init(
                .invalidConfig, "the certificate of \(address) is for another host",
                hint: "name the broker as its certificate does; ssl.endpoint.identification.algorithm= takes any name")
        case NIOSSLError.uncleanShutdown: return nil
        case NIOSSLError.unableToValidateCertificate, NIOSSLError.noCertificateToValidate:
            self.init(untrusted: address)
        case let error as NIOSSLError:
            guard case .handshakeFailed(let reason) = error else {
                self.init(.networkException, "TLS with \(address) failed: \(error)")
                return
            }
            // What BoringSSL names its reasons is all that it tells of them.
            let words = "\(reason)"
            if words.contains("CERTIFICATE_VERIFY_FAILED") {
                self.init(untrusted: address)
            } else if words.contains("WRONG_VERSION_NUMBER") || words.contains("EOF during handshake") {
                self.init(
                    .networkException, "\(address) does not speak TLS, or closed the connection",
                    hint: "without TLS, security.protocol is PLAINTEXT or SASL_PLAINTEXT")
            } else {
                self.init(.networkException, "TLS with \(address) failed: \(words)")
            }
        case is BoringSSLError: self.init(.networkException, "TLS with \(address) failed: \(error)")
        default: return nil
        }
    }

    private init(untrusted address: BrokerAddress) {
        self.init(
            .invalidConfig, "the certificate of \(address) is not trusted",
            hint: "name its authority with ssl.truststore.location and ssl.truststore.type=PEM")
    }
}
