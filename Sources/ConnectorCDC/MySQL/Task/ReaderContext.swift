internal import ConnectCore
internal import JSONFormat

/// What snapshot and stream share on the thread that reads a MySQL or MariaDB server: tables and their events.
final class ReaderContext: RecordOutput {
    let config: MySQLConfig
    let filters: TableFilters
    let rules: ColumnRules
    let history: any SchemaHistory
    let version: String
    var catalog = TableCatalog()
    private var events: [TableID: TableEvents] = [:]
    private let sourceSchema: ConnectSchema
    private let changeKeySchema: ConnectSchema
    private let changeValueSchema: ConnectSchema

    init(
        _ config: MySQLConfig, history: any SchemaHistory, queue: RecordQueue, version: String,
        writings: @escaping RecordWritings,
        log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) throws(ConnectError) {
        self.config = config
        self.history = history
        self.version = version
        filters = try TableFilters(config.shared)
        rules = try ColumnRules(config.shared)
        sourceSchema = SourceInfo.schema(config.flavor)
        changeKeySchema = TableChangesText.key(config.flavor)
        changeValueSchema = TableChangesText.value(config.flavor, source: sourceSchema)
        super.init(config.shared, queue: queue, writings: writings, log: log)
    }

    func source() -> SourceInfo { SourceInfo(config, version: version) }

    /// nil for a table that is not known.
    func events(of id: TableID) -> TableEvents? {
        if let known = events[id] { return known }
        guard let table = catalog[id] else { return nil }
        let made = TableEvents(table, config, filters, rules, source: sourceSchema)
        events[id] = made
        return made
    }

    func forget(_ id: TableID) {
        events[id] = nil
        if catalog.ignoresCase { events = events.filter { catalog.key($0.key) != catalog.key(id) } }
    }

    // MARK: Definitions

    /// Applies a statement to the catalog, keeps it in the history and tells of it.
    ///
    /// - Parameters:
    ///   - position: the place in the log behind the statement.
    ///   - source: of the event, without its table.
    ///   - offset: of the schema change event.
    func apply(
        ddl: String, database: String, position: ConnectMap, source: SourceInfo, offset: ConnectMap
    ) throws(ConnectError) -> [DDLChange] {
        let changes: [DDLChange]
        do throws(DDLError) {
            changes = try DDLParser.apply(ddl, database: database, to: &catalog)
        } catch {
            guard config.skipsUnparseable || !concernsCapturedTables(database) else {
                throw ConnectError(
                    .connect,
                    "A statement in the log cannot be followed: \(error). Set "
                        + "schema.history.internal.skip.unparseable.ddl=true to pass over such statements")
            }
            log(.warning, "a statement is passed over: \(error)")
            return []
        }
        let kept = changes.filter(isKept)
        for change in changes {
            if let table = change.table { forget(table) }
            if case .alter(_, let previous?) = change { forget(previous) }
        }
        let now = wallClockNanoseconds() / 1_000_000
        var records: [SchemaHistoryRecord] = []
        for change in kept {
            if case .truncate = change { continue }
            if case .use = change { continue }
            records.append(
                SchemaHistoryRecord(
                    source: config.prefix, position: position, milliseconds: now,
                    database: change.database ?? database, ddl: text(change, ddl, changes.count),
                    changes: .array(TableChangesText.json(change, hasComments: config.hasComments).map { [$0] } ?? [])))
        }
        if !records.isEmpty { try history.append(records) }
        for (change, record) in zip(kept.filter { if case .truncate = $0 { false } else { true } }, records) {
            guard config.hasSchemaChanges, isTold(change) else { continue }
            if isOfIndex(ddl) {
                // As with the original: an index says nothing of a table.
                var plain = record
                plain.database = ""
                tell(plain, [], source, offset, table: "")
            } else {
                tell(record, [change], source, offset)
            }
        }
        return changes
    }

    private func concernsCapturedTables(_ database: String) -> Bool {
        database.isEmpty || filters.isCaptured(database: database)
    }

