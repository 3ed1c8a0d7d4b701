import Bytes
import Environment
import RecordBatches
import Synchronization
import TestKit
import Testing

@testable import LogStorage

@Suite struct TransactionTests {
    /// One thing that happens to a log, as short as a table needs it.
    enum Event: Sendable, CustomTestStringConvertible {
        /// Producer, epoch, sequence.
        case data(Int64, Int16, Int32)
        /// The same outside of a transaction.
        case plain(Int64, Int16, Int32)
        /// A batch without producer.
        case other
        /// Producer, epoch, coordinator epoch, transaction version.
        case commit(Int64, Int16, Int32, Int16)
        case abort(Int64, Int16, Int32, Int16)

        var testDescription: String { "\(self)" }
    }

    /// "0" for the offset, "0 again" for a duplicate, or the code of the refusal.
    private func apply(_ event: Event, to fixture: Fixture) -> String {
        do {
            let result: AppendResult
            switch event {
            case .data(let id, let epoch, let sequence):
                result = try fixture.append(
                    TestBatch(producerId: id, producerEpoch: epoch, sequence: sequence, isTransactional: true))
            case .plain(let id, let epoch, let sequence):
                result = try fixture.append(TestBatch(producerId: id, producerEpoch: epoch, sequence: sequence))
            case .other: result = try fixture.append(TestBatch())
            case .commit(let id, let epoch, let coordinator, let version):
                result = try fixture.log.appendMarker(
                    ControlMarker(kind: .commit, coordinatorEpoch: coordinator), producerId: id, producerEpoch: epoch,
                    now: 0, transactionVersion: version)
            case .abort(let id, let epoch, let coordinator, let version):
                result = try fixture.log.appendMarker(
                    ControlMarker(kind: .abort, coordinatorEpoch: coordinator), producerId: id, producerEpoch: epoch,
                    now: 0, transactionVersion: version)
            }
            return "\(result.baseOffset)" + (result.isDuplicate ? " again" : "")
        } catch let error as LogError {
            return error.code.rawValue
        } catch {
            return "\(error)"
        }
    }

    // MARK: Fencing and sequence numbers

