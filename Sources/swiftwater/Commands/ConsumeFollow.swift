import Cluster

extension Consume {
    private enum Arrival: Sendable {
        case records(any PartitionReader, FetchedBatches)
        case failure(any PartitionReader, ClusterError)
        case more([any PartitionReader], gone: [TopicPartition])
    }

    /// Reads all partitions at the same time and hands their records over one batch at a time, so that a slow reader of
    /// our output slows down the fetching.
    ///
    /// - Parameters:
    ///   - idleMax: how long to wait for records before giving up; nil for ever.
    ///   - watch: looks for partitions that come to be later; nil where none are to be looked for.
    ///   - mayVanish: whether a topic that is deleted meanwhile only ends the reading of itself.
    /// - Returns: whether it was given up.
    @discardableResult
    static func follow(
        _ readers: [any PartitionReader], until ends: [TopicPartition: Int64]?, countMax: Int,
        idleMax: Duration? = nil, watch: TopicWatch? = nil, mayVanish: Bool = false,
        _ prepare: @escaping @Sendable (FetchedBatches) async throws -> Void,
        _ handle: ([ConsumerRecord]) throws -> Void
    ) async throws -> Bool {
        var left = countMax
        let clock = ContinuousClock()
        var last = clock.now
        let patience = min(idleMax ?? .seconds(10), .seconds(10))
        return try await withThrowingTaskGroup(of: Arrival.self) { group in
            func read(_ reader: any PartitionReader) {
                if let ends, reader.position >= ends[reader.partition] ?? 0 { return }
                group.addTask {
                    let batches: FetchedBatches
                    do throws(ClusterError) {
                        batches = try await reader.next(maxBytes: 1 << 20, timeout: patience)
                    } catch { return .failure(reader, error) }
                    try await prepare(batches)
                    return .records(reader, batches)
                }
            }
            func look() {
                guard let watch else { return }
                group.addTask {
                    let (new, gone) = try await watch.next()
                    return .more(new, gone: gone)
                }
            }
            var open = Dictionary(readers.map { ($0.partition, $0) }) { first, _ in first }
            for reader in readers { read(reader) }
            look()
            while left > 0, let arrival = try await group.next() {
                switch arrival {
                case .more(let readers, let gone):
                    for partition in gone { open.removeValue(forKey: partition)?.close() }
                    for reader in readers {
                        open[reader.partition] = reader
                        read(reader)
                    }
                    look()
                case .failure(let reader, let error):
                    guard open[reader.partition] === reader else { continue }
                    // Also of one that was made anew and has fewer records than were read of the old one.
                    let isGone =
                        error.code == .unknownTopicOrPartition || watch != nil && error.code == .offsetOutOfRange
                    guard mayVanish, isGone else { throw error }
                    let position = error.code == .offsetOutOfRange ? nil : reader.position
                    open.removeValue(forKey: reader.partition)?.close()
                    await watch?.lost(reader.partition, at: position)
                case .records(let reader, let batches):
                    guard open[reader.partition] === reader else { continue }
                    var records = try batches.records()
                    if let end = ends?[reader.partition] { records.removeAll { $0.offset >= end } }
                    let shown = records.prefix(left)
                    left -= shown.count
                    if !shown.isEmpty {
                        try handle(Array(shown))
                        last = clock.now
                    } else if let idleMax, clock.now - last >= idleMax {
                        group.cancelAll()
                        return true
                    }
                    read(reader)
                }
            }
            group.cancelAll()
            return false
        }
    }
}

/// Looks for partitions of topics that are named or match a pattern and are not read yet.
actor TopicWatch {
    private let names: Set<String>
    private let pattern: TopicPattern
    private let cluster: any Cluster
    private let isolation: Isolation
    /// The partitions that are read, with the ids of their topics where the cluster tells.
    private var known: [TopicPartition: String?]
    /// Those that could not be read any more, and how far they were read. They may come back.
    private var lost: [TopicPartition: (id: String?, position: Int64)] = [:]

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
        known = Dictionary(Self.ids(topics)) { first, _ in first }
    }

    private static func ids(_ topics: [TopicDescription]) -> [(TopicPartition, String?)] {
        topics.flatMap { topic in topic.partitions.map { (TopicPartition(topic.name, $0.partition), topic.id) } }
    }

    /// Whether a topic of one id is not the one of the other; an id that the cluster did not tell says nothing.
    private static func differ(_ a: String?, _ b: String?) -> Bool {
        guard let a, let b else { return false }
        return a != b
    }

    /// Says that a partition is not read any more.
    ///
    /// - Parameter position: where to go on with it if it is the same one that comes back; nil for its beginning.
    func lost(_ partition: TopicPartition, at position: Int64?) {
        guard let id = known.removeValue(forKey: partition) else { return }
        if let position { lost[partition] = (id, position) }
    }

    /// Waits a while, and looks.
    ///
    /// - Returns: readers of new partitions, from their beginning, and partitions of topics that were made anew, whose
    ///   readers are to be closed: the next look opens them.
    func next() async throws -> (new: [any PartitionReader], gone: [TopicPartition]) {
        try await Task.sleep(for: Self.interval)
        // Those that are being read tell when the cluster stays away.
        guard let topics = try? await cluster.topics() else { return ([], []) }
        let wanted = names.union(try pattern.matching(topics.filter { !$0.isInternal }.map(\.name)))
        let there = Dictionary(Self.ids(topics.filter { wanted.contains($0.name) })) { first, _ in first }
        // A position is of use only while the topic is there or may be back soon: of one of another id it is not.
        lost = lost.filter { partition, old in there[partition].map { !Self.differ($0, old.id) } ?? true }
        let gone = there.filter { partition, id in known[partition].map { Self.differ($0, id) } ?? false }.keys.sorted()
        for (partition, id) in there where id != nil && known[partition] != nil {
            known.updateValue(id, forKey: partition)
        }
        for partition in gone { known.removeValue(forKey: partition) }
        var readers: [any PartitionReader] = []
        for (partition, id) in there.sorted(by: { $0.key < $1.key })
        where !gone.contains(partition) && known[partition] == nil {
            let start = lost[partition].map { LogPosition.offset($0.position) } ?? .beginning
            // One that is gone again, or not ready yet, is for the next look.
            guard let reader = try? await cluster.reader(partition, from: start, isolation: isolation) else { continue }
            readers.append(reader)
            known.updateValue(id, forKey: partition)
            lost[partition] = nil
        }
        return (readers, gone)
    }
}
