package import NIOCore

/// What a consumer of a group reads.
package enum Subscription: Hashable, Sendable {
    case topics([String])
    /// Topics whose whole name a regular expression matches, also those that come later; the broker's own are left out.
    /// Java's syntax in classic groups; in the others the broker matches, which knows RE2's.
    case pattern(String)
}

/// What happened to a member's partitions. Events come one at a time: asking for the next one says that the one before
/// has been dealt with, and the group waits for it.
package enum MembershipEvent: Hashable, Sendable {
    /// These partitions are the member's from now on, besides those it has. Comes after every round of the group, also
    /// when nothing was added. Read on from `committed`.
    case assigned([TopicPartition])
    /// These are to be given up: stop reading them, commit, and ask for the next event.
    case revoked([TopicPartition])
    /// These are gone already, because the member was silent for too long: others may read them, commits are refused.
    case lost([TopicPartition])
}

/// A consumer's place in a group: the group shares out the partitions of its topics among its members, and remembers how
/// far they have come.
///
/// The member joins with the first `next`. It says that it is alive by itself; an owner that leaves an event of the group
/// unanswered for longer than `MembershipOptions.rebalanceTimeout` is put out all the same.
package protocol ConsumerMembership: AnyObject, Sendable {
    /// Waits for the next event; nil after `leave`, or when the task is cancelled. One caller at a time.
    ///
    /// - Throws: what no attempt will mend: `.fencedInstanceId`, `.unreleasedInstanceId`, `.inconsistentGroupProtocol`,
    ///   `.invalidGroupId`, `.groupMaxSizeReached`, `.groupAuthorizationFailed`, `.invalidSessionTimeout`,
    ///   `.unsupportedAssignor`, `.invalidRegularExpression`, `.unsupportedVersion`; and what lasted longer than the
    ///   request timeout, such as `.coordinatorNotAvailable`.
    func next() async throws(ClusterError) -> MembershipEvent?

    /// Who the member is at the moment, as a transaction needs to know that commits offsets (`sendOffsets`). A member that
    /// has not joined or is lost has one that is refused.
    var identity: GroupIdentity { get async }

    /// What the member has, by the events it was given.
    var partitions: Set<TopicPartition> { get async }

    /// Commits offsets and returns when they are durable.
    ///
    /// - Throws: `.unknownMemberId`, `.illegalGeneration`, `.fencedMemberEpoch`, `.fencedInstanceId` when the member has
    ///   lost its partitions; `.rebalanceInProgress` when the group settles, to be tried again after the next event;
    ///   `.offsetMetadataTooLarge`.
    func commit(_ offsets: [TopicPartition: CommittedOffset]) async throws(ClusterError)

    /// What the group has committed in `partitions`, after open transactions on them have ended; those without an offset
    /// are left out.
    func committed(_ partitions: [TopicPartition]) async throws(ClusterError) -> [TopicPartition: CommittedOffset]

    /// Gives everything up at once, so that the others need not wait for a timeout; a static member keeps its partitions
    /// until the session times out. Commit before. Does not throw: whoever cannot be told finds out. Repeated calls do
    /// nothing.
    func leave() async
}

extension ConsumerMembership {
    /// `commit` for worker threads: blocks the calling thread, which must not be one of the cooperative pool.
    package func commitBlocking(_ offsets: [TopicPartition: CommittedOffset]) throws(ClusterError) {
        try blockingThread { () async throws(ClusterError) in try await self.commit(offsets) }
    }
}

