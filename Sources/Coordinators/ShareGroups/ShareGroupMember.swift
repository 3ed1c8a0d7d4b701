/// One member of a share group: what it asked for and what it was given.
///
/// - SeeAlso: upstream `ShareGroupMember`.
package struct ShareGroupMember: Hashable, Sendable {
    package var memberId: String
    package var rackId: String?
    package var clientId = ""
    /// With a slash before it, as Kafka writes it.
    package var clientHost = ""
    /// Ascending and without repeats.
    package var subscribedTopicNames: [String] = []

    /// Grows while the member stays; 0 while it joins.
    package var memberEpoch: Int32 = 0
    package var previousMemberEpoch: Int32 = 0
    package var assigned = TopicPartitionSet()

    package init(memberId: String) { self.memberId = memberId }
}

/// The settings of the members of share groups, `group.share.*`. Those that a group overrides are put in by the caller.
package struct ShareMembershipSettings: Sendable, Equatable {
    package var sessionTimeoutMs: Int32 = 45_000
    package var heartbeatIntervalMs: Int32 = 5000
    /// The least time between two assignments: changes in between are taken together (KIP-1263). 0 for none.
    package var assignmentIntervalMs: Int32 = 0
    package var maxSize = 200

    package init() {}
}

/// The partitions of one topic that a share group has begun to read.
package struct ShareGroupTopic: Hashable, Sendable {
    package var name: String
    /// Ascending.
    package var partitions: [Int32]
}
