import KafkaMessages
import NIOCore
import RandomMessages
import Testing

/// Records of `__consumer_offsets` and `__transaction_state` by hand: Kafka's client library does not have them, so the
/// golden messages do not either. The version in front of a key or value is not part of the struct.
@Suite struct CoordinatorRecordTests {
    @Test func `a committed offset, versions 3 and 4`() throws {
        let value = OffsetCommitValue(offset: 42, leaderEpoch: 7, metadata: "m", commitTimestamp: 1000)
        let old: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 7, 0, 1, 0x6D, 0, 0, 0, 0, 0, 0, 0x03, 0xE8]
        let flexible: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 7, 2, 0x6D, 0, 0, 0, 0, 0, 0, 0x03, 0xE8, 0]
        #expect(try value.encoded(3) == old)
        #expect(try value.encoded(4) == flexible)
        #expect(try OffsetCommitValue.decoded(old, 3).message == value)
        #expect(try OffsetCommitValue.decoded(flexible, 4).message == value)
        #expect(try value.encoded(0).count == old.count - 4)  // without the epoch, which may be dropped
    }

    @Test func `the key of a committed offset`() throws {
        let key = OffsetCommitKey(group: "g", topic: "t", partition: 3)
        #expect(try key.encoded(1) == [0, 1, 0x67, 0, 1, 0x74, 0, 0, 0, 3])
    }

    @Test func `a transaction with a previous producer id as tagged field`() throws {
        let value = TransactionLogValue(
            producerId: 1, previousProducerId: 2, producerEpoch: 3, transactionTimeoutMs: 4, transactionStatus: 5,
            transactionPartitions: [.init(topic: "t", partitionIds: [6])], transactionLastUpdateTimestampMs: 7,
            transactionStartTimestampMs: 8)
        let bytes: [UInt8] = [
            0, 0, 0, 0, 0, 0, 0, 1,  // producer id
            0, 3, 0, 0, 0, 4, 5,  // epoch, timeout, status
            2, 2, 0x74, 2, 0, 0, 0, 6, 0,  // one topic, one partition, no tags
            0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8,  // last update, start
            1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2,  // one tag: 0, of 8 bytes
        ]
        #expect(try value.encoded(1) == bytes)
        #expect(try TransactionLogValue.decoded(bytes, 1).message == value)
    }

    /// The one tagged struct that can be null: an unsigned varint in front, 1 for a value and 0 for null.
    @Test func `a consumer group member with the metadata of the classic protocol`() throws {
        var member = ConsumerGroupMemberMetadataValue()
        member.classicMemberMetadata = .init(sessionTimeoutMs: 9)
        let body = try ConsumerGroupMemberMetadataValue().encoded(0).dropLast()
        #expect(try member.encoded(0) == body + [1, 0, 7, 1, 0, 0, 0, 9, 1, 0])
        #expect(
            try ConsumerGroupMemberMetadataValue.decoded(body + [1, 0, 7, 1, 0, 0, 0, 9, 1, 0], 0).message == member)
        let null = try ConsumerGroupMemberMetadataValue.decoded(body + [1, 0, 1, 0], 0).message
        #expect(null.classicMemberMetadata == nil)
    }

    /// From Kafka 4.3's definition: the validated epoch and the settings are tagged fields.
    @Test func `the epoch of a streams group`() throws {
        let head: [UInt8] = [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1]
        var value = StreamsGroupMetadataValue(epoch: 7, metadataHash: 1)
        #expect(try value.encoded(0) == head + [0])
        value.validatedTopologyEpoch = 3
        value.lastAssignmentConfigs = [.init(key: "a", value: "1")]
        let bytes = head + [2, 0, 4, 0, 0, 0, 3, 1, 6, 2, 2, 0x61, 2, 0x31, 0]
        #expect(try value.encoded(0) == bytes)
        #expect(try StreamsGroupMetadataValue.decoded(bytes, 0).message == value)
        let target = StreamsGroupTargetAssignmentMetadataValue(assignmentEpoch: 12, assignmentTimestamp: 1)
        #expect(try target.encoded(0) == [0, 0, 0, 12, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1])
        #expect(
            try StreamsGroupCurrentMemberAssignmentKey(groupId: "g", memberId: "m").encoded(22) == [
                0, 1, 0x67, 0, 1, 0x6D,
            ])
    }
}
