import Security

extension ServerProperties {
    private static let tokenSecretName = "delegation.token.secret.key"
    private static let tokenLifetimeName = "delegation.token.max.lifetime.ms"
    private static let tokenExpiryName = "delegation.token.expiry.time.ms"
    static let tokenCheckName = "delegation.token.expiry.check.interval.ms"

    /// Properties of delegation tokens (KIP-48), by Kafka's names and with its defaults.
    static let tokens: [ConfigDefinition] = {
        let milliseconds: ConfigDefinition.Rule = .range(1 ... .max)
        let property = ConfigDefinition.ofServer
        return [
            ConfigDefinition(
                name: tokenSecretName, type: .password, defaultValue: "", rule: .anything, serverName: nil,
                documentation: "The secret that delegation tokens are made with; without one there are none. With "
                    + "another one those that there are count no more.", hasNoDefault: true),
            property(
                tokenLifetimeName, .long, "604800000", milliseconds,
                "Milliseconds after which a delegation token is over, however often it was renewed."),
            property(
                tokenExpiryName, .long, "86400000", milliseconds,
                "Milliseconds after which a delegation token is over that was not renewed."),
            property(
                tokenCheckName, .long, "3600000", milliseconds,
                "Milliseconds between two looks for delegation tokens that are over, which are then forgotten. They "
                    + "let nobody in before that, either."),
        ]
    }()

    /// The longest time a delegation token can have, and that until it has to be renewed. The bound keeps sums with the time
    /// of day in range.
    var tokenLifetimes: (max: Int64, renewal: Int64) {
        (min(number(Self.tokenLifetimeName), 1 << 60), min(number(Self.tokenExpiryName), 1 << 60))
    }

    /// The delegation tokens, none as yet; nil where `delegation.token.secret.key` is not set.
    ///
    /// - Parameter now: milliseconds since 1970.
    func delegationTokens(_ now: @escaping @Sendable () -> Int64) -> DelegationTokens? {
        let secret = text(Self.tokenSecretName)
        return secret.isEmpty ? nil : DelegationTokens(secret: secret, now: now)
    }
}
