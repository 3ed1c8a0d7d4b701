import LogStorage
import NIOPosix
import Synchronization

/// Group commit: forces partition logs to disk on disk threads, one fdatasync for all who wait for the same log.
///
/// While a log is being forced, further requests for it gather and share the next force; so the rate of forces follows
/// what the disk can do, and every producer waits for at most two of them.
final class SyncScheduler: Sendable {
    /// Called once with nil when the log is durable up to the offset, or with what failed. On a disk thread.
    typealias Completion = @Sendable (LogError?) -> Void

    private struct Pending {
        var waiters: [(offset: Int64, completion: Completion)] = []
        var isQueued = false
    }
    private let pool: NIOThreadPool
    private let pending = Mutex<[ObjectIdentifier: Pending]>([:])

    init(pool: NIOThreadPool) { self.pool = pool }

    /// Calls `completion` when `partition`'s log is durable up to `offset` (exclusive).
    func sync(_ partition: Partition, upTo offset: Int64, completion: @escaping Completion) {
        let key = ObjectIdentifier(partition)
        let mustQueue = pending.withLock { pending in
            var entry = pending[key] ?? Pending()
            entry.waiters.append((offset, completion))
            let mustQueue = !entry.isQueued
            entry.isQueued = true
            pending[key] = entry
            return mustQueue
        }
        if mustQueue { queue(partition) }
    }

    private func queue(_ partition: Partition) {
        pool.submit { [self] state in
            switch state {
            case .active: run(partition)
            case .cancelled: finish(partition, .failure(LogError(.closed, "the broker stops")))
            }
        }
    }

    private func run(_ partition: Partition) {
        do throws(LogError) {
            finish(partition, .success(try partition.log.sync()))
        } catch {
            finish(partition, .failure(error))
        }
    }

    private func finish(_ partition: Partition, _ result: Result<Int64, LogError>) {
        let key = ObjectIdentifier(partition)
        var done: [Completion] = []
        var failure: LogError?
        let mustQueue = pending.withLock { pending in
            guard var entry = pending[key] else { return false }
            switch result {
            case .success(let durableEnd):
                entry.waiters.removeAll { waiter in
                    guard waiter.offset <= durableEnd else { return false }
                    done.append(waiter.completion)
                    return true
                }
            case .failure(let error):
                failure = error
                done = entry.waiters.map(\.completion)
                entry.waiters = []
            }
            entry.isQueued = !entry.waiters.isEmpty
            pending[key] = entry.isQueued ? entry : nil
            return entry.isQueued
        }
        if mustQueue { queue(partition) }
        for completion in done { completion(failure) }
    }
}
