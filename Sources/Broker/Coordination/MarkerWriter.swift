import Coordinators
import Environment
import KafkaMessages
import LogStorage
import Logging
import NIOCore
import RecordBatches
import Synchronization

/// One partition in which a transaction ends.
struct MarkerTarget: Hashable, Sendable {
    var topic: String
    var partition: Int32
}

/// Ends transactions in the partitions that they touched: writes the marker into each and forces it to disk.
final class MarkerWriter: Sendable {
    private static let retryDelay = TimeAmount.milliseconds(200)

    private let environment: CoordinationEnvironment
    private let groups: CoordinatorTopic<GroupShard>
    private let isClosed = Atomic<Bool>(false)

    init(_ environment: CoordinationEnvironment, groups: CoordinatorTopic<GroupShard>) {
        self.environment = environment
        self.groups = groups
    }

    /// Calls `done` with true when the marker is durable in all partitions that still exist. What a full disk refuses is
    /// tried again until it is written: the outcome of the transaction is decided already. With false when the disk has
    /// failed for good, or the broker stops: the next start writes the markers.
    ///
    /// - Parameters:
    ///   - transactionVersion: of the end; see `PartitionLog.appendMarker`.
    ///   - isFence: the marker comes from no coordinator, but ends what none knows: a refusal says that the producer is
    ///     at work with the epoch that was to end it, and what it has begun is left alone.
    func write(
        _ marker: ControlMarker, producer: TransactionProducer, transactionVersion: Int16, to targets: [MarkerTarget],
        isFence: Bool = false, _ done: @escaping @Sendable (_ isWritten: Bool) -> Void
    ) {
        var isOver = false
        var left: [MarkerTarget] = []
        var syncs: [(partition: Partition, offset: Int64)] = []
        for target in targets {
            guard let partition = environment.catalog.topic(named: target.topic)?.partition(target.partition),
                !partition.isDeleted
            else { continue }
            switch append(marker, producer, transactionVersion, to: partition) {
            case .success(let end):
                partition.wakeWaiters()
                syncs.append((partition, end))
            case .failure(let error) where error.isFinalForMarker:
                // A newer epoch of the producer is at work here already, which can only be after this end was written.
                environment.logger.warning(
                    "a transaction's marker was refused",
                    metadata: ["partition": "\(target.topic)-\(target.partition)", "error": "\(error)"])
                // Only from version 2 on an equal epoch tells of another transaction; otherwise it is this one.
                if error.code == .invalidProducerEpoch, transactionVersion >= 2, !isFence,
                    let end = abortNext(of: producer, in: partition)
                {
                    syncs.append((partition, end))
                }
            case .failure(let error):
                environment.alarm.note(error)
                if error.code == .failed { isOver = true } else { left.append(target) }
            case nil: left.append(target)
            }
        }
        if isOver { return done(false) }
        let retry = left
        let finish: @Sendable (Bool) -> Void = { [self] isDurable in
            guard isDurable, retry.isEmpty || !isClosed.load(ordering: .acquiring) else { return done(false) }
            if retry.isEmpty { return done(true) }
            environment.timerLoop.scheduleTask(in: Self.retryDelay) { [self] in
                write(
                    marker, producer: producer, transactionVersion: transactionVersion, to: retry, isFence: isFence,
                    done)
            }
        }
        force(syncs, finish)
    }

    /// Ends the transaction that comes after the one whose marker was refused, if one is open. It has left records here, but
    /// the coordinator knows nothing of it, as it is ending the one before once more: a crash took back that it had begun,
    /// and nobody was told that its records were written. The epoch is raised, so that its producer, which may send them
    /// again, does not take them for written.
    ///
    /// - Returns: the offset after the marker.
    private func abortNext(of producer: TransactionProducer, in partition: Partition) -> Int64? {
        guard let open = partition.log.openTransactions().first(where: { $0.producerId == producer.producerId }),
            open.producerEpoch == producer.producerEpoch
        else { return nil }
        guard case .success(let end) = append(open.abortMarker, open.fence, open.fenceVersion, to: partition) else {
            return nil
        }
        partition.wakeWaiters()
        return end
    }

    /// Writes the marker into one partition.
    ///
    /// - Returns: the offset after it; nil when the partition's coordinator is still loading.
    func append(
        _ marker: ControlMarker, _ producer: TransactionProducer, _ transactionVersion: Int16, to partition: Partition
    ) -> Result<Int64, LogError>? {
        if partition.topicName == InternalTopic.consumerOffsets.rawValue {
            guard let host = groups.host(partition: partition.index) else { return nil }
            return host.appendMarker(
                marker, producerId: producer.producerId, producerEpoch: producer.producerEpoch,
                transactionVersion: transactionVersion
            ) { shard, now in
                shard.completeTransaction(
                    producerId: producer.producerId, isCommit: marker.kind == .commit, at: now)
            }
        }
        return Result { () throws(LogError) in
            try partition.log.appendMarker(
                marker, producerId: producer.producerId, producerEpoch: producer.producerEpoch,
                now: environment.clock.now(), transactionVersion: transactionVersion
            ).lastOffset + 1
        }
    }

    /// Calls `done` when all partitions are durable up to their offsets, with whether they are.
    func force(
        _ syncs: [(partition: Partition, offset: Int64)], _ done: @escaping @Sendable (Bool) -> Void
    ) {
        guard environment.syncsBeforeReply, !syncs.isEmpty else { return done(true) }
        let left = Countdown(syncs.count)
        for sync in syncs {
            environment.syncScheduler.sync(sync.partition, upTo: sync.offset) { failure in
                if let isGood = left.finish(isGood: failure == nil) { done(isGood) }
                return nil
            }
        }
    }

    func close() { isClosed.store(true, ordering: .releasing) }
}

/// Counts parts of a whole down.
final class Countdown: Sendable {
    private let state: Mutex<(left: Int, isGood: Bool)>

    init(_ count: Int) { state = Mutex((count, true)) }

    /// - Returns: whether all parts were good, from the last one; nil before.
    func finish(isGood: Bool) -> Bool? {
        state.withLock { state in
            state.left -= 1
            state.isGood = state.isGood && isGood
            return state.left == 0 ? state.isGood : nil
        }
    }
}

extension OpenTransaction {
    /// Its producer with the epoch that ends it and refuses what the producer sends for it afterwards.
    var fence: TransactionProducer {
        TransactionProducer(producerId: producerId, producerEpoch: producerEpoch == .max ? .max : producerEpoch + 1)
    }

    /// With the fence's epoch the producer may have begun another transaction meanwhile, which the marker must not end. The
    /// last epoch cannot be raised, and there is none after it.
    var fenceVersion: Int16 { producerEpoch == .max ? 0 : 2 }

    var abortMarker: ControlMarker { ControlMarker(kind: .abort, coordinatorEpoch: max(0, coordinatorEpoch)) }
}

extension LogError {
    /// Whether trying again could not change the refusal of a marker.
    fileprivate var isFinalForMarker: Bool {
        switch code {
        case .invalidProducerEpoch, .transactionCoordinatorFenced: true
        default: false
        }
    }
}
