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
        fields.append(field)
    }

    func shown(_ name: String) -> String { settings.sanitizesFields ? ColumnName.sanitized(name) : name }

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
        return try members(schema, 0)
    }

    private func members(_ schema: ConnectSchema, _ depth: Int) throws(ConnectError) -> [BigQueryField] {
        var fields: [BigQueryField] = []
        for field in schema.fields {
            if let field = try self.field(field.schema, field.name, depth + 1) { fields.append(field) }
        }
        return fields
    }

    /// nil for a struct without fields, which no column can be.
    private func field(_ schema: ConnectSchema, _ name: String, _ depth: Int) throws(ConnectError) -> BigQueryField? {
        guard depth < ConnectSchema.depthMax else { throw .data("Kafka Connect schema is nested too deep") }
        guard var field = try plainField(schema, shown(name), depth) else { return nil }
        switch schema.kind {
        case .array, .map: break
        default: field.mode = settings.hasNullableFieldsOnly || schema.isOptional ? .nullable : .required
        }
        if let doc = schema.doc { field.description = doc }
        return field
    }

    private func plainField(
        _ schema: ConnectSchema, _ name: String, _ depth: Int
    ) throws(ConnectError) -> BigQueryField? {
        if let type = try LogicalColumn(schema, settings) { return try type.field(schema, name) }
        switch schema.kind {
        case .boolean: return BigQueryField(name, "BOOLEAN")
        case .int8, .int16, .int32, .int64: return BigQueryField(name, "INTEGER")
        case .float32, .float64: return BigQueryField(name, "FLOAT")
        case .string: return BigQueryField(name, "STRING")
        case .bytes: return BigQueryField(name, "BYTES")
        case .structure:
            let fields = try members(schema, depth)
            return fields.isEmpty ? nil : BigQueryField(name, "RECORD", fields: fields)
        case .array:
            guard let element = schema.valueSchema, var field = try self.field(element, name, depth + 1) else {
                return nil
            }
            field.mode = .repeated
            return field
        case .map:
            guard let keySchema = schema.keySchema, let valueSchema = schema.valueSchema,
                let key = try field(keySchema, "key", depth + 1), let value = try field(valueSchema, "value", depth + 1)
            else { return nil }
            return BigQueryField(name, "RECORD", .repeated, fields: [key, value])
        }
    }
}
