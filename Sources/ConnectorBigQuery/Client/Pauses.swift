import ConnectCore
import HTTPCalls
import Synchronization

/// Pauses of several requests at once, all of which end when the task is stopped.
final class Pauses: Sendable {
    private struct State {
        var isEnded = false
        var open: [Int: TaskPause] = [:]
        var nextID = 0
    }

    private let state = Mutex(State())

    /// - Throws: `.retriable` when the task is stopped meanwhile.
    func wait(_ duration: Duration) async throws(ConnectError) {
        let pause = TaskPause()
        let id: Int? = state.withLock {
            guard !$0.isEnded else { return nil }
            $0.nextID += 1
            $0.open[$0.nextID] = pause
            return $0.nextID
        }
        if let id {
            await pause.wait(duration)
            state.withLock { $0.open[id] = nil }
        }
        guard !state.withLock({ $0.isEnded }), !Task.isCancelled else {
            throw ConnectError(.retriable, "The task was stopped while a request was to be sent again")
        }
    }

    func end() {
        let open = state.withLock {
            $0.isEnded = true
            return Array($0.open.values)
        }
        for pause in open { pause.end() }
    }
}
