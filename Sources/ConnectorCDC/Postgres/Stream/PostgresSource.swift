internal import ConnectCore

/// What PostgreSQL adds to the `source` block.
extension SourceInfo {
    static let postgresSchema = schema(
        PostgresConfig.connector,
        [
            .init("schema", .string), .init("table", .string), .init("txId", .optionalInt64),
            .init("lsn", .optionalInt64), .init("xmin", .optionalInt64), .init("origin", .optionalString),
            .init("origin_lsn", .optionalInt64),
        ])

    init(_ config: PostgresConfig, version: String) {
        self.init(config.shared, schema: Self.postgresSchema, version: version)
        values[5] = .string(config.database)
        values[9] = .string("")
        values[10] = .string("")
    }

    /// Both are empty for messages.
    mutating func setTable(schema: String, _ table: String) {
        values[9] = .string(schema)
        values[10] = .string(table)
    }

    /// - Parameter lastCommit: the end of the last transaction, which is part of the sequence.
    mutating func setPlace(_ lsn: Lsn, lastCommit: Lsn?) {
        let first = lastCommit.map { "\"\($0.number)\"" } ?? "null"
        values[6] = .string("[\(first),\"\(lsn.number)\"]")
        values[12] = .int64(lsn.number)
    }

    mutating func setTransaction(_ id: Int64?) { values[11] = id.map { .int64($0) } ?? .null }
    mutating func setXmin(_ xmin: Int64?) { values[13] = xmin.map { .int64($0) } ?? .null }

    mutating func setOrigin(_ name: String?, _ lsn: Lsn?) {
        values[14] = name.map { .string($0) } ?? .null
        values[15] = lsn.map { .int64($0.number) } ?? .null
    }
}
