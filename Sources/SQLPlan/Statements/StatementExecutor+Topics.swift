import SQLSyntax

/// The topics that statements make.
extension StatementExecutor {
    static let cleanupPolicy = PlanError(
        "Invalid config variable in the WITH clause: CLEANUP_POLICY.\nThe CLEANUP_POLICY config is automatically inferred based"
            + " on the type of source (STREAM or TABLE).\nUsers can't set the CLEANUP_POLICY config manually.")

    private static let tableRetention = PlanError(
        "Invalid config variable in the WITH clause: RETENTION_MS. Non-windowed tables do not support retention.")

    func createTopic(_ properties: WithProperties, _ create: CreateSource) throws(PlanError) {
        if properties.hasCleanupPolicy { throw Self.cleanupPolicy }
        guard let name = properties.topic else { return }
        let exists = environment.topics.partitionCount(of: name) != nil
        if !exists, properties.partitions == nil {
            var example = create
            example.properties.entries.append(.init(Identifier("PARTITIONS"), .integer(2)))
            throw PlanError(
                "Topic '\(name)' does not exist. If you want to create a new topic for the stream/table please re-run the"
                    + " statement providing the required 'PARTITIONS' configuration in the WITH clause (and optionally"
                    + " 'REPLICAS'). For example: \(example.sql)")
        }
        if create.kind == .table, properties.retention != nil { throw Self.tableRetention }
        try makeTopic(
            name, properties, partitions: nil, replicas: nil, cleanup: create.kind == .table ? .compact : .delete,
            retention: properties.retention)
    }

    func createTopic(
        _ properties: WithProperties, _ create: CreateSourceAs, _ planned: PlannedQuery, _ catalog: Catalog
    ) throws(PlanError) {
        let source = catalog[create.query.from.first.name.text]?.topic ?? ""
        let cleanup: TopicSpecification.Cleanup =
            create.kind == .stream ? .delete : (create.query.window == nil ? .compact : .compactAndDelete)
        if cleanup == .compact, properties.retention != nil { throw Self.tableRetention }
        let windowRetention = create.query.window?.retention?.milliseconds
        let retention = properties.retention ?? environment.topics.retention(of: source)
        try makeTopic(
            planned.topic, properties, partitions: environment.topics.partitionCount(of: source),
            replicas: environment.topics.replicaCount(of: source), cleanup: cleanup,
            retention: windowRetention.map { max($0, retention ?? $0) } ?? retention)
    }

    /// Creates the topic, or checks that what is there is what the statement asks for.
    private func makeTopic(
        _ name: String, _ properties: WithProperties, partitions: Int?, replicas: Int?,
        cleanup: TopicSpecification.Cleanup, retention: Int64?
    ) throws(PlanError) {
        let topics = environment.topics
        if let count = topics.partitionCount(of: name) {
            return try check(name, partitionCount: count, properties, retention: retention)
        }
        let count = properties.partitions ?? partitions ?? 1
        guard count > 0 else { throw PlanError("PARTITIONS must be greater than zero: \(count)") }
        try topics.create(
            TopicSpecification(
                name: name, partitionCount: count, replicaCount: properties.replicas ?? replicas, cleanup: cleanup,
                retention: cleanup == .compact ? nil : retention))
    }

    /// Checks a topic that is there against what the statement says, not against what it leaves to us.
    private func check(
        _ name: String, partitionCount count: Int, _ properties: WithProperties, retention: Int64?
    ) throws(PlanError) {
        let topics = environment.topics
        let wanted = properties.partitions ?? count
        let replicaCount = topics.replicaCount(of: name)
        let wantedReplicas = properties.replicas ?? replicaCount
        // Replayed statements were accepted when retention was not compared yet.
        let isCompared = properties.retention != nil && !topics.isReplayed
        let wantedRetention = isCompared ? retention : nil
        let actualRetention = isCompared ? topics.retention(of: name) : nil
        var hasFewer = false
        if let replicaCount, let wantedReplicas { hasFewer = replicaCount < wantedReplicas }
        var isKeptOtherwise = false
        if let wantedRetention, let actualRetention { isKeptOtherwise = wantedRetention != actualRetention }
        guard wanted != count || hasFewer || isKeptOtherwise else { return }
        let factor = (wanted: wantedReplicas ?? -1, actual: replicaCount ?? -1)
        var expected = "\(wanted) partitions (topic has \(count)), "
        var what = "partition/replica"
        if let wantedRetention, let actualRetention {
            what += "/retention"
            expected += "\(factor.wanted) replication factor (topic has \(factor.actual)), and \(wantedRetention)"
            expected += " retention (topic has \(actualRetention))."
        } else {
            expected += "\(factor.wanted) replication factor (topic has \(factor.actual))."
        }
        throw PlanError(
            "A Kafka topic with the name '\(name)' already exists, with different \(what) configuration than required."
                + " KSQL expects \(expected)")
    }
}
