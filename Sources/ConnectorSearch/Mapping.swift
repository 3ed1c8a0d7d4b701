import ConnectCore
import JSONFormat
import SQLTypes

/// The mapping of an index from a record's schema.
enum Mapping {
    /// - Throws: `.data` without a schema, in the original's words.
    static func json(
        _ schema: ConnectSchema?, hasCompactMaps: Bool, depth: Int = 0
    ) throws(ConnectError) -> JSONValue {
        guard let schema else { throw .data("Cannot infer mapping without schema.") }
        guard depth < ConnectSchema.depthMax else { throw .data("Schema is nested too deep") }
        try schema.requireTree("a mapping made of a schema (schema.ignore=false)")
        switch schema.logicalType {
        case .decimal: return primitive("double", schema)
        case .date, .time, .timestamp: return primitive("date", schema)
        case nil: break
        }
        switch schema.kind {
        case .boolean: return primitive("boolean", schema)
        case .int8: return primitive("byte", schema)
        case .int16: return primitive("short", schema)
        case .int32: return primitive("integer", schema)
        case .int64: return primitive("long", schema)
        case .float32: return primitive("float", schema)
        case .float64: return primitive("double", schema)
        case .bytes: return .object([("type", .string("binary"))])
        case .string:
            return .object([
                ("type", .string("text")),
                (
                    "fields",
                    .object([("keyword", .object([("type", .string("keyword")), ("ignore_above", .number(256))]))])
                ),
            ])
        case .array: return try json(schema.valueSchema, hasCompactMaps: hasCompactMaps, depth: depth + 1)
        case .map:
            if hasCompactMaps, schema.keySchema?.kind == .string { return .object([("type", .string("object"))]) }
            return .object([
                (
                    "properties",
                    .object([
                        ("key", try json(schema.keySchema, hasCompactMaps: hasCompactMaps, depth: depth + 1)),
                        ("value", try json(schema.valueSchema, hasCompactMaps: hasCompactMaps, depth: depth + 1)),
                    ])
                )
            ])
        case .structure:
            var properties: [(String, JSONValue)] = []
            for field in schema.fields {
                properties.append(
                    (field.name, try json(field.schema, hasCompactMaps: hasCompactMaps, depth: depth + 1)))
            }
            return .object([("properties", .object(properties))])
        }
    }

    private static func primitive(_ type: String, _ schema: ConnectSchema) -> JSONValue {
        var members: [(String, JSONValue)] = [("type", .string(type))]
        switch schema.defaultValue {
        case .boolean(let flag): members.append(("null_value", .bool(flag)))
        case .instant(let millis): members.append(("null_value", .number(millis)))
        case .float32(let value): members.append(("null_value", number(Double(value))))
        case .float64(let value): members.append(("null_value", number(value)))
        case .decimal(let value): members.append(("null_value", number(value.doubleValue)))
        case let value?: if let integer = value.integer { members.append(("null_value", .number(integer))) }
        case nil: break
        }
        return .object(members)
    }

    private static func number(_ value: Double) -> JSONValue {
        var writer = JSONWriter()
        writer.double(value)
        return .raw(writer.bytes)
    }
}
