internal import ConnectCore

/// What snapshot and stream share on the thread that reads a PostgreSQL server: tables and their events.
final class PostgresContext: RecordOutput {
    let config: PostgresConfig
    let filters: TableFilters
    let rules: ColumnRules
    let version: String
    var types = PostgresTypes()
    /// The end of the last transaction that became records, as offsets have it.
    var lastChange = Lsn(rawValue: 0)
    private var tables: [TableID: PostgresTable] = [:]
    private var events: [TableID: TableEvents] = [:]

    init(
        _ config: PostgresConfig, queue: RecordQueue, version: String, writings: @escaping RecordWritings,
        log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) throws(ConnectError) {
        self.config = config
        self.version = version
        filters = try config.filters()
        rules = try ColumnRules(config.shared)
        super.init(config.shared, queue: queue, writings: writings, log: log)
    }

    func source() -> SourceInfo { SourceInfo(config, version: version) }

    /// Whether events or signals come of a table.
    func wants(_ table: TableID) -> Bool { filters.isCaptured(table) || filters.isSignal(table) }

    var tableIDs: [TableID] { tables.keys.sorted() }

    subscript(id: TableID) -> PostgresTable? { tables[id] }

    /// A table as it is from here on.
    func set(_ table: PostgresTable) {
        tables[table.id] = table
        events[table.id] = nil
    }

    /// nil for a table that is not known.
    func events(of id: TableID) -> TableEvents? {
        if let known = events[id] { return known }
        guard let table = tables[id] else { return nil }
        let made = TableEvents(
            table.definition, config.shared, filters, rules, source: SourceInfo.postgresSchema
        ) { codec($0, of: table, $1) }
        events[id] = made
        return made
    }

    private func codec(
        _ index: Int, of table: PostgresTable, _ parameters: [ConnectSchema.Parameter]?
    ) -> ColumnCodec {
        let column = table.definition.columns[index]
        let warning = PostgresWarning { [log] in log(.warning, "Table \(table.id): \($0)") }
        return PostgresValue.codec(
            column, table.columns[index], types, config.modes, parameters: parameters ?? [],
            doc: config.hasComments && parameters != nil ? column.comment : nil, warning: warning)
    }

    func codec(_ index: Int, of events: TableEvents) -> ColumnCodec {
        guard let table = tables[events.table.id], index < table.columns.count else {
            return ColumnCodec(
                kind: .unknown, schema: .string, isOptional: true, times: .adaptiveTimeMicroseconds,
                name: events.table.columns[index].name)
        }
        return codec(index, of: table, nil)
    }
}
