import Coordinators
import KafkaMessages
import LogStorage
import Logging
import NIOCore
import RecordBatches
import Synchronization

/// The transaction coordinator of this node: its shards, and what happens outside of them when transactions begin and
/// end in partitions.
final class TransactionCoordinators: Sendable {
    /// Additions that are remembered before those that are durable are looked for and forgotten.
    private static let additionCountMax = 256

    let topic: CoordinatorTopic<TransactionShard>
    private let environment: CoordinationEnvironment
    private let markers: MarkerWriter
    private let start: TransactionStart
    /// Per producer, the offset of `__transaction_state` up to which it must be durable before an append to a partition
    /// that was just added to the producer's transaction may be answered.
    private let additions = Mutex<[Int64: Addition]>([:])

    /// What an answer waits for besides the records' own partition.
    struct Addition: Sendable {
        var partition: Partition
        var offset: Int64

        var isDurable: Bool { partition.log.offsets.durableEnd >= offset }
    }

    init(
        _ environment: CoordinationEnvironment, _ configuration: TransactionConfiguration, markers: MarkerWriter
    ) {
        self.environment = environment
        self.markers = markers
        let start = TransactionStart()
        self.start = start
        topic = CoordinatorTopic(.transactionState, environment) { _ in
            TransactionShard(configuration: configuration)
        } execute: { host, orders in
            for order in orders { Self.carryOut(order, of: host, markers, start) }
        }
    }

    // MARK: Ends

    /// Writes the markers of a transaction whose outcome is durable, then tells the shard.
    private static func carryOut(
        _ order: MarkerOrder, of host: ShardHost<TransactionShard>, _ markers: MarkerWriter, _ start: TransactionStart
    ) {
        let targets = order.topics.flatMap { topic in
            topic.partitions.map { MarkerTarget(topic: topic.name, partition: $0) }
        }
        let marker = ControlMarker(kind: order.isCommit ? .commit : .abort, coordinatorEpoch: order.coordinatorEpoch)
        let producer = TransactionProducer(producerId: order.producerId, producerEpoch: order.producerEpoch)
        markers.write(
            marker, producer: producer, transactionVersion: order.transactionVersion, to: targets
        ) { isWritten in
            guard isWritten else {
                host.perform(waiting: .never) { shard, now, _ in
                    let decision = shard.markersRefused(
                        transactionalId: order.transactionalId, producerId: order.producerId,
                        producerEpoch: order.producerEpoch, at: now)
                    return ((), decision.decision, decision.markers)
                }
                return
            }
            // The record of the completion need not be durable before the client learns of it: a start that does not
            // find it writes the markers once more. When the log refuses it, the shard tries again by its timer.
            host.perform(waiting: .never) { shard, now, _ in
                let decision = shard.markersWritten(
                    transactionalId: order.transactionalId, producerId: order.producerId,
                    producerEpoch: order.producerEpoch, at: now)
                return ((), decision.decision, decision.markers)
            }
            start.markersWritten(of: producer)
        }
    }

    // MARK: Beginnings

    /// Sees to it that `partition` belongs to the producer's open transaction, before records are appended to it.
    ///
    /// - Parameter addsByItself: the client leaves adding partitions to the broker (KIP-890, transaction.version 2).
    /// - Returns: what must be durable before the append is answered, if anything but the records.
    func begin(
        _ producer: TransactionProducer, transactionalId: String, in partition: Partition, addsByItself: Bool
    ) -> Result<Addition?, ControlError> {
        if let open = partition.log.openTransaction(producerId: producer.producerId) {
            let isItsOwn: Bool
            switch start.phase {
            case .looking:
                // Whatever its epoch: what would be appended now may be aborted after it was acknowledged.
                return .failure(
                    ControlError(.coordinatorLoadInProgress, "transactions that a stop left open are being looked at"))
            case .ending:
                isItsOwn =
                    topic.host(of: transactionalId).map {
                        verify(producer, transactionalId, partition, $0) == ErrorCode.none
                    } ?? false
            case .settled: isItsOwn = true
            }
            if isItsOwn, open.epoch == producer.producerEpoch {
                return .success(addition(of: producer.producerId))
            }
        }
        guard let host = topic.host(of: transactionalId) else {
            return .failure(
                ControlError(.coordinatorNotAvailable, "transactional id '\(transactionalId)' is not known"))
        }
        guard addsByItself else {
            let code =
                verify(producer, transactionalId, partition, host) ?? host.unavailability
                ?? .coordinatorLoadInProgress
            return code == .none ? .success(nil) : .failure(ControlError(code, Self.explanation(code)))
        }
        let done = host.perform { shard, now, _ in
            let decision = shard.addImplicitly(
                transactionalId: transactionalId, producerId: producer.producerId,
                producerEpoch: producer.producerEpoch,
                topics: [TransactionTopic(name: partition.topicName, partitions: [partition.index])], at: now)
            return (decision.errorCode, decision.decision, decision.markers)
        }
        guard let done else {
            let code = host.unavailability ?? .coordinatorLoadInProgress
            return .failure(ControlError(code, Self.explanation(code)))
        }
        let code = done.failure ?? done.value
        guard code == .none else { return .failure(ControlError(code, Self.explanation(code))) }
        if let offset = done.syncOffset {
            additions.withLock { additions in
                // Most are forgotten when their producer writes on; those of producers that do not must not pile up.
                if additions.count >= Self.additionCountMax {
                    additions = additions.filter { !$0.value.isDurable }
                }
                additions[producer.producerId] = Addition(partition: host.partition, offset: offset)
            }
        }
        return .success(addition(of: producer.producerId))
    }

