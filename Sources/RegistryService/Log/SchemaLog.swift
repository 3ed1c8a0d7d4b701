import Cluster
import Logging
import NIOCore
import SchemaRules
import Synchronization

/// The schemas topic: makes sure of it, reads it into the state, and goes on reading.
final class SchemaLog: Sendable {
    private let cluster: any Cluster
    private let settings: RegistrySettings
    private let holder: StateHolder
    private let logger: Logger
    private let isCaughtUp = Atomic<Bool>(false)
    private let isMade = Atomic<Bool>(false)
    let skipped = Atomic<Int64>(0)

    init(_ cluster: any Cluster, _ settings: RegistrySettings, _ holder: StateHolder, _ logger: Logger) {
        self.cluster = cluster
        self.settings = settings
        self.holder = holder
        self.logger = logger
    }

    private var partition: TopicPartition { TopicPartition(settings.topic, 0) }

    /// Whether everything that was in the topic when the reading began has been read. True, too, when there is no topic.
    var isReady: Bool { isCaughtUp.load(ordering: .acquiring) }

    // MARK: The topic

    private var topic: CompactedTopic {
        CompactedTopic(
            settings.topic, partitionCount: 1, replicationFactor: max(1, settings.replicationFactor),
            neededPartitionCount: 1, owner: "the registry", content: "schemas",
            hint: "schemas must stay in one order: name another topic with kafkastore.topic")
    }

    /// Whether the topic exists.
    ///
    /// - Throws: `ClusterError` when it exists and cannot be used, saying why, or the cluster cannot be asked.
    func exists() async throws(ClusterError) -> Bool {
        guard try await topic.isThere(in: cluster) else { return false }
        isMade.store(true, ordering: .releasing)
        return true
    }

    /// Makes the topic if there is none.
    func make() async throws(ClusterError) {
        if isMade.load(ordering: .acquiring) { return }
        if try await topic.make(in: cluster) {
            logger.info("made the schemas topic", metadata: ["topic": "\(settings.topic)"])
        }
        isMade.store(true, ordering: .releasing)
    }

    // MARK: Reading

    /// Waits until everything that is in the topic now has been read.
    ///
    /// - Returns: false when that took longer than `limit`.
    func catchUp(limit: Duration) async throws(ClusterError) -> Bool {
        let end = try await cluster.offsets([partition: .end], isolation: .readCommitted)[partition] ?? 0
        return await holder.wait(for: end, limit: limit)
    }

    /// Reads the topic until the task is cancelled. Waits for a topic that is not there yet.
    func run() async {
        var isFailing = false
        while !Task.isCancelled {
            do {
                guard try await exists() else {
                    if holder.read({ $0.position }) > 0 {
                        logger.error("the schemas topic is gone", metadata: ["topic": "\(settings.topic)"])
                        holder.change { $0 = $0.cleared() }
                    }
                    isCaughtUp.store(true, ordering: .releasing)
                    try await Task.sleep(for: .milliseconds(200))
                    continue
                }
                try await follow { isFailing = false }
            } catch is CancellationError {
                return
            } catch {
                if Task.isCancelled { return }
                if !isFailing {
                    logger.error(
                        "cannot read the schemas topic, trying again",
                        metadata: ["topic": "\(settings.topic)", "error": "\(error)"])
                }
                isFailing = true
                isMade.store(false, ordering: .releasing)
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    private func follow(_ isGoingOn: () -> Void) async throws {
        let start = holder.read { $0.position }
        let end = try await cluster.offsets([partition: .end], isolation: .readCommitted)[partition] ?? 0
        if end < start {
            // The topic was deleted and made anew.
            logger.warning("the schemas topic begins anew", metadata: ["topic": "\(settings.topic)"])
            holder.change { $0 = $0.cleared() }
        }
        let position = holder.read { $0.position }
        let reader = try await cluster.reader(
            partition, from: position == 0 ? .beginning : .offset(position), isolation: .readCommitted)
        defer { reader.close() }
        while true {
            if reader.position >= end { isCaughtUp.store(true, ordering: .releasing) }
            let batches: FetchedBatches
            do throws(ClusterError) {
                batches = try await reader.next(maxBytes: 4 << 20, timeout: .seconds(30))
            } catch {
                if error.code == .offsetOutOfRange { holder.change { $0 = $0.cleared() } }
                throw error
            }
            try Task.checkCancellation()
            isGoingOn()
            guard !batches.isEmpty || batches.nextOffset > holder.read({ $0.position }) else { continue }
            apply(try batches.records(), next: batches.nextOffset)
        }
    }

    private func apply(_ records: [ConsumerRecord], next: Int64) {
        // Reading comes first and without the lock; what takes long is there.
        let parsed = records.map { record -> (ConsumerRecord, RegistryRecord?) in
            do throws(RegistryRecord.Unreadable) {
                return (
                    record,
                    try RegistryRecord.parse(
                        key: record.key.map { Array($0.readableBytesView) },
                        value: record.value.map { Array($0.readableBytesView) })
                )
            } catch {
                tellSkipped(record.offset, "\(error)")
                return (record, nil)
            }
        }
        var taken: [(Int64, Int32)] = []
        holder.change { state in
            for case (let record, .some(let change)) in parsed where record.offset >= state.position {
                let applied = state.apply(change, offset: record.offset, timestamp: record.timestamp)
                if case .idTaken(let id) = applied { taken.append((record.offset, id)) }
            }
            state.position = max(state.position, next)
        }
        for (offset, id) in taken { tellSkipped(offset, "id \(id) belongs to another schema") }
    }

    private func tellSkipped(_ offset: Int64, _ why: String) {
        skipped.wrappingAdd(1, ordering: .relaxed)
        logger.warning(
            "passed over a record of the schemas topic",
            metadata: ["topic": "\(settings.topic)", "offset": "\(offset)", "reason": "\(why)"])
    }
}
