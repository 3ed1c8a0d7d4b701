import Logging
import Synchronization

/// A logger whose messages are kept.
final class RecordedLog: Sendable {
    private struct Handler: LogHandler {
        let log: RecordedLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { log.kept.withLock { $0.append("\(event.level) \(event.message)") } }
    }

    private let kept = Mutex<[String]>([])

    /// Level and message of each, in order.
    var lines: [String] { kept.withLock { $0 } }

    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }
}
