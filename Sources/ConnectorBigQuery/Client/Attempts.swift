import Synchronization

/// How often requests have failed in a way that may pass, and how long to wait for the next attempt.
///
/// It does not wait: the worker does, between two calls of `put`, and ends that when the task is to stop or loses partitions.
/// A task hears of neither while it is in `put`.
final class Attempts: Sendable {
    private struct State {
        /// By request, in calls of `put` before this one.
        var failureCounts: [String: Int] = [:]
        /// In this one.
        var failed: Set<String> = []
        var pause = Duration.zero
        var isOver = false
    }

    private let state = Mutex(State())

    /// - Parameter request: a name by which requests of the same kind count together.
    /// - Returns: how often it has failed in a row before.
    func failureCount(_ request: String) -> Int { state.withLock { $0.failureCounts[request] ?? 0 } }

    func succeed(_ request: String) { state.withLock { $0.failureCounts[request] = nil } }

    /// Another attempt should come after the pause.
    func fail(_ request: String, pause: Duration) {
        state.withLock {
            $0.failed.insert(request)
            $0.pause = max($0.pause, pause)
        }
    }

    /// A request has failed as often as it may.
    func giveUp() { state.withLock { $0.isOver = true } }

    /// Ends a call of `put`.
    ///
    /// - Returns: how long to wait for the next; nil when no request is to be sent again, or one has failed too often.
    func endRound() -> Duration? {
        state.withLock { state in
            let pause = state.isOver || state.failed.isEmpty ? nil : state.pause
            // Requests that several rows need at once fail once.
            if state.isOver {
                state.failureCounts = [:]
            } else {
                for request in state.failed { state.failureCounts[request, default: 0] += 1 }
            }
            state.failed = []
            state.pause = .zero
            state.isOver = false
            return pause
        }
    }

    func forgetAll() { state.withLock { $0 = State() } }
}
