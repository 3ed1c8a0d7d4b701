import Cluster

/// Prints what a group's member is given, and commits what was printed.
actor GroupConsumption {
    private let cluster: any Cluster
    private let membership: any ConsumerMembership
    private let isolation: Isolation
    /// Where to begin in partitions without a committed offset.
    private let start: LogPosition
    /// With a pattern: the topics that matched when the command began. Others came to be later and are read from their
    /// beginning, and any of them may be deleted without an end of the command. nil for topics that are named.
    private var known: Set<String>?
    /// Whether to end when everything is read that was there when the member got its partitions.
    private let endsWhenRead: Bool
    /// What must be known before records can be printed.
    private let prepare: @Sendable (FetchedBatches) async throws -> Void
    private let handle: @Sendable ([ConsumerRecord]) throws -> Void

    private var left: Int
    private var readers: [TopicPartition: any PartitionReader] = [:]
    /// What the member has and cannot be read, because the topic is deleted or not there on all brokers yet.
    private var absent: Set<TopicPartition> = []
    private var ends: [TopicPartition: Int64] = [:]
    /// The offset behind what was printed, or where printing begins. A reader may be further.
    private var positions: [TopicPartition: Int64] = [:]
    /// What was printed since the last commit: the offset behind it.
    private var printed: [TopicPartition: Int64] = [:]
    private var lastCommit = ContinuousClock.now

    /// A crash prints again at most what was printed in this time.
    private static let commitInterval = Duration.milliseconds(500)
    /// How soon partitions that were absent are asked for again.
    private static let lookInterval = Duration.seconds(2)

    private enum Arrival: Sendable {
        case event(MembershipEvent?)
        case records(any PartitionReader, FetchedBatches)
        case failure(any PartitionReader, ClusterError)
        /// It is time to ask for partitions that were absent.
        case look
    }

    init(
        _ cluster: any Cluster, _ membership: any ConsumerMembership, isolation: Isolation, start: LogPosition,
        known: Set<String>?, endsWhenRead: Bool, countMax: Int,
        _ prepare: @escaping @Sendable (FetchedBatches) async throws -> Void,
        _ handle: @escaping @Sendable ([ConsumerRecord]) throws -> Void
    ) {
        self.cluster = cluster
        self.membership = membership
        self.isolation = isolation
        self.start = start
        self.known = known
        self.endsWhenRead = endsWhenRead
        self.prepare = prepare
        self.handle = handle
        left = countMax
    }

    /// Returns when enough is printed, or when the task is cancelled. `finish` must follow in any case.
    func run() async throws {
        do {
            try await follow()
        } catch {
            // What the end cut short is done by `finish`.
            guard Task.isCancelled else { throw error }
        }
    }

    private func follow() async throws {
        try await withThrowingTaskGroup(of: Arrival.self) { group in
            group.addTask { [membership] in .event(try await membership.next()) }
            if known != nil { Self.lookLater(&group) }
            while left > 0, let arrival = try await group.next() {
                switch arrival {
                case .event(nil):
                    group.cancelAll()
                    return
                case .event(let event?):
                    for reader in try await follow(event) { read(reader, &group) }
                    group.addTask { [membership] in .event(try await membership.next()) }
                case .records(let reader, let batches):
                    guard readers[reader.partition] === reader else { continue }
                    try print(batches)
                    if ContinuousClock.now - lastCommit > Self.commitInterval { try await commit() }
                    // The partition may have been revoked while the commit was under way.
                    if readers[reader.partition] === reader { read(reader, &group) }
                case .failure(let reader, let error):
                    guard readers[reader.partition] === reader else { continue }
                    if known != nil, error.code == .unknownTopicOrPartition {
                        drop(reader.partition)
                        continue
                    }
                    guard error.code == .offsetOutOfRange else { throw error }
                    try await restart(reader)
                    read(reader, &group)
                case .look:
                    for reader in try await openAll(absent.sorted()) { read(reader, &group) }
                    Self.lookLater(&group)
                }
                if endsWhenRead, isAllRead { left = 0 }
            }
            group.cancelAll()
        }
    }

    /// Commits what was printed and leaves the group.
    func finish() async throws {
        for reader in readers.values { reader.close() }
        readers = [:]
        do {
            try await commit()
        } catch {
            await membership.leave()
            throw error
        }
        await membership.leave()
    }

    private static func lookLater(_ group: inout ThrowingTaskGroup<Arrival, any Error>) {
        group.addTask {
            try await Task.sleep(for: lookInterval)
            return .look
        }
    }

    private func read(_ reader: any PartitionReader, _ group: inout ThrowingTaskGroup<Arrival, any Error>) {
        group.addTask { [prepare] in
            let batches: FetchedBatches
            do throws(ClusterError) {
                batches = try await reader.next(maxBytes: 1 << 20, timeout: .seconds(1))
            } catch {
                return .failure(reader, error)
            }
            try await prepare(batches)
            return .records(reader, batches)
        }
    }

    /// - Returns: readers of partitions that are new.
    private func follow(_ event: MembershipEvent) async throws -> [any PartitionReader] {
        switch event {
        case .assigned(let partitions): return try await openAll(partitions)
        case .revoked(let partitions):
            for partition in partitions { readers.removeValue(forKey: partition)?.close() }
            absent.subtract(partitions)
            try await commit()
        case .lost(let partitions):
            for partition in partitions {
                readers.removeValue(forKey: partition)?.close()
                printed[partition] = nil
            }
            absent.subtract(partitions)
        }
        return []
    }

    /// What is there of them; the others are absent, where topics may be.
    private func openAll(_ partitions: [TopicPartition]) async throws -> [any PartitionReader] {
        guard known != nil else { return try await open(partitions) }
        var new: [any PartitionReader] = []
        for (_, partitions) in Dictionary(grouping: partitions, by: \.topic).sorted(by: { $0.key < $1.key }) {
            do {
                new += try await open(partitions)
                absent.subtract(partitions)
            } catch let error as ClusterError where error.code == .unknownTopicOrPartition {
                for partition in partitions { drop(partition) }
            }
        }
        return new
    }

    /// If the topic comes back it is another one, which is read from its beginning.
    private func drop(_ partition: TopicPartition) {
        readers.removeValue(forKey: partition)?.close()
        (printed[partition], positions[partition], ends[partition]) = (nil, nil, nil)
        known?.remove(partition.topic)
        absent.insert(partition)
    }

    private func open(_ partitions: [TopicPartition]) async throws -> [any PartitionReader] {
        guard !partitions.isEmpty else { return [] }
        let committed = try await membership.committed(partitions)
        let missing = partitions.filter { committed[$0] == nil }
        let starts = try await cluster.offsets(
            Dictionary(missing.map { ($0, begin(of: $0)) }) { first, _ in first }, isolation: isolation)
        if endsWhenRead {
            let found = try await cluster.offsets(
                Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: isolation)
            ends.merge(found) { first, _ in first }
        }
        var new: [any PartitionReader] = []
        for partition in partitions {
            let offset = committed[partition]?.offset ?? starts[partition] ?? 0
            let reader = try await cluster.reader(partition, from: .offset(offset), isolation: isolation)
            readers[partition] = reader
            positions[partition] = offset
            new.append(reader)
        }
        return new
    }

    /// Where to begin in a partition without a committed offset.
    private func begin(of partition: TopicPartition) -> LogPosition {
        known?.contains(partition.topic) ?? true ? start : .beginning
    }

    private func print(_ batches: FetchedBatches) throws {
        guard batches.nextOffset > batches.startOffset else { return }
        var records = try batches.records()
        positions[batches.partition] = batches.nextOffset
        // What another member or run is to print, if this one must end within the batch.
        if records.count > left { records.removeLast(records.count - left) }
        left -= records.count
        if !records.isEmpty { try handle(records) }
        printed[batches.partition] =
            left == 0 ? (records.last.map { $0.offset + 1 } ?? batches.nextOffset) : batches.nextOffset
    }

    private func commit() async throws {
        lastCommit = .now
        guard !printed.isEmpty else { return }
        let offsets = printed
        do {
            try await membership.commit(offsets.mapValues { CommittedOffset($0) })
        } catch {
            switch error.code {
            // The group settles: these are committed with the next event, or the one after.
            case .rebalanceInProgress: return
            // The member was put out. Who has the partitions now prints these records again.
            case .unknownMemberId, .illegalGeneration, .fencedMemberEpoch, .staleMemberEpoch: break
            // Of one that is deleted; those of the others are kept.
            case .unknownTopicOrPartition where known != nil: break
            default: throw error
            }
        }
        for (partition, offset) in offsets where printed[partition] == offset { printed[partition] = nil }
    }

    private func restart(_ reader: any PartitionReader) async throws {
        let position = begin(of: reader.partition) == .end ? LogPosition.end : .beginning
        let found = try await cluster.offsets([reader.partition: position], isolation: isolation)
        let offset = found[reader.partition] ?? 0
        try reader.seek(to: offset)
        positions[reader.partition] = offset
    }

    private var isAllRead: Bool {
        !(readers.isEmpty && absent.isEmpty) && readers.keys.allSatisfy { positions[$0] ?? 0 >= ends[$0] ?? 0 }
    }
}
