import Bytes
import JSONFormat
import SQLTypes
import SchemaRules
import SchemaSerdes

/// Connect schemas of JSON Schemas.
struct JSONSchemaReader {
    private let root: Place
    private let references: [String: JSONValue]
    private let options: JSONSchemaOptions
    /// What a `$ref` leads to, and structs made of combinations, which the properties of another may bring again: by
    /// document and place.
    private var structs = RecursiveStructBuilder<Target>()
    /// Values that defaults may still have: one that is made of the defaults of a type has each of them at each place.
    private var defaultValuesLeft = Self.defaultValuesMax
    private static let defaultValuesMax = 1 << 20
    /// Parts of the text that may still be read: those with properties of others read them at each of their places.
    private var partsLeft: Int

    /// Where a schema stands.
    private struct Place {
        /// Of a reference; empty for the schema itself.
        var document: String
        /// The whole document.
        var json: JSONValue
        var path: [String] = []

        var target: Target { Target(document: document, path: path) }

        func inside(_ steps: String...) -> Place { Place(document: document, json: json, path: path + steps) }
    }

    private struct Target: Hashable {
        var document: String
        var path: [String]
    }

    /// - Parameter partsMax: how many parts of the text may be read, each counted as often as it is.
    init(
        _ registered: RegistrySchema, _ options: JSONSchemaOptions = .init(), partsMax: Int = 1 << 20
    ) throws(ConnectError) {
        self.options = options
        partsLeft = partsMax
        func read(_ text: String) throws(ConnectError) -> JSONValue {
            do throws(JSONError) { return try JSONValue.read(text, duplicates: .last) } catch {
                throw .data("Invalid JSON Schema: \(error)")
            }
        }
        root = Place(document: "", json: try read(registered.text))
        var references: [String: JSONValue] = [:]
        for reference in registered.references { references[reference.name] = try read(reference.text) }
        self.references = references
    }

    /// The title of the whole schema, which is what names it.
    var title: String? { root.json["title"]?.text }

    /// - Parameter version: of the whole schema, where it names none itself (`connect.version`).
    func schema(version: Int32? = nil) throws(ConnectError) -> ConnectSchema {
        var reader = self
        let key = root.target
        _ = reader.structs.begin(key)
        var made = try reader.schema(root.json, at: root, depth: 0, isBegun: true)
        if made.version == nil, made.reference == nil { made = made.with(version: .some(version)) }
        reader.structs.end(key, made)
        return try reader.structs.finish()(key, made)
    }

    private mutating func take(_ count: Int) throws(ConnectError) {
        partsLeft -= count
        guard partsLeft >= 0 else { throw .data("JSON Schema has too many places to write out") }
    }

    /// - Parameter isBegun: whether the caller has begun what stands there.
    private mutating func schema(
        _ json: JSONValue, at place: Place, depth: Int, isBegun: Bool = false
    ) throws(ConnectError) -> ConnectSchema {
        try take(1 + (json.members?.count ?? 0))
        guard depth < 64 else { throw .data("JSON Schema is nested more than 64 levels deep") }
        if let reference = json["$ref"]?.text {
            let (target, there) = try resolve(reference, from: place)
            if let known = structs.begin(there.target) { return known }
            let made = try schema(target, at: there, depth: depth + 1, isBegun: true)
            structs.end(there.target, made)
            return made
        }
        let combinations = ["allOf", "anyOf", "oneOf"].filter { json[$0]?.elements != nil }
        if !combinations.isEmpty {
            return try combined(json, combinations, place, depth, isBegun)
        }
        if let types = json["type"]?.elements { return try union(of: types, json, place, depth) }
        return try typed(json, place, depth)
    }

    /// Several types: each has the keywords of the whole, but an enumeration stands beside them.
    private mutating func union(
        of types: [JSONValue], _ json: JSONValue, _ place: Place, _ depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        let beside: Set = ["type", "enum", "const", "title", "description", "default"]
        let rules = (json.members ?? []).filter { !beside.contains($0.0) }
        // No `$ref` leads there: its steps are not empty.
        return try union(types.map { .object([("type", $0)] + rules) }, json, place.inside("", "type"), depth)
    }

    // MARK: Combinations

