/// A task of a query by its part and partition, as in `0_3`.
struct TaskName: Hashable, Comparable, Sendable, CustomStringConvertible {
    var part: Int
    var partition: Int32

    init(_ part: Int, _ partition: Int32) {
        self.part = part
        self.partition = partition
    }

    init?(_ text: some StringProtocol) {
        let numbers = text.split(separator: "_", omittingEmptySubsequences: false)
        guard numbers.count == 2, let part = Int(numbers[0]), let partition = Int32(numbers[1]), part >= 0,
            partition >= 0
        else { return nil }
        self.init(part, partition)
    }

    var description: String { "\(part)_\(partition)" }

    static func < (a: Self, b: Self) -> Bool { (a.part, a.partition) < (b.part, b.partition) }
}

/// Decides which node runs which tasks of a query. Pure: the same input gives the same result.
///
/// A task has all partitions with its number of the topics that it reads, so what is partitioned alike stays together.
/// Each part is shared out evenly, and so is the whole: no node has two tasks more than another, of one part or of all.
/// Within that, tasks stay where they are, or go where a snapshot of their state is.
enum TaskAssignor {
    struct Member: Sendable, Hashable {
        var id: String
        /// Breaks ties, so that a node that comes back is treated as before.
        var address: String
        /// What the member runs, makes ready or is about to end.
        var claimed: Set<TaskName> = []
        /// What the member has a snapshot of.
        var warm: Set<TaskName> = []
        /// Of members with different plans one is about to replace its own: nobody has to give anything up meanwhile.
        var plan = ""
    }

    /// By member.
    struct Outcome: Sendable, Hashable {
        /// What each is to have in the end.
        var target: [String: Set<TaskName>]
        /// What each has now: a task that another member still claims is given out when that one has ended it.
        var granted: [String: Set<TaskName>]
    }

    static func assign(_ tasks: [TaskName], _ members: [Member]) -> Outcome {
        let members = members.sorted { ($0.address, $0.id) < ($1.address, $1.id) }
        guard !members.isEmpty else { return Outcome(target: [:], granted: [:]) }
        let isFrozen = Set(members.map(\.plan)).count > 1
        let known = Set(tasks)
        var claimants: [TaskName: [Int]] = [:]
        for (index, member) in members.enumerated() {
            for task in member.claimed where known.contains(task) { claimants[task, default: []].append(index) }
        }
        var target = [Set<TaskName>](repeating: [], count: members.count)
        for (_, part) in Dictionary(grouping: known, by: \.part).sorted(by: { $0.key < $1.key }) {
            share(part.sorted(), among: members, claimants, isFrozen, &target)
        }
        var outcome = Outcome(target: [:], granted: [:])
        for (index, member) in members.enumerated() {
            outcome.target[member.id] = target[index]
            outcome.granted[member.id] = target[index].filter { task in
                let others = claimants[task] ?? []
                return others.isEmpty || others.contains(index)
            }
        }
        return outcome
    }

    /// Shares out the tasks of one part.
    private static func share(
        _ tasks: [TaskName], among members: [Member], _ claimants: [TaskName: [Int]], _ isFrozen: Bool,
        _ target: inout [Set<TaskName>]
    ) {
        var owned = [[TaskName]](repeating: [], count: members.count)
        for task in tasks { if let owner = claimants[task]?.first { owned[owner].append(task) } }
        let (least, extra) = tasks.count.quotientAndRemainder(dividingBy: members.count)
        // One more goes to those who have the fewest of the parts before, and of those to whom need not give it up.
        let order = members.indices.sorted { a, b in
            let (warmA, warmB) = (members[a].warm.intersection(tasks).count, members[b].warm.intersection(tasks).count)
            return (target[a].count, -owned[a].count, -warmA, a) < (target[b].count, -owned[b].count, -warmB, b)
        }
        var quota = [Int](repeating: least, count: members.count)
        for index in order.prefix(extra) { quota[index] += 1 }
        var free = tasks.filter { claimants[$0]?.first == nil }
        var room = quota
        for index in members.indices {
            let kept = isFrozen ? owned[index].count : min(quota[index], owned[index].count)
            target[index].formUnion(owned[index].prefix(kept))
            free += owned[index].dropFirst(kept)
            room[index] -= kept
        }
        free.sort()
        var cold: [TaskName] = []
        for task in free {
            guard let index = members.indices.first(where: { room[$0] > 0 && members[$0].warm.contains(task) }) else {
                cold.append(task)
                continue
            }
            target[index].insert(task)
            room[index] -= 1
        }
        for task in cold {
            // Quotas add up to all tasks, so there is one with room.
            guard let index = members.indices.max(by: { (room[$0], -$0) < (room[$1], -$1) }) else { return }
            target[index].insert(task)
            room[index] -= 1
        }
    }
}
