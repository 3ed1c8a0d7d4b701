import Coordinators
import KafkaMessages
import LogStorage
import NIOCore

extension ShareStateShard: CoordinatorShard {
    typealias Order = Never

    var nextDeadline: Int64? { nil }

    mutating func tick(
        at time: EventTime, topics: any TopicImage, producerIds: ProducerIdPool
    ) -> (Decision, [Never])? { (Decision(), []) }

    mutating func replay(key: ByteBuffer, value: ByteBuffer?, producerId: Int64?) throws {
        try replay(key: key, value: value)
    }

    /// Nobody writes transactions into the topic of share states.
    mutating func replayMarker(producerId: Int64, isCommit: Bool) {}

    mutating func finishLoading(at time: EventTime) -> (Decision, [Never]) { (Decision(), []) }
}

/// The state of share partitions in `__share_group_state`, which is made when there is the first state to keep.
struct ShareStates: ShareStateStore {
    let topic: CoordinatorTopic<ShareStateShard>
    let controller: Controller
    let markers: MarkerWriter

    func initialize(
        _ partitions: [(key: SharePartitionKey, startOffset: Int64)], stateEpoch: Int32,
        done: @escaping @Sendable ([ErrorCode]) -> Void
    ) {
        topic.prepare(controller) { error in
            guard error == nil else { return done(partitions.map { _ in .coordinatorNotAvailable }) }
            change(partitions.map(\.key), done) { shard, place, now, decision in
                let (key, offset) = partitions[place]
                return shard.initialize(
                    key, startOffset: offset, stateEpoch: stateEpoch, at: now, &decision)
            }
        }
    }

    func summaries(of keys: [SharePartitionKey], done: @escaping @Sendable ([ShareStateAnswer]) -> Void) {
        done(
            keys.map { key in
                guard let host = topic.host(of: key.coordinatorKey) else { return .nothing }
                return host.submitRead { shard, _ in
                    shard.summary(of: key).map { .kept($0) } ?? .nothing
                } refusal: {
                    .failed($0)
                }
            })
    }

    func delete(_ keys: [SharePartitionKey], done: @escaping @Sendable ([ErrorCode]) -> Void) {
        change(keys, done, isNeeded: false) { shard, place, _, decision in
            shard.delete(keys[place], &decision)
            return .none
        }
    }

    /// Changes each key in its shard, all keys of a shard in one step, and answers when that is durable.
    ///
    /// - Parameter isNeeded: without a shard there is nothing to change; false where that is as good.
    private func change(
        _ keys: [SharePartitionKey], _ done: @escaping @Sendable ([ErrorCode]) -> Void, isNeeded: Bool = true,
        _ body: (inout ShareStateShard, Int, EventTime, inout Decision) -> ErrorCode
    ) {
        var codes = keys.map { _ in ErrorCode.none }
        var syncs: [(partition: Partition, offset: Int64)] = []
        let hosts = keys.indices.map { topic.host(of: keys[$0].coordinatorKey) }
        for (partition, places) in Dictionary(grouping: keys.indices, by: { hosts[$0]?.partition.index }) {
            guard partition != nil, let first = places.first, let host = hosts[first] else {
                if isNeeded { for place in places { codes[place] = .coordinatorNotAvailable } }
                continue
            }
            let changed = host.perform(waiting: .never) { shard, now, _ -> ([ErrorCode], Decision, [Never]) in
                var decision = Decision()
                let codes = places.map { body(&shard, $0, now, &decision) }
                return (codes, decision, [])
            }
            guard let changed, changed.failure == nil else {
                let code = changed?.failure ?? host.unavailability ?? .coordinatorLoadInProgress
                for place in places { codes[place] = code }
                continue
            }
            for (place, code) in zip(places, changed.value) { codes[place] = code }
            let offsets = host.partition.log.offsets
            if offsets.durableEnd < offsets.logEnd { syncs.append((host.partition, offsets.logEnd)) }
        }
        let answers = codes
        markers.force(syncs) { isDurable in
            done(isDurable ? answers : answers.map { _ in .kafkaStorageError })
        }
    }
}

extension BrokerNode {
    var shareStates: any ShareStateStore {
        ShareStates(topic: coordination.shareStates, controller: controller, markers: markers)
    }
}
