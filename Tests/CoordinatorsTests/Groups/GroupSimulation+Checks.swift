import Bytes
import KafkaMessages
import NIOCore

@testable import Coordinators

/// What is promised.
extension GroupSimulation {
    /// A static member keeps what it owns when its process changes.
    func owner(of memberId: String, in group: String) -> String {
        guard case .classic(let classic) = shard.groups[group] else { return memberId }
        return classic.members[memberId]?.instanceId ?? memberId
    }

    /// Looks at replies as the shard gave them, before any is held back.
    mutating func check(_ replies: [Reply]) throws {
        var leaders: Set<String> = []
        for reply in replies {
            guard let asker = waiting[reply.token], let client = asker.client.map({ clients[$0] }) else { continue }
            switch reply.message {
            case let response as JoinGroupResponse where response.error == .none:
                aliveAt[response.memberId] = time.monotonic
                guard !response.members.isEmpty, !response.skipAssignment else { continue }
                guard leaders.insert(client.group).inserted else {
                    throw Violation(description: "two leaders of \(client.group) at once")
                }
                try checkRound(response, client.group)
            case let response as SyncGroupResponse:
                try check(response, client, as: asker.memberId)
            default: break
            }
        }
        for reply in replies {
            guard let client = waiting[reply.token]?.client.map({ clients[$0] }),
                let response = reply.message as? JoinGroupResponse, response.error == .none
            else { continue }
            if let round = rounds[client.group], round.generation != response.generationId {
                throw Violation(description: "\(response.memberId) joins \(response.generationId) and not \(round)")
            }
            if case .classic(let group) = shard.groups[client.group], client.version >= 9,
                group.leader != response.leader
            {
                throw Violation(description: "\(response.memberId) follows \(response.leader)")
            }
        }
    }

    private mutating func checkRound(_ response: JoinGroupResponse, _ group: String) throws {
        let members = response.members.map(\.memberId)
        guard response.memberId == response.leader, members.contains(response.memberId) else {
            throw Violation(description: "\(response.memberId) is given the members of \(response.leader)")
        }
        guard Set(members).count == members.count else { throw Violation(description: "a member twice in \(members)") }
        if let last = rounds[group] {
            guard response.generationId >= last.generation else {
                throw Violation(description: "generation \(response.generationId) after \(last.generation)")
            }
            if response.generationId == last.generation, members != last.members {
                throw Violation(description: "generation \(last.generation) has \(last.members) and \(members)")
            }
            if response.generationId > last.generation { count("round") }
        }
        rounds[group] = Round(generation: response.generationId, members: members)
        for member in members { aliveAt[member] = time.monotonic }
    }

    private mutating func check(_ response: SyncGroupResponse, _ client: Client, as memberId: String) throws {
        if response.error == .none || response.error == .rebalanceInProgress { aliveAt[memberId] = time.monotonic }
        guard response.error == .none, response.assignment.readableBytes > 0 else { return }
        let bytes = response.bytes
        guard let assigned = assignments[bytes] else { return }  // from before a crash
        count("assignment")
        let owner = owner(of: memberId, in: client.group)
        guard assigned.owner == owner, case .classic(let group) = shard.groups[client.group],
            group.generation == assigned.generation
        else { throw Violation(description: "\(memberId) of \(owner) has the assignment of \(assigned)") }
    }

    // MARK: State

    mutating func checkState() throws {
        var tokens: Set<ReplyToken> = []
        var earliest = Int64.max
        for (id, group) in shard.groups {
            guard case .classic(let classic) = group else { continue }
            try check(classic)
            earliest = min(earliest, classic.nextDeadline ?? .max)
            for member in classic.members.all {
                for token in [member.awaitingJoin?.token, member.awaitingSync].compactMap({ $0 }) {
                    guard tokens.insert(token).inserted else {
                        throw Violation(description: "two members of \(id) wait for one request")
                    }
                }
            }
        }
        let answered = Set(held.flatMap { $0.replies.map(\.token) })
        guard tokens == Set(waiting.keys).subtracting(answered) else {
            throw Violation(description: "waiting are \(waiting.keys), the shard knows \(tokens)")
        }
        if earliest != .max {
            guard let next = shard.nextDeadline, next <= max(earliest, shard.pausedUntil) else {
                throw Violation(description: "the timer of \(earliest) is not set")
            }
        }
        if Int.random(in: 0..<10, using: &random) == 0 { try checkOffsets() }
    }

    private func check(_ group: ClassicGroup) throws {
        func fail(_ what: String) -> Violation { Violation(description: "\(what) in \(group)") }
        let members = group.members.all
        let ids = Set(members.map(\.id))
        guard ids.count == members.count, ids.allSatisfy({ group.members[$0]?.id == $0 }) else {
            throw fail("a broken table of members")
        }
        guard group.members.isEmpty || group.leader.map(ids.contains) == true else { throw fail("no leader") }
        guard group.pendingSync.isSubset(of: ids) else { throw fail("syncs are pending of nobody") }
        guard ids.isDisjoint(with: group.pendingMembers.keys) else { throw fail("a member is pending") }
        let statics = members.filter(\.isStatic)
        guard statics.count == group.staticMembers.count,
            statics.allSatisfy({ group.staticMembers[$0.instanceId ?? ""] == $0.id })
        else { throw fail("a broken table of static members") }
        for member in members {
            if member.awaitingJoin != nil, group.state != .preparingRebalance { throw fail("a join waits") }
            if member.awaitingSync != nil, group.state != .completingRebalance { throw fail("a sync waits") }
            if member.sessionDeadline == .max, member.awaitingJoin == nil, member.awaitingSync == nil {
                throw fail("a member lives for ever")
            }
            if group.state == .stable || group.state == .completingRebalance,
                !member.protocols.contains(where: { $0.name == group.protocolName })
            {
                throw fail("a member does not speak the protocol")
            }
        }
        switch group.state {
        case .empty: if !members.isEmpty { throw fail("members") }
        case .preparingRebalance: if group.joinDeadline == .max { throw fail("no end") }
        case .completingRebalance, .stable: if members.isEmpty { throw fail("no members") }
        }
    }

