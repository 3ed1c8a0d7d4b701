package import NIOCore

/// One line of the list of groups.
package struct GroupListing: Hashable, Sendable {
    package var id: String
    /// `consumer`, `connect`, `sr`, ...; empty for a group that only ever had offsets committed.
    package var protocolType: String
    /// nil where the broker does not tell (before Kafka 2.6).
    package var state: GroupState?
    /// nil where the broker does not tell (before Kafka 4.0).
    package var type: GroupType?

    package init(id: String, protocolType: String, state: GroupState?, type: GroupType?) {
        self.id = id
        self.protocolType = protocolType
        self.state = state
        self.type = type
    }
}

/// Which of Kafka's group protocols a group's members speak.
package struct GroupType: RawRepresentable, Hashable, Sendable {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// JoinGroup, SyncGroup, Heartbeat: of all protocol types.
    package static let classic = GroupType(rawValue: "classic")
    /// ConsumerGroupHeartbeat (KIP-848).
    package static let consumer = GroupType(rawValue: "consumer")
    /// ShareGroupHeartbeat (KIP-932): members share partitions, and records are accepted one by one.
    package static let share = GroupType(rawValue: "share")
    /// StreamsGroupHeartbeat (KIP-1071): the threads of a Kafka Streams application, which the broker gives tasks.
    package static let streams = GroupType(rawValue: "streams")
}

/// Where a group is, in Kafka's words.
package struct GroupState: RawRepresentable, Hashable, Sendable {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    package static let preparingRebalance = GroupState(rawValue: "PreparingRebalance")
    package static let completingRebalance = GroupState(rawValue: "CompletingRebalance")
    package static let stable = GroupState(rawValue: "Stable")
    /// No members, but perhaps offsets.
    package static let empty = GroupState(rawValue: "Empty")
    /// Gone, or never there.
    package static let dead = GroupState(rawValue: "Dead")

    /// Whether the group has members, whose offsets nobody else may change.
    package var isActive: Bool { self != .empty && self != .dead }
}

/// A group as it is.
package struct GroupDescription: Hashable, Sendable {
    package var id: String
    package var type: GroupType
    package var state: GroupState
    package var protocolType: String
    /// The assignor that the members agreed on, or for other protocol types their protocol; empty without members.
    package var assignor: String
    package var coordinator: BrokerDescription?
    /// Ordered by client id, then member id.
    package var members: [GroupMember]
    /// Of a streams group: which description of the application its members go by.
    package var topologyEpoch: Int32?

    package init(
        id: String, type: GroupType, state: GroupState, protocolType: String, assignor: String,
        coordinator: BrokerDescription?, members: [GroupMember], topologyEpoch: Int32? = nil
    ) {
        self.id = id
        self.type = type
        self.state = state
        self.protocolType = protocolType
        self.assignor = assignor
        self.coordinator = coordinator
        self.members = members
        self.topologyEpoch = topologyEpoch
    }
}

/// A member of a group as others see it.
package struct GroupMember: Hashable, Sendable {
    package var id: String
    /// `group.instance.id` of a static member.
    package var instanceId: String?
    package var clientId: String
    /// The address of the client, without the slash that Kafka puts in front of it.
    package var host: String
    /// What the member has; empty for members of other protocol types than `consumer`.
    package var assignment: [TopicPartition]
    /// The bytes of the member's metadata and assignment, whose meaning is the protocol type's; nil for members of the
    /// consumer protocol, which has none.
    package var metadata: ByteBuffer?
    package var assignmentBytes: ByteBuffer?
    /// Of a member of a streams group; nil for others.
    package var tasks: StreamsMemberTasks?

    package init(
        id: String, instanceId: String?, clientId: String, host: String, assignment: [TopicPartition],
        metadata: ByteBuffer? = nil, assignmentBytes: ByteBuffer? = nil, tasks: StreamsMemberTasks? = nil
    ) {
        self.id = id
        self.instanceId = instanceId
        self.clientId = clientId
        self.host = host
        self.assignment = assignment
        self.metadata = metadata
        self.assignmentBytes = assignmentBytes
        self.tasks = tasks
    }
}

/// How far a group has come in one partition.
package struct CommittedOffset: Hashable, Sendable {
    /// The offset of the next record to read.
    package var offset: Int64
    /// Epoch of the leader that the record before it came from, when known.
    package var leaderEpoch: Int32?
    /// Any text.
    package var metadata: String

    package init(_ offset: Int64, leaderEpoch: Int32? = nil, metadata: String = "") {
        self.offset = offset
        self.leaderEpoch = leaderEpoch
        self.metadata = metadata
    }
}

/// Who commits offsets: a member in a generation, so that one that lost its partitions is refused.
package struct GroupIdentity: Hashable, Sendable {
    package var group: String
    package var memberId: String
    /// The generation of the classic protocol, or the member's epoch in the consumer protocol.
    package var generation: Int32
    package var instanceId: String?

    package init(group: String, memberId: String, generation: Int32, instanceId: String? = nil) {
        self.group = group
        self.memberId = memberId
        self.generation = generation
        self.instanceId = instanceId
    }

    /// Somebody who is no member; refused while the group has members.
    package static func outside(_ group: String) -> GroupIdentity {
        GroupIdentity(group: group, memberId: "", generation: -1)
    }
}
