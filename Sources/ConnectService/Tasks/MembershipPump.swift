import Cluster
import Synchronization

/// Brings the events of a group to a task's loop: one at a time, and the group waits until it is dealt with.
final class MembershipPump: Sendable {
    private struct Inside {
        var event: MembershipEvent?
        var failure: ClusterError?
    }

    private let membership: any ConsumerMembership
    private let news: Signal
    private let handled = Signal()
    private let inside = Mutex(Inside())

    init(_ membership: any ConsumerMembership, news: Signal) {
        self.membership = membership
        self.news = news
    }

    /// Runs until the member leaves.
    func run() async {
        do throws(ClusterError) {
            while let event = try await membership.next() {
                inside.withLock { $0.event = event }
                news.notify()
                while !Task.isCancelled {
                    let generation = handled.generation
                    if inside.withLock({ $0.event == nil }) { break }
                    await handled.wait(after: generation)
                }
                if Task.isCancelled { return }
            }
        } catch {
            inside.withLock { $0.failure = error }
            news.notify()
        }
    }

    /// The event that waits; `finish` says that it is dealt with.
    func event() throws(ClusterError) -> MembershipEvent? {
        let (event, failure) = inside.withLock { ($0.event, $0.failure) }
        if let event { return event }
        if let failure { throw failure }
        return nil
    }

    func finish() {
        inside.withLock { $0.event = nil }
        handled.notify()
    }
}
