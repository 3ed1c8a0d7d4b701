import Bytes
import KafkaMessages
import NIOCore
import TestKit
import Testing

@testable import Cluster

private func member(
    _ id: String, _ topics: [String], instance: String? = nil, owned: [TopicPartition] = [], generation: Int32 = -1
) -> Assignor.Member {
    Assignor.Member(
        id: id, instanceId: instance, subscription: .init(topics: topics, owned: owned, generation: generation))
}

private func partitions(_ topic: String, _ numbers: Int32...) -> [TopicPartition] {
    numbers.map { TopicPartition(topic, $0) }
}

@Suite struct AssignorTests {
    /// From the documentation of upstream `RangeAssignor`: two consumers, two topics of three partitions.
    @Test func `range gives consecutive partitions of each topic`() {
        let result = Assignor.range.assign(
            [member("c1", ["t0", "t1"]), member("c0", ["t0", "t1"])], partitionCounts: ["t0": 3, "t1": 3])
        #expect(
            result == [
                "c0": partitions("t0", 0, 1) + partitions("t1", 0, 1), "c1": partitions("t0", 2) + partitions("t1", 2),
            ])
    }

    /// From the documentation of upstream `RoundRobinAssignor`: equal subscriptions, then the example of unequal ones.
    @Test func `round robin deals all partitions in turn`() {
        let equal = Assignor.roundRobin.assign(
            [member("c0", ["t0", "t1"]), member("c1", ["t0", "t1"])], partitionCounts: ["t0": 3, "t1": 3])
        #expect(
            equal == [
                "c0": partitions("t0", 0, 2) + partitions("t1", 1), "c1": partitions("t0", 1) + partitions("t1", 0, 2),
            ])
        let unequal = Assignor.roundRobin.assign(
            [member("c0", ["t0"]), member("c1", ["t0", "t1"]), member("c2", ["t0", "t1", "t2"])],
            partitionCounts: ["t0": 1, "t1": 2, "t2": 3])
        #expect(
            unequal == [
                "c0": partitions("t0", 0), "c1": partitions("t1", 0),
                "c2": partitions("t1", 1) + partitions("t2", 0, 1, 2),
            ])
    }

    @Test func `static members keep their order over a restart`() {
        let first = Assignor.range.assign(
            [member("x", ["t"], instance: "b"), member("y", ["t"], instance: "a"), member("a", ["t"])],
            partitionCounts: ["t": 3])
        #expect(first == ["y": partitions("t", 0), "x": partitions("t", 1), "a": partitions("t", 2)])
    }

    @Test func `a partition that moves is given up in one round and given out in the next`() {
        let all = partitions("t", 0, 1, 2, 3)
        let first = Assignor.cooperativeSticky.assign(
            [member("a", ["t"], owned: all, generation: 1), member("b", ["t"])], partitionCounts: ["t": 4])
        #expect(first["a"]?.count == 2)
        #expect(first["b"] == [])
        let second = Assignor.cooperativeSticky.assign(
            [member("a", ["t"], owned: first["a"] ?? [], generation: 2), member("b", ["t"], generation: 2)],
            partitionCounts: ["t": 4])
        #expect(second["a"] == first["a"])
        #expect(Set((second["a"] ?? []) + (second["b"] ?? [])) == Set(all))
    }

    @Test func `of two that claim a partition the one of the later generation has it`() {
        let result = Assignor.cooperativeSticky.assign(
            [
                member("old", ["t"], owned: partitions("t", 0, 1), generation: 3),
                member("new", ["t"], owned: partitions("t", 0), generation: 4),
            ], partitionCounts: ["t": 2])
        #expect(result == ["new": partitions("t", 0), "old": partitions("t", 1)])
    }

    /// The properties that KIP-429 asks for, on random groups: every partition in the end once, nobody has what it did
    /// not subscribe to, loads differ by at most one when all read the same, and what can stay stays.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `rounds of the cooperative assignor settle`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let topics = (0..<Int.random(in: 1...4, using: &random)).map { "t\($0)" }
        let counts = Dictionary(uniqueKeysWithValues: topics.map { ($0, Int32.random(in: 1...9, using: &random)) })
        let isUniform = Bool.random(using: &random)
        var members: [String: Set<String>] = [:]
        var owned: [String: [TopicPartition]] = [:]
        var generation: Int32 = 0
        var nextMember = 0
        for _ in 0..<6 {
            // Members come, go, or stay.
            if members.isEmpty || Bool.random(using: &random) {
                let wanted = isUniform ? topics : topics.filter { _ in Bool.random(using: &random) }
                members["m\(nextMember)"] = Set(wanted.isEmpty ? [topics[0]] : wanted)
                nextMember += 1
            } else if members.count > 1, let gone = members.keys.sorted().randomElement(using: &random) {
                members[gone] = nil
                owned[gone] = nil
            }
            var rounds = 0
            while true {
                rounds += 1
                let before = owned
                let result = Assignor.cooperativeSticky.assign(
                    members.map { member($0, Array($1), owned: owned[$0] ?? [], generation: generation) },
                    partitionCounts: counts)
                generation += 1
                let given = result.values.flatMap { $0 }
                #expect(Set(given).count == given.count, "a partition was given twice")
                for (id, partitions) in result {
                    #expect(partitions.allSatisfy { members[id]?.contains($0.topic) == true })
                    for partition in Set(partitions).subtracting(before[id] ?? []) {
                        let holder = before.first { $0.value.contains(partition) }?.key
                        #expect(
                            holder == nil || members[holder ?? ""] == nil, "\(partition) was taken from \(holder ?? "")"
                        )
                    }
                }
                owned = result
                if before.filter({ members[$0.key] != nil }).allSatisfy({
                    Set($0.value).isSubset(of: result[$0.key] ?? [])
                }) {
                    break
                }
                #expect(rounds < 4, "the group does not settle")
                if rounds >= 4 { break }
            }
            let readable = counts.filter { topic, _ in members.values.contains { $0.contains(topic) } }
            #expect(owned.values.flatMap { $0 }.count == readable.values.reduce(0) { $0 + Int($1) })
            if isUniform {
                let loads = owned.values.map(\.count)
                #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= 1)
            }
        }
    }
}

