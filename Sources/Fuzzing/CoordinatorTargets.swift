import Bytes
import Coordinators
import KafkaMessages
import NIOCore
import RandomMessages
import TestKit

extension FuzzTarget {
    /// A transaction log with damaged records, then requests and the passing of time.
    static let transactions = FuzzTarget(name: "transactions", stepCount: 200) { random in
        var shard = TransactionShard(configuration: TransactionConfiguration())
        for _ in 0..<(1 + random.roll(20)) {
            let key = try record(TransactionLogKey(transactionalId: ["t", "u", "v"][random.roll(3)]), 0, &random)
            let value = random.roll(6) == 0 ? nil : try transactionValue(&random)
            do throws(WireError) {
                try shard.replay(key: ByteBuffer(bytes: key), value: value.map { ByteBuffer(bytes: $0) })
            } catch {}  // a damaged record may be refused; it must not trap
        }
        var time = EventTime(wall: Int64(truncatingIfNeeded: random.next() >> 12), monotonic: 1_000)
        var orders = shard.finishLoading(at: time).markers
        func take(_ decision: TransactionDecision) {
            if !decision.decision.records.isEmpty { if random.roll(8) == 0 { shard.abandon() } else { shard.commit() } }
            orders += decision.markers
        }
        for step in 0..<12 as Range<UInt64> {
            time.wall &+= Int64(random.roll(1_000_000))
            time.monotonic += Int64(random.roll(1_000_000))
            let id = ["t", "u", "v"][random.roll(3)]
            let known = shard.describe(id)
            let token = ReplyToken(rawValue: step)
            let fresh = Int64(random.roll(1 << 30))
            switch random.roll(5) {
            case 0: take(shard.tick(at: time, freshProducerId: fresh))
            case 1:
                take(
                    shard.endTxn(
                        EndTxnRequest(
                            transactionalId: id, producerId: known.producerId, producerEpoch: known.producerEpoch,
                            committed: random.roll(2) == 0),
                        version: Int16(random.roll(6)), token: token, at: time, freshProducerId: fresh))
            case 2:
                take(
                    shard.initProducerId(
                        InitProducerIdRequest(
                            transactionalId: id, transactionTimeoutMs: 1 + Int32(random.roll(900_000))),
                        version: Int16(random.roll(6)), token: token, at: time, freshProducerId: fresh))
            case 3:
                take(
                    shard.addImplicitly(
                        transactionalId: id, producerId: known.producerId, producerEpoch: known.producerEpoch,
                        topics: [TransactionTopic(name: "a", partitions: [Int32(random.roll(3))])], at: time))
            default:
                guard let order = orders.popLast() else { break }
                take(
                    shard.markersWritten(
                        transactionalId: order.transactionalId, producerId: order.producerId,
                        producerEpoch: order.producerEpoch, at: time))
            }
        }
        _ = shard.list(ListTransactionsRequest(durationFilter: 5), at: time) { _ in true }
    }

