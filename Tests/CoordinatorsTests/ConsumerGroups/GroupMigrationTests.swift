import KafkaMessages
import NIOCore
import Testing

@testable import Coordinators

extension ConsumerGroupBench {
    /// The metadata of a classic member: version 3 of the consumer protocol.
    func metadata(_ topics: [String], owned: [String: [Int32]] = [:], generation: Int32 = -1) -> ByteBuffer {
        let subscription = ConsumerProtocolSubscription(
            topics: topics,
            ownedPartitions: owned.sorted { $0.key < $1.key }.map { .init(topic: $0.key, partitions: $0.value) },
            generationId: generation)
        var writer = WireWriter()
        writer.writeInt16(3)
        try? subscription.encode(to: &writer, version: 3)
        return writer.buffer
    }

    /// The JoinGroup of a classic member; nil while it waits.
    func classicJoin(
        _ memberId: String, topics: [String] = ["a"], owned: [String: [Int32]] = [:], protocolName: String = "range",
        instanceId: String? = nil, version: Int16 = 9, token: ReplyToken? = nil
    ) -> JoinGroupResponse? {
        let token = token ?? self.token()
        let request = JoinGroupRequest(
            groupId: "g", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 20_000, memberId: memberId,
            groupInstanceId: instanceId, protocolType: "consumer",
            protocols: [.init(name: protocolName, metadata: metadata(topics, owned: owned))])
        deliver(
            shard.joinGroup(
                request, version: version, client: client, token: token, at: time, topics: self.topics,
                settings: settings))
        return take(token)
    }

    func classicSync(
        _ memberId: String, _ generation: Int32, assignments: [(String, [String: [Int32]])] = []
    ) -> (code: Int16, assignment: [String: [Int32]]) {
        let token = token()
        let request = SyncGroupRequest(
            groupId: "g", generationId: generation, memberId: memberId, protocolType: "consumer", protocolName: "range",
            assignments: assignments.map { memberId, partitions in
                let set = TopicPartitionSet(named: partitions.map { ($0, $1) }, topics: topics)
                let bytes = try? ConsumerProtocol.bytes(set, for: metadata([]), topics: topics)
                return .init(memberId: memberId, assignment: bytes ?? ByteBuffer())
            })
        deliver(
            shard.syncGroup(request, version: 5, token: token, at: time, topics: topics, settings: settings))
        guard let response: SyncGroupResponse = take(token) else { return (-99, [:]) }
        let assignment = try? ConsumerProtocol.assignment(response.assignment)
        return (
            response.errorCode,
            Dictionary(uniqueKeysWithValues: (assignment?.assignedPartitions ?? []).map { ($0.topic, $0.partitions) })
        )
    }

    func classicBeat(_ memberId: String, _ generation: Int32, instanceId: String? = nil) -> Int16 {
        let token = token()
        let request = HeartbeatRequest(
            groupId: "g", generationId: generation, memberId: memberId, groupInstanceId: instanceId)
        deliver(
            shard.heartbeat(request, version: 4, token: token, at: time, topics: topics, settings: settings))
        let response: HeartbeatResponse? = take(token)
        return response?.errorCode ?? -99
    }

    func classicLeave(_ memberIds: [String]) -> [Int16] {
        let token = token()
        let request = LeaveGroupRequest(groupId: "g", members: memberIds.map { .init(memberId: $0) })
        deliver(shard.leaveGroup(request, version: 5, token: token, at: time, topics: topics))
        let response: LeaveGroupResponse? = take(token)
        return response?.members.map(\.errorCode) ?? []
    }

