package import OAuthCalls
import Security

/// How a client of a registry shows a token instead of a password, by the names of Confluent's clients.
///
/// | option | |
/// |---|---|
/// | `bearer.auth.credentials.source` | `STATIC_TOKEN`, `OAUTHBEARER` |
/// | `bearer.auth.token` | the token of `STATIC_TOKEN` |
/// | `bearer.auth.issuer.endpoint.url` | the token endpoint of `OAUTHBEARER` |
/// | `bearer.auth.client.id`, `bearer.auth.client.secret`, `bearer.auth.scope` | who asks there, and what for |
/// | `bearer.auth.logical.cluster`, `bearer.auth.identity.pool.id` | headers that Confluent Cloud wants |
///
/// - SeeAlso: upstream `BearerAuthCredentialProviderFactory`, `OauthCredentialProvider`, `StaticTokenCredentialProvider`.
package struct RegistryTokens: Sendable {
    package let source: TokenSource
    let headers: [(String, String)]

    package static let names = [
        "bearer.auth.credentials.source", "bearer.auth.token", "bearer.auth.issuer.endpoint.url",
        "bearer.auth.client.id", "bearer.auth.client.secret", "bearer.auth.scope", "bearer.auth.scope.claim.name",
        "bearer.auth.sub.claim.name", "bearer.auth.logical.cluster", "bearer.auth.identity.pool.id",
        "bearer.auth.cache.expiry.buffer.seconds",
    ]

    /// - Parameter token: shown as long as it goes on.
    package init(token: String) throws(OAuthFailure) {
        guard BearerToken.isWellFormed(token) else {
            throw OAuthFailure(.invalidSettings, "what is given as a token is none: it has other characters")
        }
        source = .shared(.fixed(token))
        headers = []
    }

    /// - Parameter option: the value of one of the names; nil or empty where it is not set.
    /// - Returns: nil when no tokens are asked for.
    /// - Throws: `.invalidSettings` that names the option, without secrets.
    package init?(_ option: (String) -> String?) throws(OAuthFailure) {
        func text(_ name: String) -> String? { option("bearer.auth." + name).flatMap { $0.isEmpty ? nil : $0 } }
        func needed(_ name: String) throws(OAuthFailure) -> String {
            guard let value = text(name) else {
                throw OAuthFailure(
                    .invalidSettings,
                    "bearer.auth.\(name) is not set, which bearer.auth.credentials.source=\(text("credentials.source") ?? "") needs"
                )
            }
            return value
        }
        guard let kind = text("credentials.source") else {
            guard text("token") == nil, text("issuer.endpoint.url") == nil else {
                throw OAuthFailure(
                    .invalidSettings,
                    "there are options bearer.auth.* without bearer.auth.credentials.source: it is STATIC_TOKEN or OAUTHBEARER"
                )
            }
            return nil
        }
        switch kind.uppercased() {
        case "STATIC_TOKEN":
            let token = try needed("token")
            guard BearerToken.isWellFormed(token) else {
                throw OAuthFailure(.invalidSettings, "bearer.auth.token is no token: it has other characters")
            }
            source = .shared(.fixed(token))
        case "OAUTHBEARER":
            source = .shared(
                .endpoint(
                    try TokenEndpoint(
                        url: try needed("issuer.endpoint.url"), clientID: try needed("client.id"),
                        clientSecret: try needed("client.secret"), scope: text("scope"))))
        default:
            throw OAuthFailure(
                .invalidSettings, "bearer.auth.credentials.source is '\(kind)': there are STATIC_TOKEN and OAUTHBEARER")
        }
        var headers: [(String, String)] = []
        for (name, header) in [
            ("logical.cluster", "target-sr-cluster"), ("identity.pool.id", "confluent-identity-pool-id"),
        ] {
            guard let value = text(name) else { continue }
            guard value.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
                throw OAuthFailure(.invalidSettings, "bearer.auth.\(name) has characters that no header has")
            }
            headers.append((header, value))
        }
        self.headers = headers
    }
}