    private func addition(of producerId: Int64) -> Addition? {
        additions.withLock { additions in
            guard let addition = additions[producerId] else { return nil }
            if addition.isDurable {
                additions[producerId] = nil
                return nil
            }
            return addition
        }
    }

    /// The shard's verdict on whether `partition` belongs to the producer's open transaction; nil when it cannot be asked.
    private func verify(
        _ producer: TransactionProducer, _ transactionalId: String, _ partition: Partition,
        _ host: ShardHost<TransactionShard>
    ) -> ErrorCode? {
        host.read { shard, _ in
            shard.verify(
                transactionalId: transactionalId, producerId: producer.producerId,
                producerEpoch: producer.producerEpoch, topic: partition.topicName, partition: partition.index)
        }
    }

    /// Looks again after the append that began a transaction in `partition`. If the transaction ended in between, its
    /// marker may already lie before the records, which would then hold the partition's last stable offset for ever: an
    /// abort marker behind them ends that.
    ///
    /// - Returns: why the records do not count, if so.
    func confirm(
        _ producer: TransactionProducer, transactionalId: String, in partition: Partition
    ) -> ControlError? {
        guard let host = topic.host(of: transactionalId),
            let code = verify(producer, transactionalId, partition, host), code != .none,
            let open = partition.log.openTransactions().first(where: { $0.producerId == producer.producerId })
        else { return nil }
        let ended = TransactionProducer(producerId: open.producerId, producerEpoch: open.producerEpoch)
        let target = MarkerTarget(topic: partition.topicName, partition: partition.index)
        markers.write(open.abortMarker, producer: ended, transactionVersion: 0, to: [target]) { _ in }
        return ControlError(.invalidTxnState, "the transaction ended while its records were being written")
    }

    private static func explanation(_ code: ErrorCode) -> String {
        "the partition is not part of an open transaction of this producer (\(code.name))"
    }

    // MARK: Start

    /// Ends transactions in partitions of which the coordinator knows nothing. They come from a crash that kept records
    /// but lost that their partition was added to the transaction; nobody was told that these records were written. Their
    /// producer may be there still and send them again: its epoch is over, as by their sequence numbers they would be taken
    /// for written.
    ///
    /// Requests are served meanwhile. A partition is added to a transaction before its first record is written, so what
    /// is open is looked for first and what is known second: the other way round, a transaction that begins in between
    /// would be taken for unknown, and aborted under a client that then commits it.
    func abortUnknown() {
        let hosts = topic.hosts
        guard hosts.allSatisfy(\.isReady) else {
            if hosts.allSatisfy({ $0.isReady || $0.isFailed }) { start.giveUp() }
            return
        }
        var found: [(partition: Partition, transaction: OpenTransaction)] = []
        for topic in environment.catalog.snapshot.sorted {
            for partition in topic.partitions {
                found += partition.log.openTransactions().map { (partition, $0) }
            }
        }
        var known: [Int64: Set<MarkerTarget>] = [:]
        for host in hosts {
            for open in host.read({ shard, _ in shard.openTransactions }) ?? [] {
                for topic in open.topics {
                    known[open.producerId, default: []].formUnion(
                        topic.partitions.map { MarkerTarget(topic: topic.name, partition: $0) })
                }
            }
        }
        let unknown = found.filter { partition, open in
            let target = MarkerTarget(topic: partition.topicName, partition: partition.index)
            guard known[open.producerId]?.contains(target) != true else { return false }
            // Else it has ended by itself since it was found, and another one may have begun.
            return partition.log.openTransactions().contains {
                $0.producerId == open.producerId && $0.firstOffset == open.firstOffset
            }
        }
        guard !unknown.isEmpty else { return endLooking(hosts) }
        let left = Countdown(unknown.count)
        for (partition, open) in unknown {
            environment.logger.warning(
                "aborting a transaction that a crash left unfinished",
                metadata: [
                    "partition": "\(partition.topicName)-\(partition.index)", "producerId": "\(open.producerId)",
                    "firstOffset": "\(open.firstOffset)",
                ])
            let target = MarkerTarget(topic: partition.topicName, partition: partition.index)
            markers.write(
                open.abortMarker, producer: open.fence, transactionVersion: open.fenceVersion, to: [target],
                isFence: true
            ) { [self] isWritten in
                if left.finish(isGood: isWritten) == true { endLooking(hosts) }
            }
        }
    }

    private func endLooking(_ hosts: [ShardHost<TransactionShard>]) {
        start.endLooking {
            hosts.reduce(into: []) { all, host in all.formUnion(host.read { shard, _ in shard.endingProducers } ?? []) }
        }
    }
}
