import Bytes
package import KafkaMessages
import NIOCore

/// ConsumerGroupHeartbeat and ConsumerGroupDescribe, and what requests of the classic protocol come to in a consumer
/// group.
extension GroupShard {
    /// - Parameter settings: of this group, if it has some of its own (`consumer.session.timeout.ms`,
    ///   `consumer.heartbeat.interval.ms`).
    package mutating func consumerGroupHeartbeat(
        _ request: ConsumerGroupHeartbeatRequest, version: Int16, client: ClientIdentity, token: ReplyToken,
        at: EventTime, topics: any TopicImage, settings: ConsumerGroupSettings? = nil
    ) -> Decision {
        begin(at: at)
        let id = request.groupId
        var context = consumerContext(at: at, topics, settings)
        do throws(ConsumerGroupError) {
            try request.validate(version: version, context.settings)
        } catch {
            return Decision(token, request.refused(error.code, error.message))
        }
        if request.memberId.isEmpty { context.newMemberId = KafkaUUID.random(using: &memberIds).description }

        let outcome: ConsumerGroupOutcome<ConsumerGroupHeartbeatResponse>
        var effects = GroupEffects()
        switch groups[id] {
        case .consumer:
            guard let changed = withConsumerGroup(id, { $0.heartbeat(request, client: client, context) }) else {
                return Decision(token, request.refused(.unknownServerError))
            }
            outcome = changed
        case nil:
            guard request.memberEpoch == MemberEpoch.join else {
                return Decision(token, request.refused(.groupIdNotFound, "Consumer group \(id) not found."))
            }
            outcome = ConsumerGroup.create(request, client: client, context)
        case .share, .streams:
            return Decision(token, request.refused(.groupIdNotFound, "Group \(id) is not a consumer group."))
        case .classic(var classic):
            guard request.memberEpoch == MemberEpoch.join, let tombstone = try? GroupRecords.tombstone(group: id) else {
                return Decision(token, request.refused(.groupIdNotFound, "Group \(id) is not a consumer group."))
            }
            if classic.state == .empty {
                outcome = ConsumerGroup.create(request, client: client, after: [tombstone], context)
            } else {
                outcome = ConsumerGroup.upgrade(
                    classic.form, request, client: client, after: [tombstone], context)
                classic.replyAll(.rebalanceInProgress, &effects)
            }
        }
        // Who waits in the classic group hears of the upgrade only if there is one.
        let others = outcome.records.isEmpty ? [] : effects.replies
        return take(
            outcome, of: id, replies: others + [Reply(token, outcome.response)], at: at,
            refusals: { [Reply(token, request.refused($0.ofGroupAppend))] })
    }

    /// One group of ConsumerGroupDescribe; 69 for a group that is not there or of the classic protocol.
    package func consumerGroupDescribe(
        _ id: String, version: Int16, topics: any TopicImage
    ) -> ConsumerGroupDescribeResponse.DescribedGroup {
        guard !id.isEmpty else { return .init(errorCode: ErrorCode.invalidGroupId.rawValue, groupId: id) }
        switch groups[id] {
        case .consumer(let group):
            return group.describe(version: version, configuration.consumerSettings, topics: topics)
        case .classic, .share, .streams:
            return .init(
                errorCode: ErrorCode.groupIdNotFound.rawValue, errorMessage: "Group \(id) is not a consumer group.",
                groupId: id)
        case nil:
            return .init(
                errorCode: ErrorCode.groupIdNotFound.rawValue, errorMessage: "Group \(id) not found.", groupId: id)
        }
    }

    // MARK: Members of the classic protocol

    mutating func joinConsumerGroup(
        _ join: ClassicGroup.Join, at: EventTime, topics: any TopicImage, settings: ConsumerGroupSettings?
    ) -> Decision {
        let (request, version, token) = (join.request, join.version, join.token)
        var context = consumerContext(at: at, topics, settings)
        context.newMemberId = join.newMemberId
        let outcome = withConsumerGroup(request.groupId) {
            $0.join(request, version: version, client: join.client, context)
        }
        guard let outcome else { return Decision(token, request.refused(.unknownServerError, version: version)) }
        var response = outcome.response
        response.settle(version: version)
        return take(
            outcome, of: request.groupId, replies: [Reply(token, response)], at: at,
            refusals: { [Reply(token, request.refused($0.ofGroupAppend, version: version))] })
    }

    mutating func syncConsumerGroup(
        _ request: SyncGroupRequest, token: ReplyToken, at: EventTime, topics: any TopicImage,
        settings: ConsumerGroupSettings?
    ) -> Decision {
        let context = consumerContext(at: at, topics, settings)
        let response = withConsumerGroup(request.groupId) { $0.sync(request, context) }
        arm(request.groupId)
        return Decision(token, response ?? request.refused(.unknownMemberId))
    }

