internal import ConnectCore

/// The `source` block of events: where a change comes from.
struct SourceInfo {
    static let snapshotSchema = ConnectSchema(
        .string, isOptional: true, defaultValue: .string("false"), name: "io.debezium.data.Enum", version: 1,
        parameters: [
            .init("allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental")
        ])

    static func schema(_ flavor: Flavor) -> ConnectSchema {
        ConnectSchema(
            .structure, name: "io.debezium.connector.\(flavor.rawValue).Source", version: 1,
            fields: [
                .init("version", .string), .init("connector", .string), .init("name", .string), .init("ts_ms", .int64),
                .init("snapshot", snapshotSchema), .init("db", .string), .init("sequence", .optionalString),
                .init("ts_us", .optionalInt64), .init("ts_ns", .optionalInt64), .init("table", .optionalString),
                .init("server_id", .int64), .init("gtid", .optionalString), .init("file", .string),
                .init("pos", .int64), .init("row", .int32), .init("thread", .optionalInt64),
                .init("query", .optionalString),
            ])
    }

    let schema: ConnectSchema
    /// Parallel to the schema's fields; what does not change from event to event is made once.
    private var values: [ConnectValue]

    init(_ config: CDCConfig, version: String) {
        schema = Self.schema(config.flavor)
        values = Array(repeating: .null, count: schema.fields.count)
        values[0] = .string(version)
        values[1] = .string(config.flavor.rawValue)
        values[2] = .string(config.prefix)
        values[5] = .string("")
        values[10] = .int64(0)
        values[12] = .string("")
        values[13] = .int64(0)
        values[14] = .int32(0)
        setTime(microseconds: 0)
    }

    mutating func setTime(microseconds: Int64, nanoseconds: Int64? = nil) {
        values[3] = .int64(microseconds / 1000)
        values[7] = .int64(microseconds)
        values[8] = .int64(nanoseconds ?? microseconds &* 1000)
    }

    /// - Parameter text: nil for rows of the log. The field is null then, and its default says `false`.
    mutating func setSnapshot(_ text: String?) { values[4] = text.map { .string($0) } ?? .null }

    /// nil table: a definition of the database.
    mutating func setTable(_ database: String, _ table: String?) {
        values[5] = .string(database)
        values[9] = table.map { .string($0) } ?? .null
    }

    mutating func setPlace(file: String, position: Int64) {
        values[12] = .string(file)
        values[13] = .int64(position)
    }

    mutating func setPosition(_ position: Int64) { values[13] = .int64(position) }
    mutating func setServer(_ id: Int64) { values[10] = .int64(id) }
    mutating func setGTID(_ gtid: String?) { values[11] = gtid.map { .string($0) } ?? .null }
    mutating func setRow(_ row: Int) { values[14] = .int32(Int32(truncatingIfNeeded: row)) }
    mutating func setThread(_ thread: Int64?) { values[15] = thread.map { .int64($0) } ?? .null }
    mutating func setQuery(_ query: String?) { values[16] = query.map { .string($0) } ?? .null }

    var value: ConnectValue { .structure(ConnectStruct(schema, values: values)) }
}
