import Coordinators
import Foundation
import KafkaMessages
import LogStorage
import NIOCore
import RecordBatches
import Testing

@testable import Broker

/// What a start makes of transactions that were open when the broker ended.
@Suite struct TransactionStartTests {
    private static let topic = "ratings"

    private static func temporaryFolder() -> String {
        FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
    }

    /// Begins a transaction in partition 0 and leaves it open.
    private static func begin(_ server: BrokerServer) throws -> InitProducerIdResponse {
        let client = try WireClient(port: server.port)
        var create = CreateTopicsRequest()
        create.topics = [.init(name: topic, numPartitions: 1, replicationFactor: 1)]
        _ = try client.ask(create, version: 5)
        var find = FindCoordinatorRequest()
        find.keyType = 1
        find.coordinatorKeys = ["t"]
        _ = try client.ask(find, version: 4)
        var initialize = InitProducerIdRequest()
        initialize.transactionalId = "t"
        initialize.transactionTimeoutMs = 60_000
        let producer = try client.ask(initialize, version: 5)
        var builder = BatchBuilder()
        builder.producerId = producer.producerId
        builder.producerEpoch = producer.producerEpoch
        builder.baseSequence = 0
        builder.isTransactional = true
        try builder.append(timestamp: 1_000, key: nil, value: Array("one".utf8))
        var produce = ProduceRequest()
        produce.transactionalId = "t"
        produce.acks = -1
        produce.timeoutMs = 1_000
        produce.topicData = [
            .init(
                name: topic, partitionData: [.init(index: 0, records: .bytes(ByteBuffer(bytes: try builder.build())))])
        ]
        let written = try client.ask(produce, version: 12)
        #expect(written.responses[0].partitionResponses[0].errorCode == 0)
        return producer
    }

    private static func partition(_ server: BrokerServer) throws -> Partition {
        try #require(server.node.catalog.topic(named: topic)?.partition(0))
    }

    @Test func `one that its coordinator knows stays open and can be committed`() async throws {
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let producer = try await withBroker(in: folder) { try Self.begin($0) }
        try await withBroker(in: folder) { server in
            server.node.coordination.endUnknownTransactions()
            let open = try Self.partition(server).log.openTransactions()
            #expect(open.map(\.producerId) == [producer.producerId])
            let client = try WireClient(port: server.port)
            var end = EndTxnRequest()
            end.transactionalId = "t"
            end.producerId = producer.producerId
            end.producerEpoch = producer.producerEpoch
            end.committed = true
            let code = try Self.again { ErrorCode(rawValue: try client.ask(end, version: 5).errorCode) }
            #expect(code == .none)
            let log = try Self.partition(server).log
            #expect(log.offsets.lastStable == 2)
            let aborted = try log.abortedTransactions(from: 0, upTo: 2)
            #expect(aborted.isEmpty)
        }
    }

    /// A crash may keep records but lose that their partition was added to a transaction. Here all the state of
    /// transactions is lost.
    @Test func `one of which no coordinator knows is aborted`() async throws {
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try await withBroker(in: folder) { try Self.begin($0) }
        for name in try FileManager.default.contentsOfDirectory(atPath: folder + "/topics")
        where name.hasPrefix("__transaction_state-") {
            try FileManager.default.removeItem(atPath: folder + "/topics/" + name)
        }
        try await withBroker(in: folder) { server in
            // What the start does by itself, on another thread; the second time there is nothing left to do.
            server.node.coordination.endUnknownTransactions()
            let log = try Self.partition(server).log
            #expect(log.openTransactions().isEmpty)
            let aborted = try log.abortedTransactions(from: 0, upTo: log.offsets.logEnd)
            #expect(aborted.map(\.firstOffset) == [0])
        }
    }

    // MARK: A producer that is still there

    /// Loses what the coordinator wrote after `copy` was taken, as a machine does that loses power: the log of the topic
    /// itself happened to reach the disk.
    private static func restoreState(of folder: String, from copy: String) throws {
        let files = FileManager.default
        for name in try files.contentsOfDirectory(atPath: folder + "/topics")
        where name.hasPrefix("__transaction_state-") {
            try files.removeItem(atPath: folder + "/topics/" + name)
            try files.copyItem(atPath: copy + "/topics/" + name, toPath: folder + "/topics/" + name)
        }
        try forgetStop(of: folder)
    }

