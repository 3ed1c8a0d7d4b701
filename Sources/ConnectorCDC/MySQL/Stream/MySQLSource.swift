internal import ConnectCore

/// What MySQL and MariaDB add to the `source` block.
extension SourceInfo {
    static func schema(_ flavor: Flavor) -> ConnectSchema {
        schema(
            flavor.rawValue,
            [
                .init("table", .optionalString), .init("server_id", .int64), .init("gtid", .optionalString),
                .init("file", .string), .init("pos", .int64), .init("row", .int32), .init("thread", .optionalInt64),
                .init("query", .optionalString),
            ])
    }

    init(_ config: MySQLConfig, version: String) {
        self.init(config.shared, schema: Self.schema(config.flavor), version: version)
        values[10] = .int64(0)
        values[12] = .string("")
        values[13] = .int64(0)
        values[14] = .int32(0)
    }

    /// nil table: a definition of the database.
    mutating func setTable(_ database: String, _ table: String?) {
        values[5] = .string(database)
        values[9] = table.map { .string($0) } ?? .null
    }

    mutating func setPlace(file: String, position: Int64) {
        values[12] = .string(file)
        values[13] = .int64(position)
    }
    mutating func setServer(_ id: Int64) { values[10] = .int64(id) }
    mutating func setGTID(_ gtid: String?) { values[11] = gtid.map { .string($0) } ?? .null }
    mutating func setRow(_ row: Int) { values[14] = .int32(Int32(truncatingIfNeeded: row)) }
    mutating func setThread(_ thread: Int64?) { values[15] = thread.map { .int64($0) } ?? .null }
    mutating func setQuery(_ query: String?) { values[16] = query.map { .string($0) } ?? .null }
}
