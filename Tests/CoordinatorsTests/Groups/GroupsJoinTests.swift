import KafkaMessages
import NIOCore
import TestKit
import Testing

@testable import Coordinators

/// Rounds of joins: who is let in, when a round ends, what its members are told. Expected codes are those of Kafka's
/// GroupMetadataManager.
@Suite struct GroupsJoinTests {
    @Test func `a lone member has its generation at once, and its assignment with its sync`() throws {
        let group = GroupFixture()
        let (id, token) = group.enter(client: "billing")
        #expect(id.hasPrefix("billing-"))
        #expect(id.count == "billing-".count + 36)
        let joined = try #require(group.reply(token, JoinGroupResponse.self))
        #expect(joined.error == .none)
        #expect(joined.generationId == 1)
        #expect(joined.leader == id)
        #expect(joined.memberId == id)
        #expect(joined.protocolName == "range")
        #expect(joined.protocolType == "consumer")
        #expect(joined.members == [.init(memberId: id, metadata: ByteBuffer(bytes: [1]))])
        #expect(group.state == "CompletingRebalance")
        let token2 = group.sync(id, generation: 1, assign: [id: [9, 9]])
        let synced = try #require(group.reply(token2, SyncGroupResponse.self))
        #expect(synced.bytes == [9, 9])
        #expect(synced.protocolName == "range")
        #expect(group.state == "Stable")
    }

    /// Each row: what the JoinGroup says, and its error.
    @Test(
        arguments: [
            ("", "", 10_000, "consumer", ["range"], ErrorCode.invalidGroupId),
            ("g", "", 5_999, "consumer", ["range"], .invalidSessionTimeout),
            ("g", "", 1_800_001, "consumer", ["range"], .invalidSessionTimeout),
            ("g", "", -1, "consumer", ["range"], .invalidSessionTimeout),
            ("g", "who", 10_000, "consumer", ["range"], .unknownMemberId),
            ("g", "", 10_000, "", ["range"], .inconsistentGroupProtocol),
            ("g", "", 10_000, "consumer", [], .inconsistentGroupProtocol),
            ("g", "", 10_000, "consumer", ["range"], .memberIdRequired),
        ] as [(String, String, Int32, String, [String], ErrorCode)])
    func `a join of an unknown group is checked`(
        id: String, memberId: String, session: Int32, type: String, protocols: [String], error: ErrorCode
    ) throws {
        let group = GroupFixture()
        let token = group.join(
            id, memberId: memberId, type: type, protocols: protocols.map { ($0, []) }, session: session)
        let response = try #require(group.reply(token, JoinGroupResponse.self))
        #expect(response.error == error)
        #expect(response.memberId.hasPrefix(error == .memberIdRequired ? "c-" : memberId))
        // A refused join leaves nothing behind.
        #expect(group.shard.groupCount == (error == .memberIdRequired ? 1 : 0))
        #expect(group.log.count == (error == .memberIdRequired ? 1 : 0))
    }

    @Test(
        arguments: [
            ("connect", ["range"], ErrorCode.inconsistentGroupProtocol),
            ("consumer", ["sticky"], .inconsistentGroupProtocol),
            ("consumer", ["sticky", "range"], .memberIdRequired),
        ] as [(String, [String], ErrorCode)])
    func `a newcomer must speak the group's protocol`(type: String, protocols: [String], error: ErrorCode) throws {
        let group = GroupFixture()
        _ = group.stabilise(1)
        let token = group.join(type: type, protocols: protocols.map { ($0, []) })
        #expect(group.reply(token, JoinGroupResponse.self)?.error == error)
        #expect(group.state == "Stable")
    }

    @Test(arguments: Array(Int16(0)...3)) func `before version 4 a member is taken in without an id`(version: Int16)
        throws
    {
        let group = GroupFixture()
        let token = group.join(rebalance: -1, version: version)
        let response = try #require(group.reply(token, JoinGroupResponse.self))
        #expect(response.error == .none)
        #expect(response.generationId == 1)
    }

