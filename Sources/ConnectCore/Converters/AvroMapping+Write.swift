import Avro
import JSONFormat
import SQLTypes

/// The Avro schema of a Connect schema, as JSON text in the original's order of members.
struct AvroSchemaWriter {
    let options: AvroMapping.Options
    /// Full names of the types that were written out.
    private var defined: [String: ConnectSchema] = [:]
    /// Names that were made up for structs without one.
    private var madeUp: [ConnectSchema: String] = [:]
    /// The namespace of the record whose fields are written: names without one are taken to be of it.
    private var space: String?
    /// Types that may still be written: those without names are written wherever they stand.
    private var typesLeft = ConnectSchema.unfoldedCountMax

    init(_ options: AvroMapping.Options) { self.options = options }

    /// - Parameter schema: nil for data without one: any of Avro's types that JSON has.
    /// - Throws: `.data` for what Avro cannot hold.
    static func text(_ schema: ConnectSchema, _ options: AvroMapping.Options) throws(ConnectError) -> String {
        var writer = AvroSchemaWriter(options)
        return String(decoding: try writer.json(schema, depth: 0).bytes, as: UTF8.self)
    }

    private mutating func json(
        _ schema: ConnectSchema, depth: Int, isOptional: Bool? = nil
    ) throws(ConnectError) -> JSONValue {
        guard depth < AvroMapping.depthMax else { throw .data("Schema is nested too deep for Avro") }
        typesLeft -= 1
        guard typesLeft >= 0 else {
            throw .data(
                "Schema has more than \(ConnectSchema.unfoldedCountMax) types without names to write out for Avro")
        }
        let base = try baseJSON(schema, depth)
        guard isOptional ?? schema.isOptional else { return base }
        if case .array(let branches) = base {
            // A union of several types takes null up.
            return .array([.string("null")] + branches.filter { $0 != .string("null") })
        }
        // The branch of the default comes first.
        return .array(hasDefault(schema) ? [base, .string("null")] : [.string("null"), base])
    }

    private func hasDefault(_ schema: ConnectSchema) -> Bool { schema.defaultValue.map { !$0.isNull } ?? false }

    private mutating func baseJSON(_ schema: ConnectSchema, _ depth: Int) throws(ConnectError) -> JSONValue {
        if schema.kind == .structure, schema.name == AvroMapping.union {
            var branches: [JSONValue] = []
            for field in schema.fields { branches.append(try json(field.schema, depth: depth + 1, isOptional: false)) }
            return .array(branches)
        }
        var head: [(String, JSONValue)] = []
        var connectType: String?
        switch schema.kind {
        case .int8, .int16:
            head = [("type", .string("int"))]
            connectType = schema.kind == .int8 ? "int8" : "int16"
        case .int32: head = [("type", .string("int"))]
        case .int64: head = [("type", .string("long"))]
        case .float32: head = [("type", .string("float"))]
        case .float64: head = [("type", .string("double"))]
        case .boolean: head = [("type", .string("boolean"))]
        case .string:
            if options.isEnhanced, let (name, symbols) = AvroMapping.enumerationName(schema) {
                if let known = try reference(name, schema) { return known }
                return try named(name, "enum", schema, [("symbols", .array(symbols.map { .string($0) }))])
            }
            head = [("type", .string("string"))]
        case .bytes:
            if options.isEnhanced, schema.logicalType == nil, let name = schema.name,
                let size = schema.parameter(AvroMapping.fixedSize).flatMap({ Int64($0) })
            {
                let name = options.typeName(name)
                if let known = try reference(name, schema) { return known }
                return try named(name, "fixed", schema, [("size", .number(size))])
            }
            head = [("type", .string("bytes"))]
            if schema.logicalType == .decimal {
                head.append(("scale", .number(Int64(try schema.decimalScale()))))
                let precision = schema.parameter(AvroMapping.precision).flatMap { Int64($0) }
                head.append(("precision", .number(precision ?? Int64(AvroMapping.precisionDefault))))
            }
        case .array:
            guard let items = schema.valueSchema else { throw .data("Array schema did not specify the element type") }
            head = [("type", .string("array")), ("items", try json(items, depth: depth + 1))]
        case .map: head = try mapJSON(schema, depth)
        case .structure: return try record(schema, depth)
        }
        let properties = try self.properties(schema, connectType: connectType)
        // A type without properties is its word alone.
        if head.count == 1, properties.isEmpty { return head[0].1 }
        return .object(head + properties)
    }

