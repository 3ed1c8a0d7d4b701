import Environment

/// What the lock of a `PartitionLog` guards.
struct LogState: Sendable {
    /// Ascending; the last one is active. Never empty.
    var segments: [Segment]
    var logStart: Int64
    var logEnd: Int64
    var durableEnd: Int64
    /// What the last stable offset is at least after any crash: the markers that decided what lies below are durable.
    var durableLastStable: Int64 = 0
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
    var unsyncedFiles: [UnsyncedFile] = []
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

    /// See `LogOffsets.lastStable`. Retention and DeleteRecords do not wait for transactions, hence the maximum.
    var lastStable: Int64 { max(logStart, producers.open.oldest ?? logEnd) }

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
    var segmentKey: UInt64
    var position: Int
}
