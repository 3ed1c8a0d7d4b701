package import JSONFormat

extension ProtobufSchema {
    /// A message as JSON: fields by number, well-known messages in their own way, unknown fields left out.
    ///
    /// - Throws: `.value` for what has no JSON: a timestamp beyond the year 9999, an `Any` of a message that this
    ///   schema does not have, a number in a `Value` that is none.
    package func json(
        _ message: ProtobufMessage, options: ProtobufJSONOptions = ProtobufJSONOptions()
    ) throws(ProtobufError) -> JSONValue {
        try MessageJSONWriter(schema: self, options: options).json(message, depth: 1)
    }
}

private struct MessageJSONWriter {
    let schema: ProtobufSchema
    let options: ProtobufJSONOptions

    func json(_ message: ProtobufMessage, depth: Int) throws(ProtobufError) -> JSONValue {
        guard depth <= Wire.depthMax else { throw ProtobufError(.value, "messages are nested too deep") }
        let descriptor = schema.messages[message.typeIndex]
        if let kind = descriptor.wellKnown { return try wellKnown(kind, message, descriptor, depth) }
        return .object(try members(message, descriptor, depth))
    }

    private func members(
        _ message: ProtobufMessage, _ descriptor: MessageDescriptor, _ depth: Int
    ) throws(ProtobufError) -> [(String, JSONValue)] {
        var output: [(String, JSONValue)] = []
        for index in descriptor.fieldOrder where index < message.values.count {
            let field = descriptor.fields[index]
            var value = message.values[index]
            if !field.hasPresence {
                if options.includesDefaults {
                    value = value ?? schema.defaultValue(of: field)
                } else if let known = value, Self.isEmpty(known) {
                    value = nil
                }
            }
            guard let value else { continue }
            let name = options.usesProtoNames && !field.isExtension ? field.name : field.jsonName
            output.append((name, try json(value, field, depth)))
        }
        return output
    }

