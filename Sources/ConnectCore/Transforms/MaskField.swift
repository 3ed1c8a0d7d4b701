import SQLTypes

/// `MaskField`: nothing or a fixed value in the place of a field's.
struct MaskField: Transformation {
    private let part: RecordPart
    private let fields: [String]
    private let replacement: String?
    private let replacesNull: Bool

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define("fields", .list, .required, .someNames, .high, "The fields to mask.")
        definition.define(
            "replacement", .string, .null, .notEmpty, .low,
            "What masked texts and numbers become; without it what is nothing for their type.")
        definition.define(
            "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .medium,
            "Whether a field that is null and has a default counts as the default.")
        return definition
    }()

    init(_ part: RecordPart, _ values: ConfigValues) {
        self.part = part
        fields = values.list("fields")
        replacement = values.string("replacement")
        replacesNull = values.flag("replace.null.with.default")
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        let current = record[part]
        guard let schema = current.schema else {
            let map = try Requirements.map(current.value, "mask fields")
            var updated = map
            for field in fields { updated[field] = try masked(map[field] ?? .null) }
            return record.with(part, nil, .map(updated.hashOrdered(copied: map.count)))
        }
        let structure = try Requirements.structure(current.value, "mask fields")
        var output = ConnectStruct(schema)
        for (index, field) in schema.fields.enumerated() {
            let value = replacesNull ? structure[index] : structure.values[index]
            try output.put(index, fields.contains(field.name) ? masked(value) : value, of: field)
        }
        return record.with(part, schema, .structure(output))
    }

    private func masked(_ value: ConnectValue) throws(ConnectError) -> ConnectValue {
        if value.isNull { return .null }
        if let replacement { return try replaced(value, replacement) }
        switch value {
        case .boolean: return .boolean(false)
        case .int8: return .int8(0)
        case .int16: return .int16(0)
        case .int32: return .int32(0)
        case .int64: return .int64(0)
        case .float32: return .float32(0)
        case .float64: return .float64(0)
        case .decimal: return .decimal(SQLDecimal(0))
        case .instant: return .instant(0)
        case .string: return .string("")
        case .array: return .array([])
        case .map: return .map(ConnectMap())
        default: throw .data("Cannot mask value of type: class \(value.javaClass)")
        }
    }

    private func replaced(_ value: ConnectValue, _ text: String) throws(ConnectError) -> ConnectValue {
        let number: ConnectValue?
        switch value {
        case .int8: number = Self.whole(text).map { .int8(Int8(truncatingIfNeeded: $0)) }
        case .int16: number = Self.whole(text).map { .int16(Int16(truncatingIfNeeded: $0)) }
        case .int32: number = Self.whole(text).map { .int32(Int32(truncatingIfNeeded: $0)) }
        case .int64: number = Self.whole(text).map { .int64($0) }
        case .float32: number = Float(text.trimmed).map { .float32($0) }
        case .float64: number = Double(text.trimmed).map { .float64($0) }
        case .decimal: number = SQLDecimal(utf8: Array(text.utf8)).map { .decimal($0) }
        case .string: return .string(text)
        default: throw .data("Cannot mask value of type class \(value.javaClass) with custom replacement.")
        }
        guard let number else { throw .data("Unable to convert \(text) (class java.lang.String) to a number") }
        return number
    }

    /// A number without its decimal places.
    private static func whole(_ text: String) -> Int64? {
        if let number = Int64(text) { return number }
        guard let number = SQLDecimal(utf8: Array(text.utf8)) else { return nil }
        return Int64(exactly: number.doubleValue.rounded(.towardZero))
    }
}
