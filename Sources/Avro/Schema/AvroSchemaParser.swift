import JSONFormat

extension AvroSchema {
    /// Reads a schema from its JSON text.
    ///
    /// - Parameters:
    ///   - references: texts of schemas whose named types `text` may use; what is referred to comes before what refers
    ///     to it.
    ///   - checksDefaults: whether a default that does not fit its field's type is an error. Java's registry asks it of
    ///     new schemas only, as topics hold older ones.
    /// - Throws: `.invalidSchema` with the original's wording where it has one, `.tooLarge` for too much nesting.
    package init(
        _ text: String, references: [String] = [], checksDefaults: Bool = false
    ) throws(AvroError) {
        var parser = AvroSchemaParser(checksDefaults: checksDefaults)
        for reference in references {
            parser.checksDefaults = false  // a reference was registered once, and checked then
            _ = try parser.parse(AvroSchemaParser.json(reference), in: nil, depth: 0)
        }
        let external = Set(parser.named.keys.map(\.full))
        parser.checksDefaults = checksDefaults
        let root = try parser.parse(AvroSchemaParser.json(text), in: nil, depth: 0)
        self.init(types: parser.types, root: root, external: external)
        try parser.checkDefaults(of: self)
    }

    /// The schema of a primitive type.
    package init(_ primitive: AvroPrimitive) {
        self.init(types: [AvroType(kind: .primitive(primitive))], root: 0, external: [])
    }
}

/// Builds the types of a schema from JSON. The rules and most messages are those of Java's `Schema.Parser`, 1.12.
struct AvroSchemaParser {
    typealias Members = [(String, JSONValue)]

    var types: [AvroType] = []
    var named: [AvroName: AvroSchema.ID] = [:]
    var checksDefaults: Bool
    /// Fields with a default that is to be checked once all types are known.
    private var defaults: [(record: AvroSchema.ID, field: Int)] = []

    init(checksDefaults: Bool) { self.checksDefaults = checksDefaults }

