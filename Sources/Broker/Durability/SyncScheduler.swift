import Cluster
import LogStorage
import NIOCore
import NIOPosix
import Observability
import Synchronization

/// Group commit: forces partition logs to disk on disk threads, one force for all who wait.
///
/// While a log is being forced, further requests for it gather and share the next force; so the rate of forces follows
/// what the disk can do, and every producer waits for at most two of them. When many logs wait, one of the threads forces
/// all of them with one request to the device. What one force completes is answered together, and the next force begins
/// when the producers have written again, all of whose requests then share it; without that, those in flight would part
/// into two groups that wait for each other's forces.
final class SyncScheduler: Sendable {
    /// Called once, on a disk thread, with nil when the log is durable up to the offset, or with what failed. What it
    /// returns is sent together with the other answers of this force.
    typealias Completion = @Sendable (LogError?) -> PendingSend?

    /// A thread that waits for those it has answered to write again.
    private final class Lingering: Sendable {
        /// The log that was forced; nil when many were, whose thread is the only one.
        private let log: ObjectIdentifier?
        let answeredCount: Int
        /// Woken when as many requests have come. Not a semaphore of Dispatch: that waits for a time of day, and as much
        /// longer as the clock is set back meanwhile.
        let thread = BlockedThread()

        init(_ log: ObjectIdentifier?, answeredCount: Int) {
            self.log = log
            self.answeredCount = answeredCount
        }

        /// Whether it is this thread that forces `log` next.
        func takes(_ log: ObjectIdentifier) -> Bool { self.log == nil || self.log == log }
    }

    private struct State {
        var waiters: [ObjectIdentifier: [(offset: Int64, completion: Completion)]] = [:]
        /// Logs with waiters that no thread is forcing, in the order they came.
        var queue: [Partition] = []
        var threadCountMax: Int
        /// Threads at work, and how many of them are forcing logs right now.
        var threadCount = 0
        var forcingCount = 0
        /// Threads that linger and then take what is queued, with how many requests each still waits for.
        var lingering: [(who: Lingering, missing: Int)] = []
        /// Producers that do not come back soon are not waited for: after each time in vain twice as many forces begin
        /// at once.
        var vainCount = 0
        var skipCount = 0

        /// Counts a request as one of those that the thread which forces its log next waits for.
        ///
        /// - Returns: the threads for which it was the last; to be woken when the lock is free again.
        mutating func noteRequest(for log: ObjectIdentifier) -> [Lingering] {
            var ready: [Lingering] = []
            for index in lingering.indices where lingering[index].who.takes(log) {
                lingering[index].missing -= 1
                if lingering[index].missing == 0 { ready.append(lingering[index].who) }
            }
            return ready
        }

        /// Notes a thread that has answered some and is to wait for them, unless nobody shares their forces, another log
        /// waits for this thread, or such waits were in vain.
        mutating func startLingering(on partitions: [Partition], answered: Int, left: Int) -> Lingering? {
            guard answered > 0, answered + left > 1 else { return nil }
            guard partitions.count > 1 || queue.allSatisfy({ $0 === partitions[0] }) else { return nil }
            guard skipCount == 0 else {
                skipCount -= 1
                return nil
            }
            let who = Lingering(
                partitions.count > 1 ? nil : ObjectIdentifier(partitions[0]), answeredCount: answered)
            lingering.append((who, answered))
            return who
        }

        /// Whether a queued log will be taken by a thread that lingers.
        func isAwaited(_ partition: Partition) -> Bool {
            lingering.contains { $0.who.takes(ObjectIdentifier(partition)) }
        }

        /// When so many logs are waited for, one thread at a time forces whatever has gathered; with few, each log has a
        /// thread of its own.
        var isCrowded: Bool { waiters.count >= LogDirectory.groupSyncCountMin }
    }
    /// Pause after a force for which there were too many open files.
    private static let retryDelay = Duration.milliseconds(100)

    private let directory: LogDirectory
    private let alarm: StorageAlarm
    private let pool: ThreadPool
    private let durations: Histogram
    private let patience: ClosedRange<TimeAmount>
    private let state: Mutex<State>

    /// - Parameters:
    ///   - durations: gets the duration of each force, in nanoseconds.
    ///   - patience: a force waits for the requests of those just answered as long as the last one took, within this.
    init(
        _ directory: LogDirectory, alarm: StorageAlarm, pool: ThreadPool, threadCountMax: Int, durations: Histogram,
        patience: ClosedRange<TimeAmount> = .microseconds(100)...(.milliseconds(2))
    ) {
        self.durations = durations
        self.patience = patience
        self.directory = directory
        self.alarm = alarm
        self.pool = pool
        state = Mutex(State(threadCountMax: threadCountMax))
    }

