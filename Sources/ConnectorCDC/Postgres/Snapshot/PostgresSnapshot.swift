internal import ConnectCore

/// Reads rows as they are at one place in the log.
///
/// A slot that is made for it gives the state of the place where it begins. With a slot that is there already, the state is
/// that of now, and the log's transactions that it has seen are passed over later.
struct PostgresSnapshot {
    let context: PostgresContext
    let server: PostgresServer
    /// Makes the slot when it is missing; nil: no log is read afterwards.
    let slot: PostgresServer.Slot?
    /// Of a slot that was made for it.
    let exported: (place: Lsn, snapshot: String?)?

    private var connection: PostgresConnection { server.connection }
    private var config: PostgresConfig { context.config }

    /// - Returns: where the log goes on behind it.
    /// - Throws: `PostgresError`, `ConnectError`, `StopError`.
    func run() throws -> PostgresPosition {
        try connection.execute("SET statement_timeout = 0")
        let level = config.isRepeatable ? "REPEATABLE READ" : "READ COMMITTED"
        try connection.execute("BEGIN TRANSACTION ISOLATION LEVEL \(level) READ ONLY")
        if config.isRepeatable, let name = exported?.snapshot {
            try connection.execute("SET TRANSACTION SNAPSHOT \(postgresText(name))")
        }
        let tables = try server.readTables(context)
        if config.locksTables, !tables.isEmpty {
            try connection.execute("SET LOCAL lock_timeout = \(config.lockTimeoutMilliseconds)")
            try connection.execute(
                "LOCK TABLE \(tables.map(\.postgres).joined(separator: ", ")) IN ACCESS SHARE MODE")
        }
        let position = try place()
        context.notify(
            Notification(aggregate: .initial, kind: .started), offset: offset(position, isCompleted: false))
        try rows(
            try ordered(tables.filter { context.filters.isInSnapshot($0) }),
            of: context.filters.inOrderOfPatterns(tables), position)
        do throws(PostgresError) {
            try connection.execute("COMMIT")
        } catch {
            // Every row has been handed over, and another try would hand them over again.
            guard error.isConnectionLost else { throw error }
        }
        return position
    }

    /// Where the state is in the log, and what it has seen of what the slot has not told yet.
    private func place() throws -> PostgresPosition {
        let functions = connection.serverVersion >= 130_000 ? "pg_current_snapshot" : "txid_current_snapshot"
        let seen = try connection.value("SELECT pg_catalog.\(functions)()").flatMap { SeenTransactions($0) }
        var position: PostgresPosition
        if let exported {
            position = PostgresPosition(at: exported.place)
        } else {
            // A standby server has no place of its own to write at.
            let isStandby = try connection.value("SELECT pg_catalog.pg_is_in_recovery()") == "t"
            let function = isStandby ? "pg_last_wal_replay_lsn" : "pg_current_wal_insert_lsn"
            guard let now = try connection.value("SELECT pg_catalog.\(function)()").flatMap({ Lsn($0) }) else {
                throw ConnectError(.connect, "The server does not say where its log ends")
            }
            position = PostgresPosition(at: now)
            if let confirmed = slot?.confirmed {
                position.commitLSN = confirmed
                if config.isRepeatable {
                    position.seen = seen
                    position.seenUntil = now
                }
            }
        }
        position.transaction = seen.map { Int64(bitPattern: $0.end) }
        position.microseconds = wallClockNanoseconds() / 1000
        return position
    }

    private func offset(_ position: PostgresPosition, isCompleted: Bool) -> ConnectMap {
        var offset = position.offset
        offset["snapshot"] = .string("INITIAL")
        offset["snapshot_completed"] = .boolean(isCompleted)
        offset["last_snapshot_record"] = .boolean(isCompleted)
        return offset
    }

    private func ordered(_ tables: [TableID]) throws -> [TableID] {
        let tables = context.filters.inOrderOfPatterns(tables)
        guard config.snapshotOrder != "disabled" else { return tables }
        var counts: [TableID: Double] = [:]
        for table in tables {
            counts[table] =
                try connection.value(
                    "SELECT reltuples FROM pg_catalog.pg_class WHERE oid = \(postgresText(table.postgres))::regclass"
                ).flatMap { Double($0) } ?? 0
        }
        return tables.sorted {
            let (a, b) = (counts[$0] ?? 0, counts[$1] ?? 0)
            if a == b { return $0 < $1 }
            return config.snapshotOrder == "ascending" ? a < b : a > b
        }
    }

    private func rows(_ tables: [TableID], of captured: [TableID], _ position: PostgresPosition) throws {
        var source = context.source()
        source.setPlace(position.lsn, lastCommit: nil)
        source.setTransaction(position.transaction)
        let clock = wallClockNanoseconds()
        source.setTime(microseconds: clock / 1000)
        let begun = offset(position, isCompleted: false)
        let rows = SnapshotRows(context, offset: begun)
        var isFirst = true
        for id in tables {
            if context.queue.isStopped { throw StopError() }
            guard let events = context.events(of: id), !events.columns.isEmpty || events.keySchema != nil else {
                continue
            }
            source.setTable(schema: id.database, id.table)
            let table = PostgresRows(events: events, own: config.properties[PostgresRows.override(of: id)])
            context.notify(.inProgress(id, of: tables), offset: begun)
            var rowCount: Int64 = 0
            try rows.read(events, source: source, isFirst: isFirst) { take in
                try table.forEachRow(connection) { cells, byteCount in
                    rowCount += 1
                    try take(cells, byteCount)
                }
            }
            isFirst = false
            context.notify(.scanned(id, rowCount: rowCount, of: captured), offset: begun)
        }
        try rows.finish(offset: offset(position, isCompleted: true))
        context.notify(
            Notification(aggregate: .initial, kind: .completed), offset: offset(position, isCompleted: true))
        // The snapshot is one transaction for workers that let connectors say where they end.
        try context.flush(offset: offset(position, isCompleted: true), endsTransaction: true)
    }
}
