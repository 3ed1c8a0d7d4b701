import Synchronization

/// Counts the memory of requests that are still arriving, over all connections, against `queued.max.request.bytes`.
///
/// Small frames are not counted: their connection's bound is enough. A large one is counted whole before its bytes are
/// read, so that connections cannot each hold a part of the budget and wait for one another. A connection that finds
/// no room stops reading and is called back.
package final class RequestMemory: Sendable {
    /// Frames up to this size need no reservation.
    package static let uncountedByteCountMax = 256 << 10

    private struct State {
        var free: Int
        var waiting: [(byteCount: Int, resume: @Sendable () -> Void)] = []
    }
    private let budget: Int
    private let state: Mutex<State>

    package init(budget: Int) {
        self.budget = budget
        state = Mutex(State(free: budget))
    }

    /// Bytes that are reserved, and connections that wait for some.
    package var usage: (byteCount: Int, waitingCount: Int) { state.withLock { (budget - $0.free, $0.waiting.count) } }

    /// Takes `byteCount` from the budget, or calls `resume` once it did. A frame larger than the whole budget gets it all.
    ///
    /// - Returns: whether the bytes are reserved now.
    package func reserve(_ byteCount: Int, resume: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            let wanted = min(byteCount, budget)
            if state.waiting.isEmpty && state.free >= wanted {
                state.free -= wanted
                return true
            }
            state.waiting.append((wanted, resume))
            return false
        }
    }

    /// Gives back what was reserved for a frame of `byteCount` and lets waiting connections go on in their order.
    package func release(_ byteCount: Int) {
        let ready = state.withLock { state in
            state.free += min(byteCount, budget)
            var ready: [@Sendable () -> Void] = []
            while let first = state.waiting.first, first.byteCount <= state.free {
                state.free -= first.byteCount
                ready.append(first.resume)
                state.waiting.removeFirst()
            }
            return ready
        }
        for resume in ready { resume() }
    }
}