    @Test func `before version 7 the protocol name of a refusal is empty and not null`() throws {
        for version in Int16(0)...9 {
            let group = GroupFixture()
            let token = group.join(type: "", version: version)
            let response = try #require(group.reply(token, JoinGroupResponse.self))
            #expect(response.protocolName == (version < 7 ? "" : nil))
            var writer = WireWriter()
            try response.encode(to: &writer, version: version)
        }
    }

    @Test func `a second member makes the first rejoin, and only the leader learns of the members`() throws {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(1)
        let (second, waiting) = group.enter()
        #expect(group.reply(waiting, JoinGroupResponse.self) == nil)
        #expect(group.state == "PreparingRebalance")
        #expect(group.heartbeat(ids[0], generation: generation) == .rebalanceInProgress)
        let rejoined = group.join(memberId: ids[0])
        let leader = try #require(group.reply(rejoined, JoinGroupResponse.self))
        let follower = try #require(group.reply(waiting, JoinGroupResponse.self))
        #expect(leader.generationId == generation + 1)
        #expect(follower.generationId == generation + 1)
        #expect(leader.leader == ids[0])  // it stays
        #expect(follower.leader == ids[0])
        #expect(leader.members.map(\.memberId) == [ids[0], second])
        #expect(follower.members.isEmpty)
    }

