import Security

/// Settings of listeners by the names of Kafka's server.properties: those of TLS and SASL, each also behind
/// `listener.name.NAME.` for one listener, and some behind a mechanism's name.
///
/// - SeeAlso: upstream `SslConfigs`, `SaslConfigs`, `BrokerSecurityConfigs`; KIP-103, KIP-282.
package enum ListenerProperties {
    package static let known: [ConfigDefinition] = {
        let property = ConfigDefinition.ofServer
        let stores = ConfigDefinition.Rule.oneOf(StoreFile.types)
        return [
            property(
                "listener.security.protocol.map", .list, "", .anything,
                "What listeners with names of their own speak: NAME:PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."),
            property(
                "ssl.keystore.type", .string, "PEM", stores,
                "What the key store is: PEM, PKCS12 or JKS; what is in the file counts."),
            property(
                "ssl.keystore.location", .string, "", .anything,
                "The file with the certificate, its chain and its key. It is read again when it changes."),
            property("ssl.keystore.password", .password, "", .anything, "The password of a PKCS12 or JKS key store."),
            property(
                "ssl.keystore.certificate.chain", .password, "", .anything,
                "The certificate and its chain as PEM, in place of a file."),
            property("ssl.keystore.key", .password, "", .anything, "The key as PEM, in place of a file."),
            property("ssl.key.password", .password, "", .anything, "The password of an encrypted key."),
            property(
                "ssl.truststore.type", .string, "PEM", stores,
                "What the trust store is: PEM, PKCS12 or JKS; what is in the file counts."),
            property(
                "ssl.truststore.password", .password, "", .anything, "The password of a PKCS12 or JKS trust store."),
            property(
                "ssl.truststore.location", .string, "", .anything,
                "The file with the authorities of clients' certificates."),
            property(
                "ssl.truststore.certificates", .password, "", .anything,
                "The authorities of clients' certificates as PEM, in place of a file."),
            property(
                "ssl.client.auth", .string, "none", .oneOf(["none", "requested", "required"]),
                "Whether clients are to show a certificate."),
            property(
                "ssl.enabled.protocols", .list, "TLSv1.2,TLSv1.3", .subset(["TLSv1.2", "TLSv1.3"]),
                "Versions of TLS."),
            property(
                "ssl.cipher.suites", .list, "", .anything,
                "Cipher suites of TLS 1.2 by their standard names; those of TLS 1.3 are fixed."),
            property(
                "ssl.principal.mapping.rules", .string, "DEFAULT", .anything,
                "How the name of a client's certificate becomes its principal (KIP-371)."),
            property(
                "sasl.enabled.mechanisms", .list, "", .anything,
                "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; when empty the first three, PLAIN not where passwords "
                    + "would be shown on the way."),
            property(
                "sasl.jaas.config", .password, "", .anything,
                "Users of PLAIN: PlainLoginModule required user_NAME=\"PASSWORD\"; options of tokens: "
                    + "OAuthBearerLoginModule."),
            property(
                "sasl.server.max.receive.size", .int, "524288", .range(8...Int64(Int32.max)),
                "Largest request before a client has shown who it is, in bytes."),
            property(
                "connections.max.reauth.ms", .long, "0", .range(0 ... .max),
                "After how long clients of SASL have to show anew who they are, in milliseconds; 0 is never."),
            property(
                "connection.failed.authentication.delay.ms", .int, "100", .range(0...60_000),
                "How long a client that is refused waits for the answer, in milliseconds."),
        ] + ofTokens
    }()

    /// Those of OAUTHBEARER (KIP-768, KIP-1139).
    private static let ofTokens: [ConfigDefinition] = {
        let property = ConfigDefinition.ofServer
        let prefix = ListenerTokens.prefix
        return [
            property(
                prefix + "jwks.endpoint.url", .string, "", .anything,
                "Where the keys are that tokens are signed with: https://, file://, or http:// on this machine."),
            property(
                prefix + "jwks.endpoint.refresh.ms", .long, "3600000", .range(1000...31_536_000_000),
                "How often the keys are fetched again, in milliseconds."),
            property(
                prefix + "jwks.endpoint.retry.backoff.ms", .long, "100", .range(1...86_400_000),
                "How long the first wait is after keys could not be fetched, in milliseconds."),
            property(
                prefix + "jwks.endpoint.retry.backoff.max.ms", .long, "10000", .range(1...86_400_000),
                "How long such waits become, in milliseconds."),
            property(
                prefix + "clock.skew.seconds", .int, "30", .range(0...86_400),
                "By how much the clocks of issuer and broker may differ, in seconds."),
            property(
                prefix + "expected.audience", .list, "", .anything,
                "One of these has to be the audience (aud) of a token; without any, tokens with an audience are refused."
            ),
            property(
                prefix + "expected.issuer", .string, "", .anything, "The issuer (iss) of tokens; any when empty."),
            property(prefix + "scope.claim.name", .string, "scope", .anything, "The claim that holds the scope."),
            property(prefix + "sub.claim.name", .string, "sub", .anything, "The claim that becomes the principal."),
            property(
                "sasl.server.callback.handler.class", .string, "", .anything,
                "How tokens are checked: OAuthBearerValidatorCallbackHandler by their signatures (default); "
                    + "OAuthBearerUnsecuredValidatorCallbackHandler takes what clients say, for tests."),
            property(
                prefix + "jwt.validator.class", .string, "", .anything,
                "DefaultJwtValidator or BrokerJwtValidator, which are the same here."),
        ]
    }()

    private static let byName = Dictionary(uniqueKeysWithValues: known.map { ($0.name, $0) })
    /// What may stand behind a mechanism's name.
    private static let ofMechanisms = ["sasl.jaas.config", "connections.max.reauth.ms"]
    private static let prefix = "listener.name."

    /// The definition of a name, with or without `listener.name.NAME.`; nil for other names.
    package static func definition(_ name: String) -> ConfigDefinition? {
        if let found = byName[name] { return found }
        guard name.hasPrefix(prefix), let dot = name.dropFirst(prefix.count).firstIndex(of: ".") else {
            return ofMechanism(name)
        }
        let rest = String(name[name.index(after: dot)...])
        return byName[rest] ?? ofMechanism(rest)
    }

    private static func ofMechanism(_ name: String) -> ConfigDefinition? {
        guard let dot = name.firstIndex(of: "."),
            let mechanism = SaslMechanism.allCases.first(where: { $0.rawValue.lowercased() == name[..<dot] })
        else { return nil }
        let rest = String(name[name.index(after: dot)...])
        let isOfTokens = mechanism == .oauthBearer && ofTokens.contains { $0.name == rest }
        return isOfTokens || ofMechanisms.contains(rest) ? byName[rest] : nil
    }

    /// The listener that a name is for alone, in small letters; nil for all.
    package static func listener(of name: String) -> String? {
        guard name.hasPrefix(prefix), let dot = name.dropFirst(prefix.count).firstIndex(of: ".") else { return nil }
        return String(name[..<dot].dropFirst(prefix.count))
    }

    /// The settings in force for one listener: its own before those of all.
    static func effective(_ properties: [String: String], listener: String) -> [String: String] {
        var values: [String: String] = [:]
        let own = prefix + listener.lowercased() + "."
        for (name, value) in properties where !name.hasPrefix(prefix) && definition(name) != nil {
            values[name] = value
        }
        for (name, value) in properties where name.hasPrefix(own) { values[String(name.dropFirst(own.count))] = value }
        return values
    }
}
