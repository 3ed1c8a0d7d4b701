import Coordinators
import KafkaMessages
import LogStorage
import Synchronization

/// Somebody who waits for records of share partitions.
protocol SharePartitionWaiter: AnyObject, Sendable {
    /// A share partition has records to deliver again. Called on any thread, must return quickly.
    func sharePartitionChanged()
}

/// The share partitions of this node: their state machines on `__share_group_state`, and those who wait for them.
final class ShareStates: Sendable {
    let topic: CoordinatorTopic<ShareStateShard>
    private let environment: CoordinationEnvironment
    private let waiters: ShareWaiters
    private let searching = Mutex<Set<SharePartitionKey>>([])
    /// Groups whose states are being forgotten: they begin nothing until that is over.
    private let forgetting = Mutex<[String: Int]>([:])

    init(_ environment: CoordinationEnvironment) {
        self.environment = environment
        let waiters = ShareWaiters()
        self.waiters = waiters
        let catalog = environment.catalog
        topic = CoordinatorTopic(.shareGroupState, environment) { _ in
            ShareStateShard { catalog.topic(id: $0.topicId)?.partition($0.partition)?.recoveredEnd }
        } execute: { _, keys in
            for key in keys { waiters.wake(key) }
        }
    }

    /// The state machine of a share partition; nil before the topic exists.
    func host(of key: SharePartitionKey) -> ShardHost<ShareStateShard>? { topic.host(of: key.coordinatorKey) }

    func add(_ waiter: any SharePartitionWaiter, to key: SharePartitionKey) { waiters.add(waiter, to: key) }
    func remove(_ waiter: any SharePartitionWaiter, from key: SharePartitionKey) { waiters.remove(waiter, from: key) }
    func wake(_ key: SharePartitionKey) { waiters.wake(key) }

    /// Whether the caller is to look where delivery begins, as nobody does yet.
    func beginSearch(_ key: SharePartitionKey) -> Bool { searching.withLock { $0.insert(key).inserted } }
    func endSearch(_ key: SharePartitionKey) { searching.withLock { _ = $0.remove(key) } }

    /// A member has gone: what it has of these goes to others.
    func release(_ keys: some Sequence<SharePartitionKey>, of member: String) {
        for key in keys {
            host(of: key)?.perform { shard, _, _ in
                let hadAny = shard.release(key, member)
                return ((), Decision(), hadAny ? [key] : [])
            }
        }
    }

    /// A member was given records and is not told of them.
    func takeBack(_ acquired: [SharePartition.Acquired], of key: SharePartitionKey, from member: String) {
        host(of: key)?.perform { shard, _, _ in
            shard.takeBack(key, acquired, from: member)
            return ((), Decision(), [key])
        }
    }

    // MARK: Forgetting

    /// Keeps groups from beginning to read anything until `endForgetting`: what they would keep could not be told from what
    /// is to be forgotten.
    func beginForgetting(_ groups: some Sequence<String>) {
        forgetting.withLock { forgetting in
            for group in groups { forgetting[group, default: 0] += 1 }
        }
    }

    func endForgetting(_ groups: some Sequence<String>) {
        forgetting.withLock { forgetting in
            for group in groups {
                let count = (forgetting[group] ?? 0) - 1
                forgetting[group] = count > 0 ? count : nil
            }
        }
    }

    func isForgetting(_ group: String) -> Bool { forgetting.withLock { $0[group] != nil } }

    /// Forgets what is kept of topics that are gone.
    func forgetDeletedTopics() {
        let topics = environment.catalog.snapshot
        forget { topics.byId[$0.topicId] == nil }
    }

    /// Forgets what a crash has left of groups and topics that had been deleted before it.
    ///
    /// - Parameter isKept: whether a group reads a partition; also where that is not known.
    func forgetLeftovers(_ isKept: (SharePartitionKey) -> Bool) {
        let topics = environment.catalog.snapshot
        forget { topics.byId[$0.topicId] == nil || !isKept($0) }
    }

    /// - Returns: what became of it in each shard that kept any of these; nil for one that cannot be asked now.
    @discardableResult
    func forget(
        where isForgotten: (SharePartitionKey) -> Bool
    ) -> [(value: ErrorCode, failure: ErrorCode?, syncOffset: Int64?)?] {
        var results: [(value: ErrorCode, failure: ErrorCode?, syncOffset: Int64?)?] = []
        // What cannot be read now is looked at when it can be, at a start.
        for host in topic.hosts where !host.isFailed {
            guard let keys = host.read({ shard, _ in shard.keys.filter(isForgotten) }) else {
                results.append(nil)
                continue
            }
            guard !keys.isEmpty else { continue }
            results.append(host.perform { shard, now, _ in (ErrorCode.none, shard.remove(keys, at: now), keys) })
        }
        return results
    }
}

/// Who waits for which share partition.
private final class ShareWaiters: Sendable {
    private let waiting = Mutex<[SharePartitionKey: [ObjectIdentifier: any SharePartitionWaiter]]>([:])

