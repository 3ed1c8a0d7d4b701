import Coordinators
import KafkaMessages
import Testing

/// Expected codes are those of Kafka 4's TransactionCoordinator.
@Suite struct TransactionRulesTests {
    // MARK: InitProducerId

    @Test func `a new transactional id gets the fresh producer id and epoch 0, the next one the next epoch`() {
        var bench = TransactionBench()
        #expect(bench.initialize() == InitProducerIdResponse(producerId: 1_000, producerEpoch: 0))
        #expect(bench.initialize() == InitProducerIdResponse(producerId: 1_000, producerEpoch: 1))
        #expect(bench.initialize("u") == InitProducerIdResponse(producerId: 1_001, producerEpoch: 0))
        #expect(bench.log.count == 3)
    }

    @Test(
        arguments: [
            ("", 1, nil, 42), ("t", 0, nil, 50), ("t", -1, nil, 50), ("t", 900_001, nil, 50), ("t", 900_000, nil, 0),
            ("t", 1, TransactionProducer(producerId: 3, producerEpoch: -1), 42),
            ("t", 1, TransactionProducer(producerId: -1, producerEpoch: 0), 42),
            (String(repeating: "x", count: 32_768), 1, nil, 42), (String(repeating: "x", count: 32_767), 1, nil, 0),
        ] as [(String, Int32, TransactionProducer?, Int16)])
    func `what InitProducerId accepts`(id: String, timeoutMs: Int32, expected: TransactionProducer?, code: Int16) {
        var bench = TransactionBench()
        let response = bench.initialize(id, timeoutMs: timeoutMs, expected: expected)
        #expect(response?.errorCode == code)
        #expect(bench.log.count == (code == 0 ? 1 : 0))
        if code != 0 { #expect(response?.producerId == -1 && response?.producerEpoch == -1) }
    }

    /// KIP-360: a producer that continues names itself. The columns: its epoch and id relative to the present ones.
    @Test(
        arguments: [
            (0, 0, 5, 0, 3), (-1, 0, 5, 0, 2), (-2, 0, 5, 90, -1), (-2, 0, 3, 47, -1), (1, 0, 5, 90, -1),
            (0, 1, 5, 90, -1),
        ] as [(Int16, Int64, Int16, Int16, Int16)])
    func `a producer that names itself`(epochs: Int16, ids: Int64, version: Int16, code: Int16, epoch: Int16) {
        var bench = TransactionBench()
        _ = bench.initialize()
        _ = bench.initialize()
        let producer = TransactionProducer(producerId: 1_000, producerEpoch: 1)
        #expect(bench.initialize(expected: producer)?.producerEpoch == 2)
        let response = bench.initialize(version: version, expected: producer.with(epoch: 1 + epochs).with(id: ids))
        #expect(response?.errorCode == code)
        #expect(response?.producerEpoch == epoch)
    }

    @Test func `a producer that starts anew ends the retries of the one before`() {
        var bench = TransactionBench()
        let first = TransactionProducer(producerId: 1_000, producerEpoch: 0)
        _ = bench.initialize()
        _ = bench.initialize(expected: first)
        _ = bench.initialize()
        #expect(bench.initialize(expected: first.with(epoch: 1))?.errorCode == 90)
    }

    @Test func `a producer that finds a transaction waits until it is aborted, and the next one comes back`() {
        var (bench, old) = TransactionBench.reaching("Ongoing", bumping: false)
        #expect(bench.initialize() == nil)
        #expect(
            bench.orders == [
                MarkerOrder(
                    transactionalId: "t", producerId: old.producerId, producerEpoch: old.producerEpoch + 1,
                    coordinatorEpoch: 7, isCommit: false, transactionVersion: 2,
                    topics: [TransactionTopic(name: "a", partitions: [0])])
            ])
        #expect(bench.initialize()?.errorCode == 51)
        #expect(bench.end(old, commit: true, version: 4)?.errorCode == 90)
        #expect(bench.end(old, commit: true, version: 1)?.errorCode == 47)
        bench.writeMarkers()
        let answers = bench.replies.values.compactMap { $0 as? InitProducerIdResponse }.filter { $0.producerEpoch == 2 }
        #expect(answers.count == 1 && bench.state() == "Empty")
        #expect(bench.end(old, commit: true, version: 5)?.errorCode == 90)
    }

    @Test func `a fenced producer does not abort the transaction of the next one`() {
        var (bench, old) = TransactionBench.reaching("Empty", bumping: true)
        _ = bench.initialize()
        #expect(bench.addImplicitly(old.with(epoch: 1)) == .none)
        #expect(bench.initialize(expected: old)?.errorCode == 90)
        #expect(bench.state() == "Ongoing")
    }

