import KafkaMessages
package import NIOCore

/// One member of a consumer group: what it asked for, and how far it has come with its assignment.
///
/// - SeeAlso: upstream `ConsumerGroupMember`; KIP-848, "Member reconciliation".
package struct ConsumerGroupMember: ReconcilingMember, Hashable {
    /// Where the member stands between its current and its target assignment.
    package enum State: Int8, Sendable {
        /// It has what the target assignment gave it at its epoch.
        case stable = 1
        /// It still has partitions to give up and stays at its epoch until it reports that it has.
        case unrevokedPartitions = 2
        /// It is at the target epoch, but some of its partitions are still with others.
        case unreleasedPartitions = 3
        /// Written by a newer version; the member has to begin anew.
        case unknown = 127
    }

    /// How a member of the classic protocol takes part in a consumer group.
    package struct Classic: Hashable, Sendable {
        package var sessionTimeoutMs: Int32
        package var protocols: [ClassicProtocol]

        package init(sessionTimeoutMs: Int32, protocols: [ClassicProtocol]) {
            self.sessionTimeoutMs = sessionTimeoutMs
            self.protocols = protocols
        }
    }

    package static let groupKind = "consumer"

    package var memberId: String
    package var instanceId: String?
    package var rackId: String?
    package var clientId = ""
    /// With a slash before it, as Kafka writes it.
    package var clientHost = ""
    /// Ascending and without repeats.
    package var subscribedTopicNames: [String] = []
    /// Empty for none.
    package var subscribedTopicRegex = ""
    /// -1 while not known.
    package var rebalanceTimeoutMs: Int32 = -1
    package var serverAssignor: String?
    /// nil for members that speak the consumer protocol.
    package var classic: Classic?

    /// Grows while the member stays; 0 while it joins, -2 while a static member is away.
    package var memberEpoch: Int32 = 0
    package var previousMemberEpoch: Int32 = 0
    package var state = State.stable
    package var assigned = TopicPartitionSet()
    /// What it has to give up, and nobody else may have before it did.
    package var pendingRevocation = TopicPartitionSet()

    package init(memberId: String) { self.memberId = memberId }

    package var usesClassicProtocol: Bool { classic != nil }

    /// Whether the member has nothing left to do for the assignment of `epoch`.
    package func isReconciled(to epoch: Int32) -> Bool { state == .stable && memberEpoch == epoch }
}

/// A protocol that a member of the classic protocol offers, with its metadata byte for byte.
package struct ClassicProtocol: Hashable, Sendable {
    package var name: String
    package var metadata: ByteBuffer

    package init(name: String, metadata: ByteBuffer) {
        self.name = name
        self.metadata = metadata
    }
}

/// The epochs with a meaning of their own in ConsumerGroupHeartbeat.
package enum MemberEpoch {
    package static let join: Int32 = 0
    package static let leave: Int32 = -1
    package static let leaveStatic: Int32 = -2
}
