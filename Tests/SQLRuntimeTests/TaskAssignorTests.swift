import NIOCore
import TestKit
import Testing

@testable import SQLRuntime

@Suite struct TaskAssignorTests {
    private typealias Member = TaskAssignor.Member

    private static func tasks(_ widths: [Int]) -> [TaskName] {
        widths.enumerated().flatMap { part, width in (0..<Int32(width)).map { TaskName(part, $0) } }
    }

    private static func members(_ count: Int) -> [Member] {
        (0..<count).map { Member(id: "m\($0)", address: "host\($0):8088") }
    }

    /// Members as they are when they have what they were given.
    private static func settled(_ members: [Member], _ outcome: TaskAssignor.Outcome) -> [Member] {
        members.map { member in
            var member = member
            member.claimed = outcome.granted[member.id] ?? []
            return member
        }
    }

    /// Rounds until nothing changes.
    private static func rounds(_ tasks: [TaskName], _ members: [Member]) -> (members: [Member], count: Int) {
        var members = members
        for count in 1...10 {
            let next = settled(members, TaskAssignor.assign(tasks, members))
            if next == members { return (members, count) }
            members = next
        }
        Issue.record("no end of rounds")
        return (members, 10)
    }

    private static func check(_ tasks: [TaskName], _ members: [Member], at location: SourceLocation = #_sourceLocation)
    {
        let all = members.flatMap(\.claimed)
        #expect(all.count == tasks.count && Set(all) == Set(tasks), "every task once", sourceLocation: location)
        func isEven(_ counts: [Int]) -> Bool { (counts.max() ?? 0) - (counts.min() ?? 0) <= 1 }
        #expect(isEven(members.map(\.claimed.count)), "\(members)", sourceLocation: location)
        for part in Set(tasks.map(\.part)) {
            #expect(
                isEven(members.map { $0.claimed.filter { $0.part == part }.count }), "part \(part) of \(members)",
                sourceLocation: location)
        }
    }

    @Test func `tasks are shared out evenly, of each part and of all`() {
        let tasks = Self.tasks([4, 1, 1, 5])
        for count in 1...6 { Self.check(tasks, Self.rounds(tasks, Self.members(count)).members) }
    }

    @Test func `the order of members and tasks does not matter`() {
        let tasks = Self.tasks([7, 3])
        let members = Self.members(3)
        let outcome = TaskAssignor.assign(tasks, members)
        #expect(TaskAssignor.assign(tasks.reversed(), members.reversed()) == outcome)
    }

    @Test func `what is settled stays, and a node more takes no more than its share`() {
        let tasks = Self.tasks([6, 6])
        let two = Self.rounds(tasks, Self.members(2)).members
        #expect(Self.rounds(tasks, two).count == 1)
        let three = Self.rounds(tasks, two + [Member(id: "m2", address: "host2:8088")]).members
        Self.check(tasks, three)
        for (before, after) in zip(two, three) { #expect(after.claimed.isSubset(of: before.claimed)) }
    }

    @Test func `a task that moves is given up first`() {
        let tasks = Self.tasks([2])
        var old = Member(id: "a", address: "a")
        old.claimed = Set(tasks)
        let new = Member(id: "b", address: "b")
        let first = TaskAssignor.assign(tasks, [old, new])
        #expect(first.granted["a"]?.count == 1)
        #expect(first.granted["b"] == [])
        #expect(first.target["b"]?.count == 1)
        old.claimed = first.granted["a"] ?? []
        #expect(TaskAssignor.assign(tasks, [old, new]).granted["b"]?.count == 1)
    }

    @Test func `a node that comes back gets what it has snapshots of`() {
        let tasks = Self.tasks([4])
        var back = Member(id: "b", address: "b")
        back.warm = [TaskName(0, 0), TaskName(0, 2)]
        let other = Member(id: "a", address: "a")
        #expect(TaskAssignor.assign(tasks, [other, back]).granted["b"] == back.warm)
    }

    @Test func `nobody gives up anything while plans differ`() {
        let tasks = Self.tasks([4])
        var old = Member(id: "a", address: "a")
        old.claimed = Set(tasks.prefix(3))
        old.plan = "1"
        var new = Member(id: "b", address: "b")
        new.plan = "2"
        let outcome = TaskAssignor.assign(tasks, [old, new])
        #expect(outcome.granted["a"] == old.claimed)
        #expect(outcome.granted["b"] == [TaskName(0, 3)])
    }

    /// Members come, go and come back at random; each change settles within a few rounds.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func `any history ends even`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let tasks = Self.tasks(
            (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 1...9, using: &random) })
        var members = Self.members(1)
        for step in 0..<20 {
            if members.count > 1, Bool.random(using: &random) {
                members.remove(at: Int.random(in: 0..<members.count, using: &random))
            } else {
                members.append(Member(id: "n\(step)", address: "host\(Int.random(in: 0...9, using: &random))-\(step)"))
            }
            let (settled, count) = Self.rounds(tasks, members)
            #expect(count <= 3)
            Self.check(tasks, settled)
            members = settled
        }
    }

    @Test func `messages of the group come back as they were`() throws {
        var member = Member(id: "m", address: "[::1]:8088")
        member.claimed = [TaskName(0, 3), TaskName(12, 0)]
        member.warm = [TaskName(1, 1)]
        member.plan = "ff00"
        #expect(try Member(id: "m", member.encoded) == member)
        let decision = TaskDecision(
            own: [TaskName(0, 0)], sources: ["a.b-c_d": 4], nodes: ["h:1": [TaskName(0, 0)], "h:2": []])
        #expect(try TaskDecision(decision.encoded) == decision)
        #expect(throws: GroupMessage.Malformed.self) { try TaskDecision(ByteBuffer(string: "swiftwater 2")) }
        #expect(throws: GroupMessage.Malformed.self) { try TaskDecision(nil) }
    }
}
