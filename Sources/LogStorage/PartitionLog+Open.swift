package import Environment
import RecordBatches
import Synchronization

extension PartitionLog {
    /// Opens the log in `directory`, which is made if it is missing; no file is made before the first append.
    ///
    /// - Parameters:
    ///   - leaderEpoch: epoch of batches appended from now on.
    ///   - recoveryPoint: offset up to which the log was durable, from the checkpoint; only what lies behind is scanned.
    ///   - cleanShutdown: the log was closed by `close(clean: true)` and not opened since. Trusted only as far as the
    ///     files confirm it.
    ///   - logStart: log start offset from the checkpoint; 0 when there is none.
    ///   - gapsBelow: below this offset cleaning may have left offsets out; anywhere else a gap is damage.
    ///   - cleanedBelow: as `gapsBelow`, without what a recovery point makes of it: below it a gap between segments is told
    ///     only if there is more to it.
    ///   - saveLogStart: makes a new log start durable.
    /// - Throws: `.inconsistentTopicId` when the folder belongs to another topic; `.io`, `.diskFull`; `.failed` when what
    ///   was found could not be synced.
    package static func open(
        directory: String, topicId: (UInt64, UInt64), config: LogConfig, disk: any Disk, files: FileCache,
        leaderEpoch: Int32, recoveryPoint: Int64, cleanShutdown: Bool, now: Int64, logStart: Int64,
        gapsBelow: Int64 = 0, cleanedBelow: Int64 = 0, health: LogHealth, saveLogStart: @escaping LogStartSaver
    ) throws(LogError) -> PartitionLog {
        var opening = LogOpening(
            directory: directory, topicId: topicId, config: config, disk: disk, files: files, now: now,
            recoveryPoint: recoveryPoint, gapsBelow: gapsBelow, cleanedBelow: cleanedBelow)
        let state = try opening.run(leaderEpoch: leaderEpoch, cleanShutdown: cleanShutdown, logStart: logStart)
        return PartitionLog(
            directory: directory, topicId: topicId, disk: disk, files: files, health: health,
            recovery: opening.report, state: state, saveLogStart: saveLogStart)
    }
}

/// Reads a partition's folder into a `LogState`, repairing what a crash left behind.
struct LogOpening {
    let directory: String
    let topicId: (UInt64, UInt64)
    let config: LogConfig
    let disk: any Disk
    let files: FileCache
    let now: Int64
    let recoveryPoint: Int64
    let gapsBelow: Int64
    let cleanedBelow: Int64

    var report = RecoveryReport()
    /// Ascending.
    var segments: [Segment] = []
    /// Base offsets of indexes without a log file.
    var orphans: Set<Int64> = []
    /// Offsets that segments should have and have not.
    var missing: [Range<Int64>] = []
    var snapshots: [Int64] = []
    /// Base offsets of the segments that have a transaction index.
    var txnIndexes: Set<Int64> = []
    var epochs = LeaderEpochs()
    var epochsAreWhole = true
    var metadata = LogState.MetadataFile.missing

    init(
        directory: String, topicId: (UInt64, UInt64), config: LogConfig, disk: any Disk, files: FileCache, now: Int64,
        recoveryPoint: Int64, gapsBelow: Int64 = 0, cleanedBelow: Int64 = 0
    ) {
        self.directory = directory
        self.topicId = topicId
        self.config = config
        self.disk = disk
        self.files = files
        self.now = now
        self.recoveryPoint = recoveryPoint
        self.gapsBelow = max(recoveryPoint, gapsBelow)
        self.cleanedBelow = cleanedBelow
    }

