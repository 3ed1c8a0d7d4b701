import Bytes
import Crypto
import CryptoExtras
import JSONFormat

@testable import Security

/// An issuer of tokens with a key of each kind.
struct TokenIssuer {
    /// Milliseconds since 1970.
    static let now: Int64 = 1_700_000_000_000

    static let rsa = try? _RSA.Signing.PrivateKey(keySize: .bits2048)
    static let otherRSA = try? _RSA.Signing.PrivateKey(keySize: .bits2048)
    static let p256 = P256.Signing.PrivateKey()
    static let p384 = P384.Signing.PrivateKey()
    static let p521 = P521.Signing.PrivateKey()

    static func base64URL(_ bytes: some Collection<UInt8>) -> String {
        Base64.encode(bytes).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    static func rsaJWK(_ key: _RSA.Signing.PrivateKey, _ kid: String?, _ more: [(String, JSONValue)] = []) throws
        -> JSONValue
    {
        let parts = try key.publicKey.getKeyPrimitives()
        var members: [(String, JSONValue)] = [
            ("kty", .string("RSA")), ("use", .string("sig")), ("n", .string(base64URL(Array(parts.modulus)))),
            ("e", .string(base64URL(Array(parts.publicExponent)))),
        ]
        if let kid { members.append(("kid", .string(kid))) }
        return .object(members + more)
    }

    static func ecJWK(_ curve: String, _ raw: [UInt8], _ kid: String) -> JSONValue {
        let half = raw.count / 2
        return .object([
            ("kty", .string("EC")), ("crv", .string(curve)), ("kid", .string(kid)),
            ("x", .string(base64URL(raw[..<half]))), ("y", .string(base64URL(raw[half...]))),
        ])
    }

    /// All keys: `rsa`, `p256`, `p384`, `p521`.
    static func keySet() throws -> JSONValue {
        guard let rsa else { throw TokenKeySet.Malformed(description: "no RSA key could be made") }
        return .object([
            (
                "keys",
                .array([
                    try rsaJWK(rsa, "rsa"), ecJWK("P-256", Array(p256.publicKey.rawRepresentation), "p256"),
                    ecJWK("P-384", Array(p384.publicKey.rawRepresentation), "p384"),
                    ecJWK("P-521", Array(p521.publicKey.rawRepresentation), "p521"),
                ])
            )
        ])
    }

    static func keys() throws -> TokenKeys { TokenKeys(try TokenKeySet(keySet().bytes)) }

    /// Claims that are taken, with others in their place.
    static func claims(_ changes: [(String, JSONValue?)] = []) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("iss", .string("https://issuer")), ("aud", .string("kafka")), ("sub", .string("ann")),
            ("iat", .number(now / 1000 - 10)), ("exp", .number(now / 1000 + 300)), ("scope", .string("read write")),
        ]
        for (name, value) in changes {
            members.removeAll { $0.0 == name }
            if let value { members.append((name, value)) }
        }
        return .object(members)
    }

    static func token(
        _ claims: JSONValue = claims(), alg: String = "RS256", kid: String? = "rsa", header: [(String, JSONValue)] = [],
        _ sign: ([UInt8]) throws -> [UInt8]
    ) rethrows -> String {
        var members: [(String, JSONValue)] = [("alg", .string(alg)), ("typ", .string("JWT"))]
        if let kid { members.append(("kid", .string(kid))) }
        let text = base64URL(JSONValue.object(members + header).bytes) + "." + base64URL(claims.bytes)
        return text + "." + base64URL(try sign(Array(text.utf8)))
    }

    static func token(_ sign: ([UInt8]) throws -> [UInt8]) rethrows -> String { try token(claims(), sign) }

    static func rs256(_ bytes: [UInt8]) throws -> [UInt8] { try rsaSignature(rsa, bytes, SHA256.self, pss: false) }

    static func rsaSignature<Hash: HashFunction>(
        _ key: _RSA.Signing.PrivateKey?, _ bytes: [UInt8], _ hash: Hash.Type, pss: Bool
    ) throws -> [UInt8] {
        guard let key else { return [] }
        return try key.signature(for: Hash.hash(data: bytes), padding: pss ? .PSS : .insecurePKCS1v1_5)
            .withUnsafeBytes { Array($0) }
    }

    /// A token by the key that goes with the algorithm.
    static func token(_ algorithm: TokenAlgorithm, _ claims: JSONValue = claims()) throws -> String {
        let kid =
            switch algorithm {
            case .es256: "p256"
            case .es384: "p384"
            case .es512: "p521"
            default: "rsa"
            }
        return try token(claims, alg: algorithm.rawValue, kid: kid) { bytes in
            switch algorithm {
            case .rs256: try rsaSignature(rsa, bytes, SHA256.self, pss: false)
            case .rs384: try rsaSignature(rsa, bytes, SHA384.self, pss: false)
            case .rs512: try rsaSignature(rsa, bytes, SHA512.self, pss: false)
            case .ps256: try rsaSignature(rsa, bytes, SHA256.self, pss: true)
            case .ps384: try rsaSignature(rsa, bytes, SHA384.self, pss: true)
            case .ps512: try rsaSignature(rsa, bytes, SHA512.self, pss: true)
            case .es256: Array(try p256.signature(for: SHA256.hash(data: bytes)).rawRepresentation)
            case .es384: Array(try p384.signature(for: SHA384.hash(data: bytes)).rawRepresentation)
            case .es512: Array(try p521.signature(for: SHA512.hash(data: bytes)).rawRepresentation)
            }
        }
    }
}
