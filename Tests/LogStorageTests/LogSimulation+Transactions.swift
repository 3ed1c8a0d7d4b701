import Bytes
import Environment
import RecordBatches
import Synchronization
import TestKit

@testable import LogStorage

/// Transactional producers, with the ids 4 to 6, and what who reads committed records must see of them.
extension LogSimulation {
    /// What a replay of all batches says of a producer.
    struct Producer: Equatable {
        var epoch: Int16
        /// Base offsets of the batches of this epoch.
        var window: [Int64] = []
        var nextSequence: Int32?
        var coordinatorEpoch: Int32 = -1
        var firstOffset: Int64?
    }

    struct Replay {
        var producers: [Int64: Producer] = [:]
        var aborted: [AbortedTransaction] = []
        /// Base offsets of the batches that who reads committed records sees once they are decided.
        var committed: Set<Int64> = []
    }

    static func isTransactional(_ id: Int64) -> Bool { 4...6 ~= id }

    func replay() -> Replay {
        var replay = Replay()
        var undecided: [Int64: [Int64]] = [:]
        for batch in batches {
            let id = batch.producerId
            if batch.marker == nil, !batch.isTransactional { replay.committed.insert(batch.baseOffset) }
            guard Self.isTransactional(id) else { continue }
            var producer = replay.producers[id] ?? Producer(epoch: batch.producerEpoch)
            if producer.epoch != batch.producerEpoch {
                producer.epoch = batch.producerEpoch
                producer.window = []
                producer.nextSequence = 0
            }
            if let marker = batch.marker {
                producer.coordinatorEpoch = marker.coordinatorEpoch
                let first = producer.firstOffset
                producer.firstOffset = nil
                replay.producers[id] = producer
                if marker.kind == .commit { replay.committed.formUnion(undecided[id] ?? []) }
                if marker.kind == .abort, let first {
                    replay.aborted.append(
                        AbortedTransaction(
                            producerId: id, firstOffset: first, lastOffset: batch.baseOffset,
                            lastStableOffset: replay.producers.values.compactMap(\.firstOffset).min()
                                ?? batch.nextOffset))
                }
                undecided[id] = nil
            } else {
                producer.window.append(batch.baseOffset)
                producer.nextSequence = Int32((Int64(batch.sequence) + Int64(batch.count)) & 0x7FFF_FFFF)
                if batch.isTransactional {
                    if producer.firstOffset == nil { producer.firstOffset = batch.baseOffset }
                    undecided[id, default: []].append(batch.baseOffset)
                }
                replay.producers[id] = producer
            }
        }
        return replay
    }

    // MARK: Steps

