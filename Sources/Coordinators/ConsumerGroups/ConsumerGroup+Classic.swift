import Bytes
package import KafkaMessages
import NIOCore

/// Members of the classic protocol in a consumer group, during a migration. They join, sync and send heartbeats as ever;
/// no member leads, and assignments come from the group's target assignment. Their generation is their member epoch.
///
/// - SeeAlso: upstream `classicGroupJoinToConsumerGroup` and the like; KIP-848, "Online migration".
extension ConsumerGroup {
    /// Errors: 22, 23, 25, 79, 81, 82.
    package mutating func join(
        _ request: JoinGroupRequest, version: Int16, client: ClientIdentity, _ context: ConsumerGroupContext
    ) -> ConsumerGroupOutcome<JoinGroupResponse> {
        var draft = ConsumerGroupDraft(self)
        do throws(ConsumerGroupError) {
            let outcome = try draft.join(request, version: version, client, context)
            if case .same = outcome.successor { self = draft.group }
            return outcome
        } catch {
            return ConsumerGroupOutcome(response: request.refused(error.code, version: version))
        }
    }

    /// Errors: 22, 23, 25, 27, 82.
    package mutating func sync(
        _ request: SyncGroupRequest, _ context: ConsumerGroupContext
    ) -> SyncGroupResponse {
        do throws(ConsumerGroupError) {
            let (member, classic) = try classicMember(request.memberId, request.groupInstanceId, request.generationId)
            if let type = request.protocolType, type != ConsumerProtocol.type {
                throw ConsumerGroupError(.inconsistentGroupProtocol, "The protocol type \(type) is not the group's.")
            }
            if let name = request.protocolName, name != classic.protocols.first?.name {
                throw ConsumerGroupError(.inconsistentGroupProtocol, "The protocol \(name) is not the member's.")
            }
            if reachableEpoch(context) > member.memberEpoch, member.state != .unrevokedPartitions {
                tellToJoin(member, context)
                throw ConsumerGroupError(.rebalanceInProgress, "A new rebalance is triggered in group \(groupId).")
            }
            let assignment: ByteBuffer
            do {
                assignment = try ConsumerProtocol.bytes(
                    member.assigned, for: classic.protocols.first?.metadata, topics: context.topics)
            } catch {
                throw ConsumerGroupError(.inconsistentGroupProtocol, error.description)
            }
            timers.setSync(member.memberId, nil)
            timers.heard(of: member.memberId, until: context.deadline(after: classic.sessionTimeoutMs))
            return SyncGroupResponse(
                protocolType: request.protocolType, protocolName: request.protocolName, assignment: assignment)
        } catch {
            return request.refused(error.code)
        }
    }

    /// Errors: 22, 25, 27 (to join again), 82.
    package mutating func heartbeat(_ request: HeartbeatRequest, _ context: ConsumerGroupContext) -> HeartbeatResponse {
        do throws(ConsumerGroupError) {
            let (member, classic) = try classicMember(request.memberId, request.groupInstanceId, request.generationId)
            timers.heard(of: member.memberId, until: context.deadline(after: classic.sessionTimeoutMs))
            let mustJoin =
                member.memberEpoch < reachableEpoch(context) || member.state == .unrevokedPartitions
                || (member.state == .unreleasedPartitions && !isWaiting(member)) || hasNewTopics(context)
            guard mustJoin else { return HeartbeatResponse() }
            tellToJoin(member, context)
            return request.refused(.rebalanceInProgress)
        } catch {
            return request.refused(error.code)
        }
    }

    /// Errors of members: 25, 82.
    package mutating func leave(
        _ members: [LeaveGroupRequest.MemberIdentity], _ context: ConsumerGroupContext
    ) -> ConsumerGroupOutcome<[LeaveGroupResponse.MemberResponse]> {
        var leaving: [String] = []
        var draft = ConsumerGroupDraft(self)
        let responses = members.map { identity in
            var response = LeaveGroupResponse.MemberResponse(
                memberId: identity.memberId, groupInstanceId: identity.groupInstanceId)
            do throws(ConsumerGroupError) {
                let memberId = try leavingMember(identity)
                if !leaving.contains(memberId) { leaving.append(memberId) }
            } catch {
                response.errorCode = error.code.rawValue
            }
            return response
        }
        do throws(ConsumerGroupError) {
            return try draft.fence(leaving, context, responses)
        } catch {
            return ConsumerGroupOutcome(
                response: responses.map { response in
                    var response = response
                    if response.errorCode == 0 { response.errorCode = error.code.rawValue }
                    return response
                })
        }
    }

    /// An administrator may name an instance without its member.
    private func leavingMember(
        _ identity: LeaveGroupRequest.MemberIdentity
    ) throws(ConsumerGroupError) -> String {
        guard let instanceId = identity.groupInstanceId else { return try member(identity.memberId).memberId }
        guard let member = staticMember(instanceId) else {
            throw ConsumerGroupError.unknownInstance(instanceId)
        }
        if !identity.memberId.isEmpty { try member.check(instance: instanceId, is: identity.memberId) }
        return member.memberId
    }

    private func classicMember(
        _ memberId: String, _ instanceId: String?, _ generation: Int32
    ) throws(ConsumerGroupError) -> (ConsumerGroupMember, ConsumerGroupMember.Classic) {
        let member: ConsumerGroupMember
        if let instanceId {
            guard let existing = staticMember(instanceId) else {
                throw ConsumerGroupError.unknownInstance(instanceId)
            }
            try existing.check(instance: instanceId, is: memberId)
            member = existing
        } else {
            member = try self.member(memberId)
        }
        guard let classic = member.classic else {
            throw ConsumerGroupError(.unknownMemberId, "Member \(memberId) does not use the classic protocol.")
        }
        guard generation == member.memberEpoch else {
            throw ConsumerGroupError(
                .illegalGeneration,
                "The request generation id \(generation) is not equal to the member epoch \(member.memberEpoch).")
        }
        return (member, classic)
    }

