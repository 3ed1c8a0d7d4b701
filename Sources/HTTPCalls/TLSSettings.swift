package import ConnectCore
import Environment
import NIOSSL

/// How a connector trusts a server and shows who it is, from the options that Kafka's clients have for it.
package struct TLSSettings: Sendable {
    /// PEM certificates that are trusted instead of the system's.
    package var trustFile: String?
    /// PEM or PKCS#12 with the client's certificate and key.
    package var keyFile: String?
    package var keyFileType = "PKCS12"
    package var keyFilePassword: String?
    package var keyPassword: String?
    package var verifiesHost = true
    package var verifiesCertificate = true

    package init() {}

    /// Defines the options under a prefix: `https.`, `elastic.https.`.
    package static func define(in definition: inout ConfigDef, prefix: String, group: String? = nil) {
        func define(_ name: String, _ kind: ConfigDef.Kind, _ value: ConfigDef.Default, _ text: String) {
            definition.define(prefix + name, kind, value, nil, .medium, text, group: group)
        }
        define(
            "ssl.truststore.location", .string, .null,
            "A PEM file with the certificates to trust. Without it the system's.")
        define("ssl.truststore.password", .password, .null, "Not needed: PEM files of certificates have none.")
        define("ssl.truststore.type", .string, .value(.string("PEM")), "PEM.")
        define("ssl.keystore.location", .string, .null, "The file with the client's certificate and key.")
        define("ssl.keystore.password", .password, .null, "The password of that file.")
        define("ssl.keystore.type", .string, .value(.string("PKCS12")), "PKCS12 or PEM.")
        define("ssl.key.password", .password, .null, "The password of the key in it.")
        define("ssl.protocol", .string, .value(.string("TLSv1.3")), "Taken, but versions are agreed on: 1.2 or 1.3.")
        define(
            "ssl.endpoint.identification.algorithm", .string, .value(.string("https")),
            "https: the server's name has to be in its certificate. Empty: any name will do.")
    }

    /// - Throws: `.config` for kinds of files that cannot be read here.
    package init(_ values: ConfigValues, prefix: String) throws(ConnectError) {
        func text(_ name: String) -> String? { values.text(prefix + "ssl." + name) }
        trustFile = text("truststore.location")
        // A type that nobody wrote down says nothing: what is in the file does.
        if let type = values.originals[prefix + "ssl.truststore.type"], trustFile != nil, type.uppercased() != "PEM" {
            throw .config(
                prefix + "ssl.truststore.type", type,
                "only PEM can be read; export the certificates with: keytool -exportcert -rfc")
        }
        keyFile = text("keystore.location")
        keyFileType = (text("keystore.type") ?? keyFileType).uppercased()
        guard ["PEM", "PKCS12"].contains(keyFileType) else {
            throw .config(prefix + "ssl.keystore.type", keyFileType, "only PKCS12 and PEM can be read")
        }
        keyFilePassword = text("keystore.password")
        keyPassword = text("key.password")
        verifiesHost = values.originals[prefix + "ssl.endpoint.identification.algorithm"].map { !$0.isEmpty } ?? true
    }

    /// Reads the files.
    ///
    /// - Throws: `.config` with the file that cannot be read.
    func configuration() throws(ConnectError) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if !verifiesHost { configuration.certificateVerification = .noHostnameVerification }
        if !verifiesCertificate { configuration.certificateVerification = .none }
        if let trustFile {
            let bytes = try contents(trustFile)
            do {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(bytes))
            } catch {
                throw .config("'\(trustFile)' holds no PEM certificates")
            }
        }
        guard let keyFile else { return configuration }
        let bytes = try contents(keyFile)
        do {
            if keyFileType == "PKCS12" {
                let bundle = try NIOSSLPKCS12Bundle(buffer: bytes, passphrase: (keyFilePassword ?? "").utf8)
                configuration.certificateChain = bundle.certificateChain.map { .certificate($0) }
                configuration.privateKey = .privateKey(bundle.privateKey)
            } else {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(bytes).map { .certificate($0) }
                let password = Array((keyPassword ?? keyFilePassword ?? "").utf8)
                configuration.privateKey = .privateKey(
                    try NIOSSLPrivateKey(bytes: bytes, format: .pem) { setPassword in setPassword(password) })
            }
        } catch {
            throw .config(
                "'\(keyFile)' holds no certificate and key of type \(keyFileType), or its password is another")
        }
        return configuration
    }

    private func contents(_ path: String) throws(ConnectError) -> [UInt8] {
        do throws(DiskError) { return try StreamFile.contents(path, byteCountMax: 16 << 20) } catch {
            throw .config("'\(path)' cannot be read: \(error.reason)")
        }
    }
}
