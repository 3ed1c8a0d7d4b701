import Bytes
import JSONFormat
import SQLTypes
import SchemaRules
import SchemaSerdes

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
        let combinations = ["allOf", "anyOf", "oneOf"].filter { json[$0]?.elements != nil }
        if !combinations.isEmpty {
            return try combined(json, combinations, document, depth)
        }
        if let types = json["type"]?.elements { return try union(of: types, json, document, depth) }
        return try typed(json, document, depth)
    }

    /// Several types: each has the keywords of the whole, but an enumeration stands beside them.
    private mutating func union(
        of types: [JSONValue], _ json: JSONValue, _ document: Document, _ depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        let beside: Set = ["type", "enum", "const", "title", "description", "default"]
        let rules = (json.members ?? []).filter { !beside.contains($0.0) }
        return try union(types.map { .object([("type", $0)] + rules) }, json, document, depth)
    }

    // MARK: Combinations

    /// `allOf`, `anyOf`, `oneOf`, and what stands beside them: properties make a struct, wherever they are named but in
    /// alternatives; else alternatives are a union.
    ///
    /// - SeeAlso: upstream `JsonSchemaData.allOfToConnectSchema`.
    private mutating func combined(
        _ json: JSONValue, _ combinations: [String], _ document: Document, _ depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        let parts = json["allOf"]?.elements ?? []
        if combinations == ["allOf"], parts.count == 1, json["type"] == nil, json["properties"] == nil {
            return try schema(parts[0], in: document, depth: depth + 1)
        }
        var properties = Properties()
        try collect(json, in: document, depth, &properties)
        if !properties.entries.isEmpty {
            var fields: [ConnectSchema.Field] = []
            for entry in properties.entries {
                let made = try schema(entry.json, in: entry.document, depth: depth + 1)
                let isOptional = made.isOptional || (options.makesOptional && !entry.isRequired)
                fields.append(.init(entry.name, isOptional ? made.with(isOptional: true) : made))
            }
            return .structure(fields)
        }
        if let types = json["type"]?.elements { return try union(of: types, json, document, depth) }
        for word in ["oneOf", "anyOf"] {
            if let branches = json[word]?.elements { return try union(branches, json, document, depth) }
        }
        if json["type"] != nil { return try typed(json, document, depth) }
        for part in parts where part["type"] != nil || part["enum"] != nil || part["$ref"] != nil {
            return try schema(part, in: document, depth: depth + 1)
        }
        for part in parts where ["allOf", "anyOf", "oneOf"].contains(where: { part[$0] != nil }) {
            return try schema(part, in: document, depth: depth + 1)
        }
        throw .data("Unsupported criterion allOf of a JSON Schema without a type")
    }

    /// Properties of several parts; a later one takes the place of one with the same name.
    private struct Properties {
        struct Entry {
            var name: String
            var json: JSONValue
            var document: Document
            var isRequired: Bool
        }

        var entries: [Entry] = []
        private var places: [JSONName: Int] = [:]
        /// Parts that were looked at, so that those which contain themselves have an end.
        var partsLeft = 10_000

        mutating func add(_ entry: Entry) {
            if let place = places[JSONName(entry.name)] {
                entries[place] = entry
            } else {
                places[JSONName(entry.name)] = entries.count
                entries.append(entry)
            }
        }
    }

    private func collect(
        _ json: JSONValue, in document: Document, _ depth: Int, _ properties: inout Properties
    ) throws(ConnectError) {
        properties.partsLeft -= 1
        guard depth < 64, properties.partsLeft > 0 else { throw .data("JSON Schema has itself among its allOf") }
        if let reference = json["$ref"]?.text {
            let (target, owner, _) = try resolve(reference, in: document)
            return try collect(target, in: owner, depth + 1, &properties)
        }
        for part in json["allOf"]?.elements ?? [] { try collect(part, in: document, depth + 1, &properties) }
        guard json["type"]?.elements == nil, json["connect.type"]?.text != "map" else { return }
        let required = Set((json["required"]?.elements ?? []).compactMap(\.text))
        for (name, property) in json["properties"]?.members ?? [] {
            properties.add(
                .init(name: name, json: property, document: document, isRequired: required.contains(name)))
        }
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
            // What is said beside the branches is lost in the original, a default too.
            let inner = try schema(others[0], in: document, depth: depth + 1)
            return inner.with(isOptional: isOptional || inner.isOptional)
        }
        guard !others.isEmpty else { throw .data("JSON Schema with only null values is not supported by Connect") }
        var fields: [ConnectSchema.Field] = []
        for (place, branch) in others.enumerated() {
            fields.append(
                .init(
                    JSONSchemaNames.oneOfField + String(place),
                    try schema(branch, in: document, depth: depth + 1).with(isOptional: true)))
        }
        return ConnectSchema(
            .structure, isOptional: isOptional, name: JSONSchemaNames.oneOf, doc: json["description"]?.text,
            fields: fields)
    }

    private mutating func typed(
        _ json: JSONValue, _ document: Document, _ depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        // A type that stands beside an enumeration or a constant is a part without a name of its own.
        let isPart = json["type"]?.text != nil && (json["enum"] != nil || json["const"] != nil)
        if isPart, let type = json["type"]?.text, ["string", "integer", "number"].contains(type) {
            let symbols = json["enum"].map { [("enum", $0)] } ?? []
            return try typed(
                .object(type == "string" && !symbols.isEmpty ? symbols : [("type", .string(type))]), document, depth)
        }
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
            if let symbols = json["enum"]?.elements, kind == .string {
                var own = [ConnectSchema.Parameter(JSONSchemaNames.enumeration, "")]
                for value in symbols {
                    let symbol =
                        value.isJSONNull
                        ? JSONSchemaNames.nullSymbol : value.text ?? String(decoding: value.javaBytes(), as: UTF8.self)
                    own.append(.init(JSONSchemaNames.enumeration + "." + symbol, symbol))
                }
                parameters = own + parameters.filter { !$0.name.hasPrefix(JSONSchemaNames.enumeration) }
            }
        case "array":
            guard let items = json["items"], items.elements == nil else {
                throw .data("Array schema did not specify the items type")
            }
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

    /// Which branch of a union a value is of: the first that is of its kind of values, for objects the struct that knows
    /// the most of its members.
    ///
    /// - SeeAlso: upstream `JsonSchemaData`, whose choice this is, but that texts may be bytes where nothing else fits.
    static func branch(of union: ConnectSchema, for value: JSONValue) -> Int? {
        var best: (index: Int, count: Int)?
        for (index, field) in union.fields.enumerated() {
            if isSimple(value, field.schema) { return index }
            guard field.schema.kind == .structure, case .object(let members) = value else { continue }
            let places = field.schema.level.places
            let count = Set(members.map(\.0)).count { places[$0] != nil }
            if count > best?.count ?? -1 { best = (index, count) }
        }
        if let best { return best.index }
        guard value.text != nil else { return nil }
        return union.fields.firstIndex { $0.schema.kind == .bytes }
    }

    private static func isSimple(_ json: JSONValue, _ schema: ConnectSchema) -> Bool {
        switch schema.kind {
        case .int8, .int16, .int32, .int64: return json.decimal != nil && isIntegral(json)
        case .float32, .float64: return json.decimal != nil
        case .bytes: return schema.logicalType == .decimal && json.decimal != nil
        case .boolean: return json.flag != nil
        case .string: return json.text != nil
        case .array: return json.elements != nil
        case .map: return json.members != nil || json.elements != nil
        case .structure: return false
        }
    }

    /// Written without a fraction, as Java's readers tell numbers apart.
    private static func isIntegral(_ json: JSONValue) -> Bool {
        switch json {
        case .number: true
        case .raw(let text): !text.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
        default: false
        }
    }
}
