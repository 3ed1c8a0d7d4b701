import Security

/// How a listener with OAUTHBEARER checks tokens.
///
/// Kafka takes unsecured tokens where nothing is said. Here nobody gets in by them unless the listener asks for that by
/// name.
///
/// - SeeAlso: upstream `OAuthBearerValidatorCallbackHandler`, `OAuthBearerUnsecuredValidatorCallbackHandler`; KIP-255, KIP-768.
enum ListenerTokens: Sendable {
    case signed(TokenSettings)
    case unsecured(UnsecuredTokenRules)

    static let prefix = "sasl.oauthbearer."
    /// The login module whose options may say more.
    static let module = "OAuthBearerLoginModule"

    private static let ofUnsecured = "unsecuredValidator"
    private static let signedHandlers: Set<String> = [
        "OAuthBearerValidatorCallbackHandler", "BrokerJwtValidator", "DefaultJwtValidator",
    ]

    /// - Parameter values: settings of the listener, with or without the mechanism's name before them.
    /// - Throws: `.invalidConfiguration` that names the setting.
    init(_ values: [String: String], listener: String) throws(BrokerError) {
        func value(_ name: String) -> String? {
            let text = (values["oauthbearer." + name] ?? values[name])?.trimmingSpaces
            return text.flatMap { $0.isEmpty ? nil : $0 }
        }
        func invalid(_ words: String) -> BrokerError {
            BrokerError(.invalidConfiguration, "OAUTHBEARER of listener \(listener): \(words)")
        }
        let options = try Self.options(value("sasl.jaas.config"), invalid)
        var isUnsecured = options.keys.contains { $0.hasPrefix(Self.ofUnsecured) }
        if let name = value("sasl.server.callback.handler.class") {
            let simple = name.split(separator: ".").last.map(String.init) ?? name
            if simple == "OAuthBearerUnsecuredValidatorCallbackHandler" {
                isUnsecured = true
            } else if !Self.signedHandlers.contains(simple) {
                throw invalid(
                    "sasl.server.callback.handler.class is '\(name)': there are OAuthBearerValidatorCallbackHandler, and for "
                        + "tests OAuthBearerUnsecuredValidatorCallbackHandler")
            }
        }
        if let name = value(Self.prefix + "jwt.validator.class"),
            !Self.signedHandlers.contains(name.split(separator: ".").last.map(String.init) ?? name)
        {
            throw invalid(
                "\(Self.prefix)jwt.validator.class is '\(name)': there are DefaultJwtValidator and BrokerJwtValidator")
        }
        let url = value(Self.prefix + "jwks.endpoint.url")
        guard !isUnsecured else {
            guard url == nil else {
                throw invalid(
                    "\(Self.prefix)jwks.endpoint.url says that tokens are signed, and the unsecured validator takes none "
                        + "that are: leave one of both out")
            }
            self = .unsecured(try Self.unsecured(options, invalid))
            return
        }
        guard url != nil else {
            throw invalid(
                "\(Self.prefix)jwks.endpoint.url is not set, which says where the keys are that tokens are signed with; for "
                    + "tests, sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.internals."
                    + "unsecured.OAuthBearerUnsecuredValidatorCallbackHandler takes tokens that nobody has signed")
        }
        var settings: TokenSettings
        do throws(TokenSettings.Malformed) {
            settings = try TokenSettings(Self.prefix) { value(Self.prefix + $0) }
        } catch {
            throw invalid(error.description)
        }
        if let type = options["ssl.truststore.type"], type.uppercased() != "PEM",
            options["ssl.truststore.location"] != nil
        {
            throw invalid("ssl.truststore.type of the login module is '\(type)': only PEM can be read")
        }
        settings.source.trustFile = options["ssl.truststore.location"]
        self = .signed(settings)
    }

    private static func options(
        _ text: String?, _ invalid: (String) -> BrokerError
    ) throws(BrokerError) -> [String: String] {
        guard let text else { return [:] }
        do throws(JAASConfiguration.Failure) {
            let jaas = try JAASConfiguration(text)
            // What is for all mechanisms may be about another one.
            return jaas.module == module ? jaas.options : [:]
        } catch {
            throw invalid("sasl.jaas.config: \(error)")
        }
    }

    private static func unsecured(
        _ options: [String: String], _ invalid: (String) -> BrokerError
    ) throws(BrokerError) -> UnsecuredTokenRules {
        func option(_ name: String) -> String? {
            let text = options[ofUnsecured + name]?.trimmingSpaces
            return text.flatMap { $0.isEmpty ? nil : $0 }
        }
        var rules = UnsecuredTokenRules()
        rules.subjectClaim = option("PrincipalClaimName") ?? rules.subjectClaim
        rules.scopeClaim = option("ScopeClaimName") ?? rules.scopeClaim
        rules.requiredScopes = Set((option("RequiredScope") ?? "").split(separator: " ").map(String.init))
        if let text = option("AllowableClockSkewMs") {
            guard let skew = Int64(text), 0...86_400_000 ~= skew else {
                throw invalid(
                    "\(ofUnsecured)AllowableClockSkewMs is '\(text)': it is a number of milliseconds up to a day")
            }
            rules.clockSkewMs = skew
        }
        return rules
    }
}
