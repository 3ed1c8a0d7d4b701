import Bytes
import KafkaMessages
import NIOCore
import TestKit

@testable import Coordinators

/// What clients and administrators do in the simulation.
extension GroupSimulation {
    mutating func token(of client: Int?) -> ReplyToken {
        tokenCount += 1
        let token = ReplyToken(rawValue: tokenCount)
        waiting[token] = Asker(client: client, memberId: client.map { clients[$0].memberId } ?? "")
        return token
    }

    /// A client's next move.
    mutating func act(_ index: Int) throws {
        let client = clients[index]
        let chance = Int.random(in: 0..<100, using: &random)
        switch client.phase {
        case .out: try join(index)
        case .joining: if chance < 10 { try join(index) } else if chance < 20 { die(index) }
        case .joined: if chance < 90 { try sync(index) } else { die(index) }
        case .syncing: if chance < 10 { try sync(index) } else if chance < 20 { die(index) }
        case .stable:
            switch chance {
            case 0..<45: try heartbeat(index)
            case 45..<70: try commit(index)
            case 70..<80: try join(index)
            case 80..<85:
                clients[index].metadata &+= 1
                try join(index)
            case 85..<88: try sync(index)
            case 88..<94: try leave(index)
            default: die(index)
            }
        case .silent:
            guard chance < 20 else { return }
            // A new process, or one that was only paused and believes in its generation.
            if chance < 15 {
                clients[index].memberId = ""
                clients[index].phase = .out
            } else if !client.memberId.isEmpty {
                clients[index].phase = .stable
            }
        }
    }

    private mutating func die(_ index: Int) {
        note("client \(index) falls silent")
        clients[index].phase = .silent
    }

    private mutating func join(_ index: Int) throws {
        let client = clients[index]
        let token = token(of: index)
        clients[index].phase = .joining(token)
        note("client \(index) joins \(client.group) as \(client.memberId) \(token.rawValue)")
        let before = shard
        let decision = shard.joinGroup(
            JoinGroupRequest(
                groupId: client.group, sessionTimeoutMs: client.session, rebalanceTimeoutMs: client.rebalance,
                memberId: client.memberId, groupInstanceId: client.instanceId, protocolType: client.type,
                protocols: client.protocols.map {
                    .init(name: $0, metadata: ByteBuffer(bytes: [client.metadata] + Array($0.utf8)))
                }),
            version: client.version, client: ClientIdentity(clientId: "c\(index)", host: "/h"), token: token, at: time,
            topics: topics)
        try deliver(decision, from: before)
    }

    private mutating func sync(_ index: Int) throws {
        let client = clients[index]
        let token = token(of: index)
        clients[index].phase = .syncing(token)
        var assigned: [SyncGroupRequest.SyncGroupRequestAssignment] = []
        for member in client.led {
            offsetCount += 1
            let bytes = withUnsafeBytes(of: offsetCount.bigEndian) { Array($0) }
            assignments[bytes] = (owner(of: member, in: client.group), client.generation)
            assigned.append(.init(memberId: member, assignment: ByteBuffer(bytes: bytes)))
        }
        note("client \(index) syncs \(client.generation) \(client.led) \(token.rawValue)")
        let before = shard
        let decision = shard.syncGroup(
            SyncGroupRequest(
                groupId: client.group, generationId: client.generation, memberId: client.memberId,
                groupInstanceId: client.instanceId, assignments: assigned),
            version: 3, token: token, at: time, topics: topics)
        try deliver(decision, from: before)
    }

    private mutating func heartbeat(_ index: Int) throws {
        let client = clients[index]
        let token = token(of: index)
        note("client \(index) is alive")
        let before = shard
        let decision = shard.heartbeat(
            HeartbeatRequest(
                groupId: client.group, generationId: client.generation, memberId: client.memberId,
                groupInstanceId: client.instanceId), version: 4, token: token, at: time, topics: topics)
        if let response = decision.replies.first?.message as? HeartbeatResponse, [0, 27].contains(response.errorCode) {
            aliveAt[client.memberId] = time.monotonic
        }
        try deliver(decision, from: before)
    }

    private mutating func leave(_ index: Int) throws {
        let client = clients[index]
        let token = token(of: index)
        note("client \(index) leaves")
        let before = shard
        let decision = shard.leaveGroup(
            LeaveGroupRequest(
                groupId: client.group, memberId: client.memberId,
                members: [.init(memberId: client.memberId, groupInstanceId: client.instanceId)]),
            version: client.version < 5 ? 1 : 4, token: token, at: time, topics: topics)
        clients[index].phase = .silent
        clients[index].memberId = ""
        try deliver(decision, from: before)
    }

    // MARK: Offsets

    private mutating func commit(_ index: Int) throws {
        let client = clients[index]
        let isAccepted = try commit(
            group: client.group, memberId: client.memberId, instanceId: client.instanceId,
            generation: client.generation, client: index)
        if isAccepted { aliveAt[client.memberId] = time.monotonic }
    }

