import NIOCore
import Synchronization

/// The time that quotas go by.
enum QuotaTime {
    /// Milliseconds of a clock that only goes forward.
    static var now: Int64 { milliseconds(.now()) }

    static func milliseconds(_ time: NIODeadline) -> Int64 { Int64(time.uptimeNanoseconds / 1_000_000) }
}

/// Counts what those who share one quota of a rate come to. Any thread.
final class RateSensor: Sendable {
    private struct State {
        var limit: Double
        var windows: RateWindows
        var lastUse: Int64
    }
    private let state: Mutex<State>
    /// Longest time that is told, in milliseconds.
    private let throttleMax: Int64

    init(limit: Double, _ windows: RateWindows, throttleMax: Int64 = Int64(Int32.max), at now: Int64) {
        self.throttleMax = throttleMax
        state = Mutex(State(limit: limit, windows: windows, lastUse: now))
    }

    /// - Returns: for how long the client is to be held up, in milliseconds; 0 when the quota is kept.
    func record(_ value: Double, at now: Int64 = QuotaTime.now) -> Int64 {
        state.withLock { state in
            state.lastUse = now
            state.windows.record(value, at: now)
            return min(state.windows.excess(over: state.limit, at: now), throttleMax)
        }
    }

    /// Counts without a look at the quota; a negative value takes back what was counted.
    func note(_ value: Double, at now: Int64 = QuotaTime.now) {
        state.withLock { state in
            state.lastUse = now
            state.windows.record(value, at: now)
        }
    }

    /// More at once would be over the quota whatever was before (`getMaxValueInQuotaWindow`).
    var valueMax: Double {
        state.withLock { $0.limit * Double($0.windows.count - 1) * Double($0.windows.length) / 1000 }
    }

    var limit: Double {
        get { state.withLock { $0.limit } }
        set { state.withLock { $0.limit = newValue } }
    }
    var lastUse: Int64 { state.withLock { $0.lastUse } }
}

/// Counts what those who share one quota of changes take. Any thread.
final class TokenSensor: Sendable {
    private struct State {
        var limit: Double
        var bucket: TokenBucket
        var lastUse: Int64
    }
    private let state: Mutex<State>

    init(limit: Double, _ bucket: TokenBucket, at now: Int64) {
        state = Mutex(State(limit: limit, bucket: bucket, lastUse: now))
    }

    /// - Parameter isStrict: nothing is taken as long as there is a debt.
    /// - Returns: for how long there is one, in milliseconds; 0 when there is none.
    func take(_ count: Double, isStrict: Bool, at now: Int64 = QuotaTime.now) -> Int64 {
        state.withLock { state in
            state.lastUse = now
            if isStrict {
                let debt = state.bucket.debt(state.limit, at: now)
                if debt > 0 { return debt }
                state.bucket.take(count, state.limit, at: now)
                return 0
            }
            state.bucket.take(count, state.limit, at: now)
            return state.bucket.debt(state.limit, at: now)
        }
    }

    var limit: Double {
        get { state.withLock { $0.limit } }
        set { state.withLock { $0.limit = newValue } }
    }
    var lastUse: Int64 { state.withLock { $0.lastUse } }
}
