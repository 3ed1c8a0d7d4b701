package import KafkaMessages

extension ShareGroupHeartbeatRequest {
    package func refused(_ error: ErrorCode, _ message: String? = nil) -> ShareGroupHeartbeatResponse {
        ShareGroupHeartbeatResponse(errorCode: error.rawValue, errorMessage: message)
    }

    /// Checks what can be checked without the group.
    ///
    /// - Throws: 42.
    /// - SeeAlso: upstream `throwIfShareGroupHeartbeatRequestIsInvalid`.
    package func validate() throws(ConsumerGroupError) {
        func require(_ isValid: Bool, _ message: String) throws(ConsumerGroupError) {
            guard isValid else { throw ConsumerGroupError(.invalidRequest, message) }
        }
        try require(!memberId.isBlank, "MemberId can't be empty.")
        try require(!groupId.isBlank, "GroupId can't be empty.")
        try require(memberEpoch >= MemberEpoch.leave, "MemberEpoch is invalid.")
        try require(rackId?.isBlank != true, "RackId can't be empty.")
        if memberEpoch == MemberEpoch.join {
            try require(
                subscribedTopicNames?.isEmpty == false, "SubscribedTopicNames must be set in first request.")
        }
    }
}

/// What a request to a share group is decided with besides the group.
struct ShareGroupContext {
    var settings: ShareMembershipSettings
    var topics: any TopicImage
    var time: EventTime

    var sessionDeadline: Int64 { time.monotonic + Int64(max(0, settings.sessionTimeoutMs)) }
}

extension ShareGroup {
    /// The heartbeat of a member that has nothing new and is to get nothing new: only its session goes on. Nearly all
    /// heartbeats are of this kind.
    mutating func keepAlive(
        _ request: ShareGroupHeartbeatRequest, _ client: ClientIdentity, _ context: ShareGroupContext
    ) -> ShareGroupHeartbeatResponse? {
        guard request.memberEpoch > 0, request.memberEpoch == assignmentEpoch, epoch == assignmentEpoch,
            request.rackId == nil, request.subscribedTopicNames == nil, let topicsVersion,
            topicsVersion == context.topics.version, let member = members[request.memberId],
            member.memberEpoch == assignmentEpoch, member.clientId == client.clientId, member.clientHost == client.host
        else { return nil }
        timers.heard(of: member.memberId, until: context.sessionDeadline)
        return ShareGroupHeartbeatResponse(
            memberId: member.memberId, memberEpoch: member.memberEpoch,
            heartbeatIntervalMs: context.settings.heartbeatIntervalMs)
    }

    // MARK: Timers

    /// When members want to be looked at, monotonic milliseconds; `Int64.max` for never. It may be too early: members that
    /// have been heard of since are found out then.
    package var nextDeadline: Int64 { timers.earliest }

    /// The members whose session is over.
    mutating func lateMembers(at now: Int64) -> [String] {
        let late = timers.deadlines.filter { $0.value.session <= now }.keys.sorted()
        timers.settle()
        return late
    }

    /// All records are in: members get a whole session to show that they are still there.
    mutating func finishLoading(_ context: ShareGroupContext) {
        timers = MemberTimers()
        topicsVersion = nil
        for memberId in members.keys { timers.heard(of: memberId, until: context.sessionDeadline) }
    }
}

extension ShareGroupDraft {
    /// Errors: 25, 81, 110.
    mutating func heartbeat(
        _ request: ShareGroupHeartbeatRequest, _ client: ClientIdentity, _ context: ShareGroupContext
    ) throws(ConsumerGroupError) -> ShareGroupHeartbeatResponse {
        let memberId = request.memberId
        if request.memberEpoch == MemberEpoch.leave {
            _ = try group.member(memberId)
            try fence([memberId], context)
            return ShareGroupHeartbeatResponse(memberId: memberId, memberEpoch: MemberEpoch.leave)
        }
        let sizeMax = context.settings.maxSize
        guard group.members.count < sizeMax || group.members[memberId] != nil else {
            throw ConsumerGroupError(
                .groupMaxSizeReached, "The share group has reached its maximum capacity of \(sizeMax) members.")
        }
        let before = try member(request)
        var member = before
        if let rackId = request.rackId { member.rackId = rackId }
        if let names = request.subscribedTopicNames { member.subscribedTopicNames = Set(names).sorted() }
        member.clientId = client.clientId
        member.clientHost = client.host
        if group.members[memberId] == nil || member != before { try add(.member(memberId, member)) }

        // A group that has just been made has to leave epoch 0.
        let isChanged = group.epoch == 0 || member.subscribedTopicNames != before.subscribedTopicNames
        try updateEpoch(mustAdvance: isChanged, context)
        let isDue = context.time.isPast(context.settings.assignmentIntervalMs, since: group.assignmentTime)
        if group.epoch > group.assignmentEpoch, isDue { try updateTargets(context) }
        let after = try reconcile(memberId, context)
        group.timers.heard(of: memberId, until: context.sessionDeadline)

        var response = ShareGroupHeartbeatResponse(
            memberId: memberId, memberEpoch: after.memberEpoch,
            heartbeatIntervalMs: context.settings.heartbeatIntervalMs)
        if request.memberEpoch == MemberEpoch.join || request.subscribedTopicNames != nil
            || after.assigned != before.assigned
        {
            response.assignment = .init(
                topicPartitions: after.assigned.sorted.map { .init(topicId: $0.id, partitions: $0.partitions) })
        }
        return response
    }

