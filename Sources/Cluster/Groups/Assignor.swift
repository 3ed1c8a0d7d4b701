/// How the leader of a classic group of consumers shares out the partitions. Pure.
package enum Assignor: String, CaseIterable, Sendable {
    /// Topic by topic, consecutive partitions to each member: co-partitioned topics stay together.
    case range
    /// All partitions in turn.
    case roundRobin = "roundrobin"
    /// Even, with as few moves as possible, and a partition that moves is given up in one round and given out in the
    /// next: who keeps its partitions never stops (KIP-429).
    case cooperativeSticky = "cooperative-sticky"

    /// Whether members keep their partitions while the group settles.
    var isCooperative: Bool { self == .cooperativeSticky }

    struct Member: Hashable, Sendable {
        var id: String
        var instanceId: String?
        var subscription: ConsumerProtocol.Subscription

        /// Static members come first, by their instance ids, so that a restart does not move what they have.
        static func precedes(_ a: Member, _ b: Member) -> Bool {
            switch (a.instanceId, b.instanceId) {
            case (let a?, let b?): a < b
            case (.some, nil): true
            case (nil, .some): false
            case (nil, nil): a.id < b.id
            }
        }
    }

    /// - Parameter partitionCounts: of the topics that exist; others are left out.
    /// - Returns: the partitions of every member, by member id.
    func assign(_ members: [Member], partitionCounts: [String: Int32]) -> [String: [TopicPartition]] {
        let members = members.sorted(by: Member.precedes)
        var result = Dictionary(members.map { ($0.id, [TopicPartition]()) }) { first, _ in first }
        switch self {
        case .range: Self.range(members, partitionCounts, &result)
        case .roundRobin: Self.roundRobin(members, partitionCounts, &result)
        case .cooperativeSticky:
            let (balanced, owners) = StickyAssignment.balanced(members, partitionCounts)
            for (member, partitions) in balanced {
                // Nobody gets what another still has; that one learns now that it must give it up.
                result[member] = partitions.filter { owners[$0] == nil || owners[$0] == member }.sorted()
            }
        }
        return result
    }

    private static func range(
        _ members: [Member], _ partitionCounts: [String: Int32], _ result: inout [String: [TopicPartition]]
    ) {
        for (topic, count) in partitionCounts.sorted(by: { $0.key < $1.key }) {
            let subscribers = members.filter { $0.subscription.topics.contains(topic) }
            guard !subscribers.isEmpty else { continue }
            let (share, extra) = Int(count).quotientAndRemainder(dividingBy: subscribers.count)
            var next: Int32 = 0
            for (index, member) in subscribers.enumerated() {
                let end = next + Int32(share + (index < extra ? 1 : 0))
                result[member.id, default: []] += (next..<end).map { TopicPartition(topic, $0) }
                next = end
            }
        }
    }

    private static func roundRobin(
        _ members: [Member], _ partitionCounts: [String: Int32], _ result: inout [String: [TopicPartition]]
    ) {
        var turn = 0
        for (topic, count) in partitionCounts.sorted(by: { $0.key < $1.key }) {
            guard members.contains(where: { $0.subscription.topics.contains(topic) }) else { continue }
            for partition in 0..<count {
                while !members[turn % members.count].subscription.topics.contains(topic) { turn += 1 }
                result[members[turn % members.count].id, default: []].append(TopicPartition(topic, partition))
                turn += 1
            }
        }
    }
}

/// The even assignment nearest to what members have.
private enum StickyAssignment {
    /// - Returns: the partitions of every member in the end, and who has a partition now.
    static func balanced(
        _ members: [Assignor.Member], _ partitionCounts: [String: Int32]
    ) -> (assignment: [String: Set<TopicPartition>], owners: [TopicPartition: String]) {
        let topics = Dictionary(members.map { ($0.id, Set($0.subscription.topics)) }) { first, _ in first }
        let owners = currentOwners(members, topics, partitionCounts)
        var assignment = Dictionary(members.map { ($0.id, Set<TopicPartition>()) }) { first, _ in first }
        for (partition, owner) in owners { assignment[owner]?.insert(partition) }

        let order = members.map(\.id)
        func lightest(for topic: String) -> String? {
            order.filter { topics[$0]?.contains(topic) == true }
                .min { (assignment[$0]?.count ?? 0) < (assignment[$1]?.count ?? 0) }
        }
        // Topics with few readers first: the others can still make up for it.
        let readers = Dictionary(
            partitionCounts.keys.map { topic in (topic, topics.values.count { $0.contains(topic) }) }
        ) { first, _ in first }
        let all: [TopicPartition] = partitionCounts.flatMap { topic, count in
            (0..<max(0, count)).map { TopicPartition(topic, $0) }
        }
        let free = all.filter { owners[$0] == nil }.sorted { (first: TopicPartition, second: TopicPartition) in
            (readers[first.topic] ?? 0, first.topic, first.partition)
                < (readers[second.topic] ?? 0, second.topic, second.partition)
        }
        for partition in free {
            if let member = lightest(for: partition.topic) { assignment[member]?.insert(partition) }
        }

        // Each move makes the sum of the squares of the loads smaller, so this ends.
        while let (partition, from, to) = move(order, topics, assignment) {
            assignment[from]?.remove(partition)
            assignment[to]?.insert(partition)
        }
        return (assignment, owners)
    }

    /// Who has what by the members' own words. Of two that claim a partition the one of the later generation has it; in
    /// the same generation neither can be believed.
    private static func currentOwners(
        _ members: [Assignor.Member], _ topics: [String: Set<String>], _ partitionCounts: [String: Int32]
    ) -> [TopicPartition: String] {
        var claims: [TopicPartition: (member: String?, generation: Int32)] = [:]
        for member in members {
            for partition in member.subscription.owned {
                guard topics[member.id]?.contains(partition.topic) == true,
                    0..<(partitionCounts[partition.topic] ?? 0) ~= partition.partition
                else { continue }
                let generation = member.subscription.generation
                if let claim = claims[partition], claim.generation >= generation {
                    if claim.generation == generation { claims[partition]?.member = nil }
                    continue
                }
                claims[partition] = (member.id, generation)
            }
        }
        return claims.compactMapValues(\.member)
    }

    /// A partition that goes from a member to one that has at least two fewer.
    private static func move(
        _ order: [String], _ topics: [String: Set<String>], _ assignment: [String: Set<TopicPartition>]
    ) -> (TopicPartition, from: String, to: String)? {
        func load(_ member: String) -> Int { assignment[member]?.count ?? 0 }
        let byLoad = order.sorted { load($0) < load($1) }
        guard let least = byLoad.first else { return nil }
        for from in byLoad.reversed() where load(from) - load(least) >= 2 {
            let topicsHere = Set((assignment[from] ?? []).map(\.topic))
            for to in byLoad where load(from) - load(to) >= 2 {
                guard let common = topics[to]?.intersection(topicsHere), !common.isEmpty else { continue }
                // The last one moves, so that the same input always gives the same result.
                if let partition = (assignment[from] ?? []).filter({ common.contains($0.topic) }).max() {
                    return (partition, from, to)
                }
            }
        }
        return nil
    }
}
