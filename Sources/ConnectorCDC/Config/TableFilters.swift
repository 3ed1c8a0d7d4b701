internal import ConnectCore

/// Which databases (of PostgreSQL: schemas), tables and columns are captured. For one thread at a time.
final class TableFilters {
    /// MySQL's own databases.
    static let builtIn: Set<String> = ["mysql", "information_schema", "performance_schema", "sys"]
    /// PostgreSQL's own schemas.
    static let builtInSchemas: Set<String> = ["pg_catalog", "information_schema", "pg_toast"]

    private let databases: NamePatterns?
    private let notDatabases: NamePatterns?
    private let tables: NamePatterns?
    private let notTables: NamePatterns?
    private let columns: NamePatterns?
    private let notColumns: NamePatterns?
    private let snapshotTables: NamePatterns?
    private let ignored: Set<String>
    private let signalTable: String?

    /// - Parameters:
    ///   - space: what tables are in: `database` or `schema`, as options are named.
    ///   - builtIn: those that are left out unless `table.ignore.builtin=false`.
    init(
        _ config: EventOptions, space: String = "database", builtIn: Set<String> = TableFilters.builtIn
    ) throws(ConnectError) {
        func patterns(_ name: String) throws(ConnectError) -> NamePatterns? {
            guard let text = config.properties[name], !text.trimmingSpaces.isEmpty else { return nil }
            return try NamePatterns(text)
        }
        databases = try patterns(space + ".include.list")
        notDatabases = try patterns(space + ".exclude.list")
        tables = try patterns("table.include.list")
        notTables = try patterns("table.exclude.list")
        columns = try patterns("column.include.list")
        notColumns = try patterns("column.exclude.list")
        snapshotTables = try patterns("snapshot.include.collection.list")
        ignored = config.properties["table.ignore.builtin"]?.lowercased() != "false" ? builtIn : []
        signalTable = config.signalTable
    }

    func isCaptured(database: String) -> Bool {
        if ignored.contains(database.lowercased()) { return false }
        if let databases { return databases.matches(database) }
        return !(notDatabases?.matches(database) ?? false)
    }

    /// As with the original, rows of the table of signals are events whatever lists say.
    func isCaptured(_ table: TableID) -> Bool {
        if isSignal(table) { return true }
        guard isCaptured(database: table.database) else { return false }
        let name = table.description
        if let tables { return tables.matches(name) }
        return !(notTables?.matches(name) ?? false)
    }

    /// Rows that tell the connector what to do; they come although they are no data.
    func isSignal(_ table: TableID) -> Bool {
        signalTable.map { $0.lowercased() == table.description.lowercased() } ?? false
    }

    /// Whether the snapshot reads the table's rows.
    func isInSnapshot(_ table: TableID) -> Bool {
        isCaptured(table) && !isSignal(table) && (snapshotTables?.matches(table.description) ?? true)
    }

    /// Sorted tables in the order in which `table.include.list` has their expressions.
    func inOrderOfPatterns(_ names: [TableID]) -> [TableID] {
        guard let tables else { return names }
        let ranked = names.enumerated().map { (rank: tables.place(of: $1.description), place: $0, name: $1) }
        return ranked.sorted { ($0.rank, $0.place) < ($1.rank, $1.place) }.map(\.name)
    }

    func isCaptured(_ column: String, of table: TableID) -> Bool {
        let name = "\(table).\(column)"
        if let columns { return columns.matches(name) }
        return !(notColumns?.matches(name) ?? false)
    }
}
