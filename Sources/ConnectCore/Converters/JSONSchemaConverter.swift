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

    /// Unions of several types are structs of which one field is set; all else is as the plain converter reads it.
    private static func connectValue(
        _ value: JSONValue, _ schema: ConnectSchema, _ json: JSONConverter, depth: Int
    ) throws(ConnectError) -> ConnectValue {
        guard depth < ConnectSchema.depthMax else { throw .data("JSON is nested too deep") }
        if case .null = value { return try json.connectValue(value, schema) }
        switch schema.kind {
        case .structure where schema.name == JSONSchemaNames.oneOf:
            var structure = ConnectStruct(schema)
            for (index, field) in schema.fields.enumerated() where JSONSchemaReader.fits(value, field.schema) {
                structure[index] = try connectValue(value, field.schema, json, depth: depth + 1)
                return .structure(structure)
            }
            throw .data("Did not find matching oneof field for data")
        case .structure:
            guard let members = JSONMembers(value) else { return try json.connectValue(value, schema) }
            var structure = ConnectStruct(schema)
            for (index, field) in schema.fields.enumerated() {
                let member = members[field.name] ?? .null
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
    static let oneOf = "io.confluent.connect.json.OneOf"
    static let oneOfField = "io.confluent.connect.json.OneOf.field."
    static let enumeration = "io.confluent.connect.json.Enum"
}

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
        if schema.isOptional {
            var members: [(String, JSONValue)] = []
            if let value = try fallback(schema) { members.append(("default", value)) }
            if let index { members.append(("connect.index", .number(Int64(index)))) }
            let inner = try base(schema, index: nil, place.inside("oneOf", "1"), withDefault: false)
            members.append(("oneOf", .array([.object([("type", .string("null"))]), inner])))
            return .object(members)
        }
        return try base(schema, index: index, place, withDefault: true)
    }

    private mutating func fallback(_ schema: ConnectSchema) throws(ConnectError) -> JSONValue? {
        guard let value = schema.defaultValue, !value.isNull else { return nil }
        var options = JSONConverter.Options()
        options.hasSchemas = false
        options.writesDecimalsAsNumbers = writesDecimalsAsNumbers
        let json = try JSONConverter(options).json(SchemaAndValue(schema, value))
        try JSONSchemaText.take(json, from: &defaultsLeft)
        return json
    }

    private mutating func base(
        _ schema: ConnectSchema, index: Int?, _ place: Place, withDefault: Bool
    ) throws(ConnectError) -> JSONValue {
        var type = "object"
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
            let symbols = schema.parameters.filter { $0.name.hasPrefix(prefix) }.map { JSONValue.string($0.value) }
            if !symbols.isEmpty { body.append(("enum", .array(symbols))) }
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
            for (number, field) in schema.fields.enumerated() {
                branches.append(
                    try json(
                        field.schema.with(isOptional: false), index: nil, place.inside("oneOf", String(number))))
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
        var members: [(String, JSONValue)] = [("type", .string(type))]
        if let name = schema.name { members.append(("title", .string(name))) }
        if let doc = schema.doc { members.append(("description", .string(doc))) }
        if withDefault, let value = try fallback(schema) { members.append(("default", value)) }
        if let index { members.append(("connect.index", .number(Int64(index)))) }
        if let version = schema.version { members.append(("connect.version", .number(Int64(version)))) }
        if let connectType { members.append(("connect.type", .string(connectType))) }
        if !schema.parameters.isEmpty {
            members.append(("connect.parameters", .object(schema.parameters.map { ($0.name, .string($0.value)) })))
        }
        return .object(members + body)
    }
}

/// Connect schemas of JSON Schemas.
struct JSONSchemaReader {
    private let root: Document
    private let references: [String: JSONValue]
    private let options: JSONSchemaOptions
    /// What a `$ref` leads to, by its document and place.
    private var structs = RecursiveStructBuilder<Target>()
    /// Values that defaults may still have: one that is made of the defaults of a type has each of them at each place.
    private var defaultValuesLeft = Self.defaultValuesMax
    private static let defaultValuesMax = 1 << 20

    private struct Document {
        /// Of a reference; empty for the schema itself.
        var name: String
        var json: JSONValue
    }

    private struct Target: Hashable {
        var document: String
        var path: [String]
    }

    init(_ registered: RegistrySchema, _ options: JSONSchemaOptions = .init()) throws(ConnectError) {
        self.options = options
        func read(_ text: String) throws(ConnectError) -> JSONValue {
            do throws(JSONError) { return try JSONValue.read(text, duplicates: .last) } catch {
                throw .data("Invalid JSON Schema: \(error)")
            }
        }
        root = Document(name: "", json: try read(registered.text))
        var references: [String: JSONValue] = [:]
        for reference in registered.references { references[reference.name] = try read(reference.text) }
        self.references = references
    }

    /// The title of the whole schema, which is what names it.
    var title: String? { root.json["title"]?.text }

    /// - Parameter version: of the whole schema, where it names none itself (`connect.version`).
    func schema(version: Int32? = nil) throws(ConnectError) -> ConnectSchema {
        var reader = self
        let key = Target(document: "", path: [])
        _ = reader.structs.begin(key)
        var made = try reader.schema(root.json, in: root, depth: 0)
        if made.version == nil, made.reference == nil { made = made.with(version: .some(version)) }
        reader.structs.end(key, made)
        return try reader.structs.finish()(key, made)
    }

    private mutating func schema(
        _ json: JSONValue, in document: Document, depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        guard depth < 64 else { throw .data("JSON Schema is nested more than 64 levels deep") }
        if let reference = json["$ref"]?.text {
            let (target, owner, key) = try resolve(reference, in: document)
            if let known = structs.begin(key) { return known }
            let made = try schema(target, in: owner, depth: depth + 1)
            structs.end(key, made)
            return made
        }
        for word in ["oneOf", "anyOf"] {
            if let branches = json[word]?.elements { return try union(branches, json, document, depth) }
        }
        if let parts = json["allOf"]?.elements, json["type"] == nil {
            guard parts.count == 1 else {
                var fields: [ConnectSchema.Field] = []
                for part in parts {
                    let made = try schema(part, in: document, depth: depth + 1)
                    guard made.reference == nil else { throw .data("JSON Schema has itself among its allOf") }
                    fields += made.fields
                }
                try ConnectSchema.checkFields(fields)
                return .structure(fields, name: json["title"]?.text)
            }
            return try schema(parts[0], in: document, depth: depth + 1)
        }
        if let types = json["type"]?.elements {
            let branches = types.map { type in
                JSONValue.object([("type", type)] + (json.members ?? []).filter { $0.0 != "type" })
            }
            return try union(branches, json, document, depth)
        }
        return try typed(json, document, depth)
    }

    private func resolve(
        _ reference: String, in document: Document
    ) throws(ConnectError) -> (JSONValue, in: Document, Target) {
        let parts = reference.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        var owner = document
        if let name = parts.first, !name.isEmpty {
            guard let known = references[String(name)] else {
                throw .data("JSON Schema refers to \(reference), which is not there")
            }
            owner = Document(name: String(name), json: known)
        }
        var target = owner.json
        var path: [String] = []
        for step in parts.count > 1 ? parts[1].split(separator: "/") : [] {
            let name = PercentEncoding.decoded(String(step)).replacing("~1", with: "/").replacing("~0", with: "~")
            path.append(name)
            guard
                let next = target[name]
                    ?? Int(name).flatMap({ place in
                        target.elements.flatMap { $0.indices.contains(place) ? $0[place] : nil }
                    })
            else { throw .data("JSON Schema refers to \(reference), which is not there") }
            target = next
        }
        return (target, owner, Target(document: owner.name, path: path))
    }

    private mutating func union(
        _ branches: [JSONValue], _ json: JSONValue, _ document: Document, _ depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        let others = branches.filter { $0["type"]?.text != "null" }
        let isOptional = others.count < branches.count
        if others.count == 1, isOptional || options.flattensSingletons {
            let inner = try schema(others[0], in: document, depth: depth + 1)
            return try withDefault(json, inner.with(isOptional: isOptional || inner.isOptional))
        }
        guard !others.isEmpty else { throw .data("JSON Schema with only null values is not supported by Connect") }
        var fields: [ConnectSchema.Field] = []
        for (place, branch) in others.enumerated() {
            fields.append(
                .init(
                    JSONSchemaNames.oneOfField + String(place),
                    try schema(branch, in: document, depth: depth + 1).with(isOptional: true)))
        }
        return ConnectSchema(.structure, isOptional: isOptional, name: JSONSchemaNames.oneOf, fields: fields)
    }

    private mutating func typed(
        _ json: JSONValue, _ document: Document, _ depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        let connectType = json["connect.type"]?.text
        var parameters = (json["connect.parameters"]?.members ?? []).compactMap { name, value in
            value.text.map { ConnectSchema.Parameter(name, $0) }
        }
        var kind: ConnectSchema.Kind
        var fields: [ConnectSchema.Field] = []
        var keySchema: ConnectSchema?
        var valueSchema: ConnectSchema?
        switch json["type"]?.text ?? (json["enum"] != nil ? "string" : json["properties"] != nil ? "object" : "") {
        case "boolean": kind = .boolean
        case "integer": kind = connectType.flatMap { .init(rawValue: $0.uppercased()) } ?? .int64
        case "number": kind = connectType.flatMap { .init(rawValue: $0.uppercased()) } ?? .float64
        case "string":
            kind = connectType == "bytes" ? .bytes : .string
            if let symbols = json["enum"]?.elements, kind == .string, parameters.isEmpty {
                parameters.append(.init(JSONSchemaNames.enumeration, json["title"]?.text ?? ""))
                for case let symbol? in symbols.map(\.text) {
                    parameters.append(.init(JSONSchemaNames.enumeration + "." + symbol, symbol))
                }
            }
        case "array":
            guard let items = json["items"] else { throw .data("Array schema did not specify the items type") }
            if connectType == "map" {
                kind = .map
                keySchema = try schema(items["properties"]?["key"] ?? .null, in: document, depth: depth + 1)
                valueSchema = try schema(items["properties"]?["value"] ?? .null, in: document, depth: depth + 1)
            } else {
                kind = .array
                valueSchema = try schema(items, in: document, depth: depth + 1)
            }
        case "object":
            if connectType == "map", let values = json["additionalProperties"] {
                kind = .map
                keySchema = .string
                valueSchema = try schema(values, in: document, depth: depth + 1)
            } else {
                kind = .structure
                let properties = (json["properties"]?.members ?? []).enumerated().sorted { a, b in
                    let first = a.element.1["connect.index"]?.integer ?? Int64.max
                    let second = b.element.1["connect.index"]?.integer ?? Int64.max
                    return (first, a.offset) < (second, b.offset)
                }
                let required = Set((json["required"]?.elements ?? []).compactMap(\.text))
                for (_, (name, property)) in properties {
                    let made = try schema(property, in: document, depth: depth + 1)
                    let isOptional = made.isOptional || (options.makesOptional && !required.contains(name))
                    fields.append(.init(name, isOptional ? made.with(isOptional: true) : made))
                }
            }
        case let type: throw .data("Unsupported JSON Schema type \(type)")
        }
        guard kind.isPrimitive || json["type"]?.text != "number" else { throw .data("Unsupported connect.type") }
        let version = json["connect.version"]?.integer.flatMap { Int32(exactly: $0) }
        return try withDefault(
            json,
            ConnectSchema(
                kind, name: json["title"]?.text, version: version, doc: json["description"]?.text,
                parameters: parameters, fields: fields, keySchema: keySchema, valueSchema: valueSchema))
    }

    private mutating func withDefault(_ json: JSONValue, _ schema: ConnectSchema) throws(ConnectError) -> ConnectSchema
    {
        guard let value = json["default"], !value.isJSONNull else { return schema }
        if schema.isRecursive, value.elements?.isEmpty != true, value.members?.isEmpty != true {
            throw .data("JSON Schema has a default of a type that contains itself")
        }
        let made = try JSONConverter().connectValue(value, schema)
        guard made.takeCount(from: &defaultValuesLeft) else {
            throw .data("JSON Schema has defaults of more than \(Self.defaultValuesMax) values")
        }
        return schema.with(defaultValue: .some(made))
    }

    /// Whether JSON can be read as what a schema says, as far as its kind tells.
    static func fits(_ json: JSONValue, _ schema: ConnectSchema) -> Bool {
        switch (schema.kind, json) {
        case (.boolean, .bool), (.string, .string), (.bytes, .string), (.array, .array), (.float32, .number),
            (.float64, .number), (.float32, .raw), (.float64, .raw), (.int8, .number), (.int16, .number),
            (.int32, .number), (.int64, .number):
            return true
        case (.map, .object): return true
        case (.structure, .object(let members)):
            let level = schema.level
            guard members.allSatisfy({ level.places[$0.0] != nil }) else { return false }
            let names = Set(members.map(\.0))
            return level.fields.allSatisfy { $0.schema.isOptional || names.contains($0.name) }
        default: return false
        }
    }
}