/// How a member takes part in its group.
package struct MembershipOptions: Sendable {
    /// Which of Kafka's two protocols a consumer speaks.
    package var type: GroupType
    /// `group.instance.id`: the member keeps its partitions over a restart that is shorter than the session timeout.
    package var instanceId: String?
    /// For the consumer protocol: the name that the member goes by; nil for one that is new each time. A member that comes
    /// by the name of one that is still there, because it ended without leaving, has what that one had at once. No two
    /// that live may have the same.
    package var memberId: String?
    /// How long the coordinator waits for a sign of life. The consumer protocol has it from the broker's configuration.
    package var sessionTimeout: Duration
    /// Time between signs of life. The consumer protocol has it from the broker's configuration.
    package var heartbeatInterval: Duration
    /// For the consumer protocol, where asking is cheap: the longest time between signs of life while the member has no
    /// partitions, and four times that otherwise; nil for the broker's configuration. New topics are noticed by it.
    package var heartbeatIntervalMax: Duration?
    /// How long the group waits for a member to give partitions up and join again.
    package var rebalanceTimeout: Duration
    /// For the classic protocol, the preferred first; the group uses one that all members have. They must all be
    /// cooperative, or the member gives everything up in every round.
    package var assignors: [Assignor]
    /// For the consumer protocol: `uniform`, `range`, or nil for the broker's choice.
    package var remoteAssignor: String?
    /// How often a member looks for new topics and partitions. The consumer protocol leaves that to the broker.
    package var metadataInterval: Duration

    package init(
        type: GroupType = .classic, instanceId: String? = nil, sessionTimeout: Duration = .seconds(45),
        heartbeatInterval: Duration = .seconds(3), rebalanceTimeout: Duration = .seconds(300),
        assignors: [Assignor] = [.cooperativeSticky], remoteAssignor: String? = nil,
        metadataInterval: Duration = .seconds(10)
    ) {
        self.type = type
        self.instanceId = instanceId
        self.sessionTimeout = sessionTimeout
        self.heartbeatInterval = heartbeatInterval
        self.rebalanceTimeout = rebalanceTimeout
        self.assignors = assignors
        self.remoteAssignor = remoteAssignor
        self.metadataInterval = metadataInterval
    }
}

extension Cluster {
    /// A consumer's place in a group, which it takes with the first `next`.
    package func membership(
        group: String, _ subscription: Subscription, options: MembershipOptions = MembershipOptions()
    ) -> any ConsumerMembership {
        options.type == .consumer
            ? ModernConsumer(self, group, subscription, options) : ClassicConsumer(self, group, subscription, options)
    }

    /// A place in a group of another protocol type, such as `connect` or `sr`, whose members agree on something that the
    /// coordinator does not understand.
    ///
    /// - Parameters:
    ///   - protocols: what the member offers, asked for at every round; the preferred one first.
    ///   - assign: decides for the whole group, if this member is its leader.
    package func membership(
        group: String, protocolType: String, options: MembershipOptions = MembershipOptions(),
        protocols: @escaping @Sendable () async -> [GroupProtocol],
        assign: @escaping @Sendable (GroupProposal) async throws(ClusterError) -> [String: ByteBuffer]
    ) -> ProtocolMembership {
        ProtocolMembership(ClassicMember(requests, group, protocolType, options), protocols, assign)
    }
}

/// A protocol that a member offers, and what the leader is to know about the member.
package struct GroupProtocol: Hashable, Sendable {
    package var name: String
    package var metadata: ByteBuffer

    package init(_ name: String, metadata: ByteBuffer) {
        self.name = name
        self.metadata = metadata
    }
}

/// What the leader of a round decides on.
package struct GroupProposal: Hashable, Sendable {
    package struct Member: Hashable, Sendable {
        package var id: String
        package var instanceId: String?
        package var metadata: ByteBuffer
    }

    package var generation: Int32
    /// The leader itself.
    package var memberId: String
    /// The protocol that all members have.
    package var protocolName: String
    /// All members, the leader among them.
    package var members: [Member]
}

/// The outcome of one round of a classic group, as one member sees it.
package struct GroupRound: Hashable, Sendable {
    package var generation: Int32
    package var memberId: String
    package var leader: String
    package var protocolName: String
    /// What the leader decided for this member.
    package var assignment: ByteBuffer

    package var isLeader: Bool { leader == memberId }
}
