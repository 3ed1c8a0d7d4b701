package import KafkaMessages

extension StreamsGroupHeartbeatRequest {
    package func refused(_ error: ErrorCode, _ message: String? = nil) -> StreamsGroupHeartbeatResponse {
        StreamsGroupHeartbeatResponse(errorCode: error.rawValue, errorMessage: message)
    }

    /// Far above what the Java client lets anybody set: 5 tags, with keys of 20 and values of 30 characters.
    static let tagCountMax = 100
    static let tagByteCountMax = 1_000

    var isLeave: Bool { memberEpoch == MemberEpoch.leave || memberEpoch == MemberEpoch.leaveStatic }

    /// Checks what can be checked without the group.
    ///
    /// - Throws: 42, 130.
    /// - SeeAlso: upstream `throwIfStreamsGroupHeartbeatRequestIsInvalid`.
    package func validate() throws(ConsumerGroupError) {
        func require(_ isValid: Bool, _ message: String) throws(ConsumerGroupError) {
            guard isValid else { throw ConsumerGroupError(.invalidRequest, message) }
        }
        let usesExpressions = topology?.subtopologies.contains { !$0.sourceTopicRegex.isEmpty } ?? false
        try require(!usesExpressions, "Regular expressions for source topics are not supported yet.")
        try require(!memberId.isBlank, "MemberId can't be empty.")
        try require(!groupId.isBlank, "GroupId can't be empty.")
        try require(instanceId?.isBlank != true, "InstanceId can't be empty.")
        try require(rackId?.isBlank != true, "RackId can't be empty.")
        switch memberEpoch {
        case MemberEpoch.join:
            try require(rebalanceTimeoutMs != -1, "RebalanceTimeoutMs must be provided in first request.")
            try require(activeTasks == [], "ActiveTasks must be empty when (re-)joining.")
            try require(standbyTasks == [], "StandbyTasks must be empty when (re-)joining.")
            try require(warmupTasks == [], "WarmupTasks must be empty when (re-)joining.")
            try require(topology != nil, "Topology must be non-null when (re-)joining.")
            for topic in topology?.subtopologies.flatMap(\.stateChangelogTopics) ?? [] where topic.partitions != 0 {
                throw StreamsTopology.invalid(
                    "Changelog topic \(topic.name) must have an undefined partition count, but it is set to"
                        + " \(topic.partitions).")
            }
        case MemberEpoch.leaveStatic: try require(instanceId != nil, "InstanceId can't be null.")
        default:
            try require(
                memberEpoch >= MemberEpoch.leaveStatic,
                "MemberEpoch is \(memberEpoch), but must be greater than or equal to -2.")
        }
        let hasLongTag =
            clientTags?.contains { max($0.key.utf8.count, $0.value.utf8.count) > Self.tagByteCountMax } ?? false
        try require(
            clientTags?.count ?? 0 <= Self.tagCountMax && !hasLongTag,
            "ClientTags may be at most \(Self.tagCountMax), of at most \(Self.tagByteCountMax) bytes each.")
        let isWhole = activeTasks != nil && standbyTasks != nil && warmupTasks != nil
        let isNone = activeTasks == nil && standbyTasks == nil && warmupTasks == nil
        try require(isWhole || isNone, "If one task-type is non-null, all must be non-null.")
        try require(
            memberEpoch == MemberEpoch.join || topology == nil, "Topology can only be provided when (re-)joining.")
    }
}

