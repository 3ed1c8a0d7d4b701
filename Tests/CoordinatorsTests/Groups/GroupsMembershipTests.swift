import KafkaMessages
import NIOCore
import Testing

@testable import Coordinators

/// SyncGroup, Heartbeat, LeaveGroup and what happens to members that fall silent.
@Suite struct GroupsMembershipTests {
    @Test func `followers wait for the leader's assignment`() throws {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        let round = ids.map { group.join(memberId: $0) }
        _ = round.map { group.reply($0, JoinGroupResponse.self) }
        let follower = group.sync(ids[1], generation: generation + 1)
        #expect(group.reply(follower, SyncGroupResponse.self) == nil)
        let leader = group.sync(ids[0], generation: generation + 1, assign: [ids[0]: [1, 2], ids[1]: [3]])
        #expect(group.reply(leader, SyncGroupResponse.self)?.bytes == [1, 2])
        #expect(group.reply(follower, SyncGroupResponse.self)?.bytes == [3])
        // Whoever asks later gets the same.
        let again = group.sync(ids[1], generation: generation + 1)
        #expect(group.reply(again, SyncGroupResponse.self)?.bytes == [3])
    }

    @Test func `members that the leader forgot get nothing to do`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        let round = ids.map { group.join(memberId: $0) }
        _ = round.map { group.reply($0, JoinGroupResponse.self) }
        let follower = group.sync(ids[1], generation: generation + 1)
        _ = group.sync(ids[0], generation: generation + 1, assign: [ids[0]: [1], "stranger": [2]])
        #expect(group.reply(follower, SyncGroupResponse.self)?.bytes == [])
    }

    @Test(
        arguments: [
            ("stranger", 0, "consumer", "range", ErrorCode.unknownMemberId),
            ("", 1, "consumer", "range", .illegalGeneration),
            ("", -1, "consumer", "range", .illegalGeneration),
            ("", 0, "connect", "range", .inconsistentGroupProtocol),
            ("", 0, "consumer", "sticky", .inconsistentGroupProtocol),
            ("", 0, nil, nil, .none),
            ("", 0, "consumer", "range", .none),
        ] as [(String, Int32, String?, String?, ErrorCode)])
    func `a sync is checked`(memberId: String, later: Int32, type: String?, name: String?, error: ErrorCode) {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(1)
        let id = memberId.isEmpty ? ids[0] : memberId
        let token = group.sync(id, generation: generation + later, type: type, name: name)
        #expect(group.reply(token, SyncGroupResponse.self)?.error == error)
    }

    @Test func `a sync of an unknown group is of an unknown member`() {
        let group = GroupFixture()
        let token = group.sync("m", generation: 1)
        #expect(group.reply(token, SyncGroupResponse.self)?.error == .unknownMemberId)
        #expect(group.heartbeat("m", generation: 1) == .unknownMemberId)
        let empty = group.sync("m", generation: 1, group: "")
        #expect(group.reply(empty, SyncGroupResponse.self)?.error == .invalidGroupId)
        #expect(group.heartbeat("m", generation: 1, group: "") == .invalidGroupId)
    }

    @Test func `a new round sends waiting syncs back to join`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        let round = ids.map { group.join(memberId: $0) }
        _ = round.map { group.reply($0, JoinGroupResponse.self) }
        let waiting = group.sync(ids[1], generation: generation + 1)
        _ = group.enter()
        #expect(group.reply(waiting, SyncGroupResponse.self)?.error == .rebalanceInProgress)
        let late = group.sync(ids[0], generation: generation + 1, assign: [:])
        #expect(group.reply(late, SyncGroupResponse.self)?.error == .rebalanceInProgress)
    }

    @Test func `a refused record leaves the round open for the leader to repeat its sync`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        let round = ids.map { group.join(memberId: $0) }
        _ = round.map { group.reply($0, JoinGroupResponse.self) }
        let follower = group.sync(ids[1], generation: generation + 1)
        group.refusal = .notEnoughReplicas
        let refused = group.sync(ids[0], generation: generation + 1, assign: [ids[1]: [7]])
        #expect(group.reply(refused, SyncGroupResponse.self)?.error == .coordinatorNotAvailable)
        #expect(group.reply(follower, SyncGroupResponse.self) == nil)
        #expect(group.state == "CompletingRebalance")
        group.refusal = nil
        _ = group.sync(ids[0], generation: generation + 1, assign: [ids[1]: [7]])
        #expect(group.reply(follower, SyncGroupResponse.self)?.bytes == [7])
    }

    @Test func `a member that never syncs is out after the rebalance timeout`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        let round = ids.map { group.join(memberId: $0, rebalance: 60_000) }
        _ = round.map { group.reply($0, JoinGroupResponse.self) }
        _ = group.sync(ids[0], generation: generation + 1, assign: [:])
        for _ in 0..<12 {
            group.advance(ms: 5_000)
            _ = group.heartbeat(ids[0], generation: generation + 1)
            _ = group.heartbeat(ids[1], generation: generation + 1)
        }
        #expect(group.state == "PreparingRebalance")
        #expect(group.heartbeat(ids[1], generation: generation + 1) == .unknownMemberId)
    }

    @Test func `a silent member is out after its session timeout, and the others rebalance`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        group.advance(ms: 5_000)
        #expect(group.heartbeat(ids[0], generation: generation) == ErrorCode.none)
        group.advance(ms: 4_999)
        #expect(group.state == "Stable")
        group.advance(ms: 1)
        #expect(group.state == "PreparingRebalance")
        #expect(group.heartbeat(ids[1], generation: generation) == .unknownMemberId)
        let token = group.join(memberId: ids[0])
        #expect(group.reply(token, JoinGroupResponse.self)?.members.count == 1)
    }

    @Test func `heartbeats, commits and waiting requests keep a member`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(1)
        for _ in 0..<10 {
            group.advance(ms: 9_000)
            #expect(group.heartbeat(ids[0], generation: generation) == ErrorCode.none)
            group.advance(ms: 9_000)
            #expect(group.commit(offset: 1, memberId: ids[0], generation: generation) == ErrorCode.none)
        }
        // The leader waits in JoinGroup for a newcomer's id to be used, longer than its session.
        _ = group.join(session: 30_000)
        let waiting = group.join(memberId: ids[0])
        group.advance(ms: 29_000)
        #expect(group.reply(waiting, JoinGroupResponse.self) == nil)
        group.advance(ms: 1_000)
        #expect(group.reply(waiting, JoinGroupResponse.self)?.error == ErrorCode.none)
    }

    @Test func `the last member that falls silent leaves an empty group behind`() {
        let group = GroupFixture()
        _ = group.stabilise(1)
        _ = group.commit(offset: 5)
        group.advance(ms: 10_000)
        #expect(group.state == "Empty")
        let listed = group.shard.list()
        #expect(listed.map(\.protocolType) == ["consumer"])
    }

    @Test func `the leader's place goes to another when it leaves`() throws {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(3)
        let response = try #require(group.leave([.init(memberId: ids[0], reason: "done")]))
        #expect(response.members.map(\.errorCode) == [0])
        #expect(response.errorCode == 0)
        let tokens = ids.dropFirst().map { group.join(memberId: $0) }
        let leader = try #require(group.reply(tokens[0], JoinGroupResponse.self))
        #expect(leader.leader == ids[1])
        #expect(leader.generationId == generation + 1)
        #expect(leader.members.count == 2)
    }

    @Test func `leaving is answered member by member`() throws {
        let group = GroupFixture()
        let asked = group.join(instanceId: "i")
        let id = group.reply(asked, JoinGroupResponse.self)?.memberId ?? ""
        let pending = group.join()
        let pendingId = group.reply(pending, JoinGroupResponse.self)?.memberId ?? ""
        let response = try #require(
            group.leave([
                .init(memberId: "nobody"), .init(memberId: id, groupInstanceId: "other"),
                .init(memberId: "wrong", groupInstanceId: "i"), .init(memberId: pendingId),
                .init(memberId: "", groupInstanceId: "i"), .init(memberId: "", groupInstanceId: "i"),
            ]))
        #expect(response.members.map(\.errorCode) == [25, 25, 82, 0, 0, 25])
        #expect(group.state == "Empty")
    }

    @Test func `before version 3 one member leaves, and its error is that of the response`() throws {
        for version in Int16(0)...2 {
            let group = GroupFixture()
            let (ids, _) = group.stabilise(1)
            let unknown = try #require(group.leave([.init(memberId: "nobody")], version: version))
            #expect(unknown.errorCode == ErrorCode.unknownMemberId.rawValue)
            #expect(unknown.members.isEmpty)
            let response = try #require(group.leave([.init(memberId: ids[0])], version: version))
            #expect(response.errorCode == 0)
            #expect(group.state == "Empty")
        }
        let group = GroupFixture()
        #expect(group.leave([.init(memberId: "m")], group: "none")?.members.map(\.errorCode) == [25])
        #expect(group.leave([.init(memberId: "m")], group: "none", version: 1)?.errorCode == 25)
        #expect(group.leave([.init(memberId: "m")], group: "")?.errorCode == ErrorCode.invalidGroupId.rawValue)
    }

    @Test func `when the record of an empty group is refused its last member is still in`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(1)
        group.refusal = .kafkaStorageError
        #expect(group.leave([.init(memberId: ids[0])])?.errorCode == ErrorCode.notCoordinator.rawValue)
        #expect(group.heartbeat(ids[0], generation: generation) == ErrorCode.none)
        // A timer whose record is refused rests for a moment and tries again.
        group.advance(ms: 10_100)
        #expect(group.state == "Stable")
        #expect((group.shard.nextDeadline ?? 0) > group.time.monotonic)
        group.refusal = nil
        group.advance(ms: 1_000)
        #expect(group.state == "Empty")
    }

    @Test func `the wall clock may step without anybody expiring`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(1)
        group.time.wall += 86_400_000
        group.advance(ms: 1_000)
        #expect(group.heartbeat(ids[0], generation: generation) == ErrorCode.none)
        group.time.wall -= 2 * 86_400_000
        group.advance(ms: 1_000)
        #expect(group.heartbeat(ids[0], generation: generation) == ErrorCode.none)
    }

    @Test(arguments: ["connect", "sr", "anything"]) func `any protocol type is served and not looked into`(type: String)
    {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2, protocols: [("v0", [0xFF, 0, 1]), ("v1", [])], type: type)
        let described = group.shard.describe("g", version: 5)
        #expect(described.protocolType == type)
        #expect(described.protocolData == "v0")
        #expect(described.members.map { Array($0.memberMetadata.readableBytesView) } == [[0xFF, 0, 1], [0xFF, 0, 1]])
        #expect(group.heartbeat(ids[1], generation: generation) == ErrorCode.none)
    }
}
