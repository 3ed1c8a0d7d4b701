package import KafkaMessages

/// The assignors that run in the coordinator, by the names that members ask for.
package enum ServerAssignor: String, Sendable, CaseIterable {
    /// Balanced over all topics together, and sticky.
    case uniform
    /// Each topic by itself in ranges, so that equal partitions of equal topics meet at one member, and sticky.
    case range

    /// - Parameter name: a name, or the class of upstream's that `group.consumer.assignors` may give instead.
    package init?(configured name: String) {
        switch name {
        case "org.apache.kafka.coordinator.group.assignor.UniformAssignor": self = .uniform
        case "org.apache.kafka.coordinator.group.assignor.RangeAssignor": self = .range
        default: self.init(rawValue: name)
        }
    }

    /// The target assignment of every member of `group`: each partition of a topic that anybody subscribes to belongs
    /// to exactly one of its subscribers. The same input gives the same result.
    package func assign(_ group: AssignmentInput) -> [String: TopicPartitionSet] {
        guard !group.members.isEmpty else { return [:] }
        return switch self {
        case .uniform: group.isHomogeneous ? UniformAssignment.even(group) : UniformAssignment.mixed(group)
        case .range: RangeAssignment.assign(group)
        }
    }
}

/// What an assignor knows.
package struct AssignmentInput: Sendable {
    package struct Member: Sendable {
        package var memberId: String
        package var subscribedTopicIds: Set<KafkaUUID>
        /// The target assignment that it had so far.
        package var previous: TopicPartitionSet

        package init(memberId: String, subscribedTopicIds: Set<KafkaUUID>, previous: TopicPartitionSet) {
            self.memberId = memberId
            self.subscribedTopicIds = subscribedTopicIds
            self.previous = previous
        }
    }

    /// By member id.
    package let members: [Member]
    /// Of all topics that anybody subscribes to.
    package let partitionCounts: [KafkaUUID: Int32]
    package let isHomogeneous: Bool

    /// - Parameter members: in any order. Subscriptions to topics without a partition count are dropped, and so is what
    ///   a member had of partitions that do not exist, that it does not subscribe to, or that another had as well.
    package init(members: [Member], partitionCounts: [KafkaUUID: Int32]) {
        var isClaimed = partitionCounts.mapValues { [Bool](repeating: false, count: Int($0)) }
        let sorted = members.sorted { $0.memberId < $1.memberId }.map { member in
            var member = member
            member.subscribedTopicIds.formIntersection(partitionCounts.keys)
            var kept = TopicPartitionSet()
            for (id, partitions) in member.previous.topics where member.subscribedTopicIds.contains(id) {
                let count = partitionCounts[id] ?? 0
                kept[id] = partitions.filter { 0..<count ~= $0 && isClaimed[id]?[Int($0)] == false }
                for partition in kept[id] { isClaimed[id]?[Int(partition)] = true }
            }
            member.previous = kept
            return member
        }
        self.members = sorted
        let subscribed = sorted.reduce(into: Set<KafkaUUID>()) { $0.formUnion($1.subscribedTopicIds) }
        self.partitionCounts = partitionCounts.filter { subscribed.contains($0.key) }
        isHomogeneous = sorted.allSatisfy { $0.subscribedTopicIds == subscribed }
    }

    var sortedTopicIds: [KafkaUUID] { partitionCounts.keys.sorted(by: <) }
}
