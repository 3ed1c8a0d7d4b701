import Broker
import HTTPKit
import HTTPTypes
import Security

/// A port that speaks HTTP, by the name of its role.
enum WebPort: String, CaseIterable, Sendable {
    case registry, connect, sql, console, admin

    /// The setting of where it listens.
    var setting: String { rawValue + ".listener" }

    /// What it is, in words.
    var words: String {
        switch self {
        case .registry: "the registry"
        case .connect: "the Connect worker"
        case .sql: "the SQL server"
        case .console: "the console"
        case .admin: "the admin port"
        }
    }

    /// What everybody who reaches it may do, where nobody has to say who they are.
    var danger: String {
        switch self {
        case .registry: "read and change schemas"
        case .connect: "run connectors"
        case .sql: "read and change data"
        case .console: "read and change everything"
        case .admin: "read names and sizes of topics"
        }
    }

    /// The scheme of an address in small letters, as schemes are the same in both (RFC 3986, 3.1), and what is behind it; nil
    /// where there is none.
    static func scheme(_ text: String) -> (name: String, rest: Substring)? {
        text.firstRange(of: "://").map { (text[..<$0.lowerBound].lowercased(), text[$0.upperBound...]) }
    }

    /// Whether an address is one of https.
    static func isSecure(_ text: String) -> Bool { scheme(text)?.name == "https" }

    /// `https://HOST:PORT`, `http://HOST:PORT` or the forms of `ServerSettings.listener`.
    ///
    /// - Throws: `CommandFailure`, also for any other scheme: a port that was to be protected is not left open.
    static func listener(_ text: String) throws -> (HostPort, isSecure: Bool) {
        guard let (scheme, rest) = scheme(text) else { return (try ServerSettings.listener(text), false) }
        guard ["https", "http", "plaintext"].contains(scheme) else {
            throw CommandFailure.usage(
                "'\(text)' is no address of a port that speaks HTTP",
                hint: "it is http://HOST:PORT, https://HOST:PORT or HOST:PORT")
        }
        if scheme == "plaintext" { return (try ServerSettings.listener(text), false) }
        return (try ServerSettings.listener(String(rest.hasSuffix("/") ? rest.dropLast() : rest)), scheme == "https")
    }
}

/// Settings of TLS and of users of the HTTP ports: by the names of rest-utils, which the original's servers have, and by
/// Kafka's for TLS. Each holds for all ports; with the name of a role before it, as `console.authentication.method`, for
/// that one. The Connect worker's own names win for its port: `listeners.https.ssl.keystore.location` in its file.
///
/// - SeeAlso: upstream `RestConfig` of rest-utils; `RestServerConfig` of Connect.
enum WebProperties {
    static let known: [(name: String, defaultValue: String, documentation: String)] =
        [
            (
                "authentication.method", "NONE",
                "BASIC: users of the HTTP ports show name and password (RFC 7617); BEARER: a token (RFC 6750); BASIC,BEARER: "
                    + "either; NONE: nobody has to."
            ),
            (
                "authentication.realm", "",
                "What browsers show when they ask for a password; the name of the part when empty."
            ),
            ("authentication.roles", "*", "Roles, one of which a user needs, with commas; * for every user."),
            (
                "authentication.skip.paths", "",
                "Paths that need no user, with commas: /path, or /path/* for all below."
            ),
            (
                "http.users.file", "",
                "A file of users of the HTTP ports, a line each: NAME: PASSWORD[,ROLE ...], with hashes of "
                    + "'swiftwater config password'."
            ),
            (
                "http.nodes.secret", "",
                "What nodes of one cluster show each other where ports ask for passwords; the same on all of them, 24 characters "
                    + "or more."
            ),
        ] + tokens

    /// How tokens are checked, by the names of Confluent's servers, which are Kafka's without `sasl.`. What is not set here holds
    /// as it is set for listeners.
    private static let tokens: [(name: String, defaultValue: String, documentation: String)] = [
        ("oauthbearer.jwks.endpoint.url", "", "Where the keys are that tokens of HTTP ports are signed with."),
        ("oauthbearer.jwks.endpoint.refresh.ms", "", "How often these keys are fetched again; 3600000 when empty."),
        ("oauthbearer.jwks.endpoint.retry.backoff.ms", "", "The first wait after keys could not be fetched; 100."),
        ("oauthbearer.jwks.endpoint.retry.backoff.max.ms", "", "The longest such wait; 10000."),
        ("oauthbearer.expected.audience", "", "One of these has to be the audience (aud) of a token."),
        ("oauthbearer.expected.issuer", "", "The issuer (iss) of tokens; any when empty."),
        ("oauthbearer.clock.skew.seconds", "", "By how much clocks may differ, in seconds; 30 when empty."),
        ("oauthbearer.scope.claim.name", "", "The claim that holds the scope; scope when empty."),
        ("oauthbearer.sub.claim.name", "", "The claim that is the user; sub when empty."),
        ("oauthbearer.groups.claim.name", "", "The claim that lists roles; groups when empty."),
    ]

