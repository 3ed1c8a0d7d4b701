import Environment
import Synchronization

/// Which log to clean next, and up to where each was cleaned: `topics/cleaner-offset-checkpoint`, in Kafka's format.
extension LogDirectory {
    static let cleanerOffsetsName = "cleaner-offset-checkpoint"

    /// The log that needs cleaning most, for the caller alone until it calls `endCleaning`. Blocks on the disk.
    ///
    /// - Parameters:
    ///   - now: wall clock, milliseconds since 1970.
    ///   - excluded: partitions not to look at.
    ///   - failed: is told of logs of which it could not be found out.
    /// - Returns: nil when no log is due. The caller cleans the one it gets.
    package func beginCleaning(
        now: Int64, excluding excluded: Set<PartitionName> = [],
        failed: (PartitionName, LogError) -> Void = { _, _ in }
    ) -> CleaningPlan? {
        let candidates = state.withLock { state in
            state.logs.filter { !state.cleaning.contains($0.key) && !excluded.contains($0.key) }
        }
        var filthiest: CleaningPlan?
        for (name, log) in candidates.sorted(by: { $0.key < $1.key }) where log.config.compacts {
            do throws(LogError) {
                if let plan = try cleaningPlan(name, log, now: now), plan.isDue,
                    plan.dirtyRatio > filthiest?.dirtyRatio ?? -1
                {
                    filthiest = plan
                }
            } catch {
                // Deleted meanwhile is no failure.
                if error.code != .closed { failed(name, error) }
            }
        }
        guard let filthiest else { return nil }
        let isMine = state.withLock { $0.cleaning.insert(filthiest.name).inserted }
        return isMine ? filthiest : nil
    }

    /// What there is to clean in one log, due or not.
    package func cleaningPlan(_ name: PartitionName, _ log: PartitionLog, now: Int64) throws(LogError) -> CleaningPlan?
    {
        let (cleanedEnd, recoveryPoint) = state.withLock { state in
            (state.cleanedEnds[name], state.durableRecoveryPoints[name] ?? 0)
        }
        return try log.cleaningPlan(name, cleanedEnd: cleanedEnd, recoveryPoint: recoveryPoint, now: now)
    }

    /// The plan's log was cleaned as far as told, or not; it may be cleaned again.
    ///
    /// - Throws: when the checkpoint could not be written. The log is clean all the same, and the next start only cleans
    ///   a part of it once more.
    package func endCleaning(_ plan: CleaningPlan, _ statistics: CleaningStatistics?) throws(LogError) {
        let isChanged = state.withLock { state in
            state.cleaning.remove(plan.name)
            // A topic that was deleted meanwhile, perhaps with one of the same name in its place, has nothing clean.
            guard let statistics, state.logs[plan.name] === plan.log else { return false }
            state.cleanedEnds[plan.name] = statistics.cleanedEnd
            return true
        }
        if isChanged { try writeOffsets(Self.cleanerOffsetsName) }
    }

    /// Up to where a log was cleaned; nil when it never was.
    package func cleanedEnd(of name: PartitionName) -> Int64? { state.withLock { $0.cleanedEnds[name] } }
}
