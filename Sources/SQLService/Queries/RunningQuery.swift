import SQLRuntime
import Synchronization

/// A query of a client whose rows come by and by. It is ended by its last row, by its client, by `/close-query` or TERMINATE,
/// and with this object.
final class RunningQuery: Sendable {
    let id: String
    let subscription: any RowSubscription
    private let running: TransientQueries
    private let isOver = Atomic<Bool>(false)

    init(_ id: String, _ statement: String, _ subscription: any RowSubscription, _ running: TransientQueries) {
        self.id = id
        self.subscription = subscription
        self.running = running
        running.add(id, statement: statement) { await subscription.cancel() }
    }

    deinit { finish() }

    /// Ends the query; repeated calls do nothing.
    func finish() {
        guard !isOver.exchange(true, ordering: .acquiringAndReleasing) else { return }
        running.remove(id)
        // Nobody waits for the end: the runner gives back what the query holds.
        Task { [subscription] in await subscription.cancel() }
    }
}
