import Cluster
import Logging
import NIOCore
import Synchronization

/// A compacted topic and what its records add up to. Reads all of it, goes on reading, and writes to it: a change
/// counts when it has been read back, so that all workers see the same order.
final class StateTopic<State: Sendable, Event: Sendable>: Sendable {
    /// How the topic is made when there is none.
    struct Layout: Sendable {
        var name: String
        /// -1 for the cluster's default.
        var partitionCount: Int32
        /// -1 for the cluster's default; at most one for each broker.
        var replicationFactor: Int16
        /// What the state depends on; nil for any number.
        var neededPartitionCount: Int32?
    }

    private struct Inside {
        var state: State
        /// Next offset of each partition.
        var positions: [Int32: Int64] = [:]
        /// Where the topic ended when reading began; partitions that were read to there are taken out.
        var missing: Set<Int32> = []
        var isReady = false
    }

    let layout: Layout
    private let cluster: any Cluster
    private let logger: Logger
    private let inside: Mutex<Inside>
    private let initial: State
    private let apply: @Sendable (inout State, ConsumerRecord) -> Event?
    private let observe: @Sendable ([Event]) -> Void
    private let writer = Mutex<(any RecordWriter)?>(nil)
    private let exists = Atomic<Bool>(false)
    let changes = Signal()

    /// - Parameters:
    ///   - apply: takes one record into the state; records that mean nothing are passed over.
    ///   - observe: gets what changed once everything that was there at the beginning is read.
    init(
        _ cluster: any Cluster, _ layout: Layout, _ initial: State, _ logger: Logger,
        apply: @escaping @Sendable (inout State, ConsumerRecord) -> Event?,
        observe: @escaping @Sendable ([Event]) -> Void = { _ in }
    ) {
        self.cluster = cluster
        self.layout = layout
        self.initial = initial
        self.logger = logger
        self.apply = apply
        self.observe = observe
        inside = Mutex(Inside(state: initial))
    }

    func read<Answer: Sendable>(_ body: (State) -> Answer) -> Answer { inside.withLock { body($0.state) } }

    /// Whether what was there at the start has been read.
    var isReady: Bool { inside.withLock { $0.isReady } }

    /// The offset after the last record of a topic of one partition.
    var position: Int64 { inside.withLock { $0.positions[0] ?? 0 } }

    // MARK: The topic

    private var topic: CompactedTopic {
        CompactedTopic(
            layout.name, partitionCount: layout.partitionCount, replicationFactor: layout.replicationFactor,
            neededPartitionCount: layout.neededPartitionCount, owner: "Connect", content: "state",
            hint: "changes must stay in one order: name another topic in the worker's configuration")
    }

    /// - Throws: when the topic is there and cannot be used.
    func isThere() async throws(ClusterError) -> Bool {
        guard try await topic.isThere(in: cluster) else { return false }
        exists.store(true, ordering: .releasing)
        return true
    }

    /// Makes the topic if there is none.
    func make() async throws(ClusterError) {
        if exists.load(ordering: .acquiring) { return }
        if try await topic.make(in: cluster) {
            logger.info("made a topic of Connect", metadata: ["topic": "\(layout.name)"])
        }
        exists.store(true, ordering: .releasing)
        changes.notify()
    }

    // MARK: Reading

