import Synchronization

/// How far a log has been executed, for those who wait for a place in it.
final class Progress: Sendable {
    private struct Inside {
        var reached: Int64 = 0
        var waiters: [Int: (target: Int64, continuation: CheckedContinuation<Bool, Never>)] = [:]
        var nextID = 0
        var isClosed = false
    }

    private let inside = Mutex(Inside())

    /// The next offset that is not executed.
    var reached: Int64 { inside.withLock { $0.reached } }

    func advance(to offset: Int64) {
        let done = inside.withLock { inside -> [CheckedContinuation<Bool, Never>] in
            inside.reached = max(inside.reached, offset)
            let ids = inside.waiters.filter { $0.value.target <= inside.reached }.keys
            return ids.compactMap { inside.waiters.removeValue(forKey: $0)?.continuation }
        }
        for continuation in done { continuation.resume(returning: true) }
    }

    /// The log begins anew.
    func reset() { inside.withLock { $0.reached = 0 } }

    /// Ends all waits with false.
    func close() {
        let all = inside.withLock { inside -> [CheckedContinuation<Bool, Never>] in
            inside.isClosed = true
            defer { inside.waiters = [:] }
            return inside.waiters.values.map(\.continuation)
        }
        for continuation in all { continuation.resume(returning: false) }
    }

    /// - Returns: whether everything before `target` was executed within `limit`.
    func wait(for target: Int64, limit: Duration) async -> Bool {
        if reached >= target { return true }
        let id = inside.withLock { inside in
            inside.nextID += 1
            return inside.nextID
        }
        // Ended below, when the wait is over.
        let timer = Mutex<Task<Void, Never>?>(nil)
        let result = await withCheckedContinuation { continuation in
            let outcome = inside.withLock { inside -> Bool? in
                if inside.reached >= target { return true }
                if inside.isClosed { return false }
                inside.waiters[id] = (target, continuation)
                return nil
            }
            if let outcome { return continuation.resume(returning: outcome) }
            let task = Task {
                do { try await Task.sleep(for: limit) } catch { return }
                self.inside.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume(returning: false)
            }
            timer.withLock { $0 = task }
        }
        timer.withLock { $0 }?.cancel()
        return result
    }
}

/// Lets one task at a time through, in the order they came.
final class Turn: Sendable {
    private struct Inside {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let inside = Mutex(Inside())

    func take() async {
        await withCheckedContinuation { continuation in
            let isMine = inside.withLock { inside -> Bool in
                guard inside.isTaken else {
                    inside.isTaken = true
                    return true
                }
                inside.waiting.append(continuation)
                return false
            }
            if isMine { continuation.resume() }
        }
    }

    func giveBack() {
        let next = inside.withLock { inside -> CheckedContinuation<Void, Never>? in
            guard inside.waiting.isEmpty else { return inside.waiting.removeFirst() }
            inside.isTaken = false
            return nil
        }
        next?.resume()
    }
}
