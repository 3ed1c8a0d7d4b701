import Environment
import Foundation
import KafkaMessages
import Logging
import Synchronization
import Testing

@testable import Broker

/// A machine with a disk that can fail and a broker on it.
final class FaultyMachine: Sendable {
    let disk: SimulatedDisk
    /// Whether the disk may be failing now: then an error is an answer like any other.
    let isFailing = Atomic<Bool>(false)
    /// What is not written by `Disk`.
    private let folder: String

    init(seed: UInt64) throws {
        disk = SimulatedDisk(seed: seed)
        folder = FileManager.default.temporaryDirectory.appending(path: "swiftwater-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    func crash() {
        disk.losePower(afterChanges: nil)
        disk.failSync(after: nil)
        disk.limit(byteCount: nil)
        disk.crash()
    }

    func run<T>(_ body: (FaultyNode) async throws -> T) async throws -> T {
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = folder
        configuration.listenPort = 0
        configuration.properties = try ServerProperties([
            "offsets.topic.num.partitions": "2", "transaction.state.log.num.partitions": "2",
            "share.coordinator.state.topic.num.partitions": "2",
            // Checkpoints meet the faults as well.
            "log.flush.offset.checkpoint.interval.ms": "200",
        ])
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await BrokerServer.start(configuration, logger: logger, disk: disk)
        do {
            let result = try await body(FaultyNode(node: server.node, machine: self))
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }
}

/// The broker ended the connection instead of answering, or waits for room on the disk.
struct Unanswered: Error {}

/// The requests of these tests. Each gives its error code.
struct FaultyNode: Sendable {
    let node: BrokerNode
    let machine: FaultyMachine

    /// - Throws: `Unanswered` when a disk that may be failing keeps the answer back; what became of the request is not known
    ///   then. Only a full disk lets requests wait: for room.
    func call<Request: KafkaRequest>(_ request: Request, version: Int16? = nil) async throws -> Request.Response {
        guard machine.disk.hasLimit else { return try await answer(to: request, version: version) }
        let (answers, answer) = AsyncThrowingStream.makeStream(of: Request.Response.self)
        // Ends with the broker at the latest.
        Task {
            do {
                answer.yield(try await self.answer(to: request, version: version))
                answer.finish()
            } catch {
                answer.finish(throwing: error)
            }
        }
        let limit = Task {
            try await Task.sleep(for: .milliseconds(300))
            answer.finish(throwing: Unanswered())
        }
        defer { limit.cancel() }
        for try await response in answers { return response }
        throw Unanswered()
    }

    private func answer<Request: KafkaRequest>(
        to request: Request, version: Int16?
    ) async throws -> Request.Response {
        do throws(ControlError) {
            return try await node.call(request, version: version, clientId: "test")
        } catch {
            guard error.code == .brokerNotAvailable, machine.isFailing.load(ordering: .relaxed) else { throw error }
            throw Unanswered()
        }
    }

    /// Asks until the answer is none of those after which clients ask again, or for a minute; a disk that fails is given a
    /// few attempts.
    ///
    /// - Parameter pause: between the first hundred attempts; later ones are a millisecond apart at least.
    func again<T>(
        _ code: (T) -> Int16, pause: Duration = .milliseconds(5), _ ask: () async throws -> T
    ) async throws -> T {
        let passing: Set<ErrorCode> = [
            .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator, .concurrentTransactions,
            .unstableOffsetCommit,
        ]
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(60)
        var attemptCount = 0
        while true {
            let answer = try await ask()
            attemptCount += 1
            guard passing.contains(ErrorCode(rawValue: code(answer))),
                !machine.isFailing.load(ordering: .relaxed) || attemptCount < 3, clock.now < deadline
            else { return answer }
            try await Task.sleep(for: attemptCount < 100 ? pause : max(pause, .milliseconds(1)))
        }
    }

    func prepare() async throws {
        let topic = CreateTopicsRequest.CreatableTopic(name: "t", numPartitions: 1, replicationFactor: 1)
        #expect(try await call(CreateTopicsRequest(topics: [topic])).topics[0].errorCode == 0)
        let shareKey = "s:\(KafkaUUID(high: 1, low: 1)):0"
        for (type, key) in [(0, "g"), (1, "x"), (2, shareKey)] as [(Int8, String)] {
            let found = try await again({ $0.coordinators[0].errorCode }) {
                try await call(FindCoordinatorRequest(keyType: type, coordinatorKeys: [key]))
            }
            #expect(found.coordinators[0].errorCode == 0)
        }
        try await beginShareGroup("s")
    }

    func commit(_ group: String, _ offset: Int64) async throws -> Int16 {
        let request = OffsetCommitRequest(
            groupId: group, topics: [.init(name: "t", partitions: [.init(partitionIndex: 0, committedOffset: offset)])])
        let answer = try await again({ $0.topics[0].partitions[0].errorCode }) { try await call(request, version: 8) }
        return answer.topics[0].partitions[0].errorCode
    }

    func beginTransaction() async throws -> InitProducerIdResponse {
        try await again({ $0.errorCode }) {
            try await call(InitProducerIdRequest(transactionalId: "x", transactionTimeoutMs: 60_000), version: 4)
        }
    }

    /// Adds an offset to the transaction of a producer.
    func commit(_ group: String, _ offset: Int64, _ producer: InitProducerIdResponse) async throws -> Int16 {
        let (id, epoch) = (producer.producerId, producer.producerEpoch)
        let added = try await again({ $0.errorCode }) {
            try await call(
                AddOffsetsToTxnRequest(
                    transactionalId: "x", producerId: id, producerEpoch: epoch, groupId: group), version: 3)
        }
        guard added.errorCode == 0 else { return added.errorCode }
        let request = TxnOffsetCommitRequest(
            transactionalId: "x", groupId: group, producerId: id, producerEpoch: epoch,
            topics: [.init(name: "t", partitions: [.init(partitionIndex: 0, committedOffset: offset)])])
        return try await again({ $0.topics[0].partitions[0].errorCode }) {
            try await call(request, version: 3)
        }.topics[0].partitions[0].errorCode
    }

    func commitTransaction(_ producer: InitProducerIdResponse) async throws -> Int16 {
        try await again({ $0.errorCode }) {
            try await call(
                EndTxnRequest(
                    transactionalId: "x", producerId: producer.producerId, producerEpoch: producer.producerEpoch,
                    committed: true), version: 3)
        }.errorCode
    }

    /// - Returns: of the end of the transaction, or of what kept it from being reached.
    func commitInTransaction(_ group: String, _ offset: Int64) async throws -> Int16 {
        let producer = try await beginTransaction()
        guard producer.errorCode == 0 else { return producer.errorCode }
        let code = try await commit(group, offset, producer)
        return code == 0 ? try await commitTransaction(producer) : code
    }

    /// - Returns: -1 where nothing is committed.
    func committed(_ group: String) async throws -> Int64 {
        let request = OffsetFetchRequest(
            groups: [.init(groupId: group, topics: [.init(name: "t", partitionIndexes: [0])])], requireStable: true)
        func code(_ answer: OffsetFetchResponse) -> Int16 {
            answer.groups[0].errorCode != 0
                ? answer.groups[0].errorCode : answer.groups[0].topics[0].partitions[0].errorCode
        }
        let answer = try await again(code) { try await call(request, version: 8) }
        #expect(code(answer) == 0)
        return answer.groups[0].topics.first?.partitions[0].committedOffset ?? -2
    }

    /// A member joins a group of the consumer protocol.
    func consumerHeartbeat(_ group: String) async throws -> Int16 {
        try await again({ $0.errorCode }) {
            try await call(
                ConsumerGroupHeartbeatRequest(
                    groupId: group, memberId: "m", memberEpoch: 0, rebalanceTimeoutMs: 60_000,
                    subscribedTopicNames: ["t"], topicPartitions: []))
        }.errorCode
    }

    func shareHeartbeat(_ group: String, _ member: String, _ epoch: Int32) async throws -> Int16 {
        try await again({ $0.errorCode }) {
            try await call(
                ShareGroupHeartbeatRequest(
                    groupId: group, memberId: member, memberEpoch: epoch,
                    subscribedTopicNames: epoch == 0 ? ["t"] : nil))
        }.errorCode
    }

    /// A group that nobody is a member of any more.
    func beginShareGroup(_ group: String) async throws {
        #expect(try await shareHeartbeat(group, "first", 0) == 0)
        #expect(try await shareHeartbeat(group, "first", -1) == 0)
    }

    func alterShareStart(_ group: String, _ offset: Int64) async throws -> Int16 {
        func code(_ answer: AlterShareGroupOffsetsResponse) -> Int16 {
            answer.errorCode != 0 ? answer.errorCode : answer.responses[0].partitions[0].errorCode
        }
        return code(
            try await again(code) {
                try await call(
                    AlterShareGroupOffsetsRequest(
                        groupId: group,
                        topics: [
                            .init(topicName: "t", partitions: [.init(partitionIndex: 0, startOffset: offset)])
                        ]))
            })
    }

    func shareStart(_ group: String) async throws -> Int64 {
        let request = DescribeShareGroupOffsetsRequest(
            groups: [.init(groupId: group, topics: [.init(topicName: "t", partitions: [0])])])
        let answer = try await again({ $0.groups[0].errorCode }) { try await call(request) }
        #expect(answer.groups[0].errorCode == 0)
        return answer.groups[0].topics.first?.partitions.first?.startOffset ?? -2
    }
}
