import Bytes
import KafkaMessages
import NIOCore
import TestKit
import Testing

@testable import Coordinators

@Suite struct ConsumerGroupRecordTests {
    private static let id = KafkaUUID(high: 0x0102, low: 0x0304)
    private static let idBytes = "00000000000001020000000000000304"

    /// By hand from Kafka's definitions.
    @Test(
        arguments: [
            (.groupEpoch(7), "0003000167", "00000000000700"),
            (.groupEpoch(nil), "0003000167", nil),
            (
                .subscribedTopics(["a": TopicFacts(name: "a", id: id, partitionCount: 2)]), "0004000167",
                "000002\(idBytes)0261000000020100" + "00"
            ),
            (.targetEpoch(7), "0006000167", "00000000000700"),
            (
                .target("m", TopicPartitionSet([id: [1, 0]])), "000700016700016d",
                "000002\(idBytes)0300000000000000010000"
            ),
            (.target("m", nil), "000700016700016d", nil),
            (
                .regularExpression("a.*", .init(topics: ["a", "bc"], version: 7, timestamp: 9)), "00100001670003612e2a",
                "00000302610362630000000000000007000000000000000900"
            ),
        ] as [(ConsumerGroupRecord, String, String?)])
    func `records have Kafka's bytes`(record: ConsumerGroupRecord, key: String, value: String?) throws {
        let encoded = try record.encoded(groupId: "g")
        #expect(Array(encoded.key.readableBytesView) == bytes(ofHex: key))
        #expect(encoded.value.map { Array($0.readableBytesView) } == value.map { bytes(ofHex: $0) })
    }

    private static var member: ConsumerGroupMember {
        var member = ConsumerGroupMember(memberId: "m")
        member.instanceId = "i"
        member.rackId = "r"
        member.clientId = "c"
        member.clientHost = "/h"
        member.subscribedTopicNames = ["a", "b"]
        member.subscribedTopicRegex = "x.*"
        member.rebalanceTimeoutMs = 5
        member.serverAssignor = "range"
        member.classic = .init(
            sessionTimeoutMs: 6, protocols: [.init(name: "range", metadata: ByteBuffer(bytes: [0, 1, 2]))])
        return member
    }

    private static var assigned: ConsumerGroupMember {
        var member = ConsumerGroupMember(memberId: "m")
        member.memberEpoch = 5
        member.previousMemberEpoch = 4
        member.state = .unrevokedPartitions
        member.assigned = TopicPartitionSet([id: [0, 2]])
        member.pendingRevocation = TopicPartitionSet([id: [1]])
        return member
    }

    @Test(
        arguments: [
            .groupEpoch(3), .groupEpoch(nil), .subscribedTopics([:]), .subscribedTopics(nil), .member("m", member),
            .member("m", ConsumerGroupMember(memberId: "m")), .member("m", nil), .targetEpoch(nil),
            .target("m", TopicPartitionSet()), .current("m", .init(assigned)), .current("m", nil),
            .regularExpression("x", .init(topics: [], version: -1, timestamp: 0)), .regularExpression("x", nil),
        ] as [ConsumerGroupRecord])
    func `what is written is read`(record: ConsumerGroupRecord) throws {
        let encoded = try record.encoded(groupId: "group")
        let (groupId, decoded) = try ConsumerGroupRecord.decoded(key: encoded.key, value: encoded.value)
        #expect(groupId == "group")
        #expect(decoded == record)
    }

    private func damage(_ bytes: inout ByteBuffer, _ random: inout SeededRandom) {
        bytes.setInteger(
            UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0..<bytes.readableBytes, using: &random))
    }

    /// Nothing that stands in a log may end the process.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func `damaged records are refused or read, never worse`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let records: [ConsumerGroupRecord] = [
            .groupEpoch(3), .subscribedTopics(["a": TopicFacts(name: "a", id: Self.id, partitionCount: 2)]),
            .member("m", Self.member), .target("m", TopicPartitionSet([Self.id: [1, 2, 3]])),
            .current("m", .init(Self.assigned)),
            .regularExpression("x", .init(topics: ["a"], version: 1, timestamp: 2)),
        ]
        var shard = GroupShard(configuration: GroupConfiguration(), seed: seed)
        for _ in 0..<300 {
            let record = try records[Int.random(in: 0..<records.count, using: &random)].encoded(groupId: "g")
            var key = record.key
            var value = record.value ?? ByteBuffer()
            if Int.random(in: 0..<4, using: &random) == 0 {
                damage(&key, &random)
            }
            for _ in 0..<Int.random(in: 0..<3, using: &random) where value.readableBytes > 0 {
                damage(&value, &random)
            }
            if Bool.random(using: &random) {
                value.moveWriterIndex(to: Int.random(in: 0...value.readableBytes, using: &random))
            }
            do {
                try shard.replay(key: key, value: Bool.random(using: &random) ? value : nil, producerId: nil)
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
        shard.finishLoading(at: EventTime(wall: 0, monotonic: 0))
        // Whatever was read, the group goes on.
        let topics = ChangingTopics([("a", 3)])
        for step in 1...5 {
            let decision = shard.consumerGroupHeartbeat(
                .init(
                    groupId: "g", memberId: "new", memberEpoch: 0, rebalanceTimeoutMs: 1, subscribedTopicNames: ["a"],
                    topicPartitions: []),
                version: 1, client: ClientIdentity(clientId: "", host: ""), token: ReplyToken(rawValue: 1),
                at: EventTime(wall: 0, monotonic: Int64(step) * 100_000), topics: topics)
            if !decision.records.isEmpty { shard.commit() }
            let ticked = shard.tick(at: EventTime(wall: 0, monotonic: Int64(step) * 100_000), topics: topics)
            if !ticked.records.isEmpty { shard.commit() }
        }
    }
}
