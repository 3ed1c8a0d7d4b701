extension ServerProperties {
    /// Properties of streams groups (KIP-1071), by Kafka's names. The defaults are Kafka's but for the initial delay and
    /// the assignment interval: as other groups, their members get their tasks at once.
    static let streams: [ConfigDefinition] = {
        let milliseconds: ConfigDefinition.Rule = .range(1...Int64(Int32.max))
        let count: ConfigDefinition.Rule = .range(0...Int64(Int32.max))
        let property = ConfigDefinition.ofServer
        return [
            property(
                "group.streams.session.timeout.ms", .int, "45000", milliseconds,
                "Milliseconds after which a silent member of a streams group is removed."),
            property(
                "group.streams.min.session.timeout.ms", .int, "45000", milliseconds,
                "Shortest streams.session.timeout.ms that a group may be given."),
            property(
                "group.streams.max.session.timeout.ms", .int, "60000", milliseconds,
                "Longest streams.session.timeout.ms that a group may be given."),
            property(
                "group.streams.heartbeat.interval.ms", .int, "5000", milliseconds,
                "Milliseconds between two heartbeats of a member of a streams group."),
            property(
                "group.streams.min.heartbeat.interval.ms", .int, "5000", milliseconds,
                "Shortest streams.heartbeat.interval.ms that a group may be given."),
            property(
                "group.streams.max.heartbeat.interval.ms", .int, "15000", milliseconds,
                "Longest streams.heartbeat.interval.ms that a group may be given."),
            property(
                "group.streams.assignment.interval.ms", .int, "0", count,
                "Milliseconds between two assignments of a streams group, which take changes in between together."),
            property(
                "group.streams.min.assignment.interval.ms", .int, "0", count,
                "Shortest streams.assignment.interval.ms that a group may be given."),
            property(
                "group.streams.max.assignment.interval.ms", .int, "15000", count,
                "Longest streams.assignment.interval.ms that a group may be given."),
            property(
                "group.streams.initial.rebalance.delay.ms", .int, "0", count,
                "Milliseconds for which the first member of a streams group waits for more before tasks are assigned."),
            property(
                "group.streams.num.standby.replicas", .int, "0", count,
                "Copies of the state of each stateful task of a streams group, besides the one that is processed."),
            property(
                "group.streams.max.standby.replicas", .int, "2", count,
                "Greatest streams.num.standby.replicas that a group may be given."),
            property(
                "group.streams.max.size", .int, "2147483647", .range(1...Int64(Int32.max)),
                "Members of a streams group."),
        ]
    }()

    /// Why the properties of streams groups cannot stand together, in Kafka's words; nil when they can.
    var streamsConflict: String? {
        let ordered = [
            ("group.streams.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms"),
            ("group.streams.max.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms"),
            ("group.streams.assignment.interval.ms", "group.streams.min.assignment.interval.ms"),
            ("group.streams.max.assignment.interval.ms", "group.streams.assignment.interval.ms"),
            ("group.streams.session.timeout.ms", "group.streams.min.session.timeout.ms"),
            ("group.streams.max.session.timeout.ms", "group.streams.session.timeout.ms"),
            ("group.streams.max.standby.replicas", "group.streams.num.standby.replicas"),
        ]
        for (greater, less) in ordered where number(greater) < number(less) {
            return "\(greater) must be greater than or equal to \(less)"
        }
        guard number("group.streams.heartbeat.interval.ms") < number("group.streams.session.timeout.ms") else {
            return "group.streams.heartbeat.interval.ms must be less than group.streams.session.timeout.ms"
        }
        return nil
    }
}