    private mutating func mapJSON(_ schema: ConnectSchema, _ depth: Int) throws(ConnectError) -> [(String, JSONValue)] {
        guard let keys = schema.keySchema, let values = schema.valueSchema else {
            throw .data("Map schema did not specify the key and value types")
        }
        if options.hasPlainKeys(schema) {
            return [("type", .string("map")), ("values", try json(values, depth: depth + 1))]
        }
        let fullName = options.typeName(schema.name ?? AvroMapping.namespace + "." + AvroMapping.entry)
        // Keys and values are the record; the rest is said where the array stands.
        if let known = try reference(fullName, schema.with(parameters: [])) {
            return [("type", .string("array")), ("items", known)]
        }
        let outer = enter(fullName)
        let fields: [JSONValue] = [
            .object([("name", .string("key")), ("type", try json(keys, depth: depth + 1))]),
            .object([("name", .string("value")), ("type", try json(values, depth: depth + 1))]),
        ]
        space = outer
        var record = [("type", .string("record"))] + nameMembers(fullName)
        record.append(("fields", .array(fields)))
        if schema.name != nil { record.append(("connect.internal.type", .string(AvroMapping.entry))) }
        return [("type", .string("array")), ("items", .object(record))]
    }

    private mutating func record(_ schema: ConnectSchema, _ depth: Int) throws(ConnectError) -> JSONValue {
        let fullName = options.typeName(schema.name ?? madeUpName(schema))
        if let known = try reference(fullName, schema) { return known }
        let outer = enter(fullName)
        var fields: [JSONValue] = []
        let docs = Dictionary(
            schema.parameters.filter { $0.name.hasPrefix(AvroMapping.fieldDoc) }.map { ($0.name, $0.value) },
            uniquingKeysWith: { first, _ in first })
        for field in schema.fields {
            var members: [(String, JSONValue)] = [("name", .string(options.fieldName(field.name)))]
            members.append(("type", try json(field.schema, depth: depth + 1)))
            if let doc = docs[AvroMapping.fieldDoc + field.name] { members.append(("doc", .string(doc))) }
            if let value = field.schema.defaultValue, !value.isNull {
                members.append(("default", try AvroDefaultWriter.json(value, field.schema, options)))
            } else if field.schema.isOptional {
                members.append(("default", .null))
            }
            fields.append(.object(members))
        }
        space = outer
        return try named(fullName, "record", schema, [("fields", .array(fields))])
    }

    private mutating func named(
        _ fullName: String, _ word: String, _ schema: ConnectSchema, _ body: [(String, JSONValue)]
    ) throws(ConnectError) -> JSONValue {
        var members = [("type", .string(word))] + nameMembers(fullName)
        if let doc = schema.doc, word != "fixed" { members.append(("doc", .string(doc))) }
        return .object(try members + body + properties(schema, connectType: nil))
    }

    /// The name of a type that was written out already; nil for a new one, which counts as written from now on.
    ///
    /// - Throws: `.data` when the name stands for another type.
    private mutating func reference(_ fullName: String, _ schema: ConnectSchema) throws(ConnectError) -> JSONValue? {
        // Where it stands decides about these, and not what it is: two columns of one type have one record. The
        // parameters of an enum are its symbols.
        let plain = schema.with(
            isOptional: false, defaultValue: .some(nil), doc: .some(nil),
            parameters: schema.kind == .structure ? [] : schema.parameters)
        guard let known = defined[fullName] else {
            defined[fullName] = plain
            return nil
        }
        guard known == plain else {
            throw .data("Two different schemas have the name \(fullName), which Avro cannot tell apart")
        }
        let (namespace, name) = Self.split(fullName)
        return .string(namespace == space && AvroPrimitive(rawValue: name) == nil ? name : fullName)
    }

    /// A struct without a name is told from others by everything it is, but for whether it may be null.
    private mutating func madeUpName(_ schema: ConnectSchema) -> String {
        let plain = schema.with(isOptional: false)
        if let known = madeUp[plain] { return known }
        let name = AvroMapping.defaultName + (madeUp.isEmpty ? "" : String(madeUp.count + 1))
        madeUp[plain] = name
        return name
    }