    private static func forgetStop(of folder: String) throws {
        for name in ["recovery-point-offset-checkpoint", ".kafka_cleanshutdown"] {
            try FileManager.default.removeItem(atPath: folder + "/topics/" + name)
        }
    }

    private static func produce(
        _ producer: TransactionProducer, _ server: BrokerServer, version: Int16 = 12
    ) throws -> ErrorCode {
        var builder = BatchBuilder()
        builder.producerId = producer.producerId
        builder.producerEpoch = producer.producerEpoch
        builder.baseSequence = 0
        builder.isTransactional = true
        try builder.append(timestamp: 1_000, key: nil, value: Array("one".utf8))
        var request = ProduceRequest()
        request.transactionalId = "t"
        request.acks = -1
        request.timeoutMs = 1_000
        request.topicData = [
            .init(
                name: topic, partitionData: [.init(index: 0, records: .bytes(ByteBuffer(bytes: try builder.build())))])
        ]
        return try again {
            ErrorCode(
                rawValue: try WireClient(port: server.port).ask(request, version: version).responses[0]
                    .partitionResponses[0].errorCode)
        }
    }

    private static func end(
        _ producer: TransactionProducer, commit: Bool, _ server: BrokerServer
    ) throws -> (code: ErrorCode, next: TransactionProducer) {
        var request = EndTxnRequest()
        request.transactionalId = "t"
        request.producerId = producer.producerId
        request.producerEpoch = producer.producerEpoch
        request.committed = commit
        var answer = EndTxnResponse()
        let code = try again {
            answer = try WireClient(port: server.port).ask(request, version: 5)
            return ErrorCode(rawValue: answer.errorCode)
        }
        return (
            code, TransactionProducer(producerId: answer.producerId, producerEpoch: answer.producerEpoch)
        )
    }

    /// Asks again while the coordinator is loading or writes markers.
    private static func again(_ ask: () throws -> ErrorCode) throws -> ErrorCode {
        var code = ErrorCode.none
        for _ in 0..<attemptCountMax {
            code = try ask()
            guard [.coordinatorLoadInProgress, .notEnoughReplicas, .concurrentTransactions].contains(code) else {
                break
            }
            Thread.sleep(forTimeInterval: 0.005)
        }
        return code
    }

    /// With pauses of five milliseconds: longer than any machine takes, and not for ever.
    private static let attemptCountMax = 4_000

    /// The records that a reader of committed records gets.
    private static func committedCount(_ server: BrokerServer) throws -> Int64 {
        let log = try partition(server).log
        let aborted = try log.abortedTransactions(from: 0, upTo: log.offsets.lastStable)
        var count: Int64 = 0
        var offset: Int64 = 0
        while offset < log.offsets.lastStable {
            let slice = try log.read(from: offset, maxBytes: 1, upTo: log.offsets.lastStable, minOneBatch: true)
            let bytes = try slice.bytes()
            let header = try BatchHeader(bytes.span.bytes, at: 0)
            let isAborted = aborted.contains {
                $0.producerId == header.producerId && ($0.firstOffset...$0.lastOffset).contains(header.baseOffset)
            }
            if !header.attributes.isControl, !isAborted { count += Int64(header.recordCount) }
            offset = header.nextOffset
        }
        return count
    }

