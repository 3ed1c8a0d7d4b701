import Environment
import RecordBatches
import Synchronization

/// What there is to clean in one log, at one moment.
package struct CleaningPlan: Sendable {
    package let name: PartitionName
    package let log: PartitionLog
    /// Everything below was cleaned before.
    package let firstDirtyOffset: Int64
    /// Bytes of the segments that were cleaned before, and of those that were not and can be.
    package let cleanByteCount: Int
    package let dirtyByteCount: Int
    /// Whether the oldest dirty record is older than `max.compaction.lag.ms`.
    package let isOverdue: Bool
    /// The segments a cleaning may change, oldest first.
    let segments: [Segment]
    /// First offset after them.
    let end: Int64

    /// Dirty bytes of all that can be cleaned.
    package var dirtyRatio: Double {
        cleanByteCount + dirtyByteCount == 0 ? 0 : Double(dirtyByteCount) / Double(cleanByteCount + dirtyByteCount)
    }

    /// Whether it is time to clean.
    package var isDue: Bool {
        dirtyByteCount > 0 && (isOverdue || dirtyRatio > log.config.minCleanableDirtyRatio)
    }
}

extension PartitionLog {
    /// What can be cleaned now: closed segments that are durable, decided for good (below the last stable
    /// offset that a crash would leave), and not too young. Blocks on the disk.
    ///
    /// - Parameters:
    ///   - cleanedEnd: up to where the log was cleaned before.
    ///   - recoveryPoint: as it would be read after a crash. Recovery takes a missing offset at or above it for damage.
    ///   - now: wall clock, milliseconds since 1970.
    /// - Returns: nil when the log is not compacted or there is nothing to clean.
    /// - SeeAlso: upstream `LogCleanerManager.cleanableOffsets`.
    func cleaningPlan(
        _ name: PartitionName, cleanedEnd: Int64?, recoveryPoint: Int64, now: Int64
    ) throws(LogError) -> CleaningPlan? {
        struct Found: Sendable {
            var segments: ArraySlice<Segment>
            var firstDirty: Int64
            var dirtyFrom: Int
            var end: Int64
            var config: LogConfig
        }
        let found = state.withLock { state -> Found? in
            guard state.config.compacts, !state.isClosed else { return nil }
            var firstDirty = cleanedEnd ?? state.logStart
            if !(state.logStart...state.logEnd ~= firstDirty) { firstDirty = state.logStart }
            // A crash that took a marker away would make records undecided again that others were removed for.
            let isDurable = state.durableEnd >= state.logEnd
            let decided = isDurable ? state.lastStable : min(state.lastStable, state.durableLastStable)
            let limit = min(state.active.baseOffset, decided, recoveryPoint)
            var count = 0
            var dirtyFrom: Int?
            for index in state.segments.indices.dropLast() {
                let end = state.end(ofSegment: index)
                guard end <= limit else { break }
                if end > firstDirty {
                    if isTooYoung(state.segments[index], state.config, now) { break }
                    if dirtyFrom == nil { dirtyFrom = index }
                }
                count = index + 1
            }
            guard let dirtyFrom, dirtyFrom < count else { return nil }
            return Found(
                segments: state.segments[..<count], firstDirty: firstDirty, dirtyFrom: dirtyFrom,
                end: state.end(ofSegment: count - 1), config: state.config)
        }
        guard let found else { return nil }
        let dirty = found.segments[found.dirtyFrom...]
        return CleaningPlan(
            name: name, log: self, firstDirtyOffset: found.firstDirty,
            cleanByteCount: found.segments[..<found.dirtyFrom].reduce(0) { $0 + $1.byteCount },
            dirtyByteCount: dirty.reduce(0) { $0 + $1.byteCount },
            isOverdue: try isOverdue(dirty, found.config, now), segments: Array(found.segments), end: found.end)
    }

    private func isTooYoung(_ segment: Segment, _ config: LogConfig, _ now: Int64) -> Bool {
        guard config.minCompactionLagMs > 0 else { return false }
        let (horizon, overflow) = now.subtractingReportingOverflow(config.minCompactionLagMs)
        let newest = segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.appendedAt
        return overflow || newest > horizon
    }

    /// Whether one of the segments began longer ago than `max.compaction.lag.ms`.
    private func isOverdue(
        _ segments: ArraySlice<Segment>, _ config: LogConfig, _ now: Int64
    ) throws(LogError) -> Bool {
        let (horizon, overflow) = now.subtractingReportingOverflow(config.maxCompactionLagMs)
        guard config.maxCompactionLagMs > 0, !overflow, horizon > 0 else { return false }
        for segment in segments where segment.byteCount > 0 {
            let file = try openForRead(segment)
            let first = try withWalk(segment, file, from: 0) { walk throws(LogError) in try walk.peek() }
            if let first, first.maxTimestamp > 0, first.maxTimestamp < horizon { return true }
        }
        return false
    }
}
