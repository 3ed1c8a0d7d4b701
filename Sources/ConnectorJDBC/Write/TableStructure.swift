internal import ConnectCore

/// Tables as they are in the database, made and changed where the configuration allows it.
struct TableStructure {
    let settings: SinkSettings
    let log: @Sendable (TaskLogLevel, String) -> Void
    private var known: [TableID: TableDefinition] = [:]

    init(_ settings: SinkSettings, _ log: @escaping @Sendable (TaskLogLevel, String) -> Void) {
        self.settings = settings
        self.log = log
    }

    /// What was known may have changed.
    mutating func forget() { known = [:] }

    private func failure(_ failure: SQLFailure) -> WriteFailure {
        WriteFailure(failure, trimmed: settings.trimsMessages)
    }

    /// Why a table stays as it is, in the words of the connector's own options.
    private func lock(_ what: String) -> String {
        settings.flavour == .debezium ? "schema.evolution is 'none'" : "\(what) is disabled"
    }

    private mutating func look(_ table: TableID, _ database: any Database) throws(WriteFailure) -> TableDefinition? {
        if let definition = known[table] { return definition }
        do throws(SQLFailure) {
            known[table] = try database.describe(table, kinds: settings.tableKinds)
        } catch {
            throw failure(error)
        }
        return known[table]
    }

    /// Whether there is such a table.
    mutating func has(_ table: TableID, _ database: any Database) throws(WriteFailure) -> Bool {
        try look(table, database) != nil
    }

    /// The table with columns for all fields.
    ///
    /// - Parameter beforeChange: is called before the table is made or changed; some databases commit with it.
    /// - Throws: `.refused` in the original's words when there is no such table and there must not be one.
    mutating func ensure(
        _ table: TableID, _ fields: [SinkField], _ database: any Database,
        beforeChange: () throws(WriteFailure) -> Void
    ) throws(WriteFailure) -> TableDefinition {
        var definition = try look(table, database)
        if definition == nil { definition = try create(table, fields, database, beforeChange) }
        // Others may be at it at the same time: what they add is seen in the next round.
        for attempt in 0... {
            guard let current = definition else { break }
            let missing = fields.filter { current.column($0.name) == nil }
            if missing.isEmpty { return current }
            try check(table, current, missing)
            let statements: [String]
            do throws(ConnectError) {
                statements = try database.dialect.addColumns(table, missing, zones: settings.zones)
            } catch {
                throw WriteFailure(.refused, error)
            }
            try beforeChange()
            do throws(SQLFailure) {
                for statement in statements {
                    log(.info, "Changing table \(table): \(statement)")
                    try database.execute(statement)
                }
            } catch {
                guard error.reaction == .refused else { throw failure(error) }
                if attempt >= settings.retryCountMax {
                    throw WriteFailure(
                        .refused,
                        ConnectError(
                            .connect,
                            "Failed to amend \(current.kind.rawValue) '\(table)' to add missing fields: "
                                + "\(Self.shown(missing)): \(error.text(withDetail: false))"))
                }
            }
            known[table] = nil
            definition = try look(table, database)
        }
        throw WriteFailure(.again, ConnectError(.connect, "Table \(table) vanished while it was changed"))
    }

    private static func shown(_ fields: [SinkField]) -> String {
        "[" + fields.map(\.description).joined(separator: ", ") + "]"
    }

    private mutating func create(
        _ table: TableID, _ fields: [SinkField], _ database: any Database,
        _ beforeChange: () throws(WriteFailure) -> Void
    ) throws(WriteFailure) -> TableDefinition? {
        guard settings.creates else {
            throw WriteFailure(
                .refused, ConnectError(.connect, "Table \(table) is missing and \(lock("auto-creation"))"))
        }
        let sql: String
        do throws(ConnectError) {
            sql = try database.dialect.createTable(table, fields, zones: settings.zones)
        } catch {
            throw WriteFailure(.refused, error)
        }
        try beforeChange()
        do throws(SQLFailure) {
            log(.info, "Creating table \(table): \(sql)")
            try database.execute(sql)
        } catch {
            // Another task may have been faster.
            guard error.reaction == .refused, let definition = try look(table, database) else { throw failure(error) }
            return definition
        }
        return try look(table, database)
    }

    private func check(_ table: TableID, _ definition: TableDefinition, _ missing: [SinkField]) throws(WriteFailure) {
        func refuse(_ message: String) throws(WriteFailure) {
            throw WriteFailure(.refused, ConnectError(.connect, message))
        }
        let word = definition.kind.rawValue
        if definition.kind == .view {
            try refuse(
                "\(definition.kind.capitalized) \(table) is missing fields (\(Self.shown(missing))) and ALTER "
                    + "\(word) is "
                    + "unsupported")
        }
        for field in missing where !field.isOptional && field.schema.defaultValue == nil {
            try refuse(
                "Cannot ALTER \(word) \(table) to add missing field \(field), as the field is not optional and "
                    + "does not "
                    + "have a default value")
        }
        guard settings.evolves else {
            return try refuse(
                "\(definition.kind.capitalized) \(table) is missing fields (\(Self.shown(missing))) and "
                    + lock("auto-evolution"))
        }
    }
}
