/// Values as they are written behind a `=` or `:` in a `.proto` text.
enum OptionValues {
    /// The value of a field that is no message; nil when it does not fit.
    static func scalar(_ value: ProtoOption.Value, _ field: FieldDescriptor, _ enums: [EnumDescriptor])
        -> ProtobufValue?
    {
        func integer<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
            guard case .number(let text) = value else { return nil }
            return ProtoNumber.integer(text).flatMap { Number(exactly: $0) }
        }
        func double() -> Double? {
            switch value {
            case .number(let text), .word(let text): ProtoNumber.double(text)
            default: nil
            }
        }
        switch field.kind {
        case .double: return double().map { .double($0) }
        case .float: return double().map { .float(Float($0)) }
        case .int64, .sint64, .sfixed64: return integer(Int64.self).map { .int64($0) }
        case .uint64, .fixed64: return integer(UInt64.self).map { .uint64($0) }
        case .int32, .sint32, .sfixed32: return integer(Int32.self).map { .int32($0) }
        case .uint32, .fixed32: return integer(UInt32.self).map { .uint32($0) }
        case .bool:
            switch value {
            case .word("true"): return .bool(true)
            case .word("false"): return .bool(false)
            default: return nil
            }
        case .string:
            guard case .string(let bytes) = value else { return nil }
            return String(validating: bytes, as: UTF8.self).map { .string($0) }
        case .bytes:
            guard case .string(let bytes) = value else { return nil }
            return .bytes(bytes)
        case .enumeration:
            guard field.typeIndex >= 0, field.typeIndex < enums.count else { return nil }
            switch value {
            case .word(let name): return enums[field.typeIndex].number(of: name).map { .enumeration($0) }
            case .number: return integer(Int32.self).map { .enumeration($0) }
            default: return nil
            }
        case .message, .group: return nil
        }
    }
}
