import Coordinators
import KafkaMessages
import Security

/// Requests of the members of share groups (KIP-932), and ShareGroupDescribe. The group's shard decides; here is only
/// which shard.
extension BrokerNode {
    func handleShareGroupHeartbeat(_ request: ShareGroupHeartbeatRequest, _ responder: Responder) {
        let access = access(responder)
        guard access.permits(.read, .group, request.groupId) else {
            return responder.send(request.refused(.groupAuthorizationFailed))
        }
        // All of them are looked at, so that the log tells all that is missing.
        let refused = (request.subscribedTopicNames ?? []).filter { !access.permits(.describe, .topic, $0) }
        guard refused.isEmpty else { return responder.send(request.refused(.topicAuthorizationFailed)) }
        guard let host = groups.host(of: request.groupId) else {
            return responder.send(request.refused(.notCoordinator))
        }
        let settings = ShareMembershipSettings(
            controller.server, overrides: controller.boundedGroupConfigs(request.groupId))
        host.submit(responder, waiting: .forOwnRecords, refusal: { request.refused($0) }) { shard, token, now, topics in
            // Asked here, so that a group either has members and is not deleted, or begins when it is.
            if shares.isForgetting(request.groupId), !shard.hasShareGroupMembers(request.groupId) {
                return (Decision(token, request.refused(.coordinatorLoadInProgress)), [])
            }
            let decision = shard.shareGroupHeartbeat(
                request, client: responder.client, token: token, at: now, topics: topics, settings: settings)
            return (decision, [])
        }
    }

    func handleShareGroupDescribe(_ request: ShareGroupDescribeRequest, _ responder: Responder) {
        var response = ShareGroupDescribeResponse()
        var hosts: [ShardHost<GroupShard>] = []
        let topics = catalog.snapshot
        let access = access(responder)
        response.groups = request.groupIds.map { group in
            func refused(_ code: ErrorCode) -> ShareGroupDescribeResponse.DescribedGroup {
                .init(errorCode: code.rawValue, groupId: group)
            }
            guard access.permits(.describe, .group, group) else { return refused(.groupAuthorizationFailed) }
            guard let host = groups.host(of: group) else { return refused(.notCoordinator) }
            hosts.append(host)
            var described = host.submitRead { shard, _ in
                shard.shareGroupDescribe(group, topics: topics)
            } refusal: {
                refused($0)
            }
            guard described.errorCode == ErrorCode.none.rawValue else { return described }
            let names = described.members.flatMap { $0.assignment.topicPartitions.map(\.topicName) }
            if let secret = access.secret(of: names) {
                described = .init(errorCode: secret.code.rawValue, errorMessage: secret.message, groupId: group)
            } else if request.includeAuthorizedOperations {
                described.authorizedOperations = access.operations(.group, group)
            }
            return described
        }
        send(response, responder, whenDurable: hosts)
    }
}

extension Access? {
    /// A group is not described to those who may not describe all topics that its members read: the error instead.
    func secret(of topics: some Sequence<String>) -> (code: ErrorCode, message: String)? {
        guard self != nil, Set(topics).contains(where: { !permits(.describe, .topic, $0) }) else { return nil }
        return (
            .topicAuthorizationFailed,
            "The group has described topic(s) that the client is not authorized to describe."
        )
    }
}

extension ShareMembershipSettings {
    init(_ server: ServerProperties, overrides: [String: String] = [:]) {
        func number(_ name: String) -> Int32 {
            let own = overrides["share.\(name)"].flatMap { Int64($0.trimmingSpaces) }
            return Int32(clamping: own ?? server.number("group.share.\(name)"))
        }
        self.init()
        sessionTimeoutMs = number("session.timeout.ms")
        heartbeatIntervalMs = number("heartbeat.interval.ms")
        assignmentIntervalMs = number("assignment.interval.ms")
        maxSize = Int(number("max.size"))
    }
}
