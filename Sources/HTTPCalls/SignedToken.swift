import Bytes
package import ConnectCore
import Crypto
import CryptoExtras
package import JSONFormat

/// An RSA key with which a client shows who it is.
package struct SigningKey: Sendable {
    private let key: _RSA.Signing.PrivateKey
    /// The public half as X.509's SubjectPublicKeyInfo in DER, of which services show fingerprints.
    package let publicKeyDER: [UInt8]

    /// Reads a private key of at least 2048 bits.
    ///
    /// - Parameters:
    ///   - pem: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`), or PKCS#8 under a password (`ENCRYPTED PRIVATE KEY`,
    ///     PBES2). Line breaks may be written as `\n`, as configurations do.
    ///   - password: of an encrypted key; passed over for others.
    /// - Throws: `.config` for what is none of these, or has another password. Says nothing of the text.
    package init(pem: String, password: String? = nil) throws(ConnectError) {
        let pem = Self.trimmed(pem.replacing("\\n", with: "\n").replacing("\r", with: ""))
        let isEncrypted = pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED")
        guard pem.contains("BEGIN PRIVATE KEY") || pem.contains("BEGIN RSA PRIVATE KEY") || isEncrypted else {
            throw .config("the private key is no RSA key in PEM, which begins with -----BEGIN PRIVATE KEY-----")
        }
        if isEncrypted {
            guard let password, !password.isEmpty else {
                throw .config("the private key is encrypted, and no password for it is given")
            }
            let bytes = Array(password.utf8)
            do {
                key = try _RSA.Signing.PrivateKey(encryptedPEMRepresentation: pem) { $0(bytes) }
            } catch {
                // The library's reasons are numbers of its own.
                throw .config(
                    "the private key cannot be read: its password is another, or it is no RSA key under PBES2")
            }
            guard key.keySizeInBits >= 2048 else {
                throw .config("the private key has fewer than 2048 bits")
            }
        } else {
            do { key = try _RSA.Signing.PrivateKey(pemRepresentation: pem) } catch {
                throw .config("the private key cannot be read: it is no RSA key of at least 2048 bits in PEM")
            }
        }
        publicKeyDER = Array(key.publicKey.derRepresentation)
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2).
    ///
    /// - Throws: `.config` when the key cannot sign, which a damaged one cannot.
    package func signature(_ bytes: [UInt8]) throws(ConnectError) -> [UInt8] {
        do {
            return try key.signature(for: SHA256.hash(data: bytes), padding: .insecurePKCS1v1_5)
                .withUnsafeBytes { Array($0) }
        } catch {
            throw .config("the private key cannot sign: it is damaged")
        }
    }

    private static func trimmed(_ text: String) -> String {
        var text = text[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text + "\n"
    }
}

/// A JSON Web Token (RFC 7519) in its compact form, signed as RS256 (RFC 7518, section 3.3).
package enum SignedToken {
    /// - Parameters:
    ///   - claims: in the order in which they are written; times are seconds since 1970.
    ///   - keyID: the header's `kid`.
    /// - Throws: as `SigningKey.signature` does.
    package static func rs256(
        _ claims: [(String, JSONValue)], keyID: String? = nil, key: SigningKey
    ) throws(ConnectError) -> String {
        var header: [(String, JSONValue)] = [("alg", .string("RS256")), ("typ", .string("JWT"))]
        if let keyID { header.append(("kid", .string(keyID))) }
        let signed = base64URL(JSONValue.object(header).bytes) + "." + base64URL(JSONValue.object(claims).bytes)
        return signed + "." + base64URL(try key.signature(Array(signed.utf8)))
    }

    /// RFC 4648, section 5, without padding.
    static func base64URL(_ bytes: [UInt8]) -> String {
        Base64.encode(bytes).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
