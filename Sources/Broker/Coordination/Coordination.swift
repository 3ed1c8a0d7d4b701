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
    let markers: MarkerWriter
    let shares: ShareStates
    let streamsTopics = StreamsTopicFailures()
    let environment: CoordinationEnvironment

    /// - Parameter settingsOfGroup: the settings of one group, by its id.
    init(
        _ environment: CoordinationEnvironment, _ server: ServerProperties,
        settingsOfGroup: @escaping @Sendable (String) -> GroupSettings? = { _ in nil }
    ) {
        self.environment = environment
        let configuration = GroupConfiguration(server, settingsOfGroup: settingsOfGroup)
        let seed = UInt64.random(in: .min ... .max)
        groups = CoordinatorTopic(.consumerOffsets, environment) { partition in
            GroupShard(configuration: configuration, seed: seed &+ UInt64(UInt32(bitPattern: partition)))
        } execute: { _, _ in
        }
        markers = MarkerWriter(environment, groups: groups)
        transactions = TransactionCoordinators(environment, TransactionConfiguration(server), markers: markers)
        shares = ShareStates(environment)
    }

    /// Takes the coordinators into service whose topics exist. Shards with a log are read in the background; requests
    /// for them are answered with COORDINATOR_LOAD_IN_PROGRESS until then.
    ///
    /// - Parameter done: called when all shards are in service, on any thread.
    func start(_ done: @escaping @Sendable () -> Void) {
        let groupHosts = groups.attach()
        let transactionHosts = transactions.topic.attach()
        let shareHosts = shares.topic.attach()
        environment.diskPool.submit { state in
            defer { done() }
            guard case .active = state else { return }
            // Groups first: transactions that a crash left half ended write markers into the groups' partitions.
            for host in groupHosts { host.load() }
            forgetDeletedTopics()
            for host in transactionHosts { host.load() }
            for host in shareHosts { host.load() }
            forgetLeftShareStates()
            endUnknownTransactions()
        }
    }

    /// Ends transactions that a crash left to nobody.
    func endUnknownTransactions() { transactions.abortUnknown() }

    /// Topics were created, deleted or got more partitions.
    func topicsChanged(deleted names: [String]) {
        guard !names.isEmpty else { return }
        for host in groups.hosts { host.perform { shard, now, _ in ((), shard.topicsDeleted(names, at: now), []) } }
        shares.forgetDeletedTopics()
    }

    /// Forgets offsets of topics whose deletion a crash cut short.
    private func forgetDeletedTopics() {
        for host in groups.hosts {
            let names = host.read { shard, _ in shard.topicsWithOffsets } ?? []
            let gone = names.filter { environment.catalog.topic(named: $0) == nil }.sorted()
            guard !gone.isEmpty else { continue }
            host.perform { shard, now, _ in ((), shard.topicsDeleted(gone, at: now), []) }
        }
    }

    /// Forgets what is kept of share groups and topics whose deletion a crash cut short.
    private func forgetLeftShareStates() {
        shares.forgetLeftovers { [groups] key in
            // Without the topic of groups there are none; what cannot be read may hold it.
            guard let host = groups.host(of: key.group) else { return false }
            return host.read { shard, _ in shard.hasBegun(key) } ?? true
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
                shares.topic.close()
            })
    }
}
