package import Bytes

extension ProtobufSchema {
    /// Reads a message of the type at this place in `messages`.
    ///
    /// As Protocol Buffers demands: the last value of a field counts, messages that come in parts are merged, the last
    /// member of a oneof wins, packed and unpacked values are read either way, unknown fields are kept.
    ///
    /// - Parameter repairsText: whether U+FFFD stands for what is not UTF-8 in a text, as in Java.
    /// - Throws: `WireError.truncated` or `.corrupt`, also for text that is not UTF-8 and is not repaired, nesting
    ///   beyond 100, and when a required field is missing.
    package func decode(
        _ bytes: borrowing RawSpan, as typeIndex: Int, repairsText: Bool = false
    ) throws(WireError) -> ProtobufMessage {
        var message = emptyMessage(typeIndex)
        var at = 0
        let decoder = MessageDecoder(schema: self, repairsText: repairsText)
        try decoder.decode(into: &message, bytes, &at, bytes.byteCount, group: nil, depth: 1)
        return message
    }

    package func decode(_ bytes: [UInt8], as typeIndex: Int) throws(WireError) -> ProtobufMessage {
        try decode(bytes.span.bytes, as: typeIndex)
    }
}

/// Reads messages into value trees.
private struct MessageDecoder {
    let schema: ProtobufSchema
    let repairsText: Bool

    /// - Parameter group: the number of the group that is read and ends with its own tag; nil when the message ends at
    ///   `end`.
    func decode(
        into message: inout ProtobufMessage, _ bytes: borrowing RawSpan, _ at: inout Int, _ end: Int, group: Int32?,
        depth: Int
    ) throws(WireError) {
        guard depth <= Wire.depthMax else { throw .corrupt("messages are nested too deep") }
        let plan = schema.plans[message.typeIndex]
        var isClosed = group == nil
        while at < end {
            let start = at
            let tag = try Wire.tag(bytes, &at, end)
            if tag.type == .endGroup {
                guard tag.number == group else { throw .corrupt("a group ends that has not begun") }
                isClosed = true
                break
            }
            if let index = plan.index(tag.number) {
                let field = plan.fields[index]
                var value = message.values[index]
                message.values[index] = nil  // so that lists grow in place
                if try read(field, tag, &value, bytes, &at, end, depth, &message.unknownFields) {
                    message.values[index] = value
                    if field.oneofIndex >= 0, value != nil {
                        Self.clear(field.oneofIndex, but: index, plan, &message)
                    }
                    continue
                }
                message.values[index] = value
            }
            try Wire.skip(tag, bytes, &at, end, depth: depth)
            Self.append(bytes, start..<at, to: &message.unknownFields)
        }
        guard isClosed else { throw .truncated }
        for index in plan.maps {
            if case .map(let entries)? = message.values[index], entries.count > 1 {
                message.values[index] = .map(Self.lastOfEachKey(entries))
            }
        }
        for index in plan.required where message.values[index] == nil {
            let descriptor = schema.messages[message.typeIndex]
            throw .corrupt("required field \"\(descriptor.fullName).\(descriptor.fields[index].name)\" is missing")
        }
    }

    private static func clear(
        _ oneof: Int32, but kept: Int, _ plan: MessagePlan, _ message: inout ProtobufMessage
    ) {
        for index in plan.fields.indices where plan.fields[index].oneofIndex == oneof && index != kept {
            message.values[index] = nil
        }
    }

    private static func append(_ bytes: borrowing RawSpan, _ range: Range<Int>, to output: inout [UInt8]) {
        bytes.extracting(range).withUnsafeBytes { output.append(contentsOf: $0) }
    }

    private static func lastOfEachKey(_ entries: [ProtobufMapEntry]) -> [ProtobufMapEntry] {
        var places: [ProtobufValue: Int] = [:]
        var output: [ProtobufMapEntry] = []
        for entry in entries {
            if let place = places[entry.key] {
                output[place] = entry
            } else {
                places[entry.key] = output.count
                output.append(entry)
            }
        }
        return output
    }

    /// Reads what is behind a tag into the field's value so far.
    ///
    /// - Returns: false, with nothing read, when the tag does not fit the field.
    private func read(
        _ field: FieldPlan, _ tag: WireTag, _ value: inout ProtobufValue?, _ bytes: borrowing RawSpan,
        _ at: inout Int, _ end: Int, _ depth: Int, _ unknown: inout [UInt8]
    ) throws(WireError) -> Bool {
        let isPacked = tag.type == .lengthDelimited && field.isPackable
        guard isPacked || tag.type == field.wireType else { return false }
        if isPacked {
            let stop = try Wire.runEnd(bytes, &at, end)
            var list = Self.takeList(&value)
            while at < stop {
                let element = try scalar(field.kind, bytes, &at, stop)
                if isKnown(element, field) { list.append(element) } else { Self.keep(element, field, &unknown) }
            }
            value = .list(list)
            return true
        }
        switch field.kind {
        case .message, .group:
            try readMessage(field, &value, bytes, &at, end, depth)
        default:
            let element = try scalar(field.kind, bytes, &at, end)
            guard isKnown(element, field) else {
                Self.keep(element, field, &unknown)
                return true
            }
            if field.isRepeated {
                var list = Self.takeList(&value)
                list.append(element)
                value = .list(list)
            } else {
                value = element
            }
        }
        return true
    }

