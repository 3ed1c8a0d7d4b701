import Environment
import Patterns
package import Security

/// One listener: where it is, what it speaks, and who may come.
package struct ListenerConfiguration: Sendable {
    /// In capitals as a rule; what clients and settings call it.
    package var name: String
    package var securityProtocol: SecurityProtocol
    /// An IP address or a name of this machine.
    package var host: String
    /// 0 takes any free port.
    package var port: Int
    /// What clients that came by this listener are told to connect to; by default where it listens.
    package var advertisedHost: String?
    package var advertisedPort: Int?
    /// Settings of this listener, without prefixes.
    let values: [String: String]
    /// nil without SASL.
    let sasl: SaslSettings?
    /// How names of certificates become principals.
    let rules: PrincipalMapping

    /// A listener that everybody may use.
    package init(host: String, port: Int) {
        name = SecurityProtocol.plaintext.rawValue
        securityProtocol = .plaintext
        self.host = host
        self.port = port
        values = [:]
        sasl = nil
        rules = .unchanged
    }

    /// - Parameter properties: settings of all listeners; see `ListenerProperties`.
    /// - Throws: `.invalidConfiguration`, naming the setting. Files are not read yet.
    package init(
        name: String, _ securityProtocol: SecurityProtocol, host: String, port: Int, properties: [String: String]
    ) throws(BrokerError) {
        self.name = name
        self.securityProtocol = securityProtocol
        self.host = host
        self.port = port
        var values = ListenerProperties.effective(properties, listener: name)
        let ownClientAuth = properties["listener.name.\(name.lowercased()).ssl.client.auth"]
        // As upstream's SaslChannelBuilder: clients that come by SASL are asked for certificates only by the listener's own
        // setting (KIP-684).
        if securityProtocol.usesSASL { values["ssl.client.auth"] = ownClientAuth }
        self.values = values
        for (setting, value) in values.sorted(by: { $0.key < $1.key }) {
            guard let definition = ListenerProperties.definition(setting) else {
                throw BrokerError(.invalidConfiguration, "listener \(name) has no setting '\(setting)'")
            }
            if let problem = definition.problem(with: value) {
                // The value may be a secret.
                throw BrokerError(.invalidConfiguration, "invalid value of \(setting) for listener \(name): \(problem)")
            }
        }
        if securityProtocol.usesTLS, ["required", "requested"].contains(Self.value("ssl.client.auth", values)),
            ["ssl.truststore.location", "ssl.truststore.certificates"].allSatisfy({ Self.value($0, values).isEmpty })
        {
            throw BrokerError(
                .invalidConfiguration,
                "ssl.client.auth of listener \(name) asks for certificates and nothing says whose are trusted: name a file of "
                    + "authorities by ssl.truststore.location; the system's would let in whoever has any certificate")
        }
        sasl = securityProtocol.usesSASL ? try SaslSettings(values, listener: name, securityProtocol) : nil
        do throws(PatternError) {
            rules = try PrincipalMapping(Self.value("ssl.principal.mapping.rules", values))
        } catch {
            throw BrokerError(
                .invalidConfiguration, "ssl.principal.mapping.rules of listener \(name): \(error.message)")
        }
        if securityProtocol.usesTLS,
            ["ssl.keystore.location", "ssl.keystore.certificate.chain"].allSatisfy({ value($0).isEmpty })
        {
            throw BrokerError(
                .invalidConfiguration,
                "listener \(name) speaks TLS and has no certificate: name a file with certificate and key by "
                    + "ssl.keystore.location (PEM, PKCS12 or JKS)")
        }
    }

    func value(_ name: String) -> String { Self.value(name, values) }

    private static func value(_ name: String, _ values: [String: String]) -> String {
        values[name] ?? ListenerProperties.definition(name)?.defaultValue ?? ""
    }

    /// Whether nobody gets in without having shown who they are.
    package var authenticates: Bool {
        // Whoever may say who they are has not shown it.
        securityProtocol.usesSASL && !takesUnsecuredTokens
            || (securityProtocol == .ssl && value("ssl.client.auth") == "required")
    }

    /// Whether passwords may travel so that others on the way can read them.
    package var showsPasswords: Bool {
        securityProtocol == .saslPlaintext && sasl?.mechanisms.contains(.plain) == true
    }

    /// Whether tokens may travel so that others on the way can read and use them.
    package var showsTokens: Bool {
        securityProtocol == .saslPlaintext && sasl?.mechanisms.contains(.oauthBearer) == true
    }

    /// Whether clients may be whoever they say, by tokens that nobody has signed.
    package var takesUnsecuredTokens: Bool { if case .unsecured? = sasl?.tokens { true } else { false } }

    /// Where the keys of tokens come from; nil where none are needed.
    package var tokenKeySource: TokenKeySource? {
        if case .signed(let settings)? = sasl?.tokens { settings.source } else { nil }
    }

    /// - Throws: `.invalidConfiguration` when nobody brought the keys.
    func tokenValidator(
        _ keys: [TokenKeySource: TokenKeys], _ clock: any WallClock
    ) throws(BrokerError) -> TokenValidator? {
        switch sasl?.tokens {
        case nil: return nil
        case .unsecured(let rules)?: return TokenValidator(unsecured: rules) { clock.now() }
        case .signed(let settings)?:
            guard let keys = keys[settings.source] else {
                throw BrokerError(.invalidConfiguration, "listener \(name) has no keys to check tokens with")
            }
            return TokenValidator(settings.rules, keys) { clock.now() }
        }
    }
}

