package import JSONFormat

extension ProtobufSchema {
    /// Reads a message of the type at this place in `messages` from JSON.
    ///
    /// Members are found by either of their names; numbers and their texts are the same, as Protocol Buffers demands.
    ///
    /// - Throws: `.value` with the path of the member that does not fit, is not known or is there twice.
    package func message(
        json: JSONValue, as typeIndex: Int, options: ProtobufJSONOptions = ProtobufJSONOptions()
    ) throws(ProtobufError) -> ProtobufMessage {
        var reader = MessageJSONReader(schema: self, options: options)
        return try reader.message(json, typeIndex, depth: 1)
    }
}

private struct MessageJSONReader {
    let schema: ProtobufSchema
    let options: ProtobufJSONOptions
    private var path: [String] = []

    init(schema: ProtobufSchema, options: ProtobufJSONOptions) {
        self.schema = schema
        self.options = options
    }

    private func failure(_ message: String) -> ProtobufError {
        ProtobufError(.value, path.isEmpty ? message : "\(path.joined(separator: ".")): \(message)")
    }

    mutating func message(_ json: JSONValue, _ typeIndex: Int, depth: Int) throws(ProtobufError) -> ProtobufMessage {
        guard depth <= Wire.depthMax else { throw failure("messages are nested too deep") }
        let descriptor = schema.messages[typeIndex]
        if let kind = descriptor.wellKnown, let message = try wellKnown(kind, json, typeIndex, descriptor, depth) {
            return message
        }
        return try fields(json, typeIndex, descriptor, depth, passing: [])
    }

    private mutating func fields(
        _ json: JSONValue, _ typeIndex: Int, _ descriptor: MessageDescriptor, _ depth: Int, passing: Set<String>
    ) throws(ProtobufError) -> ProtobufMessage {
        guard case .object(let members) = json else { throw failure("\"\(descriptor.fullName)\" is not an object") }
        var message = schema.emptyMessage(typeIndex)
        var oneofs: Set<Int> = []
        var seen: Set<Int> = []
        for (name, value) in members where !passing.contains(name) {
            path.append(name)
            defer { path.removeLast() }
            guard let index = descriptor.fieldIndex(jsonName: name) else {
                if options.ignoresUnknown { continue }
                throw failure("\"\(descriptor.fullName)\" has no field of this name")
            }
            guard seen.insert(index).inserted else { throw failure("a field that is there twice") }
            let field = descriptor.fields[index]
            if case .null = value, !takesNull(field) { continue }
            if let oneof = field.oneofIndex {
                guard oneofs.insert(oneof).inserted else {
                    throw failure("a second field of the oneof \"\(descriptor.oneofs[oneof])\"")
                }
            }
            if let value = try self.value(value, field, depth) { message.values[index] = value }
        }
        for index in descriptor.requiredFields where message.values[index] == nil {
            throw failure("required field \"\(descriptor.fullName).\(descriptor.fields[index].name)\" is missing")
        }
        return message
    }

    /// Whether null is a value of a field and not the lack of one.
    private func takesNull(_ field: FieldDescriptor) -> Bool {
        guard !field.isRepeated, field.typeIndex >= 0 else { return false }
        switch field.kind {
        case .message: return schema.messages[field.typeIndex].wellKnown == .value
        case .enumeration: return schema.enums[field.typeIndex].fullName == "google.protobuf.NullValue"
        default: return false
        }
    }

    /// nil for a constant that is not known and may be passed over.
    private mutating func value(
        _ json: JSONValue, _ field: FieldDescriptor, _ depth: Int
    ) throws(ProtobufError) -> ProtobufValue? {
        switch field.cardinality {
        case .optional, .required: return try single(json, field, depth)
        case .repeated:
            guard case .array(let elements) = json else { throw failure("not an array") }
            var list: [ProtobufValue] = []
            for (index, element) in elements.enumerated() {
                path.append("\(index)")
                defer { path.removeLast() }
                if let value = try single(element, field, depth) { list.append(value) }
            }
            return .list(list)
        case .map:
            guard case .object(let members) = json else { throw failure("not an object") }
            let entry = schema.messages[field.typeIndex]
            guard let keyIndex = entry.fieldIndex(number: 1), let valueIndex = entry.fieldIndex(number: 2) else {
                throw failure("no map")
            }
            var entries: [ProtobufMapEntry] = []
            var seen: Set<ProtobufValue> = []
            for (name, member) in members {
                path.append(name)
                defer { path.removeLast() }
                let key = try self.key(name, entry.fields[keyIndex].kind)
                guard seen.insert(key).inserted else { throw failure("a key that is there twice") }
                if let value = try single(member, entry.fields[valueIndex], depth) {
                    entries.append(ProtobufMapEntry(key, value))
                }
            }
            return .map(entries)
        }
    }