    /// The extension of Connect that asks for users: it means the same as `authentication.method=BASIC` for its port.
    static let connectExtension =
        "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"

    /// Whether a name is one of these among what is set: those of TLS belong to the HTTP ports if one of them has TLS.
    static func isKnown(_ name: String, _ set: [String: ServerSettings.Value]) -> Bool {
        let base = base(name)
        if known.contains(where: { $0.name == base }) { return true }
        return KeyStore.isKnown(base) && usesTLS(set)
    }

    /// Whether a port of HTTP speaks TLS.
    static func usesTLS(_ set: [String: ServerSettings.Value]) -> Bool {
        WebPort.allCases.contains { set[$0.setting].map { WebPort.isSecure($0.text) } == true }
            || set["ksql.internal.listener"].map { WebPort.isSecure($0.text) } == true
    }

    /// nil for names that are none of these.
    static func defaultValue(_ name: String) -> String? {
        let base = base(name)
        return known.first { $0.name == base }?.defaultValue ?? (KeyStore.isKnown(base) ? "" : nil)
    }

    static func documentation(_ name: String) -> String? {
        let base = base(name)
        if let own = known.first(where: { $0.name == base }) { return own.documentation }
        return KeyStore.isKnown(base) ? "TLS of HTTP ports, by Kafka's name." : nil
    }

    /// A name without the role before it.
    private static func base(_ name: String) -> String {
        for port in WebPort.allCases where name.hasPrefix(port.rawValue + ".") {
            return String(name.dropFirst(port.rawValue.count + 1))
        }
        return name
    }
}

extension ServerSettings {
    /// Where a port listens; nil when there is no such port.
    func address(_ port: WebPort) -> HostPort? {
        switch port {
        case .registry: registry
        case .connect: connect
        case .sql: sql
        case .console: console
        case .admin: admin
        }
    }

    /// The value in force for a port.
    func web(_ name: String, _ port: WebPort) -> String {
        if let value = set["\(port.rawValue).\(name)"], !value.text.isEmpty { return value.text }
        if port == .connect {
            if let value = workerValues["listeners.https." + name], !value.isEmpty { return value }
            if KeyStore.isKnown(name), let value = workerValues[name], !value.isEmpty { return value }
            if name == "authentication.method", asksByExtension { return "BASIC" }
        }
        return set[name]?.text ?? WebProperties.defaultValue(name) ?? ""
    }

    private var asksByExtension: Bool {
        (workerValues["rest.extension.classes"] ?? "").split(separator: ",").contains {
            let name = String($0).trimmed
            return name == WebProperties.connectExtension
                || name == WebProperties.connectExtension.split(separator: ".").last.map(String.init)
        }
    }

    /// How users of a port show who they are.
    struct WebMethods: Equatable {
        var passwords = false
        var tokens = false
    }

    /// - Throws: `CommandFailure` for a method that there is not.
    func authenticationMethods(_ port: WebPort) throws -> WebMethods {
        let text = web("authentication.method", port)
        var methods = WebMethods()
        let names = ServerSettings.items(text).map { $0.uppercased() }
        for name in names {
            switch name {
            case "BASIC": methods.passwords = true
            case "BEARER": methods.tokens = true
            case "NONE" where names.count == 1: break
            default:
                throw CommandFailure.usage(
                    "authentication.method of \(port.words) is '\(text)'",
                    hint: "there are BASIC, BEARER, BASIC,BEARER and NONE")
            }
        }
        return methods
    }

    /// Whether users of a port have to show who they are.
    ///
    /// - Throws: `CommandFailure` for a method that there is not.
    func asksForUsers(_ port: WebPort) throws -> Bool { try authenticationMethods(port) != WebMethods() }

