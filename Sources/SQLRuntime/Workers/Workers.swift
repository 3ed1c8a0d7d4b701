import Cluster
import Glibc
import NIOCore
import Synchronization

/// What a worker runs, a stretch of a few milliseconds at a time.
protocol WorkItem: AnyObject, Sendable {
    /// Does some work.
    ///
    /// - Returns: whether there is more to do at once.
    func work() -> Bool
}

/// One thread and the items that wait for it.
///
/// `@unchecked Sendable`: the queue is only touched with `mutex` held; POSIX mutexes and conditions are made for use by
/// several threads at a fixed address, which the pointers give.
final class Worker: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var queue: [any WorkItem] = []
    private var isStopped = false
    private var isAsleep = false

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Items are in the queue once at most: `Mailbox` sees to it.
    func add(_ item: any WorkItem) {
        pthread_mutex_lock(mutex)
        queue.append(item)
        let mustWake = isAsleep
        if mustWake { pthread_cond_signal(condition) }
        pthread_mutex_unlock(mutex)
    }

    /// Ends the thread after the item that it runs.
    func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// The thread's life.
    func run() {
        while let items = take() {
            for item in items where item.work() { add(item) }
        }
    }

    private func take() -> [any WorkItem]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while queue.isEmpty, !isStopped {
            isAsleep = true
            pthread_cond_wait(condition, mutex)
            isAsleep = false
        }
        if isStopped { return nil }
        defer { queue = [] }
        return queue
    }
}

/// The threads that all queries share.
final class Workers: Sendable {
    private let workers: [Worker]
    private let next = Atomic<Int>(0)

    init(count: Int) {
        workers = (0..<max(1, count)).map { _ in Worker() }
        for worker in workers {
            startThread { worker.run() }
        }
    }

    /// One of them, in turn.
    func assign() -> Worker {
        workers[next.wrappingAdd(1, ordering: .relaxed).oldValue % workers.count]
    }

    func stop() { for worker in workers { worker.stop() } }

    static var coreCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}

/// Messages for an item, and its place in a worker's queue: a message that finds the item at rest puts it there.
final class Mailbox<Message: Sendable>: Sendable {
    private struct State {
        var messages: [Message] = []
        /// In the queue, or at work.
        var isActive = false
    }

    private let state = Mutex(State())

    func post(_ message: Message, to item: any WorkItem, on worker: Worker) {
        let mustQueue = state.withLock { state -> Bool in
            state.messages.append(message)
            defer { state.isActive = true }
            return !state.isActive
        }
        if mustQueue { worker.add(item) }
    }

    /// The messages since the last call.
    func take() -> [Message] {
        state.withLock { state in
            defer { state.messages = [] }
            return state.messages
        }
    }

    /// The item has nothing more to do.
    ///
    /// - Returns: whether it may rest: no message has come meanwhile.
    func rest() -> Bool {
        state.withLock { state in
            guard state.messages.isEmpty else { return false }
            state.isActive = false
            return true
        }
    }
}