    private func isKept(_ change: DDLChange) -> Bool {
        if let table = change.table {
            if config.storesCapturedTablesOnly { return filters.isCaptured(table) || filters.isSignal(table) }
            if config.storesCapturedDatabasesOnly { return filters.isCaptured(database: table.database) }
            return !TableFilters.builtIn.contains(table.database.lowercased())
        }
        guard let database = change.database else { return true }
        if config.storesCapturedTablesOnly || config.storesCapturedDatabasesOnly {
            return filters.isCaptured(database: database)
        }
        return !TableFilters.builtIn.contains(database.lowercased())
    }

    private func isTold(_ change: DDLChange) -> Bool {
        if case .alter(let table, let previous?) = change {
            return filters.isCaptured(table.id) || filters.isCaptured(previous)
        }
        if let table = change.table { return filters.isCaptured(table) }
        return change.database.map { filters.isCaptured(database: $0) } ?? true
    }

    private static func firstWords(_ ddl: String) -> [String] {
        DDLLexer.tokens(of: ddl).prefix(5).map { $0.kind == .word ? $0.upper : "" }
    }

    private func isOfIndex(_ ddl: String) -> Bool {
        let words = Self.firstWords(ddl)
        guard let first = words.first, ["CREATE", "DROP"].contains(first) else { return false }
        return words.dropFirst().prefix(4).first { ["INDEX", "TABLE", "TABLES", "DATABASE", "SCHEMA"].contains($0) }
            == "INDEX"
    }

    /// Statements about several tables are told one by one.
    private func text(_ change: DDLChange, _ ddl: String, _ count: Int) -> String {
        if case .drop(let table) = change {
            let words = Self.firstWords(ddl)
            let isOfTables = words.contains("TABLE") || words.contains("TABLES")
            return "DROP TABLE \(isOfTables && words.contains("EXISTS") ? "IF EXISTS " : "")\(table.sql)"
        }
        if case .alter(let table, let previous?) = change, count > 1 {
            return "RENAME TABLE \(previous.sql) TO \(table.id.sql)"
        }
        return ddl
    }

    /// - Parameter table: the one that the event names; nil: that of the first change.
    func tell(
        _ record: SchemaHistoryRecord, _ changes: [DDLChange], _ source: SourceInfo, _ offset: ConnectMap,
        table: String? = nil
    ) {
        var source = source
        source.setTable(record.database, table ?? changes.first?.table?.table)
        add(
            ConnectRecord(
                topic: config.prefix, partition: 0,
                key: SchemaAndValue(
                    changeKeySchema, .structure(ConnectStruct(changeKeySchema, values: [.string(record.database)]))),
                value: SchemaAndValue(
                    changeValueSchema,
                    .structure(
                        ConnectStruct(
                            changeValueSchema,
                            values: [
                                source.value, .int64(record.milliseconds), .string(record.database), .null,
                                .string(record.ddl),
                                TableChangesText.event(changes, hasComments: config.hasComments),
                            ]))), headers: headers,
                origin: .source(partition: partition, offset: offset)), byteCount: record.ddl.utf8.count + 1000)
    }

    /// The tables as they were at a place in the log.
    ///
    /// - Returns: whether the history had anything.
    func recover(at position: LogPosition, isSnapshot: Bool) throws(ConnectError) -> Bool {
        var catalog = catalog
        var found = false
        let skips = config.skipsUnparseable
        var failure: DDLError?
        try history.forEach { record in
            guard record.source == config.prefix || record.source.isEmpty else { return }
            guard isAtOrBefore(record.position, position) else { return }
            found = true
            if let changes = record.changes.elements, !changes.isEmpty {
                for change in changes { _ = TableChangesText.apply(change, to: &catalog) }
                return
            }
            do throws(DDLError) {
                _ = try DDLParser.apply(record.ddl, database: record.database, to: &catalog)
            } catch {
                if !skips { failure = failure ?? error }
            }
        }
        if let failure { log(.warning, "a statement of the schema history is passed over: \(failure)") }
        self.catalog = catalog
        events.removeAll()
        return found
    }

    private func isAtOrBefore(_ record: ConnectMap, _ position: LogPosition) -> Bool {
        let gtids = GTIDSet(record["gtids"]?.string ?? "")
        if !gtids.isEmpty, !position.gtids.isEmpty, !config.ignoresGTIDs {
            return gtids.isContained(in: position.gtids)
        }
        guard let file = record["file"]?.string, let place = record["pos"]?.integer else { return true }
        return LogPosition.isOrdered((file, place), (position.file, position.position))
    }
}