    /// By hand from KIP-98, KIP-890 and upstream's `ProducerAppendInfo`.
    @Test(
        arguments: [
            // A transaction, its marker, and the sequence that goes on.
            [(.data(1, 0, 0), "0"), (.commit(1, 0, 0, 1), "1"), (.data(1, 0, 1), "2"), (.data(1, 0, 0), "0 again")],
            [(.data(1, 0, 0), "0"), (.abort(1, 0, 0, 1), "1"), (.data(1, 0, 2), "outOfOrderSequence")],
            // Version 2: the marker's epoch fences the old one, and the new one begins with 0, also over a repeat.
            [
                (.data(1, 0, 0), "0"), (.commit(1, 1, 0, 2), "1"), (.data(1, 0, 1), "invalidProducerEpoch"),
                (.data(1, 0, 0), "invalidProducerEpoch"), (.data(1, 1, 1), "outOfOrderSequence"),
                (.commit(1, 1, 0, 2), "2"), (.data(1, 1, 1), "outOfOrderSequence"), (.data(1, 1, 0), "3"),
            ],
            // Version 2: a late marker must not end the next transaction.
            [
                (.data(1, 0, 0), "0"), (.commit(1, 1, 0, 2), "1"), (.data(1, 1, 0), "2"),
                (.commit(1, 1, 0, 2), "invalidProducerEpoch"), (.abort(1, 2, 0, 2), "3"),
            ],
            // Version 1 cannot tell a late marker from a true one.
            [(.data(1, 0, 0), "0"), (.commit(1, 0, 0, 1), "1"), (.data(1, 0, 1), "2"), (.commit(1, 0, 0, 1), "3")],
            // Epochs fence markers and batches.
            [
                (.data(1, 3, 0), "0"), (.commit(1, 2, 0, 1), "invalidProducerEpoch"),
                (.data(1, 2, 0), "invalidProducerEpoch"), (.abort(1, 4, 0, 1), "1"),
                (.data(1, 3, 1), "invalidProducerEpoch"), (.data(1, 4, 0), "2"),
            ],
            // A coordinator that was replaced; its epoch stays with the producer, not with the log.
            [
                (.data(1, 0, 0), "0"), (.commit(1, 0, 5, 1), "1"), (.data(1, 0, 1), "2"),
                (.commit(1, 0, 4, 1), "transactionCoordinatorFenced"), (.data(2, 0, 0), "3"), (.abort(2, 0, 4, 1), "4"),
                (.commit(1, 0, 5, 1), "5"), (.commit(1, 0, 6, 1), "6"),
            ],
            // The epoch is looked at first, as upstream does.
            [(.data(1, 3, 0), "0"), (.commit(1, 3, 5, 1), "1"), (.commit(1, 2, 4, 1), "invalidProducerEpoch")],
            // A marker without a transaction, of a producer that the log does not know: it says nothing of sequences.
            [(.commit(1, 3, 0, 1), "0"), (.data(1, 2, 0), "invalidProducerEpoch"), (.data(1, 3, 7), "1")],
            [(.commit(1, 3, 0, 2), "0"), (.commit(1, 3, 0, 2), "1")],
            // A batch outside of the open transaction; after it, one is allowed.
            [
                (.data(1, 0, 0), "0"), (.plain(1, 0, 1), "invalidTxnState"), (.plain(1, 0, 3), "outOfOrderSequence"),
                (.plain(1, 0, 0), "0 again"), (.plain(1, 1, 0), "invalidTxnState"), (.commit(1, 0, 0, 1), "1"),
                (.plain(1, 0, 1), "2"), (.data(1, 0, 2), "3"),
            ],
            // A coordinator's batches have no sequence numbers, and are all appended.
            [
                (.data(1, 0, -1), "0"), (.data(1, 0, -1), "1"), (.commit(1, 0, 0, 1), "2"), (.data(1, 0, -1), "3"),
                (.abort(1, 1, 0, 1), "4"), (.data(1, 0, -1), "invalidProducerEpoch"), (.data(1, 1, -1), "5"),
            ],
        ] as [[(Event, String)]])
    func `decides by epoch, coordinator and state`(steps: [(Event, String)]) throws {
        var fixture = try Fixture()
        for (event, expected) in steps { #expect(apply(event, to: fixture) == expected, "\(event)") }
        // The same when the broker is restarted, or dies, after every step.
        for clean in [true, false] {
            fixture = try Fixture()
            for (event, expected) in steps {
                #expect(apply(event, to: fixture) == expected, "\(event), clean \(clean)")
                try fixture.reopen(clean: clean)
            }
        }
    }

    @Test func `errors have Kafka's codes`() {
        #expect(LogError(.invalidProducerEpoch, "").kafkaCode == 47)
        #expect(LogError(.invalidTxnState, "").kafkaCode == 48)
        #expect(LogError(.transactionCoordinatorFenced, "").kafkaCode == 52)
    }

    @Test func `wants sequence 0 of an unknown producer when told so`() throws {
        let fixture = try Fixture()
        func append(_ sequence: Int32) throws -> AppendResult {
            let batch = TestBatch(producerId: 1, producerEpoch: 0, sequence: sequence, isTransactional: true).bytes()
            let header = try BatchHeader(batch.span.bytes)
            return try fixture.log.append(batch.span.bytes, header: header, now: 0, firstSequenceIsZero: true)
        }
        let error = #expect(throws: LogError.self) { try append(3) }
        #expect(error?.kafkaCode == 45)
        #expect(try append(0).baseOffset == 0)
        #expect(try append(1).baseOffset == 1)
    }

    @Test func `takes markers by appendMarker only, and stores them as Kafka does`() throws {
        let fixture = try Fixture()
        let marker = ControlMarker(kind: .commit, coordinatorEpoch: 7)
        let bytes = try marker.batch(producerId: 9, producerEpoch: 2, timestamp: 1234)
        let error = #expect(throws: LogError.self) { try fixture.append(bytes) }
        #expect(error?.code == .corruptBatch)
        let result = try fixture.log.appendMarker(marker, producerId: 9, producerEpoch: 2, now: 1234)
        #expect(result == AppendResult(baseOffset: 0, lastOffset: 0, logStartOffset: 0, isDuplicate: false))
        let stored = try fixture.log.read(from: 0, maxBytes: 1000, upTo: .max, minOneBatch: true).bytes()
        #expect(stored[16...] == bytes[16...])
        #expect(fixture.log.producers().map(\.coordinatorEpoch) == [7])
        #expect(fixture.log.producers().map(\.lastTimestamp) == [1234])
    }

    @Test func `does not let a batch overtake the refused first one of an epoch that a marker began`() throws {
        let fixture = try Fixture()
        #expect(apply(.data(1, 0, 0), to: fixture) == "0")
        #expect(apply(.commit(1, 1, 0, 2), to: fixture) == "1")
        fixture.disk.limit(byteCount: fixture.disk.byteCount)
        #expect(apply(.data(1, 1, 0), to: fixture) == "diskFull")
        #expect(apply(.commit(1, 2, 0, 2), to: fixture) == "diskFull")
        fixture.disk.limit(byteCount: nil)
        #expect(apply(.data(1, 1, 1), to: fixture) == "outOfOrderSequence")
        #expect(apply(.data(1, 1, 0), to: fixture) == "2")
        #expect(fixture.log.openTransaction(producerId: 1)?.firstOffset == 2)
    }

    // MARK: Last stable offset

    @Test func `is stable up to the oldest open transaction`() throws {
        var fixture = try Fixture { $0.segmentBytes = 400 }
        let steps: [(Event, lastStable: Int64)] = [
            (.other, 1), (.data(1, 0, 0), 1), (.other, 1), (.data(2, 0, 0), 1), (.data(3, 0, 0), 1),
            (.commit(2, 0, 0, 1), 1), (.data(2, 0, 1), 1), (.abort(1, 0, 0, 1), 4), (.abort(1, 0, 0, 1), 4),
            (.commit(3, 0, 0, 1), 6), (.other, 6), (.abort(2, 1, 0, 2), 12), (.other, 13),
        ]
        for clean in [nil, true, false] {
            fixture = try Fixture { $0.segmentBytes = 400 }
            for (event, lastStable) in steps {
                #expect(Int64(apply(event, to: fixture)) == fixture.log.logEnd - 1)
                if let clean { try fixture.reopen(clean: clean) }
                #expect(fixture.log.lastStableOffset == lastStable, "\(event)")
                #expect(fixture.log.offsets.lastStable == lastStable)
            }
        }
    }

    @Test func `lists open transactions, the oldest first`() throws {
        var fixture = try Fixture()
        for event: Event in [.data(7, 2, 0), .data(5, 0, 0), .commit(5, 0, 3, 1), .data(9, 0, 0), .data(5, 0, 1)] {
            #expect(Int64(apply(event, to: fixture)) != nil)
        }
        for _ in 0..<2 {
            #expect(
                fixture.log.openTransactions() == [
                    OpenTransaction(
                        producerId: 7, producerEpoch: 2, firstOffset: 0, coordinatorEpoch: -1, lastTimestamp: 1000),
                    OpenTransaction(
                        producerId: 9, producerEpoch: 0, firstOffset: 3, coordinatorEpoch: -1, lastTimestamp: 1000),
                    OpenTransaction(
                        producerId: 5, producerEpoch: 0, firstOffset: 4, coordinatorEpoch: 3, lastTimestamp: 1000),
                ])
            #expect(fixture.log.openTransaction(producerId: 9)?.epoch == 0)
            #expect(fixture.log.openTransaction(producerId: 8) == nil)
            try fixture.reopen(clean: true)
        }
        #expect(apply(.commit(9, 0, 0, 1), to: fixture) == "5")
        #expect(fixture.log.openTransactions().map(\.producerId) == [7, 5])
        #expect(fixture.log.openTransaction(producerId: 9) == nil)
    }

