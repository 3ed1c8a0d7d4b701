import JSONFormat

/// What a token says of who shows it.
package struct AccessToken: Equatable, Sendable {
    package var principal: Principal
    package var scopes: Set<String>
    /// Values of the claim of groups, where one is asked for.
    package var groups: Set<String>
    /// In milliseconds since 1970.
    package var expiresAt: Int64
}

/// What is asked of the claims of signed tokens.
///
/// - SeeAlso: upstream `BrokerJwtValidator`, `ClaimValidationUtils`.
package struct TokenRules: Hashable, Sendable {
    /// One of them has to be in `aud`. When there are none, a token must not be for anybody in particular.
    package var audiences: [String] = []
    /// What `iss` has to be; nil for any.
    package var issuer: String?
    /// By how much clocks may differ, in milliseconds.
    package var clockSkewMs: Int64 = 30_000
    package var scopeClaim = "scope"
    package var subjectClaim = "sub"
    /// nil where nobody asks for groups.
    package var groupsClaim: String?

    package init() {}
}

/// What is asked of tokens that nobody has signed.
///
/// - SeeAlso: upstream `OAuthBearerUnsecuredValidatorCallbackHandler`.
package struct UnsecuredTokenRules: Hashable, Sendable {
    package var subjectClaim = "sub"
    package var scopeClaim = "scope"
    package var requiredScopes: Set<String> = []
    package var clockSkewMs: Int64 = 0

    package init() {}
}