extension StreamsGroup {
    /// The heartbeat of a member that has nothing new and is to get nothing new: only its session goes on. Nearly all
    /// heartbeats are of this kind.
    mutating func keepAlive(
        _ request: StreamsGroupHeartbeatRequest, _ client: ClientIdentity, _ context: StreamsGroupContext
    ) -> StreamsGroupHeartbeatResponse? {
        guard request.memberEpoch > 0, request.memberEpoch == assignmentEpoch, epoch == assignmentEpoch,
            request.instanceId == nil, request.rackId == nil, request.rebalanceTimeoutMs == -1,
            request.topology == nil, request.activeTasks == nil, request.standbyTasks == nil,
            request.warmupTasks == nil, request.processId == nil, request.userEndpoint == nil,
            request.clientTags == nil,
            request.taskOffsets == nil, request.taskEndOffsets == nil, !request.shutdownApplication,
            request.endpointInformationEpoch == endpointEpoch, shutdownMemberId == nil,
            let topicsVersion, topicsVersion == context.topics.version, configured?.isReady == true,
            metadata.assignmentConfigs == context.settings.assignmentConfigs,
            let member = members[request.memberId], member.isReconciled(to: assignmentEpoch),
            member.topologyEpoch == topology?.epoch, member.clientId == client.clientId,
            member.clientHost == client.host
        else { return nil }
        timers.heard(of: member.memberId, until: context.deadline(after: context.settings.sessionTimeoutMs))
        return StreamsGroupHeartbeatResponse(
            memberId: member.memberId, memberEpoch: member.memberEpoch,
            heartbeatIntervalMs: context.settings.heartbeatIntervalMs, endpointInformationEpoch: endpointEpoch)
    }
}

extension StreamsGroupDraft {
    /// A heartbeat in five steps, as KIP-1071 has them: the member, the topology, its topics, the target assignment, the
    /// reconciliation.
    ///
    /// Errors: 25, 42, 81, 82, 110, 111, 130, 131.
    mutating func heartbeat(
        _ request: StreamsGroupHeartbeatRequest, _ client: ClientIdentity, _ context: StreamsGroupContext
    ) throws(ConsumerGroupError) -> StreamsGroupHeartbeatResponse {
        if request.isLeave { return try leave(request, context) }
        let joins = request.memberEpoch == MemberEpoch.join
        let wasEmpty = group.isEmpty
        if joins { try checkSize(request.memberId, context) }
        let owned = request.owned
        let before = try member(request, owned: owned)
        let member = Self.updated(before, by: request, client)
        let isNew = group.members[member.memberId] == nil
        if isNew || member != before { try add(.member(member.memberId, member)) }
        var mustAdvance = isNew || (member.instanceId == nil ? member != before : !member.isAlike(before))

        if let topology = request.topology { try initialize(topology) }
        try configure(context, &mustAdvance)
        if let owned, let configured = group.configured, configured.isReady {
            for tasks in [owned.active, owned.standby, owned.warmup] { try configured.check(tasks) }
        }
        if group.metadata.assignmentConfigs != context.settings.assignmentConfigs { mustAdvance = true }
        if mustAdvance { try advance(context.settings.assignmentConfigs) }
        note(request, member.memberId)

        if wasEmpty, context.settings.initialRebalanceDelayMs > 0 {
            group.delayedUntil =
                group.delayedUntil ?? context.deadline(after: context.settings.initialRebalanceDelayMs)
        }
        let delay = try assign(context)
        let settled = group.members[member.memberId]
        let after = try reconcile(member.memberId, owned: joins ? StreamsTasks() : owned, isDelayed: delay == .initial)
        group.timers.heard(of: after.memberId, until: context.deadline(after: context.settings.sessionTimeoutMs))
        // Who only repeats that it still has what it is to give up gets no more time for it.
        if after != settled {
            group.timers.setRebalance(
                after.memberId,
                after.state == .unrevokedTasks
                    ? (at: context.deadline(after: after.rebalanceTimeoutMs), epoch: after.memberEpoch) : nil)
        }
        if request.shutdownApplication, group.shutdownMemberId == nil { group.shutdownMemberId = after.memberId }
        return response(request, from: before, to: after, delay, context)
    }

    // MARK: The member

    /// - Throws: 81.
    private func checkSize(_ memberId: String, _ context: StreamsGroupContext) throws(ConsumerGroupError) {
        let sizeMax = context.settings.maxSize
        guard group.members.count < sizeMax || group.members[memberId] != nil else {
            throw ConsumerGroupError(
                .groupMaxSizeReached, "The streams group has reached its maximum capacity of \(sizeMax) members.")
        }
    }

