import Synchronization

/// Levels of loggers by the original's names, as the REST API shows and sets them; `change` is told what was set.
package final class LoggerLevels: Sendable {
    private struct Entry {
        var level: String
        var modified: Int64?
    }

    package static let levels = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"]

    private let entries: Mutex<[String: Entry]>
    private let change: @Sendable (_ name: String, _ level: String) -> Void
    private let now: @Sendable () -> Int64

    package init(
        now: @escaping @Sendable () -> Int64, change: @escaping @Sendable (String, String) -> Void = { _, _ in }
    ) {
        self.now = now
        self.change = change
        var all: [String: Entry] = [:]
        for name in [
            "root", "org.apache.kafka.connect.runtime.Worker", "org.apache.kafka.connect.runtime.WorkerSinkTask",
            "org.apache.kafka.connect.runtime.WorkerSourceTask",
            "org.apache.kafka.connect.runtime.distributed.DistributedHerder",
            "org.apache.kafka.connect.runtime.rest.RestServer",
        ] { all[name] = Entry(level: "INFO") }
        entries = Mutex(all)
    }

    var all: [(name: String, level: String, modified: Int64?)] {
        entries.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value.level, $0.value.modified) } }
    }

    func level(_ name: String) -> (level: String, modified: Int64?)? {
        entries.withLock { $0[name].map { ($0.level, $0.modified) } }
    }

    /// Sets a logger and those below it.
    ///
    /// - Returns: the loggers that were set, sorted. A name that no logger has or is below is set for those to come when it
    ///   looks like a package of the worker's; others touch nothing.
    @discardableResult
    func set(_ name: String, _ level: String) -> [String] {
        let time = now()
        let touched = entries.withLock { entries -> [String] in
            let below = entries.keys.filter { $0 == name || $0.hasPrefix(name + ".") || name == "root" }
            guard !below.isEmpty else { return [] }
            for name in Set(below).union([name]) { entries[name] = Entry(level: level, modified: time) }
            return Set(below).union([name]).sorted()
        }
        for name in touched { change(name, level) }
        return touched
    }
}
