import Logging

/// Passes on what a logger of the worker has the level for, as `LoggerLevels` has it at that moment.
struct LeveledLogHandler: LogHandler {
    private var base: any LogHandler
    private let levels: LoggerLevels
    private let name: String

    init(_ base: any LogHandler, _ levels: LoggerLevels, _ name: String) {
        self.base = base
        self.levels = levels
        self.name = name
    }

    /// Set by the worker's API only.
    var logLevel: Logger.Level {
        get { levels.effective(name) }
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

    func log(event: LogEvent) {
        guard !levels.isOff(name) else { return }
        base.log(event: event)
    }
}

extension LoggerLevels {
    /// The logger of one of the original's names, which writes where `base` does.
    func logger(_ base: Logger, _ name: String) -> Logger {
        Logger(label: base.label) { _ in LeveledLogHandler(base.handler, self, name) }
    }

    func effective(_ name: String) -> Logger.Level {
        switch nearest(name) {
        case "TRACE", "ALL": .trace
        case "DEBUG": .debug
        case "WARN": .warning
        case "ERROR": .error
        case "FATAL", "OFF": .critical
        default: .info
        }
    }

    func isOff(_ name: String) -> Bool { nearest(name) == "OFF" }

    /// The original's word for a level.
    static func word(_ level: Logger.Level) -> String {
        switch level {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info, .notice: "INFO"
        case .warning: "WARN"
        case .error: "ERROR"
        case .critical: "FATAL"
        }
    }
}
