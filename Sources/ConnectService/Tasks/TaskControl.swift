import Cluster
import Synchronization

/// What a task is told while it runs, and where it waits for that.
final class TaskControl: Sendable {
    private struct Inside {
        var isPaused: Bool
        var isStopping = false
        /// Ends what the task waits for at the moment.
        var interrupt: (@Sendable () -> Void)?
        /// Whether a pause ends it, too.
        var pauseInterrupts = true
    }
    private let inside: Mutex<Inside>
    let signal = Signal()

    init(isPaused: Bool) { inside = Mutex(Inside(isPaused: isPaused)) }

    var isPaused: Bool { inside.withLock { $0.isPaused } }
    /// Whether the task has to end; true as well once the surrounding task is cancelled.
    var isStopping: Bool { Task.isCancelled || inside.withLock { $0.isStopping } }

    func pause(_ isPaused: Bool) {
        let interrupt = inside.withLock { inside in
            inside.isPaused = isPaused
            return isPaused && inside.pauseInterrupts ? inside.interrupt : nil
        }
        interrupt?()
        signal.notify()
    }

    func stop() {
        let interrupt = inside.withLock { inside in
            inside.isStopping = true
            return inside.interrupt
        }
        interrupt?()
        signal.notify()
    }

    /// Runs `body`, which is cancelled when the task is to stop or to pause, while what surrounds it is not.
    ///
    /// - Parameter whenPaused: whether a pause cancels it.
    /// - Throws: what `body` throws; `CancellationError` when it was cancelled.
    func interruptible<Value: Sendable>(
        whenPaused: Bool = true, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let child = Task(operation: body)  // owned here: awaited below
        let isOver = inside.withLock { inside in
            inside.interrupt = { child.cancel() }
            inside.pauseInterrupts = whenPaused
            return inside.isStopping || (inside.isPaused && whenPaused)
        }
        if isOver { child.cancel() }
        defer { inside.withLock { $0.interrupt = nil } }
        return try await withTaskCancellationHandler {
            do {
                return try await child.value
            } catch {
                // Whatever a connector makes of it: what was called off has not failed.
                if child.isCancelled { throw CancellationError() }
                throw error
            }
        } onCancel: {
            child.cancel()
        }
    }

    /// Returns after `time`, earlier when the task is to stop.
    func sleep(_ time: Duration) async {
        let clock = ContinuousClock()
        let deadline = clock.now + time
        while !isStopping, clock.now < deadline {
            let generation = signal.generation
            if isStopping { return }
            await signal.wait(after: generation, timeout: clock.now.duration(to: deadline))
        }
    }
}
