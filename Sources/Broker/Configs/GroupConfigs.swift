import Bytes

/// The settings that a group may have of its own (KIP-848 and KIP-932, "Group Configurations"; KIP-1240).
package enum GroupConfigs {
    package static let definitions: [ConfigDefinition] = [
        .init(
            name: "consumer.assignment.interval.ms", type: .int, defaultValue: "0", rule: .range(0...Int64(Int32.max)),
            serverName: "group.consumer.assignment.interval.ms",
            documentation: "Milliseconds between two assignments of the group, which take changes in between together."),
        .init(
            name: "consumer.heartbeat.interval.ms", type: .int, defaultValue: "5000",
            rule: .range(1...Int64(Int32.max)),
            serverName: "group.consumer.heartbeat.interval.ms",
            documentation: "Milliseconds between two heartbeats of a member of the new consumer protocol."),
        .init(
            name: "consumer.session.timeout.ms", type: .int, defaultValue: "45000", rule: .range(1...Int64(Int32.max)),
            serverName: "group.consumer.session.timeout.ms",
            documentation: "Milliseconds after which a silent member of the new consumer protocol is removed."),
        .init(
            name: "share.assignment.interval.ms", type: .int, defaultValue: "0", rule: .range(0...Int64(Int32.max)),
            serverName: "group.share.assignment.interval.ms",
            documentation: "Milliseconds between two assignments of the share group, which take changes in between "
                + "together."),
        .init(
            name: "share.auto.offset.reset", type: .string, defaultValue: "latest", rule: .shareOffsetReset,
            documentation: "Where a share group starts in a partition that it has not read: earliest, latest or "
                + "by_duration:PnDTnHnMn.nS, the first record that is not older."),
        .init(
            name: "share.delivery.count.limit", type: .int, defaultValue: "5", rule: .range(2...Int64(Int32.max)),
            serverName: "group.share.delivery.count.limit",
            documentation: "How often a record is delivered to the share group before it is given up."),
        .init(
            name: "share.heartbeat.interval.ms", type: .int, defaultValue: "5000", rule: .range(1...Int64(Int32.max)),
            serverName: "group.share.heartbeat.interval.ms",
            documentation: "Milliseconds between two heartbeats of a member of the share group."),
        .init(
            name: "share.isolation.level", type: .string, defaultValue: "read_uncommitted",
            rule: .oneOf(["read_committed", "read_uncommitted"]),
            documentation: "read_committed: the share group gets no records of aborted transactions."),
        .init(
            name: "share.partition.max.record.locks", type: .int, defaultValue: "2000",
            rule: .range(100...Int64(Int32.max)), serverName: "group.share.partition.max.record.locks",
            documentation: "Records of a partition that the share group may have in flight."),
        .init(
            name: "share.record.lock.duration.ms", type: .int, defaultValue: "30000",
            rule: .range(1000...Int64(Int32.max)), serverName: "group.share.record.lock.duration.ms",
            documentation: "Milliseconds for which a member of the share group has a record for itself."),
        .init(
            name: "share.renew.acknowledge.enable", type: .boolean, defaultValue: "true", rule: .anything,
            documentation: "Whether members of the share group may renew their hold on a record."),
        .init(
            name: "share.session.timeout.ms", type: .int, defaultValue: "45000", rule: .range(1...Int64(Int32.max)),
            serverName: "group.share.session.timeout.ms",
            documentation: "Milliseconds after which a silent member of the share group is removed."),
    ]

    package static func definition(_ name: String) -> ConfigDefinition? { definitions.first { $0.name == name } }

    /// Why values that are each permitted cannot stand together; nil when they can. A member that sends its heartbeats in
    /// time must not be taken for a silent one.
    static func conflict(_ overrides: [String: String], _ server: ServerProperties) -> String? {
        func number(_ name: String) -> Int64 {
            overrides[name].flatMap { Int64($0.trimmingSpaces) }
                ?? definition(name)?.serverName.map(server.number) ?? 0
        }
        for kind in ["consumer", "share"]
        where number("\(kind).session.timeout.ms") <= number("\(kind).heartbeat.interval.ms") {
            return "\(kind).session.timeout.ms must be greater than \(kind).heartbeat.interval.ms"
        }
        return nil
    }

    /// Why `value` cannot be the value of `name`, in words for the client; nil when it can.
    static func problem(_ name: String, _ value: String, _ server: ServerProperties) -> String? {
        guard let definition = definition(name) else {
            let hint = nearestName(to: name, among: definitions.lazy.map(\.name))
            return "Unknown group config name: \(name)" + (hint.map { "; did you mean \($0)?" } ?? "")
        }
        if let problem = definition.refusal(of: value) { return problem }
        guard let number = Int64(value.trimmingSpaces), let (least, greatest) = bounds(of: definition) else {
            return nil
        }
        let bounds = (server.number(least), server.number(greatest))
        guard bounds.0 <= number && number <= bounds.1 else {
            return "\(name) must be between \(least) (\(bounds.0)) and \(greatest) (\(bounds.1))"
        }
        return nil
    }

    /// The values of a group as they hold: within the bounds of the broker, which may have changed since they were set.
    static func bounded(_ overrides: [String: String], _ server: ServerProperties) -> [String: String] {
        var values = overrides
        for (name, value) in overrides {
            guard let number = Int64(value.trimmingSpaces), let (least, greatest) = definition(name).flatMap(bounds)
            else { continue }
            values[name] = String(max(server.number(least), min(server.number(greatest), number)))
        }
        return values
    }

    /// The broker's settings that bound one of a group: `group.share.min.X` and `group.share.max.X` for `group.share.X`.
    private static func bounds(of definition: ConfigDefinition) -> (least: String, greatest: String)? {
        guard let parts = definition.serverName?.split(separator: ".", maxSplits: 2), parts.count == 3 else {
            return nil
        }
        return ("group.\(parts[1]).min.\(parts[2])", "group.\(parts[1]).max.\(parts[2])")
    }
}
