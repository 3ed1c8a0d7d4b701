internal import ConnectCore
internal import SQLTypes

/// How far a table or query was read, in the original's form.
struct SourceOffset: Hashable, Sendable {
    static let incrementingKey = "incrementing"
    static let timestampKey = "timestamp"
    static let nanosKey = "timestamp_nanos"

    /// The largest time that fits into microseconds, with room for zones.
    private static let storedMillisMax: Int64 = 9_223_000_000_000_000

    /// The largest number that was seen.
    var incrementing: Int64?
    /// Microseconds since 1970.
    var timestamp: Int64?

    init(incrementing: Int64? = nil, timestamp: Int64? = nil) {
        self.incrementing = incrementing
        self.timestamp = timestamp
    }

    init(_ map: ConnectMap) {
        incrementing = map[Self.incrementingKey]?.integer
        guard let stored = map[Self.timestampKey]?.integer else { return }
        // What is stored may be of any size: no start of a task shall fail of it.
        let millis = min(max(stored, -Self.storedMillisMax), Self.storedMillisMax)
        // Milliseconds hold the thousands of the nanoseconds as well.
        let storedNanos = map[Self.nanosKey]?.integer.map { min(max($0, 0), 999_999_999) }
        let nanos = storedNanos ?? Int64(floorMod(Int(millis), 1000)) * 1_000_000
        timestamp = Int64(floorDiv(Int(millis), 1000)) * 1_000_000 + nanos / 1000
    }

    var map: ConnectMap {
        var map = ConnectMap()
        if let incrementing { map[Self.incrementingKey] = .int64(incrementing) }
        if let timestamp {
            map[Self.timestampKey] = .int64(Int64(floorDiv(Int(timestamp), 1000)))
            map[Self.nanosKey] = .int64(Int64(floorMod(Int(timestamp), 1_000_000)) * 1000)
        }
        return map
    }

    // MARK: Partitions

    static let queryPartition = ConnectMap([("query", .string("query"))])

    /// That of a table, and below it those of earlier versions of the original and of its drivers.
    static func partitions(_ table: TableID) -> [ConnectMap] {
        func current(_ parts: [String]) -> ConnectMap {
            ConnectMap([("protocol", .string("1")), ("table", .string(parts.joined(separator: ".")))])
        }
        var partitions = [current(table.parts)]
        if table.catalog != nil, let schema = table.schema { partitions.append(current([schema, table.name])) }
        partitions.append(ConnectMap([("table", .string(table.name))]))
        return partitions
    }

    /// - Throws: what is wrong with an offset that somebody wants to set.
    static func check(_ partition: ConnectMap, _ offset: ConnectMap?) throws(ConnectError) {
        let names = Set(partition.entries.compactMap(\.key.string))
        guard partition.count == names.count, [["query"], ["table"], ["protocol", "table"]].contains(names),
            partition.entries.allSatisfy({ $0.value.string != nil })
        else {
            throw ConnectError(
                .connect,
                "Source partitions have the form {\"protocol\": \"1\", \"table\": \"database.schema.table\"}, or "
                    + "{\"query\": \"query\"} for a connector with a query")
        }
        guard let offset else { return }
        let known = [incrementingKey, timestampKey, nanosKey]
        for entry in offset.entries {
            guard let name = entry.key.string, known.contains(name), let value = entry.value.integer else {
                throw ConnectError(
                    .connect,
                    "Source offsets have the form {\"incrementing\": 5, \"timestamp\": 1700000000000, "
                        + "\"timestamp_nanos\": 0}, with integers and those names only")
            }
            guard name != timestampKey || value.magnitude <= SourceSettings.millisMax.magnitude else {
                throw ConnectError(
                    .connect,
                    "'timestamp' is milliseconds since 1970, at most \(SourceSettings.millisMax) of them: not \(value)")
            }
            guard name != nanosKey || 0..<1_000_000_000 ~= value else {
                throw ConnectError(.connect, "'timestamp_nanos' is between 0 and 999999999, the part of a second")
            }
        }
        guard offset[nanosKey] == nil || offset[timestampKey] != nil else {
            throw ConnectError(.connect, "'timestamp_nanos' needs 'timestamp', the milliseconds")
        }
    }
}

/// Which rows come next, as the end of a query.
struct SourceCriteria: Sendable {
    var dialect: Dialect
    var timestampColumns: [String]
    var incrementingColumn: String?
    var zone: TimeZoneID

    /// - Parameter end: microseconds since 1970; rows from then on wait.
    func clause(_ offset: SourceOffset, end: Int64) -> String {
        let number = String(offset.incrementing ?? -1)
        let begin = literal(offset.timestamp ?? 0)
        let id = incrementingColumn.map(dialect.quoted) ?? ""
        guard !timestampColumns.isEmpty else {
            return incrementingColumn == nil ? "" : " WHERE \(id) > \(number) ORDER BY \(id) ASC"
        }
        let time = timeExpression
        guard incrementingColumn != nil else {
            return " WHERE \(time) > \(begin) AND \(time) < \(literal(end)) ORDER BY \(time) ASC"
        }
        return " WHERE \(time) < \(literal(end)) AND ((\(time) = \(begin) AND \(id) > \(number)) OR \(time) > \(begin))"
            + " ORDER BY \(time),\(id) ASC"
    }

    /// The first of the columns that is not null.
    private var timeExpression: String {
        let columns = timestampColumns.map(dialect.quoted)
        let first = columns.count == 1 ? columns[0] : "COALESCE(" + columns.joined(separator: ",") + ")"
        guard dialect.product == .sqlite else { return first }
        // Times are numbers of milliseconds or texts, and of either kind in one column. Offsets end at milliseconds:
        // a fraction behind them would be later than itself and come again.
        return "(CASE typeof(\(first)) WHEN 'text' THEN CAST(round((julianday(\(first)) - 2440587.5) * 86400000.0) "
            + "AS INTEGER) WHEN 'real' THEN CAST(round(\(first)) AS INTEGER) ELSE \(first) END)"
    }

    private func literal(_ micros: Int64) -> String {
        if dialect.product == .sqlite { return String(floorDiv(Int(micros), 1000)) }
        let cell = CellZones(zone: zone, dateZone: zone).moment(micros)
        return "'" + CellText.string { cell.appendTime(withEra: dialect.product == .postgresql, &$0) } + "'"
    }
}
