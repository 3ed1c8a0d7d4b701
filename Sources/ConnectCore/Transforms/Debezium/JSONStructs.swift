import JSONFormat

/// JSON as structs whose schemas are found out: Debezium's `JsonSchemaData`.
enum JSONStructs {
    /// Fields of all elements of arrays together, set or not: elements with fields of their own make them many.
    private static let cellCountMax = 1 << 22

    /// - Parameter name: of the schema, and what the names of those inside begin with.
    /// - Returns: nil for what has no schema, or too large a one.
    static func structure(_ json: JSONValue, _ name: String?, keepsNulls: Bool) -> SchemaAndValue? {
        var cellsLeft = cellCountMax
        guard let schema = schema(json, name, keepsNulls: keepsNulls, &cellsLeft), let value = value(json, schema)
        else {
            return nil
        }
        return SchemaAndValue(schema, value)
    }

    /// The schema of JSON as it stands: objects are structs with the names of the way to them, and all is optional. nil
    /// where arrays mix types, or nothing tells the type of their elements.
    private static func schema(
        _ json: JSONValue, _ name: String?, keepsNulls: Bool, _ cellsLeft: inout Int
    ) -> ConnectSchema? {
        switch json {
        case .null: return keepsNulls ? .optionalBytes : nil
        case .bool: return .optionalBoolean
        case .number(let number): return Int32(exactly: number) != nil ? .optionalInt32 : .optionalInt64
        case .raw: return .optionalFloat64
        case .string: return .optionalString
        case .array(let elements):
            var element: ConnectSchema?
            var structs: MergedFields?
            for item in elements where !item.isJSONNull {
                guard let schema = schema(item, name, keepsNulls: keepsNulls, &cellsLeft) else { return nil }
                if let known = element, structs != nil || known != schema {
                    if known.kind == .structure, schema.kind == .structure {
                        if structs == nil { structs = MergedFields(known) }
                        guard structs?.add(schema) == true else { return nil }
                    } else if known.kind == .int32, schema.kind == .int64 {
                        element = schema
                    } else if known.kind != .int64 || schema.kind != .int32 {
                        return nil
                    }
                } else {
                    element = schema
                }
            }
            if let structs { element = .structure(structs.fields, name: element?.name) }
            if let element, element.kind == .structure {
                cellsLeft -= elements.count * element.fields.count
                if cellsLeft < 0 { return nil }
            }
            if element == nil, keepsNulls, !elements.isEmpty { element = .optionalBytes }
            return element.map { .array($0, isOptional: true) }
        case .object(let members):
            var fields: [ConnectSchema.Field] = []
            var names: Set<String> = []
            for (field, value) in members where !names.contains(field) {
                if value.isJSONNull, !keepsNulls { continue }
                // Nothing says what an empty array is of.
                if value.elements?.isEmpty == true { continue }
                let place = (name.map { $0 + "." } ?? "") + field
                guard let schema = schema(value, place, keepsNulls: keepsNulls, &cellsLeft) else { return nil }
                names.insert(field)
                fields.append(.init(field, schema))
            }
            return .structure(fields, name: name, isOptional: true)
        }
    }

    /// The fields of several structs.
    private struct MergedFields {
        private(set) var fields: [ConnectSchema.Field]
        private var places: [String: Int]

        init(_ schema: ConnectSchema) {
            fields = schema.fields
            places = ConnectSchema.places(schema.fields)
        }

        /// - Returns: whether fields of one name have one type.
        mutating func add(_ schema: ConnectSchema) -> Bool {
            for field in schema.fields {
                if let place = places[field.name] {
                    guard fields[place].schema == field.schema else { return false }
                } else {
                    places[field.name] = fields.count
                    fields.append(field)
                }
            }
            return true
        }
    }

    private static func value(_ json: JSONValue, _ schema: ConnectSchema) -> ConnectValue? {
        try? JSONConverter().connectValue(json, schema)
    }
}