/// Decides whether a token is taken. Has no state but the keys, and asks nobody: it can be used on event loops.
package struct TokenValidator: Sendable {
    private enum Kind: Sendable {
        case signed(TokenRules, TokenKeys)
        case unsecured(UnsecuredTokenRules)
    }

    private let kind: Kind
    private let now: @Sendable () -> Int64

    /// - Parameter now: milliseconds since 1970.
    package init(_ rules: TokenRules, _ keys: TokenKeys, now: @escaping @Sendable () -> Int64) {
        kind = .signed(rules, keys)
        self.now = now
    }

    /// Takes what clients say of themselves, for tests.
    package init(unsecured rules: UnsecuredTokenRules, now: @escaping @Sendable () -> Int64) {
        kind = .unsecured(rules)
        self.now = now
    }

    /// Rises when keys have changed: what was found out before may not hold.
    package var revision: Int {
        switch kind {
        case .signed(_, let keys): keys.revision
        case .unsecured: 0
        }
    }

    /// How long the token goes on, in milliseconds; 0 when it is over.
    package func remaining(_ token: AccessToken) -> Int64 { max(0, token.expiresAt - now()) }

    /// - Throws: `TokenFailure` with the first thing that is wrong. Of the claims nothing is told before the signature is known
    ///   to be right.
    package func validate(_ text: String) throws(TokenFailure) -> AccessToken {
        let token = try SignedTokenText(text)
        switch kind {
        case .signed(let rules, let keys):
            try Self.checkSignature(token, keys, now())
            return try Self.check(token.claims, rules, now())
        case .unsecured(let rules):
            guard token.algorithm == "none", token.signature.isEmpty else {
                throw TokenFailure("the token is signed, and this listener takes unsecured tokens only")
            }
            return try Self.check(token.claims, rules, now())
        }
    }

    private static func checkSignature(
        _ token: SignedTokenText, _ keys: TokenKeys, _ now: Int64
    ) throws(TokenFailure) {
        guard let algorithm = TokenAlgorithm(rawValue: token.algorithm) else {
            let known = TokenAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
            throw TokenFailure(
                "the token's algorithm '\(TokenFailure.shown(token.algorithm))' is not taken; \(known) are")
        }
        guard let set = keys.current else {
            keys.want(nil, now)
            throw TokenFailure("the keys of the issuer are not known yet")
        }
        let candidates = set.candidates(token.keyID, algorithm)
        guard !candidates.isEmpty else {
            keys.want(token.keyID, now)
            throw TokenFailure(
                "the issuer has no key "
                    + (token.keyID.map { "'\(TokenFailure.shown($0))' for \(algorithm.rawValue)" }
                        ?? "for \(algorithm.rawValue)"))
        }
        guard candidates.contains(where: { $0.verifies(token.signature, of: token.signed, algorithm) }) else {
            throw TokenFailure("the token's signature is not by the issuer's key")
        }
    }

    // MARK: Claims

    private static func check(
        _ claims: JSONValue, _ rules: TokenRules, _ now: Int64
    ) throws(TokenFailure) -> AccessToken {
        guard let end = try time(claims, "exp") else { throw TokenFailure("the token has no 'exp'") }
        guard let issuedAt = try time(claims, "iat") else { throw TokenFailure("the token has no 'iat'") }
        try checkTimes(end, issuedAt, try time(claims, "nbf"), rules.clockSkewMs, now)
        if let issuer = rules.issuer {
            guard let given = claims["iss"]?.text else { throw TokenFailure("the token has no 'iss'") }
            guard isSame(Array(given.utf8), Array(issuer.utf8)) else {
                throw TokenFailure("the token is of the issuer '\(TokenFailure.shown(given))', and not of '\(issuer)'")
            }
        }
        try checkAudience(claims["aud"], rules.audiences)
        return AccessToken(
            principal: Principal(name: try subject(claims, rules.subjectClaim)),
            scopes: scopes(claims[rules.scopeClaim]),
            groups: Set(rules.groupsClaim.flatMap { claims[$0]?.texts } ?? []),
            expiresAt: end)
    }

    private static func check(
        _ claims: JSONValue, _ rules: UnsecuredTokenRules, _ now: Int64
    ) throws(TokenFailure) -> AccessToken {
        let name = try subject(claims, rules.subjectClaim)
        guard let end = try time(claims, "exp") else { throw TokenFailure("the token has no 'exp'") }
        let issuedAt = try time(claims, "iat")
        if let issuedAt, issuedAt - rules.clockSkewMs > now {
            throw TokenFailure("the token is issued in the future ('iat')")
        }
        try checkTimes(end, issuedAt, try time(claims, "nbf"), rules.clockSkewMs, now)
        let scopes = scopes(claims[rules.scopeClaim])
        let missing = rules.requiredScopes.subtracting(scopes)
        guard missing.isEmpty else {
            let needed = rules.requiredScopes.sorted().joined(separator: " ")
            throw TokenFailure(
                "the token is not for the scope '\(missing.sorted().joined(separator: " "))'",
                status: .insufficientScope, scope: needed)
        }
        return AccessToken(principal: Principal(name: name), scopes: scopes, groups: [], expiresAt: end)
    }

    private static func checkTimes(
        _ end: Int64, _ issuedAt: Int64?, _ notBefore: Int64?, _ skew: Int64, _ now: Int64
    ) throws(TokenFailure) {
        guard now - skew < end else { throw TokenFailure("the token has expired ('exp')") }
        if let notBefore, now + skew < notBefore { throw TokenFailure("the token is not valid yet ('nbf')") }
        guard end > (issuedAt ?? .min), end > (notBefore ?? .min) else {
            throw TokenFailure("the token ends ('exp') before it begins ('iat', 'nbf')")
        }
    }

    private static func checkAudience(_ claim: JSONValue?, _ expected: [String]) throws(TokenFailure) {
        guard let claim else {
            guard expected.isEmpty else { throw TokenFailure("the token has no 'aud'") }
            return
        }
        guard let given = claim.texts else { throw TokenFailure("the token's 'aud' is no text or list of texts") }
        // As upstream's library has it: a token for somebody is for nobody else, and here nobody says who we are.
        guard !expected.isEmpty else {
            throw TokenFailure(
                "the token is for an audience ('aud': \(TokenFailure.shown(given.joined(separator: ", ")))) and the setting "
                    + "expected.audience names none")
        }
        guard given.contains(where: { one in expected.contains { isSame(Array($0.utf8), Array(one.utf8)) } }) else {
            throw TokenFailure(
                "the token is for the audience '\(TokenFailure.shown(given.joined(separator: ", ")))', and not for "
                    + "'\(expected.joined(separator: ", "))'")
        }
    }

    private static func subject(_ claims: JSONValue, _ name: String) throws(TokenFailure) -> String {
        guard let claim = claims[name] else { throw TokenFailure("the token has no '\(name)'") }
        guard let text = claim.text else { throw TokenFailure("the token's '\(name)' is no text") }
        guard text.contains(where: { !$0.isWhitespace }) else { throw TokenFailure("the token's '\(name)' is empty") }
        // A principal stands in logs and in rules, and is one line there.
        guard text.utf8.count <= 1024, !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else { throw TokenFailure("the token's '\(name)' is too long or has control characters") }
        var name = text[...]
        while name.first?.isWhitespace == true { name.removeFirst() }
        while name.last?.isWhitespace == true { name.removeLast() }
        return String(name)
    }

    /// Names with spaces between them (RFC 8693, section 4.2), or a list of those.
    private static func scopes(_ claim: JSONValue?) -> Set<String> {
        Set((claim?.texts ?? []).flatMap { $0.split(separator: " ").map(String.init) })
    }

    private static func time(_ claims: JSONValue, _ name: String) throws(TokenFailure) -> Int64? {
        guard let claim = claims[name] else { return nil }
        guard let time = claim.numericDate else { throw TokenFailure("the token's '\(name)' is no time") }
        return time
    }
}
