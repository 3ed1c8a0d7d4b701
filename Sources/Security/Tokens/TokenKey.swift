import Bytes
import Crypto
import CryptoExtras
package import JSONFormat

/// How a token is signed (RFC 7518, section 3.1): with keys of which the public half checks. Symmetric algorithms and `none`
/// are not here, and so nothing can ask for them.
package enum TokenAlgorithm: String, CaseIterable, Hashable, Sendable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
}

/// The public half of a key that signs tokens.
package struct TokenKey: Sendable {
    private enum Material: Sendable {
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
    }

    /// `kid`: what tokens call it; nil for a key without a name.
    package let id: String?
    private let material: Material
    /// `alg`: the only one that the key is for; nil for all that go with its kind.
    private let algorithm: TokenAlgorithm?

    /// Of a modulus, in bytes: 16384 bits. The check of a signature takes the longer the longer it is.
    private static let modulusByteCountMax = 2048
    /// What BoringSSL takes, 33 bits, fits in.
    private static let exponentByteCountMax = 5
    /// Longest name of a key that is looked at, as upstream's `MISSING_KEY_ID_MAX_KEY_LENGTH`.
    static let idByteCountMax = 1000

    /// Reads a JSON Web Key (RFC 7517, section 4; RFC 7518, section 6).
    ///
    /// - Returns: nil for what checks no signatures of these algorithms: keys for encryption, symmetric keys, other curves,
    ///   RSA keys of fewer than 2048 bits, and what is damaged. Sets of keys have those beside others.
    package init?(_ jwk: JSONValue) {
        if let use = jwk["use"], use.text != "sig" { return nil }
        if let operations = jwk["key_ops"], operations.elements?.contains(where: { $0.text == "verify" }) != true {
            return nil
        }
        if let kid = jwk["kid"] {
            guard let text = kid.text, text.utf8.count <= Self.idByteCountMax else { return nil }
            id = text
        } else {
            id = nil
        }
        if let name = jwk["alg"] {
            guard let known = name.text.flatMap(TokenAlgorithm.init(rawValue:)) else { return nil }
            algorithm = known
        } else {
            algorithm = nil
        }
        switch jwk["kty"]?.text {
        case "RSA":
            // Why the library refuses a key, it says in numbers of its own.
            guard let modulus = Self.bytes(jwk["n"], Self.modulusByteCountMax),
                let exponent = Self.bytes(jwk["e"], Self.exponentByteCountMax),
                let key = try? _RSA.Signing.PublicKey(n: modulus, e: exponent)
            else { return nil }
            material = .rsa(key)
        case "EC":
            guard let (size, curve) = Self.curve(jwk["crv"]?.text), let x = Self.bytes(jwk["x"], size),
                let y = Self.bytes(jwk["y"], size), let made = curve(Self.padded(x, size) + Self.padded(y, size))
            else { return nil }
            material = made
        default: return nil
        }
    }

    /// The length of a coordinate in bytes, and what makes a key of both.
    private static func curve(_ name: String?) -> (size: Int, make: ([UInt8]) -> Material?)? {
        // A point that is not on its curve is refused by the library.
        switch name {
        case "P-256": (32, { (try? P256.Signing.PublicKey(rawRepresentation: $0)).map { .p256($0) } })
        case "P-384": (48, { (try? P384.Signing.PublicKey(rawRepresentation: $0)).map { .p384($0) } })
        case "P-521": (66, { (try? P521.Signing.PublicKey(rawRepresentation: $0)).map { .p521($0) } })
        default: nil
        }
    }

    private static func bytes(_ value: JSONValue?, _ countMax: Int) -> [UInt8]? {
        guard let text = value?.text, !text.isEmpty, text.utf8.count <= countMax * 2,
            let bytes = Base64.decode(text), !bytes.isEmpty, bytes.count <= countMax
        else { return nil }
        return bytes
    }

    private static func padded(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
        [UInt8](repeating: 0, count: count - bytes.count) + bytes
    }

    /// Whether signatures of the algorithm can be of this key.
    package func takes(_ wanted: TokenAlgorithm) -> Bool {
        if let algorithm, algorithm != wanted { return false }
        return switch (material, wanted) {
        case (.rsa, .rs256), (.rsa, .rs384), (.rsa, .rs512), (.rsa, .ps256), (.rsa, .ps384), (.rsa, .ps512): true
        case (.p256, .es256), (.p384, .es384), (.p521, .es512): true
        default: false
        }
    }

    /// Checks a signature. Takes some ten microseconds, with the longest keys a millisecond.
    ///
    /// - Parameter signature: of elliptic curves r and s one behind the other (RFC 7518, section 3.4).
    package func verifies(_ signature: [UInt8], of bytes: [UInt8], _ wanted: TokenAlgorithm) -> Bool {
        guard takes(wanted) else { return false }
        switch material {
        case .rsa(let key):
            // The library compares lengths itself; a longer signature is no smaller work.
            guard signature.count <= Self.modulusByteCountMax else { return false }
            let given = _RSA.Signing.RSASignature(rawRepresentation: signature)
            return switch wanted {
            case .rs256: key.isValidSignature(given, for: SHA256.hash(data: bytes), padding: .insecurePKCS1v1_5)
            case .rs384: key.isValidSignature(given, for: SHA384.hash(data: bytes), padding: .insecurePKCS1v1_5)
            case .rs512: key.isValidSignature(given, for: SHA512.hash(data: bytes), padding: .insecurePKCS1v1_5)
            case .ps256: key.isValidSignature(given, for: SHA256.hash(data: bytes), padding: .PSS)
            case .ps384: key.isValidSignature(given, for: SHA384.hash(data: bytes), padding: .PSS)
            case .ps512: key.isValidSignature(given, for: SHA512.hash(data: bytes), padding: .PSS)
            case .es256, .es384, .es512: false
            }
        case .p256(let key):
            guard let given = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(given, for: SHA256.hash(data: bytes))
        case .p384(let key):
            guard let given = try? P384.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(given, for: SHA384.hash(data: bytes))
        case .p521(let key):
            guard let given = try? P521.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
            return key.isValidSignature(given, for: SHA512.hash(data: bytes))
        }
    }
}

