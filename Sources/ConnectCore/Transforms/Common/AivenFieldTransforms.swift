import Bytes
import Crypto

/// `io.aiven.kafka.connect.transforms.Hash`: a text's hash in its place.
struct HashText: Transformation {
    private let part: RecordPart
    private let field: String?
    private let function: String
    private let skipsMissing: Bool

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("field.name", .string, .null, nil, .high, "The field, the whole without it.")
        definition.define(
            "skip.missing.or.null", .boolean, .value(.boolean(false)), nil, .low,
            "Whether records without a text pass as they are; else they fail.")
        definition.define(
            "function", .string, .required, .oneOf(["md5", "sha1", "sha256"]), .high, "md5, sha1 or sha256.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        field = values.text("field.name")
        function = values.string("function") ?? ""
        skipsMissing = values.flag("skip.missing.or.null")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        let word = part == .key ? "key" : "value"
        guard let schema = current.schema else { throw .data("\(word) schema can't be null: \(record.javaText)") }
        guard let field else {
            guard schema.kind == .string else {
                throw .data("\(word) schema type must be STRING if field name is not specified: \(record.javaText)")
            }
            guard case .string(let text) = current.value else {
                return try missing("\(word) can't be null", record)
            }
            return record.with(part, schema, .string(hash(text)))
        }
        guard schema.kind == .structure else {
            throw .data("\(word) schema type must be STRUCT if field name is specified: \(record.javaText)")
        }
        guard case .structure(var structure) = current.value else {
            throw .data("\(word) can't be null if field name is specified: \(record.javaText)")
        }
        guard let place = schema.index(of: field) else {
            return try missing("\(field) in \(word) schema can't be missing", record)
        }
        guard schema.fields[place].schema.kind == .string else {
            throw .data("\(field) schema type in \(word) must be STRING: \(record.javaText)")
        }
        guard case .string(let text) = structure[place] else {
            return try missing("\(field) in \(word) can't be null", record)
        }
        structure[place] = .string(hash(text))
        return record.with(part, schema, .structure(structure))
    }

    private func missing(_ message: String, _ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard skipsMissing else { throw .data("\(message): \(record.javaText)") }
        return record
    }

    private func hash(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let digest: [UInt8] =
            switch function {
            case "md5": Array(Insecure.MD5.hash(data: bytes))
            case "sha1": Array(Insecure.SHA1.hash(data: bytes))
            default: Array(SHA256.hash(data: bytes))
            }
        return String(decoding: Hexadecimal.encode(digest), as: UTF8.self)
    }
}

/// `io.aiven.kafka.connect.transforms.CaseTransform`: texts of fields in small or large letters.
struct CaseTransform: Transformation {
    private let part: RecordPart
    private let fields: [String]
    private let isUpper: Bool

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("field.names", .list, .required, nil, .high, "The fields.")
        definition.define("case", .string, .required, .oneOf(["lower", "upper"]), .high, "lower or upper.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        fields = values.list("field.names")
        isUpper = values.string("case") == "upper"
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        switch current.value {
        case .null:
            throw .data("\(part == .key ? "key" : "value") Value can't be null: \(record.javaText)")
        case .structure(var structure):
            for field in fields {
                guard let place = structure.schema.index(of: field), !structure[place].isNull else { continue }
                try structure.put(place, changed(structure[place]))
            }
            return record.with(part, current.schema, .structure(structure))
        case .map(let map):
            var updated = map
            for field in fields { updated[field] = map[field].map { $0.isNull ? .null : changed($0) } ?? .null }
            return record.with(part, current.schema, .map(updated.hashOrdered(copied: map.count)))
        default: throw .data("Value type must be STRUCT or MAP: \(record.javaText)")
        }
    }

    private func changed(_ value: ConnectValue) -> ConnectValue {
        let text = JavaText.string(value)
        return .string(isUpper ? text.uppercased() : text.lowercased())
    }
}

