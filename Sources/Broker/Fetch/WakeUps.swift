import Synchronization

/// Many changes in a row cause one look.
final class WakeUps: Sendable {
    private let isDue = Atomic<Bool>(false)

    /// - Returns: whether the caller is to see to a look, as none is due.
    func begin() -> Bool { !isDue.exchange(true, ordering: .acquiringAndReleasing) }

    /// What changes from now on needs another look.
    func end() { isDue.store(false, ordering: .releasing) }
}
