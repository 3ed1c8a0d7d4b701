import JSONFormat

/// JSON as structs whose schemas are found out: Debezium's `JsonSchemaData`.
enum JSONStructs {
    /// - Parameter name: of the schema, and what the names of those inside begin with.
    /// - Returns: nil for what has no schema.
    static func structure(_ json: JSONValue, _ name: String?, keepsNulls: Bool) -> SchemaAndValue? {
        guard let schema = schema(json, name, keepsNulls: keepsNulls), let value = value(json, schema) else {
            return nil
        }
        return SchemaAndValue(schema, value)
    }

    /// The schema of JSON as it stands: objects are structs with the names of the way to them, and all is optional. nil
    /// where arrays mix types, or nothing tells the type of their elements.
    private static func schema(_ json: JSONValue, _ name: String?, keepsNulls: Bool) -> ConnectSchema? {
        switch json {
        case .null: return keepsNulls ? .optionalBytes : nil
        case .bool: return .optionalBoolean
        case .number(let number): return Int32(exactly: number) != nil ? .optionalInt32 : .optionalInt64
        case .raw: return .optionalFloat64
        case .string: return .optionalString
        case .array(let elements):
            var element: ConnectSchema?
            for item in elements where !item.isJSONNull {
                guard let schema = schema(item, name, keepsNulls: keepsNulls) else { return nil }
                if let known = element, known != schema {
                    if known.kind == .structure, schema.kind == .structure {
                        guard let both = merged(known, schema) else { return nil }
                        element = both
                    } else if known.kind == .int32, schema.kind == .int64 {
                        element = schema
                    } else if known.kind != .int64 || schema.kind != .int32 {
                        return nil
                    }
                } else {
                    element = schema
                }
            }
            if element == nil, keepsNulls, !elements.isEmpty { element = .optionalBytes }
            return element.map { .array($0, isOptional: true) }
        case .object(let members):
            var fields: [ConnectSchema.Field] = []
            for (field, value) in members where !fields.contains(where: { $0.name == field }) {
                if value.isJSONNull, !keepsNulls { continue }
                // Nothing says what an empty array is of.
                if value.elements?.isEmpty == true { continue }
                guard let schema = schema(value, (name.map { $0 + "." } ?? "") + field, keepsNulls: keepsNulls) else {
                    return nil
                }
                fields.append(.init(field, schema))
            }
            return .structure(fields, name: name, isOptional: true)
        }
    }

    /// A struct with the fields of both; nil when they have one of the same name and another type.
    private static func merged(_ a: ConnectSchema, _ b: ConnectSchema) -> ConnectSchema? {
        var fields = a.fields
        for field in b.fields {
            guard let known = a.field(field.name) else {
                fields.append(field)
                continue
            }
            guard known.schema == field.schema else { return nil }
        }
        return .structure(fields, name: a.name)
    }

    private static func value(_ json: JSONValue, _ schema: ConnectSchema) -> ConnectValue? {
        try? JSONConverter().connectValue(json, schema)
    }
}
