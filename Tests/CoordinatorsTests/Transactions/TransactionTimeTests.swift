import Coordinators
import KafkaMessages
import NIOCore
import Testing

/// Timers, refusals of the disk, restarts, and what is shown.
@Suite struct TransactionTimeTests {
    @Test(arguments: [false, true])
    func `a transaction that is open for too long is aborted and its producer fenced`(bumping: Bool) {
        var (bench, producer) = TransactionBench.reaching("Ongoing", bumping: bumping)
        #expect(bench.shard.nextDeadline.map { $0 <= bench.time.monotonic + 60_000 } == true)
        bench.tick(after: 59_999)
        #expect(bench.state() == "Ongoing" && bench.orders.isEmpty)
        bench.tick(after: 1)
        #expect(bench.orders.map(\.isCommit) == [false] && bench.orders[0].producerEpoch == producer.producerEpoch + 1)
        // A commit that was on its way: comes back while markers are written, and then hears that it was too late.
        #expect(bench.end(producer, commit: true, version: bumping ? 5 : 4)?.errorCode == (bumping ? 51 : 90))
        bench.writeMarkers()
        #expect(bench.end(producer, commit: true, version: bumping ? 5 : 4)?.errorCode == 90)
        #expect(bench.addImplicitly(producer) == .producerFenced)
        // A producer that knows that it was too slow may go on, but not with what it had.
        #expect(bench.initialize(expected: producer)?.producerEpoch == producer.producerEpoch + 1)
    }

    @Test func `a step of the wall clock ends no transaction, and a restart goes on counting`() throws {
        var (bench, _) = TransactionBench.reaching("Ongoing", bumping: true)
        bench.time.wall += 1_000_000
        bench.tick(after: 10)
        #expect(bench.state() == "Ongoing")
        bench.time.wall -= 1_000_000
        bench.time.wall += 30_000
        bench = try bench.restarted()
        bench.tick(after: 29_989)
        #expect(bench.state() == "Ongoing")
        bench.tick(after: 1)
        #expect(bench.state() == "PrepareAbort")
    }

    @Test func `a transactional id that nobody uses is forgotten`() throws {
        var (bench, producer) = TransactionBench.reaching("CompleteCommit", bumping: true)
        bench.tick(after: 604_799_999)
        #expect(bench.shard.count == 1)
        bench = try bench.restarted()
        bench.tick(after: 1)
        #expect(bench.shard.count == 0 && bench.shard.nextDeadline == nil)
        #expect(bench.log.last?.value == nil)
        #expect(bench.end(producer, commit: true)?.errorCode == 49)
        #expect(try bench.restarted().shard.count == 0)
    }

    @Test func `one tick needs one fresh producer id, the rest is due at once`() throws {
        var bench = TransactionBench()
        for id in ["t", "u", "v"] {
            let value = TransactionLogValue(
                producerId: 5, producerEpoch: 32_766, transactionTimeoutMs: 10, transactionStatus: 1,
                transactionPartitions: [.init(topic: "a", partitionIds: [0])],
                transactionStartTimestampMs: bench.time.wall)
            bench.log.append(
                try CoordinatorRecord(key: TransactionLogKey(transactionalId: id), keyVersion: 0, value: (value, 1)))
        }
        bench = try bench.restarted()
        bench.tick(after: 10)
        #expect(bench.orders.count == 1)
        #expect(bench.shard.nextDeadline.map { $0 <= bench.time.monotonic } == true)
        bench.tick()
        bench.tick()
        bench.writeMarkers()
        #expect(Set(["t", "u", "v"].map { bench.shard.describe($0).producerId }) == [1_000, 1_001, 1_002])
    }

    @Test(arguments: ["PrepareCommit", "PrepareAbort"])
    func `a decided transaction is finished after a restart`(state: String) throws {
        for bumping in [false, true] {
            var (bench, producer) = TransactionBench.reaching(state, bumping: bumping)
            let orders = bench.orders
            bench = try bench.restarted()
            #expect(bench.orders == orders && orders.count == 1)
            bench.writeMarkers()
            #expect(bench.state() == (state == "PrepareCommit" ? "CompleteCommit" : "CompleteAbort"))
            let ended = bench.end(
                bumping ? producer.with(epoch: -1) : producer, commit: state == "PrepareCommit",
                version: bumping ? 5 : 4)
            #expect(ended?.errorCode == 0)
        }
    }

    /// A foreign broker may have stopped between the two records of an end without partitions.
    @Test func `a decided transaction without partitions is finished by the first tick`() throws {
        var bench = TransactionBench()
        let value = TransactionLogValue(
            producerId: 5, producerEpoch: 1, transactionTimeoutMs: 10, transactionStatus: 3,
            transactionPartitions: nil)
        bench.log = [
            try CoordinatorRecord(key: TransactionLogKey(transactionalId: "t"), keyVersion: 0, value: (value, 0))
        ]
        bench = try bench.restarted()
        #expect(bench.orders.isEmpty)
        bench.tick()
        #expect(bench.state() == "CompleteAbort")
    }

