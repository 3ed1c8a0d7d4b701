import Environment
import Synchronization

extension PartitionLog {
    /// Makes everything appended so far durable; blocks in fdatasync, so it is called on a disk thread. Appends and reads
    /// go on meanwhile.
    ///
    /// - Returns: the offset below which the log survives any crash.
    /// - Throws: `.failed` when a sync failed, which is final for the whole log directory; `.diskFull` when a side file
    ///   could not be written, which is not; `.closed`.
    package func sync() throws(LogError) -> Int64 {
        try maintenance.withLock { _ throws(LogError) in
            try requireOpen()
            return try syncData()
        }
    }

    /// What one sync has to make durable.
    private struct SyncWork: Sendable {
        var end: Int64
        var appendedByteCount: Int64
        /// Oldest first: a newer segment must not survive a crash that loses a part of an older one.
        var files: [any DiskFile]
        var closedFileCount: Int
        var epochs: LeaderEpochs?
        var metadata: Bool
        var namesWritten: UInt64?
    }

    func requireOpen() throws(LogError) {
        if state.withLock({ $0.isClosed }) { throw LogError(.closed, "log '\(directory)' is closed") }
    }

    /// The body of `sync`; `maintenance` is held.
    func syncData() throws(LogError) -> Int64 {
        try health.check()
        let work = state.withLock { state -> SyncWork? in
            guard state.durableEnd < state.logEnd || !state.epochsAreDurable else { return nil }
            var files = state.unsyncedFiles
            if let file = state.active.file { files.append(file) }
            var metadata = false
            if case .written = state.metadata { metadata = true }
            return SyncWork(
                end: state.logEnd, appendedByteCount: state.appendedByteCount, files: files,
                closedFileCount: state.unsyncedFiles.count, epochs: state.epochsAreDurable ? nil : state.epochs,
                metadata: metadata, namesWritten: state.namesDurable < state.namesWritten ? state.namesWritten : nil)
        }
        guard let work else { return state.withLock { $0.durableEnd } }
        // Side files before data: whoever finds the data after a crash finds what explains it.
        if let epochs = work.epochs {
            try health.replace(directory + "/" + FileNames.epochs, with: epochs.encoded(), on: disk)
        }
        try health.final("sync log '\(directory)'") { () throws(DiskError) in
            if work.metadata { try disk.open(directory + "/" + FileNames.metadata, create: false).sync() }
            for file in work.files { try file.sync() }
            if work.namesWritten != nil {
                try disk.syncDirectory(directory)
                try disk.syncDirectory(folder(of: directory))
            }
        }
        return state.withLock { state in
            state.durableEnd = max(state.durableEnd, work.end)
            state.syncedByteCount = max(state.syncedByteCount, work.appendedByteCount)
            state.unsyncedFiles.removeFirst(work.closedFileCount)
            if let epochs = work.epochs, epochs == state.epochs { state.epochsAreDurable = true }
            if work.metadata { state.metadata = .durable }
            if let written = work.namesWritten { state.namesDurable = max(state.namesDurable, written) }
            return state.durableEnd
        }
    }

    /// Syncs, and writes what makes the next start short: indexes and a snapshot of the producers.
    ///
    /// - Returns: the recovery point: what lies below need not be scanned after an unclean stop.
    package func checkpoint() throws(LogError) -> Int64 {
        try maintenance.withLock { _ throws(LogError) in
            try requireOpen()
            return try writeCheckpoint()
        }
    }

    /// The body of `checkpoint`; `maintenance` is held.
    func writeCheckpoint() throws(LogError) -> Int64 {
        // Taken before the sync, so that a snapshot never speaks of batches that a crash may lose.
        let (pending, current) = state.withLock { state in
            let known = max(state.snapshots.last ?? -1, state.pendingSnapshots.last?.offset ?? -1)
            let isNew = state.logEnd > known && state.byteCount > 0
            return (state.pendingSnapshots, isNew ? (offset: state.logEnd, states: state.producers) : nil)
        }
        let end = try syncData()
        try writeIndexes()
        var snapshots = pending
        if let current { snapshots.append((current.offset, ProducerSnapshot.encode(current.states))) }
        guard !snapshots.isEmpty else { return end }
        for (offset, bytes) in snapshots {
            try health.replace(path(offset, .snapshot), with: bytes, on: disk)
        }
        let superseded = state.withLock { state -> [Int64] in
            state.pendingSnapshots.removeFirst(pending.count)
            state.snapshots.append(contentsOf: snapshots.map(\.offset))
            let count = max(0, state.snapshots.count - Self.snapshotCountMax)
            defer { state.snapshots.removeFirst(count) }
            return Array(state.snapshots.prefix(count))
        }
        // One that cannot be removed is removed by the next start.
        for offset in superseded { try? disk.removeFile(path(offset, .snapshot)) }
        return end
    }