    mutating func run(leaderEpoch: Int32, cleanShutdown: Bool, logStart: Int64) throws(LogError) -> LogState {
        try readFolder()
        if let last = epochs.entries.last, last.epoch > leaderEpoch {
            // Nothing was written under a later epoch: the file is not of this log, and the batches tell what is.
            epochs = LeaderEpochs()
            epochsAreWhole = false
        }
        let isEmpty = segments.isEmpty
        report.wasUnclean = !cleanShutdown && !isEmpty
        let storedEpochs = epochs
        var logEnd: Int64
        if !report.wasUnclean, let end = try adoptAll() {
            logEnd = end
        } else if isEmpty {
            logEnd = logStart
        } else {
            report.wasUnclean = true
            logEnd = try recover(leaderEpochMax: leaderEpoch)
        }
        _ = epochs.truncate(end: logEnd)
        let producers = try restoreProducers(logEnd: logEnd)
        try dropEmptied()
        reportMissing(after: logStart, cleanShutdown)
        if logEnd < logStart {
            // Records were deleted up to an offset that the disk did not keep: the log goes on from there.
            try restart(at: logStart, producers)
            logEnd = logStart
        }
        if segments.isEmpty { segments.append(newSegment(at: logEnd, fileExists: false)) }
        let start = max(logStart, segments[0].baseOffset)
        report.lostRecordCount = max(0, recoveryPoint - logEnd)
        if report.wasUnclean, logEnd != recoveryPoint || report.reason != nil {
            try syncRecovered()
        }
        try noteBeginning(of: segments.count - 1)
        var state = LogState(
            segments: segments, logStart: start, logEnd: logEnd, durableEnd: logEnd, config: config,
            leaderEpoch: leaderEpoch, epochs: epochs, epochsAreDurable: epochs == storedEpochs,
            producers: producers, snapshots: snapshots, namesWritten: isEmpty ? 1 : 0, metadata: metadata)
        state.updateMaxTimestamp()
        state.durableLastStable = state.lastStable
        return state
    }

    /// Removes everything and lets the log begin at `offset`, with what is known of the producers.
    private mutating func restart(at offset: Int64, _ producers: ProducerStates) throws(LogError) {
        try doing("write snapshot \(offset)") { () throws(DiskError) in
            try disk.replaceDurably(path(offset, .snapshot), with: ProducerSnapshot.encode(producers))
        }
        snapshots.append(offset)
        try removeSegments(from: 0)
        _ = epochs.truncate(end: 0)
    }

    func path(_ offset: Int64, _ suffix: FileNames.Suffix) -> String {
        directory + "/" + FileNames.name(offset, suffix)
    }

    func newSegment(at offset: Int64, fileExists: Bool) -> Segment {
        Segment(baseOffset: offset, files: files, fileExists: fileExists, now: now)
    }

    func doing<Result>(
        _ what: String, _ body: () throws(DiskError) -> Result
    ) throws(LogError) -> Result {
        try attempt("\(what) of log '\(directory)'", body)
    }

    // MARK: Folder

    private mutating func readFolder() throws(LogError) {
        guard disk.exists(directory) else {
            return try doing("make folder") { () throws(DiskError) in try disk.makeDirectory(directory) }
        }
        var names = try doing("list folder") { () throws(DiskError) in try disk.list(directory) }
        try readMetadata(names)
        if try finishReplacement(names) {
            names = try doing("list folder") { () throws(DiskError) in try disk.list(directory) }
        }
        var bases: Set<Int64> = []
        for name in names {
            if let (offset, suffix) = FileNames.parse(name) {
                if suffix == .log { bases.insert(offset) }
                if suffix == .snapshot { snapshots.append(offset) }
                if suffix == .txnIndex { txnIndexes.insert(offset) }
            }
        }
        for name in names {
            let isOrphan = FileNames.parse(name).map { offset, suffix in
                suffix != .log && suffix != .snapshot && !bases.contains(offset)
            }
            // Left behind by a crash in the middle of a replacement, a removal or a compaction that never took effect.
            let isLeftover = [".tmp", ".deleted", ".cleaned"].contains { name.hasSuffix($0) }
            if isOrphan == true, let (base, _) = FileNames.parse(name) { orphans.insert(base) }
            if isOrphan == true || isLeftover {
                try doing("remove leftover '\(name)'") { () throws(DiskError) in
                    try disk.removeFile(directory + "/" + name)
                }
            }
        }
        segments = bases.sorted().map { newSegment(at: $0, fileExists: true) }
        snapshots.sort()
        if names.contains(FileNames.epochs) {
            let bytes = try doing("read epochs") { () throws(DiskError) in
                try disk.contents(directory + "/" + FileNames.epochs)
            }
            if let read = LeaderEpochs(bytes) { epochs = read } else { epochsAreWhole = false }
        } else {
            // The scan of what is above the recovery point finds all of them.
            epochsAreWhole = segments.first.map { recoveryPoint <= $0.baseOffset } ?? true
        }
    }

