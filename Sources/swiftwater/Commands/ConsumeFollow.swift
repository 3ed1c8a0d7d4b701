import Cluster

extension Consume {
    private enum Arrival: Sendable {
        case records(any PartitionReader, FetchedBatches)
        case more([any PartitionReader])
    }

    /// Reads all partitions at the same time and hands their records over one batch at a time, so that a slow reader of
    /// our output slows down the fetching.
    ///
    /// - Parameters:
    ///   - idleMax: how long to wait for records before giving up; nil for ever.
    ///   - more: waits for readers of partitions that come to be later; nil where none are to be looked for.
    /// - Returns: whether it was given up.
    @discardableResult
    static func follow(
        _ readers: [any PartitionReader], until ends: [TopicPartition: Int64]?, countMax: Int,
        idleMax: Duration? = nil, more: (@Sendable () async throws -> [any PartitionReader])? = nil,
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
                    let batches = try await reader.next(maxBytes: 1 << 20, timeout: patience)
                    try await prepare(batches)
                    return .records(reader, batches)
                }
            }
            func look() {
                if let more { group.addTask { .more(try await more()) } }
            }
            for reader in readers { read(reader) }
            look()
            while left > 0, let arrival = try await group.next() {
                switch arrival {
                case .more(let readers):
                    for reader in readers { read(reader) }
                    look()
                case .records(let reader, let batches):
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

/// Looks for topics that match a pattern and were not there before.
actor TopicWatch {
    private let pattern: TopicPattern
    private var known: Set<String>
    private let cluster: any Cluster
    private let isolation: Isolation

    /// How soon a new topic is noticed.
    private static let interval = Duration.seconds(2)

    init(_ pattern: TopicPattern, known: Set<String>, in cluster: any Cluster, isolation: Isolation) {
        self.pattern = pattern
        self.known = known
        self.cluster = cluster
        self.isolation = isolation
    }

    /// Waits a while, and looks.
    ///
    /// - Returns: readers of new topics, from their beginning.
    func next() async throws -> [any PartitionReader] {
        try await Task.sleep(for: Self.interval)
        let names: [String]
        let topics: [TopicDescription]
        do {
            topics = try await cluster.topics()
            names = try pattern.matching(topics.filter { !$0.isInternal }.map(\.name))
        } catch is ClusterError {
            return []  // those that are being read tell when the cluster stays away
        }
        var readers: [any PartitionReader] = []
        for topic in topics where names.contains(topic.name) && known.insert(topic.name).inserted {
            for partition in topic.partitions {
                readers.append(
                    try await cluster.reader(
                        TopicPartition(topic.name, partition.partition), from: .beginning, isolation: isolation))
            }
        }
        return readers
    }
}
