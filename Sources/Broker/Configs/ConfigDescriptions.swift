/// Settings as DescribeConfigs shows them: the value in force, where it comes from, and what would hold otherwise.
package struct ConfigDescription: Sendable {
    /// The source byte of DescribeConfigs.
    package enum Source: Int8, Sendable {
        case dynamicTopic = 1, dynamicBroker = 2, dynamicDefaultBroker = 3, staticBroker = 4, defaultValue = 5
        case dynamicBrokerLogger = 6, clientMetrics = 7
        case dynamicGroup = 8
    }
    package struct Synonym: Sendable {
        package var name: String
        package var value: String
        package var source: Source
    }
    package var name: String
    package var value: String
    /// There is no value, not even an empty one.
    package var isUnset = false
    package var source: Source
    package var isReadOnly: Bool
    /// From the value in force to the default.
    package var synonyms: [Synonym]
    package var type: ConfigDefinition.ValueType
    package var documentation: String

    /// Whether the value is told to nobody.
    package var isSensitive: Bool { type == .password }
}

/// Where a broker's settings come from: what goes first comes first.
package struct BrokerConfigLayers: Sendable {
    /// Altered while the broker ran, for this one.
    package var own: [String: String]
    /// Altered while it ran, for all brokers.
    package var defaults: [String: String]
    /// From the configuration file and flags.
    package var staticServer: ServerProperties

    /// All that was set of one setting and of its other units, what counts first, down to the defaults.
    fileprivate func synonyms(of name: String) -> [ConfigDescription.Synonym] {
        let definitions = ServerProperties.synonyms(of: name).compactMap(ServerProperties.alterable)
        func found(
            _ source: ConfigDescription.Source, _ value: (ConfigDefinition) -> String?
        ) -> [ConfigDescription.Synonym] {
            definitions.compactMap { definition in
                value(definition).map {
                    ConfigDescription.Synonym(name: definition.name, value: $0, source: source)
                }
            }
        }
        return found(.dynamicBroker) { own[$0.name] } + found(.dynamicDefaultBroker) { defaults[$0.name] }
            + found(.staticBroker) { staticServer.values[$0.name] }
            + found(.defaultValue) { $0.hasNoDefault ? nil : $0.defaultValue }
    }

    fileprivate func isAltered(_ name: String) -> Bool { own[name] != nil || defaults[name] != nil }
}

package enum ConfigDescriptions {
    /// - Parameter server: the properties in force.
    package static func topic(
        _ topic: Topic, server: ServerProperties, layers: BrokerConfigLayers
    ) -> [ConfigDescription] {
        TopicConfigs.definitions.compactMap { definition in
            let override = topic.overrides[definition.name]
            if definition.isHidden, override == nil { return nil }
            var synonyms: [ConfigDescription.Synonym] = []
            if let override { synonyms.append(.init(name: definition.name, value: override, source: .dynamicTopic)) }
            if let name = definition.serverName { synonyms += layers.synonyms(of: name) }
            // What is inherited may have been set in another unit.
            return ConfigDescription(
                name: definition.name, value: override ?? server.topicDefault(definition.name),
                source: synonyms.first?.source ?? .defaultValue, isReadOnly: false, synonyms: synonyms,
                type: definition.type, documentation: definition.documentation)
        }
    }

    /// - Parameter overrides: the group's own settings.
    package static func group(overrides: [String: String], server: ServerProperties) -> [ConfigDescription] {
        GroupConfigs.definitions.map { definition in
            var synonyms: [ConfigDescription.Synonym] = []
            if let value = overrides[definition.name] {
                synonyms.append(.init(name: definition.name, value: value, source: .dynamicGroup))
            }
            if let name = definition.serverName {
                if server.isSet(name) {
                    synonyms.append(.init(name: name, value: server.text(name), source: .staticBroker))
                }
                synonyms.append(.init(name: name, value: definition.defaultValue, source: .defaultValue))
            }
            return ConfigDescription(
                name: definition.name, value: synonyms.first?.value ?? definition.defaultValue,
                source: synonyms.first?.source ?? .defaultValue, isReadOnly: false, synonyms: synonyms,
                type: definition.type, documentation: definition.documentation)
        }
    }

    /// - Parameter overrides: what is set of the subscription.
    static func clientMetrics(_ overrides: [String: String]) -> [ConfigDescription] {
        ClientMetricsConfigs.definitions.map { definition in
            let value = overrides[definition.name]
            let source: ConfigDescription.Source = value == nil ? .defaultValue : .clientMetrics
            return ConfigDescription(
                name: definition.name, value: value ?? definition.defaultValue, source: source, isReadOnly: false,
                synonyms: [.init(name: definition.name, value: value ?? definition.defaultValue, source: source)],
                type: definition.type, documentation: definition.documentation)
        }
    }

    /// - Parameter layers: of the broker; without its own values they describe the defaults of all brokers.
    package static func broker(_ layers: BrokerConfigLayers) -> [ConfigDescription] {
        let withoutUse = ServerProperties.withoutUse.filter { layers.isAltered($0.name) }
        return (ServerProperties.known + withoutUse).map { definition in
            // As Kafka shows a setting with units: what goes before it is told at the finer unit.
            var synonyms = layers.synonyms(of: definition.name).drop { $0.name != definition.name }
            let isSensitive = definition.type == .password
            // Here, so that no way to the outside can forget it.
            if isSensitive { for index in synonyms.indices { synonyms[index].value = "" } }
            return ConfigDescription(
                name: definition.name, value: synonyms.first?.value ?? "", isUnset: synonyms.isEmpty || isSensitive,
                source: synonyms.first?.source ?? .defaultValue,
                isReadOnly: !ServerProperties.isDynamic(definition.name), synonyms: Array(synonyms),
                type: definition.type, documentation: definition.documentation)
        }
    }
}
