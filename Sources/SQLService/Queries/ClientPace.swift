import Synchronization

/// Whether a client takes the rows that come for it: one that takes none for too long ends its query, and is told so when it
/// takes some again.
final class ClientPace: Sendable {
    private let timeout: Duration
    /// Since when a write waits for the client; nil when none does.
    private let waiting = Mutex<ContinuousClock.Instant?>(nil)
    private let stalled = Atomic<Bool>(false)

    init(timeout: Duration) { self.timeout = timeout }

    /// Whether the query has ended for it.
    var isStalled: Bool { stalled.load(ordering: .acquiring) }

    /// Why the query has ended, for the client and the log.
    var reason: String {
        "The query was ended because its client took none of the rows that came for \(timeout): read faster, narrow the query,"
            + " or raise ksql.query.push.stall.timeout.ms."
    }

    /// Writes to the client: how long this takes is how long it takes nothing.
    func send(_ write: () async throws -> Void) async throws {
        waiting.withLock { $0 = ContinuousClock.now }
        defer { waiting.withLock { $0 = nil } }
        try await write()
    }

    /// Returns once the client has taken nothing for too long, having called `end`. Ends with the task that it runs in.
    func watch(_ end: () -> Void) async throws {
        while true {
            let since = waiting.withLock { $0 }
            let deadline = (since ?? ContinuousClock.now) + timeout
            if since != nil, deadline <= ContinuousClock.now {
                stalled.store(true, ordering: .releasing)
                return end()
            }
            try await Task.sleep(until: deadline, clock: ContinuousClock())
        }
    }
}
