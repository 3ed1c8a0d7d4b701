import Coordinators
import KafkaMessages

/// Requests of the members of consumer groups. The group's shard decides; here is only which shard.
extension BrokerNode {
    func handleJoinGroup(_ request: JoinGroupRequest, _ responder: Responder) {
        func refusal(_ code: ErrorCode) -> JoinGroupResponse {
            var response = JoinGroupResponse()
            response.errorCode = code.rawValue
            response.memberId = request.memberId
            return response
        }
        guard let host = groups.host(of: request.groupId) else { return responder.send(refusal(.notCoordinator)) }
        host.submit(responder, refusal: refusal) { shard, token, now, topics in
            let decision = shard.joinGroup(
                request, version: responder.apiVersion, client: responder.client, token: token, at: now,
                topics: topics)
            return (decision, [])
        }
    }

    func handleSyncGroup(_ request: SyncGroupRequest, _ responder: Responder) {
        func refusal(_ code: ErrorCode) -> SyncGroupResponse {
            var response = SyncGroupResponse()
            response.errorCode = code.rawValue
            return response
        }
        guard let host = groups.host(of: request.groupId) else { return responder.send(refusal(.notCoordinator)) }
        host.submit(responder, refusal: refusal) { shard, token, now, topics in
            let decision = shard.syncGroup(
                request, version: responder.apiVersion, token: token, at: now, topics: topics)
            return (decision, [])
        }
    }

    func handleHeartbeat(_ request: HeartbeatRequest, _ responder: Responder) {
        func refusal(_ code: ErrorCode) -> HeartbeatResponse {
            var response = HeartbeatResponse()
            // As Kafka does while a group is loading: aiokafka, for one, gives up at anything else.
            response.errorCode = code == .coordinatorLoadInProgress ? 0 : code.rawValue
            return response
        }
        guard let host = groups.host(of: request.groupId) else { return responder.send(refusal(.notCoordinator)) }
        host.submit(responder, waiting: .forOwnRecords, refusal: refusal) { shard, token, now, topics in
            let decision = shard.heartbeat(
                request, version: responder.apiVersion, token: token, at: now, topics: topics)
            return (decision, [])
        }
    }

    func handleLeaveGroup(_ request: LeaveGroupRequest, _ responder: Responder) {
        func refusal(_ code: ErrorCode) -> LeaveGroupResponse {
            var response = LeaveGroupResponse()
            response.errorCode = code.rawValue
            return response
        }
        guard let host = groups.host(of: request.groupId) else { return responder.send(refusal(.notCoordinator)) }
        host.submit(responder, refusal: refusal) { shard, token, now, topics in
            let decision = shard.leaveGroup(
                request, version: responder.apiVersion, token: token, at: now, topics: topics)
            return (decision, [])
        }
    }
}
