import Environment
import Foundation
import KafkaMessages
import Logging
import Testing

@testable import Broker

/// Share groups, of which two coordinators know something, on a disk that can lose power.
@Suite(.serialized) struct ShareGroupRaceTests {
    @Test(.timeLimit(.minutes(5)))
    func `offsets of a share group are altered before its members are there or not at all`() async throws {
        let machine = try Machine(seed: 1)
        defer { machine.remove() }
        try await machine.run { node in
            try await node.prepare()
            try await node.beginShareGroup("s")
            var start: Int64 = -1
            var alteredCount = 0
            for round in 1...40 as ClosedRange<Int64> {
                let (joined, code): (Int16, Int16)
                if round.isMultiple(of: 4) {
                    // Where both race, the member may be first each time.
                    code = try await node.alterShareStart("s", round)
                    joined = try await node.shareHeartbeat("s", "m\(round)", 0)
                } else {
                    async let joining = node.shareHeartbeat("s", "m\(round)", 0)
                    async let altering = node.alterShareStart("s", round)
                    (joined, code) = try await (joining, altering)
                }
                #expect(joined == 0)
                #expect(code == 0 || code == ErrorCode.nonEmptyGroup.rawValue, "\(code)")
                if code == 0 {
                    start = round
                    alteredCount += 1
                }
                #expect(try await node.shareHeartbeat("s", "m\(round)", -1) == 0)
                #expect(try await node.shareStart("s") == start)
            }
            #expect(alteredCount > 0)
        }
    }

    /// The state of a share group is in another partition than the group, and may be read later.
    @Test(.timeLimit(.minutes(5)), arguments: [false, true], 1...4 as ClosedRange<UInt64>)
    func `a share group deleted while coordinators load leaves nothing to the next of its name`(
        crashes: Bool, seed: UInt64
    ) async throws {
        let machine = try Machine(seed: seed)
        defer { machine.remove() }
        try await machine.run { node in
            try await node.prepare()
            try await node.beginShareGroup("s")
            #expect(try await node.alterShareStart("s", 7) == 0)
            #expect(try await node.shareStart("s") == 7)
        }
        try await machine.run { node in
            // Asked again and again from the first moment on.
            let deleted = try await node.again({ $0.results[0].errorCode }, pause: .zero) {
                try await node.call(DeleteGroupsRequest(groupsNames: ["s"]))
            }
            #expect(deleted.results[0].errorCode == 0)
            if crashes { machine.disk.losePower(afterChanges: 1) }
        }
        if crashes { machine.crash() }
        try await machine.run { node in
            try await node.beginShareGroup("s")
            #expect(try await node.shareStart("s") == -1)
        }
    }
}

/// A machine with a disk that can fail and a broker on it.
private final class Machine: Sendable {
    let disk: SimulatedDisk
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
        disk.crash()
    }

    func run<T>(_ body: (Node) async throws -> T) async throws -> T {
        var configuration = BrokerConfiguration()
        configuration.dataDirectory = folder
        configuration.listenPort = 0
        configuration.properties = try ServerProperties([
            "offsets.topic.num.partitions": "2", "transaction.state.log.num.partitions": "2",
            "share.coordinator.state.topic.num.partitions": "2",
        ])
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await BrokerServer.start(configuration, logger: logger, disk: disk)
        do {
            let result = try await body(Node(node: server.node))
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }
}

/// The requests of these tests. Each gives its error code.
private struct Node: Sendable {
    let node: BrokerNode

    func call<Request: KafkaRequest>(_ request: Request) async throws -> Request.Response {
        try await node.call(request, clientId: "test")
    }

    /// Asks until the answer is none of those after which clients ask again, or for a minute.
    ///
    /// - Parameter pause: between the first hundred attempts; later ones are a millisecond apart at least.
    func again<T>(
        _ code: (T) -> Int16, pause: Duration = .milliseconds(5), _ ask: () async throws -> T
    ) async throws -> T {
        let passing: Set<ErrorCode> = [
            .coordinatorLoadInProgress, .coordinatorNotAvailable, .notCoordinator,
        ]
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(60)
        var attemptCount = 0
        while true {
            let answer = try await ask()
            attemptCount += 1
            guard passing.contains(ErrorCode(rawValue: code(answer))), clock.now < deadline else { return answer }
            try await Task.sleep(for: attemptCount < 100 ? pause : max(pause, .milliseconds(1)))
        }
    }

    func prepare() async throws {
        let topic = CreateTopicsRequest.CreatableTopic(name: "t", numPartitions: 1, replicationFactor: 1)
        #expect(try await call(CreateTopicsRequest(topics: [topic])).topics[0].errorCode == 0)
        let shareKey = "s:\(KafkaUUID(high: 1, low: 1)):0"
        for (type, key) in [(0, "g"), (2, shareKey)] as [(Int8, String)] {
            let found = try await again({ $0.coordinators[0].errorCode }) {
                try await call(FindCoordinatorRequest(keyType: type, coordinatorKeys: [key]))
            }
            #expect(found.coordinators[0].errorCode == 0)
        }
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
