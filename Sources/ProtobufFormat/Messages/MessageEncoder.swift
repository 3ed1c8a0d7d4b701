import Bytes

extension ProtobufSchema {
    /// The bytes of a message of this schema: fields by number, then the unknown ones as they came.
    ///
    /// - Throws: `.value` when a value does not fit its field, a required field is missing, or messages are nested
    ///   deeper than 100.
    package func encode(_ message: ProtobufMessage) throws(ProtobufError) -> [UInt8] {
        var output: [UInt8] = []
        try encode(message, to: &output)
        return output
    }

    /// Appends the bytes of a message.
    package func encode(_ message: ProtobufMessage, to output: inout [UInt8]) throws(ProtobufError) {
        try MessageEncoder(schema: self).encode(message, to: &output, depth: 1)
    }
}

private struct MessageEncoder {
    let schema: ProtobufSchema

    func encode(_ message: ProtobufMessage, to output: inout [UInt8], depth: Int) throws(ProtobufError) {
        guard depth <= Wire.depthMax else { throw ProtobufError(.value, "messages are nested too deep") }
        guard message.typeIndex < schema.messages.count else {
            throw ProtobufError(.value, "a message of another schema")
        }
        let descriptor = schema.messages[message.typeIndex]
        guard message.values.count == descriptor.fields.count else {
            throw ProtobufError(.value, "a message of another schema")
        }
        for index in descriptor.fieldOrder {
            let field = descriptor.fields[index]
            guard let value = message.values[index] else {
                if field.cardinality == .required {
                    throw ProtobufError(.value, "required field \"\(descriptor.fullName).\(field.name)\" is missing")
                }
                continue
            }
            try encode(value, field, descriptor, to: &output, depth)
        }
        output += message.unknownFields
    }

    private func encode(
        _ value: ProtobufValue, _ field: FieldDescriptor, _ message: MessageDescriptor, to output: inout [UInt8],
        _ depth: Int
    ) throws(ProtobufError) {
        switch (field.cardinality, value) {
        case (.repeated, .list(let list)):
            if field.isPacked {
                guard !list.isEmpty else { return }
                Self.tag(field.number, .lengthDelimited, to: &output)
                let start = Self.beginRun(&output)
                for element in list { try scalar(element, field, message, to: &output) }
                Self.endRun(start, &output)
            } else {
                for element in list { try single(element, field, message, to: &output, depth) }
            }
        case (.map, .map(let entries)):
            let entry = schema.messages[field.typeIndex]
            guard let keyIndex = entry.fieldIndex(number: 1), let valueIndex = entry.fieldIndex(number: 2) else {
                return
            }
            for pair in entries {
                Self.tag(field.number, .lengthDelimited, to: &output)
                let start = Self.beginRun(&output)
                try single(pair.key, entry.fields[keyIndex], entry, to: &output, depth)
                try single(pair.value, entry.fields[valueIndex], entry, to: &output, depth)
                Self.endRun(start, &output)
            }
        case (.optional, _), (.required, _):
            if !field.hasPresence, Self.isZero(value) { return }
            try single(value, field, message, to: &output, depth)
        default: throw mismatch(field, message)
        }
    }

    private static func isZero(_ value: ProtobufValue) -> Bool {
        switch value {
        case .int32(let value), .enumeration(let value): value == 0
        case .int64(let value): value == 0
        case .uint32(let value): value == 0
        case .uint64(let value): value == 0
        case .bool(let value): !value
        case .float(let value): value.bitPattern == 0
        case .double(let value): value.bitPattern == 0
        case .string(let value): value.isEmpty
        case .bytes(let value): value.isEmpty
        case .message, .list, .map: false
        }
    }

    private func mismatch(_ field: FieldDescriptor, _ message: MessageDescriptor) -> ProtobufError {
        ProtobufError(.value, "a value that does not fit \"\(message.fullName).\(field.name)\"")
    }

    private func single(
        _ value: ProtobufValue, _ field: FieldDescriptor, _ descriptor: MessageDescriptor, to output: inout [UInt8],
        _ depth: Int
    ) throws(ProtobufError) {
        switch field.kind {
        case .message, .group:
            guard case .message(let message) = value, message.typeIndex == field.typeIndex else {
                throw mismatch(field, descriptor)
            }
            if field.kind == .group {
                Self.tag(field.number, .startGroup, to: &output)
                try encode(message, to: &output, depth: depth + 1)
                Self.tag(field.number, .endGroup, to: &output)
            } else {
                Self.tag(field.number, .lengthDelimited, to: &output)
                let start = Self.beginRun(&output)
                try encode(message, to: &output, depth: depth + 1)
                Self.endRun(start, &output)
            }
        default:
            Self.tag(field.number, field.kind.wireType, to: &output)
            try scalar(value, field, descriptor, to: &output)
        }
    }

    private func scalar(
        _ value: ProtobufValue, _ field: FieldDescriptor, _ message: MessageDescriptor, to output: inout [UInt8]
    ) throws(ProtobufError) {
        switch (field.kind, value) {
        case (.int32, .int32(let value)), (.enumeration, .enumeration(let value)):
            Varint.append(unsigned: UInt64(bitPattern: Int64(value)), to: &output)
        case (.int64, .int64(let value)): Varint.append(unsigned: UInt64(bitPattern: value), to: &output)
        case (.uint32, .uint32(let value)): Varint.append(unsigned: UInt64(value), to: &output)
        case (.uint64, .uint64(let value)): Varint.append(unsigned: value, to: &output)
        case (.bool, .bool(let value)): output.append(value ? 1 : 0)
        case (.sint32, .int32(let value)): Varint.append(Int64(value), to: &output)
        case (.sint64, .int64(let value)): Varint.append(value, to: &output)
        case (.fixed32, .uint32(let value)): Self.append(value, to: &output)
        case (.sfixed32, .int32(let value)): Self.append(UInt32(bitPattern: value), to: &output)
        case (.float, .float(let value)): Self.append(value.bitPattern, to: &output)
        case (.fixed64, .uint64(let value)): Self.append(value, to: &output)
        case (.sfixed64, .int64(let value)): Self.append(UInt64(bitPattern: value), to: &output)
        case (.double, .double(let value)): Self.append(value.bitPattern, to: &output)
        case (.string, .string(let value)):
            let bytes = value.utf8
            Varint.append(unsigned: UInt64(bytes.count), to: &output)
            output.append(contentsOf: bytes)
        case (.bytes, .bytes(let value)):
            Varint.append(unsigned: UInt64(value.count), to: &output)
            output += value
        default: throw mismatch(field, message)
        }
    }

    private static func append(_ value: UInt32, to output: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { output.append(contentsOf: $0) }
    }

    private static func append(_ value: UInt64, to output: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { output.append(contentsOf: $0) }
    }

    private static func tag(_ number: Int32, _ type: WireType, to output: inout [UInt8]) {
        Varint.append(unsigned: UInt64(UInt32(bitPattern: number)) << 3 | UInt64(type.rawValue), to: &output)
    }

    /// Leaves one byte for a length: enough for most; `endRun` makes room when it is not.
    private static func beginRun(_ output: inout [UInt8]) -> Int {
        output.append(0)
        return output.count
    }

    private static func endRun(_ start: Int, _ output: inout [UInt8]) {
        let length = output.count - start
        if length < 0x80 {
            output[start - 1] = UInt8(length)
        } else {
            var prefix: [UInt8] = []
            Varint.append(unsigned: UInt64(length), to: &prefix)
            output.replaceSubrange((start - 1)..<start, with: prefix)
        }
    }
}
