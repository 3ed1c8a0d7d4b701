package import Environment
import Synchronization

/// One data folder: the lock, the version, the checkpoints, and the partition logs in `topics/`.
///
/// ```
/// lock                                        process id of the user, held by flock
/// version                                     "1", see DataFolder
/// topics/.kafka_cleanshutdown                 there only while no process uses the folder and the last one stopped well
/// topics/recovery-point-offset-checkpoint     Kafka's format: up to where each log is durable and indexed
/// topics/log-start-offset-checkpoint          Kafka's format: where each log starts, if not at its first segment
/// topics/cleaner-offset-checkpoint            Kafka's format: up to where each compacted log is clean
/// topics/leader-epoch-counter                 raised by every unclean start
/// topics/NAME-N/                              one folder per partition
/// ```
///
/// Safe from any thread. Everything but `log(_:)` blocks on the disk.
package final class LogDirectory: Sendable {
    /// Data folder.
    package let directory: String
    /// Whether the last user stopped well.
    package let wasClean: Bool
    /// Leader epoch for the logs of this run.
    package let leaderEpoch: Int32
    package let health = LogHealth()
    package let files: FileCache
    let disk: any Disk
    /// Whether the checkpoint of recovery points could be read.
    private let hasRecoveryPoints: Bool
    /// nil once the folder is closed.
    let lock: Mutex<(any DiskLock)?>
    let state: Mutex<State>
    /// Held while checkpoint files are written, so that an older one never replaces a newer.
    private let writing = Mutex(())

    struct State: Sendable {
        var logs: [PartitionName: PartitionLog] = [:]
        var recoveryPoints: [PartitionName: Int64]
        var logStarts: [PartitionName: Int64]
        /// The recovery points that a start after a crash would read.
        var durableRecoveryPoints: [PartitionName: Int64]
        /// Up to where logs were cleaned.
        var cleanedEnds: [PartitionName: Int64]
        /// Logs that are being cleaned.
        var cleaning: Set<PartitionName> = []
        /// Folders found at open and not opened yet.
        var found: Set<PartitionName>
    }

    /// Opens the data folder, making it if it is missing.
    ///
    /// - Throws: `.locked` with the holder's process id; `.unsupportedVersion`; `.io`, `.diskFull`.
    package init(directory: String, disk: any Disk, files: FileCache? = nil) throws(LogError) {
        self.directory = directory
        self.disk = disk
        self.files = files ?? FileCache(disk: disk)
        let topics = directory + "/topics"
        _ = try DataFolder.content(of: directory, on: disk)  // before anything is made in a folder that is not ours
        try Self.makeDurably(topics, disk)
        let held = try attempt("lock data folder '\(directory)'") { () throws(DiskError) in
            try disk.lock(directory + "/lock")
        }
        lock = Mutex(held)
        // Again, as another process may have had the folder until now.
        if try DataFolder.content(of: directory, on: disk) != .current {
            try attempt("write '\(directory)/version'") { () throws(DiskError) in
                try disk.replaceDurably(directory + "/version", with: [UInt8]("\(DataFolder.version)\n".utf8))
            }
        }
        let marker = topics + "/" + Self.markerName
        wasClean = disk.exists(marker)
        let names = try attempt("list '\(topics)'") { () throws(DiskError) in try disk.list(topics) }
        var found: Set<PartitionName> = []
        for name in names {
            if name.hasSuffix("-delete") {
                try attempt("remove '\(name)'") { () throws(DiskError) in try disk.removeTree(topics + "/" + name) }
            } else if let partition = PartitionName(folder: name) {
                found.insert(partition)
            }
        }
        let epoch = try Self.readEpoch(topics, disk)
        let isUnclean = !wasClean && !found.isEmpty
        leaderEpoch = isUnclean ? epoch + 1 : epoch
        if isUnclean { try Self.writeEpoch(leaderEpoch, topics, disk) }
        let recoveryPoints = try Self.readOffsets(topics + "/" + Self.recoveryPointsName, disk)
        hasRecoveryPoints = recoveryPoints != nil
        // Without a folder there is nothing clean: what is told is of a topic whose deletion a crash cut short.
        let cleanedEnds = try Self.readOffsets(topics + "/" + Self.cleanerOffsetsName, disk) ?? [:]
        state = Mutex(
            State(
                recoveryPoints: recoveryPoints ?? [:],
                logStarts: try Self.readOffsets(topics + "/" + Self.logStartsName, disk) ?? [:],
                durableRecoveryPoints: recoveryPoints ?? [:],
                cleanedEnds: cleanedEnds.filter { found.contains($0.key) }, found: found))
        // From now on a missing one tells that it was lost.
        if recoveryPoints == nil, found.isEmpty { try writeOffsets(Self.recoveryPointsName) }
        if wasClean {
            // Gone for good before the first append: the next stop has to earn it again.
            try attempt("remove '\(marker)'") { () throws(DiskError) in
                try disk.removeFile(marker)
                try disk.syncDirectory(topics)
            }
        }
    }

    static let markerName = ".kafka_cleanshutdown"
    private static let recoveryPointsName = "recovery-point-offset-checkpoint"
    private static let logStartsName = "log-start-offset-checkpoint"
    private static let epochName = "leader-epoch-counter"

    /// Folders of partitions that are there and were not opened yet.
    package var unopened: [PartitionName] { state.withLock { $0.found.sorted() } }
    /// Whether there is a folder of a partition that was not opened yet.
    package func has(_ name: PartitionName) -> Bool { state.withLock { $0.found.contains(name) } }
    package var logs: [PartitionLog] { state.withLock { Array($0.logs.values) } }
    package func log(_ name: PartitionName) -> PartitionLog? { state.withLock { $0.logs[name] } }

    /// Opens the log of a partition, making its folder if it is missing.
    ///
    /// - Throws: as `PartitionLog.open`.
    /// - Precondition: the log is not open.
    package func open(
        _ name: PartitionName, topicId: (UInt64, UInt64), config: LogConfig, now: Int64
    ) throws(LogError) -> PartitionLog {
        let (isOpen, recoveryPoint, logStart, cleanedEnd) = state.withLock { state in
            (
                state.logs[name] != nil, state.recoveryPoints[name] ?? 0, state.logStarts[name] ?? 0,
                state.cleanedEnds[name] ?? 0
            )
        }
        precondition(!isOpen, "log \(name) is open already")
        // Cleaning leaves offsets out, below the recovery point. If that was lost, gaps must not be taken for damage.
        let gapsBelow = hasRecoveryPoints || !config.compacts ? max(recoveryPoint, cleanedEnd) : .max
        let log = try PartitionLog.open(
            directory: folder(of: name), topicId: topicId, config: config, disk: disk, files: files,
            leaderEpoch: leaderEpoch, recoveryPoint: recoveryPoint, cleanShutdown: wasClean, now: now,
            logStart: logStart, gapsBelow: gapsBelow, cleanedBelow: config.compacts ? .max : cleanedEnd, health: health
        ) { [weak self] offset throws(LogError) in
            try self?.save(logStart: offset, of: name)
        }
        state.withLock { state in
            state.logs[name] = log
            state.found.remove(name)
            // What the disk lost was written anew and is not clean.
            if cleanedEnd > log.logEnd { state.cleanedEnds[name] = nil }
        }
        return log
    }

    /// Takes the folder of a partition that was not opened out of use and keeps what is in it, for a person to look at.
    ///
    /// - Returns: the folder's new name, which ends in `-stray` as in Kafka.
    package func setAside(_ name: PartitionName) throws(LogError) -> String {
        let kept = FileNames.retired(folder(of: name), "stray")
        try attempt("set '\(folder(of: name))' aside") { () throws(DiskError) in
            try disk.rename(folder(of: name), to: kept)
            try disk.syncDirectory(directory + "/topics")
        }
        try forget(name)
        return kept
    }

    /// Removes the log of a partition, or the folder of one that was not opened.
    package func delete(_ name: PartitionName) throws(LogError) {
        // Out of the table first: whatever happens to the folder, a log of the same name can be opened again.
        let log = state.withLock { $0.logs.removeValue(forKey: name) }
        if let log {
            try log.delete()
        } else {
            try attempt("remove '\(folder(of: name))'") { () throws(DiskError) in
                let doomed = FileNames.retired(folder(of: name), "delete")
                do throws(DiskError) {
                    try disk.rename(folder(of: name), to: doomed)
                } catch  where error.code == .notFound {
                    return
                }
                try disk.syncDirectory(directory + "/topics")
                try disk.removeTree(doomed)
            }
        }
        try forget(name)
    }

    /// Forgets the checkpointed offsets of a partition that is about to be made: a crash may have kept those of a deleted
    /// one of the same name.
    ///
    /// - Precondition: the log is not open.
    package func forget(_ name: PartitionName) throws(LogError) {
        let hadOffsets = state.withLock { state in
            state.found.remove(name)
            let hadPoint = state.recoveryPoints.removeValue(forKey: name) != nil
            let hadEnd = state.cleanedEnds.removeValue(forKey: name) != nil
            return (state.logStarts.removeValue(forKey: name) != nil || hadPoint, hadEnd)
        }
        // A topic of the same name must not begin with these offsets.
        if hadOffsets.0 { try writeOffsets() }
        if hadOffsets.1 { try writeOffsets(Self.cleanerOffsetsName) }
    }

    /// As `DiskLock.syncFileSystem`; false once the folder is closed.
    func syncFileSystem() throws(DiskError) -> Bool {
        guard let held = lock.withLock({ $0 }) else { return false }
        return try held.syncFileSystem()
    }

    package func folder(of name: PartitionName) -> String { directory + "/topics/" + name.description }

    // MARK: Checkpoint files

    private func save(logStart: Int64, of name: PartitionName) throws(LogError) {
        let previous = state.withLock { state in
            defer { state.logStarts[name] = logStart }
            return state.logStarts[name]
        }
        do throws(LogError) { try writeOffsets(Self.logStartsName) } catch {
            state.withLock { $0.logStarts[name] = previous }
            throw error
        }
    }

    func writeOffsets() throws(LogError) {
        try writeOffsets(Self.logStartsName)
        try writeOffsets(Self.recoveryPointsName)
    }

    func writeOffsets(_ fileName: String) throws(LogError) {
        try writing.withLock { _ throws(LogError) in
            let offsets = state.withLock { state in
                switch fileName {
                case Self.logStartsName: state.logStarts
                case Self.cleanerOffsetsName: state.cleanedEnds
                default: state.recoveryPoints
                }
            }
            let lines = offsets.sorted { $0.key < $1.key }.map { "\($0.key.topic) \($0.key.partition) \($0.value)" }
            try health.check()
            try health.replace(directory + "/topics/" + fileName, with: CheckpointText.encode(lines), on: disk)
            if fileName == Self.recoveryPointsName { state.withLock { $0.durableRecoveryPoints = offsets } }
        }
    }

    /// nil for a missing or broken checkpoint.
    private static func readOffsets(_ path: String, _ disk: any Disk) throws(LogError) -> [PartitionName: Int64]? {
        guard let lines = try contents(path, disk).flatMap(CheckpointText.decode) else { return nil }
        var offsets: [PartitionName: Int64] = [:]
        for line in lines {
            let fields = line.split(separator: " ")
            guard fields.count == 3, let partition = Int32(fields[1]), let offset = Int64(fields[2]), offset >= 0 else {
                return nil
            }
            offsets[PartitionName(topic: String(fields[0]), partition: partition)] = offset
        }
        return offsets
    }

    private static func contents(_ path: String, _ disk: any Disk) throws(LogError) -> [UInt8]? {
        try attempt("read '\(path)'") { () throws(DiskError) in
            do throws(DiskError) { return try disk.contents(path) } catch  where error.code == .notFound { return nil }
        }
    }

    private static func readEpoch(_ topics: String, _ disk: any Disk) throws(LogError) -> Int32 {
        let lines = try contents(topics + "/" + epochName, disk).flatMap(CheckpointText.decode) ?? []
        return max(0, lines.first.flatMap { Int32($0) } ?? 0)
    }

    private static func writeEpoch(_ epoch: Int32, _ topics: String, _ disk: any Disk) throws(LogError) {
        try attempt("write '\(epochName)'") { () throws(DiskError) in
            try disk.replaceDurably(topics + "/" + epochName, with: CheckpointText.encode(["\(epoch)"]))
        }
    }

    /// Makes a folder and its missing parents so that a crash does not take them, and all they hold, away.
    private static func makeDurably(_ path: String, _ disk: any Disk) throws(LogError) {
        try attempt("make folder '\(path)'") { () throws(DiskError) in
            var parents: [String] = []
            var missing = path
            while !disk.exists(missing) {
                let parent = LogStorage.folder(of: missing)
                if parent == missing { break }
                parents.append(parent)
                missing = parent
            }
            try disk.makeDirectory(path)
            for parent in parents { try disk.syncDirectory(parent) }
        }
    }
}

/// A partition of a topic, and the name of its folder: "ratings-3".
package struct PartitionName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var topic: String
    package var partition: Int32

    package init(topic: String, partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    /// nil when the name does not end in a hyphen and a partition number.
    package init?(folder: String) {
        guard let hyphen = folder.lastIndex(of: "-"), hyphen > folder.startIndex else { return nil }
        let digits = folder[folder.index(after: hyphen)...]
        guard digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let partition = Int32(digits) else { return nil }
        topic = String(folder[..<hyphen])
        self.partition = partition
    }

    package var description: String { "\(topic)-\(partition)" }

    package static func < (a: Self, b: Self) -> Bool {
        a.topic == b.topic ? a.partition < b.partition : a.topic < b.topic
    }
}