    mutating func heartbeatConsumerGroup(
        _ request: HeartbeatRequest, token: ReplyToken, at: EventTime, topics: any TopicImage,
        settings: ConsumerGroupSettings?
    ) -> Decision {
        let context = consumerContext(at: at, topics, settings)
        let response = withConsumerGroup(request.groupId) { $0.heartbeat(request, context) }
        guard let response else { return Decision(token, request.refused(.unknownMemberId)) }
        // A member that was told to join again has a timer for that.
        if response.errorCode != 0 { arm(request.groupId) }
        return Decision(token, response)
    }

    // MARK: What is shared

    func consumerContext(
        at: EventTime, _ topics: any TopicImage, _ settings: ConsumerGroupSettings? = nil
    ) -> ConsumerGroupContext {
        ConsumerGroupContext(
            settings: configuration.withClassicSize(settings ?? configuration.consumer), topics: topics, time: at)
    }

    /// Makes an outcome the shard's state and decision.
    mutating func take<Response>(
        _ outcome: ConsumerGroupOutcome<Response>, of id: String, replies: [Reply], at: EventTime,
        refusals: @escaping @Sendable (ErrorCode) -> [Reply]
    ) -> Decision {
        var decision = Decision()
        decision.replies = replies
        guard put(outcome, as: id, at: at, &decision) else {
            cancel()
            decision.replies = refusals(.unknownServerError)
            return decision
        }
        if !decision.records.isEmpty { decision.refusals = refusals }
        return end(decision)
    }

    mutating func expireConsumerGroup(
        _ id: String, at: EventTime, topics: any TopicImage, _ decision: inout Decision
    ) {
        let context = consumerContext(at: at, topics, configuration.settings(of: id).consumer)
        guard let outcome = withConsumerGroup(id, { $0.tick(context) }) else { return }
        if !put(outcome, as: id, at: at, &decision) { arm(id) }
    }

    /// - Returns: false when no record can be made of the classic group that it has become; nothing is changed then.
    private mutating func put<Response>(
        _ outcome: ConsumerGroupOutcome<Response>, as id: String, at: EventTime, _ decision: inout Decision
    ) -> Bool {
        switch outcome.successor {
        case .same: break
        case .group(let group):
            decision.records += outcome.records
            save(id)
            groups[id] = .consumer(group)
        case .classic(let form, let mustRebalance):
            var classic = ClassicGroup(form, at: at)
            guard let record = try? GroupRecords.metadata(of: classic) else { return false }
            decision.records += outcome.records + [record]
            if mustRebalance {
                var effects = GroupEffects()
                classic.prepareRebalance(.init(configuration: configuration, at: at), &effects)
            }
            save(id)
            groups[id] = .classic(classic)
        }
        arm(id)
        return true
    }
}

extension ClassicGroup {
    /// What is handed over when the group is upgraded.
    fileprivate var form: ClassicGroupForm {
        ClassicGroupForm(
            groupId: id, generation: generation, protocolType: protocolType ?? "", protocolName: protocolName,
            members: members.all.map { member in
                .init(
                    memberId: member.id, instanceId: member.instanceId, clientId: member.client.clientId,
                    clientHost: member.client.host, rebalanceTimeoutMs: member.rebalanceTimeoutMs,
                    sessionTimeoutMs: member.sessionTimeoutMs,
                    protocols: member.protocols.map { .init(name: $0.name, metadata: $0.metadata) },
                    assignment: member.assignment)
            })
    }

    /// A group that was a consumer group: stable, with the assignment that it had.
    fileprivate init(_ form: ClassicGroupForm, at: EventTime) {
        self.init(id: form.groupId, wall: at.wall)
        generation = form.generation
        protocolType = form.protocolType
        for handed in form.members {
            var member = ClassicMember(
                id: handed.memberId, instanceId: handed.instanceId,
                client: ClientIdentity(clientId: handed.clientId, host: handed.clientHost),
                rebalanceTimeoutMs: handed.rebalanceTimeoutMs, sessionTimeoutMs: handed.sessionTimeoutMs,
                protocols: handed.protocols.map { .init(name: $0.name, metadata: $0.metadata) })
            member.assignment = handed.assignment
            member.keepAlive(at: at.monotonic)
            members.append(member)
            if let instanceId = member.instanceId { staticMembers[instanceId] = member.id }
        }
        leader = members.all.first?.id
        protocolName = selectProtocol()
        updateSubscribedTopics()
        transition(to: .stable, at: at)
    }

    /// Answers everybody that waits.
    fileprivate mutating func replyAll(_ error: ErrorCode, _ effects: inout GroupEffects) {
        for position in members.all.indices {
            let memberId = members.all[position].id
            reply(join: JoinGroupResponse(error: error, memberId: memberId), at: position, &effects)
            reply(sync: SyncGroupResponse(errorCode: error.rawValue), at: position, &effects)
        }
    }
}