    mutating func appendTransactional() throws {
        let id = Int64.random(in: 4...6, using: &random)
        var batch = makeBatch()
        batch.producerId = id
        batch.isTransactional = true
        guard let producer = replay().producers[id] else {
            (batch.producerEpoch, batch.sequence) = (0, 0)
            try append(batch)
            return
        }
        batch.producerEpoch = producer.epoch
        batch.sequence = producer.nextSequence ?? 0
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<50: try append(batch)
        case 50..<65: try end(id, producer, .commit)
        case 65..<82: try end(id, producer, .abort)
        case 82..<87:
            guard let base = producer.window.suffix(5).randomElement(using: &random) else { return }
            let old = try unwrap(batches.first { $0.baseOffset == base }, "no batch at \(base)")
            batch.count = old.count
            batch.sequence = old.sequence
            batch.isTransactional = old.isTransactional
            try append(batch, .duplicate(old))
        case 87..<90:
            batch.isTransactional = false
            try append(batch, producer.firstOffset == nil ? .appended : .refused(.invalidTxnState))
        case 90..<92:
            batch.producerEpoch += 1
            batch.sequence = 0
            try append(batch)
        case 92..<94:
            guard producer.epoch > 0 else { return }
            batch.producerEpoch -= 1
            try append(batch, .refused(.invalidProducerEpoch))
        case 94..<96:
            guard producer.nextSequence != nil else { return }
            batch.sequence = (batch.sequence &+ 1) & .max
            try append(batch, .refused(.outOfOrderSequence))
        case 96..<98:
            guard producer.coordinatorEpoch > 0 else { return }
            let marker = ControlMarker(kind: .abort, coordinatorEpoch: producer.coordinatorEpoch - 1)
            try end(id, marker, epoch: producer.epoch, .refused(.transactionCoordinatorFenced))
        default:
            let marker = ControlMarker(kind: .abort, coordinatorEpoch: producer.coordinatorEpoch)
            guard producer.epoch > 0 else { return }
            try end(id, marker, epoch: producer.epoch - 1, .refused(.invalidProducerEpoch))
        }
    }

    private mutating func end(_ id: Int64, _ producer: Producer, _ kind: ControlMarker.Kind) throws {
        let coordinatorEpoch = max(0, producer.coordinatorEpoch) + (chance(10) ? 1 : 0)
        let marker = ControlMarker(kind: kind, coordinatorEpoch: coordinatorEpoch)
        let raisesEpoch = chance(50)
        try end(id, marker, epoch: producer.epoch + (raisesEpoch ? 1 : 0), version: raisesEpoch ? 2 : 1)
    }

    private mutating func end(
        _ id: Int64, _ marker: ControlMarker, epoch: Int16, version: Int16 = 1, _ expectation: Expectation = .appended
    ) throws {
        let bytes = try marker.batch(producerId: id, producerEpoch: epoch, timestamp: now)
        let entry = Batch(
            baseOffset: logEnd, count: 1, body: Array(bytes[16...]), byteCount: bytes.count, timestamp: now,
            leaderEpoch: leaderEpoch, producerId: id, producerEpoch: epoch, sequence: -1, isTransactional: true,
            marker: marker)
        let (log, now) = (try log, now)
        try append(entry, expectation) {
            try log.appendMarker(
                marker, producerId: id, producerEpoch: epoch, now: now, transactionVersion: version)
        }
    }

    // MARK: Checks

    mutating func verifyTransactions() throws {
        let log = try log
        if disk.hasLostPower { return }
        let expected = replay()
        let lastStable = max(logStart, expected.producers.values.compactMap(\.firstOffset).min() ?? logEnd)
        do {
            if mayForgetProducers, try !isRemembered(expected, lastStable, log) {
                // What is seen must be true all the same.
                try expect(Set(readCommitted(log)).isSubset(of: expected.committed), "undecided or aborted records")
                isOver = true
                return
            }
            try expect(log.offsets.lastStable == lastStable, "LSO \(log.offsets.lastStable), expected \(lastStable)")
            try verifyStates(expected, log)
            for _ in 0..<5 {
                let from = Int64.random(in: logStart...logEnd, using: &random)
                let end = Int64.random(in: from...(logEnd + 1), using: &random)
                let found = try log.abortedTransactions(from: from, upTo: end)
                let overlapping = expected.aborted.filter {
                    from < end && $0.lastOffset >= from && $0.firstOffset < end
                }
                try expect(found == overlapping, "aborted in \(from)..<\(end): \(found), expected \(overlapping)")
            }
            let seen = try readCommitted(log)
            let committed = batches.filter {
                $0.nextOffset > logStart && $0.nextOffset <= lastStable && expected.committed.contains($0.baseOffset)
            }.map(\.baseOffset)
            try expect(seen == committed, "committed: \(seen), expected \(committed)")
        } catch let error as LogError {
            if disk.hasLostPower { return }
            throw error
        }
    }

    private func verifyStates(_ expected: Replay, _ log: PartitionLog) throws {
        let (states, open) = log.state.withLock { ($0.producers.producers, $0.producers.open) }
        for id in 4...6 as ClosedRange<Int64> {
            guard let producer = expected.producers[id] else {
                try expect(states[id]?.isPending != false, "producer \(id) is not in the log")
                continue
            }
            let state = try unwrap(states[id], "producer \(id) is forgotten")
            let found = Producer(
                epoch: state.epoch, window: state.window.map(\.baseOffset),
                nextSequence: state.window.last.map { ($0.lastSequence &+ 1) & .max } ?? state.expectedSequence,
                coordinatorEpoch: state.coordinatorEpoch,
                firstOffset: state.currentTxnFirstOffset < 0 ? nil : state.currentTxnFirstOffset)
            var wanted = producer
            wanted.window = producer.window.suffix(5)
            // After a refused first batch the log knows more than its bytes say.
            if wanted.nextSequence == nil { wanted.nextSequence = found.nextSequence }
            try expect(found == wanted, "producer \(id): \(found), expected \(wanted)")
        }
        let order = expected.producers.filter { $0.value.firstOffset != nil }
            .sorted { $0.value.firstOffset! < $1.value.firstOffset! }.map(\.key)
        try expect(open.producerIds == order, "open: \(open.producerIds), expected \(order)")
        try expect(log.openTransactions().map(\.producerId) == order, "open transactions")
    }

    /// Whether the log knows what it may have forgotten.
    private func isRemembered(_ expected: Replay, _ lastStable: Int64, _ log: PartitionLog) throws -> Bool {
        do { try verifyStates(expected, log) } catch is Violation { return false }
        return try log.abortedTransactions(from: logStart, upTo: logEnd)
            == expected.aborted.filter { $0.lastOffset >= logStart && $0.firstOffset < logEnd }
    }

    /// Base offsets of the data batches that a client sees which reads committed records from the log start on, by the rules
    /// of KIP-98.
    private mutating func readCommitted(_ log: PartitionLog) throws -> [Int64] {
        var seen: [Int64] = []
        var offset = logStart
        while true {
            let end = log.lastStableOffset
            guard offset < end else { return seen }
            let slice = try log.read(
                from: offset, maxBytes: Int.random(in: 0..<1500, using: &random), upTo: end, minOneBatch: true)
            if slice.isEmpty { throw Violation(description: "nothing to read at \(offset) below \(end)") }
            var ahead = try log.abortedTransactions(from: offset, upTo: slice.nextOffset)
                .sorted { $0.firstOffset < $1.firstOffset }
            var aborting: Set<Int64> = []
            let bytes = try slice.bytes()
            var at = 0
            while at < bytes.count {
                let header = try BatchHeader(bytes.span.bytes, at: at)
                while let next = ahead.first, next.firstOffset <= header.lastOffset {
                    aborting.insert(next.producerId)
                    ahead.removeFirst()
                }
                if header.attributes.isControl {
                    let batch = Array(bytes[at..<(at + header.byteCount)])
                    let marker = try ControlMarker(batch: batch.span.bytes, header: header)
                    if marker?.kind == .abort { aborting.remove(header.producerId) }
                } else if !header.attributes.isTransactional || !aborting.contains(header.producerId) {
                    seen.append(header.baseOffset)
                }
                at += header.byteCount
            }
            offset = slice.nextOffset
        }
    }
}
