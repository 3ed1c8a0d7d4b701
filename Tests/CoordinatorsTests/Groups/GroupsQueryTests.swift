import Bytes
import KafkaMessages
import NIOCore
import TestKit
import Testing

@testable import Coordinators

/// ListGroups, DescribeGroups, and the records as Kafka's own tools read them.
@Suite struct GroupsQueryTests {
    private func three() -> GroupFixture {
        let group = GroupFixture()
        _ = group.stabilise(1)  // "g", Stable
        _ = group.commit(offset: 1, group: "simple")
        _ = group.enter("z", type: "connect")
        return group
    }

    @Test(
        arguments: [
            ([], [], ["g", "simple", "z"]), (["Stable"], [], ["g"]), (["stable", "EMPTY"], [], ["g", "simple"]),
            (["completingrebalance"], ["Classic"], ["z"]), ([], ["consumer"], []), (["Dead"], [], []),
        ] as [([String], [String], [String])])
    func `groups are listed by state and type`(states: [String], types: [String], ids: [String]) {
        let listed = three().shard.list(states: states, types: types)
        #expect(listed.map(\.groupId) == ids)
        for group in listed { #expect(group.groupType == "classic") }
    }

    @Test func `a listed group tells its protocol type`() {
        let listed = three().shard.list()
        #expect(listed.map(\.protocolType) == ["consumer", "", "connect"])
        #expect(listed.map(\.groupState) == ["Stable", "Empty", "CompletingRebalance"])
    }

    @Test func `an unknown group is dead, since version 6 with an error`() {
        let group = GroupFixture()
        let old = group.shard.describe("nope", version: 5)
        #expect(old.groupState == "Dead")
        #expect(old.errorCode == 0)
        let new = group.shard.describe("nope", version: 6)
        #expect(new.errorCode == ErrorCode.groupIdNotFound.rawValue)
        #expect(new.errorMessage != nil)
    }

    @Test func `only a stable group tells metadata and assignments`() {
        let group = GroupFixture()
        let (ids, _) = group.stabilise(2)
        let stable = group.shard.describe("g", version: 5)
        #expect(stable.protocolData == "range")
        #expect(stable.members.map(\.memberId) == ids)
        #expect(stable.members.map(\.clientHost) == ["/127.0.0.1", "/127.0.0.1"])
        #expect(stable.members.map { Array($0.memberAssignment.readableBytesView) } == [[0, 1], [1, 1]])
        _ = group.join(memberId: ids[0])
        let rebalancing = group.shard.describe("g", version: 5)
        #expect(rebalancing.protocolData == "")
        #expect(rebalancing.members.allSatisfy { $0.memberAssignment.readableBytes == 0 })
    }

    // MARK: Records

    private func bytes(_ entry: LogEntry?) -> (key: [UInt8], value: [UInt8]?)? {
        guard case .record(let record, _) = entry else { return nil }
        return (Array(record.key.readableBytesView), record.value.map { Array($0.readableBytesView) })
    }

    /// By hand from OffsetCommitKey and OffsetCommitValue: version 3, or 1 with a time of expiry.
    @Test func `an offset's record is Kafka's`() throws {
        let group = GroupFixture()
        group.time.wall = 0x0102
        _ = group.commit("t0", 2, offset: 5, metadata: "m")
        let plain = try #require(bytes(group.log.last))
        #expect(plain.key == [0, 1, 0, 1, 0x67, 0, 2, 0x74, 0x30, 0, 0, 0, 2])
        #expect(
            plain.value == [0, 3] + [0, 0, 0, 0, 0, 0, 0, 5] + [0, 0, 0, 3] + [0, 1, 0x6D]
                + [0, 0, 0, 0, 0, 0, 1, 2])
        _ = group.commit("t0", 2, offset: 5, metadata: "", retention: 1, version: 3)
        let expiring = try #require(bytes(group.log.last))
        #expect(
            expiring.value == [0, 1] + [0, 0, 0, 0, 0, 0, 0, 5] + [0, 0] + [0, 0, 0, 0, 0, 0, 1, 2]
                + [0, 0, 0, 0, 0, 0, 1, 3])
        _ = group.offsetDelete("t0", 2)
        let tombstone = try #require(bytes(group.log.last))
        #expect(tombstone.key == plain.key)
        #expect(tombstone.value == nil)
    }

    @Test func `a group's record is written when it is made, assigned and empty`() throws {
        let group = GroupFixture()
        func value(_ entry: LogEntry?) throws -> GroupMetadataValue {
            guard case .record(let record, _)? = entry else { throw WireError.truncated }
            #expect(Array(record.key.readableBytesView) == [0, 2, 0, 1, 0x67])
            var reader = WireReader(try #require(record.value))
            #expect(try reader.readInt16() == 3)
            return try GroupMetadataValue(from: &reader, version: 3)
        }
        let (id, token) = group.enter()
        #expect(group.log.count == 1)
        let made = try value(group.log.last)
        #expect(
            made
                == GroupMetadataValue(
                    generation: 0, protocol: nil, leader: nil, currentStateTimestamp: group.time.wall))
        _ = group.reply(token, JoinGroupResponse.self)
        _ = group.sync(id, generation: 1, assign: [id: [5]])
        #expect(group.log.count == 2)
        let stable = try value(group.log.last)
        #expect(stable.generation == 1)
        #expect(stable.protocolType == "consumer")
        #expect(stable.protocol == "range")
        #expect(stable.leader == id)
        #expect(
            stable.members == [
                .init(
                    memberId: id, clientId: "c", clientHost: "/127.0.0.1", rebalanceTimeout: 60_000,
                    sessionTimeout: 10_000, subscription: ByteBuffer(bytes: [1]), assignment: ByteBuffer(bytes: [5]))
            ])
        _ = group.leave([.init(memberId: id)])
        #expect(group.log.count == 3)
        let empty = try value(group.log.last)
        #expect(empty.generation == 2)
        #expect(empty.protocolType == "consumer")
        #expect(empty.protocol == nil)
        #expect(empty.leader == nil)
        #expect(empty.members.isEmpty)
    }

    // MARK: Loading

    @Test func `a loaded group goes on where it was, its members with a session of their own`() throws {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(2)
        _ = group.commit(offset: 3, memberId: ids[0], generation: generation)
        group.time.monotonic = 0  // another boot
        group.shard = try group.reloaded(at: group.time)
        #expect(group.state == "Stable")
        group.advance(ms: 9_999)
        #expect(group.heartbeat(ids[0], generation: generation) == ErrorCode.none)
        let sync = group.sync(ids[1], generation: generation)
        #expect(group.reply(sync, SyncGroupResponse.self)?.bytes == [1, 1])
        #expect(group.fetch()?.offset == 3)
        group.advance(ms: 1)
        #expect(group.state == "PreparingRebalance")
    }

    @Test func `old versions of the records are read`() throws {
        var shard = GroupShard(configuration: GroupConfiguration(), seed: 1)
        for version in GroupMetadataValue.versions {
            var value = GroupMetadataValue(
                protocolType: "consumer", generation: 4, protocol: "range", leader: "m", currentStateTimestamp: 9,
                members: [.init(memberId: "m", sessionTimeout: 7_000, assignment: ByteBuffer(bytes: [2]))])
            if version < 2 { value.currentStateTimestamp = -1 }
            let record = try CoordinatorRecord(
                key: GroupMetadataKey(group: "v\(version)"), keyVersion: 2, value: (value, version))
            try shard.replay(key: record.key, value: record.value, producerId: nil)
        }
        for version in OffsetCommitValue.versions {
            let value = OffsetCommitValue(offset: Int64(version), commitTimestamp: 1)
            let record = try CoordinatorRecord(
                key: OffsetCommitKey(group: "v0", topic: "t0", partition: Int32(version)), keyVersion: version % 2,
                value: (value, version))
            try shard.replay(key: record.key, value: record.value, producerId: nil)
        }
        shard.finishLoading(at: EventTime(wall: 10, monotonic: 0))
        #expect(shard.groupCount == 5)
        #expect(shard.offsetCount == 5)
        #expect(shard.nextDeadline == 7_000)
    }

    @Test func `records of types that we do not know are skipped, broken ones refused`() throws {
        var shard = GroupShard(configuration: GroupConfiguration(), seed: 1)
        try shard.replay(key: ByteBuffer(bytes: [0x7F, 0, 1, 2]), value: ByteBuffer(bytes: [1]), producerId: nil)
        let broken: [([UInt8], [UInt8])] = [
            ([], []), ([0], []), ([0, 1], []), ([0, 2, 0, 1, 0x67], [0]), ([0, 2, 0, 1, 0x67], [0, 9]),
            ([0, 1, 0, 1, 0x67, 0, 1, 0x74, 0, 0, 0, 0], [0, 3, 1]),
        ]
        for (key, value) in broken {
            #expect(throws: WireError.self) {
                try shard.replay(key: ByteBuffer(bytes: key), value: ByteBuffer(bytes: value), producerId: nil)
            }
        }
        #expect(shard.groupCount == 0)
    }

    /// The loader reads what a disk gave back.
    @Test(arguments: Array(UInt64(0)..<8)) func `random bytes never trap`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var shard = GroupShard(configuration: GroupConfiguration(), seed: seed)
        func bytes(_ count: Int, type: UInt8) -> ByteBuffer {
            var bytes: [UInt8] = [0, type]
            // Mostly small numbers: they get further than random ones.
            for _ in 0..<count { bytes.append(Bool.random(using: &random) ? 0 : .random(in: 0...255, using: &random)) }
            return ByteBuffer(bytes: bytes)
        }
        for _ in 0..<5_000 {
            let key: ByteBuffer
            switch Int.random(in: 0..<3, using: &random) {
            case 0: key = ByteBuffer(bytes: [0, 2, 0, 1, 0x67])
            case 1: key = ByteBuffer(bytes: [0, 1, 0, 1, 0x67, 0, 1, 0x74, 0, 0, 0, 0])
            default: key = bytes(Int.random(in: 0..<12, using: &random), type: .random(in: 0..<17, using: &random))
            }
            let value = bytes(Int.random(in: 0..<80, using: &random), type: .random(in: 0..<5, using: &random))
            do {
                try shard.replay(key: key, value: value, producerId: nil)
            } catch {
                continue  // refused, which is as good
            }
        }
        var time = EventTime(wall: 0, monotonic: 0)
        shard.finishLoading(at: time)
        for _ in 0..<100 {
            guard let next = shard.nextDeadline else { break }
            time.monotonic = max(time.monotonic, next)
            let decision = shard.tick(at: time, topics: FixedTopics())
            if !decision.records.isEmpty { shard.commit() }
            #expect((shard.nextDeadline ?? .max) > time.monotonic)
        }
    }
}
