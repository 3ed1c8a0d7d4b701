import Glibc
import Logging

/// The log of a command that talks to a cluster, on standard error; servers have `ProgramLog`.
struct StandardErrorLog: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    private let label: String

    init(_ label: String) { self.label = label }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        Output.complain(
            LogLine.text(time: Timestamps.now(), level: event.level, message: "\(event.message)", metadata: all))
    }
}
