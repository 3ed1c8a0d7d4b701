import Bytes
import JSONFormat

/// Why a token is not taken.
package struct TokenFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// As clients are told (RFC 6750, section 3.1).
    package enum Status: String, Sendable {
        case invalidToken = "invalid_token"
        case insufficientScope = "insufficient_scope"
    }

    package var status: Status
    /// For logs: nothing of the token but names of keys and claims.
    package var reason: String
    /// What would be enough, with `insufficientScope`.
    package var scope: String?

    package init(_ reason: String, status: Status = .invalidToken, scope: String? = nil) {
        self.status = status
        self.reason = reason
        self.scope = scope
    }

    package var description: String { reason }

    /// What somebody sent, as far as it may go into a log.
    static func shown(_ text: String) -> String {
        String(text.unicodeScalars.lazy.filter { 0x20...0x7E ~= $0.value }.prefix(80).map { Character($0) })
    }
}

/// The parts of a token in the compact form of a signature, read and not checked (RFC 7515, section 7.1).
struct SignedTokenText: Sendable {
    let algorithm: String
    let keyID: String?
    let claims: JSONValue
    /// What the signature is of.
    let signed: [UInt8]
    let signature: [UInt8]

    /// Tokens with lists of groups have some ten thousand.
    static let byteCountMax = 64 << 10
    private static let depthMax = 32

    /// - Throws: `TokenFailure` for what is no such text.
    init(_ text: String) throws(TokenFailure) {
        guard text.utf8.count <= Self.byteCountMax else {
            throw TokenFailure("the token has more than \(Self.byteCountMax) bytes")
        }
        let parts = text.split(separator: ".", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 3 else {
            throw TokenFailure(
                parts.count == 5
                    ? "the token is encrypted (JWE); tokens have to be signed (JWS)"
                    : "the token is no JWT: it has \(parts.count) parts, and not 3")
        }
        let header = try Self.object(parts[0], "header")
        guard let name = header["alg"]?.text else { throw TokenFailure("the token's header has no 'alg'") }
        algorithm = name
        // Extensions that have to be understood (RFC 7515, section 4.1.11), and there are none that are.
        guard header["crit"] == nil else {
            throw TokenFailure("the token's header has 'crit': it asks for extensions that are not understood")
        }
        if let kid = header["kid"] {
            guard let text = kid.text else { throw TokenFailure("the token's 'kid' is no text") }
            keyID = text
        } else {
            keyID = nil
        }
        claims = try Self.object(parts[1], "payload")
        guard let bytes = Self.decoded(parts[2]) else { throw TokenFailure("the token's signature is no base64url") }
        signature = bytes
        signed = Array(text.utf8.prefix(parts[0].utf8.count + 1 + parts[1].utf8.count))
    }

    private static func object(_ part: Substring, _ what: String) throws(TokenFailure) -> JSONValue {
        guard let bytes = decoded(part) else { throw TokenFailure("the token's \(what) is no base64url") }
        let value: JSONValue
        do throws(JSONError) {
            // Two readers that take different ones of two members with one name would see different tokens.
            value = try JSONValue.read(bytes.span.bytes, duplicates: .refuse, depthMax: depthMax)
        } catch {
            throw TokenFailure("the token's \(what) is no JSON: \(TokenFailure.shown(error.message))")
        }
        guard case .object = value else { throw TokenFailure("the token's \(what) is no object of JSON") }
        return value
    }

    /// RFC 4648, section 5, without padding.
    private static func decoded(_ part: Substring) -> [UInt8]? {
        guard
            !part.utf8.contains(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "=") }
            )
        else { return nil }
        return Base64.decode(String(part))
    }
}

extension JSONValue {
    /// A claim of time (RFC 7519, section 2, "NumericDate") in milliseconds since 1970; nil for what is none.
    var numericDate: Int64? {
        // Bounded to years that a date can have, so that sums of it have no overflow.
        guard let seconds = double, seconds.isFinite, -1e11...1e11 ~= seconds else { return nil }
        return Int64((seconds * 1000).rounded(.down))
    }

    /// A claim of one text or of several (RFC 7519, section 4.1.3); nil for what is neither.
    var texts: [String]? {
        if let text { return [text] }
        guard let elements else { return nil }
        let found = elements.compactMap(\.text)
        return found.count == elements.count ? found : nil
    }
}

/// What a client sees of a token of its own.
package enum TokenText {
    /// When it ends, in milliseconds since 1970; nil for a token that does not say, or that is opaque.
    package static func end(of token: String) -> Int64? {
        (try? SignedTokenText(token))?.claims["exp"]?.numericDate  // a token need not be one that can be read
    }
}
