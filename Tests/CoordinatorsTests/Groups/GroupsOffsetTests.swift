import KafkaMessages
import NIOCore
import Testing

@testable import Coordinators

/// Committed offsets: who may commit, what is fetched, transactions, deletion.
@Suite struct GroupsOffsetTests {
    /// Rows: state to bring the group into, who commits with which generation, the answer to OffsetCommit, and to
    /// TxnOffsetCommit. From upstream's `ClassicGroup.validateOffsetCommit`.
    @Test(
        arguments: [
            ("none", "", -1, ErrorCode.none, ErrorCode.none),
            ("none", "m", 3, .groupIdNotFound, .illegalGeneration),
            ("Empty", "", -1, .none, .none),
            ("Empty", "m", 0, .unknownMemberId, .unknownMemberId),
            ("Stable", "", -1, .unknownMemberId, .none),
            ("Stable", "first", 0, .none, .none),
            ("Stable", "first", 1, .illegalGeneration, .illegalGeneration),
            ("Stable", "first", -100, .illegalGeneration, .illegalGeneration),
            ("Stable", "m", 0, .unknownMemberId, .unknownMemberId),
            ("PreparingRebalance", "first", 0, .none, .none),
            ("CompletingRebalance", "first", 1, .rebalanceInProgress, .none),
        ] as [(String, String, Int32, ErrorCode, ErrorCode)])
    func `commits are for members of the generation, or for empty groups`(
        state: String, who: String, later: Int32, plain: ErrorCode, transactional: ErrorCode
    ) {
        let group = GroupFixture()
        var first = ""
        var generation: Int32 = 0
        if state != "none" {
            let (ids, current) = group.stabilise(1)
            (first, generation) = (ids[0], current)
            switch state {
            case "Empty": _ = group.leave([.init(memberId: first)])
            case "PreparingRebalance": _ = group.enter()
            case "CompletingRebalance": _ = group.join(memberId: first)
            default: break
            }
            #expect(group.state == state)
        }
        let member = who == "first" ? first : who
        let sent = later == -1 && who.isEmpty ? -1 : generation + later
        #expect(group.txnCommit(producer: 1, offset: 3, memberId: member, generation: sent) == transactional)
        group.endTransaction(producer: 1, isCommit: true)
        #expect(group.fetch()?.offset == (transactional == .none ? 3 : -1))
        #expect(group.commit(offset: 5, memberId: member, generation: sent) == plain)
        #expect(group.fetch()?.offset == (plain == .none ? 5 : transactional == .none ? 3 : -1))
    }

    @Test func `before version 9 a generation of an unknown group is illegal`() {
        let group = GroupFixture()
        #expect(group.commit(offset: 1, memberId: "m", generation: 1, version: 8) == .illegalGeneration)
        #expect(group.shard.groupCount == 0)
    }

    @Test(
        arguments: [
            ("nope", 0, ErrorCode.unknownTopicOrPartition), ("t0", 4, .unknownTopicOrPartition),
            ("t0", -1, .unknownTopicOrPartition), ("t0", 3, .none),
        ] as [(String, Int32, ErrorCode)])
    func `only partitions that exist have offsets`(topic: String, partition: Int32, error: ErrorCode) {
        let group = GroupFixture()
        #expect(group.commit(topic, partition, offset: 1) == error)
        #expect(group.txnCommit(producer: 1, topic, partition, offset: 1) == error)
        #expect(group.shard.groupCount == (error == .none ? 1 : 0))
    }

