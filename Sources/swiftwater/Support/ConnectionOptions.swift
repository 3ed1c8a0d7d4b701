import ArgumentParser
import Bytes
import Cluster
import Glibc
import Logging

/// How to reach the cluster: the same options with every command that needs one.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: [.customShort("b"), .customLong("bootstrap"), .customLong("bootstrap-server")],
        help: ArgumentHelp(
            "Brokers to connect to, separated by commas. (default: $SWIFTWATER_BOOTSTRAP or 127.0.0.1:9092)",
            valueName: "host:port"))
    var bootstrap: String?

    @Option(
        name: [.customShort("X"), .customLong("property")],
        help: ArgumentHelp("A client property by librdkafka's name; may be repeated.", valueName: "name=value"))
    var properties: [String] = []

    @Option(
        help: ArgumentHelp("A file of client properties by the Java client's names.", valueName: "file"),
        completion: .file())
    var commandConfig: String?

    @Option(help: ArgumentHelp("Seconds to wait for an answer of the cluster.", valueName: "seconds"))
    var timeout: Double = 30

    @Flag(name: .shortAndLong, help: "Log what the connection does to standard error.")
    var verbose = false

    func validate() throws {
        guard timeout > 0, timeout < 1e6 else { throw ValidationError("--timeout must be more than 0 seconds") }
        do {
            _ = try pairs(properties, option: "--property")
            _ = try bootstrapServers()
        } catch let failure as CommandFailure {
            // The parser shows only errors of its own.
            throw ValidationError(failure.message + (failure.hint.map { ": " + $0 } ?? ""))
        }
    }

    private static let serversName = "bootstrap.servers"

    /// Where to connect to: the option, else the property of `-X` or the file, else the environment, else this machine.
    ///
    /// - Parameter file: what `--command-config` has.
    func bootstrapServers(
        file: [String: String] = [:], environment: (String) -> String? = EnvironmentVariables.value
    ) throws -> String {
        let given = try pairs(properties, option: "--property").last { $0.name == Self.serversName }?.value
        let text =
            bootstrap ?? given ?? file[Self.serversName] ?? environment("SWIFTWATER_BOOTSTRAP") ?? "127.0.0.1:9092"
        let servers = try text.split(separator: ",").map { part in
            try HostPort(String(part).trimmed, defaultPort: 9092).description
        }
        guard !servers.isEmpty else { throw CommandFailure.usage("'\(text)' names no broker", hint: "-b HOST:PORT") }
        return servers.joined(separator: ",")
    }

    /// What the file and `-X` set, which wins.
    func clientProperties() throws -> [String: String] { try clientProperties(file: file()) }

    private func file() throws -> [String: String] { try commandConfig.map(PropertiesFile.read) ?? [:] }

    private func clientProperties(file: [String: String]) throws -> [String: String] {
        var given = try Self.checked { () throws(ClusterError) in
            try RemoteConfiguration.properties(fromJava: file) { text in
                if verbose { Output.complain(text) }
            }
        }
        for (name, value) in try pairs(properties, option: "--property") where name != Self.serversName {
            given[name] = value
        }
        return given
    }

    /// What is wrong with properties is wrong with the command line.
    private static func checked<Value>(_ body: () throws(ClusterError) -> Value) throws -> Value {
        do {
            return try body()
        } catch let error where error.code == .invalidConfig {
            throw usageFailure(error)
        }
    }

    private static func usageFailure(_ error: ClusterError) -> CommandFailure {
        let name = error.message.split(separator: "'").dropFirst().first.map { String($0) }
        return .usage(error.message, hint: error.hint ?? name.flatMap { OptionHints.hint(forProperty: $0) })
    }

    /// Connects and makes sure that a broker answers.
    ///
    /// - Parameter overrides: properties that the command's own options stand for; `-X` wins over them.
    func connect(_ overrides: [String: String] = [:]) async throws -> RemoteCluster {
        let file = try file()
        let servers = try bootstrapServers(file: file)
        let given = try clientProperties(file: file)
        var logger = Logger(label: "swiftwater", factory: StandardErrorLog.init)
        logger.logLevel = verbose ? .trace : .critical
        let configuration = RemoteConfiguration(
            bootstrapServers: servers, properties: overrides.merging(given) { $1 },
            requestTimeout: .milliseconds(Int64(timeout * 1000)), logger: logger)
        try Self.checkFiles(configuration.properties)
        let cluster = try Self.checked { () throws(ClusterError) in try RemoteCluster(configuration) }
        do {
            try await cluster.connect(timeout: .milliseconds(Int64(min(timeout, 10) * 1000)))
        } catch {
            if let text = Self.textOfAnotherProtocol(error.message) {
                throw CommandFailure(
                    "cannot connect to \(servers): no Kafka broker answers there: the answer begins with '\(text)'",
                    hint: "the Kafka port of 'swiftwater start' is 9092, unless --kafka says otherwise")
            }
            if let hint = Self.hint(connecting: error.message) { throw CommandFailure(error.message, hint: hint) }
            guard error.code == .brokerNotAvailable || error.code == .requestTimedOut else { throw error }
            throw CommandFailure(
                error.message,
                hint: bootstrap == nil && EnvironmentVariables.value("SWIFTWATER_BOOTSTRAP") == nil
                    ? "start a broker with 'swiftwater start', or name a cluster with -b HOST:PORT"
                    : "is a broker running there?")
        }
        return cluster
    }

    /// What to do about a connection that came about but was of no use, by librdkafka's and our own words for it.
    static func hint(connecting message: String) -> String? {
        let wantsCertificate =
            "the port wants a certificate it trusts: -X ssl.certificate.location=FILE -X ssl.key.location=FILE"
        let unknownAuthority =
            "name a file with the certificate of its authority: -X ssl.ca.location=FILE, or ssl.truststore.location in "
            + "--command-config"
        let speaksPlainly = "does the port speak TLS? One that does not takes security.protocol=PLAINTEXT"
        let hints: [(words: String, hint: String)] = [
            // librdkafka's words, and those that OpenSSL has for it when librdkafka passes them on.
            ("certificate could not be verified", unknownAuthority), ("certificate verify failed", unknownAuthority),
            (
                "connecting to a SSL listener",
                "does the port want TLS? -X security.protocol=SSL, or SASL_SSL with a user"
            ),
            (
                "might require SASL",
                "does the port want a user? -X security.protocol=SASL_PLAINTEXT -X sasl.mechanism=..., "
                    + "-X sasl.username=... and -X sasl.password=..., or --command-config FILE"
            ),
            // What the port says of this side's certificate.
            ("alert certificate required", wantsCertificate), ("alert bad certificate", wantsCertificate),
            ("alert unknown ca", wantsCertificate),
            // What is no TLS, by OpenSSL.
            ("unexpected eof", speaksPlainly), ("wrong version number", speaksPlainly),
            ("packet length too long", speaksPlainly),
            (
                "not valid in current SASL state",
                "this port asks for no user: security.protocol is PLAINTEXT, or SSL, there"
            ),
            ("failed to resolve", "check the name of the host"),
            ("set sasl.mechanism to what it takes", "-X sasl.mechanism=NAME, or sasl.mechanism in --command-config"),
        ]
        return hints.first { message.contains($0.words) }?.hint
    }

    /// Properties that name files; librdkafka says of one that is not there only that OpenSSL failed.
    private static let fileNames = [
        "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location",
    ]

    private static func checkFiles(_ properties: [String: String]) throws {
        guard properties["security.protocol"]?.lowercased().hasSuffix("ssl") == true else { return }
        for name in fileNames {
            // The first name stands for a search, and the value may also name a folder.
            guard let path = properties[name], !path.isEmpty, path != "probe", access(path, R_OK) != 0 else { continue }
            throw CommandFailure.usage("\(name): cannot read '\(path)': \(String(cString: strerror(errno)))")
        }
    }

    /// The four letters, such as "HTTP", that a server of another protocol sends where Kafka has the length of its answer.
    static func textOfAnotherProtocol(_ message: String) -> String? {
        guard let name = message.firstRange(of: "invalid response size "),
            let size = UInt32(message[name.upperBound...].prefix { $0.isNumber })
        else { return nil }
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) }
        return bytes.allSatisfy { (0x20..<0x7F).contains($0) } ? String(decoding: bytes, as: UTF8.self) : nil
    }

    /// The failure for a topic that does not exist: with the nearest name that does.
    ///
    /// - Parameter isWanted: whether making it would help, which it would not where topics are deleted.
    static func unknownTopic(
        _ name: String, in cluster: any Cluster, isWanted: Bool = true
    ) async -> CommandFailure {
        let names = (try? await cluster.topics().map(\.name)) ?? []  // only for the hint
        if let nearest = nearestName(to: name, among: names) {
            return CommandFailure("topic '\(name)' does not exist: did you mean '\(nearest)'?")
        }
        return CommandFailure(
            "topic '\(name)' does not exist",
            hint: isWanted
                ? "create it with 'swiftwater topic create \(name)'" : "'swiftwater topic list' shows those that do")
    }

    /// The topic, or `unknownTopic`.
    static func topic(_ name: String, in cluster: any Cluster) async throws -> TopicDescription {
        do {
            return try await cluster.topic(name)
        } catch let error where error.code == .unknownTopicOrPartition {
            throw await unknownTopic(name, in: cluster)
        }
    }
}

