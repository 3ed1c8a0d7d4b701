import Cluster
import RegistryService
import SchemaRules

/// The schema registry's settings, by the names of the original's `schema-registry.properties`.
enum RegistryProperties {
    struct Definition {
        var name: String
        var defaultValue: String
        var documentation: String
        /// What is wrong with a value; nil when it is right.
        var problem: @Sendable (String) -> String?
        var apply: @Sendable (String, inout RegistrySettings) -> Void
    }

    /// Properties of the connection begin with this; the rest of the name is a client property by Java's names.
    private static let connectionPrefix = "kafkastore."
    private static let connectionNames = ["security.protocol", "ssl.", "sasl."]

    static let known: [Definition] = own + searchLimits

    private static let own: [Definition] = [
        text(
            "kafkastore.bootstrap.servers", "",
            "Brokers of the cluster whose schemas topic is served; this one when empty."
        ) { _, _ in },
        text("kafkastore.topic", "_schemas", "The topic that holds the schemas.") { $1.topic = $0 },
        number(
            "kafkastore.topic.replication.factor", 3, 1...32767,
            "Replicas of that topic, if the registry makes it; at most one for each broker."
        ) { $1.replicationFactor = Int16(clamping: $0) },
        number(
            "kafkastore.timeout.ms", 10_000, 1...3_600_000,
            "Milliseconds that a write may take until the registry has read it back."
        ) { $1.timeout = .milliseconds($0) },
        number(
            "kafkastore.init.timeout.ms", 60_000, 1...3_600_000,
            "Milliseconds that the start may take to reach the topic and to read it."
        ) { $1.startTimeout = .milliseconds($0) },
        text("dek.registry.topic", "_dek_registry_keys", "The topic that holds the encryption keys of clients.") {
            $1.keyTopic = $0
        },
        number(
            "dek.registry.max.keys", 10_000, 1...10_000_000,
            "Key encryption keys, and data encryption keys, that there may be."
        ) { $1.keyCountMax = $0 },
        text("schema.registry.group.id", "schema-registry", "The group in which registries find their leader.") {
            $1.group = $0
        },
        flag("leader.eligibility", true, "Whether this registry may lead the others.") { $1.isEligible = $0 },
        Definition(
            name: "schema.compatibility.level", defaultValue: "backward",
            documentation: "The compatibility level where none is configured.",
            problem: { CompatibilityLevel($0) == nil ? "levels are " + levels : nil },
            apply: { $1.level = CompatibilityLevel($0) ?? .backward }),
        flag("mode.mutability", true, "Whether modes may be changed.") { $1.allowsModeChanges = $0 },
        number("schema.cache.size", 1000, 1...10_000_000, "Parsed schemas that are kept.") { $1.cachedCountMax = $0 },
        text(
            "access.control.allow.origin", "",
            "Origins whose pages may use registry and SQL server (CORS), with commas; `*` is all, none when empty."
        ) { $1.allowedOrigins = $0 },
        text(
            "access.control.allow.methods", "", "Methods that such pages may use; GET, POST and HEAD when empty."
        ) { $1.allowedMethods = $0 },
        text(
            "access.control.allow.headers", "",
            "Headers that their requests may have; X-Requested-With, Content-Type, Accept and Origin when empty."
        ) { $1.allowedHeaders = $0 },
        text("host.name", "", "What other registries reach this one by; where it listens when empty.") { _, _ in },
        number(
            "registry.request.bytes.max", 16 << 20, 1024...(1 << 30),
            "Bytes of the largest request that the registry takes."
        ) { $1.requestByteCountMax = $0 },
    ]

    private static let searchLimits: [Definition] =
        limits("schema", 1000, "Schemas", \.schemaLimit) + limits("subject", 20_000, "Subjects", \.subjectLimit)
        + limits("subject.version", 20_000, "Versions", \.versionLimit)
        + limits("context", 20_000, "Contexts", \.contextLimit)

    private static func limits(
        _ name: String, _ count: Int, _ what: String, _ limit: WritableKeyPath<RegistrySettings, ListLimit> & Sendable
    ) -> [Definition] {
        [
            number(
                "\(name).search.default.limit", count, 1...10_000_000,
                "\(what) that a list has when no limit is asked for, or a larger one than there may be."
            ) { $1[keyPath: limit].byDefault = $0 },
            number("\(name).search.max.limit", count, 1...10_000_000, "\(what) that may be asked for at once.") {
                $1[keyPath: limit].most = $0
            },
        ]
    }

    static func definition(_ name: String) -> Definition? { known.first { $0.name == name } }

    /// The name in force for another one that the original has for the same.
    static func canonical(_ name: String) -> String { olderNames[name] ?? name }

    private static let olderNames = [
        "avro.compatibility.level": "schema.compatibility.level", "master.eligibility": "leader.eligibility",
    ]

    /// Whether a name is that of a property of the connection to the cluster.
    static func isConnection(_ name: String) -> Bool {
        guard name.hasPrefix(connectionPrefix) else { return false }
        return connectionNames.contains { name.dropFirst(connectionPrefix.count).hasPrefix($0) }
    }

    /// Properties of the connection by librdkafka's names.
    static func connection(_ values: [String: String]) throws(ClusterError) -> [String: String] {
        var java: [String: String] = [:]
        for (name, value) in values where isConnection(name) {
            java[String(name.dropFirst(connectionPrefix.count))] = value
        }
        return try RemoteConfiguration.properties(fromJava: java)
    }

    private static var levels: String { CompatibilityLevel.allCases.map(\.rawValue).joined(separator: ", ") }

    private static func text(
        _ name: String, _ defaultValue: String, _ documentation: String,
        _ apply: @escaping @Sendable (String, inout RegistrySettings) -> Void
    ) -> Definition {
        Definition(
            name: name, defaultValue: defaultValue, documentation: documentation,
            problem: { !defaultValue.isEmpty && $0.isEmpty ? "it cannot be empty" : nil }, apply: apply)
    }

    private static func number(
        _ name: String, _ defaultValue: Int, _ range: ClosedRange<Int>, _ documentation: String,
        _ apply: @escaping @Sendable (Int, inout RegistrySettings) -> Void
    ) -> Definition {
        Definition(
            name: name, defaultValue: String(defaultValue), documentation: documentation,
            problem: { text in
                guard let number = Int(text), range ~= number else {
                    return "it is a number from \(range.lowerBound) to \(range.upperBound)"
                }
                return nil
            }, apply: { apply(Int($0) ?? defaultValue, &$1) })
    }

    private static func flag(
        _ name: String, _ defaultValue: Bool, _ documentation: String,
        _ apply: @escaping @Sendable (Bool, inout RegistrySettings) -> Void
    ) -> Definition {
        Definition(
            name: name, defaultValue: defaultValue ? "true" : "false", documentation: documentation,
            problem: { ["true", "false"].contains($0.lowercased()) ? nil : "it is true or false" },
            apply: { apply($0.lowercased() == "true", &$1) })
    }
}
