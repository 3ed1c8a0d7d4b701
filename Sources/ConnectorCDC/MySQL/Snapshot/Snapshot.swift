internal import ConnectCore
internal import JSONFormat

/// Reads definitions and rows as they are at one place in the log.
///
/// 1. A read lock on all tables, unless `snapshot.locking.mode=none`; a transaction that sees one state; the place in the
///    log; definitions; the lock goes (`minimal`) or stays until the end (`extended`).
/// 2. Rows, table by table, as they come from the server: one row is held back, so that the last one is known.
struct Snapshot {
    let context: ReaderContext
    let server: MySQLServer
    let hasData: Bool

    private var connection: MySQLConnection { server.connection }
    private var config: MySQLConfig { context.config }

    /// - Returns: where the log goes on behind it.
    /// - Throws: `MySQLError`, `ConnectError`, `StopError`.
    func run() throws -> LogPosition {
        try server.normalise(config)
        if config.snapshotDelay > .zero, !context.queue.sleep(config.snapshotDelay) { throw StopError() }
        try connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        var isLocked = false
        if config.locking != .none { isLocked = try lock() }
        let position: LogPosition
        if isLocked || server.isMariaDB {
            try connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            position = try place()
        } else {
            // Without a lock what is committed in between comes twice rather than never.
            position = try place()
            try connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        }
        context.notify(Notification(aggregate: .initial, kind: .started), offset: offset(position))
        let tables = try definitions(position)
        if isLocked, config.locking == .minimal {
            try connection.execute("UNLOCK TABLES")
            isLocked = false
        }
        if hasData { try rows(tables, position) }
        context.notify(Notification(aggregate: .initial, kind: .completed), offset: offset(position, isCompleted: true))
        // The snapshot is one transaction for workers that let connectors say where they end.
        try context.flush(endsTransaction: true)
        do throws(MySQLError) {
            if isLocked { try connection.execute("UNLOCK TABLES") }
            try connection.execute("COMMIT")
        } catch {
            // Every row has been handed over, and another try would hand them over again. A connection that is lost takes
            // lock and transaction with it.
            guard error.isConnectionLost else { throw error }
        }
        return position
    }

    private func lock() throws -> Bool {
        do throws(MySQLError) {
            try connection.execute("FLUSH TABLES WITH READ LOCK")
            return true
        } catch {
            // Servers that are rented out do not give the right to lock all tables.
            guard [1044, 1045, 1227, 1290].contains(error.number) else { throw error }
            context.log(
                .warning,
                "the user may not lock all tables (\(error)); the snapshot goes on without a lock, as with "
                    + "snapshot.locking.mode=none")
            return false
        }
    }

    private func place() throws -> LogPosition {
        guard var position = try server.logEnd() else {
            throw ConnectError(
                .connect,
                "The server keeps no binary log. Start it with log_bin and binlog_format=ROW, and give the user "
                    + "REPLICATION CLIENT")
        }
        if server.isMariaDB {
            // The place of the transaction's own state, even without a lock.
            let status = try connection.rows("SHOW STATUS LIKE 'binlog_snapshot_%'")
            func value(_ name: String) -> String? {
                status.first { $0.first == name }.flatMap { $0.count > 1 ? $0[1] : nil }
            }
            if let file = value("Binlog_snapshot_file"), !file.isEmpty,
                let place = value("Binlog_snapshot_position").flatMap({ Int64($0) })
            {
                position.file = file
                position.position = place
            }
            if config.flavor == .mariadb { position.gtids = try server.gtids(at: position) }
        }
        if config.flavor == .mysql, server.isMariaDB { position.gtids = GTIDSet() }
        position.seconds = wallClockNanoseconds() / 1_000_000_000
        return position
    }

    private func offset(_ position: LogPosition, isCompleted: Bool = false) -> ConnectMap {
        var offset = position.offset
        offset["snapshot"] = .string("INITIAL")
        offset["snapshot_completed"] = .boolean(isCompleted)
        return offset
    }

    // MARK: Definitions

