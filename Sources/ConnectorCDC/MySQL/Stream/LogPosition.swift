internal import ConnectCore

/// Where reading goes on: Debezium's source offset.
struct LogPosition: Sendable, Hashable {
    /// Where the transaction begins that is being read, or the next one.
    var file = ""
    var position: Int64 = 0
    /// Events of it that are done.
    var eventCount: Int64 = 0
    /// Rows of the next event that are done.
    var rowCount: Int64 = 0
    /// Transactions before it.
    var gtids = GTIDSet()
    /// Of the last event.
    var seconds: Int64 = 0
    var serverID: Int64 = 0
    /// How far an incremental snapshot is, in the names of offsets.
    var incremental: [String: String] = [:]

    init() {}

    /// nil when the offset has no file.
    init?(_ offset: ConnectMap) {
        guard let file = offset["file"]?.string, !file.isEmpty, let position = offset["pos"]?.integer else {
            return nil
        }
        self.file = file
        self.position = position
        eventCount = max(0, offset["event"]?.integer ?? 0)
        rowCount = max(0, offset["row"]?.integer ?? 0)
        gtids = GTIDSet(offset["gtids"]?.string ?? "")
        seconds = offset["ts_sec"]?.integer ?? 0
        serverID = offset["server_id"]?.integer ?? 0
        for entry in offset.entries {
            if let name = entry.key.string, name.hasPrefix("incremental_snapshot_"), let text = entry.value.string {
                incremental[name] = text
            }
        }
    }

    /// Of a row, an event or a transaction in the log.
    var offset: ConnectMap {
        var map = ConnectMap()
        map["ts_sec"] = .int64(seconds)
        map["file"] = .string(file)
        map["pos"] = .int64(position)
        if !gtids.isEmpty { map["gtids"] = .string(gtids.text) }
        if rowCount > 0 || eventCount > 0 { map["row"] = .int64(rowCount) }
        if serverID != 0 { map["server_id"] = .int64(serverID) }
        if eventCount > 0 { map["event"] = .int64(eventCount) }
        for (name, text) in incremental.sorted(by: { $0.key < $1.key }) { map[name] = .string(text) }
        return map
    }

    /// By file and position. Names of files end with a number that grows, also beyond its width.
    static func isOrdered(_ a: (file: String, position: Int64), _ b: (file: String, position: Int64)) -> Bool {
        if a.file == b.file { return a.position <= b.position }
        if let first = number(a.file), let second = number(b.file) { return first < second }
        return a.file.utf8.lexicographicallyPrecedes(b.file.utf8)
    }

    private static func number(_ file: String) -> UInt64? { file.split(separator: ".").last.flatMap { UInt64($0) } }
}
