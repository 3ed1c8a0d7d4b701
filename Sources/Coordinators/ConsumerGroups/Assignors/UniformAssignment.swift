import KafkaMessages

/// Balanced first, sticky second.
///
/// - SeeAlso: upstream `UniformHomogeneousAssignmentBuilder` and `UniformHeterogeneousAssignmentBuilder`.
enum UniformAssignment {
    /// All members subscribe to the same topics: shares differ by one at the most, and as few partitions move as that
    /// allows.
    static func even(_ group: AssignmentInput) -> [String: TopicPartitionSet] {
        let partitionCount = group.partitionCounts.values.reduce(0) { $0 + Int($1) }
        let share = partitionCount / group.members.count
        var extraCount = partitionCount % group.members.count

        // Who already has more than the share keeps one more: it is the one that would have to give it up.
        var quotas = group.members.map { _ in share }
        for member in group.members.indices where extraCount > 0 && group.members[member].previous.count > share {
            quotas[member] += 1
            extraCount -= 1
        }
        for member in group.members.indices where extraCount > 0 && quotas[member] == share {
            quotas[member] += 1
            extraCount -= 1
        }

        var isOwned = group.partitionCounts.mapValues { [Bool](repeating: false, count: Int($0)) }
        var assignment = group.members.enumerated().map { member, description in
            var kept = TopicPartitionSet()
            for (id, partitions) in description.previous.sorted where quotas[member] > 0 {
                kept[id] = Array(partitions.prefix(quotas[member]))
                quotas[member] -= kept[id].count
                for partition in kept[id] { isOwned[id]?[Int(partition)] = true }
            }
            return kept
        }

        var free: [(id: KafkaUUID, partition: Int32)] = []
        for id in group.sortedTopicIds {
            for (partition, isOwned) in (isOwned[id] ?? []).enumerated() where !isOwned {
                free.append((id, Int32(partition)))
            }
        }
        var rest = free[...]
        for member in group.members.indices where quotas[member] > 0 {
            var added: [KafkaUUID: [Int32]] = [:]
            for (id, partition) in rest.prefix(quotas[member]) { added[id, default: []].append(partition) }
            rest = rest.dropFirst(quotas[member])
            assignment[member].formUnion(TopicPartitionSet(added))
        }
        return Dictionary(uniqueKeysWithValues: zip(group.members.map(\.memberId), assignment))
    }

    /// Subscriptions differ: whatever can move to a subscriber with at least two partitions less does, topic by topic,
    /// until nothing does or `roundCountMax` rounds are over. Every move makes the assignment more even.
    static func mixed(_ group: AssignmentInput) -> [String: TopicPartitionSet] {
        var loads = group.members.map(\.previous.count)
        var subscribers: [KafkaUUID: [Int]] = [:]
        var owners: [KafkaUUID: [Int]] = [:]
        for (id, count) in group.partitionCounts { owners[id] = Array(repeating: -1, count: Int(count)) }
        for (member, description) in group.members.enumerated() {
            for id in description.subscribedTopicIds { subscribers[id, default: []].append(member) }
            for (id, partitions) in description.previous.topics {
                for partition in partitions { owners[id]?[Int(partition)] = member }
            }
        }
        // Topics with the fewest choices first: many partitions for each subscriber, then few subscribers.
        let topics = group.sortedTopicIds.sorted { a, b in
            let (aCount, bCount) = (Int(group.partitionCounts[a] ?? 0), Int(group.partitionCounts[b] ?? 0))
            let (aMembers, bMembers) = (subscribers[a]?.count ?? 0, subscribers[b]?.count ?? 0)
            let (aLoad, bLoad) = (aCount * bMembers, bCount * aMembers)
            return aLoad != bLoad ? aLoad > bLoad : aMembers != bMembers ? aMembers < bMembers : a < b
        }

        for id in topics {
            var least = LoadQueue(subscribers[id] ?? [], loads) { $0 < $1 }
            for partition in owners[id]?.indices ?? 0..<0 where owners[id]?[partition] == -1 {
                guard let member = least.next(loads) else { break }
                owners[id]?[partition] = member
                loads[member] += 1
                least.push(member, loads)
            }
        }

        var roundsWithoutMove = 0
        for round in 0..<(roundCountMax * topics.count) where roundsWithoutMove < topics.count {
            let id = topics[round % topics.count]
            let moved = balance(&owners[id, default: []], among: subscribers[id] ?? [], &loads)
            roundsWithoutMove = moved ? 0 : roundsWithoutMove + 1
        }

        var assignment: [[KafkaUUID: [Int32]]] = group.members.map { _ in [:] }
        for (id, partitionOwners) in owners {
            for (partition, member) in partitionOwners.enumerated() where member >= 0 {
                assignment[member][id, default: []].append(Int32(partition))
            }
        }
        return Dictionary(
            uniqueKeysWithValues: zip(group.members.map(\.memberId), assignment.map { TopicPartitionSet($0) }))
    }

    private static let roundCountMax = 16

    /// Moves partitions of one topic from the most to the least loaded of its subscribers.
    private static func balance(_ owners: inout [Int], among members: [Int], _ loads: inout [Int]) -> Bool {
        guard members.count > 1 else { return false }
        var held: [Int: [Int]] = [:]
        for (partition, member) in owners.enumerated() { held[member, default: []].append(partition) }
        var least = LoadQueue(members, loads) { $0 < $1 }
        var most = LoadQueue(members.filter { held[$0] != nil }, loads) { $0 > $1 }
        var isMoved = false
        while let from = most.next(loads), let to = least.next(loads) {
            guard loads[from] > loads[to] + 1, let partition = held[from]?.popLast() else { break }
            owners[partition] = to
            loads[from] -= 1
            loads[to] += 1
            isMoved = true
            least.push(to, loads)
            least.push(from, loads)
            // What arrived stays: a partition that moved on would have moved there at once.
            if held[from]?.isEmpty == false { most.push(from, loads) }
        }
        return isMoved
    }
}

/// Members in the order of their loads; equal loads in the order of the members. Entries whose load has changed since
/// they were pushed are put right when they come up.
private struct LoadQueue {
    private var heap: [(load: Int, member: Int)] = []
    private let isBefore: (Int, Int) -> Bool

    init(_ members: [Int], _ loads: [Int], _ isBefore: @escaping (Int, Int) -> Bool) {
        self.isBefore = isBefore
        for member in members { push(member, loads) }
    }

    mutating func push(_ member: Int, _ loads: [Int]) {
        heap.append((loads[member], member))
        var child = heap.count - 1
        while child > 0, precedes(heap[child], heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// Takes the first member out.
    mutating func next(_ loads: [Int]) -> Int? {
        while let first = heap.first {
            heap.swapAt(0, heap.count - 1)
            heap.removeLast()
            sink()
            if first.load == loads[first.member] { return first.member }
            push(first.member, loads)
        }
        return nil
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var first = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if precedes(heap[child], heap[first]) { first = child }
            }
            if first == parent { return }
            heap.swapAt(parent, first)
            parent = first
        }
    }

    private func precedes(_ a: (load: Int, member: Int), _ b: (load: Int, member: Int)) -> Bool {
        a.load != b.load ? isBefore(a.load, b.load) : a.member < b.member
    }
}
