import JSONFormat

/// The server's side of OAUTHBEARER: one message with a token, and for a token that is not taken another with which the client
/// ends the exchange.
///
/// - SeeAlso: RFC 7628; upstream `OAuthBearerSaslServer`.
struct OAuthBearerServer: Sendable {
    enum Step: Sendable, Equatable {
        case accepted(AccessToken)
        /// The client is told, and answers with `%x01`.
        case refused([UInt8], TokenFailure)
    }

    private let validator: TokenValidator
    private var failure: (answer: String, reason: String)?

    init(_ validator: TokenValidator) { self.validator = validator }

    mutating func next(_ message: [UInt8]) throws(SaslFailure) -> Step {
        if let failure {
            // Whatever comes now, it is over. RFC 7628, section 3.2.3: the client says %x01.
            throw SaslFailure(failure.reason, words: failure.answer)
        }
        let first = try OAuthBearerMessage(message)
        let token: AccessToken
        do throws(TokenFailure) { token = try validator.validate(first.token) } catch {
            var members: [(String, JSONValue)] = [("status", .string(error.status.rawValue))]
            if let scope = error.scope { members.append(("scope", .string(scope))) }
            let answer = JSONValue.object(members).bytes
            failure = (String(decoding: answer, as: UTF8.self), error.reason)
            return .refused(answer, error)
        }
        guard first.authorizationID.isEmpty || first.authorizationID == token.principal.name else {
            throw SaslFailure(
                "the client asks to act for another user than its token's",
                words: "Authentication failed: Client requested an authorization id that is different from the token's "
                    + "principal name")
        }
        return .accepted(token)
    }
}

/// What a client of OAUTHBEARER says first: `n,[a=NAME],^A[NAME=VALUE^A ...]auth=Bearer TOKEN^A^A`.
///
/// - SeeAlso: RFC 7628, section 3.1; KIP-342 for the other names; upstream `OAuthBearerClientInitialResponse`.
package struct OAuthBearerMessage: Equatable, Sendable {
    package var token: String
    /// Empty when the client names none.
    package var authorizationID: String
    /// Taken and passed over, as upstream's validators do.
    package var extensions: [String: String]

    private static let separator = "\u{1}"
    private static let extensionCountMax = 64

    /// - Throws: `SaslFailure` for what is no such message; says nothing of the token.
    package init(_ message: [UInt8]) throws(SaslFailure) {
        func malformed(_ words: String) -> SaslFailure {
            SaslFailure("the client's message of OAUTHBEARER cannot be read: \(words)")
        }
        guard let text = String(validating: message, as: UTF8.self) else { throw malformed("it is not UTF-8") }
        // Scalars, so that no character is made of a separator and what follows it.
        // Not more of them than there may be: what is left over then is the last, and ends no message.
        let parts = text.unicodeScalars.split(
            separator: "\u{1}", maxSplits: Self.extensionCountMax + 4, omittingEmptySubsequences: false
        ).map(String.init)
        guard parts.count >= 3, parts[parts.count - 1].isEmpty, parts[parts.count - 2].isEmpty else {
            throw malformed("it does not end with two %x01")
        }
        authorizationID = try Self.authorizationID(parts[0])
        var values: [String: String] = [:]
        let pairs = parts.dropFirst().dropLast(2)
        guard pairs.count <= Self.extensionCountMax else { throw malformed("it has too many values") }
        for pair in pairs {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2, Self.isName(sides[0]), Self.isValue(sides[1]) else {
                throw malformed("a value is not NAME=VALUE")
            }
            guard values.updateValue(sides[1], forKey: sides[0]) == nil else {
                throw malformed("a value is there twice")
            }
        }
        guard let authorization = values.removeValue(forKey: "auth") else { throw malformed("'auth' not specified") }
        let words = authorization.split(separator: " ").map(String.init)
        guard words.count == 2, authorization.first != " ", authorization.last != " " else {
            throw malformed("invalid 'auth' format")
        }
        guard words[0].lowercased() == "bearer" else { throw malformed("the scheme of 'auth' is not Bearer") }
        guard BearerToken.isWellFormed(words[1]) else { throw malformed("invalid 'auth' format") }
        token = words[1]
        extensions = values
    }

    /// As clients send it.
    package static func bytes(token: String, extensions: [String: String] = [:]) -> [UInt8] {
        let others = extensions.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\(separator)" }.joined()
        return Array("n,,\(separator)auth=Bearer \(token)\(separator)\(others)\(separator)".utf8)
    }

    /// What is wrong with a client's own extension; nil when it is right.
    package static func problem(withExtension name: String, _ value: String) -> String? {
        guard isName(name), name != "auth" else { return "its name has other characters than letters, or is auth" }
        return isValue(value) ? nil : "its value is empty or not printable"
    }

    /// The header of GS2 (RFC 5801, section 4) without channel binding.
    private static func authorizationID(_ header: String) throws(SaslFailure) -> String {
        let parts = header.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "n", parts[2].isEmpty else {
            throw SaslFailure(
                "the client's message of OAUTHBEARER cannot be read: it begins with other than n,, or asks for channel "
                    + "binding")
        }
        guard !parts[1].isEmpty else { return "" }
        let name = parts[1].dropFirst(2)
        // RFC 5801: only comma and equals sign are written as escapes.
        let rest = name.replacing("=2C", with: "").replacing("=3D", with: "")
        guard parts[1].hasPrefix("a="), !name.isEmpty, !rest.contains("=") else {
            throw SaslFailure("the client's message of OAUTHBEARER cannot be read: its authorization id")
        }
        return String(name).replacing("=2C", with: ",").replacing("=3D", with: "=")
    }

    private static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 }
    }

    private static func isValue(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { 0x20...0x7E ~= $0 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
    }
}

/// A token as it stands behind `Bearer`.
package enum BearerToken {
    /// Whether it has the characters of RFC 6750, section 2.1 (`b64token`).
    package static func isWellFormed(_ text: String) -> Bool {
        var bytes = Array(text.utf8)
        while bytes.last == UInt8(ascii: "=") { bytes.removeLast() }
        return !bytes.isEmpty
            && bytes.allSatisfy {
                0x30...0x39 ~= $0 || 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 || "-._~+/".utf8.contains($0)
            }
    }
}
