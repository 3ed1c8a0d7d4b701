extension ServerProperties {
    /// Properties of the group and transaction coordinators, by Kafka's names. The defaults are Kafka's but for
    /// `group.initial.rebalance.delay.ms` and those of assignment intervals: consumers get their partitions at once.
    static let coordination: [ConfigDefinition] = {
        let milliseconds: ConfigDefinition.Rule = .range(1...Int64(Int32.max))
        let property = ConfigDefinition.ofServer
        return [
            property(
                "offsets.topic.num.partitions", .int, "50", .range(1...10_000),
                "Partitions of __consumer_offsets when it is created; fixed from then on."),
            property(
                "offsets.topic.segment.bytes", .int, "104857600", .range(1_048_576...Int64(Int32.max)),
                "Segment size of __consumer_offsets when it is created."),
            property(
                "offsets.topic.replication.factor", .short, "1", .range(1...1),
                "Replicas of __consumer_offsets; there is one broker."),
            property(
                "offsets.retention.minutes", .int, "10080", milliseconds,
                "Minutes after which the offsets of a group without members are forgotten."),
            property(
                "offsets.retention.check.interval.ms", .long, "600000", .range(1 ... .max),
                "Milliseconds between two looks for offsets to forget."),
            property(
                "offset.metadata.max.bytes", .int, "4096", .range(0...Int64(Int32.max)),
                "Largest metadata of a committed offset, in bytes."),
            property(
                "group.min.session.timeout.ms", .int, "6000", milliseconds,
                "Shortest session timeout that a member of a classic group may ask for."),
            property(
                "group.max.session.timeout.ms", .int, "1800000", milliseconds,
                "Longest session timeout that a member of a classic group may ask for."),
            property(
                "group.initial.rebalance.delay.ms", .int, "0", .range(0...Int64(Int32.max)),
                "Milliseconds that a new classic group waits for more members before its first rebalance."),
            property(
                "group.max.size", .int, "2147483647", .range(1...Int64(Int32.max)), "Members of a classic group."),
            property(
                "group.consumer.session.timeout.ms", .int, "45000", milliseconds,
                "Milliseconds after which a silent member of the new consumer protocol is removed."),
            property(
                "group.consumer.min.session.timeout.ms", .int, "45000", milliseconds,
                "Shortest consumer.session.timeout.ms that a group may be given."),
            property(
                "group.consumer.max.session.timeout.ms", .int, "60000", milliseconds,
                "Longest consumer.session.timeout.ms that a group may be given."),
            property(
                "group.consumer.heartbeat.interval.ms", .int, "5000", milliseconds,
                "Milliseconds between two heartbeats of a member of the new consumer protocol."),
            property(
                "group.consumer.min.heartbeat.interval.ms", .int, "5000", milliseconds,
                "Shortest consumer.heartbeat.interval.ms that a group may be given."),
            property(
                "group.consumer.max.heartbeat.interval.ms", .int, "15000", milliseconds,
                "Longest consumer.heartbeat.interval.ms that a group may be given."),
            property(
                "group.consumer.assignment.interval.ms", .int, "0", .range(0...Int64(Int32.max)),
                "Milliseconds between two assignments of a group of the new consumer protocol, which take changes in "
                    + "between together."),
            property(
                "group.consumer.min.assignment.interval.ms", .int, "0", .range(0...Int64(Int32.max)),
                "Shortest consumer.assignment.interval.ms that a group may be given."),
            property(
                "group.consumer.max.assignment.interval.ms", .int, "15000", .range(0...Int64(Int32.max)),
                "Longest consumer.assignment.interval.ms that a group may be given."),
            property(
                "group.consumer.max.size", .int, "2147483647", .range(1...Int64(Int32.max)),
                "Members of a group of the new consumer protocol."),
            property(
                "group.consumer.assignors", .list, "uniform,range",
                .subset([
                    "uniform", "range", "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
                    "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
                ]),
                "Assignors that members may ask for; the first is the default."),
            property(
                "group.consumer.migration.policy", .string, "bidirectional",
                .oneOf(["bidirectional", "upgrade", "downgrade", "disabled"]),
                "Whether a group may change between the classic and the new protocol while it has members."),
            property(
                "group.consumer.regex.refresh.interval.ms", .int, "600000", .range(10_000...Int64(Int32.max)),
                "Milliseconds after which regular expressions of subscriptions are resolved anew."),
            property(
                "transaction.state.log.num.partitions", .int, "50", .range(1...10_000),
                "Partitions of __transaction_state when it is created; fixed from then on."),
            property(
                "transaction.state.log.segment.bytes", .int, "104857600", .range(1_048_576...Int64(Int32.max)),
                "Segment size of __transaction_state when it is created."),
            property(
                "transaction.state.log.replication.factor", .short, "1", .range(1...1),
                "Replicas of __transaction_state; there is one broker."),
            property(
                "transaction.state.log.min.isr", .int, "1", .range(1...1),
                "Replicas that must have a transaction's state; there is one broker."),
            property(
                "transaction.max.timeout.ms", .int, "900000", milliseconds,
                "Longest transaction timeout that a producer may ask for."),
            property(
                "transactional.id.expiration.ms", .int, "604800000", milliseconds,
                "Milliseconds after which a transactional id without transactions is forgotten."),
        ]
    }()
}
