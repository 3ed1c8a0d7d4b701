/// What can be changed while the broker runs (IncrementalAlterConfigs on the broker resource), as Kafka has it
/// (`DynamicBrokerConfig`).
extension ServerProperties {
    package static func isDynamic(_ name: String) -> Bool { dynamicNames.contains(name) }

    /// A property that is known here, or one that Kafka changes while it runs and that has nothing behind it here.
    static func alterable(_ name: String) -> ConfigDefinition? {
        definition(name) ?? withoutUse.first { $0.name == name }
    }

    private static let dynamicNames: Set<String> = {
        let others: Set<String> = [
            "log.cleaner.threads", "log.cleaner.dedupe.buffer.size", "log.cleaner.io.buffer.load.factor",
            "log.cleaner.io.buffer.size", "log.cleaner.io.max.bytes.per.second", "log.cleaner.backoff.ms",
            "max.connections", "max.connections.per.ip", "max.connection.creation.rate", "num.network.threads",
            "num.io.threads",
            "producer.id.expiration.ms",
        ]
        return others.union(TopicConfigs.definitions.compactMap(\.serverName)).union(withoutUse.map(\.name))
    }()

    /// Settings that are taken and kept without effect, since tools set them on their way: `kafka-reassign-partitions
    /// --throttle` sets rates of replication.
    package static let withoutUse: [ConfigDefinition] = {
        func property(
            _ name: String, _ type: ConfigDefinition.ValueType, _ defaultValue: String, _ rule: ConfigDefinition.Rule
        ) -> ConfigDefinition {
            .init(
                name: name, type: type, defaultValue: defaultValue, rule: rule, serverName: nil,
                documentation: "Kept for tools that set it; there is nothing behind it in this broker.")
        }
        let count: ConfigDefinition.Rule = .range(1...Int64(Int32.max))
        let rate = String(Int64.max)
        return [
            property("background.threads", .int, "10", count),
            property("follower.replication.throttled.rate", .long, rate, .range(0 ... .max)),
            property("leader.replication.throttled.rate", .long, rate, .range(0 ... .max)),
            property("num.recovery.threads.per.data.dir", .int, "2", count),
            property("num.replica.fetchers", .int, "1", .anything),
            property("replica.alter.log.dirs.io.max.bytes.per.second", .long, rate, .range(0 ... .max)),
            property("transaction.partition.verification.enable", .boolean, "true", .anything),
        ]
    }()
}
