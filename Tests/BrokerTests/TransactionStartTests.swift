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
            var code = try client.ask(end, version: 5).errorCode
            while code == ErrorCode.coordinatorLoadInProgress.rawValue {
                code = try client.ask(end, version: 5).errorCode
            }
            #expect(code == 0)
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
}
