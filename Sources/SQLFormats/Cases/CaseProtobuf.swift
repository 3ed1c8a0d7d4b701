import Bytes
import JSONFormat
import ProtobufFormat
import SQLTypes

/// Messages in test cases.
struct CaseProtobuf {
    let schema: ProtobufSchema

    /// The bytes of the message that a case's JSON stands for.
    func bytes(_ json: JSONValue, message: Int) throws(FormatError) -> [UInt8] {
        let written = try self.message(json, message, "$")
        do throws(ProtobufError) { return try schema.encode(written) } catch {
            throw FormatError(.serialization, error.message)
        }
    }

    func value(_ bytes: [UInt8], message: Int) throws(FormatError) -> CaseValue {
        do throws(WireError) { return value(try schema.decode(bytes, as: message)) } catch {
            throw FormatError(.deserialization, error.description)
        }
    }

    // MARK: JSON to messages

    private func message(
        _ json: JSONValue, _ index: Int, _ path: String
    ) throws(FormatError) -> ProtobufMessage {
        let descriptor = schema.messages[index]
        guard let members = json.members else {
            throw FormatError(.serialization, "\(path): expected an object for \(descriptor.fullName)")
        }
        var message = schema.emptyMessage(index)
        for (place, field) in descriptor.fields.enumerated() {
            var member = CaseAvro.member(field.name, of: members)
            if member == nil, let oneof = field.oneofIndex {
                member = CaseAvro.member("\(descriptor.oneofs[oneof])_\(oneof)", of: members)?.members
                    .flatMap { CaseAvro.member(field.name, of: $0) }
            }
            guard let member else { continue }
            if case .null = member { continue }
            message.values[place] = try value(member, field, "\(path).\(field.name)")
        }
        return message
    }

    private func value(
        _ json: JSONValue, _ field: FieldDescriptor, _ path: String
    ) throws(FormatError) -> ProtobufValue {
        if let (key, value) = ProtobufEntries.fields(field, schema), let members = json.members {
            var messages: [ProtobufValue] = []
            var entries: [ProtobufMapEntry] = []
            for (name, member) in members {
                let writtenKey = try single(.string(name), key, path)
                var writtenValue: ProtobufValue?
                if case .null = member {} else { writtenValue = try self.value(member, value, "\(path).\(name)") }
                if field.isMap {
                    entries.append(.init(writtenKey, writtenValue ?? schema.defaultValue(of: value)))
                    continue
                }
                var message = schema.emptyMessage(field.typeIndex)
                let descriptor = schema.messages[field.typeIndex]
                if let place = descriptor.fieldIndex(name: "key") { message.values[place] = writtenKey }
                if let place = descriptor.fieldIndex(name: "value") { message.values[place] = writtenValue }
                messages.append(.message(message))
            }
            return field.isMap ? .map(entries) : .list(messages)
        }
        guard field.isRepeated else { return try single(json, field, path) }
        guard let elements = json.elements else { throw misfit(json, field, path) }
        var list: [ProtobufValue] = []
        for (index, element) in elements.enumerated() {
            var one = field
            one.cardinality = .optional
            if case .null = element {
                list.append(schema.defaultValue(of: one))
            } else {
                list.append(try single(element, field, "\(path)[\(index)]"))
            }
        }
        return .list(list)
    }

    private func single(
        _ json: JSONValue, _ field: FieldDescriptor, _ path: String
    ) throws(FormatError) -> ProtobufValue {
        let number: SQLDecimal? =
            switch json {
            case .number(let value): SQLDecimal(value)
            case .raw(let text): SQLDecimal(utf8: text)
            case .string(let text): SQLDecimal(utf8: Array(text.utf8))
            default: nil
            }
        switch field.kind {
        case .bool: if let flag = json.flag { return .bool(flag) }
        case .int32, .sint32, .sfixed32:
            if let number { return .int32(Int32(truncatingIfNeeded: number.int64Truncating)) }
        case .int64, .sint64, .sfixed64: if let number { return .int64(number.int64Truncating) }
        case .uint32, .fixed32: if let number { return .uint32(UInt32(truncatingIfNeeded: number.int64Truncating)) }
        case .uint64, .fixed64: if let number { return .uint64(UInt64(bitPattern: number.int64Truncating)) }
        case .float: if let number { return .float(Float(number.doubleValue)) }
        case .double: if let number { return .double(number.doubleValue) }
        case .string: return .string(CaseCodec.plainText(json))
        case .bytes: if let bytes = json.text.flatMap({ SQLTypes.Base64.decode($0) }) { return .bytes(bytes) }
        case .enumeration:
            let constants = schema.enums[field.typeIndex]
            if let constant = json.text.flatMap({ constants.number(of: $0) }) { return .enumeration(constant) }
            if case .number(let value) = json { return .enumeration(Int32(truncatingIfNeeded: value)) }
        case .message, .group:
            let descriptor = schema.messages[field.typeIndex]
            let writing = ProtobufWriting(schema: schema)
            var one = field
            one.cardinality = .optional
            let whole = number?.int64Truncating
            switch descriptor.fullName {
            case "confluent.type.Decimal":
                if let number { return try writing.single(.decimal(number), .decimal(precision: 64, scale: 0), one) }
            case "google.type.Date":
                if let whole { return try writing.single(.date(Int32(truncatingIfNeeded: whole)), .date, one) }
            case "google.type.TimeOfDay":
                if let whole { return try writing.single(.time(Int32(truncatingIfNeeded: whole)), .time, one) }
            case "google.protobuf.Timestamp":
                if let whole { return try writing.single(.timestamp(whole), .timestamp, one) }
            case let name where ProtobufEntries.wrapped(name) != nil && json.members == nil:
                var message = schema.emptyMessage(field.typeIndex)
                if let inner = descriptor.fields.first { message.values[0] = try single(json, inner, path) }
                return .message(message)
            default: return .message(try message(json, field.typeIndex, path))
            }
            if json.members != nil { return .message(try message(json, field.typeIndex, path)) }
        }
        throw misfit(json, field, path)
    }

