import ConnectCore

/// What becomes of records whose schema is another than that of the object that is being written: `schema.compatibility`.
enum SchemaCompatibility: String, Sendable, CaseIterable {
    case none = "NONE"
    case backward = "BACKWARD"
    case forward = "FORWARD"
    case full = "FULL"

    /// Whether a new object has to begin.
    ///
    /// Schemas without a version are told apart by what they are, as with NONE.
    ///
    /// - Throws: `.schemaProjection` when data with and without schemas mix.
    func needsNewObject(_ current: ConnectSchema?, _ next: ConnectSchema?) throws(ConnectError) -> Bool {
        guard let current, let next else {
            if current == nil, next == nil { return false }
            throw ConnectError(
                .schemaProjection, "Switch between schema-based and schema-less data is not supported")
        }
        if current == next { return false }
        guard self != .none, let currentVersion = current.version, let nextVersion = next.version else { return true }
        if current.name != next.name || current.kind != next.kind { return true }
        return switch self {
        case .none: true
        case .backward, .full: nextVersion > currentVersion
        case .forward: nextVersion < currentVersion
        }
    }
}

/// A value of one schema as that of another: Java's `SchemaProjector`.
enum SchemaProjection {
    /// - Throws: `.schemaProjection` when a value has no place in the other schema.
    static func project(
        _ value: ConnectValue, _ from: ConnectSchema, _ to: ConnectSchema
    ) throws(ConnectError) -> ConnectValue {
        if from == to { return value }
        if value.isNull {
            if let fallback = to.defaultValue { return fallback }
            guard to.isOptional else { throw refused("Writer schema is optional, reader schema is not") }
            return .null
        }
        switch (to.kind, value) {
        case (.structure, .structure(let structure)):
            var output = ConnectStruct(to)
            for (index, field) in to.fields.enumerated() {
                if let place = structure.schema.index(of: field.name) {
                    output[index] = try project(
                        structure.values[place], structure.schema.fields[place].schema, field.schema)
                } else if let fallback = field.schema.defaultValue {
                    output[index] = fallback
                } else if !field.schema.isOptional {
                    throw refused("No default value found for field: \(field.name)")
                }
            }
            return .structure(output)
        case (.array, .array(let elements)):
            guard let old = from.valueSchema, let new = to.valueSchema else { break }
            var output: [ConnectValue] = []
            for element in elements { output.append(try project(element, old, new)) }
            return .array(output)
        case (.map, .map(let map)):
            guard let oldKey = from.keySchema, let newKey = to.keySchema, let old = from.valueSchema,
                let new = to.valueSchema
            else { break }
            var output = ConnectMap()
            for entry in map.entries {
                output[try project(entry.key, oldKey, newKey)] = try project(entry.value, old, new)
            }
            return .map(output)
        default:
            if from.kind == to.kind, from.logicalType == to.logicalType { return value }
            if from.logicalType == nil, to.logicalType == nil, let wider = widened(value, to.kind) { return wider }
        }
        throw refused("Schema type mismatch. source type: \(from.kind.rawValue) and target type: \(to.kind.rawValue)")
    }

    private static func widened(_ value: ConnectValue, _ kind: ConnectSchema.Kind) -> ConnectValue? {
        if case .float32(let number) = value { return kind == .float64 ? .float64(Double(number)) : nil }
        guard let number = value.integer else { return nil }
        return switch kind {
        case .int16: Int16(exactly: number).map { .int16($0) }
        case .int32: Int32(exactly: number).map { .int32($0) }
        case .int64: .int64(number)
        case .float32: .float32(Float(number))
        case .float64: .float64(Double(number))
        default: nil
        }
    }

    private static func refused(_ message: String) -> ConnectError { ConnectError(.schemaProjection, message) }
}
