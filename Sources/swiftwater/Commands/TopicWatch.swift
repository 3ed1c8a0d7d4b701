import Cluster

/// Looks for partitions of topics that are named or match a pattern and are not read yet.
actor TopicWatch {
    private let names: Set<String>
    private let pattern: TopicPattern
    private let cluster: any Cluster
    private let isolation: Isolation
    private var partitions: WatchedPartitions

    /// How soon a new topic is noticed.
    private static let interval = Duration.seconds(2)

    /// - Parameter topics: those that are read, as they were when reading began.
    init(
        _ names: [String], _ pattern: TopicPattern, reading topics: [TopicDescription], in cluster: any Cluster,
        isolation: Isolation
    ) {
        self.names = Set(names)
        self.pattern = pattern
        self.cluster = cluster
        self.isolation = isolation
        partitions = WatchedPartitions(reading: Self.ids(topics))
    }

    private static func ids(_ topics: [TopicDescription]) -> [TopicPartition: String?] {
        Dictionary(
            topics.flatMap { topic in topic.partitions.map { (TopicPartition(topic.name, $0.partition), topic.id) } }
        ) { first, _ in first }
    }

    /// Says that a partition is not read any more.
    ///
    /// - Parameter position: where to go on with it if it is the same one that comes back; nil for its beginning.
    func lost(_ partition: TopicPartition, at position: Int64?) { partitions.lost(partition, at: position) }

    /// Waits a while, and looks.
    ///
    /// - Returns: readers of new partitions, from their beginning, and partitions of topics that were made anew, whose
    ///   readers are to be closed: the next look opens them.
    func next() async throws -> (new: [any PartitionReader], gone: [TopicPartition]) {
        try await Task.sleep(for: Self.interval)
        // Those that are being read tell when the cluster stays away.
        guard var topics = try? await cluster.topics() else { return ([], []) }
        let wanted = names.union(try pattern.matching(topics.filter { !$0.isInternal }.map(\.name)))
        topics.removeAll { !wanted.contains($0.name) }
        let (gone, new) = partitions.look(at: Self.ids(await topics.withIds(of: cluster)))
        var readers: [any PartitionReader] = []
        for (partition, id, start) in new {
            // One that is gone again, or not ready yet, is for the next look.
            guard let reader = try? await cluster.reader(partition, from: start, isolation: isolation) else { continue }
            readers.append(reader)
            partitions.opened(partition, id)
        }
        return (readers, gone)
    }
}

extension [TopicDescription] {
    /// The same topics with their ids where the cluster tells.
    func withIds(of cluster: any Cluster) async -> Self {
        let ids = await cluster.topicIds(of: map(\.name))
        return map { topic in
            var topic = topic
            topic.id = ids[topic.name] ?? topic.id
            return topic
        }
    }
}

/// Which partitions are read, of topics of which ids, and how far those were read that are not any more.
struct WatchedPartitions {
    /// The partitions that are read, with the ids of their topics where the cluster has told.
    private var known: [TopicPartition: String?]
    /// Those that could not be read any more, and how far they were read. They may come back.
    private var lost: [TopicPartition: (id: String?, position: Int64)] = [:]

    init(reading partitions: [TopicPartition: String?]) { known = partitions }

    /// Whether a topic of one id is not the one of the other; an id that the cluster did not tell says nothing.
    private static func differ(_ a: String?, _ b: String?) -> Bool {
        guard let a, let b else { return false }
        return a != b
    }

    /// A partition is not read any more.
    ///
    /// - Parameter position: where to go on with it if it is the same one that comes back; nil for its beginning.
    mutating func lost(_ partition: TopicPartition, at position: Int64?) {
        guard let id = known.removeValue(forKey: partition) else { return }
        if let position { lost[partition] = (id, position) }
    }

    /// Compares what is there now with what is read.
    ///
    /// - Returns: those that are read but whose topics were made anew, which are not read any more from here on, and those
    ///   to be opened: see `opened`.
    mutating func look(
        at there: [TopicPartition: String?]
    ) -> (gone: [TopicPartition], new: [(partition: TopicPartition, id: String?, start: LogPosition)]) {
        // A position is of use only while the topic is there or may be back soon: of one of another id it is not.
        lost = lost.filter { partition, old in there[partition].map { !Self.differ($0, old.id) } ?? true }
        let gone = there.filter { partition, id in known[partition].map { Self.differ($0, id) } ?? false }.keys.sorted()
        for (partition, id) in there where id != nil && known[partition] != nil {
            known.updateValue(id, forKey: partition)
        }
        for partition in gone { known.removeValue(forKey: partition) }
        let new = there.sorted { $0.key < $1.key }
            .filter { partition, _ in known[partition] == nil && !gone.contains(partition) }
            .map { partition, id in
                (partition, id, lost[partition].map { LogPosition.offset($0.position) } ?? .beginning)
            }
        return (gone, new)
    }

    /// A partition that `look` named is read now. Where no id was told, it is held to be the one that was read before,
    /// until an id is told that is another.
    mutating func opened(_ partition: TopicPartition, _ id: String?) {
        known.updateValue(id ?? lost[partition]?.id, forKey: partition)
        lost[partition] = nil
    }
}
