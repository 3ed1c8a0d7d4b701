import Environment
package import LogStorage
import Logging
import NIOCore
import NIOPosix
import RecordBatches
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// Cleans compacted topics, the dirtiest log first, on threads of low priority of its own (`log.cleaner.threads`).
///
/// A log that fails is told in the broker's log and left alone for a while; the others go on.
package final class Compactor: Sendable {
    /// How long a log that failed is left alone.
    private static let pauseMs: Int64 = 600_000
    /// Added to the priority of the rest of the process (nice(2)): requests come first where they compete.
    private static let niceness: Int32 = 10
    /// How often it looks whether `log.cleaner.backoff.ms`, which may change, is over; more often where that is less.
    private static let tickMsMax: Int64 = 1000

    private struct State {
        var metrics = CompactionMetrics()
        /// Logs that failed, and when they are tried again.
        var uncleanable: [PartitionName: Int64] = [:]
        /// Cleaner threads at work.
        var running = 0
        /// When it was last looked for work, in nanoseconds of the clock.
        var wokenAt: Int64 = 0
    }

    private let node: BrokerNode
    private let pool: ThreadPool
    private let throttle: Throttle
    private let state = Mutex(State())
    private let isStopping = Atomic<Bool>(false)
    private let task = Mutex<RepeatedTask?>(nil)

    init(_ node: BrokerNode, pool: ThreadPool, clock: any MonotonicClock = SystemMonotonicClock()) {
        self.node = node
        self.pool = pool
        throttle = Throttle(clock)
    }

    /// What was done so far.
    package var metrics: CompactionMetrics {
        state.withLock { state in
            var metrics = state.metrics
            metrics.uncleanablePartitions = state.uncleanable.keys.sorted()
            return metrics
        }
    }

    func start(on eventLoop: any EventLoop) {
        guard node.controller.server.flag("log.cleaner.enable") else {
            return node.logger.warning("log.cleaner.enable=false: compacted topics grow without bound")
        }
        let tickMs = min(Self.tickMsMax, max(1, node.controller.server.number("log.cleaner.backoff.ms")))
        state.withLock { $0.wokenAt = throttle.clock.now() }
        let interval = TimeAmount.milliseconds(tickMs)
        let repeated = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] _ in
            if isDue(tickMs: tickMs) { wake() }
        }
        task.withLock { $0 = repeated }
    }

    /// Whether the backoff since the last look is over, at the tick that is nearest to its end.
    private func isDue(tickMs: Int64) -> Bool {
        let backoffMs = node.controller.server.number("log.cleaner.backoff.ms")
        return state.withLock { state in
            let now = throttle.clock.now()
            guard (now - state.wokenAt) / 1_000_000 >= backoffMs - tickMs / 2 else { return false }
            state.wokenAt = now
            return true
        }
    }

    /// Sets the threads to work that are not; each goes on while there is something to clean.
    private func wake() {
        let threadCount = Int(node.controller.server.number("log.cleaner.threads"))
        let idle = state.withLock { state in
            let idle = max(0, threadCount - state.running)
            state.running += idle
            return idle
        }
        for _ in 0..<idle {
            pool.submit { [self] poolState in
                if case .active = poolState { run(threadCount: threadCount) }
                state.withLock { $0.running -= 1 }
            }
        }
    }

    /// Ends the work under way before its next step. The threads are the owner's to stop.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        task.withLock { task in
            task?.cancel()
            task = nil
        }
    }

    private func run(threadCount: Int) {
        // On Linux 0 is the calling thread, which does nothing else. If it is not permitted, the work is as urgent as any.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        var cleaner: LogCleaner?
        while !isStopping.load(ordering: .acquiring) {
            let now = node.clock.now()
            let resting = state.withLock { state in
                state.uncleanable = state.uncleanable.filter { $0.value > now }
                return Set(state.uncleanable.keys)
            }
            guard let plan = node.directory.beginCleaning(now: now, excluding: resting, failed: note) else { return }
            // Memory is taken when there is work, and given back after it.
            let current = cleaner ?? LogCleaner(settings(threadCount: threadCount))
            cleaner = current
            if !clean(plan, current) { return }
        }
    }

    private func settings(threadCount: Int) -> CleanerSettings {
        let server = node.controller.server
        var settings = CleanerSettings()
        settings.dedupeBufferByteCount = Int(server.number("log.cleaner.dedupe.buffer.size")) / threadCount
        settings.ioBufferByteCount = Int(server.number("log.cleaner.io.buffer.size")) / threadCount
        settings.loadFactor = Double(server.text("log.cleaner.io.buffer.load.factor")) ?? settings.loadFactor
        return settings
    }

    /// `log.cleaner.io.max.bytes.per.second`; nil without limit.
    private var bytesPerSecond: Int64? {
        let rate = Double(node.controller.server.text("log.cleaner.io.max.bytes.per.second")) ?? .infinity
        return rate < 1e15 ? max(1, Int64(rate)) : nil
    }

    /// - Returns: whether to look for more at once.
    private func clean(_ plan: CleaningPlan, _ cleaner: LogCleaner) -> Bool {
        let started = throttle.clock.now()
        var statistics: CleaningStatistics?
        var failure: LogError?
        let rules = node.catalog.topic(named: plan.name.topic)?.config.rules
        do throws(LogError) {
            statistics = try cleaner.clean(
                plan, now: node.clock.now(), decompressedByteCountMax: rules?.decompressedByteCountMax ?? 0
            ) { [self] byteCount in
                throttle.wait(byteCount, limit: bytesPerSecond) {
                    isStopping.load(ordering: .acquiring)
                }
                return !isStopping.load(ordering: .acquiring)
            }
        } catch {
            failure = error
        }
        do throws(LogError) { try node.directory.endCleaning(plan, statistics) } catch { failure = failure ?? error }
        if let statistics {
            note(plan, statistics, nanoseconds: throttle.clock.now() - started)
        }
        guard let failure else { return true }
        switch failure.code {
        case .closed:
            // Deleted, changed or ended under the cleaner: nothing is wrong with it.
            return true
        case .diskFull, .failed:
            // Of the disk, not of the log: all would fail now.
            node.alarm.note(failure)
            return false
        default:
            note(plan.name, failure)
            return true
        }
    }

    private func note(_ plan: CleaningPlan, _ statistics: CleaningStatistics, nanoseconds: Int64) {
        state.withLock { state in
            state.metrics.add(statistics, nanoseconds: nanoseconds, dirtyRatio: plan.dirtyRatio, now: node.clock.now())
        }
        node.logger.debug(
            "cleaned a compacted partition",
            metadata: [
                "partition": "\(plan.name)", "cleanedEnd": "\(statistics.cleanedEnd)",
                "recordsRead": "\(statistics.readRecordCount)", "recordsKept": "\(statistics.keptRecordCount)",
                "bytesRead": "\(statistics.mapByteCount + statistics.readByteCount)",
                "bytesWritten": "\(statistics.writtenByteCount)", "ms": "\(nanoseconds / 1_000_000)",
            ])
    }

    /// Tells that a log cannot be cleaned, and leaves it alone for a while.
    private func note(_ name: PartitionName, _ failure: LogError) {
        state.withLock { state in
            state.uncleanable[name] = node.clock.now() + Self.pauseMs
            state.metrics.failureCount += 1
        }
        node.logger.error(
            "a compacted partition cannot be cleaned; it is tried again later",
            metadata: ["partition": "\(name)", "error": "\(failure)"])
    }
}