    @Test func `what the log refuses has not happened, and the client is told`() {
        var (bench, producer) = TransactionBench.reaching("Ongoing", bumping: true)
        let before = bench.shard.describe("t")
        let ended = bench.shard.endTxn(
            EndTxnRequest(transactionalId: "t", producerId: producer.producerId, producerEpoch: 0, committed: true),
            version: 5, token: bench.token(), at: bench.time, freshProducerId: 9)
        bench.shard.abandon()
        #expect(ended.decision.replies.isEmpty)
        #expect(
            ended.decision.refusals(.kafkaStorageError).map { ($0.message as? EndTxnResponse)?.errorCode } == [16])
        let initialized = bench.shard.initProducerId(
            InitProducerIdRequest(transactionalId: "t", transactionTimeoutMs: 5), version: 5, token: bench.token(),
            at: bench.time, freshProducerId: 9)
        bench.shard.abandon()
        #expect(
            initialized.decision.refusals(.messageTooLarge).map { ($0.message as? InitProducerIdResponse)?.errorCode }
                == [-1])
        #expect(bench.shard.describe("t") == before)
        // Nobody waits any more.
        #expect(bench.initialize() == nil)
    }

    @Test func `a completion that the log refuses is written later, without new markers`() {
        var (bench, producer) = TransactionBench.reaching("Ongoing", bumping: true)
        #expect(bench.end(producer, commit: true) == nil)
        let refused = bench.shard.markersWritten(
            transactionalId: "t", producerId: producer.producerId, producerEpoch: 1, at: bench.time)
        #expect(refused.decision.records.count == 1 && refused.decision.replies.count == 1)
        #expect(!refused.repliesWaitForDisk)
        bench.shard.abandon()
        #expect(refused.decision.refusals(.kafkaStorageError).isEmpty)
        bench.orders = []
        bench.tick(after: 500)
        #expect(bench.orders.isEmpty && bench.state() == "CompleteCommit")
        #expect(bench.replies.values.contains { ($0 as? EndTxnResponse)?.producerEpoch == 1 })
    }

    @Test func `markers that could not be written are ordered again`() {
        var (bench, producer) = TransactionBench.reaching("PrepareCommit", bumping: true)
        let orders = bench.orders
        bench.orders = []
        #expect(bench.replies.values.allSatisfy { !($0 is EndTxnResponse) })
        #expect(bench.initialize() == nil)
        bench.take(
            bench.shard.markersRefused(
                transactionalId: "t", producerId: producer.producerId, producerEpoch: producer.producerEpoch,
                at: bench.time))
        // Nobody waits for what may take as long as the disk is full or broken.
        let codes = bench.replies.values.compactMap { ($0 as? EndTxnResponse)?.errorCode }
        #expect(codes == [ErrorCode.concurrentTransactions.rawValue])
        let initCodes = bench.replies.values.compactMap { ($0 as? InitProducerIdResponse)?.errorCode }
        #expect(initCodes.sorted() == [0, ErrorCode.concurrentTransactions.rawValue])
        bench.tick(after: 499)
        #expect(bench.orders.isEmpty)
        bench.tick(after: 1)
        #expect(bench.orders == orders)
        bench.writeMarkers()
        #expect(bench.state() == "CompleteCommit")
    }

    @Test func `an abort on time that the log refuses is tried again, not in a hurry`() {
        var (bench, _) = TransactionBench.reaching("Ongoing", bumping: true)
        bench.time.monotonic += 60_000
        let decision = bench.shard.tick(at: bench.time, freshProducerId: 9)
        #expect(decision.decision.records.count == 1)
        bench.shard.abandon()
        #expect(bench.shard.nextDeadline == bench.time.monotonic + 500)
        bench.tick(after: 500)
        #expect(bench.state() == "PrepareAbort" && bench.orders.count == 1)
    }

    @Test func `news of markers that nobody waits for is nothing`() {
        for state in ["Empty", "Ongoing", "CompleteCommit", "PrepareAbort"] {
            var (bench, producer) = TransactionBench.reaching(state, bumping: true)
            let epochs: Int16 = state == "PrepareAbort" ? -1 : 0
            let decision = bench.shard.markersWritten(
                transactionalId: "t", producerId: producer.producerId,
                producerEpoch: producer.producerEpoch + epochs, at: bench.time)
            #expect(decision.decision.records.isEmpty)
            #expect(bench.state() == state)
        }
    }

    // MARK: what is shown

    @Test func `a transaction is described`() {
        let (bench, _) = TransactionBench.reaching("Ongoing", bumping: true)
        #expect(
            bench.shard.describe("t")
                == DescribeTransactionsResponse.TransactionState(
                    transactionalId: "t", transactionState: "Ongoing", transactionTimeoutMs: 60_000,
                    transactionStartTimeMs: 1_000_000, producerId: 1_000, producerEpoch: 0,
                    topics: [DescribeTransactionsResponse.TopicData(topic: "a", partitions: [0])]))
        #expect(bench.shard.describe("u").errorCode == 105)
        #expect(bench.shard.describe("").errorCode == 42)
    }

    @Test(
        arguments: [
            (ListTransactionsRequest(), ["t", "u", "v"], []),
            (ListTransactionsRequest(stateFilters: ["Ongoing"]), ["u"], []),
            (ListTransactionsRequest(stateFilters: ["Ongoing", "Empty", "Odd"]), ["t", "u"], ["Odd"]),
            (ListTransactionsRequest(stateFilters: ["Odd"]), [], ["Odd"]),
            (ListTransactionsRequest(stateFilters: ["Dead", "PrepareEpochFence"]), [], []),
            (ListTransactionsRequest(producerIdFilters: [1_001, 7]), ["u"], []),
            (ListTransactionsRequest(stateFilters: ["Ongoing"], durationFilter: 999), ["u"], []),
            (ListTransactionsRequest(stateFilters: ["Ongoing"], durationFilter: 1_000), [], []),
            (ListTransactionsRequest(transactionalIdPattern: "u|v"), ["u", "v"], []),
            (ListTransactionsRequest(transactionalIdPattern: ""), ["t", "u", "v"], []),
        ] as [(ListTransactionsRequest, [String], [String])])
    func `transactions are listed`(request: ListTransactionsRequest, ids: [String], unknown: [String]) {
        var bench = TransactionBench()
        for id in ["v", "u", "t"] { _ = bench.initialize(id) }
        _ = bench.addImplicitly(TransactionProducer(producerId: 1_001, producerEpoch: 0), id: "u")
        _ = bench.end(TransactionProducer(producerId: 1_000, producerEpoch: 0), commit: false, id: "v")
        bench.time.wall += 1_000
        let response = bench.shard.list(request, at: bench.time) { "u|v".contains($0) }
        #expect(response.transactionStates.map(\.transactionalId) == ids)
        #expect(response.unknownStateFilters == unknown)
    }

    // MARK: records

    /// By hand from TransactionLogValue.json: key type 0, value version 1, compact arrays, tags 0 (previous id) and 2
    /// (client's transaction.version).
    @Test func `the bytes of a record are Kafka's`() {
        let (bench, _) = TransactionBench.reaching("Ongoing", bumping: true)
        #expect(bench.log.last?.key == ByteBuffer(bytes: [0, 0, 0, 1, 0x74]))
        #expect(
            bench.log.last?.value
                == ByteBuffer(bytes: [
                    0, 1, 0, 0, 0, 0, 0, 0, 0x03, 0xE8, 0, 0, 0, 0, 0xEA, 0x60, 1, 2, 2, 0x61, 2, 0, 0, 0, 0, 0, 0, 0,
                    0,
                    0, 0, 0x0F, 0x42, 0x40, 0, 0, 0, 0, 0, 0x0F, 0x42, 0x40, 2, 0, 8, 0, 0, 0, 0, 0, 0, 0x03, 0xE8, 2,
                    2,
                    0, 2,
                ]))
    }

    @Test(
        arguments: [
            ([], []), ([0, 0, 0, 1], []), ([0, 0, 0, 1, 0x74], [0, 2]), ([0, 0, 0, 9, 0x74], [0, 1]),
            ([0, 0, 0, 1, 0x74], [0, 1, 0, 0]),
        ] as [([UInt8], [UInt8])])
    func `a record that cannot be read changes nothing`(key: [UInt8], value: [UInt8]) {
        var bench = TransactionBench.reaching("CompleteCommit", bumping: true).0
        let before = bench.shard.describe("t")
        #expect(throws: (any Error).self) {
            try bench.shard.replay(key: ByteBuffer(bytes: key), value: ByteBuffer(bytes: value))
        }
        #expect(bench.shard.describe("t") == before)
    }

    @Test func `a type of record that we do not know is passed over`() throws {
        var bench = TransactionBench.reaching("CompleteCommit", bumping: true).0
        let before = bench.shard.describe("t")
        try bench.shard.replay(key: ByteBuffer(bytes: [0, 1, 0, 1, 0x74]), value: nil)
        #expect(bench.shard.describe("t") == before)
    }
}
