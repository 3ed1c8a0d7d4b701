package import Avro
import JSONFormat
import SQLTypes

/// The Connect schema of an Avro schema, and values of the one as values of the other.
package final class AvroSchemaReader: Sendable {
    package let schema: AvroSchema
    /// The name of structs that stand for unions: a field for each branch.
    package static let unionName = AvroMapping.union
    let connect: [AvroSchema.ID: ConnectSchema]
    let options: AvroMapping.Options

    /// - Parameter version: of the whole schema, where it names none itself (`connect.version`).
    /// - Throws: `.data` for a schema that is nested too deep.
    package init(
        _ schema: AvroSchema, _ options: AvroMapping.Options, version: Int32? = nil
    ) throws(ConnectError) {
        self.schema = schema
        self.options = options
        var builder = Builder(schema: schema, options: options, version: version)
        _ = try builder.schema(schema.root, depth: 0)
        let whole = try builder.structs.finish()
        var connect: [AvroSchema.ID: ConnectSchema] = [:]
        for (id, made) in builder.connect { connect[id] = whole(id, made) }
        self.connect = connect
    }

    package var root: ConnectSchema? { connect[schema.root] }

    /// Builds each type once.
    private struct Builder {
        let schema: AvroSchema
        let options: AvroMapping.Options
        var connect: [AvroSchema.ID: ConnectSchema] = [:]
        var structs = RecursiveStructBuilder<AvroSchema.ID>()
        private var defaultsLeft = AvroDefaultsLeft()
        /// Of the whole schema.
        private let version: Int32?

        init(schema: AvroSchema, options: AvroMapping.Options, version: Int32?) {
            self.schema = schema
            self.options = options
            self.version = version
        }

        mutating func schema(_ id: AvroSchema.ID, depth: Int) throws(ConnectError) -> ConnectSchema {
            if let known = connect[id] { return known }
            guard depth < AvroMapping.depthMax else { throw .data("Avro schema is nested too deep") }
            // A record is where a schema comes back to itself: other types are reached through one only.
            guard case .record = schema.types[id].kind else {
                let made = try build(id, depth)
                connect[id] = made
                return made
            }
            if let known = structs.begin(id) { return known }
            let made = try build(id, depth)
            structs.end(id, made)
            connect[id] = made
            return made
        }

        private mutating func build(_ id: AvroSchema.ID, _ depth: Int) throws(ConnectError) -> ConnectSchema {
            let type = schema.types[id]
            func property(_ name: String) -> JSONValue? { type.properties.last { $0.name == name }?.value }
            var kind: ConnectSchema.Kind
            var name: String?
            var version = property("connect.version")?.integer.flatMap { Int32(exactly: $0) }
            var parameters: [ConnectSchema.Parameter] = []
            var fields: [ConnectSchema.Field] = []
            var keySchema: ConnectSchema?
            var valueSchema: ConnectSchema?
            var doc = property("connect.doc")?.text
            func logical(_ type: LogicalType) {
                name = type.rawValue
                version = version ?? 1
            }
            switch type.kind {
            case .primitive(let primitive):
                switch primitive {
                case .null: throw .data("Found schema with only null values, which is not supported by Connect")
                case .boolean: kind = .boolean
                case .int:
                    switch property("connect.type")?.text {
                    case "int8": kind = .int8
                    case "int16": kind = .int16
                    default:
                        kind = .int32
                        if type.logicalType == .date { logical(.date) }
                        if type.logicalType == .timeMillis { logical(.time) }
                    }
                case .long:
                    kind = .int64
                    if type.logicalType == .timestampMillis { logical(.timestamp) }
                case .float: kind = .float32
                case .double: kind = .float64
                case .string: kind = .string
                case .bytes:
                    kind = .bytes
                    if case .decimal(let precision, let scale) = type.logicalType {
                        logical(.decimal)
                        parameters.append(.init("scale", String(scale)))
                        if precision != AvroMapping.precisionDefault {
                            parameters.append(.init(AvroMapping.precision, String(precision)))
                        }
                    }
                }
            case .fixed(let fixed):
                kind = .bytes
                if case .decimal(let precision, let scale) = type.logicalType {
                    logical(.decimal)
                    parameters.append(.init("scale", String(scale)))
                    if precision != AvroMapping.precisionDefault {
                        parameters.append(.init(AvroMapping.precision, String(precision)))
                    }
                } else {
                    name = fixed.name.full
                    parameters.append(.init(AvroMapping.fixedSize, String(fixed.size)))
                }
            case .enumeration(let enumeration):
                kind = .string
                if options.isEnhanced { name = enumeration.name.full }
                doc = doc ?? enumeration.doc
                parameters.append(.init(AvroMapping.enumeration, enumeration.name.full))
                for symbol in enumeration.symbols {
                    parameters.append(.init(AvroMapping.enumeration + "." + symbol, symbol))
                }
            case .array(let items):
                if let (key, value) = entry(items) {
                    kind = .map
                    keySchema = try schema(key, depth: depth + 1)
                    valueSchema = try schema(value, depth: depth + 1)
                    if let full = schema.types[items].name?.full,
                        full != AvroMapping.namespace + "." + AvroMapping.entry
                    {
                        name = full
                    }
                } else {
                    kind = .array
                    valueSchema = try schema(items, depth: depth + 1)
                }
            case .map(let values):
                kind = .map
                keySchema = .string
                valueSchema = try schema(values, depth: depth + 1)
            case .record(let record):
                kind = .structure
                if !record.name.full.hasPrefix(AvroMapping.defaultName) { name = record.name.full }
                doc = doc ?? record.doc
                for field in record.fields {
                    fields.append(.init(field.name, try self.field(field, depth)))
                    if let doc = field.doc { parameters.append(.init(AvroMapping.fieldDoc + field.name, doc)) }
                }
            case .union(let branches): return try union(branches, depth)
            }
            if let text = property("connect.name")?.text { name = text }
            if id == schema.root { version = version ?? self.version }
            let given = (property("connect.parameters")?.members ?? []).compactMap { name, value in
                value.text.map { ConnectSchema.Parameter(name, $0) }
            }
            if !given.isEmpty {
                let names = Set(given.map(\.name))
                parameters = parameters.filter { !names.contains($0.name) } + given
            }
            let made = ConnectSchema(
                kind, name: name, version: version, doc: doc, parameters: parameters, fields: fields,
                keySchema: keySchema, valueSchema: valueSchema)
            guard let json = property("connect.default") else { return made }
            return made.with(defaultValue: .some(try value(default: json, made, id)))
        }

        private mutating func union(_ branches: [AvroSchema.ID], _ depth: Int) throws(ConnectError) -> ConnectSchema {
            var hasNull = false
            var others: [AvroSchema.ID] = []
            for id in branches {
                if case .primitive(.null) = schema.types[id].kind { hasNull = true } else { others.append(id) }
            }
            if others.count == 1, hasNull || options.flattensSingletons, let only = others.first {
                let inner = try schema(only, depth: depth + 1)
                return hasNull ? inner.with(isOptional: true) : inner
            }
            guard !others.isEmpty else {
                throw .data("Found schema with only null values, which is not supported by Connect")
            }
            var fields: [ConnectSchema.Field] = []
            for id in others {
                let name = AvroMapping.branchName(schema.types[id].branchName, isEnhanced: options.isEnhanced)
                fields.append(.init(name, try schema(id, depth: depth + 1).with(isOptional: true)))
            }
            try ConnectSchema.checkFields(fields)
            return ConnectSchema(.structure, isOptional: hasNull, name: AvroMapping.union, fields: fields)
        }

        private mutating func field(_ field: AvroField, _ depth: Int) throws(ConnectError) -> ConnectSchema {
            let made = try schema(field.type, depth: depth + 1)
            guard made.defaultValue == nil, let json = field.defaultValue, !json.isJSONNull else { return made }
            return made.with(defaultValue: .some(try value(default: json, made, field.type)))
        }

        private mutating func value(
            default json: JSONValue, _ made: ConnectSchema, _ id: AvroSchema.ID
        ) throws(ConnectError) -> ConnectValue {
            if made.isRecursive, json.elements?.isEmpty != true, json.members?.isEmpty != true {
                throw .data("Avro type \(schema.types[id].branchName) contains itself and has a default with values")
            }
            let value = try AvroValueWriter.avro { () throws(AvroError) in
                try schema[id].defaultValue(json, &defaultsLeft)
            }
            let known = connect.updateValue(made, forKey: id)
            defer { connect[id] = known }
            return try AvroValueReader(schema: schema, connect: connect).value(value, id, depth: 0)
        }

        /// Key and value of a map whose keys are not strings.
        private func entry(_ items: AvroSchema.ID) -> (AvroSchema.ID, AvroSchema.ID)? {
            let type = schema.types[items]
            guard case .record(let record) = type.kind, record.fields.count == 2,
                let key = record.index(of: "key"), let value = record.index(of: "value"),
                record.name.full == AvroMapping.namespace + "." + AvroMapping.entry
                    || type.properties.contains(where: {
                        $0.name == "connect.internal.type" && $0.value.text == AvroMapping.entry
                    })
            else { return nil }
            return (record.fields[key].type, record.fields[value].type)
        }
    }

    func value(_ value: AvroValue) throws(ConnectError) -> ConnectValue {
        try self.value(value, of: schema.root)
    }

    /// The Connect value of a value of one of the schema's types.
    ///
    /// - Throws: `.data` when the value is not one of the type.
    package func value(_ value: AvroValue, of id: AvroSchema.ID) throws(ConnectError) -> ConnectValue {
        try AvroValueReader(schema: schema, connect: connect).value(value, id, depth: 0)
    }
}

