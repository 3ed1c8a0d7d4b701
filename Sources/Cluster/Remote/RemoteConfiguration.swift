import Bytes
package import Logging
import Security

/// How to reach a cluster.
package struct RemoteConfiguration: Sendable {
    /// `HOST:PORT` of one or more brokers, separated by commas.
    package var bootstrapServers: String
    /// Properties by librdkafka's names, which are mostly Kafka's; they win over the defaults of `RemoteCluster`.
    package var properties: [String: String]
    /// How long one request may take, connecting included.
    package var requestTimeout: Duration
    /// librdkafka's own log goes here: its warnings and errors at debug level, the rest at trace level, because what
    /// matters reaches the caller as an error.
    package var logger: Logger

    package init(
        bootstrapServers: String, properties: [String: String] = [:], requestTimeout: Duration = .seconds(30),
        logger: Logger = Logger(label: "cluster")
    ) {
        self.bootstrapServers = bootstrapServers
        self.properties = properties
        self.requestTimeout = requestTimeout
        self.logger = logger
    }

    /// Properties by the Java client's names, translated to librdkafka's. Names that both share pass through; what only Java
    /// knows is passed over. Trust stores and key stores in PKCS#12 and JKS are read here, as librdkafka cannot: a change of
    /// such a file is seen by what is made of the properties afterwards.
    ///
    /// - Parameter notice: is told what is passed over.
    /// - Throws: `.invalidConfig` for values that have no counterpart, for stores that cannot be read, and for names that
    ///   neither knows.
    package static func properties(
        fromJava properties: [String: String], notice: (String) -> Void = { _ in }
    ) throws(ClusterError) -> [String: String] {
        let authorities = try JavaStores.trusted(properties)
        let identity = try JavaStores.identity(properties)
        var translated: [String: String] = [:]
        for (name, value) in properties.sorted(by: { $0.key < $1.key }) {
            switch name {
            case "sasl.jaas.config":
                for (name, value) in try credentials(fromJAAS: value) { translated[name] = value }
            case "sasl.oauthbearer.client.credentials.client.id": translated["sasl.oauthbearer.client.id"] = value
            case "sasl.oauthbearer.client.credentials.client.secret":
                translated["sasl.oauthbearer.client.secret"] = value
            case "sasl.oauthbearer.header.urlencode", "https.ca.location": translated[name] = value
            case "sasl.oauthbearer.jwt.retriever.class": try checkRetriever(value)
            case "ssl.truststore.location":
                if let pem = authorities {
                    translated["ssl.ca.pem"] = pem
                } else {
                    translated["ssl.ca.location"] = value
                }
            case "ssl.truststore.certificates": translated["ssl.ca.pem"] = value
            case "ssl.keystore.certificate.chain": translated["ssl.certificate.pem"] = value
            case "ssl.keystore.key": translated["ssl.key.pem"] = value
            case "ssl.keystore.location":
                if let identity {
                    translated["ssl.certificate.pem"] = identity.chain
                    translated["ssl.key.pem"] = identity.key
                } else if properties["ssl.keystore.type"]?.uppercased() == "PEM" || JavaStores.isPEM(value) {
                    // Java's PEM store is one file with the key and its certificates.
                    translated["ssl.certificate.location"] = value
                    translated["ssl.key.location"] = value
                } else {
                    translated["ssl.keystore.location"] = value
                }
            case "ssl.truststore.type", "ssl.keystore.type":
                guard StoreFile.types.contains(value.uppercased()) else {
                    throw ClusterError(
                        .invalidConfig, "\(name)=\(value) is not supported",
                        hint: "stores of the types \(StoreFile.types.joined(separator: ", ")) can be read")
                }
            case "ssl.truststore.password": continue  // used where the store is read
            case "ssl.keystore.password", "ssl.key.password":
                if identity == nil { translated[name] = value }
            case "bootstrap.servers", "key.serializer", "value.serializer", "key.deserializer", "value.deserializer":
                continue  // the first is an argument of ours, the others are about Java classes
            case "ssl.endpoint.identification.algorithm": translated[name] = value.isEmpty ? "none" : value
            case "partition.assignment.strategy":
                translated[name] = JavaProperties.assignors(value, notice: notice)
            case _ where JavaProperties.renamed[name] != nil: translated[JavaProperties.renamed[name] ?? name] = value
            case _ where JavaProperties.isOfLibrary(name, value): translated[name] = value
            case _ where JavaProperties.contain(name): notice("\(name) is passed over: it is for Java's clients alone")
            default:
                let nearest = nearestName(
                    to: name, among: Array(JavaProperties.names) + JavaProperties.namesOfLibrary())
                throw ClusterError(
                    .invalidConfig,
                    "no Kafka client has a property '\(name)'" + (nearest.map { ": did you mean '\($0)'?" } ?? ""))
            }
        }
        return translated
    }

    /// `...LoginModule required username="a" password="b";` as librdkafka's two properties.
    private static func credentials(fromJAAS text: String) throws(ClusterError) -> [String: String] {
        let jaas: JAASConfiguration
        do throws(JAASConfiguration.Failure) { jaas = try JAASConfiguration(text) } catch {
            throw ClusterError(
                .invalidConfig, "sasl.jaas.config cannot be read: \(error)",
                hint: "or set sasl.username and sasl.password")
        }
        let options = jaas.options
        if jaas.module == "OAuthBearerLoginModule" { return try tokens(fromJAAS: options) }
        guard let user = options["username"], let password = options["password"] else {
            throw ClusterError(
                .invalidConfig, "sasl.jaas.config has no username=\"...\" and password=\"...\"",
                hint: "or set sasl.username and sasl.password")
        }
        var found = ["sasl.username": user, "sasl.password": password]
        if options["tokenauth"]?.lowercased() == "true" {
            guard jaas.module == "ScramLoginModule" else {
                throw ClusterError(
                    .invalidConfig, "tokenauth=true in sasl.jaas.config is an option of ScramLoginModule alone")
            }
            found[tokenAuthName] = "true"
        }
        return found
    }

    /// Whether user and password of SCRAM are id and HMAC of a delegation token (KIP-48). A name of our own: librdkafka has
    /// nothing of the kind.
    static let tokenAuthName = "sasl.scram.tokenauth"

    /// Options of `OAuthBearerLoginModule` (KIP-768, KIP-342; those for tests are KIP-255's) as librdkafka's properties.
    private static func tokens(fromJAAS options: [String: String]) throws(ClusterError) -> [String: String] {
        var found: [String: String] = [:]
        var extensions: [String] = []
        for (name, value) in options.sorted(by: { $0.key < $1.key }) {
            switch name {
            case "clientId": found["sasl.oauthbearer.client.id"] = value
            case "clientSecret": found["sasl.oauthbearer.client.secret"] = value
            case "scope": found["sasl.oauthbearer.scope"] = value
            case "ssl.truststore.location": found["https.ca.location"] = value
            case "ssl.truststore.type" where value.uppercased() == "PEM": break
            case "unsecuredLoginStringClaim_sub":
                guard !value.contains(" ") else {
                    throw ClusterError(.invalidConfig, "unsecuredLoginStringClaim_sub in sasl.jaas.config has a space")
                }
                found["enable.sasl.oauthbearer.unsecure.jwt"] = "true"
                found["sasl.oauthbearer.config"] = "principal=" + value
            case _ where name.hasPrefix("extension_"): extensions.append("\(name.dropFirst(10))=\(value)")
            case _ where name.hasPrefix("unsecuredLoginExtension_"):
                extensions.append("\(name.dropFirst(24))=\(value)")
            default:
                throw ClusterError(
                    .invalidConfig,
                    "OAuthBearerLoginModule in sasl.jaas.config has the option '\(name)', which is not there",
                    hint:
                        "there are clientId, clientSecret, scope, extension_NAME, ssl.truststore.location (PEM), and for "
                        + "tests unsecuredLoginStringClaim_sub")
            }
        }
        if !extensions.isEmpty { found["sasl.oauthbearer.extensions"] = extensions.joined(separator: ",") }
        return found
    }

    /// Upstream's classes that bring tokens (KIP-1139): by a client's secret, or from a file.
    private static func checkRetriever(_ name: String) throws(ClusterError) {
        let simple = name.split(separator: ".").last.map(String.init) ?? name
        guard ["DefaultJwtRetriever", "ClientCredentialsJwtRetriever", "FileJwtRetriever"].contains(simple) else {
            throw ClusterError(
                .invalidConfig, "sasl.oauthbearer.jwt.retriever.class is '\(name)'",
                hint: "there are DefaultJwtRetriever, ClientCredentialsJwtRetriever and FileJwtRetriever")
        }
    }

    /// Whether a property says how a client gets tokens.
    static func isOfTokens(_ name: String) -> Bool {
        name.hasPrefix("sasl.oauthbearer.") || name == "enable.sasl.oauthbearer.unsecure.jwt"
            || name == "https.ca.location" || name == tokenAuthName
    }
}