    /// Lets so many threads of the pool force logs at a time from now on.
    func limit(threadCount: Int) { state.withLock { $0.threadCountMax = threadCount } }

    /// Calls `completion` when `partition`'s log is durable up to `offset` (exclusive).
    func sync(_ partition: Partition, upTo offset: Int64, completion: @escaping Completion) {
        let key = ObjectIdentifier(partition)
        let (ready, needsThread) = state.withLock { state -> ([Lingering], Bool) in
            // A log that has waiters already is queued or being forced, and looked at again afterwards.
            if state.waiters[key]?.append((offset, completion)) == nil {
                state.waiters[key] = [(offset, completion)]
                state.queue.append(partition)
            }
            let ready = state.noteRequest(for: key)
            guard state.threadCount < (state.isCrowded ? 1 : state.threadCountMax),
                state.queue.contains(where: { !state.isAwaited($0) })
            else { return (ready, false) }
            state.threadCount += 1
            return (ready, true)
        }
        for lingering in ready { lingering.thread.wake() }
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
            let took = NIODeadline.now() - began
            durations.record(took.nanoseconds)
            if results.contains(where: \.isPassingFailure) { BlockedThread().wait(Self.retryDelay) }
            if let lingering = finish(partitions, results) {
                linger(lingering, for: min(max(took, patience.lowerBound), patience.upperBound))
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
            if state.queue.count >= LogDirectory.groupSyncCountMin {
                state.forcingCount += 1
                defer { state.queue.removeAll(keepingCapacity: true) }
                return state.queue
            }
            guard let index = state.queue.firstIndex(where: { !state.isAwaited($0) }) else {
                state.threadCount -= 1
                return nil
            }
            state.forcingCount += 1
            return [state.queue.remove(at: index)]
        }
    }

    /// Waits until those that were answered have written again, or for `patience`.
    private func linger(_ lingering: Lingering, for patience: TimeAmount) {
        lingering.thread.wait(.nanoseconds(patience.nanoseconds))
        state.withLock { state in
            guard let index = state.lingering.firstIndex(where: { $0.who === lingering }) else { return }
            let missing = state.lingering.remove(at: index).missing
            if missing * 2 > lingering.answeredCount {
                state.vainCount = min(state.vainCount + 1, 6)
                state.skipCount = 1 << state.vainCount
            } else {
                state.vainCount = 0
            }
        }
    }

    /// Answers those whose records are durable, and queues the logs again for which others wait.
    ///
    /// - Returns: set when the thread is to wait for those it has answered. A producer that waits alone is never made to
    ///   wait for others.
    private func finish(_ partitions: [Partition], _ results: [Result<Int64, LogError>]) -> Lingering? {
        for case .failure(let error) in results { alarm.note(error) }
        var done: [(completion: Completion, failure: LogError?)] = []
        let lingering = state.withLock { state in
            state.forcingCount -= 1
            var leftCount = 0
            for (partition, result) in zip(partitions, results) {
                let key = ObjectIdentifier(partition)
                var left: [(offset: Int64, completion: Completion)] = []
                for waiter in state.waiters[key] ?? [] {
                    switch result {
                    case .success(let durableEnd) where waiter.offset > durableEnd: left.append(waiter)
                    case .success: done.append((waiter.completion, nil))
                    // Who waits for a disk that has lost nothing need not know of it.
                    case .failure(let error) where error.isPassing: left.append(waiter)
                    case .failure(let error): done.append((waiter.completion, error))
                    }
                }
                if left.isEmpty {
                    state.waiters[key] = nil
                } else {
                    state.waiters[key] = left
                    state.queue.append(partition)
                    leftCount += left.count
                }
            }
            return state.startLingering(on: partitions, answered: done.count, left: leftCount)
        }
        PendingSend.send(done.compactMap { $0.completion($0.failure) })
        return lingering
    }

    /// The pool stops: nobody must take what was not forced for durable.
    private func refuseAll() {
        let waiters = state.withLock { state in
            defer { state = State(threadCountMax: state.threadCountMax) }
            return state.waiters.values.flatMap { $0 }
        }
        let failure = LogError(.closed, "the broker stops")
        PendingSend.send(waiters.compactMap { $0.completion(failure) })
    }
}

extension Result<Int64, LogError> {
    fileprivate var isPassingFailure: Bool {
        if case .failure(let error) = self { error.isPassing } else { false }
    }
}
