import Environment
import Synchronization

/// A checkpoint makes a log durable and writes what makes the next start short: indexes, leader epochs, a snapshot of the
/// producers. It has three steps, so that many logs can share the sync in the middle:
///
/// 1. `beginCheckpoint` writes everything, new side files under temporary names.
/// 2. All of it is synced.
/// 3. `finishCheckpoint` gives the side files their names, which are then synced too.
extension PartitionLog {
    /// What the first step wrote and the others have to make true.
    struct CheckpointWork: Sendable {
        var end: Int64
        var lastStable: Int64
        var appendedByteCount: Int64
        /// Data files, oldest first.
        var files: [UnsyncedFile]
        var closed: Set<Int64>
        var metadata: Bool
        var namesWritten: UInt64
        var namesAreDurable: Bool
        /// Segments whose index files have all entries, with the number of these.
        var indexes: [(base: Int64, count: Int)]
        /// Segments with a transaction index to be synced, with the number of its entries.
        var aborted: [(base: Int64, count: Int)]
        var epochs: LeaderEpochs?
        var snapshots: [(offset: Int64, states: Snapshot)]

        enum Snapshot: Sendable {
            case encoded([UInt8])
            case states(ProducerStates)

            var bytes: [UInt8] {
                switch self {
                case .encoded(let bytes): bytes
                case .states(let states): ProducerSnapshot.encode(states)
                }
            }
        }

        /// Names of side files that still have a temporary one.
        var sideFiles: [String] {
            snapshots.map { FileNames.name($0.offset, .snapshot) } + (epochs == nil ? [] : [FileNames.epochs])
        }
    }

    /// Snapshots kept in the folder.
    private static var snapshotCountMax: Int { 3 }

    /// Makes the log durable and the next start short.
    ///
    /// - Returns: the recovery point: what lies below need not be scanned after an unclean stop.
    /// - Throws: as `sync`; `.diskFull` when a side file could not be written, which may be tried again.
    package func checkpoint() throws(LogError) -> Int64 {
        try maintenance.withLock { _ throws(LogError) in
            try requireOpen()
            return try writeCheckpoint()
        }
    }

    /// All steps for one log. `maintenance` is held.
    func writeCheckpoint() throws(LogError) -> Int64 {
        let begun: CheckpointWork?
        do throws(LogError) {
            begun = try beginCheckpoint(temporarySuffix: ".tmp")
        } catch  where error.code == .diskFull {
            _ = try syncData()  // what the disk has taken it can also keep
            throw error
        }
        guard let work = begun else { return recoveryPoint }
        try health.sync("sync log '\(directory)'") { () throws(DiskError) in
            for file in work.files { try sync(file) }
            for (base, _) in work.indexes {
                for suffix in [FileNames.Suffix.timeIndex, .index] { try syncIfThere(FileNames.name(base, suffix)) }
            }
            if work.metadata { try syncIfThere(FileNames.metadata) }
            for (base, _) in work.aborted { try syncIfThere(FileNames.name(base, .txnIndex)) }
            for name in work.sideFiles { try syncIfThere(name + ".tmp") }
            // The name of a new transaction index comes before that of the snapshot which counts on it.
            if !work.aborted.isEmpty { try disk.syncDirectory(directory) }
        }
        try finishCheckpoint(work, temporarySuffix: ".tmp")
        try health.final("sync folder '\(directory)'") { () throws(DiskError) in
            try disk.syncDirectory(directory)
            if !work.namesAreDurable { try disk.syncDirectory(folder(of: directory)) }
        }
        noteNames(work)
        // Not the durable end, which a sync may have moved on meanwhile: indexes and snapshot reach up to here.
        return work.end
    }

    /// Up to where the last checkpoint reaches.
    var recoveryPoint: Int64 {
        state.withLock { state in
            state.byteCount == 0 ? state.durableEnd : min(state.durableEnd, state.snapshots.last ?? 0)
        }
    }

    private func syncIfThere(_ name: String) throws(DiskError) {
        do throws(DiskError) {
            try disk.open(directory + "/" + name, create: false).sync()
        } catch  where error.code == .notFound {}
    }

