import Environment
import Synchronization

/// A segment's data that is not synced.
struct UnsyncedFile: Sendable {
    /// Files of one log that stay open until they are synced. Those of later segments are opened again then: Linux tells a
    /// failed write to who opens the file next, if nobody was told before.
    static let openCountMax = 16

    var base: Int64
    var file: (any DiskFile)?
}

extension PartitionLog {
    /// Makes everything appended so far durable; blocks in fdatasync, so it is called on a disk thread. Appends and reads
    /// go on meanwhile.
    ///
    /// - Returns: the offset below which the log survives any crash.
    /// - Throws: `.failed` when a sync failed, which is final for the whole log directory; `.closed`.
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
        var files: [UnsyncedFile]
        var closed: Set<Int64>
        var metadata: Bool
        var namesWritten: UInt64?
    }

    /// Syncs one segment's data; `maintenance` is held.
    func sync(_ unsynced: UnsyncedFile) throws(DiskError) {
        if let file = unsynced.file { return try file.sync() }
        do throws(DiskError) { try disk.open(path(unsynced.base, .log), create: false).sync() } catch
            where error.code == .notFound && !hasSegment(unsynced.base)
        {
            // Removed meanwhile, or put into another segment by a compaction, which has synced it.
        }
    }

    private func hasSegment(_ base: Int64) -> Bool {
        state.withLock { state in state.segments.contains { $0.baseOffset == base } }
    }

    func requireOpen() throws(LogError) {
        if state.withLock({ $0.isClosed }) { throw LogError(.closed, "log '\(directory)' is closed") }
    }

    /// The body of `sync`; `maintenance` is held.
    func syncData() throws(LogError) -> Int64 {
        try health.check()
        let work = state.withLock { state -> SyncWork? in
            guard state.durableEnd < state.logEnd else { return nil }
            var files = state.unsyncedFiles
            if let file = state.active.file { files.append(UnsyncedFile(base: state.active.baseOffset, file: file)) }
            var metadata = false
            if case .written = state.metadata { metadata = true }
            return SyncWork(
                end: state.logEnd, appendedByteCount: state.appendedByteCount, files: files,
                closed: Set(state.unsyncedFiles.map(\.base)), metadata: metadata,
                namesWritten: state.namesDurable < state.namesWritten ? state.namesWritten : nil)
        }
        guard let work else { return state.withLock { $0.durableEnd } }
        try health.sync("sync log '\(directory)'") { () throws(DiskError) in
            if work.metadata { try disk.open(directory + "/" + FileNames.metadata, create: false).sync() }
            for file in work.files { try sync(file) }
            if work.namesWritten != nil {
                try disk.syncDirectory(directory)
                try disk.syncDirectory(folder(of: directory))
            }
        }
        return state.withLock { state in
            state.durableEnd = max(state.durableEnd, work.end)
            state.syncedByteCount = max(state.syncedByteCount, work.appendedByteCount)
            state.unsyncedFiles.removeAll { work.closed.contains($0.base) }
            if work.metadata { state.metadata = .durable }
            if let written = work.namesWritten { state.namesDurable = max(state.namesDurable, written) }
            return state.durableEnd
        }
    }
}
