import Synchronization

/// So many at a time and no more.
final class Places: Sendable {
    private let taken = Mutex(0)
    private let countMax: Int

    init(_ countMax: Int) { self.countMax = countMax }

    struct Place: Sendable {
        fileprivate let places: Places
        /// Called once.
        func leave() { places.taken.withLock { $0 -= 1 } }
    }

    /// nil when all are taken.
    func enter() -> Place? {
        taken.withLock { taken in
            guard taken < countMax else { return nil }
            taken += 1
            return Place(places: self)
        }
    }
}
