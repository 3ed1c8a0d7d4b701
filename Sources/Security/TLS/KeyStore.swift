import Bytes
import Glibc
package import NIOSSL

/// Why a server has no TLS: which property, what is wrong with it, what to do.
package struct KeyStoreError: Error, CustomStringConvertible {
    package var message: String
    package var hint: String?
    package var description: String { message + (hint.map { ": " + $0 } ?? "") }

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}

/// A server's certificate and key, and whose clients it trusts, by Kafka's names of properties.
///
/// | property | |
/// |---|---|
/// | `ssl.keystore.location`, `ssl.keystore.password`, `ssl.key.password` | a file with certificates and key: PEM or PKCS#12 |
/// | `ssl.keystore.certificate.chain`, `ssl.keystore.key` | the same as texts of PEM |
/// | `ssl.keystore.type`, `ssl.truststore.type` | PEM or PKCS12; what is in the file counts |
/// | `ssl.truststore.location`, `ssl.truststore.certificates` | PEM: who may have issued certificates of clients |
/// | `ssl.client.auth`, `ssl.client.authentication` | none, requested, required; true and false are the last and the first |
/// | `ssl.enabled.protocols` | TLSv1.2, TLSv1.3 |
///
/// - SeeAlso: upstream `SslConfigs`, `DefaultSslEngineFactory`; KIP-651 (PEM); `RestConfig` of rest-utils.
package struct KeyStore: Sendable {
    package enum ClientCertificates: Sendable { case none, requested, required }

    package let clientCertificates: ClientCertificates
    private let values: [String: String]
    private let versions: (min: TLSVersion, max: TLSVersion)
    private static let byteCountMax = 4 << 20

    /// Looks at the properties, not yet at the files.
    ///
    /// - Throws: for values that are none, and when there is no certificate.
    package init(_ properties: [String: String]) throws(KeyStoreError) {
        values = properties.filter { !$0.value.isEmpty }
        versions = try Self.versions(values["ssl.enabled.protocols"])
        clientCertificates = try Self.clientCertificates(values)
        let isInline = values["ssl.keystore.certificate.chain"] != nil
        guard isInline || values["ssl.keystore.location"] != nil else {
            throw KeyStoreError(
                "https needs a certificate, and ssl.keystore.location names none",
                hint: "name a PEM file with certificate and key with ssl.keystore.location=FILE")
        }
        if isInline, values["ssl.keystore.key"] == nil {
            throw KeyStoreError("ssl.keystore.certificate.chain is set, and ssl.keystore.key is not")
        }
        for name in ["ssl.keystore.type", "ssl.truststore.type"] {
            guard let type = values[name] else { continue }
            guard ["PEM", "PKCS12", "JKS"].contains(type.uppercased()) else {
                throw KeyStoreError("\(name) is '\(type)'", hint: "PEM and PKCS12 can be read")
            }
        }
        for name in ["ssl.cipher.suites", "ssl.engine.factory.class", "ssl.provider"] where values[name] != nil {
            throw KeyStoreError("\(name) cannot be chosen: TLS 1.2 and 1.3 have safe defaults", hint: "leave it out")
        }
        if clientCertificates != .none, values["ssl.truststore.location"] == nil,
            values["ssl.truststore.certificates"] == nil
        {
            throw KeyStoreError(
                "certificates of clients are asked for, and nothing says whose are trusted",
                hint: "name a PEM file of their authorities with ssl.truststore.location=FILE")
        }
    }

    /// Whether a property is one of these.
    package static func isKnown(_ name: String) -> Bool { names.contains(name) }

    package static let names = [
        "ssl.keystore.location", "ssl.keystore.type", "ssl.keystore.password", "ssl.keystore.key",
        "ssl.keystore.certificate.chain", "ssl.key.password", "ssl.truststore.location", "ssl.truststore.type",
        "ssl.truststore.password", "ssl.truststore.certificates", "ssl.client.auth", "ssl.client.authentication",
        "ssl.enabled.protocols", "ssl.protocol", "ssl.cipher.suites", "ssl.provider", "ssl.engine.factory.class",
        "ssl.keystore.reload", "ssl.keystore.watch.location", "ssl.endpoint.identification.algorithm",
        "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.secure.random.implementation",
    ]

    /// Certificate chain and private key.
    package struct Identity: Sendable {
        package let chain: [NIOSSLCertificate]
        package let key: NIOSSLPrivateKey
        /// Whether they come from a PKCS#12 file. It is read at the start alone: the library ends the program for one whose
        /// key has no certificate, which a server that works must not be exposed to.
        package let isPKCS12: Bool
    }

    /// The files that are named.
    package var files: [String] {
        [values["ssl.keystore.location"], values["ssl.truststore.location"]].compactMap { $0 }
    }

    /// The files that a change of changes the configuration while the server runs.
    ///
    /// - Parameter identity: as it was read at the start.
    package func watchedFiles(_ identity: Identity) -> [String] {
        [identity.isPKCS12 ? nil : values["ssl.keystore.location"], values["ssl.truststore.location"]].compactMap { $0 }
    }

    /// Reads the files, but for an identity that is read already. What is missing in a configuration for a protocol (ALPN) is the caller's to add.
    ///
    /// - Throws: what cannot be read or does not fit together, with the file's name.
    package func configuration(_ known: Identity? = nil) throws(KeyStoreError) -> TLSConfiguration {
        let identity = if let known { known } else { try self.identity() }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: identity.chain.map { .certificate($0) }, privateKey: .privateKey(identity.key))
        configuration.minimumTLSVersion = versions.min
        configuration.maximumTLSVersion = versions.max
        guard clientCertificates != .none else { return configuration }
        configuration.trustRoots = .certificates(try trusted())
        // Names of clients are not those of hosts.
        configuration.certificateVerification =
            clientCertificates == .required ? .noHostnameVerification : .optionalVerification
        return configuration
    }

    /// As a client of other servers of the same kind: shows the same certificate, and trusts whom the trust store names,
    /// or the system's authorities without one.
    package func clientConfiguration() throws(KeyStoreError) -> TLSConfiguration {
        let identity = try self.identity()
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = versions.min
        configuration.maximumTLSVersion = versions.max
        configuration.certificateChain = identity.chain.map { .certificate($0) }
        configuration.privateKey = .privateKey(identity.key)
        if values["ssl.truststore.location"] != nil || values["ssl.truststore.certificates"] != nil {
            configuration.trustRoots = .certificates(try trusted())
        }
        if values["ssl.endpoint.identification.algorithm"]?.lowercased() == "none" {
            configuration.certificateVerification = .noHostnameVerification
        }
        return configuration
    }

    // MARK: Parts

    /// Reads certificate and key.
    ///
    /// - Parameter isStart: whether the server starts; afterwards PKCS#12 is refused.
    /// - Throws: what cannot be read, with the file's name.
    package func identity(isStart: Bool = true) throws(KeyStoreError) -> Identity {
        if let chain = values["ssl.keystore.certificate.chain"], let key = values["ssl.keystore.key"] {
            return try Self.pem(
                Array(chain.utf8), key: Array(key.utf8), values["ssl.key.password"], "ssl.keystore.certificate.chain")
        }
        let path = values["ssl.keystore.location"] ?? ""
        let bytes = try Self.contents(path)
        if Self.isPEM(bytes) {
            return try Self.pem(
                bytes, key: bytes, values["ssl.key.password"] ?? values["ssl.keystore.password"], "'\(path)'")
        }
        try Self.refuseJava(bytes, path)
        guard isStart else {
            throw KeyStoreError(
                "'\(path)' is no PEM, and nothing else is read while the server runs",
                hint: "put PEM there, or restart")
        }
        // The library ends the program for one without a key or without a certificate.
        guard Self.hasKeyAndCertificate(bytes) else {
            throw KeyStoreError(
                "'\(path)' is no key store with a private key", hint: "PEM and PKCS12 with certificate and key are read"
            )
        }
        do {
            let bundle = try NIOSSLPKCS12Bundle(buffer: bytes, passphrase: (values["ssl.keystore.password"] ?? "").utf8)
            return Identity(chain: bundle.certificateChain, key: bundle.privateKey, isPKCS12: true)
        } catch {
            throw KeyStoreError(
                "'\(path)' cannot be read as PKCS12", hint: "is ssl.keystore.password the one of the file?")
        }
    }

    private func trusted() throws(KeyStoreError) -> [NIOSSLCertificate] {
        let path = values["ssl.truststore.location"]
        let name = path.map { "'\($0)'" } ?? "ssl.truststore.certificates"
        let bytes =
            if let path { try Self.contents(path) } else { Array((values["ssl.truststore.certificates"] ?? "").utf8) }
        guard Self.isPEM(bytes) else {
            throw KeyStoreError(
                "\(name) is no PEM",
                hint: "convert it: keytool -list -rfc -keystore \(path ?? "FILE") > trusted.pem (certificates only)")
        }
        do { return try NIOSSLCertificate.fromPEMBytes(bytes) } catch {
            throw KeyStoreError("\(name) has no certificates that can be read")
        }
    }

    private static func pem(
        _ chain: [UInt8], key: [UInt8], _ password: String?, _ name: String
    ) throws(KeyStoreError) -> Identity {
        let certificates: [NIOSSLCertificate]
        do { certificates = try NIOSSLCertificate.fromPEMBytes(chain) } catch {
            throw KeyStoreError("\(name) has no certificates that can be read")
        }
        guard !certificates.isEmpty else { throw KeyStoreError("\(name) has no certificate") }
        do {
            let bytes = Array((password ?? "").utf8)
            let key = try NIOSSLPrivateKey(bytes: key, format: .pem) { set in set(bytes) }
            return Identity(chain: certificates, key: key, isPKCS12: false)
        } catch {
            throw KeyStoreError(
                "\(name) has no private key that can be read",
                hint: "put the key (PKCS#8) behind the certificates; a key with a password needs ssl.key.password")
        }
    }

    private static func contents(_ path: String) throws(KeyStoreError) -> [UInt8] {
        guard let file = fopen(path, "rbe") else {
            throw KeyStoreError("'\(path)' cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            bytes += chunk[..<count]
            guard bytes.count <= byteCountMax else {
                throw KeyStoreError("'\(path)' has more than \(byteCountMax) bytes, which no key store has")
            }
            guard count == chunk.count else { break }
        }
        guard ferror(file) == 0 else { throw KeyStoreError("'\(path)' cannot be read") }
        return bytes
    }

    private static func isPEM(_ bytes: [UInt8]) -> Bool { bytes.firstRange(of: Array("-----BEGIN ".utf8)) != nil }

    private static func refuseJava(_ bytes: [UInt8], _ path: String) throws(KeyStoreError) {
        guard [[0xFE, 0xED, 0xFE, 0xED], [0xCE, 0xCE, 0xCE, 0xCE]].contains(Array(bytes.prefix(4))) else { return }
        throw KeyStoreError(
            "'\(path)' is a key store of Java (JKS), which cannot be read",
            hint: "convert it: keytool -importkeystore -srckeystore \(path) -destkeystore \(path).p12 "
                + "-deststoretype PKCS12")
    }

    /// Whether there are bags with a key and a certificate in a PKCS#12 file: the identifiers of RFC 7292, 4.2, which stand
    /// there readable; certificates may be in an encrypted part (RFC 2315, 13).
    private static func hasKeyAndCertificate(_ bytes: [UInt8]) -> Bool {
        let bag: [UInt8] = [0x06, 0x0B, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01]
        let encrypted: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x06]
        return bytes.first == 0x30
            && (bytes.firstRange(of: bag + [0x02]) != nil || bytes.firstRange(of: bag + [0x01]) != nil)
            && (bytes.firstRange(of: bag + [0x03]) != nil || bytes.firstRange(of: encrypted) != nil)
    }

    private static func versions(_ text: String?) throws(KeyStoreError) -> (TLSVersion, TLSVersion) {
        guard let text else { return (.tlsv12, .tlsv13) }
        let names = text.split(separator: ",").map { $0.filter { $0 != " " }.lowercased() }
        for name in names where name != "tlsv1.2" && name != "tlsv1.3" {
            throw KeyStoreError("ssl.enabled.protocols is '\(text)'", hint: "there are TLSv1.2 and TLSv1.3")
        }
        guard !names.isEmpty else { throw KeyStoreError("ssl.enabled.protocols is empty") }
        return (names.contains("tlsv1.2") ? .tlsv12 : .tlsv13, names.contains("tlsv1.3") ? .tlsv13 : .tlsv12)
    }

    private static func clientCertificates(_ values: [String: String]) throws(KeyStoreError) -> ClientCertificates {
        // rest-utils: the newer name wins.
        let name = values["ssl.client.authentication"] != nil ? "ssl.client.authentication" : "ssl.client.auth"
        switch values[name]?.lowercased() {
        case nil, "none", "false": return .none
        case "requested": return .requested
        case "required", "true": return .required
        case let other?: throw KeyStoreError("\(name) is '\(other)'", hint: "it is NONE, REQUESTED or REQUIRED")
        }
    }
}
