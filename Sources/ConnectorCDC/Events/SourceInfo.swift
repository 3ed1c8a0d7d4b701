internal import ConnectCore

/// The `source` block of events: where a change comes from. What a database adds to it is with the database.
struct SourceInfo {
    static let snapshotSchema = ConnectSchema(
        .string, isOptional: true, defaultValue: .string("false"), name: "io.debezium.data.Enum", version: 1,
        parameters: [
            .init("allowed", "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental")
        ])

    /// The fields that all blocks begin with.
    static func schema(_ connector: String, _ own: [ConnectSchema.Field]) -> ConnectSchema {
        ConnectSchema(
            .structure, name: "io.debezium.connector.\(connector).Source", version: 1,
            fields: [
                .init("version", .string), .init("connector", .string), .init("name", .string), .init("ts_ms", .int64),
                .init("snapshot", snapshotSchema), .init("db", .string), .init("sequence", .optionalString),
                .init("ts_us", .optionalInt64), .init("ts_ns", .optionalInt64),
            ] + own)
    }

    let schema: ConnectSchema
    /// Parallel to the schema's fields; what does not change from event to event is made once.
    var values: [ConnectValue]

    init(_ options: EventOptions, schema: ConnectSchema, version: String) {
        self.schema = schema
        values = Array(repeating: .null, count: schema.fields.count)
        values[0] = .string(version)
        values[1] = .string(options.connector)
        values[2] = .string(options.prefix)
        values[5] = .string("")
        setTime(microseconds: 0)
    }

    mutating func setTime(microseconds: Int64, nanoseconds: Int64? = nil) {
        values[3] = .int64(microseconds / 1000)
        values[7] = .int64(microseconds)
        values[8] = .int64(nanoseconds ?? microseconds &* 1000)
    }

    /// - Parameter text: nil for rows of the log. The field is null then, and its default says `false`.
    mutating func setSnapshot(_ text: String?) { values[4] = text.map { .string($0) } ?? .null }

    /// The table that an event is of. What it is in is a field of its own where databases have schemas.
    mutating func set(_ table: TableID) {
        let hasSchemas = schema.fields[9].name == "schema"
        values[hasSchemas ? 9 : 5] = .string(table.database)
        values[hasSchemas ? 10 : 9] = .string(table.table)
    }

    /// Rows of incremental snapshots stand nowhere in a log of PostgreSQL; in that of others they are where they were told.
    mutating func forgetPlace() {
        guard schema.fields[9].name == "schema" else { return }
        values[11] = .null
        values[12] = .null
        values[13] = .null
    }

    var value: ConnectValue { .structure(ConnectStruct(schema, values: values)) }
}
