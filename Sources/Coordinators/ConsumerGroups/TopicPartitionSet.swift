package import KafkaMessages

/// Partitions by the id of their topic.
package typealias TopicPartitionSet = PartitionSet<KafkaUUID>

/// Partitions by what they are of: topics, or subtopologies.
package struct PartitionSet<Key: Hashable & Sendable>: Hashable, Sendable {
    /// The partitions of each topic, ascending and without repeats; no topic is empty.
    package private(set) var topics: [Key: [Int32]] = [:]

    package init() {}

    package init(_ topics: [Key: [Int32]]) {
        for (id, partitions) in topics { self[id] = partitions }
    }

    /// Takes lists as messages have them: in any order, perhaps naming a topic or a partition twice.
    package init(_ lists: some Sequence<(Key, [Int32])>) {
        var all: [Key: [Int32]] = [:]
        for (id, partitions) in lists { all[id, default: []] += partitions }
        self.init(all)
    }

    package var isEmpty: Bool { topics.isEmpty }

    package var count: Int { topics.values.reduce(0) { $0 + $1.count } }

    /// The partitions of a topic; what is set may come in any order.
    package subscript(id: Key) -> [Int32] {
        get { topics[id] ?? [] }
        set {
            guard !newValue.isEmpty else {
                topics[id] = nil
                return
            }
            let isAscending = zip(newValue, newValue.dropFirst()).allSatisfy { $0 < $1 }
            topics[id] = isAscending ? newValue : Set(newValue).sorted()
        }
    }

    package func contains(_ id: Key, _ partition: Int32) -> Bool {
        guard let partitions = topics[id] else { return false }
        return partitions.isAscending(containing: partition)
    }

    package mutating func insert(_ id: Key, _ partition: Int32) {
        let place = topics[id, default: []].placeAscending(of: partition)
        if place < self[id].count, self[id][place] == partition { return }
        topics[id, default: []].insert(partition, at: place)
    }

    package mutating func formUnion(_ other: Self) {
        for (id, partitions) in other.topics { self[id] = self[id] + partitions }
    }

    package func isSubset(of other: Self) -> Bool {
        topics.allSatisfy { id, partitions in partitions.allSatisfy { other.contains(id, $0) } }
    }

    package func isDisjoint(with other: Self) -> Bool {
        topics.allSatisfy { id, partitions in
            guard other.topics[id] != nil else { return true }
            return !partitions.contains { other.contains(id, $0) }
        }
    }

    fileprivate func sorted(by areInOrder: (Key, Key) -> Bool) -> [(id: Key, partitions: [Int32])] {
        topics.map { (id: $0.key, partitions: $0.value) }.sorted { areInOrder($0.id, $1.id) }
    }
}

extension PartitionSet<KafkaUUID> {
    /// By topic id, so that equal sets are written as equal bytes.
    package var sorted: [(id: KafkaUUID, partitions: [Int32])] { sorted { $0 < $1 } }
}

extension PartitionSet<String> {
    /// By name, so that equal sets are written as equal bytes.
    package var sorted: [(id: String, partitions: [Int32])] { sorted { $0 < $1 } }
}

extension KafkaUUID {
    static func < (a: KafkaUUID, b: KafkaUUID) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

extension [Int32] {
    /// Where `value` is, or would be inserted, in an ascending array.
    func placeAscending(of value: Int32) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func isAscending(containing value: Int32) -> Bool {
        let place = placeAscending(of: value)
        return place < count && self[place] == value
    }
}
