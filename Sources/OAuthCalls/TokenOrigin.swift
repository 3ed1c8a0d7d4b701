import Security

/// Where a client's tokens come from.
package enum TokenOrigin: Hashable, Sendable {
    /// A token endpoint (RFC 6749, section 4.4).
    case endpoint(TokenEndpoint)
    /// A file with a token, which somebody else renews.
    case file(String)
    /// One token, for as long as it goes on.
    case fixed(String)
    /// Tokens that nobody signs, for tests: the claims in the order in which they are written.
    case unsecured(subjectClaim: String, principal: String, scopes: [String], lifetimeMs: Int64)

    /// What they are called in messages.
    package var words: String {
        switch self {
        case .endpoint(let endpoint): "client '\(endpoint.clientID)' at \(endpoint.url)"
        case .file(let path): "the token in '\(path)'"
        case .fixed: "the token of the settings"
        case .unsecured(_, let principal, _, _): "'\(principal)', unsecured"
        }
    }
}

/// A client and the endpoint that gives it tokens.
package struct TokenEndpoint: Hashable, Sendable {
    package var url: String
    package var clientID: String
    package var clientSecret: String
    /// nil for the endpoint's own choice.
    package var scope: String?
    /// Whether id and secret are URL-encoded in the header, as RFC 6749 asks and few do
    /// (`sasl.oauthbearer.header.urlencode`).
    package var encodesHeader = false
    /// A PEM file of authorities for https; nil for those of the process.
    package var trustFile: String?

    /// - Throws: `.invalidSettings` for addresses that secrets must not go to.
    package init(
        url: String, clientID: String, clientSecret: String, scope: String? = nil, encodesHeader: Bool = false,
        trustFile: String? = nil
    ) throws(OAuthFailure) {
        if let problem = TokenSettings.problem(withURL: url) {
            throw OAuthFailure(.invalidSettings, "the token endpoint '\(url)' cannot be used: \(problem)")
        }
        self.url = url
        self.clientID = clientID
        self.clientSecret = clientSecret
        self.scope = scope
        self.encodesHeader = encodesHeader
        self.trustFile = trustFile
    }
}

extension TokenOrigin {
    /// From the properties of Kafka's clients, by librdkafka's names: `sasl.oauthbearer.method=oidc` with
    /// `sasl.oauthbearer.token.endpoint.url`, `.client.id`, `.client.secret`, `.scope`, or
    /// `enable.sasl.oauthbearer.unsecure.jwt` with `sasl.oauthbearer.config`.
    ///
    /// - Throws: `.invalidSettings` that names what is missing.
    package init(clientProperties properties: [String: String]) throws(OAuthFailure) {
        func text(_ name: String) -> String? { properties[name].flatMap { $0.isEmpty ? nil : $0 } }
        let method = text("sasl.oauthbearer.method")?.lowercased()
        guard method == nil || method == "oidc" || method == "default" else {
            throw OAuthFailure(.invalidSettings, "sasl.oauthbearer.method is '\(method ?? "")': there is oidc")
        }
        if ["true", "1", "t"].contains(text("enable.sasl.oauthbearer.unsecure.jwt")?.lowercased()) {
            guard method != "oidc" else {
                throw OAuthFailure(
                    .invalidSettings,
                    "enable.sasl.oauthbearer.unsecure.jwt and sasl.oauthbearer.method=oidc are mutually exclusive")
            }
            self = try Self.unsecured(text("sasl.oauthbearer.config") ?? "")
            return
        }
        guard let url = text("sasl.oauthbearer.token.endpoint.url") else {
            throw OAuthFailure(
                .invalidSettings,
                "sasl.mechanism is OAUTHBEARER and sasl.oauthbearer.token.endpoint.url is not set, which says where tokens "
                    + "come from")
        }
        if let path = TokenSettings.filePath(url) {
            self = .file(path)
            return
        }
        guard let id = text("sasl.oauthbearer.client.id"), let secret = text("sasl.oauthbearer.client.secret") else {
            throw OAuthFailure(
                .invalidSettings,
                "sasl.oauthbearer.client.id or sasl.oauthbearer.client.secret is not set: tokens are given to clients that "
                    + "show both")
        }
        self = .endpoint(
            try TokenEndpoint(
                url: url, clientID: id, clientSecret: secret, scope: text("sasl.oauthbearer.scope"),
                encodesHeader: text("sasl.oauthbearer.header.urlencode")?.lowercased() == "true",
                trustFile: text("https.ca.location")))
    }

    /// `principal=ann principalClaimName=sub scope=a,b lifeSeconds=3600`, as librdkafka has it.
    private static func unsecured(_ text: String) throws(OAuthFailure) -> TokenOrigin {
        var values: [String: String] = [:]
        for part in text.split(separator: " ") {
            let sides = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard sides.count == 2 else {
                throw OAuthFailure(.invalidSettings, "sasl.oauthbearer.config has a part that is not NAME=VALUE")
            }
            values[sides[0]] = sides[1]
        }
        guard let principal = values["principal"] else {
            throw OAuthFailure(.invalidSettings, "sasl.oauthbearer.config has no principal=NAME")
        }
        guard let seconds = Int64(values["lifeSeconds"] ?? "3600"), 1...31_536_000 ~= seconds else {
            throw OAuthFailure(.invalidSettings, "lifeSeconds in sasl.oauthbearer.config is a number of seconds")
        }
        return .unsecured(
            subjectClaim: values["principalClaimName"] ?? "sub", principal: principal,
            scopes: (values["scope"] ?? "").split(separator: ",").map(String.init), lifetimeMs: seconds * 1000)
    }
}