    /// Finds a member or makes a new one; a static member that comes back takes over what its instance had.
    ///
    /// - Throws: 25, 82, 110, 111.
    private mutating func member(
        _ request: StreamsGroupHeartbeatRequest, owned: StreamsTasks?
    ) throws(ConsumerGroupError) -> StreamsGroupMember {
        let memberId = request.memberId
        let joins = request.memberEpoch == MemberEpoch.join
        guard let instanceId = request.instanceId else {
            if joins, group.members[memberId] == nil { return StreamsGroupMember(memberId: memberId) }
            let member = try group.member(memberId)
            try member.check(epoch: request.memberEpoch, owned: owned)
            return member
        }
        let existing = group.staticMember(instanceId)
        guard joins else {
            guard let existing else {
                throw ConsumerGroupError.unknownInstance(instanceId)
            }
            try existing.check(instance: instanceId, is: memberId)
            try existing.check(epoch: request.memberEpoch, owned: owned)
            return existing
        }
        guard let existing else { return group.members[memberId] ?? StreamsGroupMember(memberId: memberId) }
        if existing.memberEpoch != MemberEpoch.leaveStatic {
            // The same client begins anew, as it does after it was fenced.
            if existing.memberId == memberId { return existing }
            throw ConsumerGroupError.unreleasedInstance(instanceId, memberId, of: existing.memberId)
        }
        return try replace(existing, by: memberId)
    }

    /// Gives a static member a new id; it goes on at epoch 0 with the tasks that it had.
    private mutating func replace(
        _ old: StreamsGroupMember, by memberId: String
    ) throws(ConsumerGroupError) -> StreamsGroupMember {
        let target = group.targets[old.memberId] ?? StreamsTasks()
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

    private static func updated(
        _ before: StreamsGroupMember, by request: StreamsGroupHeartbeatRequest, _ client: ClientIdentity
    ) -> StreamsGroupMember {
        var member = before
        if let instanceId = request.instanceId { member.instanceId = instanceId }
        if let rackId = request.rackId { member.rackId = rackId }
        if request.rebalanceTimeoutMs != -1 { member.rebalanceTimeoutMs = request.rebalanceTimeoutMs }
        if let topology = request.topology { member.topologyEpoch = topology.epoch }
        if let processId = request.processId { member.processId = processId }
        if let endpoint = request.userEndpoint {
            member.userEndpoint = .init(host: endpoint.host, port: endpoint.port)
        }
        if let tags = request.clientTags {
            member.clientTags = Dictionary(tags.map { ($0.key, $0.value) }) { $1 }
        }
        member.clientId = client.clientId
        member.clientHost = client.host
        return member
    }

    // MARK: Leaving

    private mutating func leave(
        _ request: StreamsGroupHeartbeatRequest, _ context: StreamsGroupContext
    ) throws(ConsumerGroupError) -> StreamsGroupHeartbeatResponse {
        let response = StreamsGroupHeartbeatResponse(memberId: request.memberId, memberEpoch: request.memberEpoch)
        guard let instanceId = request.instanceId else {
            _ = try group.member(request.memberId)
            try fence([request.memberId])
            return response
        }
        guard var member = group.staticMember(instanceId) else {
            throw ConsumerGroupError.unknownInstance(instanceId)
        }
        try member.check(instance: instanceId, is: request.memberId)
        guard request.memberEpoch == MemberEpoch.leaveStatic else {
            try fence([member.memberId])
            return response
        }
        // It keeps its tasks until its session is over. What it was to give up is given up.
        member.memberEpoch = MemberEpoch.leaveStatic
        member.pendingRevocation = StreamsTasks()
        try add(.current(member.memberId, .init(member)))
        group.timers.setRebalance(member.memberId, nil)
        return response
    }

    /// Takes members out; the others get their tasks with their next heartbeats.
    mutating func fence(_ memberIds: [String]) throws(ConsumerGroupError) {
        guard !memberIds.isEmpty else { return }
        for memberId in memberIds { try remove(memberId) }
        try advance(group.metadata.assignmentConfigs)
    }
}

extension StreamsGroupMember {
    /// Whether nothing is different that an assignment depends on.
    fileprivate func isAlike(_ other: StreamsGroupMember) -> Bool {
        topologyEpoch == other.topologyEpoch && rackId == other.rackId && clientTags == other.clientTags
            && processId == other.processId
    }
}
