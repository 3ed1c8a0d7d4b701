import Glibc
import Synchronization

/// The time of day, as timestamps of records and retention know it.
package protocol WallClock: Sendable {
    /// Milliseconds since 1970, UTC. May jump in both directions.
    func now() -> Int64
}

/// A clock that only goes forward, for waiting and for measuring.
package protocol MonotonicClock: Sendable {
    /// Nanoseconds since an arbitrary point.
    func now() -> Int64
}

package struct SystemWallClock: WallClock {
    package init() {}
    package func now() -> Int64 {
        let time = readClock(CLOCK_REALTIME)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

package struct SystemMonotonicClock: MonotonicClock {
    package init() {}
    package func now() -> Int64 {
        let time = readClock(CLOCK_MONOTONIC)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

/// A clock that stands still until it is moved; in the unit of whoever reads it.
package final class ManualClock: WallClock, MonotonicClock {
    private let time: Mutex<Int64>

    package init(_ start: Int64 = 0) { time = Mutex(start) }
    package func now() -> Int64 { time.withLock { $0 } }
    package func advance(by step: Int64) { time.withLock { $0 &+= step } }
    package func set(_ value: Int64) { time.withLock { $0 = value } }
}

private func readClock(_ clock: clockid_t) -> timespec {
    var time = timespec()
    // Both clocks exist on every Linux and the pointer is valid, so the call has no way to fail.
    clock_gettime(clock, &time)
    return time
}