    @Test func `stays open when retention takes its batches, and ends well`() throws {
        var fixture = try Fixture { $0.segmentBytes = 200 }
        #expect(apply(.data(1, 0, 0), to: fixture) == "0")
        for _ in 0..<9 { _ = apply(.other, to: fixture) }
        #expect(try fixture.log.deleteRecords(before: 7) == 7)
        fixture.log.expireProducers(now: .max, olderThan: 0)
        for clean in [true, false] {
            #expect(fixture.log.openTransactions().map(\.firstOffset) == [0])
            #expect(fixture.log.lastStableOffset == 7)
            try fixture.reopen(clean: clean)
        }
        #expect(apply(.data(1, 0, 1), to: fixture) == "10")
        #expect(apply(.abort(1, 0, 0, 1), to: fixture) == "11")
        #expect(fixture.log.lastStableOffset == 12)
        let expected = [AbortedTransaction(producerId: 1, firstOffset: 0, lastOffset: 11, lastStableOffset: 12)]
        #expect(try fixture.log.abortedTransactions(from: 7, upTo: 8) == expected)
        #expect(try fixture.log.deleteRecords(before: -1) == 12)
        #expect(try fixture.log.abortedTransactions(from: 0, upTo: .max).isEmpty)
        #expect(try !fixture.disk.list(Fixture.folder).contains { $0.hasSuffix(".txnindex") })
    }

