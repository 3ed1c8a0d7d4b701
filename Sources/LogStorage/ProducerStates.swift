import RecordBatches

/// What the log knows of each idempotent producer: enough to append every batch exactly once however often it is sent.
///
/// Sequence numbers count records, per partition and producer epoch, and wrap from 2147483647 to 0.
///
/// - SeeAlso: KIP-98 "Producer Id"; upstream `ProducerStateManager`, `ProducerAppendInfo`.
struct ProducerStates: Sendable {
    /// Batches remembered per producer: the most requests a Java producer has in flight.
    static let windowCountMax = 5

    /// A batch that was appended.
    struct AppendedBatch: Sendable, Equatable {
        var lastSequence: Int32
        var offsetDelta: Int32
        var lastOffset: Int64
        /// Largest timestamp of the batch.
        var timestamp: Int64

        var firstSequence: Int32 { (lastSequence &- offsetDelta) & .max }
        var baseOffset: Int64 { lastOffset &- Int64(offsetDelta) }
    }

    struct Producer: Sendable, Equatable {
        var epoch: Int16
        /// The newest batches of this epoch, oldest first.
        var window: [AppendedBatch] = []
        /// Records, up to the newest, that are known to be in the log without a gap in their sequence numbers.
        var chainCount: Int64 = 0
        /// The only sequence number a producer without batches in this epoch may begin with; nil when that is not known.
        /// A new epoch begins with 0, and after a refused first batch a later one must not overtake it.
        var expectedSequence: Int32?
        /// Known only by a batch that the disk refused: nothing of it is in the log.
        var isPending = false
        /// Of the last transaction marker, -1 when there was none.
        var coordinatorEpoch: Int32 = -1
        /// First offset of the open transaction, -1 when none is open.
        var currentTxnFirstOffset: Int64 = -1
        /// Of the newest batch or marker, -1 when not known.
        var lastTimestamp: Int64 = -1
        /// Wall clock of the last append, or of opening the log.
        var usedAt: Int64

        /// - Returns: the first offset of the transaction that the batch begins or ends, if it does.
        mutating func note(
            _ header: BatchHeader, marker: ControlMarker?, now: Int64
        ) -> (begun: Int64?, ended: Int64?) {
            begin(epoch: header.producerEpoch)
            isPending = false
            usedAt = now
            lastTimestamp = header.maxTimestamp
            if header.attributes.isControl {
                if let marker { coordinatorEpoch = marker.coordinatorEpoch }
                defer { currentTxnFirstOffset = -1 }
                return (nil, currentTxnFirstOffset >= 0 ? currentTxnFirstOffset : nil)
            }
            if header.baseSequence >= 0 {
                expectedSequence = nil
                append(
                    AppendedBatch(
                        lastSequence: header.lastSequence, offsetDelta: header.lastOffsetDelta,
                        lastOffset: header.lastOffset, timestamp: header.maxTimestamp))
            }
            guard header.attributes.isTransactional, currentTxnFirstOffset < 0 else { return (nil, nil) }
            currentTxnFirstOffset = header.baseOffset
            return (header.baseOffset, nil)
        }

        /// Sequences begin anew with an epoch.
        mutating func begin(epoch newEpoch: Int16) {
            guard epoch != newEpoch else { return }
            epoch = newEpoch
            window = []
            chainCount = 0
            expectedSequence = 0
        }

        mutating func append(_ batch: AppendedBatch) {
            let follows = window.last.map { ($0.lastSequence &+ 1) & .max == batch.firstSequence } ?? false
            chainCount = (follows ? chainCount : 0) + Int64(batch.offsetDelta) + 1
            if window.count == ProducerStates.windowCountMax { window.removeFirst() }
            window.append(batch)
            lastTimestamp = batch.timestamp
        }
    }

    enum Verdict: Equatable {
        case append
        /// The same batch is in the log already.
        case duplicate(AppendedBatch)
    }

    private(set) var producers: [Int64: Producer] = [:]
    private(set) var open = OpenTransactions()

    init() {}

    init(_ producers: [Int64: Producer]) {
        self.producers = producers
        let unended = producers.filter { $0.value.currentTxnFirstOffset >= 0 }
        for (id, producer) in unended.sorted(by: { $0.value.currentTxnFirstOffset < $1.value.currentTxnFirstOffset }) {
            open.begin(producerId: id, at: producer.currentTxnFirstOffset)
        }
    }

    /// Whether a batch may be appended now.
    ///
    /// - Parameter firstSequenceIsZero: see `PartitionLog.append`.
    /// - Throws: `.invalidProducerEpoch` when a newer epoch was seen; `.outOfOrderSequence` when records before this batch
    ///   are missing; `.duplicateSequence` when all its records are in the log, too far back to know their offsets;
    ///   `.invalidTxnState` for a batch that is not part of the open transaction of its producer.
    func check(_ header: BatchHeader, firstSequenceIsZero: Bool = false) throws(LogError) -> Verdict {
        guard header.producerId >= 0 else { return .append }
        guard let producer = producers[header.producerId] else {
            guard !firstSequenceIsZero || header.baseSequence <= 0 else {
                throw outOfOrder(header, "nothing is known of the producer, which begins with sequence 0")
            }
            return .append
        }
        guard header.producerEpoch >= producer.epoch else { throw oldEpoch(header.producerId, header.producerEpoch) }
        let verdict = try checkSequence(header, producer, firstSequenceIsZero)
        if case .append = verdict, producer.currentTxnFirstOffset >= 0, !header.attributes.isTransactional {
            throw LogError(
                .invalidTxnState,
                "producer \(header.producerId) sent a batch outside of its transaction, open since offset "
                    + "\(producer.currentTxnFirstOffset)")
        }
        return verdict
    }