    /// A classic group of one member with all of topic `a`, stable in generation 1.
    func classicGroupOfOne(instanceId: String? = nil) throws -> String {
        var joined = try #require(classicJoin("", instanceId: instanceId))
        if instanceId == nil { joined = try #require(classicJoin(joined.memberId)) }
        #expect(joined.generationId == 1)
        let synced = classicSync(joined.memberId, 1, assignments: [(joined.memberId, ["a": [0, 1, 2, 3]])])
        #expect(synced.assignment == ["a": [0, 1, 2, 3]])
        return joined.memberId
    }
}

@Suite struct GroupMigrationTests {
    @Test func `an empty classic group becomes a consumer group and back`() throws {
        let bench = ConsumerGroupBench()
        let memberId = try bench.classicGroupOfOne()
        #expect(bench.classicLeave([memberId]) == [0])
        #expect(bench.classicGroup()?.state == .empty)
        let joined = bench.join("m1")
        #expect(joined.memberEpoch == 1)
        #expect(bench.group?.state == .stable)
        var isSame = try bench.replayIsSame()
        #expect(isSame)

        _ = bench.beat("m1", -1)
        let first = try #require(bench.classicJoin(""))
        #expect(first.errorCode == ErrorCode.memberIdRequired.rawValue)
        let again = try #require(bench.classicJoin(first.memberId))
        #expect(again.generationId == 1)
        #expect(again.leader == again.memberId)
        #expect(bench.classicGroup() != nil)
        isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    /// KIP-1263. No join brings it further before, so none is asked for.
    @Test(arguments: [true, false]) func `a classic member joins again once an assignment is due`(
        isOwnSetting: Bool
    ) throws {
        let bench = ConsumerGroupBench { if !isOwnSetting { $0.consumer.assignmentIntervalMs = 5000 } }
        if isOwnSetting {
            bench.settings = bench.configuration.consumer.overridden(
                sessionTimeoutMs: nil, heartbeatIntervalMs: nil, assignmentIntervalMs: 5000)
        }
        let old = try bench.classicGroupOfOne()
        #expect(bench.join("m1").memberEpoch == 2)
        #expect(bench.classicBeat(old, 1) == ErrorCode.rebalanceInProgress.rawValue)
        #expect(bench.classicJoin(old)?.generationId == 2)
        #expect(bench.classicSync(old, 2).code == 0)
        bench.advance(ms: 4999)
        _ = bench.join("m2")
        #expect(bench.group?.epoch == 3)
        #expect(bench.classicBeat(old, 2) == 0)
        #expect(bench.classicSync(old, 2).code == 0)
        #expect(bench.classicJoin(old)?.generationId == 2)
        #expect(bench.classicSync(old, 2).assignment["a"]?.count == 2)
        #expect(bench.classicBeat(old, 2) == 0)
        bench.advance(ms: 1)
        #expect(bench.classicBeat(old, 2) == ErrorCode.rebalanceInProgress.rawValue)
        #expect(bench.classicSync(old, 2).code == ErrorCode.rebalanceInProgress.rawValue)
        #expect(bench.classicJoin(old)?.generationId == 3)
        #expect(bench.classicSync(old, 3).code == 0)
        #expect(bench.classicBeat(old, 3) == 0)
    }

    @Test func `a live classic group is upgraded member by member`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        let joined = bench.join("m1")
        #expect(joined.errorCode == 0)
        #expect(joined.memberEpoch == 2)
        #expect(bench.assignment(joined) == [:])  // all is still with the other
        #expect(bench.group?.members[old]?.usesClassicProtocol == true)
        #expect(bench.group?.members[old]?.memberEpoch == 1)
        var isSame = try bench.replayIsSame()
        #expect(isSame)

        // It is told to join again, gives everything up (it is eager), and gets its half.
        #expect(bench.classicBeat(old, 1) == ErrorCode.rebalanceInProgress.rawValue)
        #expect(bench.classicSync(old, 1).code == ErrorCode.rebalanceInProgress.rawValue)
        let rejoined = try #require(bench.classicJoin(old))
        #expect(rejoined.errorCode == 0)
        #expect(rejoined.generationId == 2)
        #expect(rejoined.leader == "")
        #expect(rejoined.members.isEmpty)
        #expect(rejoined.protocolType == "consumer")
        #expect(rejoined.protocolName == "range")
        let half = bench.classicSync(old, 2)
        #expect(half.code == 0)
        #expect(half.assignment["a"]?.count == 2)
        #expect(bench.classicBeat(old, 2) == 0)
        let given = bench.assignment(bench.beat("m1", 2))
        #expect(Set((given?["a"] ?? []) + (half.assignment["a"] ?? [])) == [0, 1, 2, 3])
        #expect(bench.group?.state == .stable)
        let described = bench.shard.consumerGroupDescribe("g", version: 1, topics: bench.topics)
        #expect(
            Dictionary(uniqueKeysWithValues: described.members.map { ($0.memberId, $0.memberType) }) == [
                old: 0, "m1": 1,
            ])

