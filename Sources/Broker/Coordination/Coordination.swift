import Coordinators
import Environment
import KafkaMessages
import LogStorage
import NIOCore
import NIOPosix

/// The group and transaction coordinators of this node.
struct Coordination: Sendable {
    let groups: CoordinatorTopic<GroupShard>
    let transactions: TransactionCoordinators
    let shareStates: CoordinatorTopic<ShareStateShard>
    let markers: MarkerWriter
    let environment: CoordinationEnvironment

    init(_ environment: CoordinationEnvironment, _ server: ServerProperties) {
        self.environment = environment
        let configuration = GroupConfiguration(server)
        let seed = UInt64.random(in: .min ... .max)
        groups = CoordinatorTopic(.consumerOffsets, environment) { partition in
            GroupShard(configuration: configuration, seed: seed &+ UInt64(UInt32(bitPattern: partition)))
        } execute: { _, _ in
        }
        shareStates = CoordinatorTopic(.shareGroupState, environment) { _ in
            ShareStateShard()
        } execute: { _, _ in
        }
        markers = MarkerWriter(environment, groups: groups)
        transactions = TransactionCoordinators(environment, TransactionConfiguration(server), markers: markers)
    }

    /// Takes the coordinators into service whose topics exist. Shards with a log are read in the background; requests
    /// for them are answered with COORDINATOR_LOAD_IN_PROGRESS until then.
    ///
    /// - Parameter done: called when all shards are in service, on any thread.
    func start(_ done: @escaping @Sendable () -> Void) {
        let groupHosts = groups.attach()
        let shareHosts = shareStates.attach()
        let transactionHosts = transactions.topic.attach()
        environment.diskPool.submit { state in
            defer { done() }
            guard case .active = state else { return }
            // Groups first: transactions that a crash left half ended write markers into the groups' partitions.
            for host in groupHosts { host.load() }
            for host in shareHosts { host.load() }
            forgetDeletedTopics()
            for host in transactionHosts { host.load() }
            endUnknownTransactions()
        }
    }

    /// Ends transactions that a crash left to nobody.
    func endUnknownTransactions() { transactions.abortUnknown() }

    /// Topics were created, deleted or got more partitions.
    func topicsChanged(deleted names: [String]) {
        guard !names.isEmpty else { return }
        forget(names)
    }

    /// What share groups keep of the partitions goes first: the groups know which these are.
    private func forget(_ names: [String]) {
        let shared = groups.hosts.flatMap { host in
            host.read { shard, _ in shard.shareGroupPartitions(ofTopics: Set(names)) } ?? []
        }
        for entry in shared {
            for partition in entry.partitions {
                let key = SharePartitionKey(group: entry.group, topicId: entry.topicId, partition: partition)
                shareStates.host(of: key.coordinatorKey)?.perform { shard, _, _ in
                    var decision = Decision()
                    shard.delete(key, &decision)
                    return ((), decision, [])
                }
            }
        }
        for host in groups.hosts { host.perform { shard, now, _ in ((), shard.topicsDeleted(names, at: now), []) } }
    }

    /// Forgets offsets of topics whose deletion a crash cut short.
    private func forgetDeletedTopics() {
        for host in groups.hosts {
            let names = host.read { shard, _ in shard.topicsWithOffsets } ?? []
            let gone = names.filter { environment.catalog.topic(named: $0) == nil }.sorted()
            guard !gone.isEmpty else { continue }
            forget(gone)
        }
    }

    /// For a stop: what waits for other clients is given up; everything else is still served.
    func endWaiting() {
        for host in groups.hosts { host.endWaiting() }
        for host in transactions.topic.hosts { host.endWaiting() }
    }

    /// What a stop of the broker has to do here.
    var drainHook: DrainHook {
        DrainHook(
            name: "coordinators",
            end: {
                markers.close()
                groups.close()
                transactions.topic.close()
                shareStates.close()
            })
    }
}
