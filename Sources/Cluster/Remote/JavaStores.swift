import Security

/// Stores of Java's clients as texts of PEM, which librdkafka takes instead: it knows neither trust stores nor JKS, and of PKCS#12
/// what OpenSSL reads without its old ciphers.
///
/// - SeeAlso: upstream `SslConfigs`; the types are those of `ssl.truststore.type` and `ssl.keystore.type`.
enum JavaStores {
    /// The authorities of the trust store; nil when it is PEM, or a file that cannot be read, of which librdkafka tells.
    ///
    /// - Throws: `.invalidConfig`, naming the file.
    static func trusted(_ properties: [String: String]) throws(ClusterError) -> String? {
        guard let path = text("ssl.truststore.location", properties),
            let bytes = store(path)
        else { return nil }
        do throws(KeyStoreError) {
            return try StoreFile.pem(
                try StoreFile.trusted(
                    bytes, password: text("ssl.truststore.password", properties), named: "'\(path)'"))
        } catch {
            throw ClusterError(.invalidConfig, "ssl.truststore.location: \(error.message)", hint: error.hint)
        }
    }

    /// Certificates and key of the key store; nil when it is PEM, or a file that cannot be read, of which librdkafka tells.
    ///
    /// - Throws: `.invalidConfig`, naming the file.
    static func identity(_ properties: [String: String]) throws(ClusterError) -> (chain: String, key: String)? {
        guard let path = text("ssl.keystore.location", properties),
            let bytes = store(path)
        else { return nil }
        do throws(KeyStoreError) {
            return try TLSIdentity(
                bytes, password: text("ssl.keystore.password", properties),
                keyPassword: text("ssl.key.password", properties), named: "'\(path)'"
            ).pem
        } catch {
            throw ClusterError(.invalidConfig, "ssl.keystore.location: \(error.message)", hint: error.hint)
        }
    }

    /// What is in a file that is no PEM, whatever its type is said to be.
    private static func store(_ path: String) -> [UInt8]? {
        guard let bytes = try? StoreFile.contents(path), !StoreFile.isPEM(bytes) else { return nil }
        return bytes
    }

    /// Whether a file can be read and is PEM.
    static func isPEM(_ path: String) -> Bool { (try? StoreFile.contents(path)).map(StoreFile.isPEM) ?? false }

    private static func text(_ name: String, _ properties: [String: String]) -> String? {
        properties[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
