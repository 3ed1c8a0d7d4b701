internal import Glibc
internal import Synchronization

/// A thread that runs what it is given, one after another: where a library blocks, and where a value lives that only
/// one
/// thread may touch. Started with the first piece of work; ends after `end`.
final class WorkThread: Sendable {
    private struct State {
        var queue: [@Sendable () -> Void] = []
        var isRunning = false
        var isEnded = false
    }

    private let state = Mutex(State())
    private let wake: Semaphore

    init() { wake = Semaphore() }

    /// Runs `body` on the thread and waits for it without blocking the caller's.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            enqueue { continuation.resume(returning: body()) }
        }
    }

    /// The thread ends once what is queued is done. What comes later runs on a new one.
    func end() {
        let isRunning = state.withLock { state in
            guard state.isRunning else { return false }
            state.isEnded = true
            return true
        }
        if isRunning { wake.signal() }
    }

    private func enqueue(_ work: @escaping @Sendable () -> Void) {
        let mustStart = state.withLock { state in
            state.queue.append(work)
            state.isEnded = false
            guard !state.isRunning else { return false }
            state.isRunning = true
            return true
        }
        if mustStart { start() }
        wake.signal()
    }

    private func start() {
        let owner = Unmanaged.passRetained(self)
        var thread: pthread_t = 0
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<WorkThread>.fromOpaque(argument).takeRetainedValue().work() }
                return nil
            }, owner.toOpaque())
        precondition(result == 0, "cannot start a thread: \(String(cString: strerror(result)))")
        pthread_detach(thread)
    }

    private func takeNext() -> (@Sendable () -> Void)? {
        state.withLock { state -> (@Sendable () -> Void)? in
            state.queue.isEmpty ? nil : state.queue.removeFirst()
        }
    }

    private func work() {
        while true {
            wake.wait()
            while let next = takeNext() { next() }
            let isOver = state.withLock { state in
                guard state.isEnded, state.queue.isEmpty else { return false }
                state.isRunning = false
                return true
            }
            if isOver { return }
        }
    }

    /// A counting semaphore of the system.
    private final class Semaphore: @unchecked Sendable {
        // Invariant: the memory is set up by `init`, freed by `deinit` and in between only touched by the system's
        // calls,
        // which any thread may make.
        private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

        init() { sem_init(semaphore, 0, 0) }

        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }

        func signal() { sem_post(semaphore) }
        func wait() { while sem_wait(semaphore) != 0 {} }
    }
}
