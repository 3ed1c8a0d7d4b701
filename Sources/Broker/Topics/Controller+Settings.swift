import Bytes
import KafkaMessages
import LogStorage
import Synchronization

/// Settings of topics, brokers and groups that are changed while the broker runs.
extension Controller {
    /// Replaces (`isIncremental` false: what is not named goes back to its default) or changes a topic's settings.
    func alterTopic(
        _ name: String, _ alterations: [ConfigAlteration], isIncremental: Bool, validateOnly: Bool
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            // What is wrong with the settings is told before that there is no such topic, as in Kafka.
            let found = catalog.topic(named: name)
            let server = state.server
            let overrides = try TopicRules.applied(
                alterations, to: isIncremental ? found?.overrides ?? [:] : [:], definition: TopicConfigs.definition,
                current: { server.topicDefault($0) }, problem: TopicConfigs.problem)
            if let conflict = TopicConfigs.conflict(overrides, server: server) {
                throw ControlError(.invalidConfig, conflict)
            }
            guard let topic = found else {
                throw ControlError(.unknownTopicOrPartition, "The topic '\(name)' does not exist.")
            }
            guard !validateOnly else { return }
            try commit([.topicConfigs(id: topic.id, values: overrides)], &state)
            publish(topic, overrides: overrides, server: server)
        }
    }

    /// Changes settings of the broker that may change while it runs: its own, or the defaults of all brokers.
    ///
    /// What is wrong with them is INVALID_REQUEST, where for topics and groups it is INVALID_CONFIG: Kafka's own oddity
    /// (KAFKA-13609).
    func alterBroker(
        _ alterations: [ConfigAlteration], isDefault: Bool, isIncremental: Bool, validateOnly: Bool
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            let server = state.server
            let present = isDefault ? state.image.brokerDefaults : state.image.brokerConfigs
            let overrides = try TopicRules.applied(
                alterations, to: isIncremental ? present : [:],
                definition: ServerProperties.alterable, current: { server.text($0) }, code: .invalidRequest,
                problem: { name, value in
                    guard let definition = ServerProperties.alterable(name) else {
                        let hint = nearestName(to: name, among: ServerProperties.known.lazy.map(\.name))
                        return "Unknown broker config name: \(name)" + (hint.map { "; did you mean \($0)?" } ?? "")
                    }
                    guard ServerProperties.isDynamic(name) else {
                        return "Cannot update these configs dynamically: Set(\(name))"
                    }
                    return definition.refusal(of: value)
                })
            var image = state.image
            if isDefault { image.brokerDefaults = overrides } else { image.brokerConfigs = overrides }
            if let conflict = Self.effective(state.staticServer, image).conflict {
                throw ControlError(.invalidRequest, conflict)
            }
            guard !validateOnly else { return }
            try commit([isDefault ? .brokerDefaults(values: overrides) : .brokerConfigs(values: overrides)], &state)
            let effective = Self.effective(state.staticServer, state.image)
            state.server = effective
            settings.withLock { $0 = effective }
            settingsObserver.withLock { $0 }?(effective)
            for topic in catalog.snapshot.sorted {
                publish(topic, overrides: topic.overrides, server: effective)
            }
        }
    }

    func publish(_ topic: Topic, overrides: [String: String], server: ServerProperties) {
        let config = EffectiveTopicConfig(overrides: overrides, server: server)
        for partition in topic.partitions { partition.log.update(config: config.log) }
        catalog.publish([
            Topic(
                name: topic.name, id: topic.id, partitions: topic.partitions, overrides: overrides, config: config)
        ])
    }

    /// Replaces or changes the settings of a group, which need not exist.
    func alterGroup(
        _ group: String, _ alterations: [ConfigAlteration], isIncremental: Bool, validateOnly: Bool
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            let server = state.server
            let values = try TopicRules.applied(
                alterations, to: isIncremental ? state.image.groupConfigs[group] ?? [:] : [:],
                definition: GroupConfigs.definition, current: { GroupConfigs.definition($0)?.defaultValue ?? "" },
                problem: { GroupConfigs.problem($0, $1, server) })
            if let conflict = GroupConfigs.conflict(values, server) { throw ControlError(.invalidConfig, conflict) }
            guard !validateOnly else { return }
            try commit([.groupConfigs(group: group, values: values)], &state)
            groupSettings.withLock { $0[group] = values.isEmpty ? nil : values }
        }
    }

    /// Replaces or changes the settings of a subscription to clients' metrics, which need not exist.
    func alterClientMetrics(
        _ name: String, _ alterations: [ConfigAlteration], isIncremental: Bool, validateOnly: Bool
    ) throws(ControlError) {
        try state.withLock { state throws(ControlError) in
            let former = state.image.clientMetrics[name] ?? [:]
            let values = try TopicRules.applied(
                alterations, to: isIncremental ? former : [:],
                definition: ClientMetricsConfigs.definition, current: { _ in "" }, problem: { _, _ in nil })
            try ClientMetricsConfigs.check(values, former: former)
            guard !validateOnly, values != former else { return }
            try commit([.clientMetrics(name: name, values: values)], &state)
        }
    }

    /// The settings that a group has of its own.
    func groupConfigs(_ group: String) -> [String: String] { groupSettings.withLock { $0[group] ?? [:] } }

    /// Those that hold for a group, within the bounds of the broker.
    func boundedGroupConfigs(_ group: String) -> [String: String] {
        let own = groupConfigs(group)
        return own.isEmpty ? own : GroupConfigs.bounded(own, server)
    }

    /// Groups with settings of their own, in the order of their names.
    var configuredGroups: [String] { groupSettings.withLock { $0.keys.sorted() } }

    /// What the settings of the broker come from.
    var brokerLayers: BrokerConfigLayers {
        state.withLock {
            BrokerConfigLayers(
                own: $0.image.brokerConfigs, defaults: $0.image.brokerDefaults, staticServer: $0.staticServer)
        }
    }
}