/// `io.aiven.kafka.connect.transforms.KeyToValue`: fields of the key, or all of it, in the value.
struct KeyToValue: Transformation {
    /// By the names in the value: those in the key, `*` for the whole.
    private let fields: [(name: String, source: String)]
    private let schemas = ConnectCache<SchemaPair, ConnectSchema>(countMax: 64)

    private struct SchemaPair: Hashable, Sendable {
        var key: ConnectSchema
        var value: ConnectSchema
    }

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "key.fields", .list, .required, nil, .high, "The key's fields; * is the whole key, in the field _key.")
        definition.define(
            "value.fields", .list, .value(.list([])), nil, .high,
            "Their names in the value, in the same order; those of the key without it.")
        return definition
    }()

    init(_ values: ConfigValues) throws(ConnectError) {
        let names = values.list("value.fields")
        var fields: [(name: String, source: String)] = []
        for (index, source) in values.list("key.fields").enumerated() {
            var name = index < names.count ? names[index] : source
            if name == "*" { name = "_key" }
            guard !fields.contains(where: { $0.name == name }) else {
                throw .data("More than one key value is copied to the value field name '\(name)'")
            }
            fields.append((name, source))
        }
        self.fields = fields
    }

    private var sources: String { "[" + fields.map(\.source).joined(separator: ", ") + "]" }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let key = record.key
        if fields.contains(where: { $0.source != "*" }) {
            if let schema = key.schema {
                guard schema.kind == .structure else {
                    throw .data(
                        "Named key fields \(sources) cannot be copied from the key schema: \(schema.kind.rawValue)")
                }
            } else if key.value.map == nil, key.value.structure == nil {
                throw .data("Named key fields \(sources) cannot be copied from the key class: \(key.value.javaClass)")
            }
        }
        switch record.value.value {
        case .map(let map) where record.value.schema == nil:
            var updated = map
            for field in fields {
                updated[field.name] = field.source == "*" ? key.value : key.value.member(field.source)
            }
            return record.with(.value, nil, .map(updated.hashOrdered(copied: map.count)))
        case .structure(let structure):
            let schema = try merged(try keySchema(key), structure.schema)
            let values = schema.fields.map { output -> ConnectValue in
                guard let field = fields.first(where: { $0.name == output.name }) else {
                    return structure[output.name] ?? .null
                }
                return field.source == "*" ? key.value : key.value.member(field.source)
            }
            return record.with(.value, schema, .structure(ConnectStruct(schema, values: values)))
        default: throw .data("The value needs to be a Struct or Map in order to append fields")
        }
    }

    private func keySchema(_ key: SchemaAndValue) throws(ConnectError) -> ConnectSchema {
        if let schema = key.schema { return schema }
        switch key.value {
        case .string: return .optionalString
        case .boolean: return .optionalBoolean
        case .int8: return .optionalInt8
        case .int16: return .optionalInt16
        case .int32: return .optionalInt32
        case .int64: return .optionalInt64
        case .float32: return .optionalFloat32
        case .float64: return .optionalFloat64
        case .map: throw .data("The value requires a schema, but the key class is a schemaless Map")
        default: throw .data("Cannot infer schema for unsupported key class: \(key.value.javaClass)")
        }
    }

    private func merged(_ key: ConnectSchema, _ value: ConnectSchema) throws(ConnectError) -> ConnectSchema {
        let pair = SchemaPair(key: key, value: value)
        if let known = schemas[pair] { return known }
        var output = value.fields
        for field in fields {
            let schema: ConnectSchema
            if field.source == "*" {
                schema = key
            } else {
                guard let found = key.field(field.source) else {
                    throw .data("Key field '\(field.source)' not found in key schema")
                }
                schema = found.schema
            }
            if let place = output.firstIndex(where: { $0.name == field.name }) {
                output[place].schema = schema
            } else {
                output.append(.init(field.name, schema))
            }
        }
        let made = try ConnectSchema.structure(basics: value, isOptional: value.isOptional, fields: output)
        schemas[pair] = made
        return made
    }
}