    @Test func `keeps the order of open transactions`() {
        // Against the plain way: a dictionary that is searched.
        var random = SeededRandom(seed: 11)
        var open = OpenTransactions()
        var plain: [Int64: Int64] = [:]
        for offset in 0..<20_000 as Range<Int64> {
            if Int.random(in: 0..<100, using: &random) < 52, plain[offset % 3000] == nil {
                open.begin(producerId: offset % 3000, at: offset)
                plain[offset % 3000] = offset
            } else if let (id, first) = plain.sorted(by: { $0.key < $1.key }).randomElement(using: &random) {
                open.end(firstOffset: first)
                plain[id] = nil
            }
            if offset % 500 == 0 {
                #expect(open.producerIds == plain.sorted { $0.value < $1.value }.map(\.key))
                for (_, first) in plain.sorted(by: { $0.value > $1.value }).dropLast(2) { open.end(firstOffset: first) }
                plain = Dictionary(uniqueKeysWithValues: plain.sorted { $0.value < $1.value }.prefix(2).map { $0 })
            }
            #expect(open.oldest == plain.values.min() && open.count == plain.count)
        }
    }

    // MARK: Aborted transactions

    /// By hand from upstream's `AbortedTxn`: version, producer id, first, last and last stable offset.
    @Test func `writes the transaction index as Kafka does`() throws {
        let fixture = try Fixture()
        for event: Event in [
            .other, .data(0x1122, 0, 0), .data(3, 0, 0), .data(0x1122, 0, 1), .commit(3, 0, 0, 1),
            .data(4, 0, 0), .abort(0x1122, 0, 0, 1), .abort(4, 0, 0, 1),
        ] { #expect(Int64(apply(event, to: fixture)) != nil) }
        #expect(try !fixture.disk.list(Fixture.folder).contains(name(0, .txnIndex)))
        try fixture.directory.checkpoint()
        let bytes = try fixture.disk.contents(Fixture.folder + "/" + name(0, .txnIndex))
        func integer(_ value: UInt8) -> [UInt8] { [0, 0, 0, 0, 0, 0, 0, value] }
        let first = [0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x22] + integer(1) + integer(6) + integer(5)
        #expect(bytes == first + [0, 0] + integer(4) + integer(5) + integer(7) + integer(8))
        #expect(name(0, .txnIndex) == "00000000000000000000.txnindex")
    }

    /// Builds a log by random events; the model is the list of what was appended.
    private func fill(_ fixture: Fixture, _ random: inout SeededRandom, count: Int) -> [Event] {
        var events: [Event] = []
        var sequences: [Int64: Int32] = [:]
        for _ in 0..<count {
            let id = Int64.random(in: 1...5, using: &random)
            let event: Event
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<2: event = .other
            case 2..<7:
                event = .data(id, 0, sequences[id, default: 0])
                sequences[id, default: 0] += 1
            case 7: event = .commit(id, 0, 0, 1)
            default: event = .abort(id, 0, 0, 1)
            }
            #expect(apply(event, to: fixture) == "\(events.count)")
            events.append(event)
        }
        return events
    }