    private func key(_ text: String, _ kind: FieldKind) throws(ProtobufError) -> ProtobufValue {
        switch kind {
        case .string: return .string(text)
        case .bool:
            switch text {
            case "true": return .bool(true)
            case "false": return .bool(false)
            default: throw failure("neither true nor false")
            }
        default: return try number(.string(text), kind)
        }
    }

    private mutating func single(
        _ json: JSONValue, _ field: FieldDescriptor, _ depth: Int
    ) throws(ProtobufError) -> ProtobufValue? {
        switch field.kind {
        case .message, .group: return .message(try message(json, field.typeIndex, depth: depth + 1))
        case .enumeration:
            let descriptor = schema.enums[field.typeIndex]
            switch json {
            case .string(let name):
                if let number = descriptor.number(of: name) { return .enumeration(number) }
                if let number = Int32(name) { return .enumeration(number) }
                if options.ignoresUnknown { return nil }
                throw failure("\"\(descriptor.fullName)\" has no constant \"\(name)\"")
            case .null where descriptor.fullName == "google.protobuf.NullValue": return .enumeration(0)
            default:
                guard let value = Self.integer(json), let number = Int32(exactly: value) else {
                    throw failure("no constant of \"\(descriptor.fullName)\"")
                }
                if descriptor.isClosed, descriptor.name(of: number) == nil {
                    if options.ignoresUnknown { return nil }
                    throw failure("\"\(descriptor.fullName)\" has no constant \(number)")
                }
                return .enumeration(number)
            }
        case .bool:
            guard case .bool(let value) = json else { throw failure("neither true nor false") }
            return .bool(value)
        case .string:
            guard case .string(let text) = json else { throw failure("not a string") }
            return .string(text)
        case .bytes:
            guard case .string(let text) = json, let bytes = Base64.decode(text) else { throw failure("not base 64") }
            return .bytes(bytes)
        default: return try number(json, field.kind)
        }
    }

    private func number(_ json: JSONValue, _ kind: FieldKind) throws(ProtobufError) -> ProtobufValue {
        func integer<Number: FixedWidthInteger>(_: Number.Type) throws(ProtobufError) -> Number {
            guard let value = Self.integer(json) else { throw failure("not an integer") }
            guard let number = Number(exactly: value) else { throw failure("\(value) is out of range") }
            return number
        }
        switch kind {
        case .int32, .sint32, .sfixed32: return .int32(try integer(Int32.self))
        case .int64, .sint64, .sfixed64: return .int64(try integer(Int64.self))
        case .uint32, .fixed32: return .uint32(try integer(UInt32.self))
        case .uint64, .fixed64: return .uint64(try integer(UInt64.self))
        case .double:
            guard let text = Self.digits(json) else { throw failure("not a number") }
            guard let value = Double(text) else { throw failure("not a number") }
            guard value.isFinite || Self.isSpecial(text) else { throw failure("\(text) is out of range") }
            return .double(value)
        case .float:
            guard let text = Self.digits(json), let value = Float(text) else { throw failure("not a number") }
            guard value.isFinite || Self.isSpecial(text) else { throw failure("\(text) is out of range") }
            return .float(value)
        default: throw failure("not a number")
        }
    }

    private static func isSpecial(_ text: String) -> Bool { ["nan", "inf", "-inf"].contains(text) }

    /// The digits of a number or of a text that is one; `nan`, `inf` and `-inf` for the three words.
    private static func digits(_ json: JSONValue) -> String? {
        switch json {
        case .number(let value): return "\(value)"
        case .raw(let bytes): return String(decoding: bytes, as: UTF8.self)
        case .string("NaN"): return "nan"
        case .string("Infinity"): return "inf"
        case .string("-Infinity"): return "-inf"
        case .string(let text):
            // What JSON allows as a number, and nothing that only Swift reads.
            guard case .some(let parsed) = JSONValue.parse(Array(text.utf8)), text.utf8.first != 0x20 else {
                return nil
            }
            switch parsed {
            case .number, .raw: return text.utf8.last.map(ProtoLexer.isDigit) == true ? text : nil
            default: return nil
            }
        default: return nil
        }
    }