    /// Committed and pending offsets are those of the log, and none is older than what was acknowledged.
    mutating func checkOffsets() throws {
        var committed: [OffsetKey: (offset: Int64, at: Int)] = [:]
        var pending: [Int64: [OffsetKey: (offset: Int64, at: Int)]] = [:]
        for (at, entry) in log.lazy.flatMap(\.entries).enumerated() {
            switch entry {
            case .marker(let producerId, let isCommit):
                for (key, value) in pending.removeValue(forKey: producerId) ?? [:]
                where isCommit && value.at > committed[key]?.at ?? -1 {
                    committed[key] = value
                }
            case .record(let record, let producerId):
                var reader = WireReader(record.key)
                guard try reader.readInt16() == 1 else { continue }
                let name = try OffsetCommitKey(from: &reader, version: 1)
                let key = OffsetKey(
                    group: name.group, partition: TopicPartition(topic: name.topic, partition: name.partition))
                guard var value = record.value.map({ WireReader($0) }) else {
                    committed[key] = nil
                    for producer in pending.keys { pending[producer]?[key] = nil }
                    continue
                }
                let version = try value.readInt16()
                let offset = try OffsetCommitValue(from: &value, version: version).offset
                if let producerId {
                    pending[producerId, default: [:]][key] = (offset, at)
                } else {
                    committed[key] = (offset, at)
                }
            }
        }
        let unstable = Set(pending.values.flatMap(\.keys))
        var total = 0
        for group in ["s", "g", "h"] {
            for topic in ["t0", "t1"] {
                for partition in Int32(0)..<2 {
                    let key = OffsetKey(group: group, partition: TopicPartition(topic: topic, partition: partition))
                    try check(key, committed[key]?.offset, isUnstable: unstable.contains(key))
                    total += committed[key] == nil ? 0 : 1
                }
            }
        }
        guard shard.offsetCount == total else {
            throw Violation(description: "\(shard.offsetCount) offsets, not \(total)")
        }
    }

    private func check(_ key: OffsetKey, _ expected: Int64?, isUnstable: Bool) throws {
        for requireStable in [false, true] {
            let response = shard.offsetFetch(
                .init(
                    groupId: key.group,
                    topics: [.init(name: key.partition.topic, partitionIndexes: [key.partition.partition])]),
                requireStable: requireStable, version: 8, at: time, topics: topics)
            let answer = response.topics.first?.partitions.first
            let isRefused = requireStable && isUnstable
            guard answer?.committedOffset == (isRefused ? -1 : expected ?? -1),
                answer?.errorCode == (isRefused ? ErrorCode.unstableOffsetCommit.rawValue : 0)
            else { throw Violation(description: "\(key) is \(answer as Any), not \(expected as Any)") }
        }
        if let acknowledged = acknowledged[key], acknowledged > expected ?? -1 {
            throw Violation(description: "\(key) is \(expected as Any), acknowledged was \(acknowledged)")
        }
    }

    /// A shard that reads the whole log is this one, but for what only lives in memory.
    func compareWithReplay() throws {
        let other = try replayed(seed: 1)
        guard Set(other.groups.keys) == Set(shard.groups.keys) else {
            throw Violation(description: "replay knows \(other.groups.keys), not \(shard.groups.keys)")
        }
        for (id, group) in shard.groups {
            guard case .classic(let mine) = group, case .classic(let theirs) = other.groups[id] else { continue }
            guard mine.state == .stable || mine.state == .empty else { continue }
            guard Self.persistent(mine) == Self.persistent(theirs) else {
                throw Violation(description: "replay makes of \(mine)\n\(theirs)")
            }
        }
        guard other.offsets.committed == shard.offsets.committed, other.offsets.pending == shard.offsets.pending,
            other.offsets.openTransactions == shard.offsets.openTransactions
        else { throw Violation(description: "replay has other offsets") }
    }

    /// What the group's record tells.
    private static func persistent(_ group: ClassicGroup) -> GroupMetadataValue {
        GroupMetadataValue(
            protocolType: group.protocolType ?? "", generation: group.generation, protocol: group.protocolName,
            leader: group.leader, currentStateTimestamp: group.protocolType == nil ? -1 : group.stateTimestamp ?? -1,
            members: group.members.all.map {
                .init(
                    memberId: $0.id, groupInstanceId: $0.instanceId, clientId: $0.client.clientId,
                    clientHost: $0.client.host, rebalanceTimeout: $0.rebalanceTimeoutMs,
                    sessionTimeout: $0.sessionTimeoutMs, subscription: $0.metadata(for: group.protocolName),
                    assignment: $0.assignment)
            })
    }
}
