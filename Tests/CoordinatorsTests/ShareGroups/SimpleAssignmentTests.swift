import KafkaMessages
import TestKit
import Testing

@testable import Coordinators

@Suite struct SimpleAssignmentTests {
    private static func id(_ number: Int) -> KafkaUUID { KafkaUUID(high: 1, low: UInt64(number)) }

    private static func assign(
        _ members: [(String, [Int])], _ counts: [Int: Int32], before: [String: TopicPartitionSet] = [:]
    ) -> [String: TopicPartitionSet] {
        SimpleAssignment(
            members: members.map { name, topics in
                .init(
                    memberId: name, topicIds: Set(topics.map(id)), previous: before[name] ?? TopicPartitionSet())
            },
            partitionCounts: Dictionary(uniqueKeysWithValues: counts.map { (id($0), $1) })
        ).targets()
    }

    /// Members, partitions; how many partitions each member has and how many members each partition.
    @Test(
        arguments: [
            (1, 4, 4...4, 1...1), (2, 4, 2...2, 1...1), (3, 4, 1...2, 1...1), (4, 4, 1...1, 1...1),
            (5, 4, 1...2, 2...2),
            (3, 1, 1...1, 3...3), (7, 3, 1...2, 3...3), (200, 3, 1...2, 67...67),
        ] as [(Int, Int32, ClosedRange<Int>, ClosedRange<Int>)])
    func `members of one subscription are spread evenly`(
        members: Int, partitions: Int32, each: ClosedRange<Int>, sharing: ClosedRange<Int>
    ) {
        let targets = Self.assign((0..<members).map { ("m\($0)", [1]) }, [1: partitions])
        #expect(targets.values.allSatisfy { each.contains($0.count) })
        for partition in 0..<partitions {
            let count = targets.values.count { $0.contains(Self.id(1), partition) }
            #expect(sharing.contains(count), "partition \(partition) has \(count) members")
        }
    }

    @Test func `nobody has what he does not subscribe to`() {
        let targets = Self.assign([("m1", [1]), ("m2", [2]), ("m3", [1, 2]), ("m4", [3])], [1: 3, 2: 2])
        #expect(targets["m1"] == TopicPartitionSet([Self.id(1): [0, 1, 2]]))
        #expect(targets["m2"] == TopicPartitionSet([Self.id(2): [0, 1]]))
        #expect(targets["m3"]?.count == 5)
        #expect(targets["m4"] == nil)
    }

    @Test func `who has a partition keeps it while that is even`() {
        let first = Self.assign([("m2", [1]), ("m3", [1])], [1: 4])
        let second = Self.assign([("m1", [1]), ("m2", [1]), ("m3", [1])], [1: 4], before: first)
        for member in ["m2", "m3"] {
            let kept = first[member]?.topics[Self.id(1)]?.filter { second[member]?.contains(Self.id(1), $0) == true }
            #expect(kept?.isEmpty == false)
        }
        let same = Self.assign([("m1", [1]), ("m2", [1]), ("m3", [1])], [1: 4], before: second)
        #expect(same == second)
    }

    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func `every partition has a member and every member a partition`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var before: [String: TopicPartitionSet] = [:]
        for _ in 0..<6 {
            let topics = Int.random(in: 1...4, using: &random)
            let counts = Dictionary(
                uniqueKeysWithValues: (0..<topics).map { ($0, Int32.random(in: 1...9, using: &random)) })
            let members = (0..<Int.random(in: 1...25, using: &random)).map { number in
                ("m\(number)", (0..<topics).filter { _ in Bool.random(using: &random) })
            }
            let targets = Self.assign(members, counts, before: before)
            for (name, subscribed) in members {
                let target = targets[name] ?? TopicPartitionSet()
                #expect(target.isEmpty == subscribed.isEmpty)
                #expect(Set(target.topics.keys).isSubset(of: subscribed.map(Self.id)))
            }
            for (topic, count) in counts where members.contains(where: { $0.1.contains(topic) }) {
                for partition in 0..<count {
                    #expect(targets.values.contains { $0.contains(Self.id(topic), partition) })
                }
            }
            before = targets
        }
    }
}
