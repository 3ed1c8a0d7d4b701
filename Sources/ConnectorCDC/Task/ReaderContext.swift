internal import ConnectCore
internal import Glibc
internal import JSONFormat

/// The present, in nanoseconds since 1970.
func wallClockNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// How records of a topic can be written at once; see `SourceTaskContext.writing`. Blocks.
typealias RecordWritings =
    @Sendable (_ topic: String, _ key: ConnectSchema?, _ value: ConnectSchema) throws(ConnectError) -> RecordWriting?

/// What snapshot and stream share on the thread that reads the source: tables, their events, the way to the queue.
final class ReaderContext {
    let config: CDCConfig
    let filters: TableFilters
    let rules: ColumnRules
    let history: any SchemaHistory
    let queue: RecordQueue
    let log: @Sendable (TaskLogLevel, String) -> Void
    let version: String
    private let writings: RecordWritings
    /// The source's name in offsets.
    let partition: ConnectMap
    /// Of events of rows, tombstones and definitions.
    let headers: [ConnectHeader]
    var catalog = TableCatalog()
    private var events: [TableID: TableEvents] = [:]
    private let sourceSchema: ConnectSchema
    private let changeKeySchema: ConnectSchema
    private let changeValueSchema: ConnectSchema
    /// What goes to the queue next.
    var chunk = RecordChunk()
    /// Records went to the queue without the end of their transaction.
    private var isTransactionOpen = false

    init(
        _ config: CDCConfig, history: any SchemaHistory, queue: RecordQueue, version: String,
        writings: @escaping RecordWritings,
        log: @escaping @Sendable (TaskLogLevel, String) -> Void
    ) throws(ConnectError) {
        self.config = config
        self.history = history
        self.queue = queue
        self.log = log
        self.version = version
        self.writings = writings
        filters = try TableFilters(config)
        rules = try ColumnRules(config)
        partition = ConnectMap([("server", .string(config.prefix))])
        headers = ContextHeaders.make(
            config,
            runID: ContextHeaders.runID(
                milliseconds: wallClockNanoseconds() / 1_000_000,
                random: (.random(in: 0 ... .max), .random(in: 0 ... .max))))
        sourceSchema = SourceInfo.schema(config.flavor)
        changeKeySchema = TableChangesText.key(config.flavor)
        changeValueSchema = TableChangesText.value(config.flavor, source: sourceSchema)
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

    /// What writes a table's rows at once; nil where its records go as values.
    func writer(of events: TableEvents) -> TableWriter? {
        switch events.writing {
        case .known(let writer): return writer
        case .asked(let rest) where rest > 0:
            events.writing = .asked(rest - 1)
            return nil
        case .asked: break
        }
        do throws(ConnectError) {
            let writing = try writings(events.topic, events.keySchema, events.envelope)
            let writer = writing.flatMap { TableWriter(events, $0) }
            events.writing = .known(writer)
            return writer
        } catch {
            // As values they come to the same failure, which is met there as the configuration wants it.
            events.writing = .asked(1000)
            return nil
        }
    }

    // MARK: The queue

    func add(_ record: ConnectRecord, byteCount: Int) {
        chunk.records.append(record)
        chunk.recordCount += 1
        chunk.byteCount += byteCount
    }

    /// Adds a record that `write` writes: it gets the records of the topic that are under way.
    ///
    /// - Parameter offset: to begin with; `setOffset` tells where to go on behind the last record of a row.
    func add(to topic: String, offset: ConnectMap, _ write: (inout WrittenRecords) -> Void) {
        let last = chunk.written.count - 1
        if last < 0 || chunk.written[last].topic != topic || chunk.written[last].recordsBefore != chunk.records.count {
            chunk.written.append(
                WrittenRecords(
                    topic: topic, partition: partition, offset: offset, recordsBefore: chunk.records.count,
                    headers: headers))
        }
        let place = chunk.written.count - 1
        let byteCount = chunk.written[place].bytes.count
        let count = chunk.written[place].count
        write(&chunk.written[place])
        chunk.recordCount += chunk.written[place].count - count
        chunk.byteCount += chunk.written[place].bytes.count - byteCount
    }

    /// Where to go on behind the records that were written last.
    func setOffset(_ offset: ConnectMap) {
        guard !chunk.written.isEmpty else { return }
        chunk.written[chunk.written.count - 1].offset = offset
    }

    var isChunkFull: Bool { chunk.recordCount >= config.batchCountMax || chunk.byteCount >= 4 << 20 }

    /// - Throws: `StopError` when the task was stopped.
    func flush(offset: ConnectMap? = nil, endsTransaction: Bool = false) throws {
        // Offsets alone are for heartbeats.
        let isEndAlone = endsTransaction && isTransactionOpen && config.hasOwnBoundaries
        guard chunk.recordCount > 0 || isEndAlone || (offset != nil && config.heartbeatInterval != nil) else { return }
        isTransactionOpen = !endsTransaction && (isTransactionOpen || chunk.recordCount > 0)
        chunk.offset = offset
        chunk.boundary = endsTransaction ? .commit : .none
        let next = chunk
        chunk = RecordChunk()
        guard queue.push(next) else { throw StopError() }
    }

    /// What came since the last end of a transaction comes again: workers that can take it back do so.
    ///
    /// - Throws: `StopError`.
    func takeBack() throws {
        chunk = RecordChunk()
        guard config.hasOwnBoundaries else { return }
        var mark = RecordChunk()
        mark.boundary = .abort
        isTransactionOpen = false
        guard queue.push(mark) else { throw StopError() }
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
            tell(record, [change], source, offset)
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

    /// Statements about several tables are told one by one.
    private func text(_ change: DDLChange, _ ddl: String, _ count: Int) -> String {
        if case .drop(let table) = change { return "DROP TABLE \(table.sql)" }
        if case .alter(let table, let previous?) = change, count > 1 {
            return "RENAME TABLE \(previous.sql) TO \(table.id.sql)"
        }
        return ddl
    }

    func tell(_ record: SchemaHistoryRecord, _ changes: [DDLChange], _ source: SourceInfo, _ offset: ConnectMap) {
        var source = source
        source.setTable(record.database, changes.first?.table?.table)
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

/// The task was stopped.
struct StopError: Error {}
