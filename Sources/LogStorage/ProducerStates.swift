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
        /// The only sequence number a producer without batches may begin with: its first append failed here, and a later
        /// batch must not overtake it.
        var expectedSequence: Int32?
        var coordinatorEpoch: Int32 = -1
        /// First offset of the open transaction, -1 when none is open.
        var currentTxnFirstOffset: Int64 = -1
        /// Wall clock of the last append, or of opening the log.
        var usedAt: Int64

        mutating func note(_ header: BatchHeader, now: Int64) {
            begin(epoch: header.producerEpoch)
            expectedSequence = nil
            usedAt = now
            if header.attributes.isControl {
                currentTxnFirstOffset = -1
                return
            }
            if header.attributes.isTransactional, currentTxnFirstOffset < 0 {
                currentTxnFirstOffset = header.baseOffset
            }
            if header.baseSequence >= 0 {
                append(
                    AppendedBatch(
                        lastSequence: header.lastSequence, offsetDelta: header.lastOffsetDelta,
                        lastOffset: header.lastOffset, timestamp: header.maxTimestamp))
            }
        }

        /// Sequences begin anew with an epoch.
        mutating func begin(epoch newEpoch: Int16) {
            guard epoch != newEpoch else { return }
            epoch = newEpoch
            window = []
            chainCount = 0
        }

        mutating func append(_ batch: AppendedBatch) {
            let follows = window.last.map { ($0.lastSequence &+ 1) & .max == batch.firstSequence } ?? false
            chainCount = (follows ? chainCount : 0) + Int64(batch.offsetDelta) + 1
            if window.count == ProducerStates.windowCountMax { window.removeFirst() }
            window.append(batch)
        }
    }

    enum Verdict: Equatable {
        case append
        /// The same batch is in the log already.
        case duplicate(AppendedBatch)
    }

    private(set) var producers: [Int64: Producer] = [:]

    /// Whether a batch may be appended now.
    ///
    /// - Throws: `.invalidProducerEpoch` when a newer epoch was seen; `.outOfOrderSequence` when records before this batch
    ///   are missing; `.duplicateSequence` when all its records are in the log, too far back to know their offsets.
    func check(_ header: BatchHeader) throws(LogError) -> Verdict {
        guard header.producerId >= 0, let producer = producers[header.producerId] else { return .append }
        guard header.producerEpoch >= producer.epoch else {
            throw LogError(
                .invalidProducerEpoch,
                "producer \(header.producerId) has epoch \(header.producerEpoch), the log knows \(producer.epoch)")
        }
        guard header.baseSequence >= 0 else { return .append }  // a control batch has no sequence
        if header.producerEpoch > producer.epoch {
            guard header.baseSequence == 0 else {
                throw outOfOrder(header, "a new epoch begins with sequence 0")
            }
            return .append
        }
        guard let newest = producer.window.last else {
            if let expected = producer.expectedSequence, expected != header.baseSequence {
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

    /// Notes a batch that is in the log now.
    mutating func note(_ header: BatchHeader, now: Int64) {
        guard header.producerId >= 0 else { return }
        producers[header.producerId, default: Producer(epoch: header.producerEpoch, usedAt: now)].note(header, now: now)
    }

    /// Notes that the disk refused the batch of a producer that is new here. Without this a later batch of the same
    /// producer, already on its way, would be taken as its first one, and the retry of the earlier refused for good.
    mutating func noteRefused(_ header: BatchHeader, now: Int64) {
        guard header.producerId >= 0, header.baseSequence >= 0, producers[header.producerId] == nil else { return }
        producers[header.producerId] = Producer(
            epoch: header.producerEpoch, expectedSequence: header.baseSequence, usedAt: now)
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
            return producer
        }
    }

    mutating func restore(_ producer: Producer, id: Int64) { producers[id] = producer }

    private func outOfOrder(_ header: BatchHeader, _ rule: String) -> LogError {
        LogError(
            .outOfOrderSequence,
            "producer \(header.producerId), epoch \(header.producerEpoch): sequence \(header.baseSequence), \(rule)")
    }
}
