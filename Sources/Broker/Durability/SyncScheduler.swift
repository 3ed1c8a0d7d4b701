import LogStorage
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// Group commit: forces partition logs to disk on disk threads, one fdatasync for all who wait for the same log.
///
/// While a log is being forced, further requests for it gather and share the next force; so the rate of forces follows
/// what the disk can do, and every producer waits for at most two of them. What one force completes is answered together:
/// the producers' next requests then arrive together too, and share a force again.
final class SyncScheduler: Sendable {
    /// Called once, on a disk thread, with nil when the log is durable up to the offset, or with what failed. What it
    /// returns is sent together with the other answers of this force.
    typealias Completion = @Sendable (LogError?) -> PendingSend?

    private struct Pending {
        var waiters: [(offset: Int64, completion: Completion)] = []
        var isQueued = false
    }
    /// Time for producers that were answered together to write again; small against a force.
    private static let lingerMicroseconds: UInt32 = 100

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
            case .cancelled:
                _ = finish(partition, .failure(LogError(.closed, "the broker stops")))
                pending.withLock { $0[ObjectIdentifier(partition)] = nil }
            }
        }
    }

    private func run(_ partition: Partition) {
        while true {
            let answered: Int
            do throws(LogError) {
                answered = finish(partition, .success(try partition.log.sync()))
            } catch {
                answered = finish(partition, .failure(error))
            }
            switch next(partition, answered) {
            case .forceAgain: continue
            case .forceLater: return queue(partition)
            case .nothing: return
            case .linger:
                usleep(Self.lingerMicroseconds)
                if !mustForceAgain(partition) { return }
            }
        }
    }

    private enum NextStep {
        case forceAgain, forceLater, linger, nothing
    }

    /// What to do with a log after a force that answered `answered` waiters.
    private func next(_ partition: Partition, _ answered: Int) -> NextStep {
        let key = ObjectIdentifier(partition)
        return pending.withLock { pending in
            let hasWaiters = pending[key]?.waiters.isEmpty == false
            if pending.count > 1 {
                // Other logs wait for a thread: those who write to this one gather meanwhile.
                if hasWaiters { return .forceLater }
            } else if answered > 1 {
                // Those just answered are about to write again. Forcing what the first of them writes would make all
                // the others wait for the force after it.
                return .linger
            } else if hasWaiters {
                return .forceAgain
            }
            pending[key] = nil
            return .nothing
        }
    }

    private func mustForceAgain(_ partition: Partition) -> Bool {
        let key = ObjectIdentifier(partition)
        return pending.withLock { pending in
            if pending[key]?.waiters.isEmpty == false { return true }
            pending[key] = nil
            return false
        }
    }

    /// Answers those whose records are durable.
    ///
    /// - Returns: how many they were.
    private func finish(_ partition: Partition, _ result: Result<Int64, LogError>) -> Int {
        let key = ObjectIdentifier(partition)
        var done: [Completion] = []
        var failure: LogError?
        pending.withLock { pending in
            guard var entry = pending[key] else { return }
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
            pending[key] = entry
        }
        PendingSend.send(done.compactMap { $0(failure) })
        return done.count
    }
}