    /// - Returns: the tables whose rows are to be read, in their order.
    private func definitions(_ position: LogPosition) throws -> [TableID] {
        let charset = try server.variable("character_set_server") ?? "utf8mb4"
        let collation = try server.variable("collation_server")
        context.catalog = TableCatalog()
        context.catalog.isMariaDB = server.isMariaDB
        context.catalog.ignoresCase = try server.variable("lower_case_table_names").map { $0 != "0" } ?? false
        var source = context.source()
        source.setSnapshot("true")
        source.setPlace(file: position.file, position: position.position)
        source.setGTID(position.gtids.isEmpty ? nil : position.gtids.text)
        let offset = offset(position)
        var historyPosition = position.offset
        historyPosition["snapshot"] = .string("INITIAL")
        func apply(_ ddl: String, _ database: String) throws {
            let now = wallClockNanoseconds()
            source.setTime(microseconds: now / 1000, nanoseconds: now)
            historyPosition["ts_sec"] = .int64(now / 1_000_000_000)
            _ = try context.apply(
                ddl: ddl, database: database, position: historyPosition, source: source, offset: offset)
        }
        var setting = "SET character_set_server=\(charset)"
        if let collation { setting += ", collation_server=\(collation)" }
        try record(setting, "", historyPosition, source, offset)
        context.catalog.serverCharset = charset
        var captured: [TableID] = []
        var others: [TableID] = []
        for database in try server.databases().sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        where !TableFilters.builtIn.contains(database.lowercased()) {
            if !context.filters.isCaptured(database: database),
                config.storesCapturedTablesOnly || config.storesCapturedDatabasesOnly
            {
                continue
            }
            for name in try server.tables(of: database) {
                let table = TableID(database, name)
                let isWanted = context.filters.isCaptured(table) || context.filters.isSignal(table)
                if isWanted { captured.append(table) } else if !config.storesCapturedTablesOnly { others.append(table) }
            }
        }
        captured.sort()
        others.sort()
        if config.tableCountMax > 0, captured.count > config.tableCountMax {
            let message =
                "\(captured.count) tables are captured, more than guardrail.collections.max=\(config.tableCountMax)"
            if config.failsBeyondTableCount { throw ConnectError(.connect, message) }
            context.log(.warning, message)
        }
        let all = captured + others
        for table in all {
            try record(
                "DROP TABLE IF EXISTS \(table.sql)", table.database, historyPosition, source, offset, drops: table)
        }
        var databases: [String] = []
        for table in all where !databases.contains(table.database) { databases.append(table.database) }
        for database in databases {
            try record("DROP DATABASE IF EXISTS \(sqlIdentifier(database))", database, historyPosition, source, offset)
            let names = try connection.rows(
                "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE "
                    + "SCHEMA_NAME=\(sqlText(database))"
            ).first
            let charset = names?.first.flatMap { $0 }
            let collation = names.flatMap { $0.count > 1 ? $0[1] : nil }
            if let charset { context.catalog.databaseCharsets[database] = charset }
            var text = "CREATE DATABASE \(sqlIdentifier(database))"
            if let charset { text += " CHARSET \(charset)" }
            if let collation { text += " COLLATE \(collation)" }
            try record(text, database, historyPosition, source, offset)
            try record("USE \(sqlIdentifier(database))", database, historyPosition, source, offset)
            for table in all where table.database == database {
                if context.queue.isStopped { throw StopError() }
                do throws(MySQLError) {
                    guard let definition = try server.definition(of: table) else { continue }
                    do { try apply(definition, database) } catch let error as ConnectError {
                        // A table that nobody wants does not keep the others back.
                        if captured.contains(table) { throw MySQLError(number: 0, message: error.message) }
                        context.log(.warning, "the definition of \(table) is passed over: \(error.message)")
                    } catch { throw MySQLError(number: 0, message: "\(error)") }
                } catch {
                    if captured.contains(table) { throw error }
                    context.log(.warning, "the definition of \(table) is passed over: \(error)")
                }
            }
        }
        try context.flush()
        return try ordered(captured.filter { context.filters.isInSnapshot($0) && context.catalog[$0] != nil })
    }

    /// A statement that changes no table.
    private func record(
        _ ddl: String, _ database: String, _ position: ConnectMap, _ source: SourceInfo, _ offset: ConnectMap,
        drops table: TableID? = nil
    ) throws(ConnectError) {
        let now = wallClockNanoseconds()
        var source = source
        var position = position
        position["ts_sec"] = .int64(now / 1_000_000_000)
        source.setTime(microseconds: now / 1000, nanoseconds: now)
        let changes = table.map { [DDLChange.drop($0)] } ?? []
        let record = SchemaHistoryRecord(
            source: config.prefix, position: position, milliseconds: now / 1_000_000, database: database, ddl: ddl,
            changes: .array(changes.compactMap { TableChangesText.json($0, hasComments: false) }))
        try context.history.append([record])
        let isTold =
            table.map { context.filters.isCaptured($0) }
            ?? (database.isEmpty || context.filters.isCaptured(database: database))
        if config.hasSchemaChanges, isTold { context.tell(record, changes, source, offset) }
    }

    private func ordered(_ tables: [TableID]) throws -> [TableID] {
        let tables = context.filters.inOrderOfPatterns(tables)
        guard config.snapshotOrder != "disabled" else { return tables }
        var counts: [TableID: Int64] = [:]
        for table in tables {
            let status = try connection.namedRow(
                "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA=\(sqlText(table.database)) AND "
                    + "TABLE_NAME=\(sqlText(table.table))")
            counts[table] = status?["TABLE_ROWS"].flatMap { Int64($0) } ?? 0
        }
        return tables.sorted {
            let (a, b) = (counts[$0] ?? 0, counts[$1] ?? 0)
            if a == b { return $0 < $1 }
            return config.snapshotOrder == "ascending" ? a < b : a > b
        }
    }

    // MARK: Rows

    private func rows(_ tables: [TableID], _ position: LogPosition) throws {
        var source = context.source()
        source.setPlace(file: position.file, position: position.position)
        source.setGTID(position.gtids.isEmpty ? nil : position.gtids.text)
        let begun = offset(position)
        let captured = context.filters.inOrderOfPatterns(context.tableIDs.filter { context.filters.isCaptured($0) })
        let rows = SnapshotRows(context, offset: begun)
        for (index, table) in tables.enumerated() {
            guard let events = context.events(of: table), !events.columns.isEmpty || events.keySchema != nil else {
                continue
            }
            source.setTable(table.database, table.table)
            let clock = wallClockNanoseconds()
            source.setTime(microseconds: clock / 1000, nanoseconds: clock)
            let select = SnapshotTable(events: events, overrides: config.properties)
            context.notify(.inProgress(table, of: tables), offset: begun)
            var rowCount: Int64 = 0
            try rows.read(events, source: source, isFirst: index == 0) { take in
                try select.forEachRow(connection) { cells, byteCount in
                    rowCount += 1
                    try take(cells, byteCount)
                }
            }
            context.notify(.scanned(table, rowCount: rowCount, of: captured), offset: begun)
        }
        try rows.finish(offset: offset(position, isCompleted: true))
    }
}
