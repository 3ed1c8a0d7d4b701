package import Environment
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
                logStart: state.logStart, logEnd: state.logEnd, durableEnd: state.durableEnd,
                maxTimestamp: state.maxTimestamp)
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

    package func update(config: LogConfig) { state.withLock { $0.config = config } }

    /// - Returns: nil when the epoch is not known, which Kafka answers as (-1, -1).
    package func endOffset(forLeaderEpoch epoch: Int32) -> (epoch: Int32, endOffset: Int64)? {
        state.withLock { $0.epochs.end(of: epoch, current: $0.leaderEpoch, logEnd: $0.logEnd) }
    }

    package func producers() -> [ProducerInfo] {
        let producers = state.withLock { $0.producers.producers }
        return producers.filter { $0.value.expectedSequence == nil }.map { id, producer in
            ProducerInfo(
                producerId: id, epoch: producer.epoch, lastSequence: producer.window.last?.lastSequence ?? -1,
                lastTimestamp: producer.window.last?.timestamp ?? -1, coordinatorEpoch: producer.coordinatorEpoch,
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
    func logFile(_ segment: Segment) throws(DiskError) -> any DiskFile {
        if let file = segment.file { return file }
        return try files.file(segment.key) { path(segment.baseOffset, .log) }
    }
}

/// Offsets of a log at one moment.
package struct LogOffsets: Sendable, Equatable {
    /// The first offset that can be read.
    package var logStart: Int64
    /// The offset after the last record; the high watermark.
    package var logEnd: Int64
    /// Everything below survives a crash.
    package var durableEnd: Int64
    /// Largest record timestamp; `Int64.min` in a log without records.
    package var maxTimestamp: Int64
}

package struct AppendResult: Sendable, Equatable {
    package var baseOffset: Int64
    package var lastOffset: Int64
    package var logStartOffset: Int64
    /// The batch was in the log already; the offsets are those of then.
    package var isDuplicate: Bool
}

/// Whole batches in one segment file. Stays readable while it lives, also when the segment is removed meanwhile.
package struct LogSlice: Sendable {
    /// nil when empty.
    package var file: (any DiskFile)?
    package var position: Int64
    package var byteCount: Int
    /// Base offset of the first batch, which may lie below the offset asked for.
    package var firstOffset: Int64
    /// Where to read on.
    package var nextOffset: Int64
    package var isEmpty: Bool { byteCount == 0 }

    static func empty(at offset: Int64) -> LogSlice {
        LogSlice(file: nil, position: 0, byteCount: 0, firstOffset: offset, nextOffset: offset)
    }

    /// The bytes of the slice.
    package func bytes() throws(LogError) -> [UInt8] {
        guard let file, byteCount > 0 else { return [] }
        let bytes = try attempt("read \(byteCount) bytes of '\(file.path)'") { () throws(DiskError) in
            try file.read(at: position, count: byteCount)
        }
        guard bytes.count == byteCount else {
            throw LogError(.corruptSegment, "segment '\(file.path)' ends before byte \(position + Int64(byteCount))")
        }
        return bytes
    }
}

/// One producer, for DescribeProducers.
package struct ProducerInfo: Sendable, Equatable {
    package var producerId: Int64
    package var epoch: Int16
    package var lastSequence: Int32
    package var lastTimestamp: Int64
    package var coordinatorEpoch: Int32
    package var currentTxnFirstOffset: Int64
}

/// What opening a log found.
package struct RecoveryReport: Sendable, Equatable {
    /// The log was not closed cleanly and was scanned.
    package var wasUnclean = false
    /// Bytes whose checksums were verified.
    package var scannedByteCount: Int64 = 0
    /// Bytes cut off the end because they were not whole batches, or followed such.
    package var truncatedByteCount: Int64 = 0
    package var rebuiltIndexCount = 0
    /// Records that had been made durable but are gone: the disk lost or changed them.
    package var lostRecordCount: Int64 = 0
    /// Why the log was cut, for the operator.
    package var reason: String?
}

/// Whether a log directory still takes writes; shared by its logs. A failed sync ends it for good, because the system may
/// have dropped pages that the log believes written.
package final class LogHealth: Sendable {
    private let hasFailed = Atomic<Bool>(false)
    private let cause = Mutex<LogError?>(nil)

    package init() {}

    /// The failure, if there was one.
    package var failure: LogError? { hasFailed.load(ordering: .acquiring) ? cause.withLock { $0 } : nil }

    func fail(_ error: LogError) {
        cause.withLock { if $0 == nil { $0 = error } }
        hasFailed.store(true, ordering: .releasing)
    }

    /// Runs changes whose failure is final, because they sync.
    func final(_ what: @autoclosure () -> String, _ body: () throws(DiskError) -> Void) throws(LogError) {
        do throws(DiskError) { try body() } catch {
            let failure = LogError(.failed, what(), cause: error)
            fail(failure)
            throw failure
        }
    }

    /// Replaces a side file durably. A full disk leaves the old file and may be tried again; anything else is final.
    func replace(_ path: String, with bytes: [UInt8], on disk: any Disk) throws(LogError) {
        do throws(DiskError) { try disk.replaceDurably(path, with: bytes) } catch  where error.code == .full {
            throw LogError(error, "write '\(path)'")
        } catch {
            let failure = LogError(.failed, "write '\(path)'", cause: error)
            fail(failure)
            throw failure
        }
    }

    func check() throws(LogError) {
        if let failure { throw LogError(.failed, failure.message, cause: failure.cause) }
    }
}

/// What the lock of a `PartitionLog` guards.
struct LogState: Sendable {
    /// Ascending; the last one is active. Never empty.
    var segments: [Segment]
    var logStart: Int64
    var logEnd: Int64
    var durableEnd: Int64
    /// Largest timestamp of all segments; `Int64.min` when there is none.
    var maxTimestamp = Int64.min
    /// Bytes appended since the log was opened, and how many of them are durable.
    var appendedByteCount: Int64 = 0
    var syncedByteCount: Int64 = 0
    var config: LogConfig
    /// Taken off `segmentMs` for the active segment.
    var jitterMs: Int64 = 0
    var leaderEpoch: Int32
    var epochs: LeaderEpochs
    var epochsAreDurable: Bool
    var producers: ProducerStates
    /// Offsets of the snapshots in the folder, ascending.
    var snapshots: [Int64]
    /// Snapshots taken when a segment was closed, to be written by the next maintenance.
    var pendingSnapshots: [(offset: Int64, bytes: [UInt8])] = []
    /// Closed segments whose data is not synced yet, oldest first.
    var unsyncedFiles: [(base: Int64, file: any DiskFile)] = []
    /// Counts names created in the folder, and of those how many are durable, the folder's own name included.
    var namesWritten: UInt64 = 0
    var namesDurable: UInt64 = 0
    var metadata: MetadataFile
    var isClosed = false
    var recent = RecentBatches()
    /// Ends of recent reads from closed segments: a sequential reader continues there.
    var cursors: [ReadCursor] = []
    var nextCursor = 0

    enum MetadataFile: Sendable { case missing, written, durable }

    var active: Segment {
        get { segments[segments.count - 1] }
        _modify { yield &segments[segments.count - 1] }
    }
    /// Looks at the segments for `maxTimestamp` again, after some were removed.
    mutating func updateMaxTimestamp() { maxTimestamp = segments.lazy.map(\.maxTimestamp).max() ?? .min }

    var byteCount: Int64 { segments.reduce(0) { $0 + Int64($1.byteCount) } }

    /// Index of the segment whose range holds `offset`, the first one for smaller offsets.
    func segmentIndex(holding offset: Int64) -> Int {
        max(0, segments.partitionPoint { $0.baseOffset <= offset } - 1)
    }

    /// First offset after the range of a segment.
    func end(ofSegment index: Int) -> Int64 {
        index + 1 < segments.count ? segments[index + 1].baseOffset : logEnd
    }
}

struct ReadCursor: Sendable {
    var offset: Int64
    var segmentBase: Int64
    var position: Int
}
