import KafkaMessages
import NIOCore

@testable import Coordinators

/// Topics that do not change: `t0` to `t3` with four partitions each.
struct FixedTopics: TopicImage {
    var all: [TopicFacts] = (0..<4).map {
        TopicFacts(name: "t\($0)", id: KafkaUUID(high: 7, low: UInt64($0) + 1), partitionCount: 4)
    }
    func facts(named name: String) -> TopicFacts? { all.first { $0.name == name } }
    func facts(id: KafkaUUID) -> TopicFacts? { all.first { $0.id == id } }
    var names: [String] { all.map(\.name) }
}

/// What an internal topic's partition holds.
enum LogEntry {
    case record(CoordinatorRecord, producerId: Int64?)
    case marker(producerId: Int64, isCommit: Bool)
}

/// A shard with its log and a clock: plays the caller that appends, commits and sends. A class, as the macros of tests take no
/// mutating calls.
final class GroupFixture {
    var shard: GroupShard
    var time = EventTime(wall: 1_700_000_000_000, monotonic: 5_000)
    var topics = FixedTopics()
    var log: [LogEntry] = []
    var replies: [ReplyToken: any KafkaMessage] = [:]
    /// The log refuses with this code when it is set.
    var refusal: ErrorCode?
    private var tokens: UInt64 = 0

    init(seed: UInt64 = 1, _ change: (inout GroupConfiguration) -> Void = { _ in }) {
        var configuration = GroupConfiguration()
        change(&configuration)
        shard = GroupShard(configuration: configuration, seed: seed)
    }

    func token() -> ReplyToken {
        tokens += 1
        return ReplyToken(rawValue: tokens)
    }

    func deliver(_ decision: Decision) {
        var answers = decision.replies
        if !decision.records.isEmpty {
            if let refusal {
                shard.abandon()
                answers = decision.refusals(refusal)
            } else {
                log += decision.records.map { .record($0, producerId: decision.producer?.producerId) }
                shard.commit()
            }
        }
        for reply in answers { replies[reply.token] = reply.message }
    }

    /// The reply to a request, taken out; nil while it waits.
    func reply<Message: KafkaMessage>(_ token: ReplyToken, _: Message.Type = Message.self) -> Message? {
        guard let message = replies[token] as? Message else { return nil }
        replies[token] = nil
        return message
    }

    // MARK: Time

    /// Moves the clock and lets every timer on the way fire.
    func advance(ms: Int64) {
        let end = time.monotonic + ms
        while let next = shard.nextDeadline, next <= end {
            step(to: max(next, time.monotonic))
            deliver(shard.tick(at: time, topics: topics))
        }
        step(to: end)
    }

    private func step(to monotonic: Int64) {
        time.wall += monotonic - time.monotonic
        time.monotonic = monotonic
    }

    // MARK: Requests

    func join(
        _ group: String = "g", memberId: String = "", instanceId: String? = nil, type: String = "consumer",
        protocols: [(String, [UInt8])] = [("range", [1])], session: Int32 = 10_000, rebalance: Int32 = 60_000,
        version: Int16 = 9, client: String = "c"
    ) -> ReplyToken {
        let token = token()
        deliver(
            shard.joinGroup(
                JoinGroupRequest(
                    groupId: group, sessionTimeoutMs: session, rebalanceTimeoutMs: rebalance, memberId: memberId,
                    groupInstanceId: instanceId, protocolType: type,
                    protocols: protocols.map { .init(name: $0.0, metadata: ByteBuffer(bytes: $0.1)) }),
                version: version, client: ClientIdentity(clientId: client, host: "/127.0.0.1"), token: token, at: time,
                topics: topics))
        return token
    }

    /// A dynamic member's whole way in: it asks for an id and joins with it.
    func enter(
        _ group: String = "g", type: String = "consumer", protocols: [(String, [UInt8])] = [("range", [1])],
        session: Int32 = 10_000, rebalance: Int32 = 60_000, client: String = "c"
    ) -> (id: String, token: ReplyToken) {
        let first = join(
            group, type: type, protocols: protocols, session: session, rebalance: rebalance, client: client)
        let id = reply(first, JoinGroupResponse.self)?.memberId ?? ""
        let second = join(
            group, memberId: id, type: type, protocols: protocols, session: session, rebalance: rebalance,
            client: client)
        return (id, second)
    }

    func sync(
        _ memberId: String, generation: Int32, instanceId: String? = nil, group: String = "g",
        type: String? = "consumer", name: String? = "range", assign: [String: [UInt8]] = [:]
    ) -> ReplyToken {
        let token = token()
        deliver(
            shard.syncGroup(
                SyncGroupRequest(
                    groupId: group, generationId: generation, memberId: memberId, groupInstanceId: instanceId,
                    protocolType: type, protocolName: name,
                    assignments: assign.sorted { $0.key < $1.key }.map {
                        .init(memberId: $0.key, assignment: ByteBuffer(bytes: $0.value))
                    }),
                version: 5, token: token, at: time, topics: topics))
        return token
    }

    func heartbeat(
        _ memberId: String, generation: Int32, instanceId: String? = nil, group: String = "g"
    ) -> ErrorCode? {
        let token = token()
        deliver(
            shard.heartbeat(
                HeartbeatRequest(
                    groupId: group, generationId: generation, memberId: memberId, groupInstanceId: instanceId),
                version: 4, token: token, at: time, topics: topics))
        return reply(token, HeartbeatResponse.self).map { ErrorCode(rawValue: $0.errorCode) }
    }

