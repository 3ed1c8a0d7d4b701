import KafkaMessages

/// Each topic's partitions in contiguous ranges over its subscribers in the order of their ids.
///
/// Every subscriber gets count / subscribers partitions, the first count % subscribers of them one more. What a member
/// had is kept as far as its share goes, the lowest numbers first, so that topics of equal partition counts and equal
/// subscribers stay aligned.
///
/// - SeeAlso: upstream `RangeAssignor`.
enum RangeAssignment {
    static func assign(_ group: AssignmentInput) -> [String: TopicPartitionSet] {
        var assignment = group.members.map { _ in TopicPartitionSet() }
        for id in group.sortedTopicIds {
            let subscribers = group.members.indices.filter { group.members[$0].subscribedTopicIds.contains(id) }
            guard !subscribers.isEmpty, let partitionCount = group.partitionCounts[id].map(Int.init) else { continue }
            let share = partitionCount / subscribers.count
            var extraCount = partitionCount % subscribers.count

            var owners = [Int?](repeating: nil, count: partitionCount)
            var missing: [(member: Int, count: Int)] = []
            for member in subscribers {
                let previous = group.members[member].previous[id]
                var keptCount = min(previous.count, share)
                if previous.count > share, extraCount > 0 {
                    extraCount -= 1
                    keptCount += 1
                } else {
                    missing.append((member, share - keptCount))
                }
                for partition in previous.prefix(keptCount) { owners[Int(partition)] = member }
            }

            var free = (0..<partitionCount).filter { owners[$0] == nil }[...]
            for (member, count) in missing {
                let extra = extraCount > 0 ? 1 : 0
                extraCount -= extra
                for partition in free.prefix(count + extra) { owners[partition] = member }
                free = free.dropFirst(count + extra)
            }
            for member in subscribers {
                assignment[member][id] = owners.indices.filter { owners[$0] == member }.map(Int32.init)
            }
        }
        return Dictionary(uniqueKeysWithValues: zip(group.members.map(\.memberId), assignment))
    }
}
