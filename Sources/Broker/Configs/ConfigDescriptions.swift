/// Settings as DescribeConfigs shows them: the value in force, where it comes from, and what would hold otherwise.
package struct ConfigDescription: Sendable {
    /// The source byte of DescribeConfigs.
    package enum Source: Int8, Sendable {
        case dynamicTopic = 1, dynamicBroker = 2, dynamicDefaultBroker = 3, staticBroker = 4, defaultValue = 5
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
}

/// Where a broker's settings come from: what goes first comes first.
package struct BrokerConfigLayers: Sendable {
    /// Altered while the broker ran, for this one.
    package var own: [String: String]
    /// Altered while it ran, for all brokers.
    package var defaults: [String: String]
    /// From the configuration file and flags.
    package var staticServer: ServerProperties

    /// What was altered of one setting.
    fileprivate func dynamic(_ name: String) -> [ConfigDescription.Synonym] {
        var found: [ConfigDescription.Synonym] = []
        if let value = own[name] { found.append(.init(name: name, value: value, source: .dynamicBroker)) }
        if let value = defaults[name] { found.append(.init(name: name, value: value, source: .dynamicDefaultBroker)) }
        return found
    }
}

package enum ConfigDescriptions {
    /// - Parameter server: the properties in force.
    package static func topic(
        _ topic: Topic, server: ServerProperties, layers: BrokerConfigLayers
    ) -> [ConfigDescription] {
        TopicConfigs.definitions.map { definition in
            var synonyms: [ConfigDescription.Synonym] = []
            if let value = topic.overrides[definition.name] {
                synonyms.append(.init(name: definition.name, value: value, source: .dynamicTopic))
            }
            let inherited = server.topicDefault(definition.name)
            if let name = definition.serverName {
                let dynamic = layers.dynamic(name)
                synonyms += dynamic
                // A coarser unit may have been altered: then it is what is inherited.
                let below = dynamic.isEmpty ? server : layers.staticServer
                let value = below.topicDefault(definition.name)
                if value != definition.defaultValue || below.isSet(name) {
                    synonyms.append(.init(name: name, value: value, source: .staticBroker))
                }
                synonyms.append(.init(name: name, value: definition.defaultValue, source: .defaultValue))
            }
            return ConfigDescription(
                name: definition.name, value: synonyms.first?.value ?? inherited,
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

    /// - Parameter layers: of the broker; without its own values they describe the defaults of all brokers.
    package static func broker(_ layers: BrokerConfigLayers) -> [ConfigDescription] {
        ServerProperties.known.map { definition in
            var synonyms = layers.dynamic(definition.name)
            if layers.staticServer.isSet(definition.name) {
                synonyms.append(
                    .init(
                        name: definition.name, value: layers.staticServer.text(definition.name), source: .staticBroker))
            }
            synonyms.append(.init(name: definition.name, value: definition.defaultValue, source: .defaultValue))
            return ConfigDescription(
                name: definition.name, value: synonyms[0].value, source: synonyms[0].source,
                isReadOnly: !ServerProperties.isDynamic(definition.name), synonyms: synonyms, type: definition.type,
                documentation: definition.documentation)
        }
    }
}
