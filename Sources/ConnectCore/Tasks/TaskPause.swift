import Synchronization

/// Waits of a task that end early when the task is cancelled or stopped.
package final class TaskPause: Sendable {
    private struct State {
        var isEnded = false
        var sleeper: Task<Void, Never>?
    }

    private let state = Mutex(State())

    package init() {}

    /// Whether `end` was called: every further wait returns at once.
    package var isEnded: Bool { state.withLock { $0.isEnded } }

    /// Waits for the time, or until `end`, or until the calling task is cancelled. One caller at a time.
    package func wait(_ duration: Duration) async {
        guard duration > .zero else { return }
        // The only task of its own: `end` comes from anywhere and has to find something to cancel. It is awaited below.
        let sleeper: Task<Void, Never>? = state.withLock {
            guard !$0.isEnded else { return nil }
            let sleeper = Task { _ = try? await Task.sleep(for: duration) }  // cancelled: the wait is over
            $0.sleeper = sleeper
            return sleeper
        }
        guard let sleeper else { return }
        await withTaskCancellationHandler {
            await sleeper.value
        } onCancel: {
            sleeper.cancel()
        }
        state.withLock { $0.sleeper = nil }
    }

    package func end() {
        let sleeper = state.withLock {
            $0.isEnded = true
            return $0.sleeper
        }
        sleeper?.cancel()
    }
}
