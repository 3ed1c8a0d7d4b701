import Bytes
package import KafkaMessages

/// JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
extension GroupShard {
    /// - Parameters:
    ///   - version: of the request; the reply is for it.
    ///   - token: comes back with the reply, in this decision or a later one.
    ///   - settings: of this group as a consumer group, if it has some of its own.
    package mutating func joinGroup(
        _ request: JoinGroupRequest, version: Int16, client: ClientIdentity, token: ReplyToken, at: EventTime,
        topics: any TopicImage, settings: ConsumerGroupSettings? = nil
    ) -> Decision {
        begin(at: at)
        let error = validate(request, client)
        guard error == .none else { return Decision(token, request.refused(error, version: version)) }
        let id = request.groupId
        let isNew = groups[id] == nil
        guard !isNew || request.memberId.isEmpty else {
            return Decision(token, request.refused(.unknownMemberId, version: version))
        }
        let join = ClassicGroup.Join(
            request, version: version, client: client, token: token,
            newMemberId: request.memberId.isEmpty
                ? memberIds.make(prefix: request.groupInstanceId ?? client.clientId) : "")
        var records: [CoordinatorRecord] = []
        if case .consumer(let consumer) = groups[id] {
            guard consumer.isEmpty else {
                return joinConsumerGroup(join, at: at, topics: topics, settings: settings)
            }
            // Nobody is in it: it becomes a classic group, as a new one does.
            guard request.memberId.isEmpty, let tombstones = try? consumer.delete() else {
                return Decision(token, request.refused(.unknownMemberId, version: version))
            }
            records = tombstones
        }
        switch groups[id] {
        case .streams(let group) where group.isEmpty:
            // An application goes back to the classic protocol.
            guard request.memberId.isEmpty, let tombstones = try? group.delete() else {
                return Decision(token, request.refused(.unknownMemberId, version: version))
            }
            records = tombstones
        case .share, .streams:
            return Decision(token, request.refused(.inconsistentGroupProtocol, version: version))
        case .classic, .consumer, nil: break
        }
        save(id)
        let isNewGroup = isNew || !records.isEmpty
        if isNewGroup { groups[id] = .classic(ClassicGroup(id: id, wall: at.wall)) }
        let refused: @Sendable (ErrorCode) -> any KafkaMessage = { request.refused($0, version: version) }
        return change(id, token: token, at: at, isNew: isNewGroup, after: records, refused: refused) {
            group, context, effects in
            group.join(join, context, &effects)
        }
    }

    private func validate(_ request: JoinGroupRequest, _ client: ClientIdentity) -> ErrorCode {
        guard isValid(groupId: request.groupId), !request.groupId.isEmpty else { return .invalidGroupId }
        let timeouts =
            configuration
            .minSessionTimeoutMs...max(
                configuration.minSessionTimeoutMs, configuration.maxSessionTimeoutMs)
        guard timeouts.contains(request.sessionTimeoutMs) else { return .invalidSessionTimeout }
        // What a record cannot hold.
        let texts = [request.groupInstanceId ?? "", request.protocolType, client.clientId, client.host]
        guard (texts + request.protocols.map(\.name)).allSatisfy({ $0.utf8.count <= GroupRecords.stringByteCountMax })
        else { return .invalidRequest }
        return .none
    }

    /// - Parameter settings: of this group as a consumer group, if it has some of its own.
    package mutating func syncGroup(
        _ request: SyncGroupRequest, version: Int16, token: ReplyToken, at: EventTime, topics: any TopicImage,
        settings: ConsumerGroupSettings? = nil
    ) -> Decision {
        begin(at: at)
        guard !request.groupId.isEmpty else { return Decision(token, request.refused(.invalidGroupId)) }
        guard let group = groups[request.groupId] else { return Decision(token, request.refused(.unknownMemberId)) }
        switch group {
        case .consumer:
            return syncConsumerGroup(request, token: token, at: at, topics: topics, settings: settings)
        case .share, .streams: return Decision(token, request.refused(.unknownMemberId))
        case .classic: break
        }
        save(request.groupId)
        return change(request.groupId, token: token, at: at, refused: { request.refused($0) }) {
            group, context, effects in
            group.sync(request, token: token, context, &effects)
        }
    }

