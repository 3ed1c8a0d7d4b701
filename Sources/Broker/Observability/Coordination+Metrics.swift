import Coordinators
import KafkaMessages
import LogStorage
import Observability
import Synchronization

/// Groups and transactional ids at one look.
private struct CoordinationFigures: Sendable {
    struct Kind: Hashable {
        var type: String
        var state: String
    }
    struct GroupTopic: Hashable {
        var group: String
        var topic: String
    }
    var groups: [Kind: Int] = [:]
    var lag: [GroupTopic: Int64] = [:]
    var transactions: [String: Int] = [:]
    /// Records that readers of committed records wait for.
    var undecidedRecordCount: Int64 = 0
}

extension BrokerNode {
    /// Registers what the coordinators know. Lag is told for at most `metrics.groups.max` groups, the first in the order
    /// of names.
    func registerCoordinationMetrics() {
        let registry = metrics.registry
        let groupCountMax = Int(controller.server.number("metrics.groups.max"))
        let figures = LockedFigures()
        registry.beforeEachLook { [weak self] in
            if let self { figures.value = self.coordinationFigures(groupCountMax: groupCountMax) }
        }
        registry.samples("swiftwater_groups", "Groups, by type and state.", .gauge) {
            figures.value.groups.sorted { ($0.key.type, $0.key.state) < ($1.key.type, $1.key.state) }.map {
                .init([("type", $0.key.type), ("state", $0.key.state)], Double($0.value))
            }
        }
        registry.samples(
            "swiftwater_group_lag_records",
            "Records between a group's committed offsets and the ends of the partitions, by group and topic.", .gauge
        ) {
            figures.value.lag.sorted { ($0.key.group, $0.key.topic) < ($1.key.group, $1.key.topic) }.map {
                .init([("group", $0.key.group), ("topic", $0.key.topic)], Double($0.value))
            }
        }
        registry.gauge(
            "swiftwater_coordinators_failed",
            "Partitions of the internal topics that could not be read at the start; their groups or transactions are not served."
        ) { [coordination] in
            Double(
                coordination.groups.hosts.count(where: \.isFailed)
                    + coordination.transactions.topic.hosts.count(where: \.isFailed))
        }
        registry.samples(
            "swiftwater_transactional_ids", "Transactional ids, by the state of their transaction.", .gauge
        ) {
            figures.value.transactions.sorted { $0.key < $1.key }.map { .init([("state", $0.key)], Double($0.value)) }
        }
        registry.gauge(
            "swiftwater_undecided_records",
            "Records behind the last stable offsets, which wait for the end of a transaction, over all partitions."
        ) {
            Double(figures.value.undecidedRecordCount)
        }
    }

    private func coordinationFigures(groupCountMax: Int) -> CoordinationFigures {
        var figures = CoordinationFigures()
        let topics = catalog.snapshot
        var listed: [(group: String, host: ShardHost<GroupShard>)] = []
        for host in groups.hosts {
            for group in host.read({ shard, _ in shard.list() }) ?? [] {
                figures.groups[.init(type: group.groupType, state: group.groupState), default: 0] += 1
                listed.append((group.groupId, host))
            }
        }
        for (group, host) in listed.sorted(by: { $0.group < $1.group }).prefix(groupCountMax) {
            var request = OffsetFetchRequest.OffsetFetchRequestGroup()
            request.groupId = group
            request.topics = nil
            let found = host.read { shard, now in
                shard.offsetFetch(request, requireStable: false, version: 9, at: now, topics: topics)
            }
            for committed in found?.topics ?? [] {
                guard let topic = topics.topic(named: committed.name) else { continue }
                for offset in committed.partitions where offset.committedOffset >= 0 {
                    guard let partition = topic.partition(offset.partitionIndex) else { continue }
                    figures.lag[.init(group: group, topic: committed.name), default: 0] += max(
                        0, partition.log.logEnd - offset.committedOffset)
                }
            }
        }
        for host in transactions.topic.hosts {
            let found = host.read { shard, now in
                shard.list(ListTransactionsRequest(), at: now, matches: { _ in true })
            }
            for state in found?.transactionStates ?? [] {
                figures.transactions[state.transactionState, default: 0] += 1
            }
        }
        for topic in topics.byName.values {
            for partition in topic.partitions {
                let offsets = partition.log.offsets
                figures.undecidedRecordCount += offsets.logEnd - offsets.lastStable
            }
        }
        return figures
    }
}

/// The figures of the last look, shared by the metrics that tell them.
private final class LockedFigures: Sendable {
    private let state = Mutex(CoordinationFigures())

    var value: CoordinationFigures {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

extension Compactor {
    func registerMetrics(_ registry: MetricRegistry) {
        let counters: [(String, String, @Sendable (CompactionMetrics) -> Double)] = [
            (
                "swiftwater_compactions_total", "Cleanings of partitions that came to their end.",
                { Double($0.runCount) }
            ),
            (
                "swiftwater_compaction_failures_total", "Cleanings of partitions that failed and are tried again.",
                { Double($0.failureCount) }
            ),
            (
                "swiftwater_compaction_read_bytes_total", "Bytes of segments that cleaning has read.",
                { Double($0.readByteCount) }
            ),
            (
                "swiftwater_compaction_written_bytes_total", "Bytes of segments that cleaning has written.",
                { Double($0.writtenByteCount) }
            ),
        ]
        for (name, help, value) in counters {
            registry.counter(name, help) { [weak self] in self.map { value($0.metrics) } ?? 0 }
        }
        registry.gauge(
            "swiftwater_compaction_uncleanable_partitions", "Partitions that could not be cleaned at the last attempt."
        ) { [weak self] in
            Double(self?.metrics.uncleanablePartitions.count ?? 0)
        }
    }
}
