import DequeModule
import NIOPosix
import Synchronization

/// Threads for work that blocks, whose number may change while they work.
///
/// NIO's pools have a number for good. So this one takes a further pool when it grows; when it shrinks some threads have
/// nothing to do. There are never more than it was ever asked for.
final class ThreadPool: Sendable {
    /// Is told whether it may begin, or the threads have ended.
    typealias Work = @Sendable (NIOThreadPool.WorkItemState) -> Void

    private struct Part {
        let pool: NIOThreadPool
        let threadCount: Int
        var busyCount = 0
    }

    private struct State {
        var parts: [Part]
        /// Threads that may work at a time.
        var threadCount: Int
        /// Threads that work, or have been told to.
        var busyCount = 0
        var waiting: Deque<Work> = []
        var isStopped = false

        /// Reserves a thread that has nothing to do.
        mutating func reserve() -> (part: Int, pool: NIOThreadPool)? {
            guard busyCount < threadCount, let part = parts.firstIndex(where: { $0.busyCount < $0.threadCount }) else {
                return nil
            }
            busyCount += 1
            parts[part].busyCount += 1
            return (part, parts[part].pool)
        }
    }
    private let state: Mutex<State>

    init(threadCount: Int) {
        let first = NIOThreadPool(numberOfThreads: threadCount)
        first.start()
        state = Mutex(State(parts: [Part(pool: first, threadCount: threadCount)], threadCount: threadCount))
    }

    /// Does `work` after what was submitted before, on one of the threads.
    func submit(_ work: @escaping Work) {
        let (isStopped, thread) = state.withLock { state -> (Bool, (part: Int, pool: NIOThreadPool)?) in
            guard !state.isStopped else { return (true, nil) }
            state.waiting.append(work)
            return (false, state.reserve())
        }
        if isStopped { work(.cancelled) }
        if let thread { start(thread) }
    }

    /// Lets `threadCount` threads work from now on. Those that are too many end with the work they have.
    func resize(to threadCount: Int) {
        let threads = state.withLock { state -> [(part: Int, pool: NIOThreadPool)] in
            guard !state.isStopped, threadCount > 0 else { return [] }
            state.threadCount = threadCount
            let missing = threadCount - state.parts.reduce(0) { $0 + $1.threadCount }
            if missing > 0 {
                let pool = NIOThreadPool(numberOfThreads: missing)
                pool.start()
                state.parts.append(Part(pool: pool, threadCount: missing))
            }
            var threads: [(part: Int, pool: NIOThreadPool)] = []
            while threads.count < state.waiting.count, let thread = state.reserve() { threads.append(thread) }
            return threads
        }
        for thread in threads { start(thread) }
    }

    /// Cancels the work that has not begun and returns when the other is done.
    func shutdownGracefully() async throws {
        let (pools, cancelled) = state.withLock { state -> ([NIOThreadPool], Deque<Work>) in
            state.isStopped = true
            defer { state.waiting = [] }
            return (state.parts.map(\.pool), state.waiting)
        }
        for work in cancelled { work(.cancelled) }
        for pool in pools { try await pool.shutdownGracefully() }
    }

    private func start(_ thread: (part: Int, pool: NIOThreadPool)) {
        thread.pool.submit { [self] poolState in
            // Else what waits has been cancelled.
            guard case .active = poolState else { return }
            while let work = next(thread.part) { work(.active) }
        }
    }

    /// What the thread does next; without anything it is free again.
    private func next(_ part: Int) -> Work? {
        state.withLock { state in
            if state.busyCount <= state.threadCount, let work = state.waiting.popFirst() { return work }
            state.busyCount -= 1
            state.parts[part].busyCount -= 1
            return nil
        }
    }
}
