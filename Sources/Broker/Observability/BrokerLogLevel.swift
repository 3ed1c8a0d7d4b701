import KafkaMessages
import Logging
import Synchronization

/// The level of the broker's log, which administrators change while it runs (KIP-412); a start begins with the configured
/// one. There is one logger, by the name of the one that all others of the original follow.
final class BrokerLogLevel: Sendable {
    static let loggerName = "root"
    /// The original's levels, from the one that shows most.
    private static let levels: [(word: String, level: Logger.Level)] = [
        ("TRACE", .trace), ("DEBUG", .debug), ("INFO", .info), ("WARN", .warning), ("ERROR", .error),
        ("FATAL", .critical),
    ]
    private let level: Mutex<Logger.Level>

    init(_ level: Logger.Level) { self.level = Mutex(level) }

    /// The original's word for the level; it has none between INFO and WARN.
    var word: String {
        let current = level.withLock { $0 }
        return Self.levels.last { $0.level <= current }?.word ?? "TRACE"
    }

    /// A logger that writes where `base` does, what has the level for it.
    func logger(_ base: Logger) -> Logger {
        Logger(label: base.label) { _ in Handler(base: base.handler, level: self) }
    }

    /// - Throws: INVALID_CONFIG or INVALID_REQUEST, in the words of upstream's `RuntimeLoggerManager`; then nothing is changed.
    func alter(_ alterations: [ConfigAlteration], validateOnly: Bool) throws(ControlError) {
        _ = try TopicRules.applied(
            alterations.filter { $0.operation == .set || $0.operation == .delete }, to: [:], definition: { _ in nil },
            current: { _ in "" }, problem: { _, _ in nil })
        var wanted: Logger.Level?
        for alteration in alterations {
            switch alteration.operation {
            case .append, .subtract:
                throw ControlError(
                    .invalidRequest,
                    "\(alteration.operation == .append ? "APPEND" : "SUBTRACT") operation is not allowed for the "
                        + "BROKER_LOGGER resource")
            case .set, .delete:
                guard alteration.name == Self.loggerName else {
                    throw ControlError(.invalidConfig, "Logger \(alteration.name) does not exist!")
                }
            }
            guard alteration.operation == .set else {
                throw ControlError(
                    .invalidRequest, "Removing the log level of the \(Self.loggerName) logger is not allowed")
            }
            let value = alteration.value ?? ""
            guard let found = Self.levels.first(where: { $0.word == value }) else {
                throw ControlError(
                    .invalidConfig,
                    "Cannot set the log level of \(alteration.name) to \(value) as it is not a supported log level. "
                        + "Valid log levels are \(Self.levels.map(\.word).sorted().joined(separator: ", "))")
            }
            wanted = found.level
        }
        guard !validateOnly, let wanted else { return }
        level.withLock { $0 = wanted }
    }

    private struct Handler: LogHandler {
        var base: any LogHandler
        let level: BrokerLogLevel

        /// Set by administrators only.
        var logLevel: Logger.Level {
            get { level.level.withLock { $0 } }
            set {}
        }
        var metadata: Logger.Metadata {
            get { base.metadata }
            set { base.metadata = newValue }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { base[metadataKey: key] }
            set { base[metadataKey: key] = newValue }
        }

        func log(event: LogEvent) { base.log(event: event) }
    }
}