    func add(_ waiter: any SharePartitionWaiter, to key: SharePartitionKey) {
        waiting.withLock { $0[key, default: [:]][ObjectIdentifier(waiter)] = waiter }
    }

    func remove(_ waiter: any SharePartitionWaiter, from key: SharePartitionKey) {
        waiting.withLock { waiting in
            waiting[key]?[ObjectIdentifier(waiter)] = nil
            if waiting[key]?.isEmpty == true { waiting[key] = nil }
        }
    }

    func wake(_ key: SharePartitionKey) {
        for waiter in waiting.withLock({ Array(($0[key] ?? [:]).values) }) { waiter.sharePartitionChanged() }
    }
}

/// What the coordinator of share groups asks of them. Answers wait until what they tell is on disk.
struct KeptShareStates: ShareStateStore {
    let node: BrokerNode

    func initialize(
        _ partitions: [(key: SharePartitionKey, startOffset: Int64)], stateEpoch: Int32,
        done: @escaping @Sendable ([ErrorCode]) -> Void
    ) {
        let leaderEpoch = node.leaderEpoch
        whenThere(partitions.count, done) { states in
            partitions.map { partition in
                let log = node.catalog.topic(id: partition.key.topicId)?.partition(partition.key.partition)?.log
                return states.host(of: partition.key)?.perform {
                    shard, now, _ -> (ErrorCode, Decision, [SharePartitionKey]) in
                    // It may have been deleted, or have forgotten the partition, since it has said so.
                    let group = node.groups.host(of: partition.key.group)
                    guard group?.read({ shard, _ in shard.hasBegun(partition.key) }) == true else {
                        return (.groupIdNotFound, Decision(), [])
                    }
                    let decision = shard.initialize(
                        partition.key, startOffset: partition.startOffset, logEnd: log?.offsets.logEnd,
                        stateEpoch: stateEpoch, leaderEpoch: leaderEpoch, at: now)
                    guard let decision else { return (.fencedStateEpoch, Decision(), []) }
                    return (.none, decision, [partition.key])
                }
            }
        }
    }

    func forget(
        where isForgotten: @escaping @Sendable (SharePartitionKey) -> Bool,
        done: @escaping @Sendable (ErrorCode) -> Void
    ) {
        // Where there is no topic, nothing is kept.
        guard !node.coordination.shares.topic.hosts.isEmpty else { return done(.none) }
        whenThere(1, { codes in done(codes.first { $0 != .none } ?? .none) }) { $0.forget(where: isForgotten) }
    }

    func summaries(of keys: [SharePartitionKey], done: @escaping @Sendable ([ShareStateAnswer]) -> Void) {
        let states = node.coordination.shares
        guard !states.topic.hosts.isEmpty else { return done(keys.map { _ in .nothing }) }
        var syncs: [(partition: Partition, offset: Int64)] = []
        let answers = keys.map { key -> ShareStateAnswer in
            guard let host = states.host(of: key) else { return .nothing }
            let found = host.read { shard, _ in shard.state(key) }
            guard let found else { return .failed(host.unavailability ?? .coordinatorLoadInProgress) }
            guard let state = found else { return .nothing }
            let offsets = host.partition.log.offsets
            if offsets.durableEnd < offsets.logEnd, !syncs.contains(where: { $0.partition === host.partition }) {
                syncs.append((host.partition, offsets.logEnd))
            }
            return .kept(
                ShareStateSummary(
                    stateEpoch: state.stateEpoch, leaderEpoch: state.leaderEpoch, startOffset: state.startOffset,
                    deliveryCompleteCount: Int32(clamping: state.deliveryCompleteCount)))
        }
        node.markers.force(syncs) { isDurable in
            done(isDurable ? answers : keys.map { _ in .failed(.coordinatorNotAvailable) })
        }
    }

    /// Changes states once their topic exists, and tells how each went when that is durable.
    private func whenThere(
        _ count: Int, _ done: @escaping @Sendable ([ErrorCode]) -> Void,
        _ change: @escaping @Sendable (ShareStates) -> [(value: ErrorCode, failure: ErrorCode?, syncOffset: Int64?)?]
    ) {
        let (states, node) = (node.coordination.shares, node)
        states.topic.prepare(node.controller) { error in
            if let error { return done((0..<count).map { _ in error.code }) }
            let results = change(states)
            let codes = results.map { $0.map { $0.failure ?? $0.value } ?? .coordinatorLoadInProgress }
            // Those that share a partition of the log are forced with it.
            let syncs = states.topic.hosts.compactMap { host -> (partition: Partition, offset: Int64)? in
                let offsets = host.partition.log.offsets
                return offsets.durableEnd < offsets.logEnd ? (host.partition, offsets.logEnd) : nil
            }
            node.markers.force(results.contains { $0?.syncOffset != nil } ? syncs : []) { isDurable in
                done(isDurable ? codes : (0..<count).map { _ in .coordinatorNotAvailable })
            }
        }
    }
}

extension BrokerNode {
    var shareStates: any ShareStateStore { KeptShareStates(node: self) }
}
