import Bytes
import Environment
package import NIOSSL

/// Files of certificates and keys, and of authorities: PEM, PKCS#12, and Java's JKS. What is in a file says what it is, whatever
/// it was said to be.
package enum StoreFile {
    /// Names of formats that can be read, as `ssl.keystore.type` and `ssl.truststore.type` have them.
    package static let types = ["PEM", "PKCS12", "JKS"]
    private static let byteCountMax = 4 << 20

    /// The bytes of a file.
    ///
    /// - Throws: when it cannot be read, or is longer than any store of certificates.
    package static func contents(_ path: String) throws(KeyStoreError) -> [UInt8] {
        do throws(DiskError) { return try StreamFile.contents(path, byteCountMax: byteCountMax) } catch {
            throw KeyStoreError("'\(path)' cannot be read: \(error.reason)")
        }
    }

    /// The authorities of a file. Of a key store these are what Java trusts by it: entries that are certificates, and certificates
    /// of keys. A PKCS#12 file of another program than Java marks none: then all are, if there is no key.
    ///
    /// - Parameters:
    ///   - password: of a key store; without one what needs none is read, unchecked.
    ///   - name: of the file or setting, for messages.
    /// - Throws: what is wrong with it, and what to do; also when there is none, which would trust nobody.
    package static func trusted(
        _ bytes: [UInt8], password: String?, named name: String
    ) throws(KeyStoreError) -> [NIOSSLCertificate] {
        if isPEM(bytes) { return try certificates(pem: bytes, named: name) }
        let trusted = try read(bytes, password: password, keyPassword: nil, named: name, isTrust: true).trusted
        guard !trusted.isEmpty else {
            throw KeyStoreError(
                "\(name) has no certificate that is trusted",
                hint: "import the authority: keytool -importcert -file CA.pem -keystore FILE")
        }
        return try certificates(der: trusted, named: name)
    }

    /// Certificates as PEM.
    ///
    /// - Throws: when the library cannot write what it has read.
    package static func pem(_ certificates: [NIOSSLCertificate]) throws(KeyStoreError) -> String {
        do { return try certificates.map { PEM.text("CERTIFICATE", try $0.toDERBytes()) }.joined() } catch {
            throw KeyStoreError("a certificate cannot be written as PEM")
        }
    }

    /// Whether there is PEM in a file.
    package static func isPEM(_ bytes: [UInt8]) -> Bool {
        bytes.firstRange(of: Array("-----BEGIN ".utf8)) != nil
    }

    // MARK: Parts

    static func certificates(pem: [UInt8], named name: String) throws(KeyStoreError) -> [NIOSSLCertificate] {
        // Damaged ones are as none: the library's reasons are numbers of its own.
        let found = (try? NIOSSLCertificate.fromPEMBytes(pem)) ?? []
        guard !found.isEmpty else { throw KeyStoreError("\(name) has no certificates that can be read") }
        return found
    }

    static func certificates(der: [[UInt8]], named name: String) throws(KeyStoreError) -> [NIOSSLCertificate] {
        do { return try der.map { try NIOSSLCertificate(bytes: $0, format: .der) } } catch {
            throw KeyStoreError("\(name) has a certificate that cannot be read")
        }
    }

    /// - Parameter isTrust: whether authorities are looked for: keys, which then need no password, and words of messages.
    static func read(
        _ bytes: [UInt8], password: String?, keyPassword: String?, named name: String, isTrust: Bool = false
    ) throws(KeyStoreError) -> StoreContents {
        let store = isTrust ? "trust store" : "key store"
        let setting = isTrust ? "ssl.truststore.password" : "ssl.keystore.password"
        do throws(StoreFailure) {
            if JavaKeyStore.isOne(bytes) {
                return try JavaKeyStore.read(bytes, password: password, keyPassword: keyPassword, readsKeys: !isTrust)
            }
            if PKCS12.isOne(bytes) {
                return try PKCS12.read(bytes, password: password, keyPassword: keyPassword, readsKeys: !isTrust)
            }
        } catch {
            switch error {
            case .malformed: break
            case .wrongPassword:
                throw KeyStoreError(
                    "\(name) cannot be read: the password is another one, or the file is damaged",
                    hint: "is \(setting) the one of the file?")
            case .wrongKeyPassword:
                throw KeyStoreError(
                    "the private key in \(name) cannot be read: its password is another one than that of the file",
                    hint: "set ssl.key.password")
            case .needsPassword:
                throw KeyStoreError("\(name) cannot be read without its password", hint: "set \(setting)")
            case .unsupported(let what):
                throw KeyStoreError(
                    "\(name) cannot be read: it uses \(what)",
                    hint: "write it anew with keytool -importkeystore -deststoretype PKCS12, or use PEM")
            }
        }
        if bytes.starts(with: [0xCE, 0xCE, 0xCE, 0xCE]) {
            throw KeyStoreError(
                "\(name) is a key store of Java's type JCEKS, which cannot be read",
                hint: "convert it: keytool -importkeystore -srckeystore OLD -srcstoretype JCEKS -destkeystore NEW.p12 "
                    + "-deststoretype PKCS12")
        }
        throw KeyStoreError(
            "\(name) is no \(store)",
            hint: isTrust
                ? "PEM, PKCS12 and JKS with certificates are read"
                : "PEM, PKCS12 and JKS with certificate and key are read")
    }
}

/// The textual encoding of keys and certificates (RFC 7468).
enum PEM {
    static func text(_ label: String, _ bytes: [UInt8]) -> String {
        var lines = ["-----BEGIN \(label)-----"]
        var rest = Base64.encode(bytes)[...]
        while !rest.isEmpty {
            lines.append(String(rest.prefix(64)))
            rest = rest.dropFirst(64)
        }
        lines.append("-----END \(label)-----")
        return lines.map { $0 + "\n" }.joined()
    }
}
