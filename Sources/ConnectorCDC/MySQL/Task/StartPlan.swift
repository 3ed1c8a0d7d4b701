internal import ConnectCore
internal import JSONFormat

/// How a task begins: with a snapshot, or at a place in the log.
enum StartPlan {
    case stream(LogPosition)
    case snapshot(hasData: Bool)

    static func streams(_ config: MySQLConfig) -> Bool {
        switch config.snapshotMode {
        case .initialOnly: false
        case .configured(_, _, let stream, _, _): stream
        default: true
        }
    }

    /// Brings the context's catalog up to date where there is no snapshot.
    static func make(
        _ config: MySQLConfig, offset: ConnectMap?, context: ReaderContext, server: MySQLServer,
        log: (TaskLogLevel, String) -> Void
    ) throws -> StartPlan {
        try check(server)
        context.catalog.isMariaDB = server.isMariaDB
        context.catalog.ignoresCase = try server.variable("lower_case_table_names").map { $0 != "0" } ?? false
        context.catalog.serverCharset = try server.variable("character_set_server") ?? "utf8mb4"
        guard let offset, !SnapshotOffset.isUnfinished(offset), let position = LogPosition(offset) else {
            return try first(config, offset, context, server, log)
        }
        if config.snapshotMode == .always {
            log(.info, "snapshot.mode=always: a new snapshot is taken")
            return .snapshot(hasData: true)
        }
        guard streams(config) else {
            // The one snapshot is done.
            throw StopError()
        }
        if config.checksLogPosition, try !isAvailable(position, config, server) {
            switch config.snapshotMode {
            case .whenNeeded, .configured(_, _, _, _, true):
                log(.warning, "the log no longer has \(position.file):\(position.position): a new snapshot is taken")
                return .snapshot(hasData: true)
            default:
                throw ConnectError(
                    .connect,
                    "The connector is trying to read the binary log from \(position.file):\(position.position)"
                        + (position.gtids.isEmpty ? "" : " (GTIDs \(position.gtids.text))")
                        + ", but this is no longer available on the server. Set snapshot.mode=when_needed to take a new "
                        + "snapshot, or delete the connector's offsets")
            }
        }
        if config.snapshotMode == .recovery {
            log(.info, "snapshot.mode=recovery: the schema history is written anew from today's definitions")
            try recover(config, context, server, position)
            return .stream(position)
        }
        guard try context.recover(at: position, isSnapshot: false) else {
            switch config.snapshotMode {
            case .whenNeeded, .configured(_, _, _, true, _): return .snapshot(hasData: true)
            case .never:
                try recover(config, context, server, position)
                return .stream(position)
            default: break
            }
            if context.history is MemorySchemaHistory {
                log(.warning, "the schema history is kept in memory only: today's definitions are taken")
                try recover(config, context, server, position)
                return .stream(position)
            }
            throw ConnectError(
                .connect,
                "The db history topic or its content is fully or partially missing. Please check database schema history "
                    + "topic configuration and re-execute the snapshot, or start once with snapshot.mode=recovery")
        }
        return .stream(position)
    }

    /// Without an offset, or with one out of a snapshot that did not end.
    private static func first(
        _ config: MySQLConfig, _ offset: ConnectMap?, _ context: ReaderContext, _ server: MySQLServer,
        _ log: (TaskLogLevel, String) -> Void
    ) throws -> StartPlan {
        if offset != nil { log(.warning, "the snapshot did not end: it is taken again") }
        switch config.snapshotMode {
        case .noData: return .snapshot(hasData: false)
        case .recovery:
            throw ConnectError(
                .connect, "snapshot.mode=recovery needs an offset to go on from; use snapshot.mode=no_data without one")
        case .never:
            // From the beginning of what the log has; its definitions are today's where it does not have them.
            guard let file = try server.logFiles().first else {
                throw ConnectError(
                    .connect, "The server keeps no binary log. Start it with log_bin and binlog_format=ROW")
            }
            var position = LogPosition()
            position.file = file
            position.position = 4
            return .stream(position)
        case .configured(let data, let schema, let stream, _, _):
            guard data || schema || stream else { throw StopError() }
            return .snapshot(hasData: data)
        default: return .snapshot(hasData: true)
        }
    }

    /// Today's definitions as those at the offset.
    private static func recover(
        _ config: MySQLConfig, _ context: ReaderContext, _ server: MySQLServer, _ position: LogPosition
    ) throws {
        try server.normalise(config)
        for database in try server.databases() where !TableFilters.builtIn.contains(database.lowercased()) {
            for name in try server.tables(of: database) {
                let table = TableID(database, name)
                guard context.filters.isCaptured(table) || context.filters.isSignal(table) else { continue }
                guard let definition = try server.definition(of: table) else { continue }
                let now = wallClockNanoseconds() / 1_000_000
                do throws(DDLError) {
                    let changes = try DDLParser.apply(definition, database: database, to: &context.catalog)
                    try? context.history.append([
                        SchemaHistoryRecord(
                            source: config.prefix, position: position.offset, milliseconds: now, database: database,
                            ddl: definition,
                            changes: .array(
                                changes.compactMap { TableChangesText.json($0, hasComments: config.hasComments) }))
                    ])
                } catch {
                    throw ConnectError(.connect, "The definition of \(table) cannot be followed: \(error)")
                }
            }
        }
    }

    /// What a server has to be for its log to be read.
    private static func check(_ server: MySQLServer) throws {
        guard try server.variable("log_bin")?.uppercased() == "ON" else {
            throw ConnectError(
                .connect,
                "The server keeps no binary log. Start it with log_bin=ON and binlog_format=ROW, and try again")
        }
        let format = try server.variable("binlog_format")?.uppercased() ?? "ROW"
        guard format == "ROW" else {
            throw ConnectError(
                .connect,
                "The server is not configured to use a ROW binlog_format, which is required for this connector to work "
                    + "properly (it is \(format)). Change it with binlog_format=ROW")
        }
        let image = try server.variable("binlog_row_image")?.uppercased() ?? "FULL"
        guard image == "FULL" else {
            throw ConnectError(
                .connect,
                "The server is not configured to use a FULL binlog_row_image, which is required for this connector to "
                    + "work properly (it is \(image)). Change it with binlog_row_image=FULL")
        }
    }

    private static func isAvailable(
        _ position: LogPosition, _ config: MySQLConfig, _ server: MySQLServer
    ) throws -> Bool {
        let usesGTIDs = !position.gtids.isEmpty && !config.ignoresGTIDs
        if usesGTIDs, !server.isMariaDB, config.flavor == .mysql {
            let purged = GTIDSet(try server.variable("gtid_purged") ?? "")
            return purged.isContained(in: position.gtids)
        }
        if try server.logFiles().contains(position.file) { return true }
        // MariaDB tells by itself whether it has what is behind the identifiers.
        return usesGTIDs && server.isMariaDB
    }
}