    @Test func `since version 10 topics go by their ids`() throws {
        let group = GroupFixture()
        #expect(group.commit("t1", 2, offset: 8, version: 10) == ErrorCode.none)
        #expect(group.commit("nope", offset: 8, version: 10) == .unknownTopicId)
        #expect(group.commit("t1", 9, offset: 8, version: 10) == .unknownTopicOrPartition)
        #expect(group.fetch("t1", 2)?.offset == 8)
        let id = try #require(group.topics.facts(named: "t1")).id
        for topics in [
            nil, [.init(topicId: id, partitionIndexes: [2])],
        ] as [[OffsetFetchRequest.OffsetFetchRequestTopics]?] {
            let response = group.shard.offsetFetch(
                .init(groupId: "g", topics: topics), requireStable: true, version: 10, at: group.time,
                topics: group.topics)
            #expect(response.topics.map(\.topicId) == [id])
            #expect(response.topics.first?.partitions.map(\.committedOffset) == [8])
            var writer = WireWriter()
            try OffsetFetchResponse([response], version: 10).encode(to: &writer, version: 10)
        }
        let unknown = group.shard.offsetFetch(
            .init(groupId: "g", topics: [.init(topicId: KafkaUUID(high: 1, low: 1), partitionIndexes: [0])]),
            requireStable: false, version: 10, at: group.time, topics: group.topics)
        #expect(unknown.topics.first?.partitions.map(\.errorCode) == [ErrorCode.unknownTopicId.rawValue])
    }

    /// The limit counts UTF-16 units, as Java's strings do: an "ä" is two bytes, but one of them.
    @Test(
        arguments: [
            ("abcd", ErrorCode.none), ("abcde", .offsetMetadataTooLarge), ("ääää", .none),
            ("äääää", .offsetMetadataTooLarge),
            (nil, .none),
        ] as [(String?, ErrorCode)])
    func `metadata has a limit`(metadata: String?, error: ErrorCode) {
        let group = GroupFixture { $0.offsetMetadataMaxBytes = 4 }
        #expect(group.commit(offset: 1, metadata: metadata) == error)
        let response = group.shard.offsetFetch(
            .init(groupId: "g", topics: nil), requireStable: false, version: 9, at: group.time, topics: group.topics)
        #expect(response.topics.first?.partitions.first?.metadata == (error == .none ? metadata ?? "" : nil))
    }

    @Test func `metadata that no record can hold is too large, whatever the configuration`() {
        let group = GroupFixture { $0.offsetMetadataMaxBytes = .max }
        #expect(group.commit(offset: 1, metadata: String(repeating: "x", count: 40_000)) == .offsetMetadataTooLarge)
        #expect(group.commit(offset: 1, group: String(repeating: "x", count: 40_000)) == .invalidGroupId)
        #expect(group.log.isEmpty)
    }

    @Test func `offsets that were never committed are -1, without an error`() throws {
        let group = GroupFixture()
        for _ in 0..<2 {  // of a group that does not exist, then of one that does
            let none = try #require(group.fetch("t1", 0))
            #expect(none.offset == -1)
            #expect(none.error == .none)
            _ = group.commit("t0", offset: 1)
        }
        let response = group.shard.offsetFetch(
            .init(groupId: "other", topics: nil), requireStable: true, version: 9, at: group.time, topics: group.topics)
        #expect(response.topics.isEmpty)
        #expect(response.errorCode == 0)
    }

    @Test func `null topics are all, in order`() {
        let group = GroupFixture()
        for (topic, partition) in [("t3", 1), ("t0", 2), ("t0", 0), ("t3", 0)] as [(String, Int32)] {
            _ = group.commit(topic, partition, offset: Int64(partition))
        }
        let response = group.shard.offsetFetch(
            .init(groupId: "g", topics: nil), requireStable: false, version: 9, at: group.time, topics: group.topics)
        #expect(response.topics.map(\.name) == ["t0", "t3"])
        #expect(response.topics.map { $0.partitions.map(\.partitionIndex) } == [[0, 2], [0, 1]])
        #expect(response.topics[0].partitions[0].committedLeaderEpoch == 3)
    }

