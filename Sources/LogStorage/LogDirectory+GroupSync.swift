import Environment
import Synchronization

extension LogDirectory {
    /// From this many logs on, one sync of the file system costs less than one per log. (Measured on ext4 with 16 logs of
    /// 80 KB unsynced each: 0.2 ms of processor time against 1.5 ms, one device flush against 16.)
    package static let groupSyncCountMin = 4

    /// Makes everything appended so far to the logs durable, with one request to the device where the system can do
    /// that; blocks, so it is called on a disk thread. Appends and reads go on meanwhile.
    ///
    /// - Returns: for each log what `PartitionLog.sync` would have returned or thrown.
    package func sync(_ logs: [PartitionLog]) -> [Result<Int64, LogError>] {
        var results = [Result<Int64, LogError>?](repeating: nil, count: logs.count)
        let steady = logs.indices.filter { logs[$0].isSteady }
        if steady.count >= Self.groupSyncCountMin {
            do throws(LogError) {
                try health.check()
                let marks = steady.map { logs[$0].syncMark }
                var isDone = false
                try health.final("sync logs of '\(directory)'") { () throws(DiskError) in
                    isDone = try syncFileSystem()
                }
                if isDone {
                    for (index, mark) in zip(steady, marks) { results[index] = .success(logs[index].noteSynced(mark)) }
                }
            } catch {
                for index in steady { results[index] = .failure(error) }
            }
        }
        return logs.indices.map { index in
            results[index] ?? Result { () throws(LogError) in try logs[index].sync() }
        }
    }
}

extension PartitionLog {
    /// How far a log has come when a sync begins.
    struct SyncMark: Sendable {
        var end: Int64
        var appendedByteCount: Int64
    }

    /// Whether there is nothing to make durable but what was appended to the active segment: no new files, no closed
    /// segments, whose order `sync` takes care of.
    var isSteady: Bool {
        state.withLock { state in
            if case .durable = state.metadata {} else { return false }
            return !state.isClosed && state.unsyncedFiles.isEmpty && state.namesDurable >= state.namesWritten
        }
    }

    var syncMark: SyncMark {
        state.withLock { SyncMark(end: $0.logEnd, appendedByteCount: $0.appendedByteCount) }
    }

    /// - Returns: the offset below which the log survives any crash.
    func noteSynced(_ mark: SyncMark) -> Int64 {
        state.withLock { state in
            state.durableEnd = max(state.durableEnd, mark.end)
            state.syncedByteCount = max(state.syncedByteCount, mark.appendedByteCount)
            return state.durableEnd
        }
    }
}