    /// Snapshots kept in the folder.
    private static var snapshotCountMax: Int { 3 }

    /// Writes and syncs the entries that are only in memory. `maintenance` is held.
    private func writeIndexes() throws(LogError) {
        let written = state.withLock { state -> [(base: Int64, count: Int)] in
            var written: [(base: Int64, count: Int)] = []
            for index in state.segments.indices where !state.segments[index].indexesDurable {
                guard state.segments[index].byteCount > 0 else { continue }
                spillIndexes(&state.segments[index])
                let segment = state.segments[index]
                if segment.offsets.tail.isEmpty, segment.times.tail.isEmpty {
                    written.append((segment.baseOffset, segment.offsets.count + segment.times.count))
                }
            }
            return written
        }
        for (base, _) in written {
            try health.final("sync indexes of segment \(base) of '\(directory)'") { () throws(DiskError) in
                for suffix in [FileNames.Suffix.timeIndex, .index] {
                    do throws(DiskError) {
                        try disk.open(path(base, suffix), create: false).sync()
                    } catch  where error.code == .notFound {}  // no entry yet
                }
            }
        }
        state.withLock { state in
            for (base, count) in written {
                // Appends since then may have added entries.
                let index = state.segmentIndex(holding: base)
                let segment = state.segments[index]
                if segment.baseOffset == base, segment.offsets.count + segment.times.count == count {
                    state.segments[index].indexesDurable = true
                }
            }
        }
    }

    /// Ends all use of the log. With `clean` everything is made durable first, so that the next start need not scan.
    ///
    /// - Throws: when the clean end failed; the log is closed nevertheless, and the stop was not clean.
    package func close(clean: Bool) throws(LogError) {
        try maintenance.withLock { _ throws(LogError) in
            let wasClosed = state.withLock { state in
                defer { state.isClosed = true }
                return state.isClosed
            }
            if wasClosed { return }
            defer { releaseFiles() }
            guard clean else { return }
            state.withLock { $0.active.noteTime() }
            try cutLeftover()
            _ = try writeCheckpoint()
        }
    }

    /// Cuts off what a refused write may have left behind the last batch: a clean log ends with a batch.
    private func cutLeftover() throws(LogError) {
        let (file, byteCount) = state.withLock { ($0.active.file, Int64($0.active.byteCount)) }
        guard let file else { return }
        try health.final("truncate '\(file.path)'") { () throws(DiskError) in
            if try file.byteCount() > byteCount {
                try file.truncate(to: byteCount)
                try file.sync()
            }
        }
    }

    private func releaseFiles() {
        let keys = state.withLock { state -> [UInt64] in
            state.active.file = nil
            state.unsyncedFiles = []
            state.recent.removeAll()
            return state.segments.flatMap { Array($0.keys) }
        }
        files.forget(keys)
    }

    /// Ends all use of the log and removes its folder. The folder is renamed first, so that a crash leaves either the
    /// whole log or one that the next start removes.
    package func delete() throws(LogError) {
        try close(clean: false)
        try maintenance.withLock { _ throws(LogError) in
            let name = "\(directory).\(String(UInt128.random(in: 0 ... .max), radix: 16))-delete"
            try attempt("delete log '\(directory)'") { () throws(DiskError) in
                do throws(DiskError) {
                    try disk.rename(directory, to: name)
                } catch  where error.code == .notFound {
                    return
                }
                try disk.syncDirectory(folder(of: directory))
                try disk.removeTree(name)
            }
        }
    }
}
