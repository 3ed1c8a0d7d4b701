import SQLTypes

/// `Cast`: other types for fields, or for the whole of a key or value.
struct Cast: Transformation {
    private let part: RecordPart
    private let casts: [String: ConnectSchema.Kind]
    private let whole: ConnectSchema.Kind?
    private let replacesNull: Bool
    private let schemas = UpdatedSchemas()

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "spec", .list, .required, .castSpec, .high,
            "What becomes what: field:type for each field, or one type for the whole. Types: int8, int16, int32, int64, "
                + "float32, float64, boolean, string.")
        definition.define(
            "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .medium,
            "Whether a field that is null and has a default counts as the default.")
        return definition
    }()

    private static let outputs: [ConnectSchema.Kind] = [
        .int8, .int16, .int32, .int64, .float32, .float64, .boolean, .string,
    ]

    init(_ part: RecordPart, _ values: ConfigValues) throws(ConnectError) {
        self.part = part
        replacesNull = values.flag("replace.null.with.default")
        (casts, whole) = try Self.parsed(values.list("spec"))
    }

    fileprivate static func parsed(
        _ spec: [String]
    ) throws(ConnectError) -> (casts: [String: ConnectSchema.Kind], whole: ConnectSchema.Kind?) {
        guard !spec.isEmpty else { throw .config("Must specify at least one field to cast.") }
        let shown = "[" + spec.joined(separator: ", ") + "]"
        var casts: [String: ConnectSchema.Kind] = [:]
        var whole: ConnectSchema.Kind?
        for mapping in spec {
            guard let colon = mapping.lastIndex(of: ":") else {
                whole = try kind(mapping, spec: shown)
                guard spec.count == 1 else {
                    throw .config(
                        "Cast transformations that specify a type to cast the entire value to may only specify a single "
                            + "cast in their spec")
                }
                continue
            }
            let name = mapping[..<colon].trimmed
            guard !name.contains(":") else { throw .config("renames", shown, "Invalid rename mapping: \(mapping)") }
            casts[name] = try kind(String(mapping[mapping.index(after: colon)...]), spec: shown)
        }
        return (casts, whole)
    }

    private static func kind(_ text: String, spec: String) throws(ConnectError) -> ConnectSchema.Kind {
        guard let kind = ConnectSchema.Kind(rawValue: text.trimmed.uppercased()) else {
            throw .config("spec", spec, "Invalid type found in casting spec: \(text.trimmed)")
        }
        guard outputs.contains(kind) else {
            throw .config(
                "Cast transformation does not support casting to \(kind.rawValue); supported types are "
                    + "[\(outputs.map(\.rawValue).joined(separator: ", "))]")
        }
        return kind
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        if current.value.isNull { return record }
        guard let schema = current.schema else { return try applySchemaless(record) }
        if let whole {
            let updated = try schemas(schema) { schema throws(ConnectError) in
                ConnectSchema(
                    whole, isOptional: schema.isOptional,
                    defaultValue: try schema.defaultValue.map { value throws(ConnectError) in
                        try Self.cast(value, schema, to: whole)
                    })
            }
            return record.with(part, updated, try Self.cast(current.value, schema, to: whole))
        }
        let updated = try schemas(schema, updatedSchema)
        let structure = try Requirements.structure(current.value, "cast types")
        var output = ConnectStruct(updated)
        for (index, field) in schema.fields.enumerated() {
            let value = replacesNull ? structure[index] : structure.values[index]
            if let kind = casts[field.name] {
                try output.put(index, Self.cast(value, field.schema, to: kind))
            } else {
                try output.put(index, value)
            }
        }
        return record.with(part, updated, .structure(output))
    }

    private func applySchemaless(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord {
        let value = record[part].value
        if let whole { return record.with(part, nil, try Self.cast(value, nil, to: whole)) }
        let map = try Requirements.map(value, "cast types")
        var updated = map
        for (name, kind) in casts.sorted(by: { $0.key < $1.key }) {
            updated[name] = try Self.cast(map[name] ?? .null, nil, to: kind)
        }
        return record.with(part, nil, .map(updated.hashOrdered(copied: map.count)))
    }

    private func updatedSchema(_ schema: ConnectSchema) throws(ConnectError) -> ConnectSchema {
        var fields: [ConnectSchema.Field] = []
        for field in try schema.structFields() {
            guard let kind = casts[field.name] else {
                fields.append(field)
                continue
            }
            var defaultValue: ConnectValue?
            if let value = field.schema.defaultValue { defaultValue = try Self.cast(value, field.schema, to: kind) }
            fields.append(
                .init(
                    field.name,
                    ConnectSchema(kind, isOptional: field.schema.isOptional, defaultValue: defaultValue)))
        }
        let updated = try ConnectSchema.structure(basics: schema, isOptional: schema.isOptional, fields: fields)
        guard case .structure(let value) = schema.defaultValue else { return updated }
        var output = ConnectStruct(updated)
        for (index, field) in schema.fields.enumerated() {
            try output.put(
                index,
                casts[field.name].map { kind throws(ConnectError) in
                    try Self.cast(value[index], field.schema, to: kind)
                } ?? value[index])
        }
        return updated.with(defaultValue: .some(.structure(output)))
    }

    /// - Throws: `.data` in Connect's words.
    static func cast(
        _ given: ConnectValue, _ schema: ConnectSchema?, to kind: ConnectSchema.Kind
    ) throws(ConnectError) -> ConnectValue {
        if given.isNull { return .null }
        var value = given
        // A Decimal counts as a number and not as its bytes.
        if let schema, schema.logicalType != nil, schema.logicalType != .decimal, kind != .string {
            value = try LogicalValues.encoded(given, schema)
        }
        switch value {
        case .array, .map, .structure:
            throw .data(
                "Cast transformation does not support casting from \(value.inferredKind?.rawValue ?? ""); supported "
                    + "types are [\((outputs + [.bytes]).map(\.rawValue).joined(separator: ", "))]")
        default: break
        }
        switch kind {
        case .string: return .string(text(value))
        case .boolean:
            switch value {
            case .boolean: return value
            case .string(let text): return .boolean(text.lowercased() == "true")
            default: return .boolean(try integer(value, .int64) != 0)
            }
        case .int8: return .int8(Int8(truncatingIfNeeded: try integer(value, kind)))
        case .int16: return .int16(Int16(truncatingIfNeeded: try integer(value, kind)))
        case .int32: return .int32(Int32(truncatingIfNeeded: try integer(value, kind)))
        case .int64: return .int64(try integer(value, kind))
        case .float32:
            if case .float32 = value { return value }
            if case .string(let text) = value {
                guard let number = Float(javaNumber(text)) else { return try outOfRange(value) }
                return .float32(number)
            }
            return .float32(Float(try double(value)))
        case .float64:
            if case .string(let text) = value {
                guard let number = Double(javaNumber(text)) else { return try outOfRange(value) }
                return .float64(number)
            }
            return .float64(try double(value))
        default: throw .data("Unexpected type in Cast transformation: class \(value.javaClass)")
        }
    }

    private static func text(_ value: ConnectValue) -> String {
        if case .instant(let millis) = value { return JavaText.instant(millis) }
        return JavaText.string(value)
    }

    /// What `parseDouble` allows beyond Swift: spaces around, and a suffix for the type.
    private static func javaNumber(_ text: String) -> String {
        var text = text.trimmed
        if let last = text.last, "fFdD".contains(last), !text.lowercased().hasPrefix("0x") { text.removeLast() }
        // Swift knows more names of infinity than Java.
        let body = text.drop { $0 == "+" || $0 == "-" }
        if let first = body.first, first.isLetter, body != "NaN", body != "Infinity" { return "" }
        return text
    }

    private static func outOfRange<Value>(_ value: ConnectValue) throws(ConnectError) -> Value {
        throw .data("Value (\(JavaText.string(value))) was out of range for requested data type")
    }

    /// Java's `byteValue`, `intValue` ... before bits are cut off.
    private static func integer(_ value: ConnectValue, _ kind: ConnectSchema.Kind) throws(ConnectError) -> Int64 {
        switch value {
        case .int8, .int16, .int32, .int64: return value.integer ?? 0
        case .boolean(let flag): return flag ? 1 : 0
        case .float32(let number): return integer(Double(number), kind)
        case .float64(let number): return integer(number, kind)
        case .decimal(let decimal): return decimal.int64Truncating
        case .instant(let millis): return millis
        case .string(let text):
            let limits: ClosedRange<Int64> =
                switch kind {
                case .int8: Int64(Int8.min)...Int64(Int8.max)
                case .int16: Int64(Int16.min)...Int64(Int16.max)
                case .int32: Int64(Int32.min)...Int64(Int32.max)
                default: .min ... .max
                }
            guard let number = Int64(text), limits ~= number else { return try outOfRange(value) }
            return number
        default: throw .data("Unexpected type in Cast transformation: class \(value.javaClass)")
        }
    }

    /// Java goes over `int` for the smaller types and saturates there.
    private static func integer(_ value: Double, _ kind: ConnectSchema.Kind) -> Int64 {
        if value.isNaN { return 0 }
        if kind == .int64 { return value >= 0x1p63 ? .max : value < -0x1p63 ? .min : Int64(value) }
        return value >= 0x1p31 ? Int64(Int32.max) : value < -0x1p31 ? Int64(Int32.min) : Int64(value)
    }

    private static func double(_ value: ConnectValue) throws(ConnectError) -> Double {
        switch value {
        case .int8, .int16, .int32, .int64: return Double(value.integer ?? 0)
        case .float32(let number): return Double(number)
        case .float64(let number): return number
        case .boolean(let flag): return flag ? 1 : 0
        case .decimal(let decimal): return decimal.doubleValue
        case .instant(let millis): return Double(millis)
        default: throw .data("Unexpected type in Cast transformation: class \(value.javaClass)")
        }
    }
}

extension ConfigValidator {
    fileprivate static let castSpec = Self { (_, value) throws(ConnectError) in
        guard case .list(let spec) = value else { return }
        _ = try Cast.parsed(spec)
    }
}
