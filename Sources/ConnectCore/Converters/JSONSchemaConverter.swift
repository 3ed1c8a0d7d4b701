import Bytes
import JSONFormat
import SQLTypes
import SchemaRules
import SchemaSerdes

/// `io.confluent.connect.json.JsonSchemaConverter`: JSON whose schema is in a registry.
package struct JSONSchemaConverter: Converter {
    private let link: RegistryLink
    private let json: JSONConverter
    private let own: JSONSchemaOptions
    private let texts = ConnectCache<ConnectSchema, String>(countMax: 1000)
    private let schemas = ConnectCache<TopicSchema, ConnectSchema>(countMax: 1000)

    package init(
        _ registry: any ConverterRegistry, _ options: RegistryOptions, _ jsonOptions: JSONConverter.Options = .init(),
        _ own: JSONSchemaOptions = .init()
    ) {
        link = RegistryLink(registry, options)
        self.own = own
        var plain = jsonOptions
        plain.hasSchemas = false
        plain.isSchemaForm = true
        json = JSONConverter(plain)
    }

    /// The JSON Schema that a Connect schema becomes.
    package func schemaText(_ schema: ConnectSchema) throws(ConnectError) -> String {
        if let known = texts[schema] { return known }
        var writer = JSONSchemaWriter(
            writesDecimalsAsNumbers: json.options.writesDecimalsAsNumbers, closesObjects: own.closesObjects)
        let text = String(
            decoding: try writer.json(schema, index: nil, JSONSchemaWriter.Place(path: "#")).bytes, as: UTF8.self)
        texts[schema] = text
        return text
    }

    package func bytes(_ value: SchemaAndValue, topic: String) async throws(ConnectError) -> [UInt8]? {
        guard let schema = value.schema ?? AnyValueSchema.schema(of: value.value) else {
            if value.value.isNull { return nil }
            throw .data("Converting value of topic \(topic) to JSON Schema needs a schema")
        }
        if value.value.isNull, schema.defaultValue == nil || !json.options.replacesNull {
            guard schema.isOptional else {
                throw .data("Invalid null value for required \(schema.kind.rawValue) field")
            }
            return nil
        }
        let registered = try await link.writing(
            schemaText(schema), .json, topic: topic, recordName: schema.kind == .structure ? schema.name : nil)
        return SchemaFrame.prefix(id: registered.id) + (try json.json(SchemaAndValue(schema, value.value)).bytes)
    }

    package func value(_ bytes: [UInt8]?, topic: String) async throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return .null }
        let (registered, frame, start) = try await link.reading(bytes, .json, topic: topic)
        let schema: ConnectSchema
        let key = TopicSchema(frame: frame, topic: topic)
        if let known = schemas[key] {
            schema = known
        } else {
            var reader = try JSONSchemaReader(registered, own)
            let wanted = try await link.target(of: registered, frame, topic: topic, recordName: reader.title)
            let version = try await link.version(of: wanted, frame, topic: topic, recordName: reader.title)
            if wanted != registered { reader = try JSONSchemaReader(wanted, own) }
            schema = try reader.schema(version: version)
            schemas[key] = schema
        }
        let payload = Array(bytes[start...])
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.read(payload.span.bytes, duplicates: .last)
        } catch {
            throw link.damaged(topic, .json, frame, "\(error)")
        }
        return SchemaAndValue(schema, try Self.connectValue(value, schema, json, depth: 0))
    }

    /// How defaults are written in a JSON Schema.
    static func defaultConverter(writesDecimalsAsNumbers: Bool = false) -> JSONConverter {
        var options = JSONConverter.Options()
        options.hasSchemas = false
        options.isSchemaForm = true
        options.writesDecimalsAsNumbers = writesDecimalsAsNumbers
        return JSONConverter(options)
    }

    private static let defaults = defaultConverter()

    /// A default of a JSON Schema, which is read as values are.
    static func connectValue(_ json: JSONValue, _ schema: ConnectSchema) throws(ConnectError) -> ConnectValue {
        try connectValue(json, schema, defaults, depth: 0)
    }

    /// Unions of several types are structs of which one field is set; all else is as the plain converter reads it.
    private static func connectValue(
        _ value: JSONValue, _ schema: ConnectSchema, _ json: JSONConverter, depth: Int
    ) throws(ConnectError) -> ConnectValue {
        guard depth < ConnectSchema.depthMax else { throw .data("JSON is nested too deep") }
        if case .null = value { return try json.connectValue(value, schema) }
        switch schema.kind {
        case .structure where schema.name == JSONSchemaNames.oneOf:
            var structure = ConnectStruct(schema)
            guard let index = JSONSchemaReader.branch(of: schema, for: value) else {
                throw .data("Did not find matching oneof field for data")
            }
            structure[index] = try connectValue(value, schema.fields[index].schema, json, depth: depth + 1)
            return .structure(structure)
        case .structure:
            guard let members = JSONMembers(value) else { return try json.connectValue(value, schema) }
            var structure = ConnectStruct(schema)
            for (index, field) in schema.fields.enumerated() {
                // What is not there is only not set: a JSON Schema does not require what it names.
                guard let member = members[field.name] else {
                    if let value = field.schema.defaultValue, json.options.replacesNull { structure[index] = value }
                    continue
                }
                try structure.put(index, connectValue(member, field.schema, json, depth: depth + 1), of: field)
            }
            return .structure(structure)
        case .array:
            guard let elements = value.elements, let element = schema.valueSchema else {
                return try json.connectValue(value, schema)
            }
            var values: [ConnectValue] = []
            for item in elements { values.append(try connectValue(item, element, json, depth: depth + 1)) }
            return .array(values)
        case .map:
            // Keys that are no texts come as objects with key and value.
            if let elements = value.elements, let keys = schema.keySchema, let values = schema.valueSchema {
                var map = ConnectMap()
                for pair in elements {
                    guard pair.members != nil else {
                        throw .data("Found invalid map entry instead of object: \(JSONConverter.kind(pair))")
                    }
                    map[try connectValue(pair["key"] ?? .null, keys, json, depth: depth + 1)] = try connectValue(
                        pair["value"] ?? .null, values, json, depth: depth + 1)
                }
                return .map(map)
            }
            guard let members = value.members, let values = schema.valueSchema else {
                return try json.connectValue(value, schema)
            }
            var map = ConnectMap()
            for (name, member) in members { map[name] = try connectValue(member, values, json, depth: depth + 1) }
            return .map(map)
        default: return try json.connectValue(value, schema)
        }
    }
}

enum JSONSchemaNames {
    static let namespace = "io.confluent.connect.json"
    /// Among the symbols of an enumeration.
    static let nullSymbol = "<NULL>"
    static let oneOf = "io.confluent.connect.json.OneOf"
    static let oneOfField = "io.confluent.connect.json.OneOf.field."
    static let enumeration = "io.confluent.connect.json.Enum"
}
