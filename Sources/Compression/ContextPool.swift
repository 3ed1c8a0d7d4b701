import Synchronization

/// Keeps a few working contexts of a C library between calls: making one costs more than a small batch takes.
///
/// A context is used by one borrower at a time, from any thread.
final class ContextPool: Sendable {
    /// A context that is not in use; only the pool's lock hands it to a thread, so no two threads share it.
    private struct Idle: @unchecked Sendable {
        var context: UnsafeMutableRawPointer
    }

    /// Contexts kept idle: as many as threads usually compress at the same time.
    private static let idleCountMax = 8

    private let idle = Mutex<[Idle]>([])
    private let make: @Sendable () -> UnsafeMutableRawPointer?
    private let free: @Sendable (UnsafeMutableRawPointer) -> Void

    init(
        make: @escaping @Sendable () -> UnsafeMutableRawPointer?,
        free: @escaping @Sendable (UnsafeMutableRawPointer) -> Void
    ) {
        self.make = make
        self.free = free
    }

    /// An idle context in whatever state its last use left it, or a new one; nil when there is no memory for one.
    fileprivate func take() -> UnsafeMutableRawPointer? {
        idle.withLock { $0.popLast() }?.context ?? make()
    }

    fileprivate func giveBack(_ context: UnsafeMutableRawPointer, keep: Bool) {
        let returned = Idle(context: context)
        let isKept = idle.withLock { idle in
            guard keep, idle.count < Self.idleCountMax else { return false }
            idle.append(returned)
            return true
        }
        if !isKept { free(context) }
    }
}

/// The right to use one context until the end of the scope.
struct PooledContext: ~Copyable {
    let pointer: UnsafeMutableRawPointer
    /// Whether the context may serve again; false for one that failed or grew large.
    var isWorthKeeping = true
    private let pool: ContextPool

    /// Nil when there is no memory.
    init?(from pool: ContextPool) {
        guard let pointer = pool.take() else { return nil }
        self.pointer = pointer
        self.pool = pool
    }

    deinit { pool.giveBack(pointer, keep: isWorthKeeping) }
}
