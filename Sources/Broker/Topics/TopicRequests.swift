import KafkaMessages

/// A topic that somebody asks for.
package struct TopicCreation: Sendable {
    package var name: String
    /// -1 takes `num.partitions`.
    package var partitionCount: Int32
    /// -1 takes the default; 1 is the only other possible one.
    package var replicationFactor: Int16
    /// Replicas per partition where the client chose them; then the counts above must be -1.
    package var assignments: [(partition: Int32, brokers: [Int32])]
    /// Values by name; nil asks for the default.
    package var configs: [(name: String, value: String?)]

    package init(
        name: String, partitionCount: Int32 = -1, replicationFactor: Int16 = -1,
        assignments: [(partition: Int32, brokers: [Int32])] = [], configs: [(name: String, value: String?)] = []
    ) {
        self.name = name
        self.partitionCount = partitionCount
        self.replicationFactor = replicationFactor
        self.assignments = assignments
        self.configs = configs
    }
}

/// One change to a resource's configuration (KIP-339).
package struct ConfigAlteration: Sendable {
    package enum Operation: Int8, Sendable { case set = 0, delete = 1, append = 2, subtract = 3 }
    package var name: String
    package var operation: Operation
    package var value: String?

    package init(name: String, operation: Operation, value: String?) {
        self.name = name
        self.operation = operation
        self.value = value
    }
}

/// Checks of requests for topics, apart from any state, with the words of Kafka's controller.
enum TopicRules {
    /// Partitions that one request may ask for; Kafka's controller has the same bound.
    static let partitionCountMax = 10_000

    /// The number of partitions of a new topic.
    static func partitionCount(
        of creation: TopicCreation, server: ServerProperties, nodeId: Int32
    ) throws(ControlError) -> Int32 {
        if let problem = Topic.problem(withName: creation.name) { throw ControlError(.invalidTopicException, problem) }
        if !creation.assignments.isEmpty {
            guard creation.replicationFactor == -1, creation.partitionCount == -1 else {
                throw ControlError(
                    .invalidRequest,
                    "A manual partition assignment was specified, but numPartitions and replicationFactor were not both "
                        + "set to -1.")
            }
            return try checkedCount(of: creation.assignments, nodeId: nodeId)
        }
        if creation.replicationFactor == 0 || creation.replicationFactor < -1 {
            throw ControlError(
                .invalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
        }
        if creation.replicationFactor > 1 {
            throw ControlError(
                .invalidReplicationFactor,
                "Unable to replicate the partition \(creation.replicationFactor) time(s): The target replication factor "
                    + "of \(creation.replicationFactor) cannot be reached because only 1 broker(s) are registered.")
        }
        if creation.partitionCount == 0 || creation.partitionCount < -1 {
            throw ControlError(
                .invalidPartitions, "Number of partitions was set to an invalid non-positive value.")
        }
        return creation.partitionCount == -1
            ? Int32(clamping: server.number("num.partitions")) : creation.partitionCount
    }

    private static func checkedCount(
        of assignments: [(partition: Int32, brokers: [Int32])], nodeId: Int32
    ) throws(ControlError) -> Int32 {
        guard assignments.map(\.partition).sorted() == Array(0..<Int32(clamping: assignments.count)) else {
            throw ControlError(
                .invalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
        }
        for assignment in assignments where assignment.brokers != [nodeId] {
            throw ControlError(
                .invalidReplicaAssignment,
                "The manual partition assignment includes brokers \(assignment.brokers), but \(nodeId) is the only broker "
                    + "there is.")
        }
        return Int32(clamping: assignments.count)
    }

    /// Metric names replace '.' by '_', so names that then collide are refused as Kafka does.
    static func collision(of name: String, in names: some Sequence<String>) -> String? {
        let folded = name.replacing(".", with: "_")
        guard name.contains(".") || name.contains("_") else { return nil }
        return names.first { $0 != name && $0.replacing(".", with: "_") == folded }
    }

    /// Applies alterations to a topic's or broker's overrides.
    ///
    /// - Parameters:
    ///   - current: the effective value of a list that items are appended to or taken from.
    ///   - code: of the error for a name or value that is not permitted.
    static func applied(
        _ alterations: [ConfigAlteration], to overrides: [String: String], definition: (String) -> ConfigDefinition?,
        current: (String) -> String, code: ErrorCode = .invalidConfig, problem: (String, String) -> String?
    ) throws(ControlError) -> [String: String] {
        var result = overrides
        var seen: Set<String> = []
        for alteration in alterations {
            guard seen.insert(alteration.name).inserted else {
                throw ControlError(.invalidRequest, "Error due to duplicate config keys")
            }
            switch alteration.operation {
            case .delete:
                if definition(alteration.name) == nil, let problem = problem(alteration.name, "") {
                    throw ControlError(code, problem)
                }
                result[alteration.name] = nil
            case .set:
                guard let value = alteration.value else {
                    throw ControlError(.invalidRequest, "Null value not supported for : \(alteration.name)")
                }
                result[alteration.name] = value
            case .append, .subtract:
                guard let value = alteration.value else {
                    throw ControlError(.invalidRequest, "Null value not supported for : \(alteration.name)")
                }
                if let definition = definition(alteration.name), definition.type != .list {
                    throw ControlError(
                        code,
                        "Can't \(alteration.operation == .append ? "APPEND" : "SUBTRACT") to key \(alteration.name) because "
                            + "its type is not LIST.")
                }
                let items = ConfigDefinition.items(of: result[alteration.name] ?? current(alteration.name))
                let named = ConfigDefinition.items(of: value)
                let changed =
                    alteration.operation == .append
                    ? items + named.filter { !items.contains($0) } : items.filter { !named.contains($0) }
                result[alteration.name] = changed.joined(separator: ",")
            }
            if let value = result[alteration.name], let problem = problem(alteration.name, value) {
                throw ControlError(code, problem)
            }
        }
        return result
    }
}