    /// The aborted transactions of the events, in the order of their markers.
    private func aborted(_ events: [Event]) -> [AbortedTransaction] {
        var open: [Int64: Int64] = [:]
        var aborted: [AbortedTransaction] = []
        for (offset, event) in events.enumerated() {
            switch event {
            case .data(let id, _, _): if open[id] == nil { open[id] = Int64(offset) }
            case .commit(let id, _, _, _): open[id] = nil
            case .abort(let id, _, _, _):
                guard let first = open.removeValue(forKey: id) else { continue }
                aborted.append(
                    AbortedTransaction(
                        producerId: id, firstOffset: first, lastOffset: Int64(offset),
                        lastStableOffset: open.values.min() ?? Int64(offset) + 1))
            default: break
            }
        }
        return aborted
    }

    enum Afterwards: CaseIterable { case nothing, checkpoint, cleanStart, uncleanStart }

    @Test(arguments: Afterwards.allCases, 0..<6 as Range<UInt64>)
    func `finds the aborted transactions of every range`(afterwards: Afterwards, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var fixture = try Fixture { $0.segmentBytes = [300, 1000, 1 << 20][Int(seed % 3)] }
        var events = fill(fixture, &random, count: 30)
        try fixture.directory.checkpoint()
        events = try events + more(fixture, &random, events)
        switch afterwards {
        case .nothing: break
        case .checkpoint: try fixture.directory.checkpoint()
        case .cleanStart: try fixture.reopen(clean: true)
        case .uncleanStart: try fixture.reopen(clean: false)
        }
        let all = aborted(events)
        for from in 0...fixture.log.logEnd {
            for end in 0...(fixture.log.logEnd + 1) {
                let expected = all.filter { from < end && $0.lastOffset >= from && $0.firstOffset < end }
                #expect(try fixture.log.abortedTransactions(from: from, upTo: end) == expected, "\(from)..<\(end)")
            }
        }
    }

    /// Goes on with new producers, so that the events before need not be known.
    private func more(_ fixture: Fixture, _ random: inout SeededRandom, _ before: [Event]) throws -> [Event] {
        var events: [Event] = []
        for id in 11...18 as ClosedRange<Int64> {
            let isAborted = Bool.random(using: &random)
            for event: Event in [.data(id, 0, 0), .data(id + 10, 0, 0), isAborted ? .abort(id, 0, 0, 1) : .other] {
                #expect(apply(event, to: fixture) == "\(before.count + events.count)")
                events.append(event)
            }
        }
        return events
    }

    @Test(arguments: [true, false])
    func `finds aborted transactions in an index of many parts`(isFlushed: Bool) throws {
        // More than one part in memory (1024 entries) and many reads of 4 KiB from the file.
        var fixture = try Fixture()
        let count: Int64 = 2600
        for index in 0..<count {
            #expect(apply(.data(index, 0, 0), to: fixture) == "\(index * 2)")
            #expect(apply(.abort(index, 0, 0, 1), to: fixture) == "\(index * 2 + 1)")
        }
        let inFile = try fixture.file(name(0, .txnIndex)).byteCount()
        #expect(inFile == 2048 * 34)
        if isFlushed { try fixture.reopen(clean: true) }
        for from in stride(from: 0, to: count * 2, by: 97) {
            for length in [1, 2, 50, 3000] as [Int64] {
                let found = try fixture.log.abortedTransactions(from: from, upTo: from + length)
                let last = min(count - 1, (from + length - 1) / 2)
                #expect(found.map(\.producerId) == Array((from / 2)...last))
            }
        }
    }

