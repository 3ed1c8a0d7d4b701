internal import ConnectCore

/// One table's rows by statements.
struct PostgresRows {
    let events: TableEvents
    let statement: String
    /// Places in the table of the columns that are selected.
    private let indexes: [Int]
    private let count: Int

    /// The option with a table's own statement.
    static func override(of table: TableID) -> String { "snapshot.select.statement.overrides.\(table)" }

    /// - Parameters:
    ///   - own: a statement in the place of the table.
    ///   - others: places of columns that are wanted and events may not have.
    ///   - condition: what stands behind the table's name.
    init(events: TableEvents, own: String? = nil, also others: [Int] = [], condition: String = "") {
        self.events = events
        let table = events.table
        count = table.columns.count
        indexes = Set(events.columns.map(\.index) + events.keyColumns.map(\.index) + others).sorted()
        let columns = indexes.map { postgresIdentifier(table.columns[$0].name) }.joined(separator: ", ")
        if let own {
            // Its columns may be in any order: they are picked out by their names.
            let plain = own.trimmingSpaces
            statement = "SELECT \(columns) FROM (\(plain.last == ";" ? String(plain.dropLast()) : plain)) AS overridden"
        } else {
            statement = "SELECT \(columns) FROM \(table.id.postgres)" + condition
        }
    }

    /// Gives each row of the table.
    func forEachRow(
        _ connection: PostgresConnection, _ take: (_ cells: [Cell], _ byteCount: Int) throws -> Void
    ) throws {
        var cells = [Cell](repeating: .null, count: count)
        try connection.streamRows(statement) { row in
            var byteCount = 200
            for (place, index) in indexes.enumerated() {
                if place < row.count, let bytes = row[place] {
                    byteCount += bytes.count
                    cells[index] = .bytes(bytes)
                } else {
                    cells[index] = .null
                }
            }
            try take(cells, byteCount)
        }
    }
}
