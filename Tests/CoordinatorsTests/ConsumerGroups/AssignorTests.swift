import KafkaMessages
import TestKit
import Testing

@testable import Coordinators

@Suite struct AssignorTests {
    private static func id(_ number: Int) -> KafkaUUID { KafkaUUID(high: 1, low: UInt64(number)) }

    private func input(
        _ members: [(String, [Int])], _ counts: [Int32], previous: [String: TopicPartitionSet] = [:]
    ) -> AssignmentInput {
        AssignmentInput(
            members: members.map { name, topics in
                .init(
                    memberId: name, subscribedTopicIds: Set(topics.map(Self.id)),
                    previous: previous[name] ?? TopicPartitionSet())
            },
            partitionCounts: Dictionary(uniqueKeysWithValues: counts.indices.map { (Self.id($0), counts[$0]) }))
    }

    private func set(_ topics: [Int: [Int32]]) -> TopicPartitionSet {
        TopicPartitionSet(Dictionary(uniqueKeysWithValues: topics.map { (Self.id($0), $1) }))
    }

    /// From the examples of upstream's RangeAssignorTest.
    @Test func `range gives each topic in ranges`() {
        let two = ServerAssignor.range.assign(input([("a", [0, 1]), ("b", [0, 1])], [3, 2]))
        #expect(two == ["a": set([0: [0, 1], 1: [0]]), "b": set([0: [2], 1: [1]])])
        let mixed = ServerAssignor.range.assign(input([("a", [0, 1]), ("b", [2]), ("c", [1, 2])], [3, 3, 2]))
        #expect(
            mixed == ["a": set([0: [0, 1, 2], 1: [0, 1]]), "b": set([2: [0]]), "c": set([1: [2], 2: [1]])])
        let few = ServerAssignor.range.assign(input([("a", [0]), ("b", [0]), ("c", [0])], [2]))
        #expect(few == ["a": set([0: [0]]), "b": set([0: [1]]), "c": set([:])])
    }

    /// The same: a member comes to two that have 3 and 3 partitions of two topics.
    @Test func `range keeps what it can`() {
        let first = ServerAssignor.range.assign(input([("a", [0, 1]), ("b", [0, 1])], [3, 3]))
        let more = ServerAssignor.range.assign(
            input([("a", [0, 1]), ("b", [0, 1]), ("c", [0, 1])], [3, 3], previous: first))
        #expect(more == ["a": set([0: [0], 1: [0]]), "b": set([0: [2], 1: [2]]), "c": set([0: [1], 1: [1]])])
        let grown = ServerAssignor.range.assign(input([("a", [0, 1]), ("b", [0, 1])], [4, 4], previous: first))
        #expect(grown == ["a": set([0: [0, 1], 1: [0, 1]]), "b": set([0: [2, 3], 1: [2, 3]])])
    }

    @Test func `uniform balances over all topics`() {
        let assigned = ServerAssignor.uniform.assign(input([("a", [0, 1]), ("b", [0, 1])], [3, 3]))
        #expect(assigned == ["a": set([0: [0, 1, 2]]), "b": set([1: [0, 1, 2]])])
    }

    @Test func `uniform gives those with fewer choices what only they can have`() {
        let assigned = ServerAssignor.uniform.assign(input([("a", [0]), ("b", [0, 1])], [4, 3]))
        #expect(assigned["b"]?[Self.id(1)] == [0, 1, 2])
        #expect(assigned["a"]?.count == 4 || assigned["a"]?.count == 3)
    }

    @Test(arguments: ServerAssignor.allCases)
    func `nobody and nothing is no trouble`(assignor: ServerAssignor) {
        #expect(assignor.assign(input([], [3])).isEmpty)
        #expect(assignor.assign(input([("a", [])], [3])) == ["a": TopicPartitionSet()])
        #expect(assignor.assign(input([("a", [5])], [3])) == ["a": TopicPartitionSet()])
        #expect(assignor.assign(input([("a", [0])], [0])) == ["a": TopicPartitionSet()])
    }

    @Test(arguments: 0..<150 as Range<UInt64>)
    func `every partition has one owner, shares are even and little moves`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let assignor = ServerAssignor.allCases.randomElement(using: &random) ?? .uniform
        let isEqual = Bool.random(using: &random)
        var counts = (0..<Int.random(in: 1...6, using: &random)).map { _ in Int32.random(in: 0...12, using: &random) }
        var members: [(String, [Int])] = []
        var previous: [String: TopicPartitionSet] = [:]
        for step in 0..<12 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where members.count > 1: members.remove(at: Int.random(in: 0..<members.count, using: &random))
            case 1: counts[Int.random(in: 0..<counts.count, using: &random)] += 2
            case 2 where !isEqual && !members.isEmpty:
                members[Int.random(in: 0..<members.count, using: &random)].1 = counts.indices.filter { _ in
                    Bool.random(using: &random)
                }
            default:
                let topics = counts.indices.filter { _ in isEqual || Bool.random(using: &random) }
                members.append(("m\(Int.random(in: 0..<100, using: &random))-\(step)", Array(topics)))
            }
            let input = input(members, counts, previous: previous)
            let next = assignor.assign(input)
            #expect(next == assignor.assign(input), "seed \(seed): the same input, another result")
            check(next, input, assignor, seed)
            if isEqual, assignor == .uniform { checkMoves(from: previous, to: next, input, seed) }
            if !isEqual || assignor == .range {
                let again = assignor.assign(self.input(members, counts, previous: next))
                #expect(again == next, "seed \(seed): partitions move although nothing changed")
            }
            previous = next
        }
    }

    private func check(
        _ assignment: [String: TopicPartitionSet], _ input: AssignmentInput, _ assignor: ServerAssignor, _ seed: UInt64
    ) {
        #expect(assignment.keys.sorted() == input.members.map(\.memberId))
        for (id, count) in input.partitionCounts {
            let subscribers = input.members.filter { $0.subscribedTopicIds.contains(id) }
            let shares = subscribers.map { assignment[$0.memberId]?[id] ?? [] }
            #expect(shares.flatMap { $0 }.sorted() == Array(0..<count), "seed \(seed): topic \(id)")
            #expect(
                assignment.values.reduce(0) { $0 + $1[id].count } == Int(count),
                "seed \(seed): a member has what it does not subscribe to")
            if assignor == .range, let most = shares.map(\.count).max(), let least = shares.map(\.count).min() {
                #expect(most - least <= 1, "seed \(seed): uneven ranges")
            }
        }
        let loads = input.members.map { assignment[$0.memberId]?.count ?? 0 }
        if assignor == .uniform, input.isHomogeneous, let most = loads.max(), let least = loads.min() {
            #expect(most - least <= 1, "seed \(seed): uneven shares \(loads)")
        }
        guard assignor == .uniform else { return }
        // No single move makes the loads more even.
        for (index, member) in input.members.enumerated() {
            for id in assignment[member.memberId]?.topics.keys ?? [:].keys {
                for (other, candidate) in input.members.enumerated() where candidate.subscribedTopicIds.contains(id) {
                    #expect(loads[index] - loads[other] <= 1, "seed \(seed): a partition should move, \(loads)")
                }
            }
        }
    }

    /// What has to move: what is over a member's share. Nothing else does.
    private func checkMoves(
        from previous: [String: TopicPartitionSet], to next: [String: TopicPartitionSet], _ input: AssignmentInput,
        _ seed: UInt64
    ) {
        let total = input.partitionCounts.values.reduce(0) { $0 + Int($1) }
        let share = total / max(1, input.members.count)
        var extra = total % max(1, input.members.count)
        var mustMove = 0
        for member in input.members {
            let had = member.previous.count
            let over = had > share && extra > 0 ? 1 : 0
            extra -= over
            mustMove += max(0, had - share - over)
        }
        var moved = 0
        for member in input.members {
            for (id, partitions) in member.previous.topics {
                moved += partitions.count { !(next[member.memberId]?.contains(id, $0) ?? false) }
            }
        }
        #expect(moved == mustMove, "seed \(seed)")
    }

    @Test func `large groups are assigned quickly enough to be tested`() {
        let members = (0..<500).map { (String($0), $0 % 2 == 0 ? [0, 1] : [1, 2]) }
        let mixed = ServerAssignor.uniform.assign(input(members, [2000, 2000, 2000]))
        #expect(mixed.values.reduce(0) { $0 + $1.count } == 6000)
        #expect(mixed.values.allSatisfy { $0.count == 12 })
    }
}