/// What a listener with SASL offers.
struct SaslSettings: Sendable {
    /// In the order of preference.
    var mechanisms: [SaslMechanism]
    /// Users of the configuration file with their passwords.
    var listedUsers: [String: String] = [:]
    /// How tokens are checked; nil without OAUTHBEARER.
    var tokens: ListenerTokens?
    /// Largest request before a client is known, in bytes.
    var requestByteCountMax: Int
    /// Of sessions, by mechanism, in milliseconds; 0 has no end.
    var lifetimesMs: [SaslMechanism: Int64]
    /// How long a refusal is held back, in milliseconds.
    var failureDelayMs: Int64

    init(
        _ values: [String: String], listener: String, _ securityProtocol: SecurityProtocol
    ) throws(BrokerError) {
        func value(_ name: String) -> String {
            values[name] ?? ListenerProperties.definition(name)?.defaultValue ?? ""
        }
        let own = values["plain.sasl.jaas.config"]
        if let text = own ?? values["sasl.jaas.config"], !text.isEmpty {
            do throws(JAASConfiguration.Failure) {
                let jaas = try JAASConfiguration(text)
                if jaas.module == "PlainLoginModule" {
                    listedUsers = jaas.users
                } else if own != nil || !["ScramLoginModule", ListenerTokens.module].contains(jaas.module) {
                    throw JAASConfiguration.Failure(
                        description: "the login module '\(jaas.module)' is not there; users of PLAIN are listed by "
                            + "PlainLoginModule, those of SCRAM by 'swiftwater user create', and options of tokens by "
                            + "OAuthBearerLoginModule behind oauthbearer.sasl.jaas.config")
                }
            } catch {
                throw BrokerError(.invalidConfiguration, "sasl.jaas.config of listener \(listener): \(error)")
            }
        }
        let names = value("sasl.enabled.mechanisms").split { $0 == "," || $0 == " " }.map(String.init)
        mechanisms = []
        for name in names {
            guard let mechanism = SaslMechanism(rawValue: name.uppercased()) else {
                let known = SaslMechanism.allCases.map(\.rawValue).joined(separator: ", ")
                throw BrokerError(
                    .invalidConfiguration,
                    "sasl.enabled.mechanisms of listener \(listener): there is no mechanism '\(name)', but \(known)")
            }
            if !mechanisms.contains(mechanism) { mechanisms.append(mechanism) }
        }
        if names.isEmpty {
            mechanisms = [.scramSHA512, .scramSHA256]
            if securityProtocol == .saslSSL || !listedUsers.isEmpty { mechanisms.append(.plain) }
        }
        tokens =
            mechanisms.contains(.oauthBearer) ? try ListenerTokens(values, listener: listener) : nil
        requestByteCountMax = Int(value("sasl.server.max.receive.size").trimmingSpaces) ?? 524_288
        failureDelayMs = Int64(value("connection.failed.authentication.delay.ms").trimmingSpaces) ?? 100
        lifetimesMs = [:]
        for mechanism in SaslMechanism.allCases {
            let name = "connections.max.reauth.ms"
            let text = values["\(mechanism.rawValue.lowercased()).\(name)"] ?? value(name)
            lifetimesMs[mechanism] = Int64(text.trimmingSpaces) ?? 0
        }
    }
}
