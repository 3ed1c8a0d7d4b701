internal import Synchronization

/// How another thread ends what a connection is waiting for. The connection is of no use afterwards.
final class QueryStop: Sendable {
    private struct State {
        var action: (@Sendable () -> Void)?
        var isStopped = false
    }

    private let state = Mutex(State())

    var isStopped: Bool { state.withLock { $0.isStopped } }

    /// - Parameter action: ends what the connection waits for; is called at most once, never after `disarm`, and must
    ///   not block.
    func arm(_ action: @escaping @Sendable () -> Void) {
        state.withLock { state in
            if state.isStopped { action() } else { state.action = action }
        }
    }

    /// The connection is about to be closed.
    func disarm() { state.withLock { $0.action = nil } }

    func stop() {
        state.withLock { state in
            state.isStopped = true
            state.action?()
            state.action = nil
        }
    }
}
