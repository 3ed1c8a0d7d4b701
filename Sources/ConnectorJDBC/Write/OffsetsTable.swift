internal import ConnectCore

/// The table in which a connector's offsets stand beside the rows that they count, written in one transaction with
/// them.
struct OffsetsTable: Sendable {
    private let table: TableID
    private let dialect: Dialect
    private let connector: String

    /// - Throws: `.connect` for a name that no table can have.
    init(_ name: String, _ dialect: Dialect, connector: String) throws(ConnectError) {
        table = try dialect.table(name)
        self.dialect = dialect
        self.connector = connector
    }

    private static let names = ["connector", "topic", "kafka_partition", "next_offset"]
    private var columns: [String] { Self.names.map(dialect.quoted) }

    /// The statement that makes the table where there is none.
    var creation: String {
        // Names of topics that differ in case only are different names.
        let text = dialect.product == .mysql ? "VARCHAR(249) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" : "TEXT"
        let types = [text, text, "INT", "BIGINT"]
        let specifications = zip(columns, types).map { "\($0) \($1) NOT NULL" }
        return
            "CREATE TABLE IF NOT EXISTS \(dialect.quoted(table)) (\(specifications.joined(separator: ", ")), "
            + "PRIMARY KEY("
            + columns.prefix(3).joined(separator: ", ") + "))"
    }

    /// The offset after the last record that is in the database; nil when the partition has no row, -1 when no record
    /// is.
    func next(_ partition: SinkPartition, _ database: any Database) throws(SQLFailure) -> Int64? {
        let rows = try database.query(
            "SELECT \(columns[3]) FROM \(dialect.quoted(table)) WHERE \(columns[0]) = \(dialect.placeholder(1)) AND "
                + "\(columns[1]) = \(dialect.placeholder(2)) AND \(columns[2]) = CAST(\(dialect.placeholder(3)) AS "
                + (dialect.product == .mysql ? "SIGNED)" : "INTEGER)"),
            [connector, partition.topic, String(partition.partition)])
        return rows.first?[0].flatMap { Int64($0) }
    }

    func insert(_ partition: SinkPartition, _ next: Int64, _ database: any Database) throws(SQLFailure) {
        let places = (1...4).map(dialect.placeholder).joined(separator: ", ")
        _ = try database.run(
            "INSERT INTO \(dialect.quoted(table)) (\(columns.joined(separator: ", "))) VALUES (\(places))",
            [.text(connector), .text(partition.topic), .integer(Int64(partition.partition)), .integer(next)])
    }

    /// - Returns: whether the row still had the offset that this task knew: if not, another one has taken over.
    func advance(
        _ partition: SinkPartition, from known: Int64, to next: Int64, _ database: any Database
    ) throws(SQLFailure) -> Bool {
        guard known != next else { return true }
        let count = try database.run(
            "UPDATE \(dialect.quoted(table)) SET \(columns[3]) = \(dialect.placeholder(1)) WHERE \(columns[0]) = "
                + "\(dialect.placeholder(2)) AND \(columns[1]) = \(dialect.placeholder(3)) AND \(columns[2]) = "
                + "\(dialect.placeholder(4)) AND \(columns[3]) = \(dialect.placeholder(5))",
            [
                .integer(next), .text(connector), .text(partition.topic), .integer(Int64(partition.partition)),
                .integer(known),
            ])
        return count == 1
    }

    func delete(_ partition: SinkPartition, _ database: any Database) throws(SQLFailure) {
        _ = try database.run(
            "DELETE FROM \(dialect.quoted(table)) WHERE \(columns[0]) = \(dialect.placeholder(1)) AND \(columns[1]) = "
                + "\(dialect.placeholder(2)) AND \(columns[2]) = \(dialect.placeholder(3))",
            [.text(connector), .text(partition.topic), .integer(Int64(partition.partition))])
    }
}