    /// How a port checks tokens.
    ///
    /// - Throws: `CommandFailure` that names the setting.
    func tokenSettings(_ port: WebPort) throws -> TokenSettings {
        let prefix = "oauthbearer."
        // Another issuer than the listeners' has nothing of theirs.
        let isOwn = !web(prefix + "jwks.endpoint.url", port).isEmpty
        do throws(TokenSettings.Malformed) {
            var settings = try TokenSettings(prefix) { name in
                let own = web(prefix + name, port)
                return own.isEmpty && !isOwn ? set["sasl." + prefix + name]?.text : own
            }
            settings.rules.groupsClaim = settings.rules.groupsClaim ?? "groups"
            if !isOwn, settings.source.trustFile == nil {
                // The same keys, by the authorities that the listener has for them.
                settings.source.trustFile =
                    listeners.compactMap(\.tokenKeySource).first { $0.url == settings.source.url }?.trustFile
            }
            return settings
        } catch {
            throw CommandFailure.usage(
                "authentication.method of \(port.words) is BEARER, and \(error)",
                hint: "set oauthbearer.jwks.endpoint.url, oauthbearer.expected.audience and oauthbearer.expected.issuer"
            )
        }
    }

    /// Who may use a port that asks for passwords.
    ///
    /// - Throws: `CommandFailure` that names the setting.
    func accessRules(_ port: WebPort) throws -> HTTPAccessRules {
        func list(_ name: String) -> [String] {
            web(name, port).split(separator: ",").map(\.trimmed).filter { !$0.isEmpty }
        }
        let realm = web("authentication.realm", port)
        let roles = list("authentication.roles")
        let paths = list("authentication.skip.paths")
        for path in paths {
            if let problem = HTTPAccessRules.problem(withPath: path) {
                throw CommandFailure.usage("authentication.skip.paths: \(problem)")
            }
        }
        var rules = HTTPAccessRules(
            realm: realm.isEmpty ? "Swiftwater \(port.rawValue)" : realm,
            roles: roles.isEmpty || roles.contains("*") || roles.contains("**") ? nil : Set(roles),
            skippedPaths: paths, isOpen: openPaths(port))
        switch port {
        case .registry: (rules.unauthorizedCode, rules.forbiddenCode) = (40101, 40301)
        case .connect: rules.unauthorizedMessage = "User cannot access the resource."
        case .sql, .console, .admin: break
        }
        return rules
    }

    /// What needs no user, whatever is set.
    private func openPaths(_ port: WebPort) -> @Sendable (HTTPRequest.Method, [String]) -> Bool {
        switch port {
        case .admin: return { _, path in path == ["healthz"] || path == ["readyz"] }
        // As upstream `KsqlAuthorizationProviderHandler` has it.
        case .sql:
            return { _, path in
                path == ["healthcheck"] || path == ["v1", "metadata"] || path == ["v1", "metadata", "id"]
            }
        case .connect:
            // Workers sign what they send each other (KIP-507); without signatures it is closed.
            let isSigned = (workerValues["connect.protocol"] ?? "sessioned").lowercased() == "sessioned"
            return { method, path in
                guard isSigned, path.count == 3, path[0] == "connectors" else { return false }
                return method == .post && path[2] == "tasks" || method == .put && path[2] == "fence"
            }
        case .registry, .console: return { _, _ in false }
        }
    }

    /// The certificate of a port that speaks TLS.
    ///
    /// - Throws: `CommandFailure` that names the property.
    func keyStore(_ port: WebPort) throws -> KeyStore {
        var values: [String: String] = [:]
        for name in KeyStore.names { values[name] = web(name, port) }
        do throws(KeyStoreError) { return try KeyStore(values) } catch {
            throw CommandFailure.usage("https of \(port.words): \(error.message)", hint: error.hint)
        }
    }

    /// The certificate of `ksql.internal.listener`: that of the SQL server's port, with clients' certificates as
    /// `ksql.internal.ssl.client.authentication` says.
    ///
    /// - Throws: what is wrong with the properties.
    func internalKeyStore() throws(KeyStoreError) -> KeyStore {
        var values: [String: String] = [:]
        for name in KeyStore.names { values[name] = web(name, .sql) }
        if let own = set[Self.internalClientAuthentication]?.text, !own.isEmpty {
            values["ssl.client.authentication"] = own
        }
        return try KeyStore(values)
    }

    static let internalClientAuthentication = "ksql.internal.ssl.client.authentication"