    static func json(_ text: String) throws(AvroError) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue.read(withoutComments(text), duplicates: .last)
        } catch {
            throw AvroError(error.code == .tooDeep ? .tooLarge : .invalidSchema, "\(error)")
        }
    }

    mutating func parse(
        _ json: JSONValue, in namespace: String?, field: String? = nil, depth: Int
    ) throws(AvroError) -> AvroSchema.ID {
        guard depth < AvroError.depthMax else { throw .tooDeep("the schema") }
        switch json {
        case .string(let text): return try reference(text, in: namespace, field: field)
        case .array(let branches): return try union(branches, in: namespace, json, depth: depth)
        case .object(let members): return try object(members, in: namespace, json, depth: depth)
        default: throw Self.invalid("Schema not yet supported: \(Self.text(json))")
        }
    }

    // MARK: Kinds of types

    private mutating func reference(
        _ text: String, in namespace: String?, field: String?
    ) throws(AvroError) -> AvroSchema.ID {
        if let primitive = AvroPrimitive(rawValue: text) { return add(AvroType(kind: .primitive(primitive))) }
        let name = AvroName(text, in: namespace)
        if let id = named[name] ?? named[AvroName(name.name, in: nil)] { return id }
        guard let field else { throw Self.invalid("Undefined name: \"\(text)\"") }
        throw Self.invalid(
            "\"\(text)\" is not a defined name. The type of the \"\(field)\" field must be a defined name "
                + "or a {\"type\": ...} expression.")
    }

    private mutating func union(
        _ branches: [JSONValue], in namespace: String?, _ json: JSONValue, depth: Int
    ) throws(AvroError) -> AvroSchema.ID {
        var ids: [AvroSchema.ID] = []
        var seen: Set<String> = []
        for branch in branches {
            let id = try parse(branch, in: namespace, depth: depth + 1)
            if case .union = types[id].kind { throw Self.invalid("Nested union: \(Self.text(json))") }
            guard seen.insert(types[id].branchName).inserted else {
                throw Self.invalid("Duplicate in union:\(types[id].branchName)")
            }
            ids.append(id)
        }
        return add(AvroType(kind: .union(ids)))
    }

    private mutating func object(
        _ members: Members, in namespace: String?, _ json: JSONValue, depth: Int
    ) throws(AvroError) -> AvroSchema.ID {
        guard let word = json["type"]?.text else { throw Self.invalid("No type: \(Self.text(json))") }
        var reserved: Set<String> = [
            "doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases",
        ]
        let id: AvroSchema.ID
        if let primitive = AvroPrimitive(rawValue: word) {
            id = add(AvroType(kind: .primitive(primitive)))
        } else {
            switch word {
            case "record", "error": id = try record(json, in: namespace, isError: word == "error", depth: depth)
            case "enum":
                id = try enumeration(json, in: namespace)
                reserved.insert("default")
            case "fixed": id = try fixed(json, in: namespace)
            case "array":
                guard let items = json["items"] else {
                    throw Self.invalid("Array has no items type: \(Self.text(json))")
                }
                id = add(AvroType(kind: .array(items: try parse(items, in: namespace, depth: depth + 1))))
            case "map":
                guard let values = json["values"] else {
                    throw Self.invalid("Map has no values type: \(Self.text(json))")
                }
                id = add(AvroType(kind: .map(values: try parse(values, in: namespace, depth: depth + 1))))
            default: throw Self.invalid("Type not supported: \(word)")
            }
        }
        types[id].properties = members.filter { !reserved.contains($0.0) }.map { (name: $0.0, value: $0.1) }
        types[id].logicalType = AvroLogicalType(types[id].properties, of: types[id].kind)
        return id
    }

    private mutating func record(
        _ json: JSONValue, in namespace: String?, isError: Bool, depth: Int
    ) throws(AvroError) -> AvroSchema.ID {
        let name = try self.name(json, in: namespace)
        var record = AvroRecord(name: name, isError: isError)
        record.aliases = try aliases(json, in: name.namespace)
        record.doc = json["doc"]?.text
        let id = try define(name, AvroType(kind: .record(record)))
        guard let fields = json["fields"]?.elements else {
            throw Self.invalid("Record has no fields: \(Self.text(json))")
        }
        var seen: Set<String> = []
        var parsed: [AvroField] = []
        for json in fields {
            let field = try self.field(json, in: name.namespace, depth: depth)
            guard seen.insert(field.name).inserted else {
                throw Self.invalid("Duplicate field \(field.name) in record \(name.full)")
            }
            if field.defaultValue != nil, checksDefaults { defaults.append((id, parsed.count)) }
            parsed.append(field)
        }
        record.fields = parsed
        types[id].kind = .record(record)
        return id
    }

    private mutating func field(
        _ json: JSONValue, in namespace: String?, depth: Int
    ) throws(AvroError) -> AvroField {
        guard let name = json["name"]?.text else { throw Self.invalid("No field name: \(Self.text(json))") }
        try Self.checkName(name)
        guard let type = json["type"] else { throw Self.invalid("No field type: \(Self.text(json))") }
        let isWord = type.text != nil
        let id = try parse(type, in: namespace, field: isWord ? name : nil, depth: depth + 1)
        var field = AvroField(name: name, type: id)
        field.doc = json["doc"]?.text
        field.aliases = try aliases(json)
        field.defaultValue = json["default"]
        if let text = json["order"]?.text {
            guard let order = AvroField.Order(rawValue: text.lowercased()) else {
                throw Self.invalid("\"\(text)\" is no sort order of field \"\(name)\": ascending, descending or ignore")
            }
            field.order = order
        }
        let reserved: Set<String> = ["default", "doc", "name", "order", "type", "aliases"]
        field.properties = (json.members ?? []).filter { !reserved.contains($0.0) }.map { (name: $0.0, value: $0.1) }
        return field
    }

    private mutating func enumeration(_ json: JSONValue, in namespace: String?) throws(AvroError) -> AvroSchema.ID {
        let name = try self.name(json, in: namespace)
        guard let elements = json["symbols"]?.elements else {
            throw Self.invalid("Enum has no symbols: \(Self.text(json))")
        }
        var symbols: [String] = []
        var seen: Set<String> = []
        for element in elements {
            guard let symbol = element.text else {
                throw Self.invalid("the symbol \(Self.text(element)) of enum \(name.full) is no string")
            }
            try Self.checkName(symbol)
            guard seen.insert(symbol).inserted else { throw Self.invalid("Duplicate enum symbol: \(symbol)") }
            symbols.append(symbol)
        }
        var enumeration = AvroEnumeration(name: name, symbols: symbols)
        enumeration.aliases = try aliases(json, in: name.namespace)
        enumeration.doc = json["doc"]?.text
        if let symbol = json["default"]?.text {
            guard seen.contains(symbol) else {
                throw Self.invalid(
                    "The Enum Default: \(symbol) is not in the enum symbol set: [\(symbols.joined(separator: ", "))]")
            }
            enumeration.defaultSymbol = symbol
        }
        return try define(name, AvroType(kind: .enumeration(enumeration)))
    }

    private mutating func fixed(_ json: JSONValue, in namespace: String?) throws(AvroError) -> AvroSchema.ID {
        let name = try self.name(json, in: namespace)
        guard let size = json["size"]?.integer, size <= Int32.max else {
            throw Self.invalid("Invalid or no size: \(Self.text(json))")
        }
        guard size >= 0 else { throw Self.invalid("Malformed data. Length is negative: \(size)") }
        var fixed = AvroFixed(name: name, size: Int(size))
        fixed.aliases = try aliases(json, in: name.namespace)
        fixed.doc = json["doc"]?.text
        return try define(name, AvroType(kind: .fixed(fixed)))
    }

    // MARK: Parts

    private mutating func add(_ type: AvroType) -> AvroSchema.ID {
        types.append(type)
        return types.count - 1
    }

    private mutating func define(_ name: AvroName, _ type: AvroType) throws(AvroError) -> AvroSchema.ID {
        guard named[name] == nil else { throw Self.invalid("Can't redefine: \(name.full)") }
        let id = add(type)
        named[name] = id
        return id
    }

    private func name(_ json: JSONValue, in namespace: String?) throws(AvroError) -> AvroName {
        guard let text = json["name"]?.text else { throw Self.invalid("No name in schema: \(Self.text(json))") }
        let name = AvroName(text, in: json["namespace"]?.text ?? namespace)
        try Self.checkName(name.name)
        guard name.namespace != nil || AvroPrimitive(rawValue: name.name) == nil else {
            throw Self.invalid("Schemas may not be named after primitives: \(name.name)")
        }
        return name
    }

    private func aliases(_ json: JSONValue) throws(AvroError) -> [String] {
        guard let value = json["aliases"], value != .null else { return [] }
        guard let elements = value.elements else { throw Self.invalid("aliases not an array: \(Self.text(json))") }
        var aliases: [String] = []
        var seen: Set<String> = []
        for element in elements {
            guard let alias = element.text else { throw Self.invalid("alias not a string: \(Self.text(element))") }
            if seen.insert(alias).inserted { aliases.append(alias) }
        }
        return aliases
    }

    /// Aliases of a named type, each full name once, as Java keeps a set of them.
    private func aliases(_ json: JSONValue, in namespace: String?) throws(AvroError) -> [AvroName] {
        var seen: Set<AvroName> = []
        return try aliases(json).map { AvroName($0, in: namespace) }.filter { seen.insert($0).inserted }
    }

    /// Letters and digits of any script, as in Java, where the specification has only those of ASCII.
    private static func checkName(_ name: String) throws(AvroError) {
        guard let first = name.unicodeScalars.first else { throw invalid("Empty name") }
        guard first == "_" || first.properties.isAlphabetic else { throw invalid("Illegal initial character: \(name)") }
        for scalar in name.unicodeScalars.dropFirst() {
            guard scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.generalCategory == .decimalNumber
            else { throw invalid("Illegal character in: \(name)") }
        }
    }

    func checkDefaults(of schema: AvroSchema) throws(AvroError) {
        var left = AvroDefaultsLeft()
        for (id, index) in defaults {
            guard case .record(let record) = schema.types[id].kind, let json = record.fields[index].defaultValue else {
                continue
            }
            let field = record.fields[index]
            do throws(AvroError) {
                try schema[field.type].checkDefault(json, &left)
            } catch {
                let type = Self.cut(schema[field.type].text(.canonical))
                throw Self.invalid("Invalid default for field \(field.name): \(Self.text(json)) not a \(type)")
            }
        }
    }

    private static func invalid(_ message: String) -> AvroError { AvroError(.invalidSchema, message) }

    /// A piece of the schema for a message.
    private static func text(_ json: JSONValue) -> String { cut(String(decoding: json.javaBytes(), as: UTF8.self)) }

    /// Cut where it would fill the screen.
    private static func cut(_ text: String) -> String {
        text.utf8.count <= 1000 ? text : String(text.prefix(1000)) + "..."
    }

    /// Java reads schemas with comments in them (`/* */` and `//`), so such schemas exist.
    static func withoutComments(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard bytes.contains(UInt8(ascii: "/")) else { return text }
        var output: [UInt8] = []
        var at = 0
        var isInString = false
        while at < bytes.count {
            let byte = bytes[at]
            let next = at + 1 < bytes.count ? bytes[at + 1] : 0
            if isInString {
                output.append(byte)
                if byte == UInt8(ascii: "\\"), at + 1 < bytes.count {
                    output.append(next)
                    at += 1
                }
                isInString = byte != UInt8(ascii: "\"")
            } else if byte == UInt8(ascii: "/"), next == UInt8(ascii: "*") {
                at += 2
                while at < bytes.count {
                    if bytes[at] == UInt8(ascii: "*"), at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "/") {
                        break
                    }
                    if bytes[at] == 0x0A { output.append(0x0A) }  // so that the lines of errors stay right
                    at += 1
                }
                at += 1
                output.append(0x20)
            } else if byte == UInt8(ascii: "/"), next == UInt8(ascii: "/") {
                while at < bytes.count, bytes[at] != 0x0A { at += 1 }
                output.append(0x0A)
            } else {
                output.append(byte)
                isInString = byte == UInt8(ascii: "\"")
            }
            at += 1
        }
        return String(decoding: output, as: UTF8.self)
    }
}