    /// - Parameter settings: of this group as a consumer group, if it has some of its own.
    package mutating func heartbeat(
        _ request: HeartbeatRequest, version: Int16, token: ReplyToken, at: EventTime, topics: any TopicImage,
        settings: ConsumerGroupSettings? = nil
    ) -> Decision {
        guard !request.groupId.isEmpty else { return Decision(token, request.refused(.invalidGroupId)) }
        if let error = withClassicGroup(request.groupId, { $0.heartbeat(request, at: at.monotonic) }) {
            return Decision(token, HeartbeatResponse(errorCode: error.rawValue))
        }
        return heartbeatConsumerGroup(request, token: token, at: at, topics: topics, settings: settings)
    }

    package mutating func leaveGroup(
        _ request: LeaveGroupRequest, version: Int16, token: ReplyToken, at: EventTime, topics: any TopicImage
    ) -> Decision {
        begin(at: at)
        guard !request.groupId.isEmpty else {
            return Decision(token, request.refused(.invalidGroupId))
        }
        let leaving =
            version >= 3 ? request.members : [LeaveGroupRequest.MemberIdentity(memberId: request.memberId)]
        func response(_ members: [LeaveGroupResponse.MemberResponse]) -> LeaveGroupResponse {
            // Older versions have one member and its error as that of the response.
            version >= 3
                ? LeaveGroupResponse(members: members) : LeaveGroupResponse(errorCode: members.first?.errorCode ?? 0)
        }
        func unknown() -> Decision {
            let answers = leaving.map {
                LeaveGroupResponse.MemberResponse(
                    memberId: $0.memberId, groupInstanceId: $0.groupInstanceId,
                    errorCode: ErrorCode.unknownMemberId.rawValue)
            }
            return Decision(token, response(answers))
        }
        guard let group = groups[request.groupId] else { return unknown() }
        switch group {
        case .share, .streams: return unknown()
        case .classic, .consumer: break
        }
        if case .consumer(var consumer) = group {
            let outcome = consumer.leave(
                leaving, consumerContext(at: at, topics, configuration.settings(of: request.groupId).consumer))
            return take(
                outcome, of: request.groupId, replies: [Reply(token, response(outcome.response))], at: at,
                refusals: { [Reply(token, request.refused($0.ofGroupAppend))] })
        }
        save(request.groupId)
        let refused: @Sendable (ErrorCode) -> any KafkaMessage = { request.refused($0) }
        return change(request.groupId, token: token, at: at, refused: refused) { group, context, effects in
            let members = group.leave(leaving, context, &effects)
            effects.replies.append(Reply(token, response(members)))
        }
    }

    /// Changes a group that has been saved, writes it if it wants to be written, and makes the decision.
    ///
    /// - Parameters:
    ///   - isNew: the group was made for this event. It stays only if it has got somebody to wait for.
    ///   - records: what is written before the group.
    ///   - refused: the answer to this event's request when the log refuses the records.
    private mutating func change(
        _ id: String, token: ReplyToken, at: EventTime, isNew: Bool = false,
        after records: [CoordinatorRecord] = [], refused: @escaping @Sendable (ErrorCode) -> any KafkaMessage,
        _ body: (inout ClassicGroup, ClassicGroup.Context, inout GroupEffects) -> Void
    ) -> Decision {
        let context = ClassicGroup.Context(configuration: configuration, at: at)
        var decision = Decision()
        let record: CoordinatorRecord?
        do throws(WireError) {
            var effects = GroupEffects()
            let changed = withClassicGroup(id) { group in
                body(&group, context, &effects)
                return group
            }
            decision.replies = effects.replies
            guard let changed else {
                cancel()
                return Decision(token, refused(.unknownMemberId))
            }
            if isNew, changed.members.isEmpty, changed.pendingMembers.isEmpty {
                cancel()
                return decision
            }
            record =
                if effects.persists {
                    try GroupRecords.metadata(of: changed)
                } else if isNew {
                    try GroupRecords.newGroup(id, wall: at.wall)
                } else {
                    nil
                }
        } catch {
            cancel()  // a member is of a shape that no record can hold
            return Decision(token, refused(.unknownServerError))
        }
        if let record {
            decision.records = records + [record]
            decision.refusals = { [Reply(token, refused($0.ofGroupAppend))] }
        }
        arm(id)
        return end(decision)
    }

    /// Whether the records of a group with this id can be written.
    func isValid(groupId: String) -> Bool { groupId.utf8.count <= GroupRecords.stringByteCountMax }
}
