import Environment
import Synchronization

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
        var files: [any DiskFile]
        var closed: Set<Int64>
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
            guard state.durableEnd < state.logEnd else { return nil }
            var files = state.unsyncedFiles.map(\.file)
            if let file = state.active.file { files.append(file) }
            var metadata = false
            if case .written = state.metadata { metadata = true }
            return SyncWork(
                end: state.logEnd, appendedByteCount: state.appendedByteCount, files: files,
                closed: Set(state.unsyncedFiles.map(\.base)), metadata: metadata,
                namesWritten: state.namesDurable < state.namesWritten ? state.namesWritten : nil)
        }
        guard let work else { return state.withLock { $0.durableEnd } }
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
            state.unsyncedFiles.removeAll { work.closed.contains($0.base) }
            if work.metadata { state.metadata = .durable }
            if let written = work.namesWritten { state.namesDurable = max(state.namesDurable, written) }
            return state.durableEnd
        }
    }
}