    private mutating func readMetadata(_ names: [String]) throws(LogError) {
        guard names.contains(FileNames.metadata) else { return }
        let bytes = try doing("read metadata") { () throws(DiskError) in
            try disk.contents(directory + "/" + FileNames.metadata)
        }
        // A torn file was never synced, and neither was anything else in the folder: it is written again.
        guard let found = PartitionMetadata.decode(bytes) else { return }
        guard found == topicId else {
            throw LogError(
                .inconsistentTopicId,
                "folder '\(directory)' belongs to topic id \(PartitionMetadata.base64url(found)), "
                    + "not \(PartitionMetadata.base64url(topicId))")
        }
        metadata = .written
    }

    mutating func removeSegments(from index: Int) throws(LogError) {
        for segment in segments[index...] {
            if segment.fileExists { report.truncatedByteCount += try fileByteCount(segment) }
            try removeFiles(segment)
        }
        segments.removeSubrange(index...)
    }

    func removeFiles(_ segment: Segment) throws(LogError) {
        for suffix in FileNames.Suffix.ofSegment {
            try doing("remove segment \(segment.baseOffset)") { () throws(DiskError) in
                do throws(DiskError) {
                    try disk.removeFile(path(segment.baseOffset, suffix))
                } catch  where error.code == .notFound {}
            }
        }
    }

    func openLogFile(_ segment: Segment) throws(LogError) -> any DiskFile {
        try doing("open segment \(segment.baseOffset)") { () throws(DiskError) in
            try disk.open(path(segment.baseOffset, .log), create: false)
        }
    }

    func fileByteCount(_ segment: Segment) throws(LogError) -> Int64 {
        let file = try openLogFile(segment)
        return try doing("ask size of segment \(segment.baseOffset)") { () throws(DiskError) in try file.byteCount() }
    }

    /// When the first batch of a segment was appended, as far as its timestamp tells.
    private mutating func noteBeginning(of index: Int) throws(LogError) {
        guard segments[index].byteCount > 0 else { return }
        let timestamp = try firstHeader(segments[index])?.maxTimestamp ?? -1
        segments[index].firstTimestamp = timestamp
        segments[index].createdAt = timestamp < 0 ? now : min(now, timestamp)
    }

    private func firstHeader(_ segment: Segment) throws(LogError) -> BatchHeader? {
        let file = try openLogFile(segment)
        return try withScratch(byteCount: 64) { buffer throws(LogError) in
            var walk = BatchWalk(file, from: 0, upTo: segment.byteCount, buffer: buffer)
            return try walk.peek()
        }
    }

    // MARK: Clean stop

    /// Takes every segment as its files say.
    ///
    /// - Returns: the log end, or nil when the files contradict a clean stop.
    private mutating func adoptAll() throws(LogError) -> Int64? {
        var end: Int64 = 0
        missing = []
        for index in segments.indices { end = try adopt(index) }
        guard let last = segments.last, try Int64(last.byteCount) == fileByteCount(last) else { return nil }
        return end < recoveryPoint ? nil : end
    }

    /// Takes a segment that is not scanned: its indexes if they are usable, else new ones, and the headers of the batches
    /// behind the last entry.
    ///
    /// - Returns: the offset after its last batch.
    @discardableResult
    mutating func adopt(_ index: Int) throws(LogError) -> Int64 {
        var segment = segments[index]
        let file = try openLogFile(segment)
        let byteCount = try Int(clamping: fileByteCount(segment))
        let offsets: SparseIndex<OffsetEntry>? = try readIndex(segment, .index)
        let times: SparseIndex<TimeEntry>? = try readIndex(segment, .timeIndex)
        var isUsable = false
        if let offsets, let times, offsets.count == 0 || times.count > 0 {
            isUsable = try matches(offsets.last, file, segment.baseOffset, byteCount)
        }
        if isUsable, let offsets, let times, offsets.count > 0 {
            segment.adopt(byteCount: offsets.last.map { Int($0.position) } ?? 0, offsets: offsets, times: times)
            segment.indexesDurable = true
        } else {
            if !isUsable, byteCount > 0 { report.rebuiltIndexCount += 1 }
            segment.adopt(byteCount: 0, offsets: SparseIndex(), times: SparseIndex())
        }
        let isClosed = index + 1 < segments.count
        let endMax = isClosed ? segments[index + 1].baseOffset : .max
        let end = try noteHeaders(&segment, file, byteCount, endMax)
        // Behind the batches may stand what a refused append left. But where batches are missing, the disk changed
        // durable data: it is kept, what comes before is served, and readers who come there are told; where the file just
        // ends they go on with the next segment, as with Kafka.
        if isClosed {
            if end < endMax {
                let isCutOff = try isCutOff(segment, file, byteCount)
                if !isCutOff { segment.adopt(byteCount: byteCount) }
                // A file that ends with a batch may have been cleaned.
                let mayBeCleaned = isCutOff && segment.byteCount == byteCount && byteCount > 0 && endMax <= cleanedBelow
                if !mayBeCleaned { missing.append(end..<endMax) }
            }
            segment.noteTime()
        }
        if segment.offsets.fileCount == 0 {
            if let times, times.count > 0, times.last == segment.times.tail.last, times.count == segment.times.count {
                segment.times = times  // a small segment: the only entry is the last one
            } else if offsets?.count != 0 || times?.count != 0 {
                try cutIndexFiles(segment)
            }
        }
        if isClosed { segment.spillIndexes(directory: directory, disk: disk) }
        segments[index] = segment
        return end
    }