    /// What a field without presence does not write.
    private static func isEmpty(_ value: ProtobufValue) -> Bool {
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
        case .message: false
        case .list(let list): list.isEmpty
        case .map(let entries): entries.isEmpty
        }
    }

    private func json(_ value: ProtobufValue, _ field: FieldDescriptor, _ depth: Int) throws(ProtobufError) -> JSONValue
    {
        switch value {
        case .int32(let value): return .number(Int64(value))
        case .uint32(let value): return .number(Int64(value))
        case .int64(let value): return .string("\(value)")
        case .uint64(let value): return .string("\(value)")
        case .bool(let value): return .bool(value)
        case .float(let value): return Self.json(value, "\(value)")
        case .double(let value): return Self.json(value, "\(value)")
        case .string(let value): return .string(value)
        case .bytes(let value): return .string(Base64.encode(value))
        case .enumeration(let number):
            guard field.typeIndex >= 0, field.typeIndex < schema.enums.count else { return .number(Int64(number)) }
            let descriptor = schema.enums[field.typeIndex]
            if descriptor.fullName == "google.protobuf.NullValue" { return .null }
            guard !options.writesEnumsAsNumbers, let name = descriptor.name(of: number) else {
                return .number(Int64(number))
            }
            return .string(name)
        case .message(let message): return try json(message, depth: depth + 1)
        case .list(let list):
            var elements: [JSONValue] = []
            for element in list { elements.append(try json(element, field, depth)) }
            return .array(elements)
        case .map(let entries):
            let entry = schema.messages[field.typeIndex]
            guard let valueIndex = entry.fieldIndex(number: 2) else { return .object([]) }
            var members: [(String, JSONValue)] = []
            for pair in entries {
                members.append((Self.key(pair.key), try json(pair.value, entry.fields[valueIndex], depth)))
            }
            return .object(members)
        }
    }

    private static func json<Number: BinaryFloatingPoint>(_ value: Number, _ digits: String) -> JSONValue {
        if value.isNaN { return .string("NaN") }
        if value.isInfinite { return .string(value < 0 ? "-Infinity" : "Infinity") }
        return .raw(Array(digits.utf8))
    }

    private static func key(_ key: ProtobufValue) -> String {
        switch key {
        case .int32(let value), .enumeration(let value): "\(value)"
        case .int64(let value): "\(value)"
        case .uint32(let value): "\(value)"
        case .uint64(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .string(let value): value
        case .float, .double, .bytes, .message, .list, .map: ""  // no keys of maps
        }
    }

    // MARK: Well-known messages

    private func wellKnown(
        _ kind: WellKnownMessage, _ message: ProtobufMessage, _ descriptor: MessageDescriptor, _ depth: Int
    ) throws(ProtobufError) -> JSONValue {
        func field(_ number: Int32) -> ProtobufValue? {
            descriptor.fieldIndex(number: number).flatMap { index in
                message.values[index] ?? schema.defaultValue(of: descriptor.fields[index])
            }
        }
        switch kind {
        case .any: return try any(field(1), field(2), depth)
        case .timestamp, .duration:
            guard case .int64(let seconds)? = field(1), case .int32(let nanos)? = field(2) else { break }
            let text =
                kind == .timestamp
                ? ProtobufTime.timestampText(seconds, nanos) : ProtobufTime.durationText(seconds, nanos)
            guard let text else {
                throw ProtobufError(.value, "\(descriptor.fullName) of \(seconds) s and \(nanos) ns is out of range")
            }
            return .string(text)
        case .fieldMask:
            guard case .list(let paths)? = field(1) else { return .string("") }
            var texts: [String] = []
            for case .string(let path) in paths {
                let text = Linker.jsonName(path)
                guard FieldMaskPath.snake(text) == path else {
                    throw ProtobufError(.value, "\"\(path)\" cannot be a path in JSON")
                }
                texts.append(text)
            }
            return .string(texts.joined(separator: ","))
        case .structure:
            guard let index = descriptor.fieldIndex(number: 1) else { break }
            return try json(message.values[index] ?? .map([]), descriptor.fields[index], depth)
        case .list:
            guard let index = descriptor.fieldIndex(number: 1) else { break }
            return try json(message.values[index] ?? .list([]), descriptor.fields[index], depth)
        case .value:
            for (index, value) in message.values.enumerated() {
                guard let value else { continue }
                switch value {
                case .enumeration: return .null
                case .double(let number) where !number.isFinite:
                    throw ProtobufError(.value, "a Value cannot hold \(number)")
                default: return try json(value, descriptor.fields[index], depth)
                }
            }
            return .null
        case .doubleValue, .floatValue, .int64Value, .uint64Value, .int32Value, .uint32Value, .boolValue, .stringValue,
            .bytesValue:
            guard let index = descriptor.fieldIndex(number: 1), let value = field(1) else { break }
            return try json(value, descriptor.fields[index], depth)
        }
        // A message of that name that is not the well-known one.
        return .object(try members(message, descriptor, depth))
    }

    private func any(_ url: ProtobufValue?, _ bytes: ProtobufValue?, _ depth: Int) throws(ProtobufError) -> JSONValue {
        guard case .string(let url)? = url, case .bytes(let bytes)? = bytes, !url.isEmpty else { return .object([]) }
        let name = url.split(separator: "/").last.map(String.init) ?? url
        guard let index = schema.messageIndex(named: name) else {
            throw ProtobufError(.value, "an Any of \"\(url)\", which this schema does not have")
        }
        let message: ProtobufMessage
        do { message = try schema.decode(bytes, as: index) } catch {
            throw ProtobufError(.value, "an Any of \"\(url)\" that cannot be read: \(error)")
        }
        let content = try json(message, depth: depth + 1)
        let type = ("@type", JSONValue.string(url))
        if schema.messages[index].wellKnown == nil, case .object(let members) = content {
            return .object([type] + members)
        }
        return .object([type, ("value", content)])
    }
}

/// Paths of a field mask: `foo_bar.baz` is `fooBar.baz` in JSON.
enum FieldMaskPath {
    /// nil for what is no path in JSON.
    static func snake(_ text: String) -> String? {
        var output: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x41...0x5A: output += [UInt8(ascii: "_"), byte + 0x20]
            case UInt8(ascii: "_"): return nil
            default: output.append(byte)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
