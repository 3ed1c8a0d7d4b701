internal import ConnectCore

/// What a reader knows of its database's tables.
protocol CapturedTables: RecordOutput {
    var filters: TableFilters { get }
    /// All that are known, sorted.
    var tableIDs: [TableID] { get }
    /// nil for a table that is not known.
    func events(of id: TableID) -> TableEvents?
    /// The codec of a column, also of one that events do not have.
    func codec(_ index: Int, of events: TableEvents) -> ColumnCodec
}

/// A connection for the rows of tables that are read when a signal asks for them.
///
/// What it throws: the database's `SourceFailure`, and what the bodies throw.
protocol SnapshotConnection {
    /// Whether rows without a value come behind all others in ascending order.
    static var sortsNullsLast: Bool { get }
    static func name(_ table: TableID) -> String
    static func identifier(_ name: String) -> String
    static func text(_ text: String) -> String
    /// A value of the log as statements take it; nil where it cannot be said.
    static func literal(_ cell: Cell, _ column: ColumnDefinition, _ codec: ColumnCodec) throws(ConnectError) -> String?

    func execute(_ sql: String) throws
    /// From here on all rows are those of one moment.
    func beginSnapshot() throws
    /// The first row of a statement, as literals of these columns.
    func literals(_ sql: String, _ columns: [ColumnCodec]) throws -> [String]?
    /// Gives each row of a table.
    ///
    /// - Parameters:
    ///   - statement: in the place of the table.
    ///   - others: columns that are wanted and events may not have.
    ///   - condition: what stands behind the table's name.
    ///   - take: `cells` are parallel to the table's columns; `literal` gives a wanted column for statements.
    func forEachRow(
        _ events: TableEvents, statement: String?, also others: [(index: Int, codec: ColumnCodec)], condition: String,
        _ take: (_ cells: [Cell], _ literal: (_ index: Int) -> String, _ byteCount: Int) throws -> Void
    ) throws
}
