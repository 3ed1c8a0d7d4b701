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

    /// - Throws: POLICY_VIOLATION when one request asks for more partitions than it may; then it makes none.
    static func checkTotal(of creations: [TopicCreation], server: ServerProperties) throws(ControlError) {
        var left = partitionCountMax
        for creation in creations {
            let count =
                !creation.assignments.isEmpty
                ? creation.assignments.count
                : creation.partitionCount == -1
                    ? Int(server.number("num.partitions")) : max(0, Int(creation.partitionCount))
            guard count <= left else {
                throw ControlError(.policyViolation, "Excessively large number of partitions per request.")
            }
            left -= count
        }
    }

    /// The number of partitions of a new topic.
    static func partitionCount(
        of creation: TopicCreation, server: ServerProperties, nodeId: Int32
    ) throws(ControlError) -> Int32 {
        if !creation.assignments.isEmpty {
            guard creation.replicationFactor == -1 else {
                throw ControlError(
                    .invalidRequest,
                    "A manual partition assignment was specified, but replication factor was not set to -1.")
            }
            guard creation.partitionCount == -1 else {
                throw ControlError(
                    .invalidRequest,
                    "A manual partition assignment was specified, but numPartitions was not set to -1.")
            }
            return try checkedCount(of: creation.assignments, nodeId: nodeId)
        }
        if creation.replicationFactor == 0 || creation.replicationFactor < -1 {
            throw ControlError(
                .invalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
        }
        if creation.partitionCount == 0 || creation.partitionCount < -1 {
            throw ControlError(
                .invalidPartitions, "Number of partitions was set to an invalid non-positive value.")
        }
        if creation.replicationFactor > 1 {
            throw ControlError(
                .invalidReplicationFactor,
                "Unable to replicate the partition \(creation.replicationFactor) time(s): The target replication factor "
                    + "of \(creation.replicationFactor) cannot be reached because only 1 broker(s) are registered.")
        }
        return creation.partitionCount == -1
            ? Int32(clamping: server.number("num.partitions")) : creation.partitionCount
    }

    private static func checkedCount(
        of assignments: [(partition: Int32, brokers: [Int32])], nodeId: Int32
    ) throws(ControlError) -> Int32 {
        var seen: Set<Int32> = []
        for assignment in assignments {
            guard seen.insert(assignment.partition).inserted else {
                throw ControlError(
                    .invalidReplicaAssignment,
                    "Found multiple manual partition assignments for partition \(assignment.partition)")
            }
            try checkReplicas(assignment.brokers, nodeId: nodeId)
        }
        let count = Int32(clamping: assignments.count)
        guard (0..<count).allSatisfy(seen.contains) else {
            throw ControlError(
                .invalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
        }
        return count
    }

    /// - Throws: INVALID_REPLICA_ASSIGNMENT for replicas that a client chose and that are not this one broker.
    static func checkReplicas(_ brokers: [Int32], nodeId: Int32) throws(ControlError) {
        if let problem = problem(withReplicas: brokers, nodeId: nodeId) {
            throw ControlError(.invalidReplicaAssignment, problem)
        }
    }

    /// Why these cannot be the replicas of a partition, in Kafka's words; nil when they can.
    private static func problem(withReplicas brokers: [Int32], nodeId: Int32) -> String? {
        if brokers.isEmpty { return "The manual partition assignment includes an empty replica list." }
        var previous: Int32?
        for broker in brokers.sorted() {
            if broker != nodeId {
                return "The manual partition assignment includes broker \(broker), but no such broker is registered."
            }
            if broker == previous {
                return "The manual partition assignment includes the broker \(broker) more than once."
            }
            previous = broker
        }
        return nil
    }

    static func canCollide(_ name: String) -> Bool {
        name.utf8.contains { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") }
    }

    /// The name in the names of metrics, which have '_' for '.'. Kafka refuses topics that are one by it.
    static func folded(_ name: String) -> String {
        guard name.utf8.contains(UInt8(ascii: ".")) else { return name }
        return String(decoding: name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
    }

    /// Applies alterations to the overrides of a topic, a group or a broker.
    ///
    /// - Parameters:
    ///   - current: the effective value of a list that items are appended to or taken from.
    ///   - code: of the error for a name or value that is not permitted.
    static func applied(
        _ alterations: [ConfigAlteration], to overrides: [String: String], definition: (String) -> ConfigDefinition?,
        current: (String) -> String, code: ErrorCode = .invalidConfig, problem: (String, String) -> String?
    ) throws(ControlError) -> [String: String] {
        guard Set(alterations.map(\.name)).count == alterations.count else {
            throw ControlError(.invalidRequest, "Error due to duplicate config keys")
        }
        let nulls = alterations.filter { $0.operation != .delete && $0.value == nil }.map(\.name)
        guard nulls.isEmpty else {
            throw ControlError(.invalidRequest, "Null value not supported for : \(nulls.joined(separator: ", "))")
        }
        var result = overrides
        for alteration in alterations {
            let value = alteration.value ?? ""
            switch alteration.operation {
            case .delete: result[alteration.name] = nil
            case .set: result[alteration.name] = value
            case .append, .subtract:
                if let definition = definition(alteration.name), definition.type != .list {
                    throw notList(alteration, code)
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

    /// Kafka's brokers say it of their own settings in other words, and with another code, than its controller of topics.
    private static func notList(_ alteration: ConfigAlteration, _ code: ErrorCode) -> ControlError {
        let isAppended = alteration.operation == .append
        return code == .invalidConfig
            ? ControlError(
                .invalidConfig,
                "Can't \(isAppended ? "APPEND" : "SUBTRACT") to key \(alteration.name) because its type is not LIST.")
            : ControlError(
                .invalidConfig,
                "Config value \(isAppended ? "append" : "subtract") is not allowed for config key: \(alteration.name)")
    }
}
