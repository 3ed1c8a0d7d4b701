/// What carries a configuration.
package enum ConfigResource: Hashable, Sendable {
    case topic(String)
    case broker(Int32)
}

/// One configuration value of a topic or broker and where it comes from.
package struct ConfigEntry: Hashable, Sendable {
    package var name: String
    /// nil when it is not set, and for sensitive values, which never leave the broker.
    package var value: String?
    package var source: Source
    package var isReadOnly: Bool
    package var isSensitive: Bool
    /// Where the value would come from if the higher ones were not set; the first one is in force.
    package var synonyms: [Synonym]

    package init(
        name: String, value: String?, source: Source, isReadOnly: Bool = false, isSensitive: Bool = false,
        synonyms: [Synonym] = []
    ) {
        self.name = name
        self.value = value
        self.source = source
        self.isReadOnly = isReadOnly
        self.isSensitive = isSensitive
        self.synonyms = synonyms
    }

    /// Whether nobody set it.
    package var isDefault: Bool { source == .defaultConfig }

    /// The numbers are those of DescribeConfigs.
    package enum Source: Int8, Sendable, CaseIterable {
        case unknown = 0
        case dynamicTopic = 1
        case dynamicBroker = 2
        case dynamicDefaultBroker = 3
        case staticBroker = 4
        case defaultConfig = 5
        case dynamicBrokerLogger = 6

        /// Kafka's name, such as `DYNAMIC_TOPIC_CONFIG`.
        package var name: String {
            switch self {
            case .unknown: "UNKNOWN"
            case .dynamicTopic: "DYNAMIC_TOPIC_CONFIG"
            case .dynamicBroker: "DYNAMIC_BROKER_CONFIG"
            case .dynamicDefaultBroker: "DYNAMIC_DEFAULT_BROKER_CONFIG"
            case .staticBroker: "STATIC_BROKER_CONFIG"
            case .defaultConfig: "DEFAULT_CONFIG"
            case .dynamicBrokerLogger: "DYNAMIC_BROKER_LOGGER_CONFIG"
            }
        }
    }

    package struct Synonym: Hashable, Sendable {
        package var name: String
        package var value: String?
        package var source: Source

        package init(name: String, value: String?, source: Source) {
            self.name = name
            self.value = value
            self.source = source
        }
    }
}

/// One change of a configuration (KIP-339).
package struct ConfigChange: Hashable, Sendable {
    package enum Operation: Hashable, Sendable {
        case set(String)
        /// Back to what it is when nobody sets it.
        case reset
        /// Adds elements to a comma-separated list, such as `cleanup.policy`.
        case append(String)
        /// Takes elements out of a comma-separated list.
        case subtract(String)
    }

    package var name: String
    package var operation: Operation

    package init(_ name: String, _ operation: Operation) {
        self.name = name
        self.operation = operation
    }
}