/// The process's environment.
enum EnvironmentVariables {
    /// All variables, as the process got them.
    static func all() -> [String: String] {
        guard let text = try? PropertiesFile.text("/proc/self/environ") else { return [:] }
        var variables: [String: String] = [:]
        for entry in text.split(whereSeparator: { $0 == "\0" }) {
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
        }
        return variables
    }

    /// The value of a variable; nil when it is not set or empty.
    static func value(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        let text = String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// Variables that the program looks for besides those that are settings of `start`.
    private static let others = [
        "BOOTSTRAP", "REGISTRY", "CONNECT", "SQL", "SQL_PASSWORD", "SQL_TOKEN", "CONFIG", "EPHEMERAL", "LOG_LEVEL",
        "LOG_FORMAT", "CONSOLE_PAGES", "PASSWORD", "TOKEN", "CA",
    ]

    /// Says on standard error which variables are passed over that were probably meant for this program.
    static func complainOfMisspelled() {
        for variable in all().keys.sorted() {
            guard !variable.hasPrefix("SWIFTWATER_SET_"),
                let nearest = misspelled(variable, besides: ServerSettings.variables.keys)
            else { continue }
            Output.complain("swiftwater: the variable \(variable) is passed over: did you mean \(nearest)?")
        }
    }

    /// What a variable was probably meant to be that begins like the program's and is none of them.
    ///
    /// - Parameter names: variables that are known as well.
    static func misspelled(_ variable: String, besides names: some Sequence<String>) -> String? {
        let prefix = "SWIFTWATER_"
        guard variable.hasPrefix(prefix) else { return nil }
        let known = others + names.map { String($0.dropFirst(prefix.count)) }
        let name = String(variable.dropFirst(prefix.count))
        guard !known.contains(name) else { return nil }
        return nearestName(to: name, among: known.sorted()).map { prefix + $0 }
    }
}