    /// - Returns: the namespace to come back to.
    private mutating func enter(_ fullName: String) -> String? {
        defer { space = Self.split(fullName).namespace }
        return space
    }

    /// As Avro's library writes them: the namespace where it is not that of the record around. An empty one says that
    /// there is none.
    private func nameMembers(_ fullName: String) -> [(String, JSONValue)] {
        let (namespace, name) = Self.split(fullName)
        let members: [(String, JSONValue)] = [("name", .string(name))]
        return namespace == space ? members : members + [("namespace", .string(namespace ?? ""))]
    }

    private static func split(_ fullName: String) -> (namespace: String?, name: String) {
        guard let dot = fullName.lastIndex(of: ".") else { return (nil, fullName) }
        return (String(fullName[..<dot]), String(fullName[fullName.index(after: dot)...]))
    }

    /// What Avro has no word for, in the order in which the original adds it.
    private func properties(
        _ schema: ConnectSchema, connectType: String?
    ) throws(ConnectError) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        if options.writesMetadata {
            if let doc = schema.doc { members.append(("connect.doc", .string(doc))) }
            if let version = schema.version { members.append(("connect.version", .number(Int64(version)))) }
            if !schema.parameters.isEmpty {
                members.append(
                    ("connect.parameters", .object(schema.parameters.map { ($0.name, .string($0.value)) })))
            }
            if let value = schema.defaultValue, !value.isNull {
                members.append(("connect.default", try AvroDefaultWriter.json(value, schema, options)))
            }
            if let name = schema.name { members.append(("connect.name", .string(name))) }
            if let connectType { members.append(("connect.type", .string(connectType))) }
        }
        switch schema.logicalType {
        case .decimal: members.append(("logicalType", .string("decimal")))
        case .date: members.append(("logicalType", .string("date")))
        case .time: members.append(("logicalType", .string("time-millis")))
        case .timestamp: members.append(("logicalType", .string("timestamp-millis")))
        case nil: break
        }
        return members
    }
}

/// Defaults as Avro's schemas hold them: bytes are texts of characters 0 to 255.
enum AvroDefaultWriter {
    static func json(
        _ value: ConnectValue, _ schema: ConnectSchema, _ options: AvroMapping.Options, depth: Int = 0
    ) throws(ConnectError) -> JSONValue {
        guard depth < AvroMapping.depthMax else { throw .data("Default is nested too deep for Avro") }
        let encoded = try LogicalValues.encoded(value, schema)
        switch encoded {
        case .null: return .null
        case .int8, .int16, .int32, .int64: return .number(encoded.integer ?? 0)
        case .float32(let number): return .raw(Array(JavaText.text(number).utf8))
        case .float64(let number): return .raw(Array(JavaText.text(number).utf8))
        case .boolean(let flag): return .bool(flag)
        case .string(let text): return .string(text)
        case .bytes(let bytes):
            var text = String.UnicodeScalarView()
            for byte in bytes { text.append(Unicode.Scalar(byte)) }
            return .string(String(text))
        case .array(let elements):
            var values: [JSONValue] = []
            for element in elements {
                values.append(try json(element, schema.valueSchema ?? .optionalString, options, depth: depth + 1))
            }
            return .array(values)
        case .map(let map):
            var members: [(String, JSONValue)] = []
            var entries: [JSONValue] = []
            for entry in map.entries {
                let value = try json(entry.value, schema.valueSchema ?? .optionalString, options, depth: depth + 1)
                if options.hasPlainKeys(schema), case .string(let key) = entry.key {
                    members.append((key, value))
                } else {
                    let key = try json(entry.key, schema.keySchema ?? .optionalString, options, depth: depth + 1)
                    entries.append(.object([("key", key), ("value", value)]))
                }
            }
            return entries.isEmpty && schema.keySchema?.kind == .string ? .object(members) : .array(entries)
        case .structure(let structure):
            var members: [(String, JSONValue)] = []
            for (index, field) in structure.schema.fields.enumerated() {
                members.append(
                    (
                        options.fieldName(field.name),
                        try json(structure[index], field.schema, options, depth: depth + 1)
                    ))
            }
            return .object(members)
        case .decimal, .instant: throw .data("Invalid default value for schema \(schema)")
        }
    }
}
