import TestKit
import Testing

@testable import Coordinators

@Suite struct StickyTaskAssignmentTests {
    typealias Targets = [String: StreamsTasks]

    /// - Parameter members: member ids with their processes.
    private static func assign(
        _ members: [(String, String)], _ subtopologies: [(String, Int32, Bool)], standbys: Int = 0,
        before: Targets = [:]
    ) -> Targets {
        StickyTaskAssignment(
            members: members.map { id, process in
                .init(memberId: id, processId: process, previous: before[id] ?? StreamsTasks())
            },
            subtopologies: subtopologies.map { .init(id: $0.0, taskCount: $0.1, isStateful: $0.2) },
            standbyReplicaCount: standbys
        ).assign()
    }

    @Test func `one member has all tasks, and no standbys of its own`() {
        let targets = Self.assign([("m", "p")], [("0", 3, true), ("1", 2, false)], standbys: 2)
        #expect(targets["m"] == StreamsTasks(active: TaskSet(["0": [0, 1, 2], "1": [0, 1]])))
    }

    @Test func `nobody has nothing to assign`() { #expect(Self.assign([], [("0", 3, true)]).isEmpty) }

    @Test func `a member that comes takes no more than its share`() {
        let first = Self.assign([("a", "p1")], [("0", 4, true)])
        let second = Self.assign([("a", "p1"), ("b", "p2")], [("0", 4, true)], before: first)
        #expect(second["a"]?.active.count == 2 && second["b"]?.active.count == 2)
        #expect(second["a"]?.active.isSubset(of: TaskSet(["0": [0, 1, 2, 3]])) == true)
        let third = Self.assign([("a", "p1"), ("b", "p2")], [("0", 4, true)], before: second)
        #expect(third == second)
    }

    @Test func `the standby takes over when the member with the task goes`() {
        let members = [("a", "p1"), ("b", "p2"), ("c", "p3")]
        let first = Self.assign(members, [("0", 3, true)], standbys: 1)
        for gone in members {
            let rest = members.filter { $0.0 != gone.0 }
            let second = Self.assign(rest, [("0", 3, true)], standbys: 1, before: first)
            for partition in first[gone.0]?.active["0"] ?? [] {
                let heir = rest.first { second[$0.0]?.active.contains("0", partition) == true }
                let had = heir.flatMap { first[$0.0] }?.standby.contains("0", partition)
                #expect(had == true)
            }
        }
    }

    @Test(arguments: 1...200 as ClosedRange<UInt64>)
    func `tasks are whole, even, and apart from their copies`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let processCount = Int.random(in: 1...5, using: &random)
        let all = (0..<Int.random(in: 1...8, using: &random)).map { index in
            ("m\(index)", "p\(Int.random(in: 0..<processCount, using: &random))")
        }
        let subtopologies = (0..<Int.random(in: 1...4, using: &random)).map { index in
            ("\(index)", Int32.random(in: 0...9, using: &random), Bool.random(using: &random))
        }
        let standbys = Int.random(in: 0...2, using: &random)
        var before: Targets = [:]
        for _ in 0..<6 {
            // Somebody is away.
            let members = all.filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
            guard !members.isEmpty else { continue }
            let targets = Self.assign(members, subtopologies, standbys: standbys, before: before)
            check(targets, members, subtopologies, standbys)
            // Nothing has happened: nobody moves an active task.
            let again = Self.assign(members, subtopologies, standbys: standbys, before: targets)
            let isSame = members.allSatisfy { again[$0.0]?.active == targets[$0.0]?.active }
            #expect(isSame)
            before = targets
        }
    }

    private func check(
        _ targets: Targets, _ members: [(String, String)], _ subtopologies: [(String, Int32, Bool)], _ standbys: Int
    ) {
        #expect(Set(targets.keys) == Set(members.map(\.0)))
        let processes = Dictionary(uniqueKeysWithValues: members)
        let processCount = Set(processes.values).count
        for (id, count, isStateful) in subtopologies {
            for partition in 0..<count {
                let active: [String] = members.map(\.0).filter { targets[$0]?.active.contains(id, partition) == true }
                let copies: [String] = members.map(\.0).filter { targets[$0]?.standby.contains(id, partition) == true }
                let copyCount = isStateful ? min(standbys, processCount - 1) : 0
                #expect(active.count == 1)
                #expect(copies.count == copyCount)
                // Each in a process of its own.
                let holders = Set((active + copies).compactMap { processes[$0] })
                #expect(holders.count == active.count + copies.count)
            }
        }
        let counts: [Int] = targets.values.map { $0.active.count }
        #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
        let stateful = Set(subtopologies.filter(\.2).map(\.0))
        let statefulCounts: [Int] = targets.values.map { tasks in
            tasks.active.sorted.reduce(0) { $0 + (stateful.contains($1.id) ? $1.partitions.count : 0) }
        }
        #expect((statefulCounts.max() ?? 0) - (statefulCounts.min() ?? 0) <= 1)
        #expect(!targets.values.contains { !$0.warmup.isEmpty })
    }
}
