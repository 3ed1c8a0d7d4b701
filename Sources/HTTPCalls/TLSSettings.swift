package import ConnectCore
import NIOSSL
import Security

/// How a connector trusts a server and shows who it is, from the options that Kafka's clients have for it.
package struct TLSSettings: Sendable {
    /// Certificates that are trusted instead of the system's: PEM, PKCS#12 or JKS.
    package var trustFile: String?
    package var trustFilePassword: String?
    /// The client's certificate and key: PEM, PKCS#12 or JKS.
    package var keyFile: String?
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
            "A file with the certificates to trust. Without it the system's.")
        define("ssl.truststore.password", .password, .null, "The password of that file; PEM has none.")
        define(
            "ssl.truststore.type", .string, .value(.string("PEM")), "PEM, PKCS12 or JKS; what is in the file counts.")
        define("ssl.keystore.location", .string, .null, "The file with the client's certificate and key.")
        define("ssl.keystore.password", .password, .null, "The password of that file.")
        define(
            "ssl.keystore.type", .string, .value(.string("PKCS12")),
            "PKCS12, JKS or PEM; what is in the file counts.")
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
        trustFilePassword = text("truststore.password")
        keyFile = text("keystore.location")
        for name in ["truststore", "keystore"] {
            guard let type = text(name + ".type"), !StoreFile.types.contains(type.uppercased()) else { continue }
            throw .config(
                prefix + "ssl.\(name).type", type,
                "stores of the types \(StoreFile.types.joined(separator: ", ")) can be read")
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
        do throws(KeyStoreError) {
            if let trustFile {
                configuration.trustRoots = .certificates(
                    try StoreFile.trusted(
                        try StoreFile.contents(trustFile), password: trustFilePassword, named: "'\(trustFile)'"))
            }
            guard let keyFile else { return configuration }
            let identity = try TLSIdentity(
                try StoreFile.contents(keyFile), password: keyFilePassword, keyPassword: keyPassword,
                named: "'\(keyFile)'")
            configuration.certificateChain = identity.chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(identity.key)
            return configuration
        } catch { throw .config("\(error)") }
    }
}
