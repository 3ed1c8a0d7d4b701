import Cluster
import Synchronization

/// Reads one partition for a sink's task, one fetch ahead. Memory has a bound: what was fetched last, and nothing more
/// until that is taken.
final class PartitionFeed: Sendable {
    private struct Inside {
        var records: ArraySlice<ConsumerRecord> = []
        /// Offset of the next record to hand out; where reading starts.
        var position: Int64
        var isPaused = false
        var isClosed = false
        /// Counts moves of the position from outside, so that a fetch that was under way is dropped.
        var moves = 0
        var failure: ClusterError?
    }

    let partition: TopicPartition
    private let cluster: any Cluster
    private let isolation: Isolation
    private let byteCountMax: Int
    /// Where to go when the position is not there any more; nil to fail.
    private let reset: LogPosition?
    private let inside: Mutex<Inside>
    private let reader = Mutex<(any PartitionReader)?>(nil)
    private let own = Signal()
    /// Notified when there is something to take.
    private let news: Signal
    /// Told once when reading begins to fail and is tried again.
    private let warn: @Sendable (String) -> Void

    init(
        _ cluster: any Cluster, _ partition: TopicPartition, position: Int64, isolation: Isolation, byteCountMax: Int,
        reset: LogPosition?, news: Signal, warn: @escaping @Sendable (String) -> Void
    ) {
        self.cluster = cluster
        self.partition = partition
        self.isolation = isolation
        self.byteCountMax = byteCountMax
        self.reset = reset
        self.news = news
        self.warn = warn
        inside = Mutex(Inside(position: position))
    }

    /// Offset of the next record to hand out.
    var position: Int64 { inside.withLock { $0.position } }

    /// Takes at most `countMax` records, those of one fetch.
    func take(_ countMax: Int) throws(ClusterError) -> ArraySlice<ConsumerRecord> {
        let (taken, failure, isEmpty) = inside.withLock { inside -> (ArraySlice<ConsumerRecord>, ClusterError?, Bool) in
            if inside.isPaused { return ([], inside.failure, false) }
            let taken = inside.records.prefix(countMax)
            inside.records.removeFirst(taken.count)
            if let last = taken.last { inside.position = last.offset + 1 }
            return (taken, inside.failure, inside.records.isEmpty)
        }
        if let failure { throw failure }
        if isEmpty, !taken.isEmpty { own.notify() }
        return taken
    }

    var hasRecords: Bool {
        inside.withLock { ($0.failure != nil || !$0.records.isEmpty) && !$0.isPaused }
    }

    /// Goes on from `offset`.
    func seek(to offset: Int64) {
        inside.withLock { inside in
            inside.records = []
            inside.position = offset
            inside.moves += 1
            inside.failure = nil
        }
        // A read that waits at the old place ends with it.
        reader.withLock { $0 }?.close()
        own.notify()
    }

    func pause(_ isPaused: Bool) {
        inside.withLock { $0.isPaused = isPaused }
        own.notify()
        news.notify()
    }

    func close() {
        inside.withLock { inside in
            inside.isClosed = true
            inside.records = []
        }
        reader.withLock { $0 }?.close()
        own.notify()
    }

    private var isClosed: Bool { Task.isCancelled || inside.withLock { $0.isClosed } }

    // MARK: Reading

    /// Reads until the feed is closed.
    func run() async {
        var failedAt: Int64?
        while !isClosed {
            let moves = inside.withLock { $0.moves }
            do throws(ClusterError) {
                try await read()
                failedAt = nil
            } catch {
                if isClosed { break }
                if inside.withLock({ $0.moves }) != moves {
                    // The reader was closed because the position has moved.
                } else if error.code == .offsetOutOfRange {
                    await goBack(error)
                } else if error.code == .corruptMessage {
                    // Kafka counts it among what may pass, but the same bytes come again.
                    fail(
                        ClusterError(
                            .corruptMessage,
                            "the records of \(partition) from offset \(position) on cannot be read: \(error.message); "
                                + "bring the partition's files back from a backup, or, to go on behind them, stop the connector "
                                + "and set its offset past them"))
                    await waitForMove()
                } else if error.code.isRetriable || error.code == .unknownTopicOrPartition {
                    if failedAt != position {
                        failedAt = position
                        warn("\(partition) cannot be read at offset \(position), trying again: \(error)")
                    }
                    let generation = own.generation
                    await own.wait(after: generation, timeout: .seconds(1))
                } else {
                    fail(error)
                    await waitForMove()
                }
            }
            let old = reader.withLock { reader in
                defer { reader = nil }
                return reader
            }
            old?.close()
        }
    }

    private func goBack(_ error: ClusterError) async {
        guard let reset else {
            fail(error)
            return await waitForMove()
        }
        // When the cluster cannot tell either, the next read fails as this one did, and it is tried again.
        let offset = try? await cluster.offsets([partition: reset], isolation: isolation)[partition]
        if let offset { seek(to: offset) }
    }

    private func fail(_ error: ClusterError) {
        inside.withLock { $0.failure = error }
        news.notify()
    }

    private func waitForMove() async {
        let moves = inside.withLock { $0.moves }
        while !isClosed {
            let generation = own.generation
            if inside.withLock({ $0.moves }) != moves { return }
            await own.wait(after: generation)
        }
    }

    private func read() async throws(ClusterError) {
        let (position, moves) = inside.withLock { ($0.position, $0.moves) }
        let open = try await cluster.reader(partition, from: .offset(position), isolation: isolation)
        reader.withLock { $0 = open }
        while !isClosed {
            let generation = own.generation
            let (isWaiting, current) = inside.withLock { inside in
                (!inside.records.isEmpty || inside.isPaused, inside.moves)
            }
            if current != moves { return }
            if isWaiting {
                await own.wait(after: generation)
                continue
            }
            let fetched = try await open.next(maxBytes: byteCountMax, timeout: .seconds(5))
            let records = try fetched.records()
            let isNew = inside.withLock { inside in
                guard inside.moves == moves else { return false }
                if records.isEmpty {
                    inside.position = max(inside.position, fetched.nextOffset)
                } else {
                    inside.records = records[...]
                }
                return !records.isEmpty
            }
            if isNew { news.notify() }
        }
    }
}
