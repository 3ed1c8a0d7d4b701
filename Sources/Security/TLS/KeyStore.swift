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
/// | `ssl.keystore.location`, `ssl.keystore.password`, `ssl.key.password` | a file with certificates and key: PEM, PKCS#12 or JKS |
/// | `ssl.keystore.certificate.chain`, `ssl.keystore.key` | the same as texts of PEM |
/// | `ssl.keystore.type`, `ssl.truststore.type` | PEM, PKCS12 or JKS; what is in the file counts |
/// | `ssl.truststore.location`, `ssl.truststore.password` | a file of who may have issued certificates of clients: the same |
/// | `ssl.truststore.certificates` | the same as a text of PEM |
/// | `ssl.client.auth`, `ssl.client.authentication` | none, requested, required; true and false are the last and the first |
/// | `ssl.enabled.protocols` | TLSv1.2, TLSv1.3 |
///
/// - SeeAlso: upstream `SslConfigs`, `DefaultSslEngineFactory`; KIP-651 (PEM); `RestConfig` of rest-utils.
package struct KeyStore: Sendable {
    package enum ClientCertificates: Sendable { case none, requested, required }

    package let clientCertificates: ClientCertificates
    private let values: [String: String]
    private let versions: (min: TLSVersion, max: TLSVersion)

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
            guard StoreFile.types.contains(type.uppercased()) else {
                throw KeyStoreError("\(name) is '\(type)'", hint: "PEM, PKCS12 and JKS can be read")
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
                hint: "name a file of their authorities with ssl.truststore.location=FILE")
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

    /// The files that are named.
    package var files: [String] {
        [values["ssl.keystore.location"], values["ssl.truststore.location"]].compactMap { $0 }
    }

    /// Reads the files. What is missing in a configuration for a protocol (ALPN) is the caller's to add.
    ///
    /// - Throws: what cannot be read or does not fit together, with the file's name.
    package func configuration() throws(KeyStoreError) -> TLSConfiguration {
        let identity = try self.identity()
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

    private func identity() throws(KeyStoreError) -> TLSIdentity {
        if let chain = values["ssl.keystore.certificate.chain"], let key = values["ssl.keystore.key"] {
            return try TLSIdentity(
                chain: Array(chain.utf8), key: Array(key.utf8), values["ssl.key.password"],
                named: "ssl.keystore.certificate.chain")
        }
        let path = values["ssl.keystore.location"] ?? ""
        return try TLSIdentity(
            try StoreFile.contents(path), password: values["ssl.keystore.password"],
            keyPassword: values["ssl.key.password"], named: "'\(path)'")
    }

    private func trusted() throws(KeyStoreError) -> [NIOSSLCertificate] {
        guard let path = values["ssl.truststore.location"] else {
            return try StoreFile.trusted(
                Array((values["ssl.truststore.certificates"] ?? "").utf8), password: nil,
                named: "ssl.truststore.certificates")
        }
        return try StoreFile.trusted(
            try StoreFile.contents(path), password: values["ssl.truststore.password"], named: "'\(path)'")
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
