import Synchronization

/// The state as many threads ask it and one changes it, and a place to wait for it to get somewhere.
final class StateHolder: Sendable {
    private struct Inside {
        var state = RegistryState()
        var waiters: [(position: Int64, waiter: Waiter)] = []
    }
    private let inside = Mutex(Inside())

    /// Asks the state. `body` is short: it holds up everybody else.
    func read<Answer, Failure: Error>(_ body: (RegistryState) throws(Failure) -> Answer) throws(Failure) -> Answer {
        let result: Result<Answer, Failure> = inside.withLock { inside in
            do throws(Failure) { return .success(try body(inside.state)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Changes the state; wakes who waits for what it has reached.
    func change(_ body: (inout RegistryState) -> Void) {
        let ready = inside.withLock { inside -> [Waiter] in
            body(&inside.state)
            let position = inside.state.position
            let ready = inside.waiters.filter { $0.position <= position }.map(\.waiter)
            inside.waiters.removeAll { $0.position <= position }
            return ready
        }
        for waiter in ready { waiter.finish(true) }
    }

    /// Waits until all records before `position` are applied.
    ///
    /// - Returns: false when that took longer than `limit`.
    func wait(for position: Int64, limit: Duration) async -> Bool {
        let waiter = Waiter()
        let isThere = inside.withLock { inside -> Bool in
            if inside.state.position >= position { return true }
            inside.waiters.append((position, waiter))
            return false
        }
        if isThere { return true }
        return await waiter.value(limit: limit)
    }
}

/// A question with one answer: yes in time, or no.
final class Waiter: Sendable {
    private enum State {
        case open
        case waiting(CheckedContinuation<Bool, Never>)
        case done(Bool)
    }
    private let state = Mutex(State.open)

    func finish(_ value: Bool) {
        let continuation = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            switch state {
            case .done: return nil
            case .open:
                state = .done(value)
                return nil
            case .waiting(let continuation):
                state = .done(value)
                return continuation
            }
        }
        continuation?.resume(returning: value)
    }

    func value(limit: Duration) async -> Bool {
        // Owned here: it ends with the answer or is cancelled by it.
        let timer = Task {
            do { try await Task.sleep(for: limit) } catch { return }
            finish(false)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            let value = state.withLock { state -> Bool? in
                if case .done(let value) = state { return value }
                state = .waiting(continuation)
                return nil
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
