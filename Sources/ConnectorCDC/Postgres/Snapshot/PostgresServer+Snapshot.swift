internal import ConnectCore

extension PostgresContext: CapturedTables {}

extension PostgresServer: SnapshotConnection {
    static var sortsNullsLast: Bool { true }

    static func name(_ table: TableID) -> String { table.postgres }
    static func identifier(_ name: String) -> String { postgresIdentifier(name) }
    static func text(_ text: String) -> String { postgresText(text) }

    static func literal(_ cell: Cell, _ column: ColumnDefinition, _ codec: ColumnCodec) -> String? {
        switch cell {
        // It takes the type of what it is compared with.
        case .bytes(let bytes): postgresText(String(decoding: bytes, as: UTF8.self))
        case .null: "NULL"
        default: nil
        }
    }

    func execute(_ sql: String) throws { try connection.execute(sql) }

    func beginSnapshot() throws {
        try connection.execute("SET statement_timeout = 0")
        try connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    func literals(_ sql: String, _ columns: [ColumnCodec]) throws -> [String]? {
        try connection.rows(sql).first.map { row in row.map { $0.map(postgresText) ?? "NULL" } }
    }

    func forEachRow(
        _ events: TableEvents, statement: String?, also others: [(index: Int, codec: ColumnCodec)], condition: String,
        _ take: (_ cells: [Cell], _ literal: (_ index: Int) -> String, _ byteCount: Int) throws -> Void
    ) throws {
        let rows = PostgresRows(events: events, own: statement, also: others.map(\.index), condition: condition)
        try rows.forEachRow(connection) { cells, byteCount in
            // A literal takes the type of what it is compared with.
            try take(
                cells,
                { index in
                    guard case .bytes(let bytes) = cells[index] else { return "NULL" }
                    return postgresText(String(decoding: bytes, as: UTF8.self))
                }, byteCount)
        }
    }
}