    /// `allOf`, `anyOf`, `oneOf`, and what stands beside them: properties make a struct, wherever they are named but in
    /// alternatives; else alternatives are a union.
    ///
    /// - SeeAlso: upstream `JsonSchemaData.allOfToConnectSchema`.
    private mutating func combined(
        _ json: JSONValue, _ combinations: [String], _ place: Place, _ depth: Int, _ isBegun: Bool
    ) throws(ConnectError) -> ConnectSchema {
        let parts = json["allOf"]?.elements ?? []
        if combinations == ["allOf"], parts.count == 1, json["type"] == nil, json["properties"] == nil {
            return try schema(parts[0], at: place.inside("allOf", "0"), depth: depth + 1)
        }
        var known = [place.target: Properties()]
        let properties = try collect(json, at: place, 0, &known)
        if !properties.entries.isEmpty {
            // It may be among the properties that it takes from another.
            if !isBegun, let known = structs.begin(place.target) { return known }
            var fields: [ConnectSchema.Field] = []
            for entry in properties.entries {
                let made = try schema(entry.json, at: entry.place, depth: depth + 1)
                let isOptional = made.isOptional || (options.makesOptional && !entry.isRequired)
                fields.append(.init(entry.name, isOptional ? made.with(isOptional: true) : made))
            }
            let made = ConnectSchema.structure(fields)
            if !isBegun { structs.end(place.target, made) }
            return made
        }
        if let types = json["type"]?.elements { return try union(of: types, json, place, depth) }
        for word in ["oneOf", "anyOf"] {
            if let branches = json[word]?.elements { return try union(branches, json, place.inside(word), depth) }
        }
        if json["type"] != nil { return try typed(json, place, depth) }
        for (index, part) in parts.enumerated()
        where part["type"] != nil || part["enum"] != nil || part["$ref"] != nil {
            return try schema(part, at: place.inside("allOf", String(index)), depth: depth + 1)
        }
        for (index, part) in parts.enumerated()
        where ["allOf", "anyOf", "oneOf"].contains(where: { part[$0] != nil }) {
            return try schema(part, at: place.inside("allOf", String(index)), depth: depth + 1)
        }
        throw .data("Unsupported criterion allOf of a JSON Schema without a type")
    }

    /// Properties of several parts; a later one takes the place of one with the same name.
    private struct Properties {
        struct Entry {
            var name: String
            var json: JSONValue
            var place: Place
            var isRequired: Bool
        }

        var entries: [Entry] = []
        private var places: [JSONName: Int] = [:]

        mutating func add(_ entry: Entry) {
            if let place = places[JSONName(entry.name)] {
                entries[place] = entry
            } else {
                places[JSONName(entry.name)] = entries.count
                entries.append(entry)
            }
        }
    }

    /// - Parameter known: what was collected of targets; nothing yet while that is done, so that what reaches itself is
    ///   passed over.
    private mutating func collect(
        _ json: JSONValue, at place: Place, _ depth: Int, _ known: inout [Target: Properties]
    ) throws(ConnectError) -> Properties {
        try take(1 + (json.members?.count ?? 0))
        guard depth < 64 else { throw .data("JSON Schema is nested more than 64 levels deep") }
        if let reference = json["$ref"]?.text {
            let (target, there) = try resolve(reference, from: place)
            if let known = known[there.target] { return known }
            known[there.target] = Properties()
            let found = try collect(target, at: there, depth + 1, &known)
            known[there.target] = found
            return found
        }
        var properties = Properties()
        for (index, part) in (json["allOf"]?.elements ?? []).enumerated() {
            let found = try collect(part, at: place.inside("allOf", String(index)), depth + 1, &known)
            try take(found.entries.count)
            for entry in found.entries { properties.add(entry) }
        }
        guard json["type"]?.elements == nil, json["connect.type"]?.text != "map" else { return properties }
        let required = try required(json)
        let members = json["properties"]?.members ?? []
        try take(members.count)
        for (name, property) in members {
            properties.add(
                .init(
                    name: name, json: property, place: place.inside("properties", name),
                    isRequired: required.contains(name)))
        }
        return properties
    }

    private mutating func required(_ json: JSONValue) throws(ConnectError) -> Set<String> {
        let names = json["required"]?.elements ?? []
        try take(names.count)
        return Set(names.compactMap(\.text))
    }

    private func resolve(_ reference: String, from place: Place) throws(ConnectError) -> (JSONValue, at: Place) {
        let parts = reference.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        var owner = place
        if let name = parts.first, !name.isEmpty {
            guard let known = references[String(name)] else {
                throw .data("JSON Schema refers to \(reference), which is not there")
            }
            owner = Place(document: String(name), json: known)
        }
        owner.path = []
        var target = owner.json
        for step in parts.count > 1 ? parts[1].split(separator: "/") : [] {
            let name = PercentEncoding.decoded(String(step)).replacing("~1", with: "/").replacing("~0", with: "~")
            owner.path.append(name)
            guard
                let next = target[name]
                    ?? Int(name).flatMap({ index in
                        target.elements.flatMap { $0.indices.contains(index) ? $0[index] : nil }
                    })
            else { throw .data("JSON Schema refers to \(reference), which is not there") }
            target = next
        }
        return (target, owner)
    }

