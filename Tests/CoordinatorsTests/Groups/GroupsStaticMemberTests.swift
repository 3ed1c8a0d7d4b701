import KafkaMessages
import NIOCore
import Testing

@testable import Coordinators

/// KIP-345 and KIP-814: members with an instance id.
@Suite struct GroupsStaticMemberTests {
    /// A stable group of static members `i0`, `i1`, ...; the first one leads.
    private func stable(_ count: Int) -> (GroupFixture, ids: [String], generation: Int32) {
        let group = GroupFixture { $0.initialRebalanceDelayMs = 10 }
        let tokens = (0..<count).map { group.join(instanceId: "i\($0)") }
        group.advance(ms: 100)
        let ids = tokens.map { group.reply($0, JoinGroupResponse.self)?.memberId ?? "" }
        for (index, id) in ids.enumerated() {
            _ = group.sync(
                id, generation: 1, instanceId: "i\(index)",
                assign: index == 0 ? Dictionary(uniqueKeysWithValues: ids.map { ($0, Array($0.utf8.suffix(3))) }) : [:])
        }
        group.replies = [:]
        return (group, ids, 1)
    }

    @Test func `a static member joins without being told an id first`() {
        let (group, ids, _) = stable(2)
        #expect(ids[0].hasPrefix("i0-"))
        #expect(group.state == "Stable")
    }

    @Test func `a static member that comes back has a new id, the old assignment, and no rebalance`() throws {
        let (group, ids, generation) = stable(2)
        let written = group.log.count
        let token = group.join(instanceId: "i1")
        let response = try #require(group.reply(token, JoinGroupResponse.self))
        #expect(response.error == .none)
        #expect(response.generationId == generation)
        #expect(response.memberId != ids[1])
        #expect(response.skipAssignment == false)
        #expect(response.leader == ids[0])
        #expect(group.state == "Stable")
        #expect(group.log.count == written + 1)
        let sync = group.sync(response.memberId, generation: generation, instanceId: "i1")
        #expect(group.reply(sync, SyncGroupResponse.self)?.bytes == Array(ids[1].utf8.suffix(3)))
        #expect(group.heartbeat(ids[1], generation: generation, instanceId: "i1") == .fencedInstanceId)
        #expect(group.heartbeat(ids[1], generation: generation) == .unknownMemberId)
    }

    /// Version 9 says that it leads and need not assign; older ones learn of the old leader's id, so that they do not.
    @Test(arguments: [Int16(5), 8, 9]) func `a static leader that comes back must not assign`(version: Int16) throws {
        let (group, ids, generation) = stable(2)
        let token = group.join(instanceId: "i0", version: version)
        let response = try #require(group.reply(token, JoinGroupResponse.self))
        #expect(response.generationId == generation)
        #expect(response.skipAssignment == (version >= 9))
        #expect(response.leader == (version >= 9 ? response.memberId : ids[0]))
        #expect(response.members.count == (version >= 9 ? 2 : 0))
        var writer = WireWriter()
        try response.encode(to: &writer, version: version)
    }

    @Test func `a static member that comes back with another protocol makes a rebalance`() {
        let group = GroupFixture()
        let first = group.join(instanceId: "a", protocols: [("range", []), ("sticky", [])])
        let id = group.reply(first, JoinGroupResponse.self)?.memberId ?? ""
        _ = group.sync(id, generation: 1, instanceId: "a")
        let again = group.join(instanceId: "a", protocols: [("sticky", []), ("range", [])])
        // It is alone, so the round is over with its own join.
        #expect(group.reply(again, JoinGroupResponse.self)?.generationId == 2)
    }

    @Test func `the requests of a replaced member that wait are fenced`() throws {
        let group = GroupFixture()
        let first = group.join(instanceId: "a")
        let id = group.reply(first, JoinGroupResponse.self)?.memberId ?? ""
        _ = group.sync(id, generation: 1, instanceId: "a")
        let waiting = group.join(instanceId: "b")  // waits for "a"
        let again = group.join(instanceId: "b")
        #expect(group.reply(waiting, JoinGroupResponse.self)?.error == .fencedInstanceId)
        #expect(group.reply(again, JoinGroupResponse.self) == nil)
        let leader = group.join(memberId: id, instanceId: "a")
        let response = try #require(group.reply(leader, JoinGroupResponse.self))
        #expect(response.members.map(\.groupInstanceId) == ["a", "b"])
        let b = try #require(group.reply(again, JoinGroupResponse.self)).memberId
        let sync = group.sync(b, generation: 2, instanceId: "b")
        _ = group.join(instanceId: "b")
        #expect(group.reply(sync, SyncGroupResponse.self)?.error == .fencedInstanceId)
        #expect(group.state == "PreparingRebalance")  // the leader may be assigning to the old id
    }

    @Test func `a static member keeps its place through a round it missed, until its session ends`() throws {
        let (group, ids, generation) = stable(2)
        let leader = group.join(memberId: ids[0], instanceId: "i0")
        for _ in 0..<13 {
            group.advance(ms: 4_999)
            _ = group.heartbeat(ids[1], generation: generation, instanceId: "i1")
        }
        let response = try #require(group.reply(leader, JoinGroupResponse.self))
        #expect(response.generationId == generation + 1)
        #expect(response.members.count == 2)
        group.advance(ms: 10_001)
        #expect(group.shard.describe("g", version: 5).members.count < 2)
    }

    @Test func `a static member does not need a free place to come back`() {
        let (group, ids, _) = stable(2)
        group.shard = {
            var configuration = group.shard.configuration
            configuration.maxSize = 2
            var shard = GroupShard(configuration: configuration, seed: 5)
            for case .record(let record, _) in group.log {
                try? shard.replay(key: record.key, value: record.value, producerId: nil)
            }
            shard.finishLoading(at: group.time)
            return shard
        }()
        let token = group.join(instanceId: "i1")
        #expect(group.reply(token, JoinGroupResponse.self)?.error == ErrorCode.none)
        #expect(ids.count == 2)
    }

    @Test func `an unknown instance id and a wrong member id are told apart`() {
        let (group, ids, generation) = stable(2)
        #expect(group.heartbeat(ids[0], generation: generation, instanceId: "zz") == .unknownMemberId)
        #expect(group.heartbeat(ids[0], generation: generation, instanceId: "i1") == .fencedInstanceId)
        let token = group.join(memberId: ids[0], instanceId: "i1")
        #expect(group.reply(token, JoinGroupResponse.self)?.error == .fencedInstanceId)
        let sync = group.sync(ids[0], generation: generation, instanceId: "i1")
        #expect(group.reply(sync, SyncGroupResponse.self)?.error == .fencedInstanceId)
        let code = group.commit(offset: 1, memberId: ids[0], instanceId: "i1", generation: generation)
        #expect(code == .fencedInstanceId)
    }

    @Test func `when the record of a replacement is refused the old member is as before`() throws {
        let (group, ids, generation) = stable(2)
        group.refusal = .kafkaStorageError
        let token = group.join(instanceId: "i1")
        #expect(group.reply(token, JoinGroupResponse.self)?.error == .notCoordinator)
        group.refusal = nil
        #expect(group.heartbeat(ids[1], generation: generation, instanceId: "i1") == ErrorCode.none)
    }
}
