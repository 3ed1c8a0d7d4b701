/// How fast counters grow, from what was counted in the last few seconds.
///
/// Counters are compared with their earliest count of that time, so one that is new has a rate from its second count on.
/// Where looks are further apart than that time, the last one is what there is to compare with.
struct RateWindow<Key: Hashable & Sendable>: Sendable {
    private var looks: [(at: ContinuousClock.Instant, counts: [Key: Int64])] = []

    /// How far back counters are compared.
    static var width: Duration { .milliseconds(4500) }
    /// Looks that are closer say nothing of a rate.
    static var distanceMin: Duration { .milliseconds(200) }

    /// Adds a look.
    /// - Parameters:
    ///   - counts: the counters as they are.
    ///   - at: now; no earlier than that of the looks before.
    /// - Returns: per second, for each counter that was there before; one that went back has 0.
    mutating func add(_ counts: [Key: Int64], at: ContinuousClock.Instant) -> [Key: Double] {
        if let kept = looks.indices.dropLast().first(where: { at - looks[$0].at < Self.width }) ?? looks.indices.last {
            looks.removeFirst(kept)
        }
        let earlier = looks.filter { at - $0.at > Self.distanceMin }
        var rates: [Key: Double] = [:]
        for (key, count) in counts {
            for look in earlier {
                guard let before = look.counts[key] else { continue }
                rates[key] = Double(max(0, count - before)) / ((at - look.at) / .seconds(1))
                break
            }
        }
        looks.append((at, counts))
        return rates
    }
}
