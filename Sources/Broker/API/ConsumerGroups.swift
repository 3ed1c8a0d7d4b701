import Coordinators
import KafkaMessages

/// Requests of the consumer protocol (KIP-848). The group's shard decides; here is only which shard.
extension BrokerNode {
    func handleConsumerGroupHeartbeat(_ request: ConsumerGroupHeartbeatRequest, _ responder: Responder) {
        guard let host = groups.host(of: request.groupId) else {
            return responder.send(request.refused(.notCoordinator))
        }
        let configs = controller.groupConfigs(request.groupId)
        host.submit(responder, refusal: { request.refused($0) }) { shard, token, now, topics in
            let settings =
                configs.isEmpty
                ? nil
                : shard.configuration.consumer.overridden(
                    sessionTimeoutMs: Self.milliseconds(configs["consumer.session.timeout.ms"]),
                    heartbeatIntervalMs: Self.milliseconds(configs["consumer.heartbeat.interval.ms"]))
            let decision = shard.consumerGroupHeartbeat(
                request, version: responder.apiVersion, client: responder.client, token: token, at: now,
                topics: topics, settings: settings)
            return (decision, [])
        }
    }

    /// The value was checked when it was set.
    private static func milliseconds(_ value: String?) -> Int32? {
        value.flatMap { Int32(String($0.filter { $0 != " " })) }
    }

    func handleConsumerGroupDescribe(_ request: ConsumerGroupDescribeRequest, _ responder: Responder) {
        var response = ConsumerGroupDescribeResponse()
        var hosts: [ShardHost<GroupShard>] = []
        let topics = catalog.snapshot
        response.groups = request.groupIds.map { group in
            func refused(_ code: ErrorCode) -> ConsumerGroupDescribeResponse.DescribedGroup {
                .init(errorCode: code.rawValue, groupId: group)
            }
            guard let host = groups.host(of: group) else { return refused(.notCoordinator) }
            hosts.append(host)
            return host.submitRead { shard, _ in
                shard.consumerGroupDescribe(group, version: responder.apiVersion, topics: topics)
            } refusal: {
                refused($0)
            }
        }
        if request.includeAuthorizedOperations {
            for index in response.groups.indices where response.groups[index].errorCode == ErrorCode.none.rawValue {
                response.groups[index].authorizedOperations = PermittedOperations.group
            }
        }
        send(response, responder, whenDurable: hosts)
    }
}
