/// `DropHeaders`.
struct DropHeaders: Transformation {
    private let names: Set<String>

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("headers", .list, .required, .someNames, .high, "The names of the headers to remove.")
        return definition
    }()

    init(_ values: ConfigValues) { names = Set(values.list("headers")) }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        var record = record
        record.headers.removeAll { names.contains($0.name) }
        return record
    }
}

/// `InsertHeader`: a header with a fixed value.
struct InsertHeader: Transformation {
    private let header: ConnectHeader

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("header", .string, .required, .notNull, .high, "The name of the header.")
        definition.define("value.literal", .string, .required, .notNull, .high, "Its value; the type is found out.")
        return definition
    }()

    init(_ values: ConfigValues) {
        let value = ValueText.parse(values.string("value.literal") ?? "")
        header = ConnectHeader(values.string("header") ?? "", value.schema, value.value)
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        var record = record
        record.headers.append(header)
        return record
    }
}

/// `HeaderFrom`: fields copied or moved into headers.
struct HeaderFrom: Transformation {
    private let part: RecordPart
    private let fields: [String]
    private let headers: [String]
    private let moves: Bool
    private let replacesNull: Bool
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("fields", .list, .required, .notEmptyList, .high, "The fields to copy or move.")
        definition.define("headers", .list, .required, .notEmptyList, .high, "The headers' names, in the same order.")
        definition.define(
            "operation", .string, .required, .oneOf(["move", "copy"]), .high, "copy, or move to take the fields away.")
        definition.define(
            "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .medium,
            "Whether a field that is null and has a default counts as the default.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        fields = values.list("fields")
        headers = values.list("headers")
        moves = values.string("operation") == "move"
        replacesNull = values.flag("replace.null.with.default")
        guard fields.count == headers.count else {
            throw .config("'fields' config must have the same number of elements as 'headers' config.")
        }
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let purpose = moves ? "header move" : "header copy"
        var record = record
        let current = record[part]
        guard let schema = current.schema else {
            let map = try Requirements.map(current.value, purpose)
            var updated = map
            for (field, header) in zip(fields, headers) {
                record.headers.append(ConnectHeader(header, nil, map[field] ?? .null))
                if moves { updated[field] = nil }
            }
            return record.with(part, nil, .map(updated.hashOrdered(copied: map.count)))
        }
        let structure = try Requirements.structure(current.value, purpose)
        for (field, header) in zip(fields, headers) {
            guard let known = schema.field(field) else {
                // The original's words, as recorded: it looks for the schema without asking whether there is one.
                throw ConnectError(
                    .nullPointer,
                    "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of "
                        + "\"org.apache.kafka.connect.data.Schema.field(String)\" is null")
            }
            let value = try structure.value(field, replacesNull: replacesNull)
            record.headers.append(ConnectHeader(header, known.schema, value))
        }
        guard moves else { return record }
        let updated = try schemas(schema) { schema throws(ConnectError) in
            try .structure(basics: schema, fields: schema.fields.filter { !fields.contains($0.name) })
        }
        var values: [ConnectValue] = []
        for (index, field) in schema.fields.enumerated() where !fields.contains(field.name) {
            values.append(replacesNull ? structure[index] : structure.values[index])
        }
        return record.with(part, updated, .structure(ConnectStruct(updated, values: values)))
    }
}
