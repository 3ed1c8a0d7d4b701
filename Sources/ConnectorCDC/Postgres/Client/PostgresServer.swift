internal import ConnectCore

/// What a server is, and the questions that all parts ask it.
struct PostgresServer {
    let connection: PostgresConnection
    let config: PostgresConfig

    init(_ config: PostgresConfig, handle: SocketHandle) throws(PostgresError) {
        self.config = config
        connection = try PostgresConnection(config.address, handle: handle)
    }

    init(_ config: PostgresConfig, connection: PostgresConnection) {
        self.config = config
        self.connection = connection
    }

    /// What a server has to be for its log to be read.
    ///
    /// - Throws: `PostgresError`; `ConnectError` with what to do.
    func check() throws {
        guard connection.serverVersion >= 100_000 else {
            throw ConnectError(.connect, "The server is older than PostgreSQL 10, which is the first that has pgoutput")
        }
        guard config.snapshotMode.streams else { return }
        let level = try connection.value("SHOW wal_level") ?? ""
        guard level == "logical" else {
            throw ConnectError(
                .connect,
                "Postgres server wal_level property must be 'logical' but is: '\(level)'. Set wal_level=logical in "
                    + "postgresql.conf and restart the server")
        }
        let rights = try connection.rows(
            "SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
        ).first?.first
        if rights == "f" {
            // Services that rent servers out have roles for it instead.
            let isMember = try connection.value(
                "SELECT bool_or(pg_catalog.pg_has_role(current_user, oid, 'MEMBER')) FROM pg_catalog.pg_roles WHERE rolname "
                    + "IN ('rds_replication', 'cloudsqlsuperuser', 'azure_pg_admin')")
            guard isMember == "t" else {
                throw ConnectError(
                    .connect,
                    "The user has no right to read the log. As a superuser: ALTER USER ... WITH REPLICATION")
            }
        }
    }

    // MARK: Slots

    struct Slot {
        var plugin: String
        var database: String
        var isActive: Bool
        /// Where reading goes on.
        var confirmed: Lsn?
        var restart: Lsn?
        /// The server has thrown away what the slot needs.
        var isLost: Bool
        var xmin: Int64?
    }

    func slot() throws(PostgresError) -> Slot? {
        let status = connection.serverVersion >= 130_000 ? "wal_status" : "NULL"
        let row = try connection.rows(
            "SELECT plugin, database, active, confirmed_flush_lsn, restart_lsn, \(status), catalog_xmin FROM "
                + "pg_catalog.pg_replication_slots WHERE slot_name = \(postgresText(config.slot))"
        ).first
        guard let row else { return nil }
        return Slot(
            plugin: row[0] ?? "", database: row[1] ?? "", isActive: row[2] == "t",
            confirmed: row[3].flatMap { Lsn($0) },
            restart: row[4].flatMap { Lsn($0) }, isLost: row[5] == "lost", xmin: row[6].flatMap { Int64($0) })
    }

    /// - Throws: `ConnectError` for a slot that is another's.
    func checkedSlot() throws -> Slot? {
        guard let slot = try slot() else { return nil }
        guard slot.plugin == "pgoutput", slot.database == config.database else {
            throw ConnectError(
                .connect,
                "The replication slot '\(config.slot)' is of the plugin '\(slot.plugin)' and the database "
                    + "'\(slot.database)', not of pgoutput and '\(config.database)'. Choose another slot.name, or drop the "
                    + "slot: SELECT pg_drop_replication_slot('\(config.slot)')")
        }
        return slot
    }

    func dropSlot() throws(PostgresError) {
        try connection.execute("SELECT pg_catalog.pg_drop_replication_slot(\(postgresText(config.slot)))")
    }

    // MARK: Publications

    /// Makes the publication, or looks whether it is there, and gives tables their replica identities.
    ///
    /// - Throws: `PostgresError`; `ConnectError` with what to do.
    func publish(_ tables: [TableID]) throws {
        if let text = config.properties["replica.identity.autoset.values"] {
            let identities = try ReplicaIdentities(text)
            for table in tables {
                guard let clause = identities.clause(of: table) else { continue }
                try connection.execute("ALTER TABLE \(table.postgres) REPLICA IDENTITY \(clause)")
            }
        }
        let name = postgresIdentifier(config.publication)
        let row = try connection.rows(
            "SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = \(postgresText(config.publication))"
        ).first
        let list = tables.map(\.postgres).joined(separator: ", ")
        var options = ""
        if config.publishesRoots, connection.serverVersion >= 130_000 {
            options = " WITH (publish_via_partition_root = true)"
        }
        do throws(PostgresError) {
            if let row {
                guard config.publishing == .filtered, row[0] == "f", !tables.isEmpty else { return }
                try update(name, list, tables)
                return
            }
            switch config.publishing {
            case .disabled: break
            case .allTables:
                try connection.execute("CREATE PUBLICATION \(name) FOR ALL TABLES" + options)
                return
            case .filtered:
                guard !tables.isEmpty else { break }
                try connection.execute("CREATE PUBLICATION \(name) FOR TABLE \(list)" + options)
                return
            case .noTables:
                try connection.execute("CREATE PUBLICATION \(name)" + options)
                return
            }
        } catch {
            guard !error.isConnectionLost else { throw error }
            throw ConnectError(
                .connect,
                "The publication '\(config.publication)' cannot be made: \(error). All tables need a superuser, and some "
                    + "tables their owner: set publication.autocreate.mode=filtered, or make the publication as one of "
                    + "them: CREATE PUBLICATION \(name) FOR TABLE \(list.isEmpty ? "..." : list)")
        }
        if config.publishing == .filtered {
            throw ConnectError(
                .connect,
                "No table is captured that the publication '\(config.publication)' could be for. Check "
                    + "schema.include.list and table.include.list")
        }
        throw ConnectError(
            .connect,
            "The publication '\(config.publication)' does not exist and publication.autocreate.mode=disabled. Make it: "
                + "CREATE PUBLICATION \(name) FOR TABLE \(list.isEmpty ? "..." : list)")
    }