    private func misfit(_ json: JSONValue, _ field: FieldDescriptor, _ path: String) -> FormatError {
        FormatError(
            .serialization, "\(path): \(String(decoding: json.bytes, as: UTF8.self)) does not fit field \(field.name)")
    }

    // MARK: Messages to what a case sees

    private func value(_ message: ProtobufMessage) -> CaseValue {
        let descriptor = schema.messages[message.typeIndex]
        var fields: [(name: String, value: CaseValue)] = []
        for (number, oneof) in descriptor.oneofs.enumerated() {
            let places = descriptor.fields.indices.filter { descriptor.fields[$0].oneofIndex == number }
            let isSet = places.contains { message.values[$0] != nil }
            fields.append(
                (
                    "\(oneof)_\(number)",
                    isSet
                        ? .object(
                            places.map {
                                (descriptor.fields[$0].name, value(message.values[$0], descriptor.fields[$0]))
                            })
                        : .null
                ))
        }
        for (place, field) in descriptor.fields.enumerated() where field.oneofIndex == nil && !field.isExtension {
            var written = message.values[place]
            if written == nil, !field.hasPresence { written = schema.defaultValue(of: field) }
            fields.append((field.name, value(written, field)))
        }
        return .object(fields)
    }

    private func value(_ value: ProtobufValue?, _ field: FieldDescriptor) -> CaseValue {
        guard let value else { return .null }
        switch value {
        case .int32(let number): return .integer(Int64(number))
        case .int64(let number): return .integer(number)
        case .uint32(let number): return .integer(Int64(number))
        case .uint64(let number): return .integer(Int64(bitPattern: number))
        case .bool(let flag): return .boolean(flag)
        case .float(let number): return .double(Double(number))
        case .double(let number): return .double(number)
        case .string(let text): return .text(text)
        case .bytes(let bytes): return .bytes(bytes)
        case .enumeration(let number): return .text(schema.enums[field.typeIndex].name(of: number) ?? "\(number)")
        case .map(let entries):
            guard let (key, element) = ProtobufEntries.fields(field, schema) else { return .null }
            return .object(entries.map { (Self.key(self.value($0.key, key)), self.value($0.value, element)) })
        case .list(let elements):
            if let (key, element) = ProtobufEntries.fields(field, schema) {
                return .object(
                    elements.compactMap { entry in
                        guard case .message(let message) = entry else { return nil }
                        func part(_ name: String, _ field: FieldDescriptor) -> CaseValue {
                            let written = message.value(name, in: schema)
                            return self.value(
                                written ?? (field.hasPresence ? nil : schema.defaultValue(of: field)), field)
                        }
                        return (Self.key(part("key", key)), part("value", element))
                    })
            }
            return .array(elements.map { self.value($0, field) })
        case .message(let message): return self.message(message)
        }
    }

    private static func key(_ value: CaseValue) -> String {
        if case .text(let text) = value { text } else { value.description }
    }

    private func message(_ message: ProtobufMessage) -> CaseValue {
        func number(_ name: String) -> Int64 {
            switch message.value(name, in: schema) {
            case .int32(let number): Int64(number)
            case .int64(let number): number
            default: 0
            }
        }
        switch schema.messages[message.typeIndex].fullName {
        case "confluent.type.Decimal":
            let scale = number("scale")
            guard case .bytes(let bytes) = message.value("value", in: schema), 0...20_000 ~= scale else { return .null }
            return .decimal(SQLDecimal(bigEndian: bytes, scale: Int(scale)))
        case "google.type.Date":
            guard -9999...9999 ~= number("year"), 1...12 ~= number("month"), 1...31 ~= number("day") else {
                return .null
            }
            let date = CivilDate(year: Int(number("year")), month: Int(number("month")), day: Int(number("day")))
            return .integer(Int64(date.days))
        case "google.type.TimeOfDay":
            let seconds = (number("hours") * 60 + number("minutes")) * 60 + number("seconds")
            return .integer(seconds * 1000 + number("nanos") / 1_000_000)
        case "google.protobuf.Timestamp":
            let milliseconds = number("seconds").multipliedReportingOverflow(by: 1000)
            guard !milliseconds.overflow else { return .null }
            return .integer(milliseconds.partialValue.addingReportingOverflow(number("nanos") / 1_000_000).partialValue)
        case let name where ProtobufEntries.wrapped(name) != nil:
            guard let field = schema.messages[message.typeIndex].fields.first else { return .null }
            return value(message.values[0] ?? schema.defaultValue(of: field), field)
        default: return value(message)
        }
    }
}
