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
    package var source: Source
    package var isReadOnly: Bool
    /// From the value in force to the default.
    package var synonyms: [Synonym]
    package var type: ConfigDefinition.ValueType
    package var documentation: String

    /// An altered setting, described for all brokers and not for this one.
    func asDefaultOfBrokers() -> ConfigDescription {
        var description = self
        description.source = .dynamicDefaultBroker
        for index in synonyms.indices where synonyms[index].source == .dynamicBroker {
            description.synonyms[index].source = .dynamicDefaultBroker
        }
        return description
    }
}

package enum ConfigDescriptions {
    package static func topic(
        _ topic: Topic, server: ServerProperties, dynamic: Set<String> = []
    ) -> [ConfigDescription] {
        TopicConfigs.definitions.map { definition in
            var synonyms: [ConfigDescription.Synonym] = []
            if let value = topic.overrides[definition.name] {
                synonyms.append(.init(name: definition.name, value: value, source: .dynamicTopic))
            }
            let inherited = server.topicDefault(definition.name)
            if let name = definition.serverName {
                if dynamic.contains(name) {
                    synonyms.append(.init(name: name, value: inherited, source: .dynamicBroker))
                } else if inherited != definition.defaultValue || server.isSet(name) {
                    synonyms.append(.init(name: name, value: inherited, source: .staticBroker))
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

    /// - Parameter overrides: what was altered while the broker ran.
    package static func broker(
        server: ServerProperties, staticServer: ServerProperties, overrides: [String: String]
    ) -> [ConfigDescription] {
        ServerProperties.known.map { definition in
            var synonyms: [ConfigDescription.Synonym] = []
            if let value = overrides[definition.name] {
                synonyms.append(.init(name: definition.name, value: value, source: .dynamicBroker))
            }
            if staticServer.isSet(definition.name) {
                synonyms.append(
                    .init(name: definition.name, value: staticServer.text(definition.name), source: .staticBroker))
            }
            synonyms.append(.init(name: definition.name, value: definition.defaultValue, source: .defaultValue))
            return ConfigDescription(
                name: definition.name, value: server.text(definition.name),
                source: synonyms.first?.source ?? .defaultValue,
                isReadOnly: !ServerProperties.isDynamic(definition.name), synonyms: synonyms, type: definition.type,
                documentation: definition.documentation)
        }
    }
}
