internal import Glibc
internal import Synchronization

/// What other threads may touch: the socket while it is open.
final class SocketHandle: Sendable {
    private struct State {
        var descriptor: Int32?
        var isInterrupted = false
    }

    private let socket = Mutex(State())

    func open(_ descriptor: Int32) {
        socket.withLock { state in
            state.descriptor = descriptor
            if state.isInterrupted { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    func close() { socket.withLock { $0.descriptor = nil } }

    /// Ends what the connection waits for, now or later; the connection is of no use afterwards.
    func interrupt() {
        socket.withLock { state in
            state.isInterrupted = true
            if let descriptor = state.descriptor { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }
}
