package import NIOSSL

/// A certificate, those that vouch for it, and the private key of the first: what somebody shows in TLS. They belong together,
/// which has been tried.
package struct TLSIdentity: Sendable {
    package let chain: [NIOSSLCertificate]
    package let key: NIOSSLPrivateKey

    /// Of a key store, for libraries that take texts.
    private let keyBytes: [UInt8]?

    private init(chain: [NIOSSLCertificate], key: NIOSSLPrivateKey, keyBytes: [UInt8]? = nil) {
        self.chain = chain
        self.key = key
        self.keyBytes = keyBytes
    }

    /// What was read of a key store as PEM: the chain, and the key without a password. nil for what was PEM.
    ///
    /// - Throws: when the library cannot write what it has read.
    package var pem: (chain: String, key: String)? {
        get throws(KeyStoreError) {
            guard let keyBytes else { return nil }
            return (try StoreFile.pem(chain), PEM.text("PRIVATE KEY", keyBytes))
        }
    }

    /// Certificates that are tried for a key.
    private static let tryCountMax = 256

    /// Reads a file with certificates and key, in whichever format it is: PEM, PKCS#12 or Java's JKS. Of several keys the first one
    /// counts that has a certificate.
    ///
    /// - Parameters:
    ///   - bytes: of the file.
    ///   - password: of a key store; of the key in PEM if there is no `keyPassword`.
    ///   - keyPassword: of the key, where it is another.
    ///   - name: of the file, for messages.
    /// - Throws: what is wrong with it, and what to do.
    package init(
        _ bytes: [UInt8], password: String?, keyPassword: String?, named name: String
    ) throws(KeyStoreError) {
        if StoreFile.isPEM(bytes) {
            try self.init(chain: bytes, key: bytes, keyPassword ?? password, named: name)
            return
        }
        let contents = try StoreFile.read(bytes, password: password ?? "", keyPassword: keyPassword, named: name)
        guard !contents.keys.isEmpty else {
            throw KeyStoreError(
                "\(name) is no key store with a private key",
                hint: "PEM, PKCS12 and JKS with certificate and key are read")
        }
        var unusable: KeyStoreError?
        for key in contents.keys {
            do throws(KeyStoreError) {
                if let found = try Self.identity(key, contents, name) {
                    self = found
                    return
                }
            } catch {
                // A store may have keys that are for something else.
                unusable = unusable ?? error
            }
        }
        if let unusable { throw unusable }
        throw KeyStoreError(
            "\(name) has a private key, and no certificate of that key",
            hint: "put the key's own certificate into the file: openssl pkcs12 -export -in CERT.pem -inkey KEY.pem")
    }

    /// Reads PEM: certificates, the key's own first, and the key.
    ///
    /// - Parameters:
    ///   - password: of the key.
    ///   - name: of the file or setting, for messages.
    package init(
        chain: [UInt8], key: [UInt8], _ password: String?, named name: String
    ) throws(KeyStoreError) {
        let certificates = try StoreFile.certificates(pem: chain, named: name)
        let privateKey: NIOSSLPrivateKey
        do {
            // The library ends the program for no bytes at all.
            guard !key.isEmpty else { throw NIOSSLError.failedToLoadPrivateKey }
            let bytes = Array((password ?? "").utf8)
            privateKey = try NIOSSLPrivateKey(bytes: key, format: .pem) { set in set(bytes) }
        } catch {
            throw KeyStoreError(
                "\(name) has no private key that can be read",
                hint: "put the key (PKCS#8) behind the certificates; a key with a password needs ssl.key.password")
        }
        guard let own = certificates.first, Self.belongsTo(own, privateKey) else {
            let isElsewhere = certificates.dropFirst().prefix(Self.tryCountMax).contains {
                Self.belongsTo($0, privateKey)
            }
            throw KeyStoreError(
                "the private key in \(name) does not belong to its "
                    + (certificates.count > 1 ? "first certificate" : "certificate"),
                hint: isElsewhere
                    ? "put the key's own certificate before the others"
                    : "use the key that the certificate was made for")
        }
        self.init(chain: certificates, key: privateKey)
    }

    /// nil for a key without a certificate.
    private static func identity(
        _ key: StoreContents.Key, _ contents: StoreContents, _ name: String
    ) throws(KeyStoreError) -> TLSIdentity? {
        let privateKey: NIOSSLPrivateKey
        do {
            guard !key.bytes.isEmpty else { throw NIOSSLError.failedToLoadPrivateKey }
            privateKey = try NIOSSLPrivateKey(bytes: key.bytes, format: .der)
        } catch {
            throw KeyStoreError(
                "\(name) has a private key of a kind that TLS does not use here",
                hint: "keys are RSA, EC (P-256, P-384, P-521) or Ed25519")
        }
        guard key.chain.isEmpty else {
            let chain = try StoreFile.certificates(der: key.chain, named: name)
            guard let own = chain.first, belongsTo(own, privateKey) else { return nil }
            return TLSIdentity(chain: chain, key: privateKey, keyBytes: key.bytes)
        }
        // Those that the store says are the key's come first.
        let all = contents.certificates.filter { !$0.isTrusted }
        let likely = all.filter { $0.identifier != nil && $0.identifier == key.identifier }
        let others = all.filter { $0.identifier == nil || $0.identifier != key.identifier }
        for candidate in (likely + others).prefix(tryCountMax) {
            let own = try StoreFile.certificates(der: [candidate.bytes], named: name)
            guard let first = own.first, belongsTo(first, privateKey) else { continue }
            let chain = StoreContents.chain(from: candidate.bytes, among: contents.certificates.map(\.bytes))
            return TLSIdentity(
                chain: try StoreFile.certificates(der: chain, named: name), key: privateKey, keyBytes: key.bytes)
        }
        return nil
    }

    /// Whether the key is that of the certificate, as TLS will find.
    private static func belongsTo(_ certificate: NIOSSLCertificate, _ key: NIOSSLPrivateKey) -> Bool {
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(certificate)], privateKey: .privateKey(key))
        return (try? NIOSSLContext(configuration: configuration)) != nil  // it fails for nothing else
    }
}
