internal import Glibc
internal import Synchronization

/// How another thread ends what a connection is waiting for: for now (`interrupt`), or for good (`stop`). The connection
/// is of no use afterwards.
final class QueryStop: Sendable {
    private struct State {
        var action: (@Sendable () -> Void)?
        /// A second number of the connection's socket; drivers close theirs when they lose the connection, and give it
        /// to whoever opens something next.
        var socket: Int32?
        var isStopped = false
        var isInterrupted = false
        /// The armed connection was shut down.
        var isBroken = false

        mutating func end() {
            guard let action else { return }
            if let socket { shutdown(socket, Int32(SHUT_RDWR)) }
            action()
            isBroken = true
            disarm()
        }

        mutating func disarm() {
            action = nil
            if let number = socket { close(number) }
            socket = nil
        }
    }

    private let state = Mutex(State())

    deinit { disarm() }

    var isStopped: Bool { state.withLock { $0.isStopped } }

    /// Whether what runs at the moment has to end.
    var isEnding: Bool { state.withLock { $0.isStopped || $0.isInterrupted } }

    /// Whether the connection was shut down since it was armed.
    var isBroken: Bool { state.withLock { $0.isBroken } }

    /// - Parameters:
    ///   - socket: the connection's, which is shut down.
    ///   - action: what else ends what the connection waits for; is called at most once, never after `disarm`, and must
    ///     not block.
    func arm(socket: Int32, _ action: @escaping @Sendable () -> Void) {
        state.withLock { state in
            state.disarm()
            state.isBroken = false
            let copy = fcntl(socket, F_DUPFD_CLOEXEC, 0)
            // Without a number to spare only `action` is left.
            state.socket = copy >= 0 ? copy : nil
            state.action = action
            if state.isStopped || state.isInterrupted { state.end() }
        }
    }

    /// The connection is about to be closed.
    func disarm() {
        state.withLock { state in
            state.disarm()
            state.isBroken = false
        }
    }

    /// Ends what runs at the moment; what `resume` lets begin afterwards is left alone.
    func interrupt() {
        state.withLock { state in
            state.isInterrupted = true
            state.end()
        }
    }

    /// Something new begins, which no earlier interrupt is meant for.
    func resume() { state.withLock { $0.isInterrupted = false } }

    func stop() {
        state.withLock { state in
            state.isStopped = true
            state.end()
        }
    }
}
