extension ConnectSchema {
    /// How deep values may be nested; what is deeper is refused, never followed.
    package static let depthMax = 256

    /// Whether a value may stand where this schema is: Java's `ConnectSchema.validateValue`.
    ///
    /// - Throws: `.data` in Connect's words.
    package func check(_ value: ConnectValue, field: String? = nil) throws(ConnectError) {
        try check(value, field: field, depth: 0)
    }

    private func check(_ value: ConnectValue, field: String?, depth: Int) throws(ConnectError) {
        guard depth < Self.depthMax else { throw .data("Value is nested more than \(Self.depthMax) levels deep") }
        if value.isNull {
            guard isOptional else {
                throw .data(
                    "Invalid value: null used for required field: \"\(field ?? "null")\", schema type: \(kind.rawValue)"
                )
            }
            return
        }
        switch (kind, value) {
        case (.int8, .int8), (.int16, .int16), (.float32, .float32), (.float64, .float64), (.boolean, .boolean),
            (.string, .string):
            return
        case (.int32, .int32), (.int64, .int64), (.bytes, .bytes):
            if logicalType == nil { return }
        case (.bytes, .decimal):
            if logicalType == .decimal { return }
        case (.int32, .instant), (.int64, .instant):
            if logicalType != nil { return }
        case (.structure, .structure(let structure)):
            guard structure.schema == self || structure.schema.isSameStruct(as: self) else {
                throw .data("Struct schemas do not match.")
            }
            return
        case (.array, .array(let elements)):
            guard let valueSchema else { throw .data("No schema defined for element of array\(Self.suffix(field))") }
            for element in elements { try valueSchema.check(element, field: nil, depth: depth + 1) }
            return
        case (.map, .map(let map)):
            guard let keySchema, let valueSchema else {
                throw .data("No schema defined for map value\(Self.suffix(field))")
            }
            for entry in map.entries {
                try keySchema.check(entry.key, field: nil, depth: depth + 1)
                try valueSchema.check(entry.value, field: nil, depth: depth + 1)
            }
            return
        default: break
        }
        throw .data(
            "Invalid Java object for schema\(name.map { " \"\($0)\"" } ?? "") with type \(kind.rawValue): class "
                + "\(value.javaClass)\(Self.suffix(field))")
    }

    private static func suffix(_ field: String?) -> String { field.map { " for field: \"\($0)\"" } ?? "" }

    /// Equal but for what a field's place adds: Java compares all; a default that a parent added must not make two
    /// structs strangers.
    func isSameStruct(as other: ConnectSchema) -> Bool {
        kind == .structure && other.kind == .structure && name == other.name && version == other.version
            && Self.hasSameFields(self, other)
    }
}
