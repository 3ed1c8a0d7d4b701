import Glibc
import Synchronization

/// Starts a thread of our own that runs `body` and ends with it. librdkafka's blocking calls live on such threads, never
/// on one of the cooperative pool.
package func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Start: Sendable {
        let body: @Sendable () -> Void
        init(body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let start = Unmanaged.passRetained(Start(body: body))
    var thread: pthread_t = 0
    let result = pthread_create(
        &thread, nil,
        { argument in
            if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body() }
            return nil
        }, start.toOpaque())
    precondition(result == 0, "cannot start a thread: \(String(cString: strerror(result)))")
    pthread_detach(thread)
}

/// Runs `body`, which may block, on a thread of its own and waits for it without blocking the caller's.
package func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        startThread { continuation.resume(with: Result { try body() }) }
    }
}

/// Runs `body` as a task and blocks the calling thread, which must not be one of the cooperative pool, until it is done.
package func blockingThread<Value: Sendable>(
    _ body: @escaping @Sendable () async throws(ClusterError) -> Value
) throws(ClusterError) -> Value {
    let outcome = BlockedOutcome<Value>()
    // The thread that waits below owns it, and may be one that others wait for.
    Task(priority: .high) {
        let result: Result<Value, ClusterError>
        do throws(ClusterError) { result = .success(try await body()) } catch { result = .failure(error) }
        outcome.result.withLock { $0 = result }
        outcome.thread.wake()
    }
    outcome.thread.wait()
    guard let result = outcome.result.withLock({ $0 }) else { preconditionFailure("a thread woke without a result") }
    return try result.get()
}

/// What a thread of `blockingThread` waits for.
private final class BlockedOutcome<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, ClusterError>?>(nil)
    let thread = BlockedThread()
}

/// A few threads for blocking calls, started when needed and ended when idle, so that an unused cluster costs none.
///
/// Calls beyond `threadCountMax` wait in the order they came; the queue is bounded by the callers, each of whom waits
/// for its own call.
final class BlockingCalls: Sendable {
    private struct State {
        var queue: [@Sendable () -> Void] = []
        var threadCount = 0
    }

    private let state = Mutex(State())
    private let threadCountMax: Int

    init(threadCountMax: Int) { self.threadCountMax = threadCountMax }

    /// Runs `body` on a thread that may block.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(ClusterError) -> Value
    ) async throws(ClusterError) -> Value {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Value, ClusterError>, Never>) in
            enqueue {
                do throws(ClusterError) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    /// Runs `body` on a thread that may block, without anybody waiting for it.
    func enqueue(_ body: @escaping @Sendable () -> Void) {
        let mustStart = state.withLock { state in
            state.queue.append(body)
            guard state.threadCount < threadCountMax else { return false }
            state.threadCount += 1
            return true
        }
        if mustStart { startThread { self.work() } }
    }

    private func work() {
        while true {
            let next = state.withLock { state -> (@Sendable () -> Void)? in
                if state.queue.isEmpty {
                    state.threadCount -= 1
                    return nil
                }
                return state.queue.removeFirst()
            }
            guard let next else { return }
            next()
        }
    }
}
