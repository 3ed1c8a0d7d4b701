package import JSONFormat
import SQLTypes

/// Schemas as the JSON converter's envelope carries them.
package enum JSONSchemaText {
    private static let names: [(kind: ConnectSchema.Kind, name: String)] = [
        (.int8, "int8"), (.int16, "int16"), (.int32, "int32"), (.int64, "int64"), (.float32, "float"),
        (.float64, "double"), (.boolean, "boolean"), (.string, "string"), (.bytes, "bytes"), (.array, "array"),
        (.map, "map"), (.structure, "struct"),
    ]

    /// Members in the order in which the original writes them; JSON's null for no schema.
    ///
    /// - Throws: `.data` for a schema that contains itself: the original ends with a StackOverflowError there.
    package static func json(_ schema: ConnectSchema?) throws(ConnectError) -> JSONValue {
        guard let schema else { return .null }
        try schema.requireTree("the envelope of JsonConverter (schemas.enable=true)")
        var left = defaultsMax
        return try json(schema, field: nil, &left)
    }

    /// How much of defaults a schema's text may have (`JSONValue.weight`): each stands at each place of its type.
    static let defaultsMax = 1 << 20

    /// - Throws: `.data` where one more default is too much.
    static func take(_ value: JSONValue, from left: inout Int) throws(ConnectError) {
        left -= value.weight
        guard left >= 0 else { throw .data("Schema has defaults of more than \(defaultsMax) values to write out") }
    }

    private static func json(
        _ schema: ConnectSchema?, field: String?, _ left: inout Int
    ) throws(ConnectError) -> JSONValue {
        guard let schema else { return .null }
        let word = names.first { $0.kind == schema.kind }?.name ?? ""
        var members: [(String, JSONValue)] = [("type", .string(word))]
        switch schema.kind {
        case .structure:
            var fields: [JSONValue] = []
            for field in schema.fields { fields.append(try json(field.schema, field: field.name, &left)) }
            members.append(("fields", .array(fields)))
        case .array: members.append(("items", try json(schema.valueSchema, field: nil, &left)))
        case .map:
            members.append(("keys", try json(schema.keySchema, field: nil, &left)))
            members.append(("values", try json(schema.valueSchema, field: nil, &left)))
        default: break
        }
        members.append(("optional", .bool(schema.isOptional)))
        if let name = schema.name { members.append(("name", .string(name))) }
        if let version = schema.version { members.append(("version", .number(Int64(version)))) }
        if let doc = schema.doc { members.append(("doc", .string(doc))) }
        if !schema.parameters.isEmpty {
            members.append(("parameters", .object(schema.parameters.map { ($0.name, .string($0.value)) })))
        }
        if let value = schema.defaultValue, !value.isNull {
            var options = JSONConverter.Options()
            options.hasSchemas = false
            // A default was checked against its schema when it was set, so it can be written.
            if let json = try? JSONConverter(options).json(SchemaAndValue(schema, value)) {
                try take(json, from: &left)
                members.append(("default", json))
            }
        }
        if let field { members.append(("field", .string(field))) }
        return .object(members)
    }

    /// - Throws: `.data` in Connect's words.
    package static func schema(_ json: JSONValue) throws(ConnectError) -> ConnectSchema? {
        if case .null = json { return nil }
        guard let word = json["type"]?.text else { throw .data("Schema must contain 'type' field") }
        guard let kind = names.first(where: { $0.name == word })?.kind else {
            throw .data("Unknown schema type: \(word)")
        }
        var fields: [ConnectSchema.Field] = []
        var keySchema: ConnectSchema?
        var valueSchema: ConnectSchema?
        switch kind {
        case .array:
            guard let items = json["items"], let element = try schema(items) else {
                throw .data("Array schema did not specify the element type")
            }
            valueSchema = element
        case .map:
            guard let keys = json["keys"], let key = try schema(keys) else {
                throw .data("Map schema did not specify the key type")
            }
            guard let values = json["values"], let value = try schema(values) else {
                throw .data("Map schema did not specify the value type")
            }
            (keySchema, valueSchema) = (key, value)
        case .structure:
            guard let list = json["fields"]?.elements else {
                throw .data("Struct schema's \"fields\" argument is not an array.")
            }
            for element in list {
                guard let name = element["field"]?.text else {
                    throw .data("Struct schema's field name not specified properly")
                }
                guard let schema = try schema(element) else { throw .data("Unknown schema type: null") }
                fields.append(.init(name, schema))
            }
            try ConnectSchema.checkFields(fields)
        default: break
        }
        var parameters: [ConnectSchema.Parameter] = []
        if let json = json["parameters"], !json.isJSONNull {
            guard let members = json.members else {
                throw .data("Map schema's \"parameters\" argument is not an object.")
            }
            for (name, value) in members {
                guard let text = value.text else { throw .data("Schema parameters must have string values.") }
                parameters.append(.init(name, text))
            }
        }
        var version: Int32?
        if let json = json["version"], !json.isJSONNull {
            guard let number = json.integer, let value = Int32(exactly: number) else {
                throw .data("Invalid Connect schema version: must be an integer")
            }
            version = value
        }
        let schema = ConnectSchema(
            kind, isOptional: json["optional"]?.flag ?? false, name: json["name"]?.text, version: version,
            doc: json["doc"]?.text, parameters: parameters, fields: fields, keySchema: keySchema,
            valueSchema: valueSchema)
        guard let value = json["default"], !value.isJSONNull else { return schema }
        return schema.with(defaultValue: try JSONConverter().connectValue(value, schema))
    }
}

extension JSONValue {
    var isJSONNull: Bool { if case .null = self { true } else { false } }
}