    /// A group log with damaged records, then the passing of time and questions.
    static let groups = FuzzTarget(name: "groups", stepCount: 200) { random in
        var shard = GroupShard(configuration: GroupConfiguration(), seed: random.next())
        let ids = ["g", "h"]
        for _ in 0..<(1 + random.roll(20)) {
            let group = ids[random.roll(2)]
            let producerId: Int64? = random.roll(4) == 0 ? Int64(random.roll(3)) : nil
            let (key, value): ([UInt8], [UInt8])
            switch random.roll(5) {
            case 0, 1:
                key = try record(
                    OffsetCommitKey(group: group, topic: "a", partition: Int32(random.roll(2))), Int16(random.roll(2)),
                    &random)
                value = try record(random: OffsetCommitValue.self, &random)
            case 2, 3:
                key = try record(GroupMetadataKey(group: group), 2, &random)
                value = try groupValue(&random)
            default:
                key = random.noise(40)
                value = random.noise(60)
            }
            if random.roll(8) == 0 {
                shard.replayMarker(producerId: Int64(random.roll(3)), isCommit: random.roll(2) == 0)
            }
            do throws(WireError) {
                try shard.replay(
                    key: ByteBuffer(bytes: key), value: random.roll(6) == 0 ? nil : ByteBuffer(bytes: value),
                    producerId: producerId)
            } catch {}  // a damaged record may be refused; it must not trap
        }
        var time = EventTime(wall: Int64(truncatingIfNeeded: random.next() >> 12), monotonic: 1_000)
        shard.finishLoading(at: time)
        for _ in 0..<8 {
            time.wall &+= Int64(random.roll(1 << 31))
            time.monotonic += Int64(random.roll(1 << 31))
            let decision = shard.tick(at: time, topics: NoTopics())
            if !decision.records.isEmpty { if random.roll(8) == 0 { shard.abandon() } else { shard.commit() } }
        }
        for id in ids {
            _ = shard.describe(id, version: 5)
            let request = OffsetFetchRequest.OffsetFetchRequestGroup(groupId: id, topics: nil)
            _ = shard.offsetFetch(request, requireStable: true, version: 9, at: time, topics: NoTopics())
        }
        _ = shard.list()
    }

    private struct NoTopics: TopicImage {
        func facts(named name: String) -> TopicFacts? { nil }
        func facts(id: KafkaUUID) -> TopicFacts? { nil }
        var names: [String] { [] }
    }

    /// A version and a message, as keys and values are; now and then damaged.
    private static func record(
        _ message: some KafkaMessage, _ version: Int16, _ random: inout SeededRandom
    ) throws -> [UInt8] {
        var bytes = [UInt8(truncatingIfNeeded: version >> 8), UInt8(truncatingIfNeeded: version)]
        bytes += try message.encoded(version)
        if random.roll(5) == 0 { random.damage(&bytes) }
        return bytes
    }

    private static func record<M: RandomMessage>(random type: M.Type, _ random: inout SeededRandom) throws -> [UInt8] {
        let version = type.versions.lowerBound + Int16(random.roll(type.versions.count))
        var values = MessageRandom(seed: random.next())
        return try record(M.random(&values, version: version), version, &random)
    }

    private static func transactionValue(_ random: inout SeededRandom) throws -> [UInt8] {
        if random.roll(3) == 0 { return try record(random: TransactionLogValue.self, &random) }
        let value = TransactionLogValue(
            producerId: Int64(random.roll(4)), previousProducerId: Int64(random.roll(4)),
            nextProducerId: random.roll(4) == 0 ? 9 : -1,
            producerEpoch: random.roll(3) == 0 ? 32_765 + Int16(random.roll(3)) : Int16(random.roll(5)),
            transactionTimeoutMs: [0, -1, 60_000, .max, .min][random.roll(5)],
            transactionStatus: Int8(random.roll(8)),
            transactionPartitions: random.roll(4) == 0 ? nil : [.init(topic: "a", partitionIds: [0, 1])],
            transactionLastUpdateTimestampMs: [0, -1, .max, .min, 1_000][random.roll(5)],
            transactionStartTimestampMs: [0, -1, .max, .min, 1_000][random.roll(5)],
            clientTransactionVersion: Int16(random.roll(3)))
        return try record(value, 1, &random)
    }

    /// Members whose metadata is a subscription, or was one.
    private static func groupValue(_ random: inout SeededRandom) throws -> [UInt8] {
        let version = Int16(random.roll(4))
        var values = MessageRandom(seed: random.next(), countMax: 3)
        var value = GroupMetadataValue.random(&values, version: version)
        value.protocolType = "consumer"
        value.`protocol` = random.roll(4) == 0 ? nil : "range"
        for index in value.members.indices {
            value.members[index].subscription = ByteBuffer(
                bytes: try record(random: ConsumerProtocolSubscription.self, &random))
            if random.roll(2) == 0 {
                value.members[index].sessionTimeout = 10_000
                value.members[index].rebalanceTimeout = 10_000
            }
        }
        return try record(value, version, &random)
    }
}
