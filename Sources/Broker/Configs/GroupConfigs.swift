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
        .init(
            name: "streams.assignment.interval.ms", type: .int, defaultValue: "0", rule: .range(0...Int64(Int32.max)),
            serverName: "group.streams.assignment.interval.ms",
            documentation: "Milliseconds between two assignments of the streams group, which take changes in between "
                + "together."),
        .init(
            name: "streams.heartbeat.interval.ms", type: .int, defaultValue: "5000",
            rule: .range(1...Int64(Int32.max)), serverName: "group.streams.heartbeat.interval.ms",
            documentation: "Milliseconds between two heartbeats of a member of the streams group."),
        .init(
            name: "streams.initial.rebalance.delay.ms", type: .int, defaultValue: "0",
            rule: .range(0...Int64(Int32.max)), serverName: "group.streams.initial.rebalance.delay.ms",
            documentation: "Milliseconds for which the first member of the streams group waits for more before tasks "
                + "are assigned."),
        .init(
            name: "streams.num.standby.replicas", type: .int, defaultValue: "0", rule: .range(0...Int64(Int32.max)),
            serverName: "group.streams.num.standby.replicas",
            documentation: "Copies of the state of each stateful task of the streams group, besides the one that is "
                + "processed."),
        .init(
            name: "streams.session.timeout.ms", type: .int, defaultValue: "45000", rule: .range(1...Int64(Int32.max)),
            serverName: "group.streams.session.timeout.ms",
            documentation: "Milliseconds after which a silent member of the streams group is removed."),
    ]

    package static func definition(_ name: String) -> ConfigDefinition? { definitions.first { $0.name == name } }

    /// Why values that are each permitted cannot stand together; nil when they can. A member that sends its heartbeats in
    /// time must not be taken for a silent one.
    static func conflict(_ overrides: [String: String], _ server: ServerProperties) -> String? {
        func number(_ name: String) -> Int64 {
            overrides[name].flatMap { Int64($0.trimmingSpaces) }
                ?? definition(name)?.serverName.map(server.number) ?? 0
        }
        for kind in ["consumer", "share", "streams"]
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
        guard let number = Int64(value.trimmingSpaces) else { return nil }
        let (least, greatest) = bounds(of: definition)
        let isBetween =
            least.map { server.number($0) <= number } ?? true && greatest.map { number <= server.number($0) } ?? true
        if isBetween { return nil }
        let told = [least, greatest].map { $0.map { "\($0) (\(server.number($0)))" } }
        switch (told[0], told[1]) {
        case (let least?, let greatest?): return "\(name) must be between \(least) and \(greatest)"
        case (nil, let greatest?): return "\(name) must be at most \(greatest)"
        case (let least?, nil): return "\(name) must be at least \(least)"
        case (nil, nil): return nil
        }
    }

    /// The values of a group as they hold: within the bounds of the broker, which may have changed since they were set.
    static func bounded(_ overrides: [String: String], _ server: ServerProperties) -> [String: String] {
        var values = overrides
        for (name, value) in overrides {
            guard var number = Int64(value.trimmingSpaces), let (least, greatest) = definition(name).map(bounds)
            else { continue }
            if let greatest { number = min(number, server.number(greatest)) }
            if let least { number = max(number, server.number(least)) }
            values[name] = String(number)
        }
        return values
    }

    /// The broker's settings that bound one of a group, where there are some: `group.share.min.X` and `group.share.max.X`
    /// for `group.share.X`.
    private static func bounds(of definition: ConfigDefinition) -> (least: String?, greatest: String?) {
        guard let parts = definition.serverName?.split(separator: ".", maxSplits: 2), parts.count == 3 else {
            return (nil, nil)
        }
        let subject = parts[2].hasPrefix("num.") ? parts[2].dropFirst("num.".count) : parts[2]
        func known(_ end: String) -> String? {
            let name = "group.\(parts[1]).\(end).\(subject)"
            return ServerProperties.definition(name) == nil ? nil : name
        }
        return (known("min"), known("max"))
    }
}