    /// A member may repeat its last epoch: the response that moved it on may have been lost.
    ///
    /// - Throws: 25, 110.
    private func member(_ request: ShareGroupHeartbeatRequest) throws(ConsumerGroupError) -> ShareGroupMember {
        let epoch = request.memberEpoch
        if epoch == MemberEpoch.join {
            return group.members[request.memberId] ?? ShareGroupMember(memberId: request.memberId)
        }
        let member = try group.member(request.memberId)
        if epoch == member.memberEpoch || epoch == member.previousMemberEpoch && epoch < member.memberEpoch {
            return member
        }
        throw ConsumerGroupError.fencedEpoch(epoch, "share", known: member.memberEpoch)
    }

    /// Looks which of the topics subscribed to exist and how many partitions they have, and advances the epoch if that is
    /// news.
    private mutating func updateEpoch(mustAdvance: Bool, _ context: ShareGroupContext) throws(ConsumerGroupError) {
        let version = context.topics.version
        guard mustAdvance || version == nil || version != group.topicsVersion else { return }
        let hash = group.subscribedTopics(context.topics).metadataHash
        if mustAdvance || hash != group.metadataHash { try advance(metadataHash: hash) }
        group.topicsVersion = version
    }

    mutating func advance(metadataHash: Int64) throws(ConsumerGroupError) {
        let next = group.epoch < .max ? group.epoch + 1 : 1
        try add(.groupEpoch(next, metadataHash: metadataHash))
        // Epochs that have come to their end begin anew, and with them that of the assignment.
        if group.assignmentEpoch > next { try add(.targetEpoch(0)) }
    }

    private mutating func updateTargets(_ context: ShareGroupContext) throws(ConsumerGroupError) {
        let topics = group.subscribedTopics(context.topics)
        let ids = Dictionary(topics.map { ($0.name, $0.id) }) { $1 }
        let members = group.members.values.map { member in
            SimpleAssignment.Member(
                memberId: member.memberId, topicIds: Set(member.subscribedTopicNames.compactMap { ids[$0] }),
                previous: group.targets[member.memberId] ?? TopicPartitionSet())
        }
        let counts = Dictionary(topics.map { ($0.id, $0.partitionCount) }) { $1 }
        let targets = SimpleAssignment(members: members, partitionCounts: counts).targets()
        for memberId in group.members.keys.sorted() {
            let target = targets[memberId] ?? TopicPartitionSet()
            if target != group.targets[memberId] { try add(.target(memberId, target)) }
        }
        try add(.targetEpoch(group.epoch))
        group.assignmentTime = context.time.monotonic
        try begin(topics)
    }

    /// Notes the partitions of topics that the group now reads.
    private mutating func begin(_ topics: [TopicFacts]) throws(ConsumerGroupError) {
        var known = group.topics
        for topic in topics where topic.partitionCount > 0 {
            let partitions = Array(0..<topic.partitionCount)
            if let before = known[topic.id], before.partitions.count >= partitions.count { continue }
            known[topic.id] = ShareGroupTopic(name: topic.name, partitions: partitions)
        }
        if known != group.topics { try add(.partitions(known)) }
    }

    /// Gives a member its target. Nobody has to give up anything first: what one has others may have as well.
    private mutating func reconcile(
        _ memberId: String, _ context: ShareGroupContext
    ) throws(ConsumerGroupError) -> ShareGroupMember {
        let member = try group.member(memberId)
        guard member.memberEpoch != group.assignmentEpoch else { return member }
        try add(
            .current(
                memberId,
                .init(
                    memberEpoch: group.assignmentEpoch, previousMemberEpoch: member.memberEpoch,
                    assigned: group.targets[memberId] ?? TopicPartitionSet())))
        return try group.member(memberId)
    }

    /// Takes members out; the others get their partitions with their next heartbeats.
    mutating func fence(_ memberIds: [String], _ context: ShareGroupContext) throws(ConsumerGroupError) {
        for memberId in memberIds {
            try add(.current(memberId, nil))
            try add(.target(memberId, nil))
            try add(.member(memberId, nil))
        }
        try advance(metadataHash: group.subscribedTopics(context.topics).metadataHash)
    }
}
