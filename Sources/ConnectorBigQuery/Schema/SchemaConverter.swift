import ConnectCore

/// Columns for Connect's schemas.
///
/// - SeeAlso: the original's `BigQuerySchemaConverter` and `KafkaDataBuilder`.
struct SchemaConverter: Sendable {
    let settings: BigQuerySettings

    /// The columns for a record: those of its value, and those of the options for key and place.
    ///
    /// - Throws: `.data` for what makes no columns.
    func fields(_ record: ConnectRecord) throws(ConnectError) -> [BigQueryField] {
        guard let schema = record.value.schema else {
            throw .data("a record without a schema does not say the columns of a table")
        }
        var fields = try self.fields(schema)
        if let name = settings.dataField { add(Self.dataField(shown(name)), to: &fields) }
        if let name = settings.keyField {
            guard let schema = record.key.schema else {
                throw .data(
                    "kafkaKeyFieldName is set, and a key without a schema does not say the fields of its column")
            }
            add(BigQueryField(shown(name), "RECORD", fields: try self.fields(schema)), to: &fields)
        }
        return fields
    }

    /// A column of an option takes the place of a field with its name.
    private func add(_ field: BigQueryField, to fields: inout [BigQueryField]) {
        fields.removeAll { $0.identity == field.identity }
        // A key without fields.
        if !field.fields.isEmpty { fields.append(field) }
    }

    private func shown(_ name: String) -> String { settings.shown(name) }

    /// Whether a column is made of a field: BigQuery has none for a struct without fields, nor for what is made of such.
    /// Rows leave out what has none.
    static func hasColumn(
        _ schema: ConnectSchema, _ settings: BigQuerySettings, _ depth: Int = 0
    ) throws(ConnectError) -> Bool {
        func isThere(_ part: ConnectSchema?) throws(ConnectError) -> Bool {
            guard let part else { return false }
            return try hasColumn(part, settings, depth + 1)
        }
        switch schema.kind {
        case .structure, .array, .map: break
        default: return true
        }
        // Refused where it is converted.
        if schema.isRecursive || schema.unfoldedCount > ConnectSchema.unfoldedCountMax { return true }
        guard depth < ConnectSchema.depthMax else { return true }
        if try LogicalColumn(schema, settings) != nil { return true }
        switch schema.kind {
        case .structure:
            for field in schema.fields { if try isThere(field.schema) { return true } }
            return false
        case .array: return try isThere(schema.valueSchema)
        default:
            guard try isThere(schema.keySchema) else { return false }
            return try isThere(schema.valueSchema)
        }
    }

    private static func dataField(_ name: String) -> BigQueryField {
        BigQueryField(
            name, "RECORD",
            fields: [
                BigQueryField("topic", "STRING"), BigQueryField("partition", "INTEGER"),
                BigQueryField("offset", "INTEGER"),
                BigQueryField("insertTime", "TIMESTAMP"),
            ])
    }

    /// - Throws: `.data` for anything but a struct.
    func fields(_ schema: ConnectSchema) throws(ConnectError) -> [BigQueryField] {
        guard schema.kind == .structure else {
            throw .data("Top-level Kafka Connect schema must be of type 'struct'")
        }
        try schema.requireTree("BigQuery")
        return try members(schema, 0)
    }

    private func members(_ schema: ConnectSchema, _ depth: Int) throws(ConnectError) -> [BigQueryField] {
        var fields: [BigQueryField] = []
        for field in schema.fields {
            guard try Self.hasColumn(field.schema, settings, depth + 1) else { continue }
            fields.append(try self.field(field.schema, field.name, depth + 1))
        }
        return fields
    }

    private func field(_ schema: ConnectSchema, _ name: String, _ depth: Int) throws(ConnectError) -> BigQueryField {
        guard depth < ConnectSchema.depthMax else { throw .data("Kafka Connect schema is nested too deep") }
        var field = try plainField(schema, shown(name), depth)
        switch schema.kind {
        case .array, .map: break
        default: field.mode = settings.hasNullableFieldsOnly || schema.isOptional ? .nullable : .required
        }
        if let doc = schema.doc { field.description = doc }
        return field
    }

    private func plainField(
        _ schema: ConnectSchema, _ name: String, _ depth: Int
    ) throws(ConnectError) -> BigQueryField {
        if let type = try LogicalColumn(schema, settings) { return try type.field(schema, name) }
        switch schema.kind {
        case .boolean: return BigQueryField(name, "BOOLEAN")
        case .int8, .int16, .int32, .int64: return BigQueryField(name, "INTEGER")
        case .float32, .float64: return BigQueryField(name, "FLOAT")
        case .string: return BigQueryField(name, "STRING")
        case .bytes: return BigQueryField(name, "BYTES")
        case .structure:
            return BigQueryField(name, "RECORD", fields: try members(schema, depth))
        case .array:
            guard let element = schema.valueSchema else { throw .data("\(name) is an array of nothing") }
            var field = try self.field(element, name, depth + 1)
            field.mode = .repeated
            return field
        case .map:
            guard let keySchema = schema.keySchema, let valueSchema = schema.valueSchema else {
                throw .data("\(name) is a map of nothing")
            }
            return BigQueryField(
                name, "RECORD", .repeated,
                fields: [try field(keySchema, "key", depth + 1), try field(valueSchema, "value", depth + 1)])
        }
    }
}
