import JSONFormat
import SQLTypes

/// The JSON Schema that columns are written with, as Connect's converter makes it of ksqlDB's types.
enum JSONSchemaDerivation {
    static func text(_ columns: [SQLField], isUnwrapped: Bool) -> String {
        let json: JSONValue
        if isUnwrapped, let column = columns.first {
            json = .object([nullable(column.type)])
        } else {
            json = .object(object(columns))
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }

    private static func nullable(_ type: SQLType) -> (String, JSONValue) {
        ("oneOf", .array([.object([("type", .string("null"))]), .object(members(type))]))
    }

    private static func object(_ fields: [SQLField]) -> [(String, JSONValue)] {
        let properties = fields.enumerated().map { index, field in
            (field.name, JSONValue.object([("connect.index", .number(Int64(index))), nullable(field.type)]))
        }
        return [("type", .string("object")), ("properties", .object(properties))]
    }

    private static func members(_ type: SQLType) -> [(String, JSONValue)] {
        func typed(_ word: String, _ connect: String) -> [(String, JSONValue)] {
            [("type", .string(word)), ("connect.type", .string(connect))]
        }
        func logical(_ word: String, _ name: String, _ connect: String) -> [(String, JSONValue)] {
            [
                ("type", .string(word)), ("title", .string("org.apache.kafka.connect.data." + name)),
                ("connect.version", .number(1)), ("connect.type", .string(connect)),
            ]
        }
        switch type {
        case .boolean: return [("type", .string("boolean"))]
        case .string: return [("type", .string("string"))]
        case .int: return typed("integer", "int32")
        case .bigint: return typed("integer", "int64")
        case .double: return typed("number", "float64")
        case .bytes: return typed("string", "bytes")
        case .time: return logical("integer", "Time", "int32")
        case .date: return logical("integer", "Date", "int32")
        case .timestamp: return logical("integer", "Timestamp", "int64")
        case .decimal(let precision, let scale):
            return logical("number", "Decimal", "bytes") + [
                (
                    "connect.parameters",
                    .object([("scale", .string("\(scale)")), ("connect.decimal.precision", .string("\(precision)"))])
                )
            ]
        case .array(let element): return [("type", .string("array")), ("items", .object([nullable(element)]))]
        case .map(_, let value):
            return typed("object", "map") + [("additionalProperties", .object([nullable(value)]))]
        case .structure(let fields): return object(fields)
        }
    }
}