    private func update(_ name: String, _ list: String, _ tables: [TableID]) throws(PostgresError) {
        let rows = try connection.rows(
            "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = "
                + postgresText(config.publication))
        let present = Set(rows.map { TableID($0[0] ?? "", $0[1] ?? "") })
        guard present != Set(tables) else { return }
        try connection.execute("ALTER PUBLICATION \(name) SET TABLE \(list)")
    }

    // MARK: Tables

    /// Tables that are captured or bring signals, sorted.
    func wantedTables(_ context: PostgresContext) throws(PostgresError) -> [(id: TableID, oid: UInt32)] {
        try PostgresCatalog(connection: connection, types: context.types).tables()
            .filter { context.wants($0.id) }.sorted { $0.id < $1.id }
    }

    /// Brings the context's tables up to date.
    func readTables(_ context: PostgresContext) throws -> [TableID] {
        context.types = try PostgresTypes(connection)
        let wanted = try wantedTables(context)
        let catalog = PostgresCatalog(connection: connection, types: context.types)
        for table in try catalog.definitions(wanted) { context.set(table) }
        if config.tableCountMax > 0, wanted.count > config.tableCountMax {
            let message =
                "\(wanted.count) tables are captured, more than guardrail.collections.max=\(config.tableCountMax)"
            if config.failsBeyondTableCount { throw ConnectError(.connect, message) }
            context.log(.warning, message)
        }
        return wanted.map(\.id)
    }
}

/// A connection to the log.
struct PostgresLog {
    let connection: PostgresConnection
    let config: PostgresConfig

    init(_ config: PostgresConfig, handle: SocketHandle) throws(PostgresError) {
        self.config = config
        connection = try PostgresConnection(config.address, handle: handle, isReplication: true)
    }

    /// Makes the slot.
    ///
    /// - Returns: where it begins, and the name of the state at this place, which is there as long as the connection does
    ///   nothing else.
    func createSlot() throws(PostgresError) -> (place: Lsn, snapshot: String?) {
        let name = postgresIdentifier(config.slot)
        let options =
            switch connection.serverVersion {
            case 170_000...: " (SNAPSHOT 'export'\(config.isFailoverSlot ? ", FAILOVER" : ""))"
            case 150_000...: " (SNAPSHOT 'export')"
            default: " EXPORT_SNAPSHOT"
            }
        let row = try connection.rows("CREATE_REPLICATION_SLOT \(name) LOGICAL pgoutput" + options).first ?? []
        guard row.count > 2, let place = row[1].flatMap({ Lsn($0) }) else {
            throw PostgresError(state: "XX000", message: "the server did not say where the new slot begins")
        }
        return (place, row[2])
    }

    /// Asks for the log from a place on.
    func start(at place: Lsn) throws(PostgresError) {
        var parameters = [
            ("proto_version", "1"), ("publication_names", postgresIdentifier(config.publication)),
        ]
        // Messages came with version 14.
        if connection.serverVersion >= 140_000 { parameters.append(("messages", "true")) }
        parameters += config.streamParameters.map { ($0.name, $0.value) }
        let list = parameters.map { "\(postgresIdentifier($0.0)) \(postgresText($0.1))" }.joined(separator: ", ")
        try connection.startReplication(
            "START_REPLICATION SLOT \(postgresIdentifier(config.slot)) LOGICAL \(place) (\(list))")
    }

    /// Tells the server how far the log is stored.
    func confirm(_ place: Lsn, received: Lsn, microseconds: Int64) throws(PostgresError) {
        var message = [UInt8(ascii: "r")]
        func append(_ value: UInt64) {
            for shift in stride(from: 56, through: 0, by: -8) {
                message.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
            }
        }
        append(max(received, place).rawValue)
        append(place.rawValue)
        append(place.rawValue)
        append(UInt64(bitPattern: microseconds - PgOutputDecoder.epoch))
        message.append(0)
        try connection.send(message)
    }
}
