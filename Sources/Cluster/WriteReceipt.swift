import Synchronization

/// The answer to records handed to a writer, which comes later.
///
/// The transport resolves it once; any number of tasks and threads may wait. Waiting does not end early when a task is
/// cancelled: the records are under way and their fate is what the caller wants to know.
package final class WriteReceipt: Sendable {
    private enum State {
        case waiting([CheckedContinuation<Void, Never>], [BlockedThread])
        case done(Result<[RecordPosition], ClusterError>)
    }

    private let state: Mutex<State>

    package init() { state = Mutex(.waiting([], [])) }

    /// A receipt that is answered already.
    package init(_ result: Result<[RecordPosition], ClusterError>) { state = Mutex(.done(result)) }

    /// Answers the receipt. Called once, by the transport, on any thread; later calls do nothing.
    package func resolve(_ result: Result<[RecordPosition], ClusterError>) {
        let (tasks, threads) = state.withLock { state -> ([CheckedContinuation<Void, Never>], [BlockedThread]) in
            guard case .waiting(let tasks, let threads) = state else { return ([], []) }
            state = .done(result)
            return (tasks, threads)
        }
        for task in tasks { task.resume() }
        for thread in threads { thread.wake() }
    }

    /// Whether the answer is there.
    package var isResolved: Bool {
        state.withLock { if case .done = $0 { true } else { false } }
    }

    /// Why the records were not written, once that is known.
    package var failure: ClusterError? {
        state.withLock { if case .done(.failure(let error)) = $0 { error } else { nil } }
    }

    /// Waits for the answer: one position per record in the order submitted, or for a batch the one of its first
    /// record. When some of several records failed, the first failure is thrown; the others may have been written.
    package func positions() async throws(ClusterError) -> [RecordPosition] {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state -> Bool in
                guard case .waiting(var tasks, let threads) = state else { return true }
                tasks.append(continuation)
                state = .waiting(tasks, threads)
                return false
            }
            if isDone { continuation.resume() }
        }
        return try result()
    }

    /// `positions` for worker threads: blocks the calling thread, which must not be one of the cooperative pool.
    package func positionsBlocking() throws(ClusterError) -> [RecordPosition] {
        let thread = BlockedThread()
        let isDone = state.withLock { state -> Bool in
            guard case .waiting(let tasks, var threads) = state else { return true }
            threads.append(thread)
            state = .waiting(tasks, threads)
            return false
        }
        if !isDone { thread.wait() }
        return try result()
    }

    private func result() throws(ClusterError) -> [RecordPosition] {
        try state.withLock { state -> Result<[RecordPosition], ClusterError> in
            guard case .done(let result) = state else { preconditionFailure("a receipt woke without an answer") }
            return result
        }.get()
    }
}