    private static func takeList(_ value: inout ProtobufValue?) -> [ProtobufValue] {
        guard case .list(let list)? = value else { return [] }
        value = nil  // the list has one owner, so that appending does not copy it
        return list
    }

    private func isKnown(_ value: ProtobufValue, _ field: FieldPlan) -> Bool {
        guard field.isClosedEnum, case .enumeration(let number) = value else { return true }
        return schema.enums[field.typeIndex].name(of: number) != nil
    }

    private static func keep(_ value: ProtobufValue, _ field: FieldPlan, _ unknown: inout [UInt8]) {
        guard case .enumeration(let number) = value else { return }
        Varint.append(unsigned: UInt64(UInt32(bitPattern: field.number)) << 3, to: &unknown)
        Varint.append(unsigned: UInt64(bitPattern: Int64(number)), to: &unknown)
    }

    private func readMessage(
        _ field: FieldPlan, _ value: inout ProtobufValue?, _ bytes: borrowing RawSpan, _ at: inout Int,
        _ end: Int, _ depth: Int
    ) throws(WireError) {
        var message: ProtobufMessage
        if !field.isRepeated, case .message(let known)? = value {
            message = known
            value = nil
        } else {
            message = ProtobufMessage(
                typeIndex: field.typeIndex, fieldCount: schema.plans[field.typeIndex].fields.count)
        }
        if field.kind == .group {
            try decode(into: &message, bytes, &at, end, group: field.number, depth: depth + 1)
        } else {
            let stop = try Wire.runEnd(bytes, &at, end)
            try decode(into: &message, bytes, &at, stop, group: nil, depth: depth + 1)
        }
        if field.isMap {
            var entries: [ProtobufMapEntry] = if case .map(let entries)? = value { entries } else { [] }
            value = nil
            let entry = schema.messages[field.typeIndex]
            guard let keyIndex = entry.fieldIndex(number: 1), let valueIndex = entry.fieldIndex(number: 2) else {
                throw .corrupt("the entries of field \(field.number) have no key and value")
            }
            // A constant that a closed enum does not have takes its entry with it into nowhere: it has no place to be.
            if message.values[valueIndex] == nil, !message.unknownFields.isEmpty,
                schema.plans[field.typeIndex].fields[valueIndex].isClosedEnum
            {
                value = entries.isEmpty ? nil : .map(entries)
                return
            }
            entries.append(
                ProtobufMapEntry(
                    message.values[keyIndex] ?? schema.defaultValue(of: entry.fields[keyIndex]),
                    message.values[valueIndex] ?? schema.defaultValue(of: entry.fields[valueIndex])))
            value = .map(entries)
        } else if field.isRepeated {
            var list = Self.takeList(&value)
            list.append(.message(message))
            value = .list(list)
        } else {
            value = .message(message)
        }
    }

    private func scalar(
        _ kind: FieldKind, _ bytes: borrowing RawSpan, _ at: inout Int, _ end: Int
    ) throws(WireError) -> ProtobufValue {
        switch kind {
        case .int32: return .int32(Int32(truncatingIfNeeded: try Wire.varint(bytes, &at, end)))
        case .int64: return .int64(Int64(bitPattern: try Wire.varint(bytes, &at, end)))
        case .uint32: return .uint32(UInt32(truncatingIfNeeded: try Wire.varint(bytes, &at, end)))
        case .uint64: return .uint64(try Wire.varint(bytes, &at, end))
        case .bool: return .bool(try Wire.varint(bytes, &at, end) != 0)
        case .enumeration: return .enumeration(Int32(truncatingIfNeeded: try Wire.varint(bytes, &at, end)))
        case .sint32:
            let value = UInt32(truncatingIfNeeded: try Wire.varint(bytes, &at, end))
            return .int32(Int32(bitPattern: value &>> 1) ^ -Int32(bitPattern: value & 1))
        case .sint64:
            let value = try Wire.varint(bytes, &at, end)
            return .int64(Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1))
        case .fixed32: return .uint32(try Wire.fixed32(bytes, &at, end))
        case .sfixed32: return .int32(Int32(bitPattern: try Wire.fixed32(bytes, &at, end)))
        case .float: return .float(Float(bitPattern: try Wire.fixed32(bytes, &at, end)))
        case .fixed64: return .uint64(try Wire.fixed64(bytes, &at, end))
        case .sfixed64: return .int64(Int64(bitPattern: try Wire.fixed64(bytes, &at, end)))
        case .double: return .double(Double(bitPattern: try Wire.fixed64(bytes, &at, end)))
        case .string:
            let stop = try Wire.runEnd(bytes, &at, end)
            let text = bytes.extracting(at..<stop).withUnsafeBytes {
                repairsText ? String(decoding: $0, as: UTF8.self) : String(validating: $0, as: UTF8.self)
            }
            at = stop
            guard let text else { throw .corrupt("a string that is not UTF-8") }
            return .string(text)
        case .bytes:
            let stop = try Wire.runEnd(bytes, &at, end)
            var copy: [UInt8] = []
            Self.append(bytes, at..<stop, to: &copy)
            at = stop
            return .bytes(copy)
        case .message, .group: throw .corrupt("a message where a scalar belongs")  // callers do not ask for these
        }
    }
}
