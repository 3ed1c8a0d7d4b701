/// A partition of a topic.
struct TopicPartition: Hashable, Comparable, Sendable {
    var topic: String
    var partition: Int32

    static func < (a: Self, b: Self) -> Bool {
        a.topic != b.topic ? a.topic < b.topic : a.partition < b.partition
    }
}

/// What a group committed for a partition.
struct CommittedOffset: Hashable, Sendable {
    var offset: Int64
    var leaderEpoch: Int32
    var metadata: String
    /// Wall clock.
    var commitTimestamp: Int64
    /// Wall clock; only clients of OffsetCommit versions 2 to 4 can ask for it.
    var expireTimestamp: Int64?
    /// Order of the records in the log: of a plain and a transactional commit the later record counts, even though the
    /// transaction takes effect after both.
    var sequence: UInt64 = 0
}

/// The offsets of all groups of a shard, and those of open transactions that wait for their marker.
struct OffsetStore: Sendable {
    typealias Partitions = [Int32: CommittedOffset]
    typealias Topics = [String: Partitions]

    private(set) var committed: [String: Topics] = [:]
    /// By producer id and group.
    private(set) var pending: [Int64: [String: Topics]] = [:]
    /// Producers with pending offsets by group: exactly those of `pending`.
    private(set) var openTransactions: [String: Set<Int64>] = [:]
    private var sequence: UInt64 = 0

    subscript(group: String, partition: TopicPartition) -> CommittedOffset? {
        committed[group]?[partition.topic]?[partition.partition]
    }

    func hasOpenTransaction(_ group: String) -> Bool { openTransactions[group] != nil }

    /// Whether a transaction that is not decided would change the offset.
    func isPending(_ group: String, topic: String, partition: Int32) -> Bool {
        guard let producers = openTransactions[group] else { return false }
        return producers.contains { pending[$0]?[group]?[topic]?[partition] != nil }
    }

    /// All partitions for which the group has an offset or may get one, in order.
    func partitions(of group: String, where include: (String) -> Bool = { _ in true }) -> [TopicPartition] {
        var found: Set<TopicPartition> = []
        func add(_ topics: Topics) {
            for (topic, partitions) in topics where include(topic) {
                for partition in partitions.keys { found.insert(TopicPartition(topic: topic, partition: partition)) }
            }
        }
        add(committed[group] ?? [:])
        for producer in openTransactions[group] ?? [] { add(pending[producer]?[group] ?? [:]) }
        return found.sorted()
    }

    /// Applies a record: a commit, or with a producer's id a commit that waits for the end of its transaction; nil
    /// removes the offset and whatever waits for its place.
    mutating func apply(_ offset: CommittedOffset?, group: String, _ partition: TopicPartition, producerId: Int64?) {
        sequence += 1
        guard var offset else { return remove(group, partition) }
        offset.sequence = sequence
        if let producerId {
            pending[producerId, default: [:]][group, default: [:]][partition.topic, default: [:]][partition.partition] =
                offset
            openTransactions[group, default: []].insert(producerId)
        } else {
            committed[group, default: [:]][partition.topic, default: [:]][partition.partition] = offset
        }
    }

    private mutating func remove(_ group: String, _ partition: TopicPartition) {
        committed.remove(group, partition)
        for producer in openTransactions[group] ?? [] {
            pending[producer]?.remove(group, partition)
            if pending[producer]?[group] == nil { close(producer, of: group) }
            if pending[producer]?.isEmpty == true { pending[producer] = nil }
        }
    }

    private mutating func close(_ producerId: Int64, of group: String) {
        openTransactions[group]?.remove(producerId)
        if openTransactions[group]?.isEmpty == true { openTransactions[group] = nil }
    }

    /// The end of a producer's transaction in this partition of the log.
    mutating func complete(producerId: Int64, isCommit: Bool) {
        guard let groups = pending.removeValue(forKey: producerId) else { return }
        for group in groups.keys { close(producerId, of: group) }
        guard isCommit else { return }
        for (group, topics) in groups {
            for (topic, partitions) in topics {
                for (partition, offset) in partitions {
                    let current = committed[group]?[topic]?[partition]
                    if let current, current.sequence > offset.sequence { continue }
                    committed[group, default: [:]][topic, default: [:]][partition] = offset
                }
            }
        }
    }
}

extension [String: OffsetStore.Topics] {
    /// Removes an offset and the tables that it leaves empty.
    fileprivate mutating func remove(_ group: String, _ partition: TopicPartition) {
        self[group]?[partition.topic]?[partition.partition] = nil
        if self[group]?[partition.topic]?.isEmpty == true { self[group]?[partition.topic] = nil }
        if self[group]?.isEmpty == true { self[group] = nil }
    }
}
