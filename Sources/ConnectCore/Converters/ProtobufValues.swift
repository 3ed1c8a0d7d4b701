import ProtobufFormat
import SQLTypes

/// Structs as messages.
struct ProtobufValues {
    let schema: ProtobufSchema
    let options: ProtobufOptions

    /// Fields go by their names, so that a message of the registry may have others and in another order.
    func message(_ structure: ConnectStruct, _ index: Int, depth: Int) throws(ConnectError) -> ProtobufMessage {
        guard depth < ConnectSchema.depthMax, schema.messages.indices.contains(index) else {
            throw .data("Value is nested too deep for Protobuf")
        }
        var message = schema.emptyMessage(index)
        for (place, field) in structure.schema.fields.enumerated() {
            let value = options.ignoresDefaults ? structure.values[place] : structure[place]
            if value.isNull { continue }
            if case .structure(let union) = value, ProtobufMapping.isUnion(field.schema) {
                guard let member = union.values.firstIndex(where: { !$0.isNull }) else {
                    throw .data("Cannot find non-null field")
                }
                try set(&message, union.schema.fields[member], union.values[member], depth)
            } else {
                try set(&message, field, value, depth)
            }
        }
        return message
    }

    private func set(
        _ message: inout ProtobufMessage, _ field: ConnectSchema.Field, _ value: ConnectValue, _ depth: Int
    ) throws(ConnectError) {
        let descriptor = schema.messages[message.typeIndex]
        guard let target = descriptor.fieldIndex(name: options.fieldName(field.name)) else {
            throw .data("Message \(descriptor.fullName) has no field \(field.name)")
        }
        message.values[target] = try self.value(value, field.schema, descriptor.fields[target], depth)
    }

    private func value(
        _ value: ConnectValue, _ connect: ConnectSchema, _ field: FieldDescriptor, _ depth: Int
    ) throws(ConnectError) -> ProtobufValue {
        switch (field.cardinality, value) {
        case (.map, .map(let map)):
            let entry = schema.messages[field.typeIndex]
            guard let keyField = entry.fieldIndex(number: 1), let valueField = entry.fieldIndex(number: 2) else {
                break
            }
            var entries: [ProtobufMapEntry] = []
            for pair in map.entries {
                entries.append(
                    ProtobufMapEntry(
                        try single(pair.key, connect.keySchema, entry.fields[keyField], depth + 1),
                        try single(pair.value, connect.valueSchema, entry.fields[valueField], depth + 1)))
            }
            return .map(entries)
        case (.repeated, .array(let elements)):
            var values: [ProtobufValue] = []
            for element in elements { values.append(try single(element, connect.valueSchema, field, depth + 1)) }
            return .list(values)
        case (.map, _), (.repeated, _): break
        default: return try single(value, connect, field, depth)
        }
        throw .data("Invalid value of class \(value.javaClass) for the Protobuf field \(field.name)")
    }

    private func single(
        _ value: ConnectValue, _ connect: ConnectSchema?, _ field: FieldDescriptor, _ depth: Int
    ) throws(ConnectError) -> ProtobufValue {
        switch (field.kind, value) {
        case (.message, .structure(let structure)):
            return .message(try message(structure, field.typeIndex, depth: depth + 1))
        case (.message, .instant(let millis)):
            return .message(try moment(millis, connect, field.typeIndex))
        case (.message, .decimal(let decimal)):
            var message = schema.emptyMessage(field.typeIndex)
            try set(&message, 1, .bytes(decimal.bigEndian))
            try set(&message, 2, .uint32(UInt32(clamping: decimal.precision)))
            try set(&message, 3, .int32(Int32(clamping: decimal.scale)))
            return .message(message)
        case (.message, _)
        where ProtobufOptions.wrapped(schema.messages[field.typeIndex].fullName) != nil:
            var message = schema.emptyMessage(field.typeIndex)
            let descriptor = schema.messages[field.typeIndex]
            guard let place = descriptor.fieldIndex(number: 1) else { break }
            message.values[place] = try single(value, connect, descriptor.fields[place], depth + 1)
            return .message(message)
        case (.string, .string(let text)): return .string(text)
        case (.enumeration, .string(let text)):
            // A constant that the schema did not know came as its number.
            if let number = schema.enums[field.typeIndex].number(of: text) ?? Int32(text) {
                return .enumeration(number)
            }
        case (.bytes, .bytes(let bytes)): return .bytes(bytes)
        case (.bool, .boolean(let flag)): return .bool(flag)
        case (.float, .float32(let number)): return .float(number)
        case (.double, .float64(let number)): return .double(number)
        case (.double, .float32(let number)): return .double(Double(number))
        case (_, _):
            guard let number = value.integer else { break }
            switch field.kind {
            case .enumeration: if let number = Int32(exactly: number) { return .enumeration(number) }
            case .int32, .sint32, .sfixed32: if let number = Int32(exactly: number) { return .int32(number) }
            case .int64, .sint64, .sfixed64: return .int64(number)
            case .uint32, .fixed32: if let number = UInt32(exactly: number) { return .uint32(number) }
            case .uint64, .fixed64: return .uint64(UInt64(bitPattern: number))
            default: break
            }
        }
        throw .data("Invalid value of class \(value.javaClass) for the Protobuf field \(field.name)")
    }

    private func set(_ message: inout ProtobufMessage, _ number: Int32, _ value: ProtobufValue) throws(ConnectError) {
        guard let place = schema.messages[message.typeIndex].fieldIndex(number: number) else {
            throw .data("Message \(schema.messages[message.typeIndex].fullName) has no field with number \(number)")
        }
        message.values[place] = value
    }

    private func moment(_ millis: Int64, _ connect: ConnectSchema?, _ index: Int) throws(ConnectError)
        -> ProtobufMessage
    {
        var message = schema.emptyMessage(index)
        let day = JavaText.millisOfDay
        switch connect?.logicalType {
        case .date:
            let date = JavaText.civil(millis)
            try set(&message, 1, .int32(Int32(clamping: date.year)))
            try set(&message, 2, .int32(Int32(clamping: date.month)))
            try set(&message, 3, .int32(Int32(clamping: date.day)))
        case .time:
            let rest = Int32(truncatingIfNeeded: (millis % day + day) % day)
            try set(&message, 1, .int32(rest / 3_600_000))
            try set(&message, 2, .int32(rest / 60_000 % 60))
            try set(&message, 3, .int32(rest / 1000 % 60))
            try set(&message, 4, .int32(rest % 1000 * 1_000_000))
        default:
            try set(&message, 1, .int64(Int64(floorDiv(Int(millis), 1000))))
            try set(&message, 2, .int32(Int32(truncatingIfNeeded: floorMod(Int(millis), 1000)) * 1_000_000))
        }
        return message
    }
}