    enum Damage: CaseIterable { case emptied, cut, longer, filledWithZeros, filledWithOnes, reversed }

    @Test(arguments: Damage.allCases, 0..<3 as Range<UInt64>)
    func `builds a damaged index anew`(damage: Damage, seed: UInt64) throws {
        for clean in [true, false] {
            var random = SeededRandom(seed: seed)
            var fixture = try Fixture { $0.segmentBytes = 1000 }
            let events = fill(fixture, &random, count: 60)
            for _ in 0..<20 { _ = apply(.other, to: fixture) }  // so that the last segment has no aborted transactions
            try fixture.directory.checkpoint()
            for name in try fixture.disk.list(Fixture.folder) where name.hasSuffix(".txnindex") {
                let file = try fixture.file(name)
                let old = try file.read(at: 0, count: 10_000)
                switch damage {
                case .emptied: try file.truncate(to: 0)
                case .cut: try file.truncate(to: Int64(old.count - 5))
                case .longer: try file.write([1, 2, 3], at: Int64(old.count))
                case .filledWithZeros: try file.write([UInt8](repeating: 0, count: old.count), at: 0)
                case .filledWithOnes: try file.write([UInt8](repeating: 255, count: old.count), at: 0)
                case .reversed: try file.write(old.reversed(), at: 0)
                }
            }
            try fixture.reopen(clean: clean)
            #expect(fixture.log.recovery.rebuiltIndexCount > 0)
            #expect(try fixture.log.abortedTransactions(from: 0, upTo: .max) == aborted(events))
            try fixture.reopen(clean: true)
            #expect(fixture.log.recovery.rebuiltIndexCount == 0)
            #expect(try fixture.log.abortedTransactions(from: 0, upTo: .max) == aborted(events))
        }
    }

    @Test func `builds a damaged index anew also when the start is cut short by a crash`() throws {
        for count in 1...20 {
            var random = SeededRandom(seed: 4)
            var fixture = try Fixture { $0.segmentBytes = 1000 }
            let events = fill(fixture, &random, count: 60)
            for _ in 0..<20 { _ = apply(.other, to: fixture) }
            try fixture.directory.close(clean: true)
            for name in try fixture.disk.list(Fixture.folder) where name.hasSuffix(".txnindex") {
                let file = try fixture.file(name)
                try file.truncate(to: 33)
                try file.sync()
            }
            fixture.disk.losePower(afterChanges: count)
            do { try fixture.reopen(clean: true) } catch { #expect(fixture.disk.hasLostPower) }
            fixture.disk.crash()
            try fixture.reopen(clean: false)
            #expect(try fixture.log.abortedTransactions(from: 0, upTo: .max) == aborted(events))
        }
    }

    @Test func `does not believe an entry that a crash left and the log does not confirm`() throws {
        var fixture = try Fixture()
        for event: Event in [.data(1, 0, 0), .abort(1, 0, 0, 1), .data(2, 0, 0), .commit(2, 0, 0, 1)] {
            #expect(Int64(apply(event, to: fixture)) != nil)
        }
        try fixture.directory.checkpoint()
        #expect(apply(.other, to: fixture) == "4")
        var bytes: [UInt8] = []
        AbortedTransaction(producerId: 2, firstOffset: 2, lastOffset: 3, lastStableOffset: 4).append(to: &bytes)
        try fixture.file(name(0, .txnIndex)).write(bytes, at: 34)
        try fixture.reopen(clean: false)
        let expected = [AbortedTransaction(producerId: 1, firstOffset: 0, lastOffset: 1, lastStableOffset: 2)]
        #expect(try fixture.log.abortedTransactions(from: 0, upTo: .max) == expected)
        #expect(try fixture.file(name(0, .txnIndex)).byteCount() == 34)
    }

    @Test func `fails a reader whose index was removed or cut under it`() throws {
        let fixture = try Fixture { $0.segmentBytes = 300 }
        for index in 0..<8 as Range<Int64> {
            _ = apply(.data(index, 0, 0), to: fixture)
            _ = apply(.abort(index, 0, 0, 1), to: fixture)
        }
        try fixture.file(name(0, .txnIndex)).truncate(to: 20)
        let cut = #expect(throws: LogError.self) { try fixture.log.abortedTransactions(from: 0, upTo: 2) }
        #expect(cut?.code == .corruptSegment && cut?.kafkaCode == 2)
        let next = fixture.log.state.withLock { $0.segments[1].baseOffset }
        try fixture.disk.removeFile(Fixture.folder + "/" + name(next, .txnIndex))
        let removed = #expect(throws: LogError.self) {
            try fixture.log.abortedTransactions(from: next, upTo: next + 1)
        }
        #expect(removed?.kafkaCode == 56)  // the disk refuses, which is no damage
    }

