import KafkaMessages

/// The assignor of share groups. All partitions are shared among the members that subscribe to them: each partition has
/// at least one member, each member at least one partition, and both are spread evenly. Who has a partition keeps it if
/// that is no worse.
///
/// Members of one subscription share its partitions among them. Where subscriptions differ, each is looked at by itself,
/// so that a partition has members of every subscription that names its topic.
///
/// - SeeAlso: upstream `SimpleAssignor`.
struct SimpleAssignment {
    struct Member: Sendable {
        var memberId: String
        var topicIds: Set<KafkaUUID>
        var previous: TopicPartitionSet
    }

    private struct Partition: Hashable {
        var topicId: KafkaUUID
        var index: Int32
    }

    var members: [Member]
    var partitionCounts: [KafkaUUID: Int32]

    /// The partitions of each member by its id.
    func targets() -> [String: TopicPartitionSet] {
        var targets: [String: TopicPartitionSet] = [:]
        for (topicIds, members) in Dictionary(grouping: members, by: \.topicIds) {
            let partitions = topicIds.sorted { $0 < $1 }.flatMap { id in
                (0..<max(0, partitionCounts[id] ?? 0)).map { Partition(topicId: id, index: $0) }
            }
            share(partitions, among: members.sorted { $0.memberId < $1.memberId }, &targets)
        }
        return targets
    }

    private func share(
        _ partitions: [Partition], among members: [Member], _ targets: inout [String: TopicPartitionSet]
    ) {
        guard !partitions.isEmpty, !members.isEmpty else { return }
        let places = Dictionary(uniqueKeysWithValues: partitions.enumerated().map { ($1, $0) })
        // So many members has each partition, or one less.
        let sharing = (members.count + partitions.count - 1) / partitions.count
        let total = sharing * partitions.count
        /// How many partitions the members before this one have together, when all are spread evenly.
        func share(before member: Int) -> Int { (member * total + members.count - 1) / members.count }

        var held = members.map { _ in Set<Int>() }
        var vacancies = Array(repeating: sharing, count: partitions.count)
        let quotas = members.indices.map { share(before: $0 + 1) - share(before: $0) }
        for (member, quota) in zip(members.indices, quotas) {
            for (id, indexes) in members[member].previous.sorted {
                for index in indexes where held[member].count < quota {
                    guard let place = places[Partition(topicId: id, index: index)], vacancies[place] > 0 else {
                        continue
                    }
                    vacancies[place] -= 1
                    held[member].insert(place)
                }
            }
        }
        // Those with the most vacancies come first, so that nobody is alone with what two could have.
        var open = partitions.indices.filter { vacancies[$0] > 0 }.sorted {
            vacancies[$0] != vacancies[$1] ? vacancies[$0] > vacancies[$1] : $0 < $1
        }
        for (member, quota) in zip(members.indices, quotas) where held[member].count < quota {
            var passed: [Int] = []
            var rest = open[...]
            while held[member].count < quota, let place = rest.popFirst() {
                guard held[member].insert(place).inserted else {
                    passed.append(place)
                    continue
                }
                vacancies[place] -= 1
                if vacancies[place] > 0 { passed.append(place) }
            }
            open = Array(rest) + passed
            // Only places that it has are left: it shares one that is full.
            if held[member].isEmpty { held[member].insert(member % partitions.count) }
        }
        cover(partitions, &held)
        for (member, places) in zip(members, held) {
            var target = TopicPartitionSet()
            for (id, places) in Dictionary(grouping: places, by: { partitions[$0].topicId }) {
                target[id] = places.map { partitions[$0].index }
            }
            targets[member.memberId] = target
        }
    }

    /// Gives every partition that nobody has to a member with the fewest.
    private func cover(_ partitions: [Partition], _ held: inout [Set<Int>]) {
        var missing = Set(partitions.indices)
        for places in held { missing.subtract(places) }
        for place in missing.sorted() {
            guard let least = held.indices.min(by: { held[$0].count < held[$1].count }) else { return }
            held[least].insert(place)
        }
    }
}
