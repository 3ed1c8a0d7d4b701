import ConnectCore

/// How a leader shares out connectors and tasks: evenly, moving as little as possible. What a member gives up in one
/// round is given out in the next, so that nothing ever runs twice; what a lost member had waits for it for a while.
///
/// - SeeAlso: KIP-415; upstream `IncrementalCooperativeAssignor`.
struct WorkAssignor: Sendable {
    struct Decision: Sendable, Hashable {
        /// By member.
        var work: [String: Work] = [:]
        var revoked: [String: Work] = [:]
        /// Until lost work is shared out; zero when none waits.
        var delay = Duration.zero
    }

    /// By member, as decided last.
    private var last: [String: Work] = [:]
    private var lost = Work()
    private var deadline: ContinuousClock.Instant?
    private let delayMax: Duration

    init(delayMax: Duration) { self.delayMax = delayMax }

    /// - Parameters:
    ///   - all: what is to run.
    ///   - members: what each of them runs now.
    mutating func assign(_ all: Work, _ members: [String: Work], now: ContinuousClock.Instant) -> Decision {
        var decision = Decision()
        guard !members.isEmpty else { return decision }
        // What two members claim stays with one of them.
        var owned = Work()
        var kept: [String: Work] = [:]
        for (member, work) in members.sorted(by: { $0.key < $1.key }) {
            let own = work.intersection(all).subtracting(owned)
            kept[member] = own
            owned = owned.union(own)
            decision.revoked[member] = work.subtracting(own)
        }
        noteLost(all, owned, members, now)
        var free = all.subtracting(owned)
        if let deadline, now < deadline {
            free = free.subtracting(lost)
            decision.delay = now.duration(to: deadline)
        } else {
            lost = Work()
            deadline = nil
        }
        let isSettled = decision.revoked.values.allSatisfy(\.isEmpty)
        if isSettled, decision.delay == .zero { Self.relieve(all, &kept, &decision.revoked) }
        Self.share(free.connectors.sorted(), \.connectors, &kept)
        Self.share(
            free.tasks.sorted { ($0.connector, $0.task) < ($1.connector, $1.task) }, \.tasks, &kept)
        decision.work = kept
        last = kept
        return decision
    }

    private mutating func noteLost(
        _ all: Work, _ owned: Work, _ members: [String: Work], _ now: ContinuousClock.Instant
    ) {
        var gone = Work()
        for (member, work) in last where members[member] == nil { gone = gone.union(work) }
        gone = gone.intersection(all).subtracting(owned)
        lost = lost.intersection(all).subtracting(owned)
        if !gone.isEmpty, delayMax > .zero {
            lost = lost.union(gone)
            deadline = deadline ?? now + delayMax
        }
        if lost.isEmpty { deadline = nil }
    }

    /// Takes work from members that have more than their share while others have less.
    private static func relieve(_ all: Work, _ kept: inout [String: Work], _ revoked: inout [String: Work]) {
        let connectorShares = shares(all.connectors.count, kept.mapValues(\.connectors.count))
        let taskShares = shares(all.tasks.count, kept.mapValues(\.tasks.count))
        for (member, work) in kept {
            var surplus = Work()
            let connectors = work.connectors.sorted()
            surplus.connectors = Set(connectors.dropFirst(connectorShares[member] ?? 0))
            let tasks = work.tasks.sorted { ($0.task, $0.connector) < ($1.task, $1.connector) }
            surplus.tasks = Set(tasks.dropFirst(taskShares[member] ?? 0))
            kept[member] = work.subtracting(surplus)
            revoked[member] = (revoked[member] ?? Work()).union(surplus)
        }
    }

    /// How much each member should have; the fullest ones have the larger shares.
    private static func shares(_ total: Int, _ counts: [String: Int]) -> [String: Int] {
        let (share, extra) = total.quotientAndRemainder(dividingBy: counts.count)
        let order = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return Dictionary(order.enumerated().map { ($1.key, share + ($0 < extra ? 1 : 0)) }) { first, _ in first }
    }

    private static func share<Item: Hashable>(
        _ items: [Item], _ path: WritableKeyPath<Work, Set<Item>>, _ kept: inout [String: Work]
    ) {
        for item in items {
            guard
                let least = kept.min(by: {
                    ($0.value[keyPath: path].count, $0.value.count, $0.key)
                        < ($1.value[keyPath: path].count, $1.value.count, $1.key)
                })
            else { return }
            kept[least.key]?[keyPath: path].insert(item)
        }
    }

    /// For the eager protocol: everything is shared out anew in every round.
    static func shareAll(_ all: Work, _ members: [String]) -> [String: Work] {
        var kept = Dictionary(members.map { ($0, Work()) }) { first, _ in first }
        share(all.connectors.sorted(), \.connectors, &kept)
        share(all.tasks.sorted { ($0.connector, $0.task) < ($1.connector, $1.task) }, \.tasks, &kept)
        return kept
    }
}
