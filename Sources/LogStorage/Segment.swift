import Environment
import RecordBatches

/// One `.log` file with its two indexes. A value: a copy taken under the log's lock can be read without it, because bytes
/// below `byteCount` never change.
struct Segment: Sendable {
    let baseOffset: Int64
    /// Key of the log file in the file cache; the indexes have those after it, in the order of `FileNames.Suffix.ofSegment`.
    let key: UInt64
    /// Bytes that count; the file may be longer after a refused write.
    private(set) var byteCount = 0
    /// Open while batches are appended.
    var file: (any DiskFile)?
    /// Whether the log file was created.
    var fileExists: Bool
    var offsets = SparseIndex<OffsetEntry>()
    var times = SparseIndex<TimeEntry>()
    /// Transactions whose abort marker is in this segment. Unlike the other two it cannot be rebuilt from the segment
    /// alone, so a snapshot of the producers is written only after the entries below it are durable.
    var aborted = SparseIndex<AbortedTransaction>()
    /// Whether the file of `aborted` holds exactly its entries and was synced.
    var abortedIsDurable = true
    /// Largest timestamp of a batch; `Int64.min` when there is none.
    private(set) var maxTimestamp = Int64.min
    /// Last offset of the first batch that has it.
    private(set) var offsetOfMaxTimestamp: Int64 = -1
    /// Wall clock when the first batch came, as far as it is known.
    var createdAt: Int64?
    /// Largest timestamp of the first batch, which is where the times in the active segment begin; nil for an empty segment
    /// and one that is closed since before the log was opened.
    var firstTimestamp: Int64?
    /// Wall clock of the last append, or of opening the log.
    var appendedAt: Int64
    /// Whether the index files hold every entry and were synced.
    var indexesDurable = false
    private var bytesSinceIndexEntry = 0

    init(baseOffset: Int64, files: FileCache, fileExists: Bool, now: Int64) {
        self.baseOffset = baseOffset
        key = files.makeKeys(UInt64(FileNames.Suffix.ofSegment.count))
        self.fileExists = fileExists
        appendedAt = now
    }

    var keys: Range<UInt64> { key..<(key + UInt64(FileNames.Suffix.ofSegment.count)) }

    /// Notes the batch that was written, or found, at byte `position`.
    mutating func note(_ header: BatchHeader, at position: Int, indexIntervalBytes: Int32) {
        if header.maxTimestamp > maxTimestamp {
            maxTimestamp = header.maxTimestamp
            offsetOfMaxTimestamp = header.lastOffset
        }
        if bytesSinceIndexEntry > Int(indexIntervalBytes) {
            // The log keeps both values in range: it closes a segment before they would leave it.
            offsets.append(
                OffsetEntry(
                    relativeOffset: Int32(truncatingIfNeeded: header.lastOffset &- baseOffset),
                    position: Int32(truncatingIfNeeded: position)))
            noteTime()
            bytesSinceIndexEntry = 0
            indexesDurable = false
        }
        bytesSinceIndexEntry += header.byteCount
        byteCount = position + header.byteCount
    }

    /// Notes a transaction whose abort marker is the batch noted last.
    mutating func note(_ entry: AbortedTransaction) {
        aborted.append(entry)
        abortedIsDurable = false
    }

    /// Adds the largest timestamp so far to the time index if it is not there yet.
    mutating func noteTime() {
        guard offsetOfMaxTimestamp >= 0, maxTimestamp > (times.last?.timestamp ?? .min) else { return }
        times.append(
            TimeEntry(
                timestamp: maxTimestamp,
                relativeOffset: Int32(truncatingIfNeeded: offsetOfMaxTimestamp &- baseOffset)))
        indexesDurable = false
    }

    /// Takes over what the index files and the file's size say about a segment that is not scanned.
    mutating func adopt(byteCount: Int, offsets: SparseIndex<OffsetEntry>, times: SparseIndex<TimeEntry>) {
        self.byteCount = byteCount
        self.offsets = offsets
        self.times = times
        if let last = times.last {
            maxTimestamp = last.timestamp
            offsetOfMaxTimestamp = baseOffset &+ Int64(last.relativeOffset)
        }
    }

    /// Sets how many bytes of the file count, after a scan of them.
    mutating func adopt(byteCount: Int) { self.byteCount = byteCount }

    /// Writes index entries out of memory. A refusal of the disk is ignored: the entries stay in memory, where lookups
    /// find them, and a restart rebuilds what the files lack.
    mutating func spillIndexes(directory: String, disk: any Disk) {
        // Times first: an offset entry in the file promises that the time index covers everything up to it.
        do throws(DiskError) {
            try times.spill(to: disk.open(directory + "/" + FileNames.name(baseOffset, .timeIndex), create: true))
            try offsets.spill(to: disk.open(directory + "/" + FileNames.name(baseOffset, .index), create: true))
        } catch {}  // as said above
        do throws(DiskError) { try spillAborted(directory: directory, disk: disk) } catch {}  // likewise
    }

    /// Writes the aborted transactions out of memory, where they stay when this throws.
    mutating func spillAborted(directory: String, disk: any Disk) throws(DiskError) {
        guard !aborted.tail.isEmpty else { return }
        try aborted.spill(to: disk.open(directory + "/" + FileNames.name(baseOffset, .txnIndex), create: true))
    }

    /// Whether an entry's position can be one of this segment.
    func holds(_ entry: OffsetEntry) -> Bool { entry.position >= 0 && Int(entry.position) < byteCount }
}

/// Where the newest batches of the active segment begin: readers at the tail find theirs without touching the disk.
struct RecentBatches: Sendable {
    struct Entry: Sendable {
        var baseOffset: Int64
        var position: Int
    }
    private static let countMax = 128

    private(set) var entries: [Entry] = []

    mutating func append(baseOffset: Int64, position: Int) {
        if entries.count == Self.countMax { entries.removeFirst(Self.countMax / 2) }
        entries.append(Entry(baseOffset: baseOffset, position: position))
    }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }
}
