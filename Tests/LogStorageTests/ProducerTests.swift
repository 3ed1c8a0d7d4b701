import Environment
import RecordBatches
import TestKit
import Testing

@testable import LogStorage

@Suite struct ProducerTests {
    private func header(_ sequence: Int32, count: Int32 = 1, epoch: Int16 = 0, at offset: Int64 = 0) throws
        -> BatchHeader
    {
        var header = try BatchHeader(
            TestBatch(count: count, producerId: 9, producerEpoch: epoch, sequence: sequence).bytes().span.bytes)
        header.baseOffset = offset
        return header
    }

    /// Seven batches of two records: sequences 0 to 13, of which the window holds 4 to 13; offsets from 100 on.
    private func states(first: Int32 = 0) throws -> ProducerStates {
        var states = ProducerStates()
        for index in 0..<7 as Range<Int32> {
            states.note(try header((first &+ index * 2) & .max, count: 2, at: 100 + Int64(index) * 2), now: 0)
        }
        return states
    }

    private func verdict(_ states: ProducerStates, _ header: BatchHeader) -> String {
        do throws(LogError) {
            return switch try states.check(header) {
            case .append: "append"
            case .duplicate(let batch): "duplicate of \(batch.baseOffset)"
            }
        } catch { return error.code.rawValue }
    }

    /// By hand from the rules: KIP-98, and what 46 means to a client (its records are safe).
    @Test(
        arguments: [
            (14, 1, 0, "append"), (14, 5, 0, "append"),
            (12, 2, 0, "duplicate of 112"), (4, 2, 0, "duplicate of 104"),
            (2, 2, 0, "duplicateSequence"), (0, 2, 0, "duplicateSequence"), (0, 14, 0, "duplicateSequence"),
            (15, 1, 0, "outOfOrderSequence"), (13, 2, 0, "outOfOrderSequence"), (1000, 1, 0, "outOfOrderSequence"),
            (0, 1, 1, "append"), (14, 1, 1, "outOfOrderSequence"), (14, 1, -1, "invalidProducerEpoch"),
        ] as [(Int32, Int32, Int16, String)])
    func `decides by sequence and epoch`(sequence: Int32, count: Int32, epoch: Int16, expected: String) throws {
        #expect(try verdict(states(), header(sequence, count: count, epoch: epoch)) == expected)
    }

    /// The same batches with sequences from 2147483643 on, so that they wrap in the middle.
    @Test(
        arguments: [
            (9, 1, "append"), (7, 2, "duplicate of 112"), (.max, 2, "duplicate of 104"),
            (.max - 2, 2, "duplicateSequence"),
            (10, 1, "outOfOrderSequence"), (.max - 6, 2, "outOfOrderSequence"),
        ] as [(Int32, Int32, String)])
    func `wraps from 2147483647 to 0`(sequence: Int32, count: Int32, expected: String) throws {
        #expect(try verdict(states(first: .max - 4), header(sequence, count: count)) == expected)
    }

    @Test(arguments: [0, 17, .max] as [Int32])
    func `takes any sequence of an unknown producer, but says 46 of nothing it has not seen`(first: Int32) throws {
        var states = ProducerStates()
        #expect(try verdict(states, header(first)) == "append")
        states.note(try header(first), now: 0)
        #expect(try verdict(states, header((first &- 1) & .max)) == "outOfOrderSequence")
    }

    @Test func `forgets idle producers, but not open transactions`() throws {
        var states = try states()
        var open = try header(0, at: 3)
        open.producerId = 10
        open.attributes = .init(rawValue: 0x10)
        states.note(open, now: 0)
        states.expire(now: 100, olderThan: 100)
        #expect(states.producers.count == 2)
        states.expire(now: 101, olderThan: 100)
        #expect(states.producers.keys.sorted() == [10])
        #expect(states.producers[10]?.currentTxnFirstOffset == 3)
        states.expire(now: .min, olderThan: 100)
        #expect(states.producers.count == 1)
    }

    @Test func `recognises a retry after a restart of any kind`() throws {
        for clean in [true, false] {
            var fixture = try Fixture { $0.segmentBytes = 400 }
            for index in 0..<8 as Range<Int32> {
                try fixture.append(TestBatch(count: 2, producerId: 5, producerEpoch: 0, sequence: index * 2))
            }
            try fixture.reopen(clean: clean)
            for index in 3..<8 as Range<Int32> {
                let retry = TestBatch(count: 2, producerId: 5, producerEpoch: 0, sequence: index * 2)
                let result = try fixture.append(retry)
                #expect(
                    result.isDuplicate && result.baseOffset == Int64(index) * 2
                        && result.lastOffset == Int64(index) * 2 + 1)
            }
            #expect(fixture.log.logEnd == 16)
            #expect(fixture.log.producers().map(\.lastSequence) == [15])
        }
    }

    @Test func `does not let a later batch overtake a first one that the disk refused`() throws {
        let fixture = try Fixture()
        try fixture.append(TestBatch())
        fixture.disk.limit(byteCount: fixture.disk.byteCount)
        let first = TestBatch(producerId: 5, producerEpoch: 0, sequence: 0)
        let second = TestBatch(producerId: 5, producerEpoch: 0, sequence: 1)
        #expect(throws: LogError.self) { try fixture.append(first) }
        fixture.disk.limit(byteCount: nil)
        let error = #expect(throws: LogError.self) { try fixture.append(second) }
        #expect(error?.kafkaCode == 45)
        try fixture.append(first)
        try fixture.append(second)
        #expect(fixture.log.producers().count == 1)
    }
}
