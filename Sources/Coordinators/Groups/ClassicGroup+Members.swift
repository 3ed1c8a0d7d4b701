import KafkaMessages
import NIOCore

/// What members do between two rounds of joins: SyncGroup, Heartbeat, LeaveGroup.
extension ClassicGroup {
    /// Waits for the leader's assignment, brings it, or asks again for it.
    mutating func sync(
        _ request: SyncGroupRequest, token: ReplyToken, _ context: Context, _ effects: inout GroupEffects
    ) {
        let error = validate(sync: request)
        guard error == .none, let position = members.position(of: request.memberId) else {
            effects.replies.append(Reply(token, SyncGroupResponse(errorCode: error.rawValue)))
            return
        }
        switch state {
        case .empty:
            effects.replies.append(Reply(token, SyncGroupResponse(errorCode: ErrorCode.unknownMemberId.rawValue)))
        case .preparingRebalance:
            effects.replies.append(Reply(token, SyncGroupResponse(errorCode: ErrorCode.rebalanceInProgress.rawValue)))
        case .completingRebalance:
            // The client gave up on its last request and repeats it.
            let repeated = SyncGroupResponse(errorCode: ErrorCode.rebalanceInProgress.rawValue)
            reply(sync: repeated, at: position, &effects)
            members.all[position].awaitingSync = token
            didSync(request.memberId)
            if isLeader(request.memberId) { assign(request.assignments, context, &effects) }
        case .stable:
            didSync(request.memberId)
            var response = syncResponse
            response.assignment = members.all[position].assignment
            effects.replies.append(Reply(token, response))
        }
    }

    private var syncResponse: SyncGroupResponse {
        SyncGroupResponse(protocolType: protocolType, protocolName: protocolName)
    }

    private func validate(sync request: SyncGroupRequest) -> ErrorCode {
        let error = validate(memberId: request.memberId, instanceId: request.groupInstanceId)
        guard error == .none else { return error }
        guard request.generationId == generation else { return .illegalGeneration }
        // KIP-559: null where the client is older than version 5.
        if let type = request.protocolType, type != protocolType { return .inconsistentGroupProtocol }
        if let name = request.protocolName, name != protocolName { return .inconsistentGroupProtocol }
        return .none
    }

    private mutating func didSync(_ memberId: String) {
        pendingSync.remove(memberId)
        if pendingSync.isEmpty { syncDeadline = .max }
    }

    /// Hands out the leader's assignment. Members that it left out get nothing to do.
    private mutating func assign(
        _ assignments: [SyncGroupRequest.SyncGroupRequestAssignment], _ context: Context,
        _ effects: inout GroupEffects
    ) {
        for position in members.all.indices { members.all[position].assignment = ByteBuffer() }
        for assignment in assignments {
            guard let position = members.position(of: assignment.memberId) else { continue }
            // A copy: the slice would keep the frame it came in.
            members.all[position].assignment = ByteBuffer(buffer: assignment.assignment)
        }
        transition(to: .stable, at: context.at)
        effects.persists = true
        replySyncs(syncResponse, context, &effects)
    }

    /// The hottest of all events.
    mutating func heartbeat(_ request: HeartbeatRequest, at now: Int64) -> ErrorCode {
        if let instanceId = request.groupInstanceId {
            guard let current = staticMembers[instanceId] else { return .unknownMemberId }
            guard current == request.memberId else { return .fencedInstanceId }
        }
        guard let position = members.position(of: request.memberId) else { return .unknownMemberId }
        guard request.generationId == generation else { return .illegalGeneration }
        members.all[position].keepAlive(at: now)
        return state == .preparingRebalance ? .rebalanceInProgress : .none
    }

    /// - Returns: one answer for each of `leaving`.
    mutating func leave(
        _ leaving: [LeaveGroupRequest.MemberIdentity], _ context: Context, _ effects: inout GroupEffects
    ) -> [LeaveGroupResponse.MemberResponse] {
        var hasLeft = false
        let responses = leaving.map { identity in
            let error = leave(identity, &effects)
            if error == .none { hasLeft = true }
            return LeaveGroupResponse.MemberResponse(
                memberId: identity.memberId, groupInstanceId: identity.groupInstanceId, errorCode: error.rawValue)
        }
        guard hasLeft else { return responses }
        switch state {
        case .stable, .completingRebalance: prepareRebalance(context, &effects)
        case .preparingRebalance: completeJoinIfAllJoined(context, &effects)
        case .empty: break
        }
        return responses
    }

    private mutating func leave(
        _ identity: LeaveGroupRequest.MemberIdentity, _ effects: inout GroupEffects
    ) -> ErrorCode {
        if identity.memberId.isEmpty {
            // An administrator removes a static member by the only name it knows.
            guard let memberId = identity.groupInstanceId.flatMap({ staticMembers[$0] }) else {
                return .unknownMemberId
            }
            removeAndReply(memberId: memberId, &effects)
            return .none
        }
        if pendingMembers.removeValue(forKey: identity.memberId) != nil { return .none }
        let error = validate(memberId: identity.memberId, instanceId: identity.groupInstanceId)
        if error == .none { removeAndReply(memberId: identity.memberId, &effects) }
        return error
    }

    /// A client that still waits for an answer learns that its member is gone and may join anew.
    mutating func removeAndReply(memberId: String, _ effects: inout GroupEffects) {
        if let position = members.position(of: memberId) {
            reply(join: JoinGroupResponse(error: .unknownMemberId), at: position, &effects)
            reply(sync: SyncGroupResponse(errorCode: ErrorCode.unknownMemberId.rawValue), at: position, &effects)
        }
        remove(memberId: memberId)
    }
}
