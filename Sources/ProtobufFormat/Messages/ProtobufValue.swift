/// A value of a field.
package indirect enum ProtobufValue: Sendable, Hashable {
    /// int32, sint32, sfixed32
    case int32(Int32)
    /// int64, sint64, sfixed64
    case int64(Int64)
    /// uint32, fixed32
    case uint32(UInt32)
    /// uint64, fixed64
    case uint64(UInt64)
    case bool(Bool)
    case float(Float)
    case double(Double)
    case string(String)
    case bytes([UInt8])
    /// By number: an open enum can hold one that has no constant.
    case enumeration(Int32)
    case message(ProtobufMessage)
    case list([ProtobufValue])
    /// In the order they came in; each key once.
    case map([ProtobufMapEntry])
}

package struct ProtobufMapEntry: Sendable, Hashable {
    package var key: ProtobufValue
    package var value: ProtobufValue

    package init(_ key: ProtobufValue, _ value: ProtobufValue) {
        self.key = key
        self.value = value
    }
}

/// A message of a `ProtobufSchema`, which the caller keeps beside it.
package struct ProtobufMessage: Sendable, Hashable {
    /// Place in the schema's `messages`.
    package let typeIndex: Int
    /// Parallel to the descriptor's `fields`; nil where a field is not set.
    package var values: [ProtobufValue?]
    /// Fields that the schema does not have and constants that a closed enum does not have, as they came.
    package var unknownFields: [UInt8] = []

    package init(typeIndex: Int, fieldCount: Int) {
        self.typeIndex = typeIndex
        values = Array(repeating: nil, count: fieldCount)
    }
}

extension ProtobufSchema {
    /// A message of the type at this place with no field set.
    package func emptyMessage(_ typeIndex: Int) -> ProtobufMessage {
        ProtobufMessage(typeIndex: typeIndex, fieldCount: messages[typeIndex].fields.count)
    }

    /// What a field that is not set means.
    package func defaultValue(of field: FieldDescriptor) -> ProtobufValue {
        if let value = field.defaultValue { return value }
        switch field.cardinality {
        case .repeated: return .list([])
        case .map: return .map([])
        case .optional, .required: break
        }
        switch field.kind {
        case .double: return .double(0)
        case .float: return .float(0)
        case .int64, .sint64, .sfixed64: return .int64(0)
        case .uint64, .fixed64: return .uint64(0)
        case .int32, .sint32, .sfixed32: return .int32(0)
        case .uint32, .fixed32: return .uint32(0)
        case .bool: return .bool(false)
        case .string: return .string("")
        case .bytes: return .bytes([])
        case .enumeration: return .enumeration(enums[field.typeIndex].defaultNumber)
        case .message, .group: return .message(emptyMessage(field.typeIndex))
        }
    }
}

extension ProtobufMessage {
    /// The value of the field with this name, nil when it is not set or there is none.
    package func value(_ name: String, in schema: ProtobufSchema) -> ProtobufValue? {
        schema.messages[typeIndex].fieldIndex(name: name).flatMap { values[$0] }
    }
}
