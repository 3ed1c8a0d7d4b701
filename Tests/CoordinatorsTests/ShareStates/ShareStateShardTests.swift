import KafkaMessages
import Testing

@testable import Coordinators

@Suite struct ShareStateShardTests {
    private let key = SharePartitionKey(group: "g", topicId: KafkaUUID(high: 1, low: 2), partition: 3)
    private let time = EventTime(wall: 1_700_000_000_000, monotonic: 5)

    private func initialize(
        _ shard: inout ShareStateShard, _ offset: Int64, epoch: Int32, _ log: inout [CoordinatorRecord]
    ) -> ErrorCode {
        var decision = Decision()
        let code = shard.initialize(key, startOffset: offset, stateEpoch: epoch, at: time, &decision)
        log += decision.records
        shard.commit()
        return code
    }

    private func replayed(_ log: [CoordinatorRecord]) throws -> ShareStateShard {
        var shard = ShareStateShard()
        for record in log { try shard.replay(key: record.key, value: record.value) }
        return shard
    }

    @Test func `a partition begins anew with a later epoch, and the log tells the same`() throws {
        var shard = ShareStateShard()
        var log: [CoordinatorRecord] = []
        #expect(shard.summary(of: key) == nil)
        #expect(initialize(&shard, 7, epoch: 2, &log) == .none)
        #expect(initialize(&shard, 9, epoch: 1, &log) == .fencedStateEpoch)
        #expect(
            shard.summary(of: key)
                == ShareStateSummary(stateEpoch: 2, leaderEpoch: 0, startOffset: 7, deliveryCompleteCount: 0))
        #expect(initialize(&shard, 9, epoch: 3, &log) == .none)
        #expect(try replayed(log).states == shard.states)
        #expect(shard.states[key]?.snapshotEpoch == 1)

        var decision = Decision()
        shard.delete(key, &decision)
        shard.abandon()
        #expect(shard.summary(of: key)?.startOffset == 9)
        decision = Decision()
        shard.delete(key, &decision)
        shard.commit()
        #expect(shard.summary(of: key) == nil)
        #expect(try replayed(log + decision.records).states.isEmpty)
        decision = Decision()
        shard.delete(key, &decision)
        #expect(decision.records.isEmpty)
    }

    @Test func `updates count from the snapshot that they belong to`() throws {
        var shard = ShareStateShard()
        var log: [CoordinatorRecord] = []
        _ = initialize(&shard, 5, epoch: 1, &log)
        func update(_ snapshotEpoch: Int32, _ startOffset: Int64, _ count: Int32) throws -> CoordinatorRecord {
            try CoordinatorRecord(
                key: ShareUpdateKey(groupId: key.group, topicId: key.topicId, partition: key.partition), keyVersion: 1,
                value: (
                    ShareUpdateValue(
                        snapshotEpoch: snapshotEpoch, leaderEpoch: 4, startOffset: startOffset,
                        deliveryCompleteCount: count), 0
                ))
        }
        log += [try update(0, 8, 2), try update(0, -1, 3), try update(1, 99, 0)]
        #expect(
            try replayed(log).summary(of: key)
                == ShareStateSummary(stateEpoch: 1, leaderEpoch: 4, startOffset: 8, deliveryCompleteCount: 3))
    }
}
