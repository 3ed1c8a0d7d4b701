import Glibc
import Logging

/// Log lines on standard error: time, level, message and metadata, one record per line.
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
        let pairs = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let text = pairs.map { " \($0.key)=\($0.value)" }.joined()
        Output.complain("\(Timestamps.now()) \(event.level.rawValue) \(event.message)\(text)")
    }
}