    func leave(
        _ members: [LeaveGroupRequest.MemberIdentity], group: String = "g", version: Int16 = 5
    ) -> LeaveGroupResponse? {
        let token = token()
        deliver(
            shard.leaveGroup(
                LeaveGroupRequest(
                    groupId: group, memberId: version < 3 ? members.first?.memberId ?? "" : "",
                    members: version < 3 ? [] : members),
                version: version, token: token, at: time, topics: topics))
        return reply(token)
    }

    func commit(
        _ topic: String = "t0", _ partition: Int32 = 0, offset: Int64, metadata: String? = "", group: String = "g",
        memberId: String = "", instanceId: String? = nil, generation: Int32 = -1, retention: Int64 = -1,
        version: Int16 = 9
    ) -> ErrorCode? {
        let token = token()
        let partitions = [
            OffsetCommitRequest.OffsetCommitRequestPartition(
                partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: 3,
                committedMetadata: metadata)
        ]
        let id = version >= 10 ? topics.facts(named: topic)?.id ?? KafkaUUID(high: 0, low: 99) : .zero
        deliver(
            shard.offsetCommit(
                OffsetCommitRequest(
                    groupId: group, generationIdOrMemberEpoch: generation, memberId: memberId,
                    groupInstanceId: instanceId, retentionTimeMs: retention,
                    topics: [.init(name: version >= 10 ? "" : topic, topicId: id, partitions: partitions)]),
                version: version, token: token, at: time, topics: topics))
        return reply(token, OffsetCommitResponse.self)?.topics.first?.partitions.first
            .map { ErrorCode(rawValue: $0.errorCode) }
    }

    func txnCommit(
        producer: Int64, _ topic: String = "t0", _ partition: Int32 = 0, offset: Int64, group: String = "g",
        memberId: String = "", generation: Int32 = -1
    ) -> ErrorCode? {
        let token = token()
        let partitions = [
            TxnOffsetCommitRequest.TxnOffsetCommitRequestPartition(partitionIndex: partition, committedOffset: offset)
        ]
        deliver(
            shard.txnOffsetCommit(
                TxnOffsetCommitRequest(
                    transactionalId: "x", groupId: group, producerId: producer, producerEpoch: 0,
                    generationId: generation, memberId: memberId,
                    topics: [.init(name: topic, partitions: partitions)]),
                version: 5, token: token, at: time, topics: topics))
        return reply(token, TxnOffsetCommitResponse.self)?.topics.first?.partitions.first
            .map { ErrorCode(rawValue: $0.errorCode) }
    }

    func endTransaction(producer: Int64, isCommit: Bool) {
        log.append(.marker(producerId: producer, isCommit: isCommit))
        shard.completeTransaction(producerId: producer, isCommit: isCommit, at: time)
    }

    /// The committed offset and the error of a partition.
    func fetch(
        _ topic: String = "t0", _ partition: Int32 = 0, group: String = "g", requireStable: Bool = false
    ) -> (offset: Int64, error: ErrorCode)? {
        let response = shard.offsetFetch(
            .init(groupId: group, topics: [.init(name: topic, partitionIndexes: [partition])]),
            requireStable: requireStable, version: 9, at: time, topics: topics)
        return response.topics.first?.partitions.first.map { ($0.committedOffset, ErrorCode(rawValue: $0.errorCode)) }
    }

    func offsetDelete(_ topic: String, _ partition: Int32 = 0, group: String = "g") -> OffsetDeleteResponse? {
        let token = token()
        deliver(
            shard.offsetDelete(
                OffsetDeleteRequest(
                    groupId: group, topics: [.init(name: topic, partitions: [.init(partitionIndex: partition)])]),
                version: 0, token: token, at: time, topics: topics))
        return reply(token)
    }

    func delete(_ group: String = "g") -> ErrorCode {
        let (decision, error) = shard.delete(group, at: time)
        deliver(decision)
        return error
    }

    var state: String { shard.describe("g", version: 5).groupState }

    /// A stable group `g` of dynamic members; the first one leads. The bytes are their assignments.
    func stabilise(
        _ count: Int, protocols: [(String, [UInt8])] = [("range", [1])], type: String = "consumer"
    ) -> (ids: [String], generation: Int32) {
        var ids: [String] = []
        var generation: Int32 = 0
        for index in 0..<count {
            let (id, token) = enter(type: type, protocols: protocols)
            var waiting = [token]
            for other in ids { waiting.append(join(memberId: other, type: type, protocols: protocols)) }
            ids.append(id)
            for token in waiting {
                generation = max(generation, reply(token, JoinGroupResponse.self)?.generationId ?? 0)
            }
            let assign = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, [UInt8($0), UInt8(index)]) })
            for id in ids.dropFirst() { _ = sync(id, generation: generation, type: nil, name: nil) }
            _ = sync(ids[0], generation: generation, type: nil, name: nil, assign: assign)
        }
        replies = [:]
        return (ids, generation)
    }

    /// A shard that has read the log anew.
    func reloaded(at time: EventTime) throws -> GroupShard {
        var shard = GroupShard(configuration: shard.configuration, seed: 77)
        for entry in log {
            switch entry {
            case .record(let record, let producerId):
                try shard.replay(key: record.key, value: record.value, producerId: producerId)
            case .marker(let producerId, let isCommit): shard.replayMarker(producerId: producerId, isCommit: isCommit)
            }
        }
        shard.finishLoading(at: time)
        return shard
    }
}

extension JoinGroupResponse {
    var error: ErrorCode { ErrorCode(rawValue: errorCode) }
}

extension SyncGroupResponse {
    var error: ErrorCode { ErrorCode(rawValue: errorCode) }
    var bytes: [UInt8] { Array(assignment.readableBytesView) }
}
