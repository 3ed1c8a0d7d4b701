import NIOCore
import Synchronization

/// What came in, between the event loops that receive and the task that polls. Bounded: who reads sockets stops when it is
/// full and is called when there is room again; the senders of TCP wait then, datagrams wait in the kernel's buffer.
final class SyslogQueue: Sendable {
    struct Received: Sendable {
        var bytes: [UInt8]
        /// The address of the sender without its port.
        var sender: String?
        /// Milliseconds since 1970.
        var time: Int64
    }

    private struct State {
        var messages: [Received] = []
        var byteCount = 0
        var isStopped = false
        var waiter: CheckedContinuation<Void, Never>?
        var waiterNumber = 0
        /// Those who wait for room.
        var blocked: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    private let countMax: Int
    private let byteCountMax: Int

    init(countMax: Int, byteCountMax: Int) {
        self.countMax = countMax
        self.byteCountMax = byteCountMax
    }

    /// Takes messages also beyond its bound: those of one reading are never parted.
    func push(_ received: [Received]) {
        let waiter = state.withLock { state in
            state.messages += received
            state.byteCount += received.reduce(0) { $0 + $1.bytes.count }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// - Parameter then: called once, from any thread, when there is room again; not when there is room now.
    /// - Returns: whether there is room.
    func hasRoom(orElse then: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            if state.isStopped { return false }
            let isFull = state.messages.count >= countMax || state.byteCount >= byteCountMax
            if isFull { state.blocked.append(then) }
            return !isFull
        }
    }

    /// The oldest messages; waits for some.
    ///
    /// - Returns: nothing when none came in time, or after `stop`.
    func take(_ count: Int, waiting timeout: TimeAmount, on loop: any EventLoop) async -> [Received] {
        if let taken = takeNow(count) { return taken }
        let number = state.withLock {
            $0.waiterNumber += 1
            return $0.waiterNumber
        }
        let timer = loop.scheduleTask(in: timeout) { self.wake(number) }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if !state.messages.isEmpty || state.isStopped || state.waiterNumber != number || Task.isCancelled {
                        return true
                    }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            wake(number)
        }
        timer.cancel()
        return takeNow(count) ?? []
    }

    /// Ends a wait, also one that is about to begin.
    private func wake(_ number: Int) {
        let waiter = state.withLock { state in
            guard state.waiterNumber == number else { return nil as CheckedContinuation<Void, Never>? }
            state.waiterNumber += 1
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    private func takeNow(_ count: Int) -> [Received]? {
        let (taken, blocked) = state.withLock { state in
            guard !state.messages.isEmpty, !state.isStopped else {
                return (nil as [Received]?, [] as [@Sendable () -> Void])
            }
            let taken = Array(state.messages.prefix(count))
            state.messages.removeFirst(taken.count)
            state.byteCount -= taken.reduce(0) { $0 + $1.bytes.count }
            guard state.messages.count < countMax, state.byteCount < byteCountMax else { return (taken, []) }
            defer { state.blocked = [] }
            return (taken, state.blocked)
        }
        for call in blocked { call() }
        return taken
    }

    /// Ends waits; nothing is given any more, and nobody reads on.
    func end() {
        let waiter = state.withLock { state in
            state.isStopped = true
            state.blocked = []
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// - Returns: how many messages were left.
    func stop() -> Int {
        end()
        return state.withLock { state in
            defer { state.messages = [] }
            return state.messages.count
        }
    }
}
