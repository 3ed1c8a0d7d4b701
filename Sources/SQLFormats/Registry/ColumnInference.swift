import Avro
import JSONFormat
import ProtobufFormat
import SQLTypes

/// The SQL types of registered schemas, by the rules of Connect's converters and what ksqlDB makes of their types.
struct ColumnInference {
    let keepsNames: Bool
    private var depth = 0
    private static let depthMax = 128
    /// Types that may still be written out: one that is used twice at each level is so many more at each.
    private var typesLeft = Self.typesMax
    private static let typesMax = 20_000

    init(keepsNames: Bool) { self.keepsNames = keepsNames }

    private func name(_ name: String) -> String { keepsNames ? name : name.uppercased() }

    private mutating func nested<Answer>(
        _ body: (inout Self) throws(UnsupportedType) -> Answer
    ) throws(UnsupportedType) -> Answer {
        guard depth < Self.depthMax else {
            throw UnsupportedType(FormatError(.schema, "Schemas that contain themselves are not supported"))
        }
        typesLeft -= 1
        guard typesLeft >= 0 else {
            throw UnsupportedType(
                FormatError(
                    .schema,
                    "The schema has more than \(Self.typesMax) fields when types that are used several times are "
                        + "written out"))
        }
        depth += 1
        defer { depth -= 1 }
        return try body(&self)
    }

    /// Adds a field, unless SQL does not have its type.
    private mutating func add(
        _ field: String, to fields: inout [SQLField], _ type: (inout Self) throws(UnsupportedType) -> SQLType
    ) throws(UnsupportedType) {
        do throws(UnsupportedType) {
            fields.append(SQLField(name(field), try nested(type)))
        } catch {
            if error.problem != nil { throw error }
        }
    }

    // MARK: Avro

    mutating func type(of schema: AvroSchema) throws(UnsupportedType) -> SQLType {
        try type(schema.root, schema)
    }

    private mutating func type(_ id: AvroSchema.ID, _ schema: AvroSchema) throws(UnsupportedType) -> SQLType {
        let type = schema.types[id]
        switch type.kind {
        case .primitive(let primitive):
            switch (primitive, type.logicalType) {
            case (.null, _): throw UnsupportedType(message: "null")
            case (.boolean, _): return .boolean
            case (.int, .date): return .date
            case (.int, .timeMillis): return .time
            case (.int, _): return .int
            case (.long, .timestampMillis): return .timestamp
            case (.long, _): return .bigint
            case (.float, _), (.double, _): return .double
            case (.string, _): return .string
            case (.bytes, .decimal(let precision, let scale)): return .decimal(precision: precision, scale: scale)
            case (.bytes, _): return .bytes
            }
        case .fixed:
            if case .decimal(let precision, let scale) = type.logicalType {
                return .decimal(precision: precision, scale: scale)
            }
            return .bytes
        case .enumeration: return .string
        case .array(let items):
            if let (_, value) = AvroEntries.fields(items, schema) {
                return .map(
                    key: .string,
                    value: try nested { (inner) throws(UnsupportedType) in
                        try inner.type(value, schema)
                    })
            }
            return .array(try nested { (inner) throws(UnsupportedType) in try inner.type(items, schema) })
        case .map(let values):
            return .map(
                key: .string, value: try nested { (inner) throws(UnsupportedType) in try inner.type(values, schema) })
        case .record(let record):
            var fields: [SQLField] = []
            for field in record.fields {
                try add(field.name, to: &fields) { (inner) throws(UnsupportedType) in
                    try inner.type(field.type, schema)
                }
            }
            return .structure(fields)
        case .union(let branches):
            let values = AvroEntries.values(branches, schema)
            guard let first = values.first else { throw UnsupportedType(message: "null") }
            if values.count == 1 {
                return try nested { (inner) throws(UnsupportedType) in try inner.type(first, schema) }
            }
            var fields: [SQLField] = []
            for (name, id) in zip(AvroEntries.branchNames(values, schema), values) {
                try add(name, to: &fields) { (inner) throws(UnsupportedType) in try inner.type(id, schema) }
            }
            return .structure(fields)
        }
    }

    // MARK: JSON Schema

    /// What the converter calls the field of a choice's branch, but for its number.
    private static let choiceField = "io.confluent.connect.json.OneOf.field."

