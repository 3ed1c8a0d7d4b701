import JSONFormat

/// The statements. Names are identifiers in quotes, values are bound: nothing from records becomes SQL.
enum Statements {
    static func describe(_ table: TableIdentifier) -> String { "DESCRIBE TABLE \(table.sql)" }

    static func create(_ table: TableIdentifier, isSchematized: Bool) -> String {
        isSchematized
            ? "CREATE TABLE \(table.sql) (RECORD_METADATA VARIANT COMMENT 'Where the record of the row was in Kafka')"
            : "CREATE TABLE \(table.sql) (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT)"
    }

    /// - Parameter type: of `ColumnType.text`.
    static func addColumn(_ table: TableIdentifier, _ column: String, type: String, comment: String?) -> String {
        var sql = "ALTER TABLE \(table.sql) ADD COLUMN IF NOT EXISTS \(Identifier(exact: column).sql) \(type)"
        if let comment, !comment.isEmpty { sql += " COMMENT \(literal(comment))" }
        return sql
    }

    static func dropNotNull(_ table: TableIdentifier, _ column: String) -> String {
        "ALTER TABLE \(table.sql) ALTER COLUMN \(Identifier(exact: column).sql) DROP NOT NULL"
    }

    /// One bound value: a JSON array of rows, each an array with an element for each column.
    ///
    /// - Parameter columns: with the expressions of their values.
    static func insert(_ table: TableIdentifier, _ columns: [(name: String, expression: String)]) -> String {
        let names = columns.map { Identifier(exact: $0.name).sql }.joined(separator: ", ")
        let values = columns.map(\.expression).joined(separator: ", ")
        return "INSERT INTO \(table.sql) (\(names)) SELECT \(values) FROM \(rows)"
    }

    /// Elements of a bound JSON array as `F.VALUE`.
    private static let rows = "(SELECT PARSE_JSON(?) AS B) S, LATERAL FLATTEN(INPUT => S.B) F"

    // MARK: offsets

    static func createOffsets(_ offsets: TableIdentifier) -> String {
        "CREATE TABLE IF NOT EXISTS \(offsets.sql) (TABLE_NAME VARCHAR NOT NULL, TOPIC VARCHAR NOT NULL, "
            + "KAFKA_PARTITION NUMBER(38,0) NOT NULL, OFFSET_TOKEN NUMBER(38,0) NOT NULL) "
            + "COMMENT = 'Offsets of the last records of a Kafka connector that are in its tables'"
    }

    /// Bound: a JSON array of [table, topic, partition].
    static func readOffsets(_ offsets: TableIdentifier) -> String {
        "SELECT T.TOPIC, T.KAFKA_PARTITION::VARCHAR, T.OFFSET_TOKEN::VARCHAR FROM \(offsets.sql) T "
            + "JOIN (SELECT F.VALUE[0]::VARCHAR AS A, F.VALUE[1]::VARCHAR AS B, F.VALUE[2]::NUMBER(38,0) AS C "
            + "FROM \(rows)) N ON T.TABLE_NAME = N.A AND T.TOPIC = N.B AND T.KAFKA_PARTITION = N.C"
    }

    /// Bound: a JSON array of [topic, partition].
    static func readHighestOffsets(_ offsets: TableIdentifier) -> String {
        "SELECT T.TOPIC, T.KAFKA_PARTITION::VARCHAR, MAX(T.OFFSET_TOKEN)::VARCHAR FROM \(offsets.sql) T "
            + "JOIN (SELECT F.VALUE[0]::VARCHAR AS A, F.VALUE[1]::NUMBER(38,0) AS B FROM \(rows)) N "
            + "ON T.TOPIC = N.A AND T.KAFKA_PARTITION = N.B GROUP BY T.TOPIC, T.KAFKA_PARTITION"
    }

    /// Bound: a JSON array of [table, topic, partition, offset].
    static func addOffsets(_ offsets: TableIdentifier) -> String {
        "MERGE INTO \(offsets.sql) T USING (SELECT F.VALUE[0]::VARCHAR AS A, F.VALUE[1]::VARCHAR AS B, "
            + "F.VALUE[2]::NUMBER(38,0) AS C, F.VALUE[3]::NUMBER(38,0) AS D FROM \(rows)) N "
            + "ON T.TABLE_NAME = N.A AND T.TOPIC = N.B AND T.KAFKA_PARTITION = N.C "
            + "WHEN NOT MATCHED THEN INSERT (TABLE_NAME, TOPIC, KAFKA_PARTITION, OFFSET_TOKEN) "
            + "VALUES (N.A, N.B, N.C, N.D)"
    }

    /// Bound: a JSON array of [table, topic, partition, expected, new].
    static func moveOffsets(_ offsets: TableIdentifier) -> String {
        "UPDATE \(offsets.sql) T SET OFFSET_TOKEN = N.E FROM (SELECT F.VALUE[0]::VARCHAR AS A, "
            + "F.VALUE[1]::VARCHAR AS B, F.VALUE[2]::NUMBER(38,0) AS C, F.VALUE[3]::NUMBER(38,0) AS D, "
            + "F.VALUE[4]::NUMBER(38,0) AS E FROM \(rows)) N WHERE T.TABLE_NAME = N.A AND T.TOPIC = N.B "
            + "AND T.KAFKA_PARTITION = N.C AND T.OFFSET_TOKEN = N.D"
    }

    /// Bound: the table.
    static func dropOffsets(_ offsets: TableIdentifier) -> String {
        "DELETE FROM \(offsets.sql) WHERE TABLE_NAME = ?"
    }

    /// A text in quotes, cut to a length that comments may have. Of all statements only comments of columns need one: they
    /// cannot be bound.
    static func literal(_ text: String) -> String {
        let text = String(String.UnicodeScalarView(text.unicodeScalars.prefix(1000).filter { $0.value >= 0x20 }))
        return "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
    }
}
