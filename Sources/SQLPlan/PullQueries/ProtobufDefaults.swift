import SQLFormats
import SQLTypes

/// What is left of nulls in a message of proto3 whose fields are not optional: a field without a value has its type's
/// default. The original keeps tables in their topic's format, so that is what its pull queries see.
enum ProtobufDefaults {
    static func replaceNulls(_ format: SerdeFormat) -> Bool {
        switch format.info.format {
        case .protobuf, .protobufNoSR:
            let nullability = format.info.properties[FormatInfo.nullableRepresentationProperty]?.uppercased()
            return nullability != "OPTIONAL" && nullability != "WRAPPER"
        default: return false
        }
    }

    /// A value as it is read back. What is a message of its own, such as a STRUCT, may be missing; its fields may not.
    static func filled(_ value: SQLValue, _ type: SQLType) -> SQLValue {
        switch (value, type) {
        case (.null, .boolean): .boolean(false)
        case (.null, .int): .int(0)
        case (.null, .bigint): .bigint(0)
        case (.null, .double): .double(0)
        case (.null, .string): .string("")
        case (.null, .bytes): .bytes([])
        case (.null, .array): .array([])
        case (.null, .map): .map(SQLMap(keys: [], values: []))
        case (.array(let elements), .array(let element)): .array(elements.map { filled($0, element) })
        case (.structure(let values), .structure(let fields)) where values.count == fields.count:
            .structure(zip(values, fields).map { filled($0, $1.type) })
        default: value
        }
    }
}
