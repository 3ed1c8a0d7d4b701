import Environment
import Synchronization

extension LogDirectory {
    /// Makes all logs durable and notes up to where, so that an unclean stop costs only what comes after.
    ///
    /// - Throws: the first error; the other logs are still done.
    package func checkpoint() throws(LogError) {
        let logs = state.withLock { $0.logs.sorted { $0.key < $1.key } }
        let first = checkpoint(logs.map { ($0.key, $0.value) })
        try writeOffsets()
        if let first { throw first }
    }

    /// Closes all logs and gives the folder free. With `clean`, and if all of them ended well, the next start trusts what
    /// it finds.
    package func close(clean: Bool) throws(LogError) {
        defer { lock.withLock { $0 = nil } }
        var first: LogError?
        var closing: [(name: PartitionName, log: PartitionLog)] = []
        for (name, log) in state.withLock({ $0.logs }).sorted(by: { $0.key < $1.key }) {
            do throws(LogError) {
                if try log.beginClose(clean: clean) { closing.append((name, log)) }
            } catch {
                log.releaseFiles()
                if first == nil { first = error }
            }
        }
        if clean, let error = checkpoint(closing), first == nil { first = error }
        for (_, log) in closing { log.releaseFiles() }
        state.withLock { $0.logs = [:] }
        if let first { throw first }
        guard clean else { return }
        try writeOffsets()
        try health.replace(
            directory + "/topics/" + Self.markerName, with: [UInt8](#"{"version":0}"#.utf8), on: disk)
    }

    /// Temporary names of a shared checkpoint, different from those of one log's own.
    private static let temporarySuffix = ".shared.tmp"

    /// Takes checkpoints of the logs, with two syncs of the file system for all of them where the system can do that, and
    /// notes their recovery points. - Returns: the first error.
    private func checkpoint(_ logs: [(name: PartitionName, log: PartitionLog)]) -> LogError? {
        var first: LogError?
        func run<Result>(_ body: () throws(LogError) -> Result) -> Result? {
            do throws(LogError) { return try body() } catch {
                // Deleted meanwhile: nothing to keep.
                if error.code != .closed, error.cause?.code != .notFound, first == nil { first = error }
                return nil
            }
        }
        var begun: [(name: PartitionName, log: PartitionLog, work: PartitionLog.CheckpointWork)] = []
        for (name, log) in logs {
            let work = run { () throws(LogError) in try log.beginCheckpoint(temporarySuffix: Self.temporarySuffix) }
            switch work {
            case .some(.some(let work)): begun.append((name, log, work))
            case .some(.none): note(recoveryPoint: log.recoveryPoint, of: name)
            case .none: break
            }
        }
        guard !begun.isEmpty else { return first }
        guard let isShared = run({ () throws(LogError) in try syncShared() }) else { return first }
        if isShared {
            var finished: [(name: PartitionName, log: PartitionLog, work: PartitionLog.CheckpointWork)] = []
            for (name, log, work) in begun {
                let isDone: Void? = run { () throws(LogError) in
                    try log.finishCheckpoint(work, temporarySuffix: Self.temporarySuffix)
                }
                if isDone != nil { finished.append((name, log, work)) }
            }
            guard run({ () throws(LogError) in try syncShared() }) != nil else { return first }
            for (name, log, work) in finished {
                log.noteNames(work)
                note(recoveryPoint: work.end, of: name)
            }
        } else {
            for (name, log, work) in begun {
                // Each on its own then. What is not removed here is by the next start.
                for file in work.sideFiles {
                    try? disk.removeFile(folder(of: name) + "/" + file + Self.temporarySuffix)
                }
                let end = run { () throws(LogError) in
                    try log.maintenance.withLock { _ throws(LogError) in try log.writeCheckpoint() }
                }
                if let end { note(recoveryPoint: end, of: name) }
            }
        }
        return first
    }

    private func note(recoveryPoint: Int64, of name: PartitionName) {
        state.withLock { state in
            if state.logs[name] != nil { state.recoveryPoints[name] = recoveryPoint }
        }
    }

    private func syncShared() throws(LogError) -> Bool {
        var isDone = false
        try health.final("sync logs of '\(directory)'") { () throws(DiskError) in isDone = try syncFileSystem() }
        return isDone
    }
}
