import Environment
import Synchronization

extension PartitionLog {
    /// Ends all use of the log. With `clean` everything is made durable first, so that the next start need not scan.
    ///
    /// - Throws: when the clean end failed; the log is closed nevertheless, and the stop was not clean.
    package func close(clean: Bool) throws(LogError) {
        guard try beginClose(clean: clean) else { return }
        defer { releaseFiles() }
        guard clean else { return }
        try maintenance.withLock { _ throws(LogError) in _ = try writeCheckpoint() }
    }

    /// The first half of `close`: no use of the log begins any more. - Returns: false when it was closed already.
    func beginClose(clean: Bool) throws(LogError) -> Bool {
        try maintenance.withLock { _ throws(LogError) in
            let wasClosed = state.withLock { state in
                defer { state.isClosed = true }
                if clean, !state.isClosed { state.active.noteTime() }
                return state.isClosed
            }
            if clean, !wasClosed { try cutLeftover() }
            return !wasClosed
        }
    }

    /// Cuts off what a refused write may have left behind the last batch: a clean log ends with a batch.
    private func cutLeftover() throws(LogError) {
        let (file, byteCount) = state.withLock { ($0.active.file, Int64($0.active.byteCount)) }
        guard let file else { return }
        try health.final("truncate '\(file.path)'") { () throws(DiskError) in
            if try file.byteCount() > byteCount {
                try file.truncate(to: byteCount)
                try file.sync()  // there may be nothing else to sync
            }
        }
    }

    /// The last half of `close`.
    func releaseFiles() {
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
            let name = FileNames.retired(directory, "delete")
            do throws(DiskError) { try disk.rename(directory, to: name) } catch  where error.code == .notFound {
                return
            } catch {
                throw LogError(error, "delete log '\(directory)'")
            }
            try health.final("sync deletion of log '\(directory)'") { () throws(DiskError) in
                try disk.syncDirectory(folder(of: directory))
            }
            try attempt("remove '\(name)'") { () throws(DiskError) in try disk.removeTree(name) }
        }
    }
}
