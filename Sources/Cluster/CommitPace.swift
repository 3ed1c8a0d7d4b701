/// When what has come may be committed.
///
/// A commit costs forces to disk and, in a transaction, a dozen small records, for one record as for thousands. Whoever
/// commits whatever trickles in spends all time on that. So commits may take a tenth of the time: some can follow each
/// other at once, after them the next one waits until the time of those before is made up for, and takes what has come
/// meanwhile. With a disk that takes 3 ms those are 33 commits a second; a record after a pause is never made to wait.
package struct CommitPace: Sendable {
    /// For each part of the time that is spent on commits, so many parts of it pass until that is made up for.
    private static let share = 10
    /// How much may not be made up for yet when a commit begins.
    private static let burst = Duration.milliseconds(300)

    /// When all commits are made up for.
    package private(set) var settled: ContinuousClock.Instant

    package init(now: ContinuousClock.Instant = .now) { settled = now }

    /// When the next commit may begin.
    package var next: ContinuousClock.Instant { settled - Self.burst }

    /// Notes a commit that took from `began` to `ended`.
    ///
    /// - Parameter interval: how long the next one waits at most; not negative.
    package mutating func note(
        from began: ContinuousClock.Instant, to ended: ContinuousClock.Instant, waitingAtMost interval: Duration
    ) {
        let earned = max(settled, began) + (ended - began) * Self.share
        settled = min(earned, ended + Self.burst + interval)
    }
}