    @Test(arguments: Array(Int16(1)...7)) func `versions before 8 have one group in fields of their own`(version: Int16)
        throws
    {
        let group = GroupFixture()
        _ = group.commit("t0", 1, offset: 4)
        let request = OffsetFetchRequest(groupId: "g", topics: [.init(name: "t0", partitionIndexes: [1, 2])])
        let groups = request.groups(version: version)
        #expect(groups.map(\.groupId) == ["g"])
        let answers = groups.map {
            group.shard.offsetFetch($0, requireStable: false, version: version, at: group.time, topics: group.topics)
        }
        let response = OffsetFetchResponse(answers, version: version)
        #expect(response.topics.first?.partitions.map(\.committedOffset) == [4, -1])
        #expect(response.groups.isEmpty)
        var writer = WireWriter()
        try response.encode(to: &writer, version: version)
        let refused = OffsetFetchResponse(
            [groups[0].refused(.coordinatorLoadInProgress, version: version)], version: version)
        #expect(refused.errorCode == (version >= 2 ? 14 : 0))
        #expect(refused.topics.first?.partitions.map(\.errorCode) == [14, 14])
    }

    // MARK: Transactions

    @Test(arguments: [true, false]) func `transactional offsets wait for their marker`(isCommit: Bool) {
        let group = GroupFixture()
        _ = group.commit(offset: 1)
        #expect(group.txnCommit(producer: 9, offset: 2) == ErrorCode.none)
        #expect(group.fetch()?.offset == 1)
        let unstable = group.fetch(requireStable: true)
        #expect(unstable?.error == .unstableOffsetCommit)
        #expect(unstable?.offset == -1)
        #expect(group.fetch("t0", 1, requireStable: true)?.error == ErrorCode.none)
        group.endTransaction(producer: 8, isCommit: true)  // of another
        #expect(group.fetch(requireStable: true)?.error == .unstableOffsetCommit)
        group.endTransaction(producer: 9, isCommit: isCommit)
        #expect(group.fetch(requireStable: true)?.offset == (isCommit ? 2 : 1))
    }

    @Test func `the records of a transaction name its producer`() throws {
        let group = GroupFixture()
        let decision = group.shard.txnOffsetCommit(
            TxnOffsetCommitRequest(
                transactionalId: "x", groupId: "g", producerId: 12, producerEpoch: 3,
                topics: [.init(name: "t0", partitions: [.init(partitionIndex: 0, committedOffset: 1)])]),
            version: 3, token: group.token(), at: group.time, topics: group.topics)
        #expect(decision.producer == TransactionProducer(producerId: 12, producerEpoch: 3))
        #expect(decision.records.count == 1)
        let answer = try #require(decision.refusals(.invalidProducerEpoch).first?.message as? TxnOffsetCommitResponse)
        #expect(answer.topics.first?.partitions.first?.errorCode == ErrorCode.invalidProducerEpoch.rawValue)
        group.shard.abandon()
        #expect(group.shard.groupCount == 0)
    }

    @Test func `of a plain and a transactional commit the later record counts`() {
        let group = GroupFixture()
        _ = group.txnCommit(producer: 9, offset: 10)
        _ = group.commit(offset: 20)
        group.endTransaction(producer: 9, isCommit: true)
        #expect(group.fetch()?.offset == 20)
        _ = group.commit(offset: 30)
        _ = group.txnCommit(producer: 9, offset: 5)
        group.endTransaction(producer: 9, isCommit: true)
        #expect(group.fetch()?.offset == 5)
    }

    @Test func `a refused commit changes nothing`() {
        let group = GroupFixture()
        group.refusal = .messageTooLarge
        #expect(group.commit(offset: 1) == .invalidCommitOffsetSize)
        #expect(group.shard.groupCount == 0)
        group.refusal = nil
        _ = group.commit(offset: 1)
        group.refusal = .kafkaStorageError
        #expect(group.commit(offset: 2) == .notCoordinator)
        #expect(group.txnCommit(producer: 1, offset: 3) == .notCoordinator)
        #expect(group.fetch(requireStable: true)?.offset == 1)
    }

    // MARK: Deletion

    /// A subscription of the consumer protocol, version 1: version, topics, no user data, no owned partitions.
    private func subscription(_ topics: [String]) throws -> [UInt8] {
        var writer = WireWriter()
        writer.writeInt16(1)
        try ConsumerProtocolSubscription(topics: topics).encode(to: &writer, version: 1)
        return Array(writer.buffer.readableBytesView)
    }

