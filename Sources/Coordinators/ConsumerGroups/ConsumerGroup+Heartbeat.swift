package import KafkaMessages

extension ConsumerGroupHeartbeatRequest {
    package func refused(_ error: ErrorCode, _ message: String? = nil) -> ConsumerGroupHeartbeatResponse {
        ConsumerGroupHeartbeatResponse(errorCode: error.rawValue, errorMessage: message)
    }

    var isLeave: Bool { memberEpoch == MemberEpoch.leave || memberEpoch == MemberEpoch.leaveStatic }

    /// Whether all is said that a member can say, as it does when it (re)joins and after errors.
    var isFull: Bool {
        rebalanceTimeoutMs != -1 && (subscribedTopicNames != nil || subscribedTopicRegex != nil)
            && topicPartitions != nil
    }

    /// Checks what can be checked without the group.
    ///
    /// - Throws: 42, 112.
    /// - SeeAlso: upstream `throwIfConsumerGroupHeartbeatRequestIsInvalid`.
    package func validate(version: Int16, _ settings: ConsumerGroupSettings) throws(ConsumerGroupError) {
        func require(_ isValid: Bool, _ message: String) throws(ConsumerGroupError) {
            guard isValid else { throw ConsumerGroupError(.invalidRequest, message) }
        }
        if version >= 1 || memberEpoch > 0 || memberEpoch == MemberEpoch.leave {
            try require(!memberId.isBlank, "MemberId can't be empty.")
        }
        try require(!groupId.isBlank, "GroupId can't be empty.")
        try require(instanceId?.isBlank != true, "InstanceId can't be empty.")
        try require(rackId?.isBlank != true, "RackId can't be empty.")
        switch memberEpoch {
        case MemberEpoch.join:
            try require(rebalanceTimeoutMs != -1, "RebalanceTimeoutMs must be provided in first request.")
            try require(topicPartitions == [], "TopicPartitions must be empty when (re-)joining.")
            try require(
                subscribedTopicNames != nil || subscribedTopicRegex != nil,
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
        case MemberEpoch.leaveStatic: try require(instanceId != nil, "InstanceId can't be null.")
        default: try require(memberEpoch >= MemberEpoch.leave, "MemberEpoch is invalid.")
        }
        if let serverAssignor, !settings.assignors.contains(where: { $0.rawValue == serverAssignor }) {
            let known = settings.assignors.map(\.rawValue).joined(separator: ", ")
            throw ConsumerGroupError(
                .unsupportedAssignor,
                "ServerAssignor \(serverAssignor) is not supported. Supported assignors: \(known).")
        }
    }
}

extension ConsumerGroup {
    /// Handles ConsumerGroupHeartbeat for a request that is valid. For a group that is new or was of the classic
    /// protocol until now, see `ConsumerGroupDraft`.
    ///
    /// Errors: 25, 42, 69 (by the caller), 81, 82, 110, 111, 128.
    package mutating func heartbeat(
        _ request: ConsumerGroupHeartbeatRequest, client: ClientIdentity, _ context: ConsumerGroupContext
    ) -> ConsumerGroupOutcome<ConsumerGroupHeartbeatResponse> {
        if let response = keepAlive(request, client, context) { return ConsumerGroupOutcome(response: response) }
        var draft = ConsumerGroupDraft(self)
        do throws(ConsumerGroupError) {
            let outcome = try draft.heartbeat(request, client, context)
            if case .same = outcome.successor { self = draft.group }
            return outcome
        } catch {
            return ConsumerGroupOutcome(response: request.refused(error.code, error.message))
        }
    }

