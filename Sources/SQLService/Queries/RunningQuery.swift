import SQLRuntime
import Synchronization

/// A query of a client whose rows come by and by. It is ended by its last row, by its client, by `/close-query` or TERMINATE,
/// and with this object.
final class RunningQuery: Sendable {
    let id: String
    let subscription: any RowSubscription
    private let clients: ClientQueries
    private let isOver = Atomic<Bool>(false)

    /// - Parameter max: how many such queries there may be; nil when this one does not count.
    /// - Throws: 40003; nothing runs then.
    init(
        _ id: String, _ statement: String, _ subscription: any RowSubscription, _ clients: ClientQueries, max: Int?
    ) throws(KsqlFailure) {
        self.id = id
        self.subscription = subscription
        self.clients = clients
        try clients.add(id, statement, max: max ?? .max) { Self.cancel(subscription) }
    }

    deinit { finish() }

    /// Ends the query; repeated calls do nothing.
    func finish() {
        guard !isOver.exchange(true, ordering: .acquiringAndReleasing) else { return }
        clients.remove(id)
        Self.cancel(subscription)
    }

    /// Nobody waits for the end: the runner gives back what the query holds.
    private static func cancel(_ subscription: any RowSubscription) { Task { await subscription.cancel() } }
}