    /// The epoch that a member has which joins now: that of the last assignment until the next one is due.
    private func reachableEpoch(_ context: ConsumerGroupContext) -> Int32 {
        isAssignmentDue(context) ? epoch : assignmentEpoch
    }

    /// The member has been told to join again, and has its rebalance timeout to do so.
    private mutating func tellToJoin(_ member: ConsumerGroupMember, _ context: ConsumerGroupContext) {
        guard timers.deadlines[member.memberId]?.join == nil else { return }
        timers.setJoin(member.memberId, context.deadline(after: member.rebalanceTimeoutMs))
    }

    /// Whether a member is to get partitions that others still have.
    private func isWaiting(_ member: ConsumerGroupMember) -> Bool {
        (targets[member.memberId] ?? TopicPartitionSet()).topics.contains { id, partitions in
            partitions.contains { partition in
                guard !member.assigned.contains(id, partition) else { return false }
                let owner = owner(of: partition, in: id)
                return owner != nil && owner != member.memberId
            }
        }
    }

    /// Whether the topics subscribed to are not what they were. A heartbeat writes nothing: the member that joins again
    /// does.
    private mutating func hasNewTopics(_ context: ConsumerGroupContext) -> Bool {
        let version = context.topics.version
        if let version, version == topicsVersion { return false }
        let isNew = subscribedNames.contains { context.topics.facts(named: $0) != subscribedTopics[$0] }
        if !isNew { topicsVersion = version }
        return isNew
    }
}

extension ConsumerGroupDraft {
    mutating func join(
        _ request: JoinGroupRequest, version: Int16, _ client: ClientIdentity, _ context: ConsumerGroupContext
    ) throws(ConsumerGroupError) -> ConsumerGroupOutcome<JoinGroupResponse> {
        let isUnknown = request.memberId.isEmpty
        let memberId = isUnknown ? context.newMemberId : request.memberId
        try checkSize(memberId, context)
        guard let preferred = request.protocols.first, group.supports(request) else {
            throw ConsumerGroupError(.inconsistentGroupProtocol, "Member \(memberId)'s protocols are not supported.")
        }
        if isUnknown, version >= 4, request.groupInstanceId == nil {
            var response = request.refused(.memberIdRequired, version: version)
            response.memberId = memberId
            return outcome(response)
        }
        let subscription: ConsumerProtocolSubscription
        do {
            subscription = try ConsumerProtocol.subscription(preferred.metadata)
        } catch {
            throw ConsumerGroupError(.inconsistentGroupProtocol, error.description)
        }

        let owned = TopicPartitionSet(
            named: subscription.ownedPartitions.map { ($0.topic, $0.partitions) }, topics: context.topics)
        // Who is not known has nothing: its partitions are with others by now. Upstream would take it in and let it
        // believe so until it has synced.
        guard request.groupInstanceId != nil || owned.isEmpty || group.members[memberId] != nil else {
            throw ConsumerGroupError(
                .unknownMemberId, "Member \(memberId) is not a member of group \(group.groupId).")
        }

        let replaced = request.groupInstanceId.flatMap { group.staticMember($0) }
        let isDowngrade = replaced.map { canDowngrade(replacing: $0, context) } ?? false
        let before = try member(
            memberId, instanceId: request.groupInstanceId, joins: isUnknown || request.groupInstanceId == nil,
            classic: true
        ) { _ in }

        var member = before
        if let instanceId = request.groupInstanceId { member.instanceId = instanceId }
        if let rackId = subscription.rackId, !rackId.isEmpty { member.rackId = rackId }
        if request.rebalanceTimeoutMs != -1 { member.rebalanceTimeoutMs = request.rebalanceTimeoutMs }
        member.subscribedTopicNames = Set(subscription.topics).sorted()
        member.subscribedTopicRegex = ""
        member.clientId = client.clientId
        member.clientHost = client.host
        member.classic = .init(
            sessionTimeoutMs: request.sessionTimeoutMs,
            protocols: request.protocols.map { ClassicProtocol(name: $0.name, metadata: $0.metadata) })

        let epoch = group.epoch
        try update(member, from: before, context)
        let isSameSubscription = group.epoch == epoch
        if !isDowngrade || isSameSubscription { _ = try assignAndReconcile(member.memberId, owned: owned, context) }
        let after = try group.member(member.memberId)
        let response = JoinGroupResponse(
            generationId: after.memberEpoch, protocolType: ConsumerProtocol.type, protocolName: preferred.name,
            memberId: after.memberId)
        if isDowngrade { return try downgrade(rebalance: !isSameSubscription, context, response) }

        group.timers.heard(of: after.memberId, until: context.deadline(after: request.sessionTimeoutMs))
        group.timers.setRebalance(after.memberId, nil)
        group.timers.setJoin(after.memberId, nil)
        group.timers.setSync(after.memberId, context.deadline(after: after.rebalanceTimeoutMs))
        return outcome(response)
    }
}

extension ConsumerGroup {
    /// Whether one of the protocols is supported by all members of the classic protocol.
    fileprivate func supports(_ request: JoinGroupRequest) -> Bool {
        guard request.protocolType == ConsumerProtocol.type else { return false }
        let others = members.values.compactMap(\.classic)
        return request.protocols.contains { candidate in
            others.allSatisfy { $0.protocols.contains { $0.name == candidate.name } }
        }
    }
}
