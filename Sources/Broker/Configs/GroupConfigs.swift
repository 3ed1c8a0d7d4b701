import Bytes

/// The settings that a consumer group may have of its own (KIP-848, "Group Configurations").
package enum GroupConfigs {
    package static let definitions: [ConfigDefinition] = [
        .init(
            name: "consumer.heartbeat.interval.ms", type: .int, defaultValue: "5000",
            rule: .range(1...Int64(Int32.max)),
            serverName: "group.consumer.heartbeat.interval.ms",
            documentation: "Milliseconds between two heartbeats of a member of the new consumer protocol."),
        .init(
            name: "consumer.session.timeout.ms", type: .int, defaultValue: "45000", rule: .range(1...Int64(Int32.max)),
            serverName: "group.consumer.session.timeout.ms",
            documentation: "Milliseconds after which a silent member of the new consumer protocol is removed."),
    ]

    package static func definition(_ name: String) -> ConfigDefinition? { definitions.first { $0.name == name } }

    /// Why values that are each permitted cannot stand together; nil when they can. A member that sends its heartbeats in
    /// time must not be taken for a silent one.
    static func conflict(_ overrides: [String: String], _ server: ServerProperties) -> String? {
        func number(_ name: String) -> Int64 {
            overrides[name].flatMap { Int64($0.trimmingSpaces) }
                ?? definition(name)?.serverName.map(server.number) ?? 0
        }
        guard number("consumer.session.timeout.ms") <= number("consumer.heartbeat.interval.ms") else { return nil }
        return "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms"
    }

    /// Why `value` cannot be the value of `name`, in words for the client; nil when it can.
    static func problem(_ name: String, _ value: String, _ server: ServerProperties) -> String? {
        guard let definition = definition(name) else {
            let hint = nearestName(to: name, among: definitions.lazy.map(\.name))
            return "Unknown group config name: \(name)" + (hint.map { "; did you mean \($0)?" } ?? "")
        }
        if let problem = definition.problem(with: value) {
            return "Invalid value \(value) for configuration \(name): \(problem)"
        }
        guard let serverName = definition.serverName, let number = Int64(value.trimmingSpaces) else { return nil }
        let part = serverName.dropFirst("group.consumer.".count)
        let bounds = (server.number("group.consumer.min.\(part)"), server.number("group.consumer.max.\(part)"))
        guard bounds.0 <= number && number <= bounds.1 else {
            return "\(name) must be between group.consumer.min.\(part) (\(bounds.0)) and group.consumer.max.\(part) "
                + "(\(bounds.1))"
        }
        return nil
    }
}
