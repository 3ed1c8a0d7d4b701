internal import ConnectCore

/// One table's rows by the text protocol.
struct SnapshotTable {
    let events: TableEvents
    /// The statement with the columns that `values` expects.
    let statement: String
    /// Places in the table of the columns that are selected.
    private let indexes: [Int]
    private let codecs: [ColumnCodec]
    /// Whether every column is selected.
    private let isWhole: Bool

    /// The option with a table's own statement.
    static func override(of table: TableID) -> String { "snapshot.select.statement.overrides.\(table)" }

    init(events: TableEvents, overrides: [String: String]) {
        self.init(events: events, overrides: overrides, condition: "")
    }

    /// - Parameters:
    ///   - others: columns that `literal` is asked for and events may not have.
    ///   - condition: what stands behind the table's name.
    init(
        events: TableEvents, overrides: [String: String], also others: [(index: Int, codec: ColumnCodec)] = [],
        condition: String
    ) {
        self.events = events
        var codecByIndex: [Int: ColumnCodec] = [:]
        for column in events.columns { codecByIndex[column.index] = column.codec }
        for (index, codec) in events.keyColumns + others where codecByIndex[index] == nil {
            codecByIndex[index] = codec
        }
        indexes = codecByIndex.keys.sorted()
        codecs = indexes.compactMap { codecByIndex[$0] }
        let table = events.table
        isWhole = indexes.count == table.columns.count
        let columns = indexes.map { sqlIdentifier(table.columns[$0].name) }.joined(separator: ", ")
        // A statement of one's own may have its columns in any order: they are picked out by their names.
        if let own = overrides[Self.override(of: table.id)], condition.isEmpty {
            statement =
                "SELECT \(columns) FROM (\(own.trimmingSpaces.last == ";" ? String(own.trimmingSpaces.dropLast()) : own)) AS overridden"
        } else {
            statement = "SELECT \(columns) FROM \(table.id.sql)" + condition
        }
    }

    /// Gives each row of the table.
    func forEachRow(
        _ connection: MySQLConnection, _ take: (_ cells: [Cell], _ byteCount: Int) throws -> Void
    ) throws {
        var cells: [Cell] = []
        try connection.streamRows(statement) { row in
            let byteCount = try read(row, into: &cells)
            try take(cells, byteCount)
            return true
        }
    }

    /// A column of a row as a literal for statements.
    func literal(_ row: MySQLConnection.Row, of index: Int) -> String {
        guard let place = indexes.firstIndex(of: index), place < row.count else { return "NULL" }
        return MySQLServer.literal(row[place], codecs[place])
    }

    /// A row as cells, parallel to the table's columns; they are there as long as the row is.
    ///
    /// - Returns: about how much memory its event takes.
    /// - Throws: `.data` for a text that its column cannot have.
    func read(_ row: MySQLConnection.Row, into cells: inout [Cell]) throws(ConnectError) -> Int {
        let count = events.table.columns.count
        if cells.count != count || !isWhole { cells = [Cell](repeating: .null, count: count) }
        var byteCount = 200
        for place in indexes.indices {
            guard place < row.count, let bytes = row[place] else {
                cells[indexes[place]] = .null
                continue
            }
            byteCount += bytes.count
            cells[indexes[place]] = try TextCell.cell(bytes, codecs[place])
        }
        return byteCount
    }
}
