import Coordinators
import KafkaMessages
import LogStorage
import Synchronization
import Testing

@testable import Broker

@Suite struct ShardHostTests {
    /// Commits an offset of group "g" with `confirm` between the log and the answer.
    private static func commit(
        _ server: BrokerServer, confirm: @escaping (_ isAnswered: Bool, PartitionLog) throws -> ErrorCode
    ) async throws -> OffsetCommitResponse {
        let node = server.node
        let problem = await withCheckedContinuation { continuation in
            node.groups.prepare(node.controller) { continuation.resume(returning: $0?.code) }
        }
        #expect(problem == nil)
        _ = await node.controller.value { $0.createTopics([TopicCreation(name: "t")], validateOnly: false).count }
        let host = try #require(node.groups.host(of: "g"))
        let request = OffsetCommitRequest(
            groupId: "g", topics: [.init(name: "t", partitions: [.init(partitionIndex: 0, committedOffset: 7)])])
        let isAnswered = Atomic<Bool>(false)
        let answer = await withCheckedContinuation { continuation in
            let responder = Responder(
                target: .local {
                    isAnswered.store(true, ordering: .sequentiallyConsistent)
                    continuation.resume(returning: $0)
                }, apiKey: .offsetCommit, apiVersion: 8, client: ClientIdentity(clientId: "c", host: "/127.0.0.1"),
                principal: nil)
            host.submit(responder) {
                request.refused($0, version: 8)
            } confirm: {
                (try? confirm(isAnswered.load(ordering: .sequentiallyConsistent), host.partition.log))
                    ?? .unknownServerError
            } _: { shard, token, now, topics in
                (shard.offsetCommit(request, version: 8, token: token, at: now, topics: topics), [])
            }
        }
        return try #require(answer as? OffsetCommitResponse)
    }

    /// A producer that has its answer may end its transaction; what is looked at afterwards is no longer what was written.
    @Test func `nobody is answered before the records are confirmed, even when they are durable`() async throws {
        try await withBroker { server in
            let response = try await Self.commit(server) { wasAnswered, log in
                #expect(!wasAnswered)
                let end = try log.sync()
                #expect(end == log.logEnd)
                return .none
            }
            #expect(response.topics[0].partitions.map(\.errorCode) == [0])
        }
    }

    @Test func `records that are not confirmed are answered with the reason`() async throws {
        try await withBroker { server in
            let response = try await Self.commit(server) { _, _ in .invalidTxnState }
            #expect(response.topics[0].partitions.map(\.errorCode) != [0])
        }
    }
}