    /// An integer, also written as `1.0` or `1e3`.
    private static func integer(_ json: JSONValue) -> Int128? {
        guard let text = digits(json) else { return nil }
        if let value = Int128(text) { return value }
        guard let value = Double(text), value.isFinite, abs(value) < 1e20 else { return nil }
        return Int128(exactly: value)
    }

    // MARK: Well-known messages

    /// nil when the message only has the name of a well-known one.
    private mutating func wellKnown(
        _ kind: WellKnownMessage, _ json: JSONValue, _ typeIndex: Int, _ descriptor: MessageDescriptor, _ depth: Int
    ) throws(ProtobufError) -> ProtobufMessage? {
        var message = schema.emptyMessage(typeIndex)
        func place(_ number: Int32, _ kind: FieldKind, isRepeated: Bool = false) -> Int? {
            guard let index = descriptor.fieldIndex(number: number) else { return nil }
            return descriptor.fields[index].kind == kind && descriptor.fields[index].isRepeated == isRepeated
                ? index : nil
        }
        switch kind {
        case .any: return try any(json, message, descriptor, depth)
        case .timestamp, .duration:
            guard let seconds = place(1, .int64), let nanos = place(2, .int32) else { return nil }
            guard case .string(let text) = json,
                let time = kind == .timestamp ? ProtobufTime.timestamp(text) : ProtobufTime.duration(text)
            else { throw failure("no \(kind == .timestamp ? "timestamp" : "duration")") }
            message.values[seconds] = .int64(time.seconds)
            message.values[nanos] = .int32(time.nanos)
        case .fieldMask:
            guard let paths = place(1, .string, isRepeated: true) else { return nil }
            guard case .string(let text) = json else { throw failure("not a string") }
            var list: [ProtobufValue] = []
            for part in text.split(separator: ",") {
                guard let path = FieldMaskPath.snake(String(part)) else { throw failure("\"\(part)\" is no path") }
                list.append(.string(path))
            }
            message.values[paths] = .list(list)
        case .structure:
            guard let fields = place(1, .message, isRepeated: true), descriptor.fields[fields].isMap else { return nil }
            message.values[fields] = try value(json, descriptor.fields[fields], depth)
        case .list:
            guard let values = place(1, .message, isRepeated: true) else { return nil }
            message.values[values] = try value(json, descriptor.fields[values], depth)
        case .value:
            guard let null = place(1, .enumeration), let number = place(2, .double), let string = place(3, .string),
                let flag = place(4, .bool), let structure = place(5, .message), let list = place(6, .message)
            else { return nil }
            switch json {
            case .null: message.values[null] = .enumeration(0)
            case .bool(let value): message.values[flag] = .bool(value)
            case .number, .raw: message.values[number] = try self.number(json, .double)
            case .string(let text): message.values[string] = .string(text)
            case .object: message.values[structure] = try single(json, descriptor.fields[structure], depth)
            case .array: message.values[list] = try single(json, descriptor.fields[list], depth)
            }
        case .doubleValue, .floatValue, .int64Value, .uint64Value, .int32Value, .uint32Value, .boolValue, .stringValue,
            .bytesValue:
            guard let index = descriptor.fieldIndex(number: 1) else { return nil }
            message.values[index] = try single(json, descriptor.fields[index], depth)
        }
        return message
    }

    private mutating func any(
        _ json: JSONValue, _ empty: ProtobufMessage, _ descriptor: MessageDescriptor, _ depth: Int
    ) throws(ProtobufError) -> ProtobufMessage? {
        guard let url = descriptor.fieldIndex(number: 1), let value = descriptor.fieldIndex(number: 2) else {
            return nil
        }
        guard case .object(let members) = json else { throw failure("not an object") }
        if members.isEmpty { return empty }
        guard let type = json["@type"]?.text, let name = type.split(separator: "/").last.map(String.init) else {
            throw failure("an Any without \"@type\"")
        }
        guard let index = schema.messageIndex(named: name) else {
            throw failure("an Any of \"\(type)\", which this schema does not have")
        }
        let content: ProtobufMessage
        if schema.messages[index].wellKnown != nil {
            guard let inner = json["value"] else { throw failure("an Any of \"\(type)\" without \"value\"") }
            content = try message(inner, index, depth: depth + 1)
        } else {
            guard depth < Wire.depthMax else { throw failure("messages are nested too deep") }
            content = try fields(json, index, schema.messages[index], depth + 1, passing: ["@type"])
        }
        var message = empty
        message.values[url] = .string(type)
        message.values[value] = .bytes(try schema.encode(content))
        return message
    }
}