    /// Reads the topic until the task is cancelled. Waits for one that is not there yet.
    func run() async {
        var isFailing = false
        while !Task.isCancelled {
            do {
                let generation = changes.generation
                guard try await isThere() else {
                    // Told once: all topics of a worker share the signal, and would wake each other without end.
                    let isNew = inside.withLock { inside in
                        defer { inside.isReady = true }
                        return !inside.isReady
                    }
                    if isNew { changes.notify() }
                    await changes.wait(after: generation, timeout: .seconds(1))
                    continue
                }
                isFailing = false
                try await follow()
            } catch is CancellationError {
                return
            } catch {
                if Task.isCancelled { return }
                if !isFailing {
                    logger.error(
                        "cannot read a topic of Connect, trying again",
                        metadata: ["topic": "\(layout.name)", "error": "\(error)"])
                }
                isFailing = true
                exists.store(false, ordering: .releasing)
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    private func follow() async throws {
        let partitions = try await cluster.topic(layout.name).partitions.map {
            TopicPartition(layout.name, $0.partition)
        }
        let ends = try await cluster.offsets(
            Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: .readCommitted)
        let starts = inside.withLock { inside in
            if partitions.contains(where: { (inside.positions[$0.partition] ?? 0) > (ends[$0] ?? 0) }) {
                // The topic was deleted and made anew.
                inside.state = initial
                inside.positions = [:]
            }
            inside.missing = Set(
                partitions.filter { (inside.positions[$0.partition] ?? 0) < (ends[$0] ?? 0) }.map(\.partition))
            if inside.missing.isEmpty { inside.isReady = true }
            return inside.positions
        }
        changes.notify()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for partition in partitions {
                group.addTask { [self] in
                    let start = starts[partition.partition] ?? 0
                    let reader = try await cluster.reader(
                        partition, from: start == 0 ? .beginning : .offset(start), isolation: .readCommitted)
                    defer { reader.close() }
                    while true {
                        let batches = try await reader.next(maxBytes: 1 << 20, timeout: .seconds(30))
                        try Task.checkCancellation()
                        take(
                            partition.partition, try batches.records(), next: batches.nextOffset,
                            end: ends[partition] ?? 0)
                    }
                }
            }
            _ = try await group.next()
        }
    }

    private func take(_ partition: Int32, _ records: [ConsumerRecord], next: Int64, end: Int64) {
        let events = inside.withLock { inside -> [Event] in
            guard next > inside.positions[partition] ?? 0 else { return [] }
            var events: [Event] = []
            for record in records where record.offset >= inside.positions[partition] ?? 0 {
                if let event = apply(&inside.state, record) { events.append(event) }
            }
            inside.positions[partition] = next
            let wasReady = inside.isReady
            if next >= end, inside.missing.remove(partition) != nil, inside.missing.isEmpty { inside.isReady = true }
            return wasReady ? events : []
        }
        if !events.isEmpty { observe(events) }
        changes.notify()
    }

    /// Waits until everything that is in the topic now has been read.
    ///
    /// - Throws: `.requestTimedOut` when that took longer than `limit`.
    func catchUp(limit: Duration = .seconds(30)) async throws(ClusterError) {
        guard try await isThere() else { return }
        let partitions = try await cluster.topic(layout.name).partitions.map {
            TopicPartition(layout.name, $0.partition)
        }
        let ends = try await cluster.offsets(
            Dictionary(partitions.map { ($0, .end) }) { first, _ in first }, isolation: .readCommitted)
        try await reach(Dictionary(ends.map { ($0.key.partition, $0.value) }) { first, _ in first }, limit: limit)
    }

    /// Waits until each partition has been read up to its offset.
    func reach(_ wanted: [Int32: Int64], limit: Duration) async throws(ClusterError) {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        while true {
            let generation = changes.generation
            if inside.withLock({ inside in wanted.allSatisfy { inside.positions[$0.key] ?? 0 >= $0.value } }) { return }
            guard !Task.isCancelled, clock.now < deadline else {
                throw ClusterError(.requestTimedOut, "topic '\(layout.name)' could not be read to its end in time")
            }
            await changes.wait(after: generation, timeout: clock.now.duration(to: deadline))
        }
    }

    /// Waits until what was there at the start has been read.
    func ready(limit: Duration) async -> Bool {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        while true {
            let generation = changes.generation
            if isReady { return true }
            guard !Task.isCancelled, clock.now < deadline else { return false }
            await changes.wait(after: generation, timeout: clock.now.duration(to: deadline))
        }
    }

    // MARK: Writing

    /// Writes records in their order; the topic is made first if there is none.
    ///
    /// - Returns: when they are durable and this worker has read them back.
    func write(_ records: [(key: [UInt8], value: [UInt8]?)]) async throws(ClusterError) {
        guard !records.isEmpty else { return }
        let positions = try await append(records)
        var wanted: [Int32: Int64] = [:]
        for position in positions {
            wanted[position.partition] = max(wanted[position.partition] ?? 0, position.offset + 1)
        }
        try await reach(wanted, limit: .seconds(30))
    }

    /// Writes records and returns when they are durable, read back or not.
    @discardableResult
    func append(_ records: [(key: [UInt8], value: [UInt8]?)]) async throws(ClusterError) -> [RecordPosition] {
        try await make()
        let open = try await openWriter()
        return try await open.write(
            records.map {
                ProducerRecord(key: ByteBuffer(bytes: $0.key), value: $0.value.map { ByteBuffer(bytes: $0) })
            },
            to: layout.name)
    }

    private func openWriter() async throws(ClusterError) -> any RecordWriter {
        if let open = writer.withLock({ $0 }) { return open }
        let made = try await cluster.writer(.idempotent)
        let used = writer.withLock { writer in
            if writer == nil { writer = made }
            return writer
        }
        if let used, used !== made {
            await made.close()
            return used
        }
        return made
    }

    func close() async {
        let open = writer.withLock { writer in
            defer { writer = nil }
            return writer
        }
        await open?.close()
    }
}

extension ConsumerRecord {
    var keyText: String? { key.map { String(buffer: $0) } }
    var valueBytes: [UInt8]? { value.map { Array($0.readableBytesView) } }
}
