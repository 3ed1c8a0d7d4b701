import Environment
import LogStorage
import Logging
import Synchronization

/// Tells the operator that the disk refuses, in the log: clients only see KAFKA_STORAGE_ERROR and try again. Each kind of
/// failure is told at once and then at most every ten seconds, as every request meets it again.
final class StorageAlarm: Sendable {
    private static let silenceMs: Int64 = 10_000
    /// One partition's reads.
    private static let readSilenceMs: Int64 = 60_000
    private static let toldCountMax = 1000

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
        if mustTell(error.code.rawValue, Self.silenceMs) {
            logger.error("\(consequence)", metadata: ["error": "\(error)"])
        }
    }

    /// Looks at why a fetch from a partition, or a file, failed: clients ask again and again.
    func note(_ error: LogError, reading source: String, folder: String? = nil) {
        guard mustTell("\(error.code.rawValue) \(source)", Self.readSilenceMs) else { return }
        var metadata: Logger.Metadata = ["source": "\(source)", "error": "\(error)"]
        if error.code == .corruptSegment, let folder {
            metadata["hint"] = "\(StoredBatches.hint(folder)); consumers can only go on behind the damage"
        }
        logger.error("fetch failed", metadata: metadata)
    }

    private func mustTell(_ what: String, _ silenceMs: Int64) -> Bool {
        let now = clock.now() / 1_000_000
        return lastTold.withLock { lastTold in
            if let last = lastTold[what], now - last < silenceMs { return false }
            if lastTold.count >= Self.toldCountMax { lastTold = lastTold.filter { now - $0.value < silenceMs } }
            guard lastTold.count < Self.toldCountMax else { return false }
            lastTold[what] = now
            return true
        }
    }
}
