package import SchemaRules

/// How a registry is to run. Names in the comments are those of the original's properties.
package struct RegistrySettings: Sendable {
    /// `kafkastore.topic`
    package var topic = "_schemas"
    /// `kafkastore.topic.replication.factor`: of a topic that is made, at most one for each broker.
    package var replicationFactor: Int16 = 3
    /// `kafkastore.timeout.ms`: from a write to the moment it is read back.
    package var timeout = Duration.seconds(10)
    /// `kafkastore.init.timeout.ms`: to reach the topic and to read it once.
    package var startTimeout = Duration.seconds(60)
    /// `dek.registry.topic`: where encryption keys are.
    package var keyTopic = "_dek_registry_keys"
    /// `dek.registry.max.keys`: of each kind.
    package var keyCountMax = 10_000
    /// `schema.registry.group.id`
    package var group = "schema-registry"
    /// `leader.eligibility`
    package var isEligible = true
    /// `schema.compatibility.level`
    package var level = CompatibilityLevel.backward
    /// `mode.mutability`
    package var allowsModeChanges = true
    /// `schema.cache.size`: parsed schemas that are kept.
    package var cachedCountMax = 1000
    /// Bytes of the texts of these.
    package var cachedByteCountMax = 16 << 20
    /// The largest body of a request.
    package var requestByteCountMax = 16 << 20
    /// `schema.search.default.limit`
    package var schemaLimit = ListLimit(1000)
    /// `subject.search.default.limit`
    package var subjectLimit = ListLimit(20_000)
    /// `subject.version.search.default.limit`
    package var versionLimit = ListLimit(20_000)
    /// `context.search.default.limit`
    package var contextLimit = ListLimit(20_000)
    /// `access.control.allow.origin`: origins whose pages may use the registry; none when empty.
    package var allowedOrigins = ""
    /// `access.control.allow.methods`
    package var allowedMethods = ""
    /// `access.control.allow.headers`
    package var allowedHeaders = ""
    /// `host.name`: what other nodes connect to.
    package var host = "127.0.0.1"
    /// What other nodes reach this one by: http or https.
    package var scheme = "http"
    /// Whether to join the group of registries only with the first write, and to make the topic then: for a broker of this
    /// process, whose users may never use the registry.
    package var isLazy = false
    /// What `/v1/metadata/version` tells.
    package var programVersion = ""

    package init() {}
}

/// How many elements an answer has at most.
package struct ListLimit: Sendable {
    /// Where no limit is asked for, and where a larger one is than there may be.
    package var byDefault: Int
    /// The largest that may be asked for.
    package var most: Int

    /// Both the same.
    package init(_ count: Int) {
        byDefault = count
        most = count
    }

    static let none = ListLimit(.max)

    /// The limit that holds where `asked` is asked for.
    func inForce(_ asked: Int) -> Int { asked > 0 && asked <= most ? asked : byDefault }
}
