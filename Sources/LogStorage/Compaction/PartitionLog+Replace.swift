import Environment
import RecordBatches
import Synchronization

/// Putting a cleaned segment in the place of those it was made from, so that a crash at any point leaves the old ones or
/// the new one.
///
/// 1. `X.log.cleaned` and its indexes, `X.index.cleaned` and so on, are written and synced, then their names. A start
///    removes them.
/// 2. `X.log.cleaned` is renamed `X.log.swap`, durably. From here on the new segment is what counts: a start that finds it
///    does what follows (`LogOpening.finishReplacement`).
/// 3. The indexes get their names. Readers are given the new segment, by its open file.
/// 4. The files of the segments behind X that it covers are removed, durably.
/// 5. `X.log.swap` is renamed `X.log`, durably.
///
/// A reader that is at work with an old segment keeps its file; one that only comes to open it looks again at what the
/// log has now.
extension PartitionLog {
    /// Makes the files of a cleaned segment, under their temporary names.
    ///
    /// - Throws: `.closed` when the log was closed or deleted: the folder may be another log's by now.
    func makeCleanedFiles(_ baseOffset: Int64, hasTxnIndex: Bool) throws(LogError) -> CleanedSegment.Files {
        try maintenance.withLock { _ throws(LogError) in
            try requireOpen()
            try health.check()
            return try attempt("write cleaned segment \(baseOffset) of '\(directory)'") { () throws(DiskError) in
                func make(_ suffix: FileNames.Suffix) throws(DiskError) -> any DiskFile {
                    let file = try disk.open(path(baseOffset, suffix) + FileNames.cleaned, create: true)
                    try file.truncate(to: 0)
                    return file
                }
                return CleanedSegment.Files(
                    log: try make(.log), index: try make(.index), timeIndex: try make(.timeIndex),
                    txnIndex: hasTxnIndex ? try make(.txnIndex) : nil)
            }
        }
    }

    /// Removes what `makeCleanedFiles` made. Failures are left to the next start, which removes such files.
    func discardCleanedFiles(_ baseOffset: Int64) {
        maintenance.withLock { _ in
            guard !state.withLock({ $0.isClosed }) else { return }
            for suffix in FileNames.Suffix.ofSegment.reversed() {
                try? disk.removeFile(path(baseOffset, suffix) + FileNames.cleaned)
            }
        }
    }

    /// Puts `cleaned`, which was finished, in the place of `sources`.
    ///
    /// - Throws: `.closed` when the log was closed, some of the sources are gone or the log is not compacted any more: then
    ///   nothing has changed. A failure after the new segment counts is final for the log directory, and the next start
    ///   finishes the work.
    func replace(_ sources: ArraySlice<Segment>, with cleaned: CleanedSegment) throws(LogError) {
        let base = cleaned.segment.baseOffset
        try maintenance.withLock { _ throws(LogError) in
            try requireOpen()
            try health.check()
            let isCurrent = state.withLock { state in
                state.config.compacts && state.index(of: sources) != nil
            }
            guard isCurrent, let file = cleaned.files?.log else {
                throw LogError(
                    .closed, "the segments from \(base) on of '\(directory)' changed while they were cleaned")
            }
            try health.final("sync folder '\(directory)'") { () throws(DiskError) in try disk.syncDirectory(directory) }
            let swap = path(base, .log) + FileNames.swap
            try attempt("replace segment \(base) of '\(directory)'") { () throws(DiskError) in
                try disk.rename(path(base, .log) + FileNames.cleaned, to: swap)
            }
            try health.final("replace segment \(base) of '\(directory)'") { () throws(DiskError) in
                try disk.syncDirectory(directory)
                try state.withLock { state throws(DiskError) in
                    for suffix in FileNames.sideFiles where suffix != .txnIndex || cleaned.files?.txnIndex != nil {
                        try disk.rename(path(base, suffix) + FileNames.cleaned, to: path(base, suffix))
                    }
                    var segment = cleaned.segment
                    segment.file = file
                    state.replace(sources, with: segment)
                }
                for source in sources.dropFirst() {
                    for suffix in FileNames.Suffix.ofSegment { try removeIfThere(path(source.baseOffset, suffix)) }
                }
                try disk.syncDirectory(directory)
                // An empty one has done its part: it took the place of another.
                if cleaned.segment.aborted.count == 0 { try removeIfThere(path(base, .txnIndex)) }
                try disk.rename(swap, to: path(base, .log))
                try disk.syncDirectory(directory)
            }
            state.withLock { state in
                // From now on by its name, so that its handle can be let go.
                if let index = state.index(of: [cleaned.segment]) { state.segments[index].file = nil }
            }
        }
        files.forget(sources.flatMap { Array($0.keys) })
    }