    private func checkSequence(
        _ header: BatchHeader, _ producer: Producer, _ firstSequenceIsZero: Bool
    ) throws(LogError) -> Verdict {
        guard header.baseSequence >= 0 else { return .append }  // a coordinator's batch has no sequence
        if header.producerEpoch > producer.epoch {
            guard header.baseSequence == 0 else {
                throw outOfOrder(header, "a new epoch begins with sequence 0")
            }
            return .append
        }
        guard let newest = producer.window.last else {
            if let expected = producer.expectedSequence ?? (firstSequenceIsZero ? 0 : nil),
                expected != header.baseSequence
            {
                throw outOfOrder(header, "\(expected) is expected")
            }
            return .append
        }
        for batch in producer.window.reversed()
        where batch.lastSequence == header.lastSequence && batch.firstSequence == header.baseSequence {
            return .duplicate(batch)
        }
        if header.baseSequence == (newest.lastSequence &+ 1) & .max { return .append }
        let behind = Int64((newest.lastSequence &- header.lastSequence) & .max)
        // 46 tells the producer that its records are safe, so it is said only of records that surely are in the log.
        if behind + Int64(header.lastOffsetDelta) + 1 <= producer.chainCount {
            throw LogError(
                .duplicateSequence,
                "producer \(header.producerId) sent sequence \(header.baseSequence) again, \(behind) records ago")
        }
        throw outOfOrder(header, "\((newest.lastSequence &+ 1) & .max) is expected")
    }

    /// Whether a transaction marker may be appended now.
    ///
    /// With transaction.version 2 a marker's epoch is above that of the transaction's batches. One with their epoch is late
    /// and would end the producer's next transaction; only a repeat, with no transaction open, is let through.
    ///
    /// - Throws: `.invalidProducerEpoch` when a newer epoch was seen; `.transactionCoordinatorFenced` when a marker came
    ///   from a newer coordinator.
    /// - SeeAlso: KIP-890; upstream `ProducerAppendInfo.checkProducerEpoch`.
    func check(
        _ marker: ControlMarker, producerId: Int64, producerEpoch: Int16, transactionVersion: Int16
    ) throws(LogError) {
        guard let producer = producers[producerId] else { return }
        let isLate =
            transactionVersion >= 2 && producerEpoch == producer.epoch && producer.currentTxnFirstOffset >= 0
        guard producerEpoch >= producer.epoch, !isLate else { throw oldEpoch(producerId, producerEpoch) }
        guard marker.coordinatorEpoch >= producer.coordinatorEpoch else {
            throw LogError(
                .transactionCoordinatorFenced,
                "marker for producer \(producerId) has coordinator epoch \(marker.coordinatorEpoch), the log knows "
                    + "\(producer.coordinatorEpoch)")
        }
    }

    private func oldEpoch(_ producerId: Int64, _ epoch: Int16) -> LogError {
        LogError(
            .invalidProducerEpoch,
            "producer \(producerId) has epoch \(epoch), the log knows \(producers[producerId]?.epoch ?? -1)")
    }

    /// Notes a batch that is in the log now.
    ///
    /// - Parameter marker: what a control batch says; nil for one that was emptied by compaction.
    /// - Returns: the transaction that the batch aborts.
    @discardableResult
    mutating func note(_ header: BatchHeader, marker: ControlMarker? = nil, now: Int64) -> AbortedTransaction? {
        guard header.producerId >= 0 else { return nil }
        let (begun, ended) = producers[
            header.producerId, default: Producer(epoch: header.producerEpoch, usedAt: now)
        ].note(header, marker: marker, now: now)
        if let begun { open.begin(producerId: header.producerId, at: begun) }
        guard let ended else { return nil }
        open.end(firstOffset: ended)
        guard marker?.kind == .abort else { return nil }
        return AbortedTransaction(
            producerId: header.producerId, firstOffset: ended, lastOffset: header.lastOffset,
            lastStableOffset: open.oldest ?? header.nextOffset)
    }

    /// Notes that the disk refused the first batch of a producer whose sequence is not known here. Without this a later batch of the same
    /// producer, already on its way, would be taken as its first one, and the retry of the earlier refused for good.
    mutating func noteRefused(_ header: BatchHeader, now: Int64) {
        guard header.producerId >= 0, header.baseSequence >= 0 else { return }
        guard let producer = producers[header.producerId] else {
            producers[header.producerId] = Producer(
                epoch: header.producerEpoch, expectedSequence: header.baseSequence, isPending: true, usedAt: now)
            return
        }
        if producer.epoch == header.producerEpoch, producer.window.isEmpty, producer.expectedSequence == nil {
            producers[header.producerId]?.expectedSequence = header.baseSequence
        }
    }

    /// Forgets producers without an open transaction that were last used more than `age` milliseconds ago.
    mutating func expire(now: Int64, olderThan age: Int64) {
        producers = producers.filter { _, producer in
            let (idle, overflow) = now.subtractingReportingOverflow(producer.usedAt)
            return producer.currentTxnFirstOffset >= 0 || overflow || idle <= age
        }
    }

    /// Forgets all batches but not the epochs, so that every producer may go on with any sequence.
    mutating func forgetSequences() {
        producers = producers.mapValues { producer in
            var producer = producer
            producer.window = []
            producer.chainCount = 0
            producer.expectedSequence = nil
            return producer
        }
    }

    private func outOfOrder(_ header: BatchHeader, _ rule: String) -> LogError {
        LogError(
            .outOfOrderSequence,
            "producer \(header.producerId), epoch \(header.producerEpoch): sequence \(header.baseSequence), \(rule)")
    }
}
