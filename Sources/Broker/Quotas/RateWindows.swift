/// What was counted in the last windows of time, and the rate that it comes to. Times are milliseconds of a clock that only
/// goes forward.
///
/// A window begins with the first count after the one before it has ended, so that windows are where counts are. The rate is
/// of at least all windows but one, however little time has passed: a client that begins with a burst is not far above its
/// quota at once.
///
/// - SeeAlso: upstream `SampledStat`, `WindowedSum`, `Rate`.
struct RateWindows: Sendable {
    private struct Window {
        var start: Int64
        var last: Int64
        var sum: Double = 0
    }

    /// `quota.window.num`.
    let count: Int
    /// `quota.window.size.seconds`, in milliseconds.
    let length: Int64
    private var windows: [Window] = []
    private var current = 0

    /// - Parameters:
    ///   - count: 1 or more; as many, and the one that overlaps the oldest, are kept.
    ///   - length: 1 or more.
    init(count: Int, length: Int64) {
        self.count = count
        self.length = length
    }

    /// - Parameter value: negative takes back what was counted at the same time.
    mutating func record(_ value: Double, at now: Int64) {
        if windows.isEmpty {
            windows.append(Window(start: now, last: now))
        } else if now - windows[current].start >= length {
            current = (current + 1) % (count + 1)
            let next = Window(start: now, last: now)
            if current < windows.count { windows[current] = next } else { windows.append(next) }
        }
        windows[current].sum += value
        windows[current].last = now
    }

    /// Counts in a second, and over how many milliseconds.
    mutating func rate(at now: Int64) -> (perSecond: Double, time: Int64) {
        forget(before: now)
        let oldest = windows.lazy.map(\.start).min() ?? now
        var time = now - oldest
        let whole = time / length
        if whole < Int64(count - 1) { time += (Int64(count - 1) - whole) * length }
        time = max(time, 1)
        return (windows.reduce(0) { $0 + $1.sum } * 1000 / Double(time), time)
    }

    /// How long nothing may be counted, in milliseconds, so that the rate comes down to `limit`: with the rate R over a time W
    /// that is (R - limit) / limit * W; 0 when it is within.
    mutating func excess(over limit: Double, at now: Int64) -> Int64 {
        let (rate, time) = rate(at: now)
        guard rate > limit else { return 0 }
        return Int64(clampingRounded: (rate - limit) / limit * Double(time))
    }

    private mutating func forget(before now: Int64) {
        let age = Int64(count) * length
        for index in windows.indices where now - windows[index].last >= age {
            windows[index] = Window(start: now, last: now)
        }
    }
}

extension Int64 {
    /// The nearest whole number, at most what the protocol can tell as a time.
    init(clampingRounded value: Double) {
        self = value >= Double(Int32.max) ? Int64(Int32.max) : value > 0 ? Int64(value.rounded()) : 0
    }
}
