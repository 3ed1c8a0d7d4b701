import KafkaMessages

@testable import Coordinators

extension ConsumerGroupBench {
    func share(
        _ request: ShareGroupHeartbeatRequest, settings: ShareMembershipSettings = ShareMembershipSettings()
    ) -> ShareGroupHeartbeatResponse {
        let token = token()
        deliver(
            shard.shareGroupHeartbeat(
                request, client: client, token: token, at: time, topics: topics, settings: settings))
        return take(token) ?? ShareGroupHeartbeatResponse(errorCode: -99)
    }

    /// The first heartbeat of a member.
    func shareJoin(_ memberId: String, _ names: [String]? = ["a"], group: String = "g") -> ShareGroupHeartbeatResponse {
        share(.init(groupId: group, memberId: memberId, memberEpoch: 0, subscribedTopicNames: names))
    }

    func shareBeat(_ memberId: String, _ epoch: Int32, _ names: [String]? = nil) -> ShareGroupHeartbeatResponse {
        share(.init(groupId: "g", memberId: memberId, memberEpoch: epoch, subscribedTopicNames: names))
    }

    func assignment(_ response: ShareGroupHeartbeatResponse) -> [String: [Int32]]? {
        response.assignment.map { assignment in
            Dictionary(
                uniqueKeysWithValues: assignment.topicPartitions.map {
                    (topics.facts(id: $0.topicId)?.name ?? "?", $0.partitions)
                })
        }
    }

    var shareGroup: ShareGroup? {
        guard case .share(let group) = shard.groups["g"] else { return nil }
        return group
    }
}
