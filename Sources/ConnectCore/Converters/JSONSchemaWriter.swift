import Bytes
import JSONFormat
import SQLTypes

/// JSON Schema of Connect schemas: Confluent's `JsonSchemaData`.
struct JSONSchemaWriter {
    let writesDecimalsAsNumbers: Bool
    let closesObjects: Bool
    /// The structs that contain themselves, where they have been written: what comes back to one of them is a `$ref`.
    private var written: [(schema: ConnectSchema, path: String)] = []
    /// Schemas that may still be written: those with an end are written wherever they stand.
    private var schemasLeft = ConnectSchema.unfoldedCountMax
    /// What defaults may still be written, as weights: they stand wherever their types do.
    private var defaultsLeft = JSONSchemaText.defaultsMax

    init(writesDecimalsAsNumbers: Bool, closesObjects: Bool) {
        self.writesDecimalsAsNumbers = writesDecimalsAsNumbers
        self.closesObjects = closesObjects
    }

    /// Where in the text a schema stands.
    struct Place {
        /// A JSON pointer in a fragment (RFC 6901, section 6).
        var path: String
        var depth = 0

        func inside(_ steps: String...) -> Place {
            var inner = self
            inner.depth += 1
            for step in steps {
                let name = step.replacing("~", with: "~0").replacing("/", with: "~1")
                inner.path += "/" + PercentEncoding.encoded(name)
            }
            return inner
        }
    }

    mutating func json(_ schema: ConnectSchema, index: Int?, _ place: Place) throws(ConnectError) -> JSONValue {
        guard place.depth < ConnectSchema.depthMax else { throw .data("Schema is nested too deep for JSON Schema") }
        schemasLeft -= 1
        guard schemasLeft >= 0 else {
            throw .data("Schema has more than \(ConnectSchema.unfoldedCountMax) places to write out for JSON Schema")
        }
        if schema.isOptional, schema.kind != .structure || schema.name != JSONSchemaNames.oneOf {
            var members: [(String, JSONValue)] = []
            if let index { members.append(("connect.index", .number(Int64(index)))) }
            let inner = try base(schema, index: nil, place.inside("oneOf", "1"))
            members.append(("oneOf", .array([Self.null, inner])))
            return .object(members)
        }
        return try base(schema, index: index, place)
    }

    private static let null = JSONValue.object([("type", .string("null"))])

    private mutating func fallback(_ schema: ConnectSchema) throws(ConnectError) -> JSONValue? {
        guard let value = schema.defaultValue, !value.isNull else { return nil }
        let converter = JSONSchemaConverter.defaultConverter(writesDecimalsAsNumbers: writesDecimalsAsNumbers)
        let json = try converter.json(SchemaAndValue(schema, value))
        try JSONSchemaText.take(json, from: &defaultsLeft)
        return json
    }

    private mutating func base(
        _ schema: ConnectSchema, index: Int?, _ place: Place
    ) throws(ConnectError) -> JSONValue {
        var type: String? = "object"
        var connectType: String?
        var body: [(String, JSONValue)] = []
        if schema.kind == .structure, schema.isRecursive {
            if let known = written.first(where: { $0.schema.isSameStruct(as: schema) }) {
                let members: [(String, JSONValue)] = [("$ref", .string(known.path))]
                return .object(members + (index.map { [("connect.index", .number(Int64($0)))] } ?? []))
            }
            written.append((schema, place.path))
        }
        switch schema.kind {
        case .int8, .int16, .int32, .int64:
            type = "integer"
            connectType = schema.kind.rawValue.lowercased()
        case .float32, .float64:
            type = "number"
            connectType = schema.kind.rawValue.lowercased()
        case .boolean: type = "boolean"
        case .string:
            type = "string"
            let prefix = JSONSchemaNames.enumeration + "."
            let symbols = schema.parameters.filter { $0.name.hasPrefix(prefix) }.map { parameter in
                let symbol = String(parameter.name.dropFirst(prefix.count))
                return symbol == JSONSchemaNames.nullSymbol ? JSONValue.null : .string(symbol)
            }
            if !symbols.isEmpty {
                type = nil
                body.append(("enum", .array(symbols)))
            }
        case .bytes:
            type = schema.logicalType == .decimal && writesDecimalsAsNumbers ? "number" : "string"
            connectType = "bytes"
        case .array:
            type = "array"
            guard let items = schema.valueSchema else { throw .data("Array schema did not specify the element type") }
            body.append(("items", try json(items, index: nil, place.inside("items"))))
        case .map:
            connectType = "map"
            guard let keys = schema.keySchema, let values = schema.valueSchema else {
                throw .data("Map schema did not specify the key and value types")
            }
            if keys.kind == .string, !keys.isOptional {
                body.append(
                    ("additionalProperties", try json(values, index: nil, place.inside("additionalProperties"))))
            } else {
                type = "array"
                let pair: [(String, JSONValue)] = [
                    ("key", try json(keys, index: 0, place.inside("items", "properties", "key"))),
                    ("value", try json(values, index: 1, place.inside("items", "properties", "value"))),
                ]
                body.append(("items", .object([("type", .string("object")), ("properties", .object(pair))])))
            }
        case .structure where schema.name == JSONSchemaNames.oneOf:
            var branches: [JSONValue] = []
            if schema.isOptional { branches.append(Self.null) }
            for (number, field) in schema.fields.enumerated() {
                branches.append(
                    try json(
                        field.schema.with(isOptional: false), index: number,
                        place.inside("oneOf", String(branches.count))))
            }
            var members: [(String, JSONValue)] = [("oneOf", .array(branches))]
            if let index { members.insert(("connect.index", .number(Int64(index))), at: 0) }
            return .object(members)
        case .structure:
            var properties: [(String, JSONValue)] = []
            for (number, field) in schema.fields.enumerated() {
                properties.append(
                    (field.name, try json(field.schema, index: number, place.inside("properties", field.name))))
            }
            body.append(("properties", .object(properties)))
            if closesObjects { body.append(("additionalProperties", .bool(false))) }
        }
        var members: [(String, JSONValue)] = []
        if let type { members.append(("type", .string(type))) }
        if let name = schema.name { members.append(("title", .string(name))) }
        if let doc = schema.doc { members.append(("description", .string(doc))) }
        if let value = try fallback(schema) { members.append(("default", value)) }
        if let index { members.append(("connect.index", .number(Int64(index)))) }
        if let version = schema.version { members.append(("connect.version", .number(Int64(version)))) }
        if let connectType { members.append(("connect.type", .string(connectType))) }
        // Those of the mapping itself are in the text already.
        let parameters = schema.parameters.filter { !$0.name.hasPrefix(JSONSchemaNames.namespace) }
        if !parameters.isEmpty {
            members.append(("connect.parameters", .object(parameters.map { ($0.name, .string($0.value)) })))
        }
        return .object(members + body)
    }
}
