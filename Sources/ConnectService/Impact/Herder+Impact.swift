import ConnectCore
import SchemaRules

extension Herder {
    /// What a candidate schema would do to the connectors that all workers know of, whether they run or not.
    nonisolated func impact(of question: ImpactQuestion) async -> ImpactAnswer {
        var answer = ImpactAnswer()
        let topics = status.read { $0.topics }
        for (name, connector) in config.read({ $0.connectors }).sorted(by: { $0.key < $1.key }) {
            // Where a provider has no value now, the placeholder stands for it.
            let properties = (try? await resolved(connector.properties)) ?? connector.properties
            guard let plugin = plugins.plugin(properties["connector.class"] ?? "") else { continue }
            if plugin is any SinkPlugin { answer.groups.insert(SinkTaskRun.group(name, properties, settings)) }
            let one = ConnectorImpact(
                question: question, name: name, properties: plugin.modernized(properties), settings: settings,
                topics: topics[name] ?? []
            ).answer(plugin)
            answer.impacts += one.impacts
            answer.writers += one.writers
        }
        return answer
    }
}