    /// Cuts the index files behind the entries that count, so that no others are ever taken for entries.
    func cutIndexFiles(_ segment: Segment) throws(LogError) {
        let byteCounts = [
            (FileNames.Suffix.index, segment.offsets.fileCount * OffsetEntry.byteCount),
            (.timeIndex, segment.times.fileCount * TimeEntry.byteCount),
        ]
        for (suffix, byteCount) in byteCounts {
            try doing("cut index \(segment.baseOffset)") { () throws(DiskError) in
                do throws(DiskError) {
                    let file = try disk.open(path(segment.baseOffset, suffix), create: false)
                    if try file.byteCount() != byteCount { try file.truncate(to: Int64(byteCount)) }
                } catch  where error.code == .notFound {}
            }
        }
    }

    /// Notes the batches from the last index entry to the end of the file, or to one that cannot be of this segment.
    private func noteHeaders(
        _ segment: inout Segment, _ file: any DiskFile, _ byteCount: Int, _ endMax: Int64
    ) throws(LogError) -> Int64 {
        var end = segment.baseOffset
        var noted = segment
        do throws(LogError) {
            try withScratch(byteCount: 8192) { buffer throws(LogError) in
                var walk = BatchWalk(file, from: noted.byteCount, upTo: byteCount, buffer: buffer)
                while let header = try walk.peek(), header.baseOffset >= end, header.lastOffset < endMax {
                    noted.note(header, at: walk.position, indexIntervalBytes: config.indexIntervalBytes)
                    end = header.nextOffset
                    _ = try walk.next()
                }
            }
        } catch  where error.code == .corruptSegment {}
        segment = noted
        return end
    }

    /// Whether an index entry, if there is one, tells a batch of the segment.
    func matches(
        _ entry: OffsetEntry?, _ file: any DiskFile, _ baseOffset: Int64, _ byteCount: Int
    ) throws(LogError) -> Bool {
        guard let entry else { return true }
        guard entry.position >= 0, Int(entry.position) < byteCount else { return false }
        return try withScratch(byteCount: 64) { buffer throws(LogError) in
            var walk = BatchWalk(file, from: Int(entry.position), upTo: byteCount, buffer: buffer)
            do throws(LogError) {
                return try walk.peek()?.lastOffset == baseOffset &+ Int64(entry.relativeOffset)
            } catch  where error.code == .corruptSegment {
                return false
            }
        }
    }

    /// nil when the file is missing or cannot be an index.
    private func readIndex<Entry: IndexEntry>(
        _ segment: Segment, _ suffix: FileNames.Suffix
    ) throws(LogError) -> SparseIndex<Entry>? {
        try doing("read index \(segment.baseOffset)") { () throws(DiskError) in
            do throws(DiskError) {
                let file = try disk.open(path(segment.baseOffset, suffix), create: false)
                let byteCount = try Int(clamping: file.byteCount())
                guard byteCount % Entry.byteCount == 0 else { return nil }
                guard byteCount > 0 else { return SparseIndex() }
                let bytes = try file.read(at: Int64(byteCount - Entry.byteCount), count: Entry.byteCount)
                guard bytes.count == Entry.byteCount else { return nil }
                let last = bytes.withUnsafeBytes { Entry($0, at: 0) }
                return SparseIndex(fileCount: byteCount / Entry.byteCount, last: last)
            } catch  where error.code == .notFound {
                return nil
            }
        }
    }
}