    /// The records of a transaction are on disk, that their partition belongs to it is not. Its producer, which has had no
    /// answer, sends them again: by their sequence numbers they would be taken for written, and they were aborted.
    @Test func `records that a start has aborted are not taken for written when they come again`() async throws {
        let folder = Self.temporaryFolder()
        let copy = Self.temporaryFolder()
        defer { for path in [folder, copy] { try? FileManager.default.removeItem(atPath: path) } }
        let begun = try await withBroker(in: folder) { server in
            let producer = try Self.begin(server)
            let ended = try Self.end(
                TransactionProducer(producerId: producer.producerId, producerEpoch: producer.producerEpoch),
                commit: true, server)
            #expect(ended.code == .none)
            return ended.next
        }
        try FileManager.default.copyItem(atPath: folder, toPath: copy)
        try await withBroker(in: folder) { server in
            let code = try Self.produce(begun, server)
            #expect(code == .none)
        }
        try Self.restoreState(of: folder, from: copy)
        try await withBroker(in: folder) { server in
            let isReady = try Self.end(TransactionProducer(producerId: 99, producerEpoch: 0), commit: false, server)
            #expect(isReady.code == .invalidProducerIdMapping)
            server.node.coordination.endUnknownTransactions()
            let open = try Self.partition(server).log.openTransactions()
            #expect(open.isEmpty)
            let repeated = try Self.produce(begun, server)
            #expect(repeated == .invalidProducerEpoch)
            // The producer aborts, which gives it the next epoch, and does it all again.
            let aborted = try Self.end(begun, commit: false, server)
            #expect(aborted.code == .none)
            let written = try Self.produce(aborted.next, server)
            #expect(written == .none)
            let committed = try Self.end(aborted.next, commit: true, server)
            #expect(committed.code == .none)
            let count = try Self.committedCount(server)
            #expect(count == 2)
        }
    }

    /// The end of a transaction is decided on disk, that it was carried out is not, and its producer has begun the next
    /// one: the markers that a start writes once more must not end that.
    @Test func `markers that are written once more do not commit the next transaction`() async throws {
        let folder = Self.temporaryFolder()
        let copy = Self.temporaryFolder()
        defer { for path in [folder, copy] { try? FileManager.default.removeItem(atPath: path) } }
        let first = try await withBroker(in: folder) { server in
            let producer = try Self.begin(server)
            return TransactionProducer(producerId: producer.producerId, producerEpoch: producer.producerEpoch)
        }
        let next = try await withBroker(in: folder) { server in
            let ended = try Self.end(first, commit: true, server)
            #expect(ended.code == .none)
            let code = try Self.produce(ended.next, server)
            #expect(code == .none)
            // What is on disk is the decision: the log of the coordinator as it was then.
            let host = try #require(server.node.transactions.topic.host(of: "t"))
            return (producer: ended.next, partition: host.partition.index)
        }
        // The transaction's state has five records: Empty, Ongoing, PrepareCommit, CompleteCommit, Ongoing.
        try Self.cutState(of: folder, partition: next.partition, records: 3)
        try await withBroker(in: folder) { server in
            let isReady = try Self.end(TransactionProducer(producerId: 99, producerEpoch: 0), commit: false, server)
            #expect(isReady.code == .invalidProducerIdMapping)
            server.node.coordination.endUnknownTransactions()
            let log = try Self.partition(server).log
            for _ in 0..<Self.attemptCountMax where !log.openTransactions().isEmpty {
                try await Task.sleep(for: .milliseconds(5))
            }
            let open = log.openTransactions()
            #expect(open.isEmpty)
            let count = try Self.committedCount(server)
            #expect(count == 1)
            let repeated = try Self.produce(next.producer, server)
            #expect(repeated == .invalidProducerEpoch)
        }
    }

    // MARK: Before it is through

    /// What is acknowledged before a start has aborted what nobody knows would be aborted with it.
    @Test func `nothing goes on with an open transaction before it is looked at`() async throws {
        try await withBroker { server in
            let begun = try Self.begin(server)
            let partition = try Self.partition(server)
            let other = Coordination(server.node.coordination.environment, server.node.controller.server)
            func code(raisedBy raise: Int16) -> ErrorCode {
                let producer = TransactionProducer(
                    producerId: begun.producerId, producerEpoch: begun.producerEpoch + raise)
                let begin = other.transactions.begin(producer, transactionalId: "t", in: partition, addsByItself: true)
                if case .failure(let error) = begin { return error.code }
                return .none
            }
            #expect(code(raisedBy: 0) == .coordinatorLoadInProgress)
            #expect(code(raisedBy: 1) == .coordinatorLoadInProgress)
            // This one has no topic, and so knows nothing.
            other.endUnknownTransactions()
            #expect(partition.log.openTransactions().isEmpty)
            #expect(code(raisedBy: 0) == .coordinatorNotAvailable)
        }
    }

