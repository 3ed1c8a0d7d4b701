import Bytes
import ConnectCore

/// `producer.override.*` and so on: what connectors set for the clients that the worker uses for them.
enum ClientOverrides {
    private static let prefixes = ["producer.override.", "consumer.override.", "admin.override."]

    /// The options that count; others are taken without effect.
    private static let producer: ConfigDef = {
        var definition = ConfigDef()
        definition.define("acks", .string, .null, .oneOf(["all", "-1", "0", "1"]))
        definition.define("enable.idempotence", .boolean, .null)
        definition.define("transaction.timeout.ms", .int, .null)
        return definition
    }()

    private static let consumer: ConfigDef = {
        var definition = ConfigDef()
        definition.define("group.id", .string, .null)
        definition.define("group.instance.id", .string, .null, .notEmpty)
        definition.define("group.protocol", .string, .null, .oneOf(["CLASSIC", "CONSUMER"], ignoresCase: true))
        definition.define("auto.offset.reset", .string, .null, .oneOf(["earliest", "latest", "none"]))
        definition.define("isolation.level", .string, .null, .oneOf(["read_committed", "read_uncommitted"]))
        definition.define("max.poll.records", .int, .null, .atLeast(1))
        definition.define("max.partition.fetch.bytes", .int, .null, .atLeast(0))
        definition.define("session.timeout.ms", .int, .null, .atLeast(0))
        definition.define("heartbeat.interval.ms", .int, .null, .atLeast(0))
        definition.define("max.poll.interval.ms", .int, .null, .atLeast(1))
        definition.define("metadata.max.age.ms", .long, .null, .atLeast(0))
        return definition
    }()

    /// What to say of an override that this worker does not read; nil for those that count, and for other options.
    static func words(unread name: String) -> String? {
        for (prefix, definition) in [
            ("producer.override.", producer), ("consumer.override.", consumer), ("admin.override.", ConfigDef()),
        ] where name.hasPrefix(prefix) {
            let own = String(name.dropFirst(prefix.count))
            if definition[own] != nil { return nil }
            let nearest = nearestName(to: own, among: definition.names)
            return "option '\(name)' has no effect in this worker"
                + (nearest.map { ": did you mean '\(prefix)\($0)'?" } ?? "")
        }
        return nil
    }

    static func problems(
        _ properties: [String: String], _ plugin: any ConnectorPlugin, _ settings: WorkerSettings
    ) -> [ConfigProblem] {
        var problems = policyProblems(properties, settings)
        for (prefix, definition) in [("producer.override.", producer), ("consumer.override.", consumer)] {
            var given: [String: String] = [:]
            for (name, value) in properties where name.hasPrefix(prefix) {
                given[String(name.dropFirst(prefix.count))] = value
            }
            // Validators look at options that are not given, too, and at what could not be read: that is told once.
            for finding in definition.validate(given) where given[finding.option.name] != nil {
                problems += finding.errors.prefix(1).map { ConfigProblem(prefix + finding.option.name, $0) }
            }
        }
        if let problem = acksProblem(properties, plugin, settings) { problems.append(problem) }
        return problems
    }

    /// Exactly-once delivery that somebody asked for and `acks` that rule it out. Where it is on because the log is this
    /// process's own, more is kept than was asked for.
    private static func acksProblem(
        _ properties: [String: String], _ plugin: any ConnectorPlugin, _ settings: WorkerSettings
    ) -> ConfigProblem? {
        let option = "producer.override.acks"
        guard plugin is any SourcePlugin, let acks = properties[option].map(ConnectAPI.trimmed),
            acks == "0" || acks == "1"
        else { return nil }
        func says(_ option: String, _ word: String) -> Bool {
            properties[option].map { ConnectAPI.trimmed($0).lowercased() } == word
        }
        let isAsked =
            says("producer.override.enable.idempotence", "true") || says("exactly.once.support", "required")
            || settings.exactlyOnce == .enabled && settings.properties["exactly.once.source.support"] != nil
        guard isAsked else { return nil }
        return ConfigProblem(
            option,
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.")
    }

    /// Overrides that the worker's policy does not allow.
    private static func policyProblems(
        _ properties: [String: String], _ settings: WorkerSettings
    ) -> [ConfigProblem] {
        var problems: [ConfigProblem] = []
        let policy = settings.overridePolicy.split(separator: ".").last.map(String.init) ?? "All"
        let name =
            policy.hasSuffix("ConnectorClientConfigOverridePolicy")
            ? String(policy.dropLast("ConnectorClientConfigOverridePolicy".count)) : policy
        let allowed: Set<String>?
        switch name {
        case "None": allowed = []
        case "Principal":
            allowed = ["security.protocol", "sasl.jaas.config", "sasl.mechanism"]
        case "Allowlist":
            allowed = Set(
                (settings.properties["connector.client.config.override.allowlist"] ?? "").split(separator: ",").map {
                    String($0.filter { $0 != " " })
                })
        default: allowed = nil
        }
        guard let allowed else { return problems }
        for key in properties.keys.sorted() {
            for prefix in prefixes where key.hasPrefix(prefix) {
                let option = String(key.dropFirst(prefix.count))
                guard !allowed.contains(option) else { continue }
                problems.append(
                    ConfigProblem(
                        key,
                        "The '\(name)' policy does not allow '\(option)' to be overridden in the connector configuration."
                    ))
            }
        }
        return problems
    }
}
