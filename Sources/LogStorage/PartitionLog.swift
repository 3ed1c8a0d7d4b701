import Environment
import Synchronization

/// The log of one partition: batches in segment files, as Kafka lays them out, in one folder.
///
/// Safe from any thread. State is behind one short lock under which only `append` touches the disk (one write into the
/// page cache); syncs and large reads run beside it.
///
/// Durability: a batch below the offset that `sync` returned survives any crash. After an unclean stop the log is
/// scanned from the recovery point, cut where it is torn, and nothing behind the cut is served.
package final class PartitionLog: Sendable {
    /// Folder of the partition.
    package let directory: String
    package let topicId: (UInt64, UInt64)
    /// What opening found and repaired.
    package let recovery: RecoveryReport
    let disk: any Disk
    let files: FileCache
    let health: LogHealth
    let state: Mutex<LogState>
    /// Held during a sync or another change of side files, so that they do not overtake each other. Taken before `state`.
    let maintenance = Mutex(())
    /// Makes a new log start durable before segments below it are removed.
    let saveLogStart: LogStartSaver

    package typealias LogStartSaver = @Sendable (_ logStart: Int64) throws(LogError) -> Void

    init(
        directory: String, topicId: (UInt64, UInt64), disk: any Disk, files: FileCache, health: LogHealth,
        recovery: RecoveryReport, state: consuming LogState, saveLogStart: @escaping LogStartSaver
    ) {
        self.directory = directory
        self.topicId = topicId
        self.disk = disk
        self.files = files
        self.health = health
        self.recovery = recovery
        self.state = Mutex(state)
        self.saveLogStart = saveLogStart
    }

    package var offsets: LogOffsets {
        state.withLock { state in
            LogOffsets(
                logStart: state.logStart, logEnd: state.logEnd, lastStable: state.lastStable,
                durableEnd: state.durableEnd, maxTimestamp: state.maxTimestamp)
        }
    }

    /// End of the log: the offset the next batch gets. The same as the high watermark, since there are no followers.
    package var logEnd: Int64 { state.withLock { $0.logEnd } }
    package var config: LogConfig { state.withLock { $0.config } }
    package var leaderEpoch: Int32 { state.withLock { $0.leaderEpoch } }
    package var segmentCount: Int { state.withLock { $0.segments.count } }
    /// Bytes of all segments.
    package var byteCount: Int64 { state.withLock { $0.byteCount } }
    /// Bytes appended since the last sync.
    package var unflushedByteCount: Int64 { state.withLock { $0.appendedByteCount - $0.syncedByteCount } }
    /// Records appended since the last sync.
    package var unflushedRecordCount: Int64 { state.withLock { $0.logEnd - $0.durableEnd } }

    /// Whether a sync of the log directory has failed, after which no log of it takes anything until a restart.
    package var hasFailed: Bool { health.failure != nil }

    package func update(config: LogConfig) { state.withLock { $0.config = config } }

    /// The epoch under which the record at `offset` was appended; nil when that is not known, as in an empty log.
    package func leaderEpoch(ofRecordAt offset: Int64) -> Int32? {
        state.withLock { $0.epochs.epoch(holding: offset) }
    }

    /// - Returns: nil when the epoch is not known, which Kafka answers as (-1, -1).
    package func endOffset(forLeaderEpoch epoch: Int32) -> (epoch: Int32, endOffset: Int64)? {
        state.withLock { $0.epochs.end(of: epoch, current: $0.leaderEpoch, logEnd: $0.logEnd) }
    }

    package func producers() -> [ProducerInfo] {
        let producers = state.withLock { $0.producers.producers }
        return producers.filter { !$0.value.isPending }.map { id, producer in
            ProducerInfo(
                producerId: id, epoch: producer.epoch, lastSequence: producer.window.last?.lastSequence ?? -1,
                lastTimestamp: producer.lastTimestamp, coordinatorEpoch: producer.coordinatorEpoch,
                currentTxnFirstOffset: producer.currentTxnFirstOffset)
        }.sorted { $0.producerId < $1.producerId }
    }

    /// Forgets producers that were last used more than `age` milliseconds before `now`.
    package func expireProducers(now: Int64, olderThan age: Int64) {
        state.withLock { $0.producers.expire(now: now, olderThan: age) }
    }

    func path(_ baseOffset: Int64, _ suffix: FileNames.Suffix) -> String {
        directory + "/" + FileNames.name(baseOffset, suffix)
    }

    /// The open log file of a segment.
    ///
    /// - Throws: `.notFound` also when the segment was replaced or removed: the file of its name may be another's.
    func logFile(_ segment: Segment) throws(DiskError) -> any DiskFile {
        if let file = segment.file { return file }
        return try files.file(segment.key, isCurrent: { has(segment) }) { path(segment.baseOffset, .log) }
    }
}