    /// - Parameter place: of the branches together.
    private mutating func union(
        _ branches: [JSONValue], _ json: JSONValue, _ place: Place, _ depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        let others = branches.enumerated().filter { $0.element["type"]?.text != "null" }
        let isOptional = others.count < branches.count
        if let (index, branch) = others.first, others.count == 1, isOptional || options.flattensSingletons {
            let inner = try schema(branch, at: place.inside(String(index)), depth: depth + 1)
            let made = inner.with(isOptional: isOptional || inner.isOptional)
            // What is said beside the branches is lost in the original, a default too, but earlier versions wrote it there.
            let isOurs =
                isOptional && branches.count == 2 && branches[0]["type"]?.text == "null" && json["oneOf"] != nil
                && (json.members ?? []).allSatisfy { ["default", "connect.index", "oneOf"].contains($0.0) }
            return isOurs && inner.defaultValue == nil ? try withDefault(json, made) : made
        }
        guard !others.isEmpty else { throw .data("JSON Schema with only null values is not supported by Connect") }
        var fields: [ConnectSchema.Field] = []
        for (number, (index, branch)) in others.enumerated() {
            let made = try schema(branch, at: place.inside(String(index)), depth: depth + 1)
            fields.append(.init(JSONSchemaNames.oneOfField + String(number), made.with(isOptional: true)))
        }
        return ConnectSchema(
            .structure, isOptional: isOptional, name: JSONSchemaNames.oneOf, doc: json["description"]?.text,
            fields: fields)
    }

    private mutating func typed(
        _ json: JSONValue, _ place: Place, _ depth: Int
    ) throws(ConnectError) -> ConnectSchema {
        // A type that stands beside an enumeration or a constant is a part without a name of its own, but earlier versions
        // wrote all of an enumeration that way.
        let isPart =
            json["type"]?.text != nil && (json["enum"] != nil || json["const"] != nil)
            && json["connect.parameters"]?[JSONSchemaNames.enumeration] == nil
        if isPart, let type = json["type"]?.text, ["string", "integer", "number"].contains(type) {
            let symbols = json["enum"].map { [("enum", $0)] } ?? []
            return try typed(
                .object(type == "string" && !symbols.isEmpty ? symbols : [("type", .string(type))]), place, depth)
        }
        let connectType = json["connect.type"]?.text
        let named = json["connect.parameters"]?.members ?? []
        try take(named.count)
        var parameters = named.compactMap { name, value in
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
                try take(symbols.count)
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
                let entry = place.inside("items", "properties")
                keySchema = try schema(
                    items["properties"]?["key"] ?? .null, at: entry.inside("key"), depth: depth + 1)
                valueSchema = try schema(
                    items["properties"]?["value"] ?? .null, at: entry.inside("value"), depth: depth + 1)
            } else {
                kind = .array
                valueSchema = try schema(items, at: place.inside("items"), depth: depth + 1)
            }
        case "object":
            if connectType == "map", let values = json["additionalProperties"] {
                kind = .map
                keySchema = .string
                valueSchema = try schema(values, at: place.inside("additionalProperties"), depth: depth + 1)
            } else {
                kind = .structure
                let properties = (json["properties"]?.members ?? []).enumerated().sorted { a, b in
                    let first = a.element.1["connect.index"]?.integer ?? Int64.max
                    let second = b.element.1["connect.index"]?.integer ?? Int64.max
                    return (first, a.offset) < (second, b.offset)
                }
                let required = try required(json)
                for (_, (name, property)) in properties {
                    let made = try schema(property, at: place.inside("properties", name), depth: depth + 1)
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
        try take(value.weight)
        let made = try Self.defaultValue(value, schema)
        guard made.takeCount(from: &defaultValuesLeft) else {
            throw .data("JSON Schema has defaults of more than \(Self.defaultValuesMax) values")
        }
        return schema.with(defaultValue: .some(made))
    }

    /// As values are read; earlier versions wrote them as without a schema: entries of maps as pairs, unions as structs.
    private static func defaultValue(_ json: JSONValue, _ schema: ConnectSchema) throws(ConnectError) -> ConnectValue {
        do throws(ConnectError) { return try JSONSchemaConverter.connectValue(json, schema) } catch {
            guard let value = try? JSONConverter().connectValue(json, schema) else { throw error }
            return value
        }
    }

    /// Which branch of a union a value is of: the first that is of its kind of values, for objects the struct that knows
    /// the most of its members.
    ///
    /// - SeeAlso: upstream `JsonSchemaData`, whose choice this is, but that texts may be bytes where nothing else fits.
    static func branch(of union: ConnectSchema, for value: JSONValue) -> Int? {
        var best: (index: Int, count: Int)?
        var names: Set<String>?
        for (index, field) in union.fields.enumerated() {
            if isSimple(value, field.schema) { return index }
            guard field.schema.kind == .structure, case .object(let members) = value else { continue }
            let places = field.schema.level.places
            let known = names ?? Set(members.map(\.0))
            names = known
            let count = known.count { places[$0] != nil }
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
