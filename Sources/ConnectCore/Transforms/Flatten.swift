/// `Flatten`: nested structs and maps become fields of the first level.
struct Flatten: Transformation {
    private let part: RecordPart
    private let delimiter: String
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "delimiter", .string, .value(.string(".")), nil, .medium, "What stands between the names of the levels.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        delimiter = values.string("delimiter") ?? "."
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        guard let schema = current.schema else {
            let map = try Requirements.map(current.value, "flattening")
            var output = ConnectMap()
            try flatten(map, "", &output, depth: 0)
            return record.with(part, nil, .map(output))
        }
        let structure = try Requirements.structure(current.value, "flattening")
        let updated = try schemas(schema) { schema throws(ConnectError) in
            try schema.requireTree("a flat record")
            var fields: [ConnectSchema.Field] = []
            try collect(schema, "", schema.isOptional, schema.defaultValue?.structure, &fields, depth: 0)
            return try .structure(basics: schema, fields: fields)
        }
        var values: [ConnectValue] = []
        flatten(structure, schema, &values)
        var output = ConnectStruct(updated)
        for (index, value) in values.enumerated() where index < updated.fields.count {
            // Of a struct that is null the fields stay unset.
            if !value.isNull || updated.fields[index].schema.isOptional { try output.put(index, value) }
        }
        return record.with(part, updated, .structure(output))
    }

    private func name(_ prefix: String, _ field: String) -> String {
        prefix.isEmpty ? field : prefix + delimiter + field
    }

    private func flatten(
        _ map: ConnectMap, _ prefix: String, _ output: inout ConnectMap, depth: Int
    ) throws(ConnectError) {
        guard depth < ConnectSchema.depthMax else { throw .data("Value is nested too deep to flatten") }
        for entry in map.entries {
            let field = name(prefix, entry.key.string ?? JavaText.string(entry.key))
            switch entry.value {
            case .map(let inner): try flatten(inner, field, &output, depth: depth + 1)
            case .structure, .instant, .decimal:
                throw .data(
                    "Flatten transformation does not support class \(entry.value.javaClass) for record without schemas "
                        + "(for field \(field)).")
            default: output[field] = entry.value
            }
        }
    }

    private func collect(
        _ schema: ConnectSchema, _ prefix: String, _ isOptional: Bool, _ parentDefault: ConnectStruct?,
        _ fields: inout [ConnectSchema.Field], depth: Int
    ) throws(ConnectError) {
        guard depth < ConnectSchema.depthMax else { throw .data("Schema is nested too deep to flatten") }
        for field in try schema.structFields() {
            let name = name(prefix, field.name)
            let isOptional = isOptional || field.schema.isOptional
            let defaultValue = field.schema.defaultValue ?? parentDefault?[field.name]
            switch field.schema.kind {
            case .structure:
                try collect(field.schema, name, isOptional, defaultValue?.structure, &fields, depth: depth + 1)
            case .map:
                throw .data("Flatten transformation does not support MAP for record with schemas (for field \(name)).")
            default:
                let value = defaultValue.flatMap { $0.isNull ? nil : $0 }
                fields.append(.init(name, field.schema.with(isOptional: isOptional, defaultValue: .some(value))))
            }
        }
    }

    private func flatten(_ structure: ConnectStruct?, _ schema: ConnectSchema, _ values: inout [ConnectValue]) {
        for (index, field) in schema.fields.enumerated() {
            if field.schema.kind == .structure {
                flatten(structure?[index].structure, field.schema, &values)
            } else {
                values.append(structure?[index] ?? .null)
            }
        }
    }
}
