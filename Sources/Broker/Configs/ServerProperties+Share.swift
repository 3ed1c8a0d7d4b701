extension ServerProperties {
    /// Properties of share groups (KIP-932), by Kafka's names and with Kafka's defaults.
    static let share: [ConfigDefinition] = {
        let milliseconds: ConfigDefinition.Rule = .range(1...Int64(Int32.max))
        let property = ConfigDefinition.ofServer
        return [
            property(
                "group.share.session.timeout.ms", .int, "45000", milliseconds,
                "Milliseconds after which a silent member of a share group is removed."),
            property(
                "group.share.min.session.timeout.ms", .int, "45000", milliseconds,
                "Shortest share.session.timeout.ms that a group may be given."),
            property(
                "group.share.max.session.timeout.ms", .int, "60000", milliseconds,
                "Longest share.session.timeout.ms that a group may be given."),
            property(
                "group.share.heartbeat.interval.ms", .int, "5000", milliseconds,
                "Milliseconds between two heartbeats of a member of a share group."),
            property(
                "group.share.min.heartbeat.interval.ms", .int, "5000", milliseconds,
                "Shortest share.heartbeat.interval.ms that a group may be given."),
            property(
                "group.share.max.heartbeat.interval.ms", .int, "15000", milliseconds,
                "Longest share.heartbeat.interval.ms that a group may be given."),
            property(
                "group.share.assignment.interval.ms", .int, "0", .range(0...Int64(Int32.max)),
                "Milliseconds between two assignments of a share group, which take changes in between together."),
            property(
                "group.share.min.assignment.interval.ms", .int, "0", .range(0...Int64(Int32.max)),
                "Shortest share.assignment.interval.ms that a group may be given."),
            property(
                "group.share.max.assignment.interval.ms", .int, "15000", .range(0...Int64(Int32.max)),
                "Longest share.assignment.interval.ms that a group may be given."),
            property("group.share.max.size", .int, "200", .range(1...1000), "Members of a share group."),
            property(
                "group.share.assignors", .list, "simple",
                .subset(["simple", "org.apache.kafka.coordinator.group.assignor.SimpleAssignor"]),
                "The assignor of share groups; there is one."),
            property(
                "group.share.record.lock.duration.ms", .int, "30000", .range(1000...3_600_000),
                "Milliseconds for which a member of a share group has a record for itself."),
            property(
                "group.share.min.record.lock.duration.ms", .int, "15000", .range(1000...30_000),
                "Shortest share.record.lock.duration.ms that a group may be given."),
            property(
                "group.share.max.record.lock.duration.ms", .int, "60000", .range(30_000...3_600_000),
                "Longest share.record.lock.duration.ms that a group may be given."),
            property(
                "group.share.delivery.count.limit", .int, "5", .range(2...10),
                "How often a record is delivered to a share group before it is given up."),
            property(
                "group.share.min.delivery.count.limit", .int, "2", .range(2...5),
                "Least share.delivery.count.limit that a group may be given."),
            property(
                "group.share.max.delivery.count.limit", .int, "10", .range(5...25),
                "Greatest share.delivery.count.limit that a group may be given."),
            property(
                "group.share.partition.max.record.locks", .int, "2000", .range(100...10_000),
                "Records of a partition that a share group may have in flight."),
            property(
                "group.share.min.partition.max.record.locks", .int, "100", .range(100...2000),
                "Least share.partition.max.record.locks that a group may be given."),
            property(
                "group.share.max.partition.max.record.locks", .int, "10000", .range(2000...20_000),
                "Greatest share.partition.max.record.locks that a group may be given."),
            property(
                "group.share.max.share.sessions", .int, "2000", .range(1...Int64(Int32.max)),
                "Share sessions of the broker, at most."),
            property(
                "share.coordinator.state.topic.num.partitions", .int, "50", .range(1...10_000),
                "Partitions of __share_group_state, made when it is first needed."),
            property(
                "share.coordinator.state.topic.segment.bytes", .int, "104857600", .range(1_048_576...Int64(Int32.max)),
                "Segment size of __share_group_state."),
            property(
                "share.coordinator.state.topic.replication.factor", .short, "1", .range(1...1),
                "Replicas of __share_group_state: one, as there is one broker."),
            property(
                "share.coordinator.state.topic.min.isr", .short, "1", .range(1...1),
                "Replicas that must have a record of __share_group_state: one, as there is one broker."),
        ]
    }()

    /// Why the properties of share groups cannot stand together, in Kafka's words; nil when they can.
    var shareConflict: String? {
        let ordered = [
            ("group.share.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms"),
            ("group.share.max.heartbeat.interval.ms", "group.share.heartbeat.interval.ms"),
            ("group.share.assignment.interval.ms", "group.share.min.assignment.interval.ms"),
            ("group.share.max.assignment.interval.ms", "group.share.assignment.interval.ms"),
            ("group.share.session.timeout.ms", "group.share.min.session.timeout.ms"),
            ("group.share.max.session.timeout.ms", "group.share.session.timeout.ms"),
            ("group.share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms"),
            ("group.share.max.record.lock.duration.ms", "group.share.record.lock.duration.ms"),
            ("group.share.delivery.count.limit", "group.share.min.delivery.count.limit"),
            ("group.share.max.delivery.count.limit", "group.share.delivery.count.limit"),
            ("group.share.partition.max.record.locks", "group.share.min.partition.max.record.locks"),
            ("group.share.max.partition.max.record.locks", "group.share.partition.max.record.locks"),
            ("group.share.max.share.sessions", "group.share.max.size"),
        ]
        for (greater, less) in ordered where number(greater) < number(less) {
            return "\(greater) must be greater than or equal to \(less)"
        }
        guard number("group.share.heartbeat.interval.ms") < number("group.share.session.timeout.ms") else {
            return "group.share.heartbeat.interval.ms must be less than group.share.session.timeout.ms"
        }
        return nil
    }
}