    @Test func `takes no snapshot while the disk has no room for the index`() throws {
        var fixture = try Fixture()
        #expect(apply(.data(1, 0, 0), to: fixture) == "0")
        #expect(apply(.abort(1, 0, 0, 1), to: fixture) == "1")
        fixture.disk.limit(byteCount: fixture.disk.byteCount)
        let error = #expect(throws: LogError.self) { try fixture.log.checkpoint() }
        #expect(error?.code == .diskFull)
        #expect(try !fixture.disk.list(Fixture.folder).contains { $0.hasSuffix(".snapshot") })
        #expect(fixture.log.offsets.durableEnd == 2)
        fixture.disk.limit(byteCount: nil)
        try fixture.reopen(clean: false)
        let expected = [AbortedTransaction(producerId: 1, firstOffset: 0, lastOffset: 1, lastStableOffset: 2)]
        #expect(try fixture.log.abortedTransactions(from: 0, upTo: 1) == expected)
        #expect(try fixture.log.checkpoint() == 2)
        try fixture.reopen(clean: false)
        #expect(try fixture.log.abortedTransactions(from: 0, upTo: 1) == expected)
    }

    @Test func `refuses aborted transactions of a closed log`() throws {
        let fixture = try Fixture()
        try fixture.directory.close(clean: true)
        let error = #expect(throws: LogError.self) { try fixture.log.abortedTransactions(from: 0, upTo: 1) }
        #expect(error?.code == .closed)
        let marker = #expect(throws: LogError.self) {
            try fixture.log.appendMarker(
                ControlMarker(kind: .abort, coordinatorEpoch: 0), producerId: 1, producerEpoch: 0, now: 0)
        }
        #expect(marker?.code == .closed)
    }

    // MARK: Searching by time

    @Test func `finds records by time below a bound`() throws {
        let fixture = try Fixture { $0.segmentBytes = 300 }
        for index in 0..<20 as Range<Int64> { try fixture.append(TestBatch(count: 2, timestamp: index * 100)) }
        let cases: [(timestamp: Int64, end: Int64, offset: Int64?)] = [
            (500, .max, 10), (500, 11, 10), (500, 10, nil), (501, 11, nil), (501, 12, 11), (0, 0, nil), (0, 1, 0),
            (1900, 40, 38), (1900, 38, nil), (1902, .max, nil),
        ]
        for (timestamp, end, offset) in cases {
            let found = try fixture.log.offset(forTimestamp: timestamp, upTo: end)
            #expect(found?.offset == offset, "\(timestamp) up to \(end)")
        }
    }
}