/// What cleaning has done since the broker started; counts only grow.
package struct CompactionMetrics: Sendable, Equatable {
    /// Cleanings that came to their end, and those that failed.
    package var runCount: Int64 = 0
    package var failureCount: Int64 = 0
    package var readByteCount: Int64 = 0
    package var writtenByteCount: Int64 = 0
    package var readRecordCount: Int64 = 0
    package var keptRecordCount: Int64 = 0
    /// Of the last cleaning: how long it took, how dirty the log was, how many keys it had, when it ended in milliseconds
    /// since 1970.
    package var lastNanoseconds: Int64 = 0
    package var lastDirtyRatio = 0.0
    package var lastKeyCount: Int64 = 0
    package var lastEndedAt: Int64?
    /// Partitions that failed and are tried again later.
    package var uncleanablePartitions: [PartitionName] = []

    fileprivate mutating func add(
        _ statistics: CleaningStatistics, nanoseconds: Int64, dirtyRatio: Double, now: Int64
    ) {
        runCount += 1
        readByteCount += Int64(statistics.mapByteCount + statistics.readByteCount)
        writtenByteCount += Int64(statistics.writtenByteCount)
        readRecordCount += Int64(statistics.readRecordCount)
        keptRecordCount += Int64(statistics.keptRecordCount)
        lastNanoseconds = nanoseconds
        lastDirtyRatio = dirtyRatio
        lastKeyCount = Int64(statistics.keyCount)
        lastEndedAt = now
    }
}

/// Lets the bytes of all cleaner threads together stay below a rate (`log.cleaner.io.max.bytes.per.second`).
private final class Throttle: Sendable {
    /// A wait is cut into such pieces, so that a stop does not wait for it.
    private static let pieceMax: Int64 = 100_000_000

    let clock: any MonotonicClock
    /// When what was let through so far is paid for, in nanoseconds of the clock.
    private let paidAt = Mutex<Int64>(.min)

    init(_ clock: any MonotonicClock) { self.clock = clock }

    /// Waits until `byteCount` more bytes are within the limit, or `isOver` says that it is not wanted any more.
    func wait(_ byteCount: Int, limit bytesPerSecond: Int64?, isOver: () -> Bool) {
        guard let bytesPerSecond else { return }
        let now = clock.now()
        let due = paidAt.withLock { paidAt in
            let (cost, overflow) = Int64(byteCount).multipliedReportingOverflow(by: 1_000_000_000)
            paidAt = max(paidAt, now) + (overflow ? 1_000_000_000 : cost / bytesPerSecond)
            return paidAt
        }
        var left = due - now
        while left > 0, !isOver() {
            usleep(UInt32(clamping: min(left, Self.pieceMax) / 1000 + 1))
            left = due - clock.now()
        }
    }
}