@Suite struct ConsumerProtocolTests {
    @Test func `subscriptions and assignments come back`() throws {
        let subscription = ConsumerProtocol.Subscription(
            topics: ["a", "b"], owned: partitions("a", 0, 2) + partitions("b", 1), generation: 7)
        let back = try ConsumerProtocol.subscription(ConsumerProtocol.encode(subscription))
        #expect(back == subscription)
        let assignment = try ConsumerProtocol.assignment(ConsumerProtocol.encode(subscription.owned))
        #expect(assignment == subscription.owned)
        let nothing = try ConsumerProtocol.assignment(ByteBuffer())
        #expect(nothing.isEmpty)
    }

    /// By hand, from ConsumerProtocolSubscription.json: version 0 as librdkafka 0.9 writes it, and version 1 of Java before
    /// 3.5, whose cooperative assignor keeps the generation in the user data.
    @Test(
        arguments: [
            ("0000 00000001 0001 74 ffffffff", ["t"], 0, -1),
            ("0001 00000001 0001 74 00000004 00000005 00000001 0001 74 00000001 00000003", ["t"], 1, 5),
        ] as [(String, [String], Int, Int32)])
    func `older versions are read`(hex: String, topics: [String], ownedCount: Int, generation: Int32) throws {
        let subscription = try ConsumerProtocol.subscription(ByteBuffer(bytes: bytes(hex)))
        #expect(subscription.topics == topics)
        #expect(subscription.owned.count == ownedCount)
        #expect(subscription.generation == generation)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `damaged bytes are refused, not trusted`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var damaged = ConsumerProtocol.encode(
            ConsumerProtocol.Subscription(topics: ["a"], owned: partitions("a", 0, 1), generation: 1))
        let at = Int.random(in: 0..<damaged.readableBytes, using: &random)
        damaged.setInteger(UInt8.random(in: 0...255, using: &random), at: at)
        if Bool.random(using: &random) {
            damaged.moveWriterIndex(to: Int.random(in: 0...damaged.writerIndex, using: &random))
        }
        // Either is fine; a trap is not.
        _ = try? ConsumerProtocol.subscription(damaged)
        _ = try? ConsumerProtocol.assignment(damaged)
    }

    private func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.filter { $0 != " " }
        return stride(from: 0, to: digits.count, by: 2).compactMap { at in
            let start = digits.index(digits.startIndex, offsetBy: at)
            return UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16)
        }
    }
}

@Suite struct BrokerAddressTests {
    @Test(
        arguments: [
            ("a:1", [BrokerAddress(host: "a", port: 1)]),
            (
                "a, [::1]:9 ,PLAINTEXT://b:3",
                [
                    BrokerAddress(host: "a", port: 9092), BrokerAddress(host: "::1", port: 9),
                    BrokerAddress(host: "b", port: 3),
                ]
            ),
            ("", []),
        ] as [(String, [BrokerAddress])])
    func `the bootstrap list is read`(text: String, addresses: [BrokerAddress]) {
        #expect(BrokerAddress.list(text) == addresses)
    }
}
