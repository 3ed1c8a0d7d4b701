package import Logging
import Synchronization

/// A logger whose lines are kept, for tests of what is told to whom.
package final class RecordedLog: Sendable {
    /// One line of the log.
    package struct Line: Sendable {
        package var level: Logger.Level
        package var message: String
        package var metadata: Logger.Metadata

        /// Level and message.
        package var text: String { "\(level) \(message)" }
    }

    private struct Handler: LogHandler {
        let log: RecordedLog
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let line = Line(level: event.level, message: "\(event.message)", metadata: event.metadata ?? [:])
            log.kept.withLock { $0.append(line) }
        }
    }

    private let level: Logger.Level
    private let kept = Mutex<[Line]>([])

    /// - Parameter level: the lowest level that is kept.
    package init(from level: Logger.Level = .trace) { self.level = level }

    /// The lines so far, in their order.
    package var entries: [Line] { kept.withLock { $0 } }
    /// Message and metadata of each.
    package var lines: [String] { entries.map { "\($0.message) \($0.metadata)" } }

    package var logger: Logger { Logger(label: "test") { _ in Handler(log: self, logLevel: self.level) } }
}