    @Test func `a start is through when the markers are written that it found decided`() {
        let start = TransactionStart()
        let ending = [0, 1].map { TransactionProducer(producerId: $0, producerEpoch: 3) }
        start.markersWritten(of: ending[0])
        #expect(start.phase == .looking)
        start.endLooking { Set(ending) }
        start.markersWritten(of: ending[0])
        start.markersWritten(of: TransactionProducer(producerId: 1, producerEpoch: 4))
        #expect(start.phase == .ending)
        start.markersWritten(of: ending[1])
        #expect(start.phase == .settled)
        start.endLooking { Set(ending) }
        #expect(start.phase == .settled)
        let unreadable = TransactionStart()
        unreadable.giveUp()
        #expect(unreadable.phase == .ending)
    }

    /// The producer was given the epoch of the fence in between, and has begun again.
    @Test func `a fence does not end what its producer has begun with the fence's epoch`() async throws {
        try await withBroker { server in
            let begun = try Self.begin(server)
            let log = try Self.partition(server).log
            let old = try #require(log.openTransactions().first)
            let ended = try Self.end(
                TransactionProducer(producerId: begun.producerId, producerEpoch: begun.producerEpoch), commit: true,
                server)
            let code = try Self.produce(ended.next, server)
            #expect(code == .none)
            let open = try #require(log.openTransactions().first)
            #expect(old.fence == ended.next)
            server.node.coordination.markers.write(
                old.abortMarker, producer: old.fence, transactionVersion: old.fenceVersion,
                to: [MarkerTarget(topic: Self.topic, partition: 0)], isFence: true
            ) { _ in }
            #expect(log.openTransactions().map(\.firstOffset) == [open.firstOffset])
            let committed = try Self.end(ended.next, commit: true, server)
            #expect(committed.code == .none)
            let count = try Self.committedCount(server)
            #expect(count == 2)
        }
    }

    /// Before transaction.version 2 transactions of one epoch follow each other: an equal epoch tells of no next one.
    @Test func `a refused marker of an old client does not become an abort`() async throws {
        try await withBroker { server in
            let begun = try Self.begin(server)
            let producer = TransactionProducer(producerId: begun.producerId, producerEpoch: begun.producerEpoch)
            let log = try Self.partition(server).log
            _ = try log.appendMarker(
                ControlMarker(kind: .abort, coordinatorEpoch: 5), producerId: producer.producerId,
                producerEpoch: producer.producerEpoch, now: 1_000)
            var builder = BatchBuilder()
            builder.producerId = producer.producerId
            builder.producerEpoch = producer.producerEpoch
            builder.baseSequence = 1
            builder.isTransactional = true
            try builder.append(timestamp: 1_000, key: nil, value: Array("two".utf8))
            let batch = try builder.build()
            _ = try log.append(batch.span.bytes, header: try BatchHeader(batch.span.bytes), now: 1_000)
            server.node.coordination.markers.write(
                ControlMarker(kind: .commit, coordinatorEpoch: 0), producer: producer, transactionVersion: 0,
                to: [MarkerTarget(topic: Self.topic, partition: 0)]
            ) { _ in }
            #expect(log.openTransactions().map(\.firstOffset) == [2])
        }
    }

    /// Leaves the first `records` batches of a partition of `__transaction_state`.
    private static func cutState(of folder: String, partition: Int32, records: Int) throws {
        let directory = folder + "/topics/__transaction_state-\(partition)"
        let files = FileManager.default
        for name in try files.contentsOfDirectory(atPath: directory)
        where !name.hasSuffix(".log") && name != "partition.metadata" {
            try files.removeItem(atPath: directory + "/" + name)
        }
        let path = directory + "/00000000000000000000.log"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path)).map { $0 }
        var at = 0
        var count = 0
        while count < records {
            at += try BatchHeader(bytes.span.bytes, at: at).byteCount
            count += 1
        }
        #expect(at < bytes.count)
        try Data(bytes.prefix(at)).write(to: URL(fileURLWithPath: path))
        try forgetStop(of: folder)
    }
}
