import Environment
import Logging
import Observability
import Synchronization

/// Notices that the time of day jumped: somebody set the clock, or a machine slept. Record timestamps, retention and
/// timeouts of the records' time depend on it, so the operator should know.
final class ClockWatch: Sendable {
    /// Smaller differences are the drift that time services correct all the time.
    static let stepMillisecondsMin: Int64 = 1000

    private struct State {
        var wall: Int64
        var monotonic: Int64
    }
    private let logger: Logger
    private let wallClock: any WallClock
    private let monotonicClock: any MonotonicClock
    private let steps: Counter
    private let state: Mutex<State>

    init(
        logger: Logger, wallClock: any WallClock, monotonicClock: any MonotonicClock = SystemMonotonicClock(),
        steps: Counter
    ) {
        self.logger = logger
        self.wallClock = wallClock
        self.monotonicClock = monotonicClock
        self.steps = steps
        state = Mutex(State(wall: wallClock.now(), monotonic: monotonicClock.now()))
    }

    /// Compares what both clocks did since the last look.
    ///
    /// - Returns: how far the time of day jumped in milliseconds, forward being positive; 0 when it did not.
    @discardableResult
    func look() -> Int64 {
        let wall = wallClock.now()
        let monotonic = monotonicClock.now()
        let step = state.withLock { state -> Int64 in
            let passed = (monotonic &- state.monotonic) / 1_000_000
            let step = wall &- state.wall &- passed
            state = State(wall: wall, monotonic: monotonic)
            return step
        }
        guard step.magnitude >= Self.stepMillisecondsMin.magnitude else { return 0 }
        steps.add()
        logger.warning(
            "the system clock was set \(step < 0 ? "back" : "forward"); timestamps and retention follow it",
            metadata: ["ms": "\(step.magnitude)"])
        return step
    }
}
