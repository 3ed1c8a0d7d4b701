import Environment
import LogStorage
import Logging
import Synchronization

/// Tells the operator that the disk refuses, in the log: clients only see KAFKA_STORAGE_ERROR and try again. Each kind of
/// failure is told at once and then at most every ten seconds, as every request meets it again.
final class StorageAlarm: Sendable {
    private static let silenceMs: Int64 = 10_000

    private let logger: Logger
    private let clock: any MonotonicClock
    private let metrics: BrokerMetrics?
    private let lastTold = Mutex<[String: Int64]>([:])

    init(logger: Logger, clock: any MonotonicClock = SystemMonotonicClock(), metrics: BrokerMetrics? = nil) {
        self.logger = logger
        self.metrics = metrics
        self.clock = clock
    }

    /// Looks at an error of the log; tells it if it is the disk's.
    func note(_ error: LogError) {
        let consequence: String
        switch error.code {
        case .diskFull: consequence = "the disk is full; writes are refused until there is space again"
        case .failed:
            consequence =
                "the disk lost data that it had taken; nothing more is written until a restart, which checks it"
        case .io, .corruptSegment: consequence = "the disk or a file on it fails"
        default: return
        }
        metrics?.noteStorageFailure(error.code)
        let now = clock.now() / 1_000_000
        let mustTell = lastTold.withLock { lastTold in
            if let last = lastTold[error.code.rawValue], now - last < Self.silenceMs { return false }
            lastTold[error.code.rawValue] = now
            return true
        }
        if mustTell { logger.error("\(consequence)", metadata: ["error": "\(error)"]) }
    }
}
