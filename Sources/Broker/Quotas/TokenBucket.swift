/// What may still be taken: it fills up with time, up to a bound. Times are milliseconds of a clock that only goes forward.
///
/// Unlike a rate over windows, a burst is paid back as soon as its time has passed, not when its window is forgotten.
///
/// - SeeAlso: upstream `TokenBucket`; KIP-599.
struct TokenBucket: Sendable {
    /// Of how many seconds of the limit a burst may be.
    let seconds: Double
    private var tokens: Double?
    private var last: Int64 = 0

    init(seconds: Double) { self.seconds = seconds }

    /// What is there; negative where more was taken. Full at first.
    mutating func level(_ limit: Double, at now: Int64) -> Double {
        let bound = seconds * limit
        let level = min(bound, (tokens ?? bound) + (tokens == nil ? 0 : limit * Double(now - last) / 1000))
        tokens = level
        last = now
        return level
    }

    mutating func take(_ count: Double, _ limit: Double, at now: Int64) {
        tokens = level(limit, at: now) - count
    }

    /// Milliseconds until there is no debt any more.
    mutating func debt(_ limit: Double, at now: Int64) -> Int64 {
        let level = level(limit, at: now)
        return level < 0 ? Int64(clampingRounded: -level / limit * 1000) : 0
    }
}
