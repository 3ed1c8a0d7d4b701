package import JSONFormat
package import SQLTypes

/// Types and columns as entities have them.
package enum SchemaJSON {
    /// `{"type":"ARRAY","fields":null,"memberSchema":{...},"parameters":{}}`
    package static func schema(_ type: SQLType) -> JSONValue {
        var fields = JSONValue.null
        var member = JSONValue.null
        var parameters: [(String, JSONValue)] = []
        switch type {
        case .array(let element): member = schema(element)
        case .map(_, let value): member = schema(value)
        case .structure(let list):
            fields = .array(
                list.map { .object([("name", .string($0.name)), ("schema", schema($0.type))]) })
        case .decimal(let precision, let scale):
            parameters = [("precision", .number(Int64(precision))), ("scale", .number(Int64(scale)))]
        default: break
        }
        return .object([
            ("type", .string(type.base.rawValue)), ("fields", fields), ("memberSchema", member),
            ("parameters", .object(parameters)),
        ])
    }

    /// `{"name":"ID","schema":{...},"type":"KEY"}`
    package static func field(_ column: SQLColumn) -> JSONValue {
        var members: [(String, JSONValue)] = [("name", .string(column.name)), ("schema", schema(column.type))]
        switch column.role {
        case .key: members.append(("type", .string("KEY")))
        case .headers: members.append(("type", .string("HEADER")))
        case .header(let name):
            members.append(("type", .string("HEADER")))
            members.append(("headerKey", .string(name)))
        case .value: break
        }
        return .object(members)
    }
}