    mutating func type(of node: JSONSchemaNode) throws(UnsupportedType) -> SQLType {
        let node = node.resolved()
        switch node.kind {
        case .null, .unknown: throw UnsupportedType(message: node.kind.rawValue)
        case .boolean: return .boolean
        case .string: return node.connectType == "bytes" ? .bytes : .string
        case .integer:
            switch node.title {
            case "org.apache.kafka.connect.data.Date": return .date
            case "org.apache.kafka.connect.data.Time": return .time
            case "org.apache.kafka.connect.data.Timestamp": return .timestamp
            default: break
            }
            switch node.connectType {
            case "int8", "int16", "int32": return .int
            default: return .bigint
            }
        case .number:
            if node.title == "org.apache.kafka.connect.data.Decimal" {
                return .decimal(
                    precision: node.parameter("connect.decimal.precision") ?? 64, scale: node.parameter("scale") ?? 0)
            }
            switch node.connectType {
            case "int8", "int16", "int32": return .int
            case "int64": return .bigint
            default: return .double
            }
        case .array:
            guard let items = node.items else { throw UnsupportedType(message: "array without items") }
            return .array(try nested { (inner) throws(UnsupportedType) in try inner.type(of: items) })
        case .map:
            guard let values = node.additionalProperties else { throw UnsupportedType(message: "map without values") }
            return .map(
                key: .string,
                value: try nested { (inner) throws(UnsupportedType) in try inner.type(of: values) })
        case .object:
            var fields: [SQLField] = []
            for (name, property) in node.properties {
                try add(name, to: &fields) { (inner) throws(UnsupportedType) in try inner.type(of: property) }
            }
            return .structure(fields)
        case .union:
            var fields: [SQLField] = []
            for (index, branch) in node.branches.enumerated() {
                try add(Self.choiceField + "\(index)", to: &fields) { (inner) throws(UnsupportedType) in
                    try inner.type(of: branch)
                }
            }
            return .structure(fields)
        }
    }

    // MARK: Protobuf

    /// - Parameter message: the full name of a message; nil: the first.
    mutating func type(
        of schema: ProtobufSchema, message: String?, unwraps: Bool
    ) throws(UnsupportedType) -> SQLType {
        let index = message.flatMap { schema.messageIndex(named: $0) } ?? schema.mainMessageIndex
        guard let index else { throw UnsupportedType(FormatError(.schema, "the schema has no messages")) }
        return try structure(index, schema, unwraps)
    }

    private mutating func structure(
        _ index: Int, _ schema: ProtobufSchema, _ unwraps: Bool
    ) throws(UnsupportedType) -> SQLType {
        let message = schema.messages[index]
        var fields: [SQLField] = []
        for (place, oneof) in message.oneofs.enumerated() {
            try add("\(oneof)_\(place)", to: &fields) { (inner) throws(UnsupportedType) in
                var branches: [SQLField] = []
                for field in message.fields where field.oneofIndex == place && !field.isExtension {
                    try inner.add(field.name, to: &branches) { (inner) throws(UnsupportedType) in
                        try inner.type(field, of: index, schema, unwraps)
                    }
                }
                return .structure(branches)
            }
        }
        for field in message.fields where field.oneofIndex == nil && !field.isExtension {
            try add(field.name, to: &fields) { (inner) throws(UnsupportedType) in
                let type = try inner.type(field, of: index, schema, unwraps)
                if case .map = type { return type }
                return field.isRepeated ? .array(type) : type
            }
        }
        return .structure(fields)
    }

    /// Of one value of a field, or of the map that its values are.
    private mutating func type(
        _ field: FieldDescriptor, of message: Int, _ schema: ProtobufSchema, _ unwraps: Bool
    ) throws(UnsupportedType) -> SQLType {
        switch field.kind {
        case .bool: return .boolean
        case .int32, .sint32, .sfixed32: return .int
        case .int64, .sint64, .sfixed64, .uint64, .fixed64, .uint32, .fixed32: return .bigint
        case .float, .double: return .double
        case .string, .enumeration: return .string
        case .bytes: return .bytes
        case .message, .group:
            if let (_, value) = ProtobufEntries.fields(field, schema) {
                return .map(
                    key: .string,
                    value: try nested { (inner) throws(UnsupportedType) in
                        let type = try inner.type(value, of: field.typeIndex, schema, unwraps)
                        if case .map = type { return type }
                        return value.isRepeated ? .array(type) : type
                    })
            }
            switch schema.messages[field.typeIndex].fullName {
            case "confluent.type.Decimal":
                let (precision, scale) = ProtobufEntries.decimal(field, of: message, schema)
                return .decimal(precision: precision, scale: scale)
            case "google.type.Date": return .date
            case "google.type.TimeOfDay": return .time
            case "google.protobuf.Timestamp": return .timestamp
            case let name where unwraps:
                if let wrapped = ProtobufEntries.wrapped(name) { return wrapped }
            default: break
            }
            return try nested { (inner) throws(UnsupportedType) in
                try inner.structure(field.typeIndex, schema, unwraps)
            }
        }
    }
}