    @Test func `a producer waits for a commit under way, whose own answer comes as well`() {
        var (bench, producer) = TransactionBench.reaching("Ongoing", bumping: true)
        #expect(bench.end(producer, commit: true) == nil)
        #expect(bench.initialize() == nil)
        bench.writeMarkers()
        #expect(
            bench.replies.values.compactMap { $0 as? EndTxnResponse } == [
                EndTxnResponse(producerId: 1_000, producerEpoch: 1)
            ])
        #expect(
            bench.replies.values.contains {
                $0 as? InitProducerIdResponse == InitProducerIdResponse(producerId: 1_000, producerEpoch: 2)
            })
    }

    // MARK: EndTxn

    /// The table of upstream's TransactionCoordinator, for the epoch before ("retry") and the present one, with KAFKA-18464
    /// (51 while markers are written, before the epoch is looked at) and KAFKA-20785 (90 for a commit that came too late).
    @Test(
        arguments: [
            ("Empty", false, -1, 90), ("Empty", false, 0, nil), ("Empty", true, -1, 90), ("Empty", true, 0, 48),
            ("Ongoing", false, -1, 90), ("Ongoing", true, -1, 90), ("Ongoing", true, 0, nil), ("Ongoing", true, 1, 90),
            ("PrepareCommit", true, -1, 51), ("PrepareCommit", false, -1, 51), ("PrepareCommit", true, 0, 90),
            ("PrepareCommit", true, -2, 90), ("PrepareCommit", true, 1, 90), ("PrepareAbort", false, -1, 51),
            ("PrepareAbort", true, -1, 51), ("PrepareAbort", false, 0, 90), ("PrepareAbort", false, -2, 90),
            ("CompleteAbort", false, -1, 0), ("CompleteAbort", false, 0, nil), ("CompleteAbort", true, -1, 90),
            ("CompleteAbort", true, 0, 48), ("CompleteCommit", false, -1, 48), ("CompleteCommit", false, 0, nil),
            ("CompleteCommit", true, -1, 0), ("CompleteCommit", true, 0, 48), ("CompleteCommit", true, 1, 90),
        ] as [(String, Bool, Int16, Int16?)])
    func `EndTxn of version 2`(state: String, commit: Bool, epochs: Int16, code: Int16?) throws {
        for restarts in [false, true] {
            var (bench, producer) = TransactionBench.reaching(state, bumping: true)
            if state == "Empty" || state == "Ongoing" {
                // An epoch to be before.
                (bench, producer) = TransactionBench.reaching("CompleteCommit", bumping: true)
                if state == "Empty" {
                    _ = bench.initialize()
                    producer = producer.with(epoch: 1)
                } else {
                    _ = bench.addImplicitly(producer)
                }
            }
            if restarts { bench = try bench.restarted() }
            let ended = bench.end(producer.with(epoch: epochs), commit: commit)
            if let code {
                #expect(ended?.errorCode == code)
                #expect(bench.state() == state)
                if code == 0 {
                    #expect(ended?.producerId == producer.producerId && ended?.producerEpoch == producer.producerEpoch)
                }
            } else {
                bench.writeMarkers()
                let done = bench.replies.values.compactMap { $0 as? EndTxnResponse }.last { $0.errorCode == 0 }
                #expect(done != nil)
                #expect(bench.state() == (commit ? "CompleteCommit" : "CompleteAbort"))
                #expect(bench.shard.describe("t").producerEpoch == producer.producerEpoch + 1)
            }
        }
    }

    @Test(
        arguments: [
            ("Empty", true, 0, 48), ("Empty", false, 0, 48), ("Ongoing", true, 0, nil), ("Ongoing", false, 0, nil),
            ("PrepareCommit", true, 0, 51), ("PrepareCommit", false, 0, 51), ("PrepareAbort", false, 0, 51),
            ("PrepareAbort", true, 0, 51), ("CompleteCommit", true, 0, 0), ("CompleteCommit", false, 0, 48),
            ("CompleteAbort", false, 0, 0), ("CompleteAbort", true, 0, 48), ("Ongoing", true, 1, 90),
        ] as [(String, Bool, Int16, Int16?)])
    func `EndTxn before version 2`(state: String, commit: Bool, epochs: Int16, code: Int16?) throws {
        for version in 0...4 as ClosedRange<Int16> {
            var (bench, producer) = TransactionBench.reaching(state, bumping: false)
            let ended = bench.end(producer.with(epoch: epochs), commit: commit, version: version)
            if let code {
                #expect(ended?.errorCode == (code == 90 && version < 2 ? 47 : code))
                #expect(bench.state() == state)
            } else {
                #expect(ended == nil)
                #expect(bench.orders.first?.producerEpoch == producer.producerEpoch)
                bench.writeMarkers()
                #expect(bench.replies.values.contains { $0 as? EndTxnResponse == EndTxnResponse() })
                #expect(bench.state() == (commit ? "CompleteCommit" : "CompleteAbort"))
            }
        }
    }

    @Test(arguments: [("u", 0, 49), ("", 0, 42), ("t", 1, 49)] as [(String, Int64, Int16)])
    func `EndTxn for somebody else`(id: String, ids: Int64, code: Int16) {
        for version in [0, 4, 5] as [Int16] {
            var (bench, producer) = TransactionBench.reaching("Ongoing", bumping: true)
            #expect(bench.end(producer.with(id: ids), commit: true, id: id, version: version)?.errorCode == code)
        }
    }

    /// Else a producer of version 2 that was fenced by one of version 1 would learn the epoch of its successor.
    @Test func `the end of another producer's transaction is not taken for a retry`() {
        var (bench, old) = TransactionBench.reaching("Empty", bumping: true)
        _ = bench.initialize()
        let new = old.with(epoch: 1)
        _ = bench.add(new)
        _ = bench.end(new, commit: true, version: 4)
        bench.writeMarkers()
        #expect(bench.end(old, commit: true)?.errorCode == 90)
    }

    @Test func `an abort without partitions ends at once and raises the epoch`() {
        var (bench, producer) = TransactionBench.reaching("Empty", bumping: true)
        #expect(bench.end(producer, commit: false) == EndTxnResponse(producerId: 1_000, producerEpoch: 1))
        #expect(bench.orders.isEmpty)
        #expect(bench.state() == "CompleteAbort")
    }

    // MARK: epochs run out

    /// A bench whose producer has the last epoch that clients get to see.
    private func exhausted(open: Bool) throws -> (TransactionBench, TransactionProducer) {
        var bench = TransactionBench()
        let value = TransactionLogValue(
            producerId: 5, producerEpoch: 32_766, transactionTimeoutMs: 60_000, transactionStatus: 4,
            transactionLastUpdateTimestampMs: bench.time.wall)
        bench.log = [
            try CoordinatorRecord(
                key: TransactionLogKey(transactionalId: "t"), keyVersion: 0, value: (value, 1))
        ]
        bench = try bench.restarted()
        let producer = TransactionProducer(producerId: 5, producerEpoch: 32_766)
        if open { #expect(bench.addImplicitly(producer) == .none) }
        return (bench, producer)
    }

    @Test(arguments: [true, false])
    func `the last epoch ends with a fresh producer id`(commit: Bool) throws {
        var (bench, producer) = try exhausted(open: true)
        #expect(bench.end(producer, commit: commit) == nil)
        #expect(bench.end(producer, commit: commit)?.errorCode == 51)
        #expect(bench.orders.map(\.producerId) == [5] && bench.orders.map(\.producerEpoch) == [32_767])
        bench = try bench.restarted()
        bench.writeMarkers()
        let answer = EndTxnResponse(producerId: 1_000, producerEpoch: 0)
        #expect(bench.end(producer, commit: commit) == answer)
        bench = try bench.restarted()
        #expect(bench.end(producer, commit: commit) == answer)
        #expect(bench.end(producer, commit: !commit)?.errorCode == (commit ? 48 : 90))
    }

    @Test func `the last epoch is fenced with a fresh producer id`() throws {
        var (bench, producer) = try exhausted(open: true)
        bench.tick(after: 60_000)
        #expect(bench.orders.map(\.producerEpoch) == [32_767])
        bench.writeMarkers()
        #expect(bench.shard.describe("t").producerId == 1_000)
        #expect(bench.end(producer, commit: true)?.errorCode == 90)
        #expect(bench.end(producer, commit: false) == EndTxnResponse(producerId: 1_000, producerEpoch: 0))
    }

    @Test func `InitProducerId after the last epoch gets a fresh producer id, and again when it asks again`() throws {
        var (bench, producer) = try exhausted(open: false)
        let answer = InitProducerIdResponse(producerId: 1_000, producerEpoch: 0)
        #expect(bench.initialize(expected: producer) == answer)
        #expect(bench.initialize(expected: producer) == answer)
        (bench, producer) = try exhausted(open: false)
        #expect(bench.initialize() == answer)
        #expect(bench.initialize(expected: producer)?.errorCode == 90)
        (bench, producer) = try exhausted(open: true)
        #expect(bench.initialize() == nil)
        bench.writeMarkers()
        #expect(bench.shard.describe("t").producerId == 1_000 && bench.shard.describe("t").producerEpoch == 1)
    }

    // MARK: partitions

    @Test(
        arguments: [
            ("Empty", 0, 0, 0), ("Ongoing", 0, 0, 0), ("CompleteCommit", 0, 0, 0), ("CompleteAbort", 0, 0, 0),
            ("PrepareCommit", 0, 0, 51), ("PrepareAbort", 0, 0, 51), ("Empty", 1, 0, 49), ("Empty", 0, 1, 90),
            ("Ongoing", 0, -1, 90),
        ] as [(String, Int64, Int16, Int16)])
    func `adding partitions`(state: String, ids: Int64, epochs: Int16, code: Int16) {
        for version in 0...5 as ClosedRange<Int16> {
            var (bench, producer) = TransactionBench.reaching(state, bumping: version > 3)
            producer = producer.with(id: ids).with(epoch: epochs)
            let expected = code == 90 && version < 2 ? 47 : code
            #expect(bench.add(producer, [("b", 0), ("a", 3)], version: version) == [expected, expected])
            #expect(bench.add(producer, [("b", 0)], id: "u", version: version) == [49])
            #expect(bench.add(producer, [("b", 0)], id: "", version: version) == [42])
            #expect(bench.addImplicitly(producer, ("b", 0)).rawValue == code)
        }
    }

    @Test func `one unknown partition keeps the others out`() {
        var (bench, producer) = TransactionBench.reaching("Empty", bumping: false)
        #expect(bench.add(producer, [("a", 0), ("a", 4), ("c", 0), ("b", -1)]) == [55, 3, 3, 3])
        #expect(bench.state() == "Empty")
    }

    @Test func `partitions that are in the transaction already need no record`() {
        var (bench, producer) = TransactionBench.reaching("Ongoing", bumping: true)
        let count = bench.log.count
        #expect(bench.addImplicitly(producer) == .none)
        #expect(bench.add(producer) == [0])
        #expect(bench.log.count == count)
    }

    @Test func `offsets of a group are one more partition`() {
        var (bench, producer) = TransactionBench.reaching("Empty", bumping: false)
        for (version, epochs, code) in [(0, 1, 47), (1, 1, 47), (2, 1, 90), (4, 0, 0)] as [(Int16, Int16, Int16)] {
            let token = bench.token()
            let decision = bench.shard.addOffsets(
                AddOffsetsToTxnRequest(
                    transactionalId: "t", producerId: producer.producerId,
                    producerEpoch: producer.producerEpoch + epochs, groupId: "g"),
                version: version, token: token, at: bench.time, topic: "__consumer_offsets", partition: 13)
            bench.take(decision)
            #expect((bench.replies[token] as? AddOffsetsToTxnResponse)?.errorCode == code)
        }
        #expect(
            bench.shard.describe("t").topics == [
                DescribeTransactionsResponse.TopicData(topic: "__consumer_offsets", partitions: [13])
            ])
    }

    @Test(
        arguments: [
            ("Ongoing", "a", 0, 0, 0, 0), ("Ongoing", "a", 1, 0, 0, 120), ("Ongoing", "b", 0, 0, 0, 120),
            ("Ongoing", "a", 0, 0, -1, 90), ("Ongoing", "a", 0, 1, 0, 49), ("PrepareCommit", "a", 0, 0, 0, 51),
            ("CompleteCommit", "a", 0, 0, 0, 120), ("Empty", "a", 0, 0, 0, 120),
        ] as [(String, String, Int32, Int64, Int16, Int16)])
    func `a partition is verified`(
        state: String, topic: String, partition: Int32, ids: Int64, epochs: Int16, code: Int16
    ) {
        var (bench, producer) = TransactionBench.reaching(state, bumping: false)
        producer = producer.with(id: ids).with(epoch: epochs)
        let verdict = bench.shard.verify(
            transactionalId: "t", producerId: producer.producerId, producerEpoch: producer.producerEpoch, topic: topic,
            partition: partition)
        #expect(verdict.rawValue == code)
        #expect(bench.add(producer, [(topic, partition)], version: 4, verifyOnly: true) == [code])
        #expect(bench.state() == state)
    }

    @Test(
        arguments: [
            (90, 11, 47), (120, 10, 48), (120, 11, 120), (51, 11, 19), (51, 12, 51), (49, 11, 49), (0, 9, 0),
            (14, 12, 19),
        ] as [(Int16, Int16, Int16)])
    func `how Produce tells it`(code: Int16, version: Int16, told: Int16) {
        #expect(TransactionShard.produceCode(ErrorCode(rawValue: code), version: version).rawValue == told)
    }
}
