import LogStorage
import NIOCore
import NIOPosix
import Observability
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// Group commit: forces partition logs to disk on disk threads, one force for all who wait.
///
/// While a log is being forced, further requests for it gather and share the next force; so the rate of forces follows
/// what the disk can do, and every producer waits for at most two of them. When many logs wait, one of the threads forces
/// all of them with one request to the device. What one force completes is answered together: the producers' next
/// requests then arrive together too, and share a force again.
final class SyncScheduler: Sendable {
    /// Called once, on a disk thread, with nil when the log is durable up to the offset, or with what failed. What it
    /// returns is sent together with the other answers of this force.
    typealias Completion = @Sendable (LogError?) -> PendingSend?

    /// Time for producers that were answered together to write again; small against a force.
    private static let lingerMicroseconds: UInt32 = 100

    private struct State {
        var waiters: [ObjectIdentifier: [(offset: Int64, completion: Completion)]] = [:]
        /// Logs with waiters that no thread is forcing, in the order they came.
        var queue: [Partition] = []
        /// Threads at work, and how many of them are forcing logs right now.
        var threadCount = 0
        var forcingCount = 0
        /// Threads that linger and then take what is queued.
        var lingeringCount = 0

        /// When so many logs are waited for, one thread at a time forces whatever has gathered; with few, each log has a
        /// thread of its own.
        var isCrowded: Bool { waiters.count >= LogDirectory.groupSyncCountMin }
    }
    private let directory: LogDirectory
    private let alarm: StorageAlarm
    private let pool: NIOThreadPool
    private let threadCountMax: Int
    private let durations: Histogram
    private let state = Mutex(State())

    /// - Parameter durations: gets the duration of each force, in nanoseconds.
    init(
        _ directory: LogDirectory, alarm: StorageAlarm, pool: NIOThreadPool, threadCountMax: Int, durations: Histogram
    ) {
        self.durations = durations
        self.directory = directory
        self.alarm = alarm
        self.pool = pool
        self.threadCountMax = threadCountMax
    }

    /// Calls `completion` when `partition`'s log is durable up to `offset` (exclusive).
    func sync(_ partition: Partition, upTo offset: Int64, completion: @escaping Completion) {
        let key = ObjectIdentifier(partition)
        let needsThread = state.withLock { state in
            // A log that has waiters already is queued or being forced, and looked at again afterwards.
            if state.waiters[key]?.append((offset, completion)) == nil {
                state.waiters[key] = [(offset, completion)]
                state.queue.append(partition)
            }
            // Each thread that lingers will take one of the queued.
            guard state.queue.count > state.lingeringCount,
                state.threadCount < (state.isCrowded ? 1 : threadCountMax)
            else { return false }
            state.threadCount += 1
            return true
        }
        guard needsThread else { return }
        pool.submit { [self] poolState in
            switch poolState {
            case .active: work()
            case .cancelled: refuseAll()
            }
        }
    }

    /// One thread's work: forces what is queued until nothing is.
    private func work() {
        while let partitions = take() {
            let results: [Result<Int64, LogError>]
            let began = NIODeadline.now()
            if partitions.count == 1 {
                let log = partitions[0].log
                results = [Result { () throws(LogError) in try log.sync() }]
            } else {
                results = directory.sync(partitions.map(\.log))
            }
            durations.record((.now() - began).nanoseconds)
            let answered = finish(partitions, results)
            // Those just answered are about to write again. Forcing what the first of them writes would make all the
            // others wait for the force after it.
            if answered > 1 && mayLinger(after: partitions.count) {
                usleep(Self.lingerMicroseconds)
                state.withLock { $0.lingeringCount -= 1 }
            }
        }
    }

    /// The logs to force next: one, or all that are queued when they are many. Nil ends the thread's work.
    private func take() -> [Partition]? {
        state.withLock { state in
            guard !state.queue.isEmpty, !(state.isCrowded && state.forcingCount > 0) else {
                // What is queued in a crowd is taken by the thread that is forcing now.
                state.threadCount -= 1
                return nil
            }
            state.forcingCount += 1
            if state.queue.count >= LogDirectory.groupSyncCountMin {
                defer { state.queue.removeAll(keepingCapacity: true) }
                return state.queue
            }
            return [state.queue.removeFirst()]
        }
    }

    /// Whether a thread that has just forced `count` logs may wait a moment without holding up others; it then counts as
    /// lingering.
    private func mayLinger(after count: Int) -> Bool {
        state.withLock { state in
            guard count > 1 || state.queue.count <= 1 else { return false }
            state.lingeringCount += 1
            return true
        }
    }

    /// Answers those whose records are durable, and queues the logs again for which others wait.
    ///
    /// - Returns: how many were answered.
    private func finish(_ partitions: [Partition], _ results: [Result<Int64, LogError>]) -> Int {
        for case .failure(let error) in results { alarm.note(error) }
        var done: [(completion: Completion, failure: LogError?)] = []
        state.withLock { state in
            state.forcingCount -= 1
            for (partition, result) in zip(partitions, results) {
                let key = ObjectIdentifier(partition)
                var left: [(offset: Int64, completion: Completion)] = []
                for waiter in state.waiters[key] ?? [] {
                    switch result {
                    case .success(let durableEnd) where waiter.offset > durableEnd: left.append(waiter)
                    case .success: done.append((waiter.completion, nil))
                    case .failure(let error): done.append((waiter.completion, error))
                    }
                }
                if left.isEmpty {
                    state.waiters[key] = nil
                } else {
                    state.waiters[key] = left
                    state.queue.append(partition)
                }
            }
        }
        PendingSend.send(done.compactMap { $0.completion($0.failure) })
        return done.count
    }

    /// The pool stops: nobody must take what was not forced for durable.
    private func refuseAll() {
        let waiters = state.withLock { state in
            defer { state = State() }
            return state.waiters.values.flatMap { $0 }
        }
        let failure = LogError(.closed, "the broker stops")
        PendingSend.send(waiters.compactMap { $0.completion(failure) })
    }
}
