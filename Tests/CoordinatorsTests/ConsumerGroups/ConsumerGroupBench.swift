import KafkaMessages
import NIOCore

@testable import Coordinators

/// Topics that tests create, enlarge and delete.
struct ChangingTopics: TopicImage {
    private(set) var byName: [String: TopicFacts] = [:]
    private(set) var count: UInt64 = 0
    private var ids: UInt64 = 0
    /// Whether the image tells its version; without it groups look at their topics every time.
    var tellsVersion = true

    init(_ partitionCounts: [(String, Int32)] = []) {
        for (name, count) in partitionCounts { create(name, count) }
    }

    func facts(named name: String) -> TopicFacts? { byName[name] }
    func facts(id: KafkaUUID) -> TopicFacts? { byName.values.first { $0.id == id } }
    var names: [String] { byName.keys.sorted() }
    var version: UInt64? { tellsVersion ? count : nil }

    mutating func create(_ name: String, _ partitionCount: Int32) {
        ids += 1
        count += 1
        byName[name] = TopicFacts(name: name, id: KafkaUUID(high: 9, low: ids), partitionCount: partitionCount)
    }

    mutating func enlarge(_ name: String, to partitionCount: Int32) {
        count += 1
        byName[name]?.partitionCount = partitionCount
    }

    mutating func delete(_ name: String) {
        count += 1
        byName[name] = nil
    }

    /// Partitions as tests write them: `["a": [0, 1]]`.
    func named(_ partitions: [ConsumerGroupHeartbeatResponse.TopicPartitions]) -> [String: [Int32]] {
        Dictionary(
            uniqueKeysWithValues: partitions.map { (facts(id: $0.topicId)?.name ?? "?", $0.partitions) })
    }

    func request(_ partitions: [String: [Int32]]) -> [ConsumerGroupHeartbeatRequest.TopicPartitions] {
        partitions.sorted { $0.key < $1.key }.map { name, partitions in
            .init(topicId: byName[name]?.id ?? .zero, partitions: partitions)
        }
    }
}

/// A shard with its log, its topics and a clock.
final class ConsumerGroupBench {
    var configuration: GroupConfiguration
    /// What the groups have set for themselves.
    var settings: ConsumerGroupSettings?
    var shard: GroupShard
    var topics: ChangingTopics
    var time = EventTime(wall: 1_700_000_000_000, monotonic: 1000)
    var log: [CoordinatorRecord] = []
    var replies: [ReplyToken: any KafkaMessage] = [:]
    /// What the log answers to the next append.
    var appendError: ErrorCode?
    private var tokens: UInt64 = 0
    private var brokers: UInt64 = 1

    init(
        _ partitionCounts: [(String, Int32)] = [("a", 4)], _ change: (inout GroupConfiguration) -> Void = { _ in }
    ) {
        configuration = GroupConfiguration()
        change(&configuration)
        shard = GroupShard(configuration: configuration, seed: 1)
        topics = ChangingTopics(partitionCounts)
    }

    var client: ClientIdentity { ClientIdentity(clientId: "client", host: "/127.0.0.1") }

    func token() -> ReplyToken {
        tokens += 1
        return ReplyToken(rawValue: tokens)
    }

    func deliver(_ decision: Decision) {
        var sent = decision.replies
        if !decision.records.isEmpty {
            if let error = appendError {
                shard.abandon()
                sent = decision.refusals(error)
            } else {
                log += decision.records
                shard.commit()
            }
        }
        for reply in sent { replies[reply.token] = reply.message }
    }

    func take<Message: KafkaMessage>(_ token: ReplyToken) -> Message? {
        defer { replies[token] = nil }
        return replies[token] as? Message
    }

    func heartbeat(
        _ request: ConsumerGroupHeartbeatRequest, version: Int16 = 1
    ) -> ConsumerGroupHeartbeatResponse {
        let token = token()
        deliver(
            shard.consumerGroupHeartbeat(
                request, version: version, client: client, token: token, at: time, topics: topics,
                settings: settings))
        return take(token) ?? ConsumerGroupHeartbeatResponse(errorCode: -99)
    }

    /// The first heartbeat of a member.
    func join(
        _ memberId: String, _ names: [String]? = ["a"], regex: String? = nil, instanceId: String? = nil,
        assignor: String? = nil, group: String = "g", rebalanceTimeoutMs: Int32 = 10_000, version: Int16 = 1
    ) -> ConsumerGroupHeartbeatResponse {
        heartbeat(
            .init(
                groupId: group, memberId: memberId, memberEpoch: 0, instanceId: instanceId,
                rebalanceTimeoutMs: rebalanceTimeoutMs, subscribedTopicNames: names, subscribedTopicRegex: regex,
                serverAssignor: assignor, topicPartitions: []), version: version)
    }

    /// A heartbeat that says nothing but what the member owns, if that.
    func beat(
        _ memberId: String, _ epoch: Int32, owned: [String: [Int32]]? = nil, instanceId: String? = nil,
        group: String = "g"
    ) -> ConsumerGroupHeartbeatResponse {
        heartbeat(
            .init(
                groupId: group, memberId: memberId, memberEpoch: epoch, instanceId: instanceId,
                topicPartitions: owned.map(topics.request)))
    }

    func assignment(_ response: ConsumerGroupHeartbeatResponse) -> [String: [Int32]]? {
        response.assignment.map { topics.named($0.topicPartitions) }
    }

    var group: ConsumerGroup? { group("g") }

    func group(_ id: String) -> ConsumerGroup? {
        guard case .consumer(let group) = shard.groups[id] else { return nil }
        return group
    }

    func classicGroup(_ id: String = "g") -> ClassicGroup? {
        guard case .classic(let group) = shard.groups[id] else { return nil }
        return group
    }

    /// Moves the clock; timers fire when they are due.
    func advance(ms: Int64) {
        let end = time.monotonic + ms
        while let deadline = shard.nextDeadline, deadline <= end {
            step(to: max(deadline, time.monotonic))
            deliver(shard.tick(at: time, topics: topics))
        }
        step(to: end)
    }

    private func step(to monotonic: Int64) {
        time.wall += monotonic - time.monotonic
        time.monotonic = monotonic
    }

    /// The shard that a broker has that reads the log.
    func replayed() throws -> GroupShard {
        brokers += 1  // two brokers never make the same member ids
        var shard = GroupShard(configuration: configuration, seed: brokers)
        for record in log { try shard.replay(key: record.key, value: record.value, producerId: nil) }
        shard.finishLoading(at: time)
        return shard
    }

    /// Whether a broker that reads the log finds the same groups.
    func replayIsSame() throws -> Bool {
        let other = try replayed()
        return shard.groups.keys.sorted() == other.groups.keys.sorted()
            && shard.groups.allSatisfy { id, group in
                switch (group, other.groups[id]) {
                case (.consumer(let a), .consumer(let b)): a == b
                case (.classic, .classic): true
                default: false
                }
            }
    }
}
