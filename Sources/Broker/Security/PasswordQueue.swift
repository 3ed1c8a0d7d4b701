import NIOPosix
import Security
import Synchronization

/// Checks passwords of PLAIN one after another on a thread of its own: it is slow on purpose, so neither event loops nor more
/// than one processor are to be busy with it, whoever comes with however many passwords.
final class PasswordQueue: Sendable {
    /// Checks that may wait; one takes some milliseconds. Clients beyond are turned away and come again.
    private static let waitingCountMax = 256

    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let waiting = Atomic<Int>(0)

    func start() { pool.start() }

    /// Calls `done` on another thread.
    ///
    /// - Returns: false when too many wait already; then nothing is called.
    func check(
        _ users: UserCheck, user: String, password: String, _ done: @escaping @Sendable (Principal?) -> Void
    ) -> Bool {
        guard waiting.add(1, ordering: .relaxed).newValue <= Self.waitingCountMax else {
            waiting.subtract(1, ordering: .relaxed)
            return false
        }
        pool.submit { [self] state in
            waiting.subtract(1, ordering: .relaxed)
            done(state == .active ? users.principal(user: user, password: password) : nil)
        }
        return true
    }

    func shutdown() async throws { try await pool.shutdownGracefully() }
}
