import Coordinators
import KafkaMessages
import Security

/// Requests of the members of consumer groups. The group's shard decides; here is only which shard.
extension BrokerNode {
    /// Hands a request to the shard of its group.
    ///
    /// - Parameters:
    ///   - operation: what the client must be permitted to do with the group.
    ///   - refusal: the answer when there is no such shard, or it cannot take requests now.
    func askGroup(
        _ group: String, _ responder: Responder, _ operation: AclOperation = .read,
        waiting: ShardHost<GroupShard>.Waiting = .always,
        refusal: (ErrorCode) -> any KafkaMessage,
        _ event: (inout GroupShard, ReplyToken, EventTime, any TopicImage) -> Decision
    ) {
        guard access(responder).permits(operation, .group, group) else {
            let message = refusal(.groupAuthorizationFailed)
            return responder.send(message)
        }
        guard let host = groups.host(of: group) else {
            let message = refusal(.notCoordinator)
            return responder.send(message)
        }
        host.submit(responder, waiting: waiting, refusal: refusal) { shard, token, now, topics in
            (event(&shard, token, now, topics), [])
        }
    }

    func handleJoinGroup(_ request: JoinGroupRequest, _ responder: Responder) {
        let version = responder.apiVersion
        let access = access(responder)
        let configs = controller.boundedGroupConfigs(request.groupId)
        askGroup(request.groupId, responder) {
            request.refused($0, version: version)
        } _: { shard, token, now, topics in
            // It may resolve the regular expressions of a group that members of both protocols share.
            var visible = topics
            if let access { visible = DescribableTopics(all: topics, access: access) }
            return shard.joinGroup(
                request, version: version, client: responder.client, token: token, at: now, topics: visible,
                settings: Self.consumerSettings(configs, over: shard.configuration.consumer))
        }
    }

    func handleSyncGroup(_ request: SyncGroupRequest, _ responder: Responder) {
        // KIP-559: from version 5 on they must be there.
        if responder.apiVersion >= 5, request.protocolType == nil || request.protocolName == nil {
            return responder.send(request.refused(.inconsistentGroupProtocol))
        }
        let configs = controller.boundedGroupConfigs(request.groupId)
        askGroup(request.groupId, responder) {
            request.refused($0)
        } _: { shard, token, now, topics in
            shard.syncGroup(
                request, version: responder.apiVersion, token: token, at: now, topics: topics,
                settings: Self.consumerSettings(configs, over: shard.configuration.consumer))
        }
    }

    func handleHeartbeat(_ request: HeartbeatRequest, _ responder: Responder) {
        let configs = controller.boundedGroupConfigs(request.groupId)
        askGroup(request.groupId, responder, waiting: .forOwnRecords) { code in
            // As Kafka does while a group is loading: aiokafka, for one, gives up at anything else.
            request.refused(code == .coordinatorLoadInProgress ? .none : code)
        } _: { shard, token, now, topics in
            shard.heartbeat(
                request, version: responder.apiVersion, token: token, at: now, topics: topics,
                settings: Self.consumerSettings(configs, over: shard.configuration.consumer))
        }
    }

    func handleLeaveGroup(_ request: LeaveGroupRequest, _ responder: Responder) {
        askGroup(request.groupId, responder) {
            request.refused($0)
        } _: { shard, token, now, topics in
            shard.leaveGroup(request, version: responder.apiVersion, token: token, at: now, topics: topics)
        }
    }
}
