import NIOPosix
import Synchronization

/// Checks passwords of PLAIN, and makes credentials of delegation tokens, one after another on a thread of its own: it is slow
/// on purpose, so neither event loops nor more than one processor are to be busy with it, whoever comes with however many.
final class PasswordQueue: Sendable {
    /// Checks that may wait; one takes some milliseconds. Clients beyond are turned away and come again.
    private static let waitingCountMax = 256
    /// Of one address, so that nobody keeps all others out.
    private static let waitingCountPerAddressMax = 8

    private struct Waiting {
        var count = 0
        var byAddress: [String: Int] = [:]
    }

    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let waiting = Mutex(Waiting())

    func start() { pool.start() }

    /// Does `work` and calls `done` with what came out on another thread; with nil when the broker stops before.
    ///
    /// - Returns: false when too many wait already; then nothing is called.
    func perform<T: Sendable>(
        from address: String, _ work: @escaping @Sendable () -> T?, _ done: @escaping @Sendable (T?) -> Void
    ) -> Bool {
        let isTaken = waiting.withLock { waiting in
            let own = waiting.byAddress[address] ?? 0
            guard waiting.count < Self.waitingCountMax, own < Self.waitingCountPerAddressMax else { return false }
            waiting.count += 1
            waiting.byAddress[address] = own + 1
            return true
        }
        guard isTaken else { return false }
        pool.submit { [self] state in
            waiting.withLock { waiting in
                waiting.count -= 1
                let left = (waiting.byAddress[address] ?? 1) - 1
                waiting.byAddress[address] = left > 0 ? left : nil
            }
            done(state == .active ? work() : nil)
        }
        return true
    }

    func shutdown() async throws { try await pool.shutdownGracefully() }
}
