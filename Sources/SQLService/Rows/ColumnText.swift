import JSONFormat
import SQLTypes

/// Columns as objects, as `/ws/query` begins with.
enum ColumnText {
    /// `{"name":"ID","schema":{"type":"BIGINT","fields":null,"memberSchema":null},"type":"KEY"}`
    static func json(_ column: SQLColumn) -> JSONValue {
        var members: [(String, JSONValue)] = [("name", .string(column.name)), ("schema", schema(column.type))]
        if column.role == .key { members.append(("type", .string("KEY"))) }
        return .object(members)
    }

    private static func schema(_ type: SQLType) -> JSONValue {
        var fields = JSONValue.null
        var member = JSONValue.null
        var parameters: [(String, JSONValue)] = []
        switch type {
        case .decimal(let precision, let scale):
            parameters = [("precision", .number(Int64(precision))), ("scale", .number(Int64(scale)))]
        case .array(let element): member = schema(element)
        case .map(_, let value): member = schema(value)
        case .structure(let list):
            fields = .array(
                list.map { .object([("name", .string($0.name)), ("schema", schema($0.type))]) })
        default: break
        }
        var members: [(String, JSONValue)] = [
            ("type", .string(type.base.rawValue)), ("fields", fields), ("memberSchema", member),
        ]
        if !parameters.isEmpty { members.append(("parameters", .object(parameters))) }
        return .object(members)
    }
}
