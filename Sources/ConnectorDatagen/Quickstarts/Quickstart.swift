import JSONFormat

/// A kind of data that is built in: a name, the field of the key, and the schema that it is made from.
struct Quickstart: Sendable {
    let name: String
    let keyField: String
    private let make: @Sendable () -> SchemaBuilder

    init(_ name: String, key: String, _ make: @escaping @Sendable () -> SchemaBuilder) {
        self.name = name
        keyField = key
        self.make = make
    }

    /// An Avro schema with `arg.properties`, as users write them.
    var schemaText: String { String(decoding: make().json.bytes, as: UTF8.self) }

    static let all = demos + industries

    /// In any case; `users_` is what `users_array_map` was called first.
    static func named(_ name: String) -> Quickstart? {
        let name = name.lowercased() == "users_" ? "users_array_map" : name.lowercased()
        return all.first { $0.name == name }
    }
}

/// A record schema, field by field.
struct SchemaBuilder {
    private let name: String
    private let namespace: String?
    private var fields: [(String, JSONValue)] = []
    private var rows: [JSONValue] = []

    init(_ namespace: String?, _ name: String) {
        self.namespace = namespace
        self.name = name
    }

    func field(_ name: String, _ type: JSONValue) -> Self {
        var copy = self
        copy.fields.append((name, type))
        return copy
    }

    /// Whole records to choose from, with the values in the order of the fields.
    func rows(_ rows: [[JSONValue]]) -> Self {
        var copy = self
        copy.rows = rows.map { row in .object(zip(fields, row).map { ($0.0, $1) }) }
        return copy
    }

    var json: JSONValue {
        var members: [(String, JSONValue)] = [("type", .string("record")), ("name", .string(name))]
        if let namespace { members.insert(("namespace", .string(namespace)), at: 0) }
        members.append(("fields", .array(fields.map { .object([("name", .string($0.0)), ("type", $0.1)]) })))
        if !rows.isEmpty { members.append((GeneratorProgram.property, .object([("options", .array(rows))]))) }
        return .object(members)
    }
}

/// Types of fields with how their values are made.
extension JSONValue {
    static func type(_ name: String, logical: String? = nil, _ arguments: [(String, JSONValue)] = []) -> JSONValue {
        var members: [(String, JSONValue)] = [("type", .string(name))]
        if let logical { members.append(("logicalType", .string(logical))) }
        if !arguments.isEmpty { members.append((GeneratorProgram.property, .object(arguments))) }
        return .object(members)
    }

    static func choices(_ texts: [String]) -> JSONValue {
        .type("string", [("options", .array(texts.map { .string($0) }))])
    }

    static func choice(_ texts: String...) -> JSONValue { choices(texts) }

    static func regex(_ pattern: String) -> JSONValue { .type("string", [("regex", .string(pattern))]) }

    static func between(_ type: String, _ min: Int64, _ max: Int64, logical: String? = nil) -> JSONValue {
        .type(type, logical: logical, [("range", .object([("min", .number(min)), ("max", .number(max))]))])
    }

    /// Fractions, given as text so that they stay as they are written.
    static func fractions(_ min: String, _ max: String) -> JSONValue {
        .type("double", [("range", .object([("min", .raw(Array(min.utf8))), ("max", .raw(Array(max.utf8)))]))])
    }

    static func counting(_ type: String, from start: Int64, by step: Int64? = nil, logical: String? = nil) -> JSONValue
    {
        var iteration: [(String, JSONValue)] = [("start", .number(start))]
        if let step { iteration.append(("step", .number(step))) }
        return .type(type, logical: logical, [("iteration", .object(iteration))])
    }

    static func millis(from start: Int64, by step: Int64) -> JSONValue {
        counting("long", from: start, by: step, logical: "timestamp-millis")
    }
}