    /// The heartbeat of a member that has nothing new and is to get nothing new: only its session goes on. Nearly all
    /// heartbeats are of this kind.
    private mutating func keepAlive(
        _ request: ConsumerGroupHeartbeatRequest, _ client: ClientIdentity, _ context: ConsumerGroupContext
    ) -> ConsumerGroupHeartbeatResponse? {
        guard request.memberEpoch > 0, request.memberEpoch == assignmentEpoch, epoch == assignmentEpoch,
            request.instanceId == nil, request.rackId == nil, request.rebalanceTimeoutMs == -1,
            request.subscribedTopicNames == nil, request.subscribedTopicRegex == nil, request.serverAssignor == nil,
            let topicsVersion, topicsVersion == context.topics.version, !areExpressionsDue(context),
            let member = members[request.memberId], member.isReconciled(to: assignmentEpoch),
            !member.usesClassicProtocol, member.clientId == client.clientId, member.clientHost == client.host
        else { return nil }
        timers.heard(of: member.memberId, until: context.deadline(after: context.settings.sessionTimeoutMs))
        return ConsumerGroupHeartbeatResponse(
            memberId: member.memberId, memberEpoch: member.memberEpoch,
            heartbeatIntervalMs: context.settings.heartbeatIntervalMs)
    }
}

extension ConsumerGroupDraft {
    typealias HeartbeatOutcome = ConsumerGroupOutcome<ConsumerGroupHeartbeatResponse>

    mutating func heartbeat(
        _ request: ConsumerGroupHeartbeatRequest, _ client: ClientIdentity, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) -> HeartbeatOutcome {
        try request.isLeave ? leave(request, context) : proceed(request, client, context)
    }

    /// A heartbeat in three steps, as KIP-848 has them: the member, the target assignment, the reconciliation.
    private mutating func proceed(
        _ request: ConsumerGroupHeartbeatRequest, _ client: ClientIdentity, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) -> HeartbeatOutcome {
        try checkSize(request.memberId, context)
        let memberId = request.memberId.isEmpty ? context.newMemberId : request.memberId
        let owned = request.topicPartitions.map { TopicPartitionSet($0.map { ($0.topicId, $0.partitions) }) }
        let before = try member(
            memberId, instanceId: request.instanceId, joins: request.memberEpoch == MemberEpoch.join,
            classic: false
        ) { member throws(ConsumerGroupError) in
            try member.check(epoch: request.memberEpoch, owned: owned)
        }

        var member = before
        if let instanceId = request.instanceId { member.instanceId = instanceId }
        if let rackId = request.rackId { member.rackId = rackId }
        if request.rebalanceTimeoutMs != -1 { member.rebalanceTimeoutMs = request.rebalanceTimeoutMs }
        if let assignor = request.serverAssignor { member.serverAssignor = assignor }
        if let names = request.subscribedTopicNames { member.subscribedTopicNames = Set(names).sorted() }
        if let expression = request.subscribedTopicRegex { member.subscribedTopicRegex = expression }
        member.clientId = client.clientId
        member.clientHost = client.host
        member.classic = nil

        try update(member, from: before, context)
        let isReconciled = try assignAndReconcile(memberId, owned: owned, context)
        let after = try group.member(memberId)
        group.timers.heard(of: memberId, until: context.deadline(after: context.settings.sessionTimeoutMs))
        if !isReconciled { scheduleRebalanceTimeout(after, context) }

        var response = ConsumerGroupHeartbeatResponse(
            memberId: memberId, memberEpoch: after.memberEpoch,
            heartbeatIntervalMs: context.settings.heartbeatIntervalMs)
        if request.memberEpoch == MemberEpoch.join || request.isFull || after.assigned != before.assigned {
            response.assignment = .init(
                topicPartitions: after.assigned.sorted.map { .init(topicId: $0.id, partitions: $0.partitions) })
        }
        return outcome(response)
    }

    /// Only members of the consumer protocol have this timer: those of the classic one have to join and to sync in time.
    private mutating func scheduleRebalanceTimeout(_ member: ConsumerGroupMember, _ context: ConsumerGroupContext) {
        let isRevoking = member.state == .unrevokedPartitions
        group.timers.setRebalance(
            member.memberId,
            isRevoking
                ? (at: context.deadline(after: member.rebalanceTimeoutMs), epoch: member.memberEpoch) : nil)
    }

    // MARK: The member

    /// - Throws: 81.
    func checkSize(_ memberId: String, _ context: ConsumerGroupContext) throws(ConsumerGroupError) {
        let sizeMax = context.settings.maxSize
        guard group.members.count < sizeMax || group.members[memberId] != nil else {
            throw ConsumerGroupError(
                .groupMaxSizeReached, "The consumer group has reached its maximum capacity of \(sizeMax) members.")
        }
    }