/// The keys of an issuer: a JSON Web Key Set (RFC 7517, section 5).
package struct TokenKeySet: Sendable {
    package struct Malformed: Error, Equatable, CustomStringConvertible {
        package var description: String
    }

    /// Of a text; those of issuers have a few thousand.
    package static let byteCountMax = 1 << 20
    private static let keyCountMax = 256
    /// Keys that a signature is tried with, when several may be meant.
    static let candidateCountMax = 8

    package let keys: [TokenKey]

    package init(_ keys: [TokenKey]) { self.keys = keys }

    /// A set may have no key that checks signatures: then nothing is signed any more that it is asked for.
    ///
    /// - Throws: `Malformed` for what is no set.
    package init(_ bytes: [UInt8]) throws(Malformed) {
        guard bytes.count <= Self.byteCountMax else {
            throw Malformed(description: "the set of keys is longer than \(Self.byteCountMax) bytes")
        }
        let read: JSONValue
        do throws(JSONError) { read = try JSONValue.read(bytes.span.bytes, duplicates: .refuse, depthMax: 16) } catch {
            throw Malformed(description: "the set of keys is no JSON: \(error.message)")
        }
        guard let elements = read["keys"]?.elements else {
            throw Malformed(description: "it is no set of keys, which has a list 'keys' (RFC 7517)")
        }
        guard elements.count <= Self.keyCountMax else {
            throw Malformed(description: "the set has \(elements.count) keys, more than \(Self.keyCountMax)")
        }
        keys = elements.compactMap { TokenKey($0) }
    }

    /// Keys by which a token with this header may be signed, not more than a few.
    package func candidates(_ id: String?, _ algorithm: TokenAlgorithm) -> [TokenKey] {
        Array(keys.lazy.filter { $0.takes(algorithm) && (id == nil || $0.id == id) }.prefix(Self.candidateCountMax))
    }
}