    /// Step 1. - Returns: nil when there is nothing to do.
    func beginCheckpoint(temporarySuffix: String) throws(LogError) -> CheckpointWork? {
        try health.check()
        // All under one lock, so that neither snapshot nor indexes speak of batches behind `end`.
        let work = try state.withLock { state throws(LogError) -> CheckpointWork? in
            var aborted: [(base: Int64, count: Int)] = []
            for index in state.segments.indices where !state.segments[index].abortedIsDurable {
                // Must not fail silently: a snapshot of the producers says that everything below it is in these files.
                do throws(DiskError) {
                    try state.segments[index].spillAborted(directory: directory, disk: disk)
                } catch {
                    throw LogError(error, "write transaction index of '\(directory)'")
                }
                aborted.append((state.segments[index].baseOffset, state.segments[index].aborted.count))
            }
            var indexes: [(base: Int64, count: Int)] = []
            for index in state.segments.indices where !state.segments[index].indexesDurable {
                guard state.segments[index].byteCount > 0 else { continue }
                spillIndexes(&state.segments[index])
                let segment = state.segments[index]
                if segment.offsets.tail.isEmpty, segment.times.tail.isEmpty {
                    indexes.append((segment.baseOffset, segment.offsets.count + segment.times.count))
                }
            }
            var snapshots = state.pendingSnapshots.map { ($0.offset, CheckpointWork.Snapshot.encoded($0.bytes)) }
            if state.logEnd > max(state.snapshots.last ?? -1, snapshots.last?.0 ?? -1), state.byteCount > 0 {
                snapshots.append((state.logEnd, .states(state.producers)))
            }
            let isDurable = state.durableEnd >= state.logEnd
            if isDurable, indexes.isEmpty, aborted.isEmpty, snapshots.isEmpty, state.epochsAreDurable { return nil }
            var metadata = false
            if case .written = state.metadata { metadata = true }
            var files = state.unsyncedFiles
            if !isDurable, let file = state.active.file {
                files.append(UnsyncedFile(base: state.active.baseOffset, file: file))
            }
            return CheckpointWork(
                end: state.logEnd, lastStable: state.lastStable, appendedByteCount: state.appendedByteCount,
                files: files,
                closed: Set(state.unsyncedFiles.map(\.base)), metadata: metadata, namesWritten: state.namesWritten,
                namesAreDurable: state.namesDurable >= state.namesWritten, indexes: indexes,
                aborted: aborted, epochs: state.epochsAreDurable ? nil : state.epochs, snapshots: snapshots)
        }
        guard let work else { return nil }
        var sideFiles = work.snapshots.map { (FileNames.name($0.offset, .snapshot), $0.states.bytes) }
        if let epochs = work.epochs { sideFiles.append((FileNames.epochs, epochs.encoded())) }
        for (name, bytes) in sideFiles {
            let path = directory + "/" + name + temporarySuffix
            do throws(DiskError) {
                let file = try disk.open(path, create: true)
                try file.truncate(to: 0)
                try file.write(bytes, at: 0)
            } catch {
                try? disk.removeFile(path)  // else the next start does
                throw LogError(error, "write '\(path)'")
            }
        }
        return work
    }

    /// Step 3, after everything was synced; the caller then syncs the names and calls `noteNames`.
    func finishCheckpoint(_ work: CheckpointWork, temporarySuffix: String) throws(LogError) {
        for name in work.sideFiles {
            let path = directory + "/" + name
            try attempt("write '\(path)'") { () throws(DiskError) in
                try disk.rename(path + temporarySuffix, to: path)
            }
        }
        state.withLock { state in
            state.durableEnd = max(state.durableEnd, work.end)
            state.durableLastStable = max(state.durableLastStable, work.lastStable)
            state.syncedByteCount = max(state.syncedByteCount, work.appendedByteCount)
            state.unsyncedFiles.removeAll { work.closed.contains($0.base) }
            if work.metadata { state.metadata = .durable }
            for (base, count) in work.indexes {
                // Appends since then may have added entries.
                let index = state.segmentIndex(holding: base)
                let segment = state.segments[index]
                if segment.baseOffset == base, segment.offsets.count + segment.times.count == count {
                    state.segments[index].indexesDurable = true
                }
            }
            for (base, count) in work.aborted {
                let index = state.segmentIndex(holding: base)
                let segment = state.segments[index]
                if segment.baseOffset == base, segment.aborted.count == count {
                    state.segments[index].abortedIsDurable = true
                }
            }
        }
    }

    /// Notes that the names of a checkpoint's files are durable, and removes the snapshots that are not needed any more.
    func noteNames(_ work: CheckpointWork) {
        let superseded = state.withLock { state -> [Int64] in
            state.namesDurable = max(state.namesDurable, work.namesWritten)
            // Another checkpoint of the log may have come between, with other epochs.
            if let epochs = work.epochs { state.epochsAreDurable = state.epochs == epochs }
            if let newest = work.snapshots.last?.offset {
                state.pendingSnapshots.removeAll { $0.offset <= newest }
                state.snapshots = Set(state.snapshots).union(work.snapshots.map(\.offset)).sorted()
            }
            let count = max(0, state.snapshots.count - Self.snapshotCountMax)
            defer { state.snapshots.removeFirst(count) }
            return Array(state.snapshots.prefix(count))
        }
        // One that cannot be removed is found again by the next start.
        for offset in superseded { try? disk.removeFile(path(offset, .snapshot)) }
    }
}