    private func removeIfThere(_ path: String) throws(DiskError) {
        do throws(DiskError) { try disk.removeFile(path) } catch  where error.code == .notFound {}
    }

    /// Whether the segment is one of the log's, so that the file of its name is its own.
    func has(_ segment: Segment) -> Bool { state.withLock { $0.index(of: [segment]) != nil } }
}

extension LogState {
    /// Where the segments are, which follow on each other; nil when one of them is not there any more.
    func index(of sources: ArraySlice<Segment>) -> Int? {
        guard let first = sources.first else { return nil }
        let index = segments.partitionPoint { $0.baseOffset < first.baseOffset }
        guard index + sources.count <= segments.count,
            zip(segments[index...], sources).allSatisfy({ $0.key == $1.key })
        else { return nil }
        return index
    }

    fileprivate mutating func replace(_ sources: ArraySlice<Segment>, with segment: Segment) {
        guard let index = index(of: sources) else { preconditionFailure("segments to be replaced are not there") }
        segments.replaceSubrange(index..<(index + sources.count), with: [segment])
        let keys = Set(sources.map(\.key))
        cursors.removeAll { keys.contains($0.segmentKey) }
        nextCursor = 0
        updateMaxTimestamp()
    }
}

extension FileNames {
    /// Suffix of files that a cleaning writes.
    static let cleaned = ".cleaned"
    /// Suffix of a cleaned log file that replaces others.
    static let swap = ".swap"
    /// What belongs to a log file.
    static let sideFiles: [Suffix] = [.txnIndex, .timeIndex, .index]
}

extension LogOpening {
    /// Finishes the replacement of segments that a crash cut short. Run before the folder's segments are looked at.
    ///
    /// - Returns: whether something was changed.
    mutating func finishReplacement(_ names: [String]) throws(LogError) -> Bool {
        var isChanged = false
        for name in names where name.hasSuffix(FileNames.Suffix.log.rawValue + FileNames.swap) {
            guard let (base, _) = FileNames.parse(String(name.dropLast(FileNames.swap.count))) else { continue }
            isChanged = true
            let end = try endOfSwap(base, name)
            try doing("finish replacement of segment \(base)") { () throws(DiskError) in
                for other in names {
                    guard let (offset, suffix) = FileNames.parse(other), base < offset, offset < end,
                        FileNames.Suffix.ofSegment.contains(suffix)
                    else { continue }
                    try disk.removeFile(directory + "/" + other)
                }
                for suffix in FileNames.sideFiles {
                    let cleaned = path(base, suffix) + FileNames.cleaned
                    if disk.exists(cleaned) { try disk.rename(cleaned, to: path(base, suffix)) }
                }
                try disk.syncDirectory(directory)
                let txnIndex = path(base, .txnIndex)
                if disk.exists(txnIndex), try disk.open(txnIndex, create: false).byteCount() == 0 {
                    try disk.removeFile(txnIndex)
                }
                try disk.rename(directory + "/" + name, to: path(base, .log))
                try disk.syncDirectory(directory)
            }
        }
        return isChanged
    }

    /// The offset after the last batch of a cleaned segment: it keeps the last batch of those it replaces.
    private func endOfSwap(_ base: Int64, _ name: String) throws(LogError) -> Int64 {
        let file = try doing("open '\(name)'") { () throws(DiskError) in
            try disk.open(directory + "/" + name, create: false)
        }
        let byteCount = try doing("ask size of '\(name)'") { () throws(DiskError) in try file.byteCount() }
        var end = base
        do throws(LogError) {
            try withScratch(byteCount: 8192) { buffer throws(LogError) in
                var walk = BatchWalk(file, from: 0, upTo: Int(clamping: byteCount), buffer: buffer)
                while let header = try walk.next() { end = max(end, header.nextOffset) }
            }
        } catch  where error.code == .corruptSegment {
            // The disk changed durable data. What can be read of it is served, and readers are told where it breaks off.
        }
        return end
    }
}