    @Test func `offsets of topics that the members read are not deleted`() throws {
        let group = GroupFixture()
        _ = group.stabilise(2, protocols: [("range", try subscription(["t1", "t2"]))])
        for topic in ["t0", "t1"] { _ = group.commit(topic, offset: 1, memberId: "", generation: -1) }
        let missing = try #require(group.offsetDelete("t0"))
        #expect(missing.topics.first?.partitions.first?.errorCode == 0)  // there was none: commits were refused
        #expect(group.offsetDelete("t1")?.topics.first?.partitions.first?.errorCode == 86)
        #expect(group.offsetDelete("nope")?.topics.first?.partitions.first?.errorCode == 3)
        #expect(group.offsetDelete("t0", group: "other")?.errorCode == ErrorCode.groupIdNotFound.rawValue)
    }

    @Test func `a consumer group that cannot be looked into is taken to read everything`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(1, protocols: [("range", [0xFF])])
        _ = group.commit(offset: 1, memberId: ids[0], generation: generation)
        #expect(group.offsetDelete("t0")?.topics.first?.partitions.first?.errorCode == 86)
    }

    @Test func `a group of another type must be empty before its offsets are deleted`() {
        let group = GroupFixture()
        let (ids, generation) = group.stabilise(1, type: "connect")
        _ = group.commit(offset: 1, memberId: ids[0], generation: generation)
        #expect(group.offsetDelete("t0")?.errorCode == ErrorCode.nonEmptyGroup.rawValue)
        _ = group.leave([.init(memberId: ids[0])])
        #expect(group.offsetDelete("t0")?.errorCode == 0)
        #expect(group.fetch()?.offset == -1)
    }

    @Test func `deleting an offset takes what waits for its place along`() {
        let group = GroupFixture()
        _ = group.commit(offset: 1)
        _ = group.txnCommit(producer: 4, offset: 2)
        _ = group.offsetDelete("t0")
        group.endTransaction(producer: 4, isCommit: true)
        #expect(group.fetch()?.offset == -1)
    }

    @Test func `a group is deleted when it is empty`() {
        let group = GroupFixture()
        #expect(group.delete() == .groupIdNotFound)
        let (ids, generation) = group.stabilise(1)
        _ = group.commit(offset: 1, memberId: ids[0], generation: generation)
        #expect(group.delete() == .nonEmptyGroup)
        _ = group.leave([.init(memberId: ids[0])])
        _ = group.txnCommit(producer: 3, "t1", offset: 7)
        group.refusal = .kafkaStorageError
        #expect(group.delete() == .none)  // the caller answers with the log's error
        #expect(group.fetch()?.offset == 1)
        group.refusal = nil
        let written = group.log.count
        #expect(group.delete() == .none)
        #expect(group.log.count == written + 3)
        #expect(group.shard.groupCount == 0)
        group.endTransaction(producer: 3, isCommit: true)
        #expect(group.fetch("t1")?.offset == -1)
        #expect(group.shard.offsetCount == 0)
        #expect(group.shard.nextDeadline == nil)
    }

    @Test func `a topic that is deleted takes its offsets along`() {
        let group = GroupFixture()
        for name in ["g", "h"] {
            _ = group.commit("t0", offset: 1, group: name)
            _ = group.commit("t1", offset: 1, group: name)
            _ = group.txnCommit(producer: 3, "t0", 1, offset: 1, group: name)
        }
        #expect(group.shard.topicsWithOffsets == ["t0", "t1"])
        group.deliver(group.shard.topicsDeleted(["t0", "nope"], at: group.time))
        group.endTransaction(producer: 3, isCommit: true)
        #expect(group.shard.topicsWithOffsets == ["t1"])
        #expect(group.fetch("t0", 1)?.offset == -1)
        #expect(group.fetch("t1", group: "h")?.offset == 1)
    }

    // MARK: Retention

    @Test func `offsets of a simple group expire after the last commit of each`() {
        let group = GroupFixture { $0.offsetsRetentionMinutes = 10 }
        _ = group.commit("t0", offset: 1)
        group.advance(ms: 5 * 60_000)
        _ = group.commit("t1", offset: 1)
        group.advance(ms: 6 * 60_000)  // the check is every ten minutes
        #expect(group.fetch("t0")?.offset == -1)
        #expect(group.fetch("t1")?.offset == 1)
        group.advance(ms: 10 * 60_000)
        #expect(group.shard.groupCount == 0)
        #expect(group.shard.nextDeadline == nil)
    }

    @Test func `offsets of a group expire after it became empty, and not while it works`() {
        let group = GroupFixture { $0.offsetsRetentionMinutes = 60 }
        let (ids, generation) = group.stabilise(1, type: "connect")
        _ = group.commit(offset: 1, memberId: ids[0], generation: generation)
        for _ in 0..<1_000 {
            group.advance(ms: 9_000)
            _ = group.heartbeat(ids[0], generation: generation)
        }
        #expect(group.fetch()?.offset == 1)
        _ = group.leave([.init(memberId: ids[0])])
        group.advance(ms: 55 * 60_000)
        #expect(group.fetch()?.offset == 1)
        group.advance(ms: 20 * 60_000)
        #expect(group.fetch()?.offset == -1)
        #expect(group.shard.groupCount == 0)
    }

    @Test func `a working consumer group loses the offsets of topics that it no longer reads`() throws {
        let group = GroupFixture { $0.offsetsRetentionMinutes = 60 }
        let (ids, generation) = group.stabilise(1, protocols: [("range", try subscription(["t1"]))])
        for topic in ["t0", "t1"] { _ = group.commit(topic, offset: 1, memberId: ids[0], generation: generation) }
        for _ in 0..<1_000 {
            group.advance(ms: 9_000)
            _ = group.heartbeat(ids[0], generation: generation)
        }
        #expect(group.fetch("t0")?.offset == -1)
        #expect(group.fetch("t1")?.offset == 1)
    }

    @Test func `an old client may ask for a retention of its own`() {
        let group = GroupFixture { $0.offsetsRetentionMinutes = 60 }
        _ = group.commit("t0", offset: 1, retention: 1, version: 4)
        _ = group.commit("t1", offset: 1, retention: 1, version: 5)
        _ = group.commit("t2", offset: 1, retention: .max, version: 2)
        group.advance(ms: 11 * 60_000)
        #expect(group.fetch("t0")?.offset == -1)
        #expect(group.fetch("t1")?.offset == 1)
    }

    @Test func `an offset that a transaction may replace does not expire`() {
        let group = GroupFixture { $0.offsetsRetentionMinutes = 1 }
        _ = group.commit(offset: 1)
        _ = group.txnCommit(producer: 1, offset: 2)
        group.advance(ms: 30 * 60_000)
        #expect(group.fetch()?.offset == 1)
        group.endTransaction(producer: 1, isCommit: false)
        group.advance(ms: 11 * 60_000)
        #expect(group.shard.groupCount == 0)
    }

    @Test func `a sweep writes a bounded batch, and a refused one is made again`() {
        let group = GroupFixture { $0.offsetsRetentionMinutes = 1 }
        for index in 0..<20_000 { _ = group.commit(offset: 1, group: "group-\(index)") }
        let written = group.log.count
        group.refusal = .kafkaStorageError
        group.advance(ms: 10 * 60_000 + 100)
        #expect(group.shard.groupCount == 20_000)
        group.refusal = nil
        var largest = 0
        while group.shard.groupCount > 0, let next = group.shard.nextDeadline {
            let before = group.log.count
            group.advance(ms: next - group.time.monotonic)
            largest = max(largest, group.log.count - before)
        }
        #expect(group.log.count == written + 40_000)
        #expect(largest < 20_000)
    }
}
