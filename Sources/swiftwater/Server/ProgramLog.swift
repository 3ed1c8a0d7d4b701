import Environment
import Logging
import Synchronization

/// The log of a server: events of all parts, one line each on standard error, repetition bounded.
final class ProgramLog: Sendable {
    private let format: LogFormat
    private let clock: any MonotonicClock
    private let write: @Sendable ([UInt8]) -> Void
    private let throttle = Mutex(LogThrottle())

    init(
        format: LogFormat, clock: any MonotonicClock = SystemMonotonicClock(),
        write: @escaping @Sendable ([UInt8]) -> Void = { Output.complain($0) }
    ) {
        self.format = format
        self.clock = clock
        self.write = write
    }

    /// A logger of this log.
    func logger(_ label: String, level: Logger.Level) -> Logger {
        var logger = Logger(label: label) { _ in Handler(log: self) }
        logger.logLevel = level
        return logger
    }

    fileprivate func note(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
        // Whoever asks for debug lines wants all of them.
        guard level >= .info else { return line(level, message, metadata) }
        let (decision, ended) = throttle.withLock { $0.decide(message, now: clock.now() / 1_000_000_000) }
        tell(ended)
        if decision == .pass { line(level, message, metadata) }
    }

    /// Tells what is still suppressed; called before the program ends.
    func finish() { tell(throttle.withLock { $0.finish() }) }

    private func tell(_ ended: [(message: String, suppressed: Int)]) {
        for (message, count) in ended {
            line(.notice, "a message came too often to be shown each time", ["of": "\(message)", "hidden": "\(count)"])
        }
    }

    private func line(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
        let time = Timestamps.now()
        switch format {
        case .text: write(LogLine.text(time: time, level: level, message: message, metadata: metadata))
        case .json: write(LogLine.json(time: time, level: level, message: message, metadata: metadata))
        }
    }

    private struct Handler: LogHandler {
        let log: ProgramLog
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        init(log: ProgramLog) { self.log = log }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            log.note(event.level, "\(event.message)", all)
        }
    }
}