    mutating func simpleCommit() throws {
        let group = ["s", "g"].randomElement(using: &random) ?? "s"
        _ = try commit(group: group, memberId: "", instanceId: nil, generation: -1, client: nil)
    }

    private mutating func commit(
        group: String, memberId: String, instanceId: String?, generation: Int32, client: Int?
    ) throws -> Bool {
        let token = token(of: client)
        let key = randomKey(group)
        offsetCount += 1
        let offset = offsetCount
        note("commit of \(offset) for \(key) by \(memberId) \(generation)")
        let before = shard
        let decision = shard.offsetCommit(
            OffsetCommitRequest(
                groupId: group, generationIdOrMemberEpoch: generation, memberId: memberId, groupInstanceId: instanceId,
                topics: [
                    .init(
                        name: key.partition.topic,
                        partitions: [.init(partitionIndex: key.partition.partition, committedOffset: offsetCount)])
                ]), version: 8, token: token, at: time, topics: topics)
        let isAccepted = !decision.records.isEmpty
        try deliver(decision, from: before, commits: isAccepted ? [key: offsetCount] : [:])
        count(isAccepted ? "commit" : "refused commit")
        return isAccepted && decision.replies.count == 1
    }

    private mutating func randomKey(_ group: String) -> OffsetKey {
        OffsetKey(
            group: group,
            partition: TopicPartition(
                topic: "t\(Int.random(in: 0..<2, using: &random))", partition: .random(in: 0..<2, using: &random)))
    }

    /// A producer commits offsets, or its transaction ends.
    mutating func transaction() throws {
        let producerId = Int64.random(in: 1...3, using: &random)
        if Int.random(in: 0..<3, using: &random) == 0 {
            let isCommit = Bool.random(using: &random)
            note("transaction of \(producerId) ends, \(isCommit)")
            append(marker: producerId, isCommit: isCommit)
            shard.completeTransaction(producerId: producerId, isCommit: isCommit, at: time)
            count("marker")
            return try checkOffsets()
        }
        let key = randomKey(["s", "g", "h"].randomElement(using: &random) ?? "s")
        let token = token(of: nil)
        offsetCount += 1
        let offset = offsetCount
        note("transactional commit of \(offset) for \(key) by \(producerId)")
        let before = shard
        let decision = shard.txnOffsetCommit(
            TxnOffsetCommitRequest(
                transactionalId: "x", groupId: key.group, producerId: producerId,
                topics: [
                    .init(
                        name: key.partition.topic,
                        partitions: [.init(partitionIndex: key.partition.partition, committedOffset: offsetCount)])
                ]), version: 3, token: token, at: time, topics: topics)
        try deliver(decision, from: before)
    }

    /// An administrator deletes an offset, a group or a topic.
    mutating func delete() throws {
        let group = ["s", "g", "h"].randomElement(using: &random) ?? "s"
        let before = shard
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            let key = randomKey(group)
            note("delete \(key)")
            let token = token(of: nil)
            let decision = shard.offsetDelete(
                OffsetDeleteRequest(
                    groupId: group,
                    topics: [
                        .init(
                            name: key.partition.topic, partitions: [.init(partitionIndex: key.partition.partition)])
                    ]), version: 0, token: token, at: time, topics: topics)
            try deliver(decision, from: before)
        case 1:
            note("delete \(group)")
            try deliver(shard.delete(group, at: time).decision, from: before)
        default:
            note("delete topic t1")
            try deliver(shard.topicsDeleted(["t1"], at: time), from: before)
        }
    }

    // MARK: Replies

    mutating func receive(_ reply: Reply, _ index: Int) {
        switch reply.message {
        case let response as JoinGroupResponse:
            guard clients[index].phase == .joining(reply.token) else { return }
            clients[index].led = []
            switch response.error {
            case .none:
                clients[index].memberId = response.memberId
                clients[index].generation = response.generationId
                clients[index].led = response.skipAssignment ? [] : response.members.map(\.memberId)
                clients[index].phase = .joined
            case .memberIdRequired:
                clients[index].memberId = response.memberId
                clients[index].phase = .out
            default: reset(index, response.error)
            }
        case let response as SyncGroupResponse:
            guard clients[index].phase == .syncing(reply.token) else { return }
            if response.error == .none { clients[index].phase = .stable } else { reset(index, response.error) }
        case let response as HeartbeatResponse where response.errorCode != 0:
            guard clients[index].phase == .stable else { return }
            reset(index, ErrorCode(rawValue: response.errorCode))
        default: break
        }
    }

    private mutating func reset(_ index: Int, _ error: ErrorCode) {
        clients[index].phase = .out
        switch error {
        case .unknownMemberId, .illegalGeneration: clients[index].memberId = ""
        case .fencedInstanceId:
            clients[index].memberId = ""
            clients[index].phase = .silent  // another process has its place
        default: break
        }
    }
}