    /// `http.nodes.secret`, which is one for all ports; nil when it is not set.
    ///
    /// - Throws: `CommandFailure` that says nothing of the secret.
    func nodeCredentials() throws -> NodeCredentials? {
        let name = "http.nodes.secret"
        if let port = WebPort.allCases.first(where: { set["\($0.rawValue).\(name)"] != nil }) {
            throw CommandFailure.usage(
                "\(port.rawValue).\(name) is set, and the secret of nodes is one for all ports", hint: "set \(name)")
        }
        guard let text = set[name]?.text, !text.isEmpty else { return nil }
        guard let credentials = NodeCredentials(secret: text) else {
            let range = NodeCredentials.countRange
            throw CommandFailure.usage(
                "\(name) has not \(range.lowerBound) to \(range.upperBound) visible characters of ASCII",
                hint: "make one with: openssl rand -hex 32")
        }
        return credentials
    }

    /// Workers that do not sign what they send each other have nothing that a port with passwords would take.
    ///
    /// - Throws: `CommandFailure`.
    func checkWorkers() throws {
        guard connect != nil, try asksForUsers(.connect), let text = workerValues["connect.protocol"],
            ["eager", "compatible"].contains(text.lowercased())
        else { return }
        throw CommandFailure.usage(
            "connect.protocol is '\(text)' and the Connect worker asks for users (authentication.method): workers could not ask "
                + "each other, as they have no user and sign nothing with that protocol",
            hint: "use connect.protocol=sessioned, the default, or connect.authentication.method=NONE")
    }

    /// Where a port lets in who may not use another port, which it uses for everybody with the rights of the process.
    ///
    /// - Returns: a sentence for each pair.
    /// - Throws: `CommandFailure` for settings that have no meaning.
    func detours() throws -> [String] {
        let ways: [(front: WebPort, behind: WebPort, elsewhere: [String], means: String)] = [
            (.sql, .registry, ["ksql.schema.registry.url"], "statements"),
            (.sql, .connect, ["ksql.connect.url"], "statements"),
            (.console, .registry, ["console.registry.url", "ksql.schema.registry.url"], "pages"),
            (.console, .connect, ["console.connect.url", "ksql.connect.url"], "pages"),
            (.console, .sql, ["console.ksql.url"], "pages"),
        ]
        var sentences: [String] = []
        for way in ways where address(way.front) != nil && address(way.behind) != nil {
            guard !way.elsewhere.contains(where: { set[$0]?.text.isEmpty == false }) else { continue }
            guard try asksForUsers(way.behind) else { continue }
            let needed = try accessRules(way.behind).roles
            let asks = try asksForUsers(way.front)
            let shown = asks ? try accessRules(way.front).roles : nil
            let isAsStrict = asks && (needed == nil || shown.map { $0.isSubset(of: needed ?? []) } == true)
            guard !isAsStrict else { continue }
            let (front, behind) = (way.front.rawValue, way.behind.rawValue)
            sentences.append(
                "\(way.behind.words) asks for users\(needed == nil ? "" : " and roles"), and \(way.front.words) "
                    + "\(asks ? "lets in users without these roles" : "asks for none"): its \(way.means) use \(way.behind.words) "
                    + "with the rights of the process, whoever sends them; set \(front).authentication.method and "
                    + "\(front).authentication.roles as for \(behind)")
        }
        return sentences
    }

    /// A port that does not know who comes listens on loopback only, unless it is told otherwise.
    func checkWebPorts(isInsecure: Bool) throws {
        _ = try nodeCredentials()
        for port in WebPort.allCases {
            guard let address = address(port) else { continue }
            let methods = try authenticationMethods(port)
            let asks = methods != WebMethods()
            if methods.tokens { _ = try tokenSettings(port) }
            if asks { _ = try accessRules(port) }
            if methods.passwords {
                // A broker of this process brings its own.
                guard runsBroker || !web("http.users.file", port).isEmpty else {
                    throw CommandFailure.usage(
                        "authentication.method of \(port.words) is BASIC, and there are no users",
                        hint: "name a file of them with http.users.file=FILE; 'swiftwater config password NAME' writes "
                            + "its lines")
                }
            }
            let isSecure = securePorts.contains(port)
            let knowsClients = try isSecure && keyStore(port).clientCertificates == .required
            guard address.isLoopback || isInsecure || asks || knowsClients else {
                throw CommandFailure.usage(
                    "\(port.words) at \(address) lets everybody who reaches it \(port.danger), because it has no "
                        + "authentication",
                    hint: "use a loopback address such as 127.0.0.1:\(address.port), set authentication.method=BASIC "
                        + "or BEARER, or add --insecure")
            }
        }
    }
}
