import Cluster
import Columns
import Environment
import Logging
import SQLPlan
import StreamEngine
import Synchronization

/// State that survives: changelogs, and snapshots that shorten the way through them.
extension TaskRun {
    /// The changelog partition of each store.
    private var changelogs: [String: TopicPartition] {
        var found: [String: TopicPartition] = [:]
        for store in engine.stores {
            found[store] = TopicPartition(context.changelogName(store), place.partition)
        }
        return found
    }

    private var snapshot: StateSnapshot? {
        guard let folder = context.settings.snapshotFolder else { return nil }
        return StateSnapshot(
            disk: context.settings.disk, path: "\(folder)/\(context.plan.id)/\(name).state",
            fingerprint: "\(context.applicationID) \(name)\n\(context.plan.explanation)")
    }

    /// Brings the task, which has no state yet, to where the last commit left it.
    func restoreState() async throws(ClusterError) {
        let changelogs = changelogs
        guard !changelogs.isEmpty else { return }
        var wanted: [TopicPartition: LogPosition] = [:]
        for partition in changelogs.values { wanted[partition] = .beginning }
        let starts = try await context.cluster.offsets(wanted, isolation: .readCommitted)
        for partition in changelogs.values { wanted[partition] = .end }
        let ends = try await context.cluster.offsets(wanted, isolation: .readCommitted)
        changelogEnds = ends
        guard changelogs.values.contains(where: { starts[$0] != ends[$0] }) else { return }
        let known = try loadSnapshot(changelogs, ends)
        func start(of store: String, _ partition: TopicPartition) -> Int64 {
            max(known[store] ?? 0, starts[partition] ?? 0)
        }
        restoring.withLock { restoring in
            for (store, partition) in changelogs {
                restoring[partition] = (start(of: store, partition), ends[partition] ?? 0)
            }
        }
        for (store, partition) in changelogs.sorted(by: { $0.key < $1.key }) {
            try await replay(store, partition, from: start(of: store, partition), to: ends[partition] ?? 0)
        }
    }

    private func loadSnapshot(
        _ changelogs: [String: TopicPartition], _ ends: [TopicPartition: Int64]
    ) throws(ClusterError) -> [String: Int64] {
        guard let snapshot else { return [:] }
        do {
            // A snapshot of records that the log does not have is of another log.
            let known = try snapshot.read(into: engine) { offsets in
                offsets.allSatisfy { store, offset in
                    changelogs[store].map { offset <= ends[$0] ?? 0 } ?? false
                }
            }
            return known ?? [:]
        } catch {
            context.logger.warning(
                "snapshot \(snapshot.path) is not used, state is read from changelogs: \(error)")
            do throws(RunError) { engine = try context.engine(of: place) } catch {
                throw ClusterError(.invalidRequest, error.message)
            }
            return [:]
        }
    }

    private func replay(
        _ store: String, _ partition: TopicPartition, from start: Int64, to end: Int64
    ) async throws(ClusterError) {
        guard start < end else { return }
        let reader = try await context.cluster.reader(
            partition, from: .offset(start), isolation: .readCommitted)
        defer { reader.close() }
        while reader.position < end {
            if Task.isCancelled {
                throw ClusterError(.requestTimedOut, "reading back \(partition) was called off")
            }
            let fetched = try await reader.next(maxBytes: 4 << 20, timeout: .seconds(10))
            for batch in try RecordColumns.batches(of: fetched) {
                for row in 0..<batch.count {
                    guard let key = batch.keys.array(row) else { continue }
                    do throws(EngineError) {
                        try engine.apply(StateChange(store: store, key: key, value: batch.values.array(row)))
                    } catch {
                        throw ClusterError(
                            .corruptMessage,
                            "changelog \(partition) at offset \(batch.offsets[row]) is not of this query: \(error)",
                            hint: "drop the query and make it again, its state is built anew then")
                    }
                }
            }
            let position = reader.position
            restoring.withLock { $0[partition] = (min(position, end), end) }
        }
    }

    /// Writes a snapshot of what is committed. One that cannot be written is not there: the changelogs are.
    func writeSnapshot() {
        guard let snapshot, !engine.stores.isEmpty else { return }
        var offsets: [String: Int64] = [:]
        for (store, partition) in changelogs { offsets[store] = changelogEnds[partition] ?? 0 }
        guard offsets.values.contains(where: { $0 > 0 }) else { return }
        do { try snapshot.write(engine, changelogs: offsets) } catch {
            context.logger.warning("snapshot \(snapshot.path) was not written: \(error)")
        }
    }

    /// Goes on with the state of the task of the query that this one replaces. What tables that are read have is read again.
    func adoptState(of old: TaskRun, _ offsets: [TopicPartition: Int64]) async throws(ClusterError) {
        engine.adoptState(of: old.engine)
        changelogEnds = old.changelogEnds
        mustRelog = true
        var tables: Set<String> = []
        place.part.root.forEach { step in
            if case .source(let source) = step.operation, step.isTable { tables.insert(source.topic) }
        }
        for partition in place.partitions where tables.contains(partition.topic) {
            guard let end = offsets[partition] else { continue }
            let reader = try await context.cluster.reader(partition, from: .beginning, isolation: .readCommitted)
            defer { reader.close() }
            while reader.position < end {
                let fetched = try await reader.next(maxBytes: 4 << 20, timeout: .seconds(10))
                for batch in try RecordColumns.batches(of: fetched) {
                    var count = 0
                    while count < batch.count, batch.offsets[count] < end { count += 1 }
                    if count > 0 { try await restore(count == batch.count ? batch : batch.slice(0..<count)) }
                }
            }
        }
    }

    /// - Throws: `.requestTimedOut` when what it takes to read the records cannot be had now: a table without them would give
    ///   other results.
    private func restore(_ batch: SourceBatch) async throws(ClusterError) {
        let found: EngineError?
        do {
            // Decoders may ask a registry, and block.
            found = try await onThread {
                self.engine.restore(batch)
                return self.engine.failure
            }
        } catch { throw ClusterError(.requestTimedOut, "\(error)") }  // `onThread` throws only what its body does
        // Others are told with the first records, and are final.
        guard let failure = found, failure.code == .unavailable else { return }
        throw ClusterError(
            .requestTimedOut,
            "reading back topic '\(batch.topic)', partition \(batch.partition): \(failure.message)")
    }
}