    /// Finds a member or makes a new one; a static member that comes back takes over what its instance had.
    ///
    /// - Parameter check: for an existing member that does not come by a new id.
    /// - Throws: 25, 82, 111, and what `check` does.
    mutating func member(
        _ memberId: String, instanceId: String?, joins: Bool, classic: Bool,
        _ check: (ConsumerGroupMember) throws(ConsumerGroupError) -> Void
    ) throws(ConsumerGroupError) -> ConsumerGroupMember {
        guard let instanceId else {
            if joins, group.members[memberId] == nil { return ConsumerGroupMember(memberId: memberId) }
            let member = try group.member(memberId)
            try check(member)
            return member
        }
        let existing = group.staticMember(instanceId)
        guard joins else {
            guard let existing else {
                throw ConsumerGroupError.unknownInstance(instanceId)
            }
            try existing.check(instance: instanceId, is: memberId)
            try check(existing)
            return existing
        }
        guard let existing else {
            return group.members[memberId] ?? ConsumerGroupMember(memberId: memberId)
        }
        // The same client begins anew, as it does after it was fenced.
        if existing.memberId == memberId, existing.memberEpoch != MemberEpoch.leaveStatic { return existing }
        if !classic, !existing.usesClassicProtocol, existing.memberEpoch != MemberEpoch.leaveStatic {
            throw ConsumerGroupError.unreleasedInstance(instanceId, memberId, of: existing.memberId)
        }
        return try replace(existing, by: memberId)
    }

    /// Gives a static member a new id; it goes on at epoch 0 with the assignment that it had.
    private mutating func replace(
        _ old: ConsumerGroupMember, by memberId: String
    ) throws(ConsumerGroupError) -> ConsumerGroupMember {
        let target = group.targets[old.memberId] ?? TopicPartitionSet()
        try remove(old.memberId)
        // A dynamic member may have had the id: its place is taken as well.
        if group.members[memberId] != nil { try remove(memberId) }
        let member = old.rejoining(as: memberId)
        try add(.member(memberId, member))
        try add(.target(memberId, target))
        try add(.current(memberId, .init(member)))
        return member
    }

    mutating func remove(_ memberId: String) throws(ConsumerGroupError) {
        try add(.current(memberId, nil))
        try add(.target(memberId, nil))
        try add(.member(memberId, nil))
    }

    // MARK: Leaving

    private mutating func leave(
        _ request: ConsumerGroupHeartbeatRequest, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) -> HeartbeatOutcome {
        let response = ConsumerGroupHeartbeatResponse(memberId: request.memberId, memberEpoch: request.memberEpoch)
        guard let instanceId = request.instanceId else {
            _ = try group.member(request.memberId)
            return try fence([request.memberId], context, response)
        }
        guard var member = group.staticMember(instanceId) else {
            throw ConsumerGroupError.unknownInstance(instanceId)
        }
        try member.check(instance: instanceId, is: request.memberId)
        guard request.memberEpoch == MemberEpoch.leaveStatic else {
            return try fence([member.memberId], context, response)
        }
        // It keeps its partitions until its session is over. What it was to give up is given up.
        member.memberEpoch = MemberEpoch.leaveStatic
        member.pendingRevocation = TopicPartitionSet()
        try add(.current(member.memberId, .init(member)))
        group.timers.setRebalance(member.memberId, nil)
        return outcome(response)
    }

    /// Takes members out. When only members of the classic protocol are left the group becomes one of theirs, if the
    /// migration policy allows it.
    mutating func fence<Response>(
        _ memberIds: [String], _ context: ConsumerGroupContext, _ response: Response
    ) throws(ConsumerGroupError) -> ConsumerGroupOutcome<Response> {
        guard !memberIds.isEmpty else { return outcome(response) }
        if canDowngrade(without: Set(memberIds), context) {
            return try downgrade(without: Set(memberIds), context, response)
        }
        for memberId in memberIds { try remove(memberId) }
        try removeUnusedExpressions()
        try updateSubscribedTopics(mustAdvance: true, context)
        return outcome(response)
    }
}

extension String {
    /// Whether there is nothing but white space.
    var isBlank: Bool { allSatisfy(\.isWhitespace) }
}