    /// Votes by hand: the protocol that most prefer among those that all support.
    @Test(
        arguments: [
            ([["a", "b"], ["b", "a"], ["b"]], "b"),
            ([["a", "b"], ["b", "a"]], "a"),  // a tie: as the leader prefers
            ([["a", "b", "c"], ["c", "b"], ["c", "b", "a"]], "c"),
            ([["a"], ["a", "b"], ["b", "a"], ["b", "a"]], "a"),
        ] as [([[String]], String)])
    func `the protocol is voted for`(members: [[String]], selected: String) throws {
        let group = GroupFixture { $0.initialRebalanceDelayMs = 100 }
        let tokens = members.map { names in group.enter(protocols: names.map { ($0, Array($0.utf8)) }).token }
        group.advance(ms: 1_000)
        for token in tokens {
            let response = try #require(group.reply(token, JoinGroupResponse.self))
            #expect(response.protocolName == selected)
            for member in response.members { #expect(Array(member.metadata.readableBytesView) == Array(selected.utf8)) }
        }
    }

    @Test func `an empty group waits for more members, and longer while they come`() {
        let group = GroupFixture { $0.initialRebalanceDelayMs = 3_000 }
        let first = group.enter(rebalance: 8_000).token
        group.advance(ms: 2_000)
        let second = group.enter(rebalance: 8_000).token
        group.advance(ms: 1_500)  // 3.5 s: the first delay is over, a member had come
        #expect(group.reply(first, JoinGroupResponse.self) == nil)
        let third = group.enter(rebalance: 8_000).token
        group.advance(ms: 2_600)  // 6.1 s: extended again, now up to 8 s
        #expect(group.reply(first, JoinGroupResponse.self) == nil)
        group.advance(ms: 1_900)
        for token in [first, second, third] { #expect(group.reply(token, JoinGroupResponse.self)?.generationId == 1) }
    }

    @Test func `a group has room for group max size members`() {
        let group = GroupFixture { $0.maxSize = 2 }
        let (ids, generation) = group.stabilise(2)
        let refused = group.join()
        #expect(group.reply(refused, JoinGroupResponse.self)?.error == .groupMaxSizeReached)
        // Who is in stays in.
        let again = group.join(memberId: ids[1])
        #expect(group.reply(again, JoinGroupResponse.self)?.generationId == generation)
        #expect(group.state == "Stable")
    }

    @Test func `of a group that became too large the last to rejoin has to go`() throws {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(3)
        group.shard = try {
            var configuration = GroupConfiguration()
            configuration.maxSize = 2
            var shard = GroupShard(configuration: configuration, seed: 3)
            for case .record(let record, _) in group.log {
                try shard.replay(key: record.key, value: record.value, producerId: nil)
            }
            shard.finishLoading(at: group.time)
            return shard
        }()
        // A loaded group that is too large is told to rebalance.
        #expect(group.heartbeat(ids[0], generation: generation) == .rebalanceInProgress)
        let tokens = ids.map { group.join(memberId: $0) }
        #expect(group.reply(tokens[2], JoinGroupResponse.self)?.error == .groupMaxSizeReached)
        #expect(group.reply(tokens[0], JoinGroupResponse.self)?.generationId == generation + 1)
        #expect(group.reply(tokens[1], JoinGroupResponse.self)?.error == ErrorCode.none)
    }

    @Test func `a follower that repeats its join in a stable group is only answered`() throws {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        let follower = group.join(memberId: ids[1])
        let response = try #require(group.reply(follower, JoinGroupResponse.self))
        #expect(response.generationId == generation)
        #expect(group.state == "Stable")
        // Changed metadata and a leader's join are a new round.
        _ = group.join(memberId: ids[1], protocols: [("range", [2])])
        #expect(group.state == "PreparingRebalance")
        let other = GroupFixture()
        let (others, _) = other.stabilise(2)
        _ = other.join(memberId: others[0])
        #expect(other.state == "PreparingRebalance")
    }

    @Test func `who lost its answer to a join gets it again before the leader has synced`() throws {
        let group = GroupFixture()
        let (id, token) = group.enter()
        _ = group.reply(token, JoinGroupResponse.self)
        let again = group.join(memberId: id)
        let response = try #require(group.reply(again, JoinGroupResponse.self))
        #expect(response.generationId == 1)
        #expect(response.members.count == 1)
    }

    @Test func `a join that is repeated while it waits is answered once, the first one told to try again`() {
        let group = GroupFixture()
        _ = group.stabilise(1)
        let (id, first) = group.enter()
        let second = group.join(memberId: id)
        #expect(group.reply(first, JoinGroupResponse.self)?.error == .rebalanceInProgress)
        #expect(group.reply(second, JoinGroupResponse.self) == nil)
    }

    @Test func `a member that does not come back in time is out`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        let (_, waiting) = group.enter()
        for _ in 0..<12 {
            group.advance(ms: 5_000)
            _ = group.heartbeat(ids[0], generation: generation)
            _ = group.heartbeat(ids[1], generation: generation)
        }
        let response = group.reply(waiting, JoinGroupResponse.self)
        #expect(response?.generationId == generation + 1)
        #expect(response?.members.count == 1)
        #expect(group.heartbeat(ids[0], generation: generation) == .unknownMemberId)
    }

    @Test func `ids that were handed out lapse after the session timeout`() {
        let group = GroupFixture()
        let token = group.join()
        let id = group.reply(token, JoinGroupResponse.self)?.memberId ?? ""
        group.advance(ms: 10_001)
        let late = group.join(memberId: id)
        #expect(group.reply(late, JoinGroupResponse.self)?.error == .unknownMemberId)
    }

    @Test func `a round waits for the member that was told to come with an id`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(1)
        let asked = group.join()
        _ = group.reply(asked, JoinGroupResponse.self)
        let leader = group.join(memberId: ids[0])
        #expect(group.reply(leader, JoinGroupResponse.self) == nil)
        group.advance(ms: 10_000)  // the id lapses, nobody else is missing
        #expect(group.reply(leader, JoinGroupResponse.self)?.generationId == generation + 1)
    }

    @Test func `what no record can hold is refused`() {
        let group = GroupFixture()
        let long = String(repeating: "x", count: 40_000)
        let id = group.join(long)
        #expect(group.reply(id, JoinGroupResponse.self)?.error == .invalidGroupId)
        let name = group.join(protocols: [(long, [])])
        #expect(group.reply(name, JoinGroupResponse.self)?.error == .invalidRequest)
        let instance = group.join(instanceId: long)
        #expect(group.reply(instance, JoinGroupResponse.self)?.error == .invalidRequest)
        #expect(group.shard.groupCount == 0)
    }
}
