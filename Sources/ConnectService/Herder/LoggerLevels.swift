package import Logging
import Synchronization

/// Levels of loggers by the original's names, as the REST API shows and sets them. The worker's own loggers follow
/// them.
package final class LoggerLevels: Sendable {
    private struct Entry {
        var level: String
        var modified: Int64?
    }

    package static let levels = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"]

    private let entries: Mutex<[String: Entry]>
    private let now: @Sendable () -> Int64

    static let herder = "org.apache.kafka.connect.runtime.distributed.DistributedHerder"
    static let sinkTask = "org.apache.kafka.connect.runtime.WorkerSinkTask"
    static let sourceTask = "org.apache.kafka.connect.runtime.WorkerSourceTask"

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - initial: the level of all of them at the start.
    package init(now: @escaping @Sendable () -> Int64, initial: Logger.Level = .info) {
        self.now = now
        var all: [String: Entry] = [:]
        for name in [
            "root", "org.apache.kafka.connect.runtime.Worker", Self.sinkTask, Self.sourceTask, Self.herder,
            "org.apache.kafka.connect.runtime.rest.RestServer",
        ] { all[name] = Entry(level: Self.word(initial)) }
        entries = Mutex(all)
    }

    var all: [(name: String, level: String, modified: Int64?)] {
        entries.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value.level, $0.value.modified) } }
    }

    func level(_ name: String) -> (level: String, modified: Int64?)? {
        entries.withLock { $0[name].map { ($0.level, $0.modified) } }
    }

    /// Sets a logger and those below it. A name that nothing logs by keeps its level, for what comes below it.
    ///
    /// - Returns: the loggers that were set, sorted.
    @discardableResult
    func set(_ name: String, _ level: String) -> [String] {
        let time = now()
        return entries.withLock { entries in
            let all = Set(entries.keys.filter { $0.hasPrefix(name + ".") || name == "root" }).union([name])
            for name in all { entries[name] = Entry(level: level, modified: time) }
            return all.sorted()
        }
    }

    /// The level of a logger: its own, or that of the nearest one above it.
    func nearest(_ name: String) -> String {
        entries.withLock { entries in
            var name = name[...]
            while true {
                if let entry = entries[String(name)] { return entry.level }
                guard let dot = name.lastIndex(of: ".") else { return entries["root"]?.level ?? "INFO" }
                name = name[..<dot]
            }
        }
    }
}