struct AvroValueReader {
    let schema: AvroSchema
    let connect: [AvroSchema.ID: ConnectSchema]

    func value(_ value: AvroValue, _ id: AvroSchema.ID, depth: Int) throws(ConnectError) -> ConnectValue {
        guard depth < AvroMapping.depthMax * 2 else { throw .data("Avro value is nested too deep") }
        let type = schema.types[id]
        if case .union(let branches) = type.kind {
            guard case .union(let branch, let inner) = value, branches.indices.contains(branch) else {
                throw .data("Avro value does not fit its union")
            }
            if case .null = inner { return .null }
            let converted = try self.value(inner, branches[branch], depth: depth + 1)
            guard let union = connect[id], union.name == AvroMapping.union, union.kind == .structure else {
                return converted
            }
            var structure = ConnectStruct(union)
            let others = branches.filter { if case .primitive(.null) = schema.types[$0].kind { false } else { true } }
            if let place = others.firstIndex(of: branches[branch]), union.fields.indices.contains(place) {
                structure[place] = converted
            }
            return .structure(structure)
        }
        guard let made = connect[id] else { throw .data("Avro value does not fit its schema") }
        switch value {
        case .null: return .null
        case .boolean(let flag): return .boolean(flag)
        case .int(let number):
            switch made.kind {
            case .int8: return .int8(Int8(truncatingIfNeeded: number))
            case .int16: return .int16(Int16(truncatingIfNeeded: number))
            default: return try LogicalValues.decoded(.int32(number), made)
            }
        case .long(let number): return try LogicalValues.decoded(.int64(number), made)
        case .float(let number): return .float32(number)
        case .double(let number): return .float64(number)
        case .string(let text), .enumeration(let text): return .string(text)
        case .bytes(let bytes), .fixed(let bytes): return try LogicalValues.decoded(.bytes(bytes), made)
        case .array(let elements):
            guard case .array(let items) = type.kind else { break }
            if made.kind == .map { return try map(elements, items, depth) }
            var values: [ConnectValue] = []
            values.reserveCapacity(elements.count)
            for element in elements { values.append(try self.value(element, items, depth: depth + 1)) }
            return .array(values)
        case .map(let entries):
            guard case .map(let values) = type.kind else { break }
            var map = ConnectMap()
            for entry in entries { map[entry.key] = try self.value(entry.value, values, depth: depth + 1) }
            return .map(map)
        case .record(let values):
            guard case .record(let record) = type.kind, made.kind == .structure, values.count == record.fields.count
            else { break }
            var converted: [ConnectValue] = []
            converted.reserveCapacity(values.count)
            for (field, value) in zip(record.fields, values) {
                // A struct's schema has to be the one that its parent names: what a default added does not matter here.
                converted.append(try self.value(value, field.type, depth: depth + 1))
            }
            return .structure(ConnectStruct(made, values: Self.aligned(converted, made)))
        case .union: break
        }
        throw .data("Avro value does not fit its schema")
    }

    /// Structs under an optional field have the field's schema, which differs from the type's by being optional.
    private static func aligned(_ values: [ConnectValue], _ schema: ConnectSchema) -> [ConnectValue] {
        zip(values, schema.fields).map { value, field in
            guard case .structure(let structure) = value, structure.schema !== field.schema,
                field.schema.kind == .structure, field.schema.fields.count == structure.values.count
            else { return value }
            return .structure(ConnectStruct(field.schema, values: structure.values))
        }
    }

    private func map(_ elements: [AvroValue], _ items: AvroSchema.ID, _ depth: Int) throws(ConnectError) -> ConnectValue
    {
        guard case .record(let record) = schema.types[items].kind, let key = record.index(of: "key"),
            let value = record.index(of: "value")
        else { throw .data("Avro value does not fit its schema") }
        var map = ConnectMap()
        for element in elements {
            guard case .record(let pair) = element, pair.count == record.fields.count else {
                throw .data("Avro value does not fit its schema")
            }
            map[try self.value(pair[key], record.fields[key].type, depth: depth + 1)] = try self.value(
                pair[value], record.fields[value].type, depth: depth + 1)
        }
        return .map(map)
    }
}