        // Its process starts anew with the other protocol: the upgrade is over.
        #expect(bench.classicLeave([old]) == [0])
        #expect(bench.assignment(bench.beat("m1", 2)) == ["a": [0, 1, 2, 3]])
        isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `a cooperative member gives up what it is told to, no more`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        _ = bench.join("m1")
        let rejoined = try #require(bench.classicJoin(old, owned: ["a": [0, 1, 2, 3]]))
        #expect(rejoined.generationId == 1)  // it has something to give up first
        #expect(bench.classicSync(old, 1).assignment == ["a": [0, 1]])
        #expect(bench.classicBeat(old, 1) == ErrorCode.rebalanceInProgress.rawValue)
        #expect(bench.assignment(bench.beat("m1", 2)) == nil)
        let done = try #require(bench.classicJoin(old, owned: ["a": [0, 1]]))
        #expect(done.generationId == 2)
        #expect(bench.classicSync(old, 2).assignment == ["a": [0, 1]])
        #expect(bench.assignment(bench.beat("m1", 2)) == ["a": [2, 3]])
    }

    @Test func `who waits in a classic group hears of the upgrade`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        let id = try #require(bench.classicJoin("")).memberId
        let token = bench.token()
        #expect(bench.classicJoin(id, token: token) == nil)  // waits for the other
        bench.appendError = .kafkaStorageError
        #expect(bench.join("m1").errorCode == ErrorCode.notCoordinator.rawValue)
        #expect(bench.replies[token] == nil)
        #expect(bench.classicGroup()?.members.count == 2)
        bench.appendError = nil
        #expect(bench.join("m1").errorCode == 0)
        let waited: JoinGroupResponse? = bench.take(token)
        #expect(waited?.errorCode == ErrorCode.rebalanceInProgress.rawValue)
        #expect(bench.group?.members.keys.sorted() == [id, old, "m1"].sorted())
    }

    @Test func `a rebalance that was on does not lose what members hold`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        // Two rounds of joins without a sync: the group has no assignment any more, the cooperative member has.
        _ = bench.classicJoin(old, owned: ["a": [0, 1, 2, 3]])
        let id = try #require(bench.classicJoin("")).memberId
        _ = bench.classicJoin(id)
        _ = bench.classicJoin(old, owned: ["a": [0, 1, 2, 3]])
        #expect(bench.classicGroup()?.members[old]?.assignment.readableBytes == 0)
        let joined = bench.join("m1")
        #expect(bench.assignment(joined) == [:])
        #expect(bench.group?.members[old]?.assigned.count == 4)
    }

    @Test(
        arguments: [
            (MigrationPolicy.disabled, true, "online upgrade is disabled"),
            (.downgrade, true, "online upgrade is disabled"),
            (.upgrade, false, nil), (.bidirectional, false, nil),
        ] as [(MigrationPolicy, Bool, String?)])
    func `the migration policy decides about upgrades`(policy: MigrationPolicy, isRefused: Bool, reason: String?) throws
    {
        let bench = ConsumerGroupBench { $0.consumer.migrationPolicy = policy }
        _ = try bench.classicGroupOfOne()
        let response = bench.join("m1")
        #expect((response.errorCode == ErrorCode.groupIdNotFound.rawValue) == isRefused)
        #expect(
            response.errorMessage == reason.map { "Cannot upgrade classic group g to consumer group because \($0)." })
        #expect((bench.classicGroup()?.state == .stable) == isRefused)
    }

    /// librdkafka's cooperative-sticky writes data of its own into assignments.
    @Test(arguments: [("cooperative-sticky", true), ("my-own", false)])
    func `data of an assignor is lost only where it may be`(protocolName: String, isUpgraded: Bool) throws {
        let bench = ConsumerGroupBench()
        let id = try #require(bench.classicJoin("", protocolName: protocolName)).memberId
        let joined = try #require(bench.classicJoin(id, protocolName: protocolName))
        var writer = WireWriter()
        writer.writeInt16(0)
        let assignment = ConsumerProtocolAssignment(
            assignedPartitions: [.init(topic: "a", partitions: [0])], userData: ByteBuffer(bytes: [1]))
        try assignment.encode(to: &writer, version: 0)
        let token = bench.token()
        let request = SyncGroupRequest(
            groupId: "g", generationId: joined.generationId, memberId: id, protocolType: "consumer",
            protocolName: protocolName, assignments: [.init(memberId: id, assignment: writer.buffer)])
        bench.deliver(
            bench.shard.syncGroup(request, version: 5, token: token, at: bench.time, topics: bench.topics))
        #expect((bench.join("m1").errorCode == 0) == isUpgraded)
        #expect((bench.group?.members[id]?.assigned.count == 1) == isUpgraded)
    }

    @Test func `a group that is not one of consumers is not upgraded`() throws {
        let bench = ConsumerGroupBench()
        let token = bench.token()
        let request = JoinGroupRequest(
            groupId: "g", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 20_000, protocolType: "connect",
            protocols: [.init(name: "default", metadata: ByteBuffer(bytes: [1]))])
        bench.deliver(
            bench.shard.joinGroup(
                request, version: 3, client: bench.client, token: token, at: bench.time, topics: bench.topics))
        let response = bench.join("m1")
        #expect(response.errorCode == ErrorCode.groupIdNotFound.rawValue)
        #expect(bench.classicGroup()?.isConsumerType == false)
    }

    @Test func `the last new member that leaves makes it a classic group again`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        _ = bench.join("m1")
        _ = bench.classicJoin(old)
        _ = bench.classicSync(old, 2)
        _ = bench.beat("m1", 2)
        #expect(bench.beat("m1", -1).errorCode == 0)
        let group = try #require(bench.classicGroup())
        #expect(group.state == .preparingRebalance)
        #expect(group.generation == 2)
        #expect(group.members.all.map(\.id) == [old])
        #expect(bench.classicBeat(old, 2) == ErrorCode.rebalanceInProgress.rawValue)
        let joined = try #require(bench.classicJoin(old))
        #expect(joined.generationId == 3)
        #expect(joined.leader == old)
        let isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `a downgrade that is not allowed leaves a consumer group`() throws {
        let bench = ConsumerGroupBench { $0.consumer.migrationPolicy = .upgrade }
        let old = try bench.classicGroupOfOne()
        _ = bench.join("m1")
        _ = bench.classicJoin(old)
        _ = bench.beat("m1", -1)
        #expect(bench.group?.members.keys.sorted() == [old])
        #expect(bench.classicBeat(old, 2) == ErrorCode.rebalanceInProgress.rawValue)
        let joined = try #require(bench.classicJoin(old))
        #expect(bench.classicSync(old, joined.generationId).assignment == ["a": [0, 1, 2, 3]])
    }

    @Test func `a static member moves to the classic protocol and takes its group along`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        _ = bench.join("m1", instanceId: "i1")
        _ = bench.classicJoin(old)
        _ = bench.classicSync(old, 2)
        _ = bench.beat("m1", 2, instanceId: "i1")
        _ = bench.beat("m1", -2, instanceId: "i1")
        let joined = try #require(bench.classicJoin("", instanceId: "i1"))
        #expect(joined.errorCode == 0)
        let group = try #require(bench.classicGroup())
        #expect(group.state == .stable)  // nothing that it subscribes to has changed
        #expect(group.generation == 2)
        #expect(group.members.count == 2)
        #expect(joined.generationId == 2)
        #expect(bench.classicSync(joined.memberId, 2).assignment["a"]?.count == 2)
        let isSame = try bench.replayIsSame()
        #expect(isSame)
    }

    @Test func `a static member moves to the consumer protocol`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne(instanceId: "i1")
        let joined = bench.join("m1", instanceId: "i1")
        #expect(joined.errorCode == 0)
        #expect(bench.assignment(joined) == ["a": [0, 1, 2, 3]])
        #expect(bench.group?.members.keys.sorted() == ["m1"])
        #expect(bench.classicBeat(old, 1, instanceId: "i1") == ErrorCode.fencedInstanceId.rawValue)
    }

    /// Codes of upstream `classicGroupSyncToConsumerGroup` and `classicGroupHeartbeatToConsumerGroup`.
    @Test func `members of the classic protocol are refused with its codes`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        _ = bench.join("m1")
        #expect(bench.classicBeat("nobody", 1) == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.classicBeat("m1", 2) == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.classicBeat(old, 7) == ErrorCode.illegalGeneration.rawValue)
        #expect(bench.classicBeat(old, 1, instanceId: "i") == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.classicSync("nobody", 1).code == ErrorCode.unknownMemberId.rawValue)
        #expect(bench.classicSync(old, 7).code == ErrorCode.illegalGeneration.rawValue)
        #expect(bench.classicLeave(["nobody", old]) == [ErrorCode.unknownMemberId.rawValue, 0])
        let refused = bench.classicJoin("x", protocolName: "range", instanceId: "i9")
        #expect(refused?.errorCode == ErrorCode.unknownMemberId.rawValue)
        let zombie = bench.classicJoin("zombie", owned: ["a": [0]])
        #expect(zombie?.errorCode == ErrorCode.unknownMemberId.rawValue)
    }

    @Test func `protocols have to fit those of the other classic members`() throws {
        let bench = ConsumerGroupBench()
        _ = try bench.classicGroupOfOne()
        _ = bench.join("m1")
        #expect(
            bench.classicJoin("x", protocolName: "sticky")?.errorCode == ErrorCode.inconsistentGroupProtocol.rawValue)
        #expect(bench.classicJoin("")?.errorCode == ErrorCode.memberIdRequired.rawValue)
        #expect(bench.classicJoin("x")?.errorCode == 0)
    }

    @Test func `a classic member that does not join or sync in time is out`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        _ = bench.join("m1")
        #expect(bench.classicBeat(old, 1) == ErrorCode.rebalanceInProgress.rawValue)
        for _ in 0..<4 {
            bench.advance(ms: 4999)
            _ = bench.beat("m1", 2)
            #expect(bench.classicBeat(old, 1) == ErrorCode.rebalanceInProgress.rawValue)
        }
        bench.advance(ms: 4)
        #expect(bench.classicBeat(old, 1) == ErrorCode.unknownMemberId.rawValue)

        let joined = try #require(bench.classicJoin("x"))
        for _ in 0..<4 {
            bench.advance(ms: 4999)
            #expect(bench.classicBeat("x", joined.generationId) != ErrorCode.unknownMemberId.rawValue)
            _ = bench.beat("m1", 2)
        }
        bench.advance(ms: 4)
        #expect(bench.classicBeat("x", joined.generationId) == ErrorCode.unknownMemberId.rawValue)
    }

    @Test func `offsets of classic members go by their generation`() throws {
        let bench = ConsumerGroupBench()
        let old = try bench.classicGroupOfOne()
        _ = bench.join("m1")
        func commit(_ generation: Int32) -> Int16? {
            let token = bench.token()
            let request = OffsetCommitRequest(
                groupId: "g", generationIdOrMemberEpoch: generation, memberId: old,
                topics: [.init(name: "a", partitions: [.init(partitionIndex: 0, committedOffset: 5)])])
            bench.deliver(
                bench.shard.offsetCommit(request, version: 7, token: token, at: bench.time, topics: bench.topics))
            let response: OffsetCommitResponse? = bench.take(token)
            return response?.topics.first?.partitions.first?.errorCode
        }
        #expect(commit(1) == 0)
        #expect(commit(2) == ErrorCode.illegalGeneration.rawValue)
    }
}
