import Coordinators
import KafkaMessages
import Security

/// Requests of the consumer protocol (KIP-848). The group's shard decides; here is only which shard.
extension BrokerNode {
    func handleConsumerGroupHeartbeat(_ request: ConsumerGroupHeartbeatRequest, _ responder: Responder) {
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
        let configs = controller.boundedGroupConfigs(request.groupId)
        host.submit(responder, refusal: { request.refused($0) }) { shard, token, now, topics in
            var visible = topics
            if let access { visible = DescribableTopics(all: topics, access: access) }
            let decision = shard.consumerGroupHeartbeat(
                request, version: responder.apiVersion, client: responder.client, token: token, at: now,
                topics: visible, settings: Self.consumerSettings(configs, over: shard.configuration.consumer))
            return (decision, [])
        }
    }

    /// - Parameter configs: what a group has set for itself.
    /// - Returns: nil where that is nothing.
    static func consumerSettings(
        _ configs: [String: String], over broker: ConsumerGroupSettings
    ) -> ConsumerGroupSettings? {
        guard !configs.isEmpty else { return nil }
        return broker.overridden(
            sessionTimeoutMs: milliseconds(configs["consumer.session.timeout.ms"]),
            heartbeatIntervalMs: milliseconds(configs["consumer.heartbeat.interval.ms"]),
            assignmentIntervalMs: milliseconds(configs["consumer.assignment.interval.ms"]))
    }

    /// The value was checked when it was set.
    private static func milliseconds(_ value: String?) -> Int32? {
        value.flatMap { Int32(String($0.filter { $0 != " " })) }
    }

    func handleConsumerGroupDescribe(_ request: ConsumerGroupDescribeRequest, _ responder: Responder) {
        var response = ConsumerGroupDescribeResponse()
        var hosts: [ShardHost<GroupShard>] = []
        let topics = catalog.snapshot
        let access = access(responder)
        response.groups = request.groupIds.map { group in
            func refused(_ code: ErrorCode) -> ConsumerGroupDescribeResponse.DescribedGroup {
                .init(errorCode: code.rawValue, groupId: group)
            }
            guard access.permits(.describe, .group, group) else { return refused(.groupAuthorizationFailed) }
            guard let host = groups.host(of: group) else { return refused(.notCoordinator) }
            hosts.append(host)
            return host.submitRead { shard, _ in
                shard.consumerGroupDescribe(group, version: responder.apiVersion, topics: topics)
            } refusal: {
                refused($0)
            }
        }
        if access != nil { response.groups = response.groups.map { Self.withoutSecrets($0, access) } }
        if request.includeAuthorizedOperations {
            for index in response.groups.indices where response.groups[index].errorCode == ErrorCode.none.rawValue {
                response.groups[index].authorizedOperations = access.operations(
                    .group, response.groups[index].groupId)
            }
        }
        send(response, responder, whenDurable: hosts)
    }

    /// A group is not described to those who may not describe all topics that its members read.
    private static func withoutSecrets(
        _ group: ConsumerGroupDescribeResponse.DescribedGroup, _ access: Access?
    ) -> ConsumerGroupDescribeResponse.DescribedGroup {
        let names = group.members.flatMap { member in
            (member.assignment.topicPartitions + member.targetAssignment.topicPartitions).map(\.topicName)
        }
        guard let secret = access.secret(of: names) else { return group }
        return .init(errorCode: secret.code.rawValue, errorMessage: secret.message, groupId: group.groupId)
    }
}

extension GroupSettings {
    /// - Parameter consumer: the broker's, which take effect with its start.
    init(_ controller: Controller, _ group: String, over consumer: ConsumerGroupSettings) {
        let configs = controller.boundedGroupConfigs(group)
        let server = controller.server
        self.init(
            consumer: BrokerNode.consumerSettings(configs, over: consumer) ?? consumer,
            share: ShareMembershipSettings(server, overrides: configs),
            streams: StreamsGroupSettings(server, overrides: configs))
    }
}
