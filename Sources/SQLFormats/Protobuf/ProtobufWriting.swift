import ProtobufFormat
import SQLTypes

/// Writes rows as messages of one schema.
final class ProtobufRowEncoder: RowEncoder {
    private let schema: ProtobufSchema
    private let message: Int
    private let columns: [SQLField]
    private let frame: [UInt8]
    private let topic: String

    /// - Parameter frame: what stands in front of each message.
    /// - Throws: `.serialization` when the message has no place for a column.
    init(
        _ schema: ProtobufSchema, message: Int, columns: [SQLField], frame: [UInt8], topic: String
    ) throws(FormatError) {
        self.schema = schema
        self.message = message
        self.columns = columns
        self.frame = frame
        self.topic = topic
        let descriptor = schema.messages[message]
        for column in columns where ProtobufWriting.place(of: column.name, in: descriptor) == nil {
            throw FormatError(.serialization, "Schema from Schema Registry misses field with name: \(column.name)")
        }
    }

    func append(_ row: [SQLValue], to output: inout [UInt8]) throws(FormatError) -> Bool {
        do throws(FormatError) {
            let written = try ProtobufWriting(schema: schema).message(row, columns, message)
            output += frame
            do throws(ProtobufError) { try schema.encode(written, to: &output) } catch {
                throw FormatError(.serialization, error.message)
            }
        } catch {
            throw FormatError(
                .serialization, "Error serializing message to topic: \(topic). \(error.message)",
                causes: [error.message])
        }
        return true
    }
}

/// Makes messages of SQL values. What is null is not set.
struct ProtobufWriting {
    let schema: ProtobufSchema

    enum Place {
        case field(Int)
        /// A structure whose field that is not null becomes that member of the message.
        case oneof(Int)
    }

    static func place(of name: String, in message: MessageDescriptor) -> Place? {
        if let place = message.fieldIndex(name: name) { return .field(place) }
        for (number, oneof) in message.oneofs.enumerated() where "\(oneof)_\(number)" == name { return .oneof(number) }
        return nil
    }

    func message(_ values: [SQLValue], _ fields: [SQLField], _ index: Int) throws(FormatError) -> ProtobufMessage {
        var message = schema.emptyMessage(index)
        let descriptor = schema.messages[index]
        for (value, field) in zip(values, fields) where !value.isNull {
            switch Self.place(of: field.name, in: descriptor) {
            case .field(let place): message.values[place] = try self.value(value, field.type, descriptor.fields[place])
            case .oneof:
                guard case .structure(let members) = value, case .structure(let types) = field.type else { continue }
                for (member, type) in zip(members, types) where !member.isNull {
                    guard let place = descriptor.fieldIndex(name: type.name) else { continue }
                    message.values[place] = try self.value(member, type.type, descriptor.fields[place])
                    break
                }
            case nil:
                throw FormatError(.serialization, "Cannot find field with name \(field.name)")
            }
        }
        return message
    }

    private func value(
        _ value: SQLValue, _ type: SQLType, _ field: FieldDescriptor
    ) throws(FormatError) -> ProtobufValue? {
        switch (value, type) {
        case (.map(let map), .map(let keyType, let valueType)):
            guard let (key, element) = ProtobufEntries.fields(field, schema) else { throw misfit(type, field) }
            var messages: [ProtobufValue] = []
            var entries: [ProtobufMapEntry] = []
            for entry in map.entries {
                let writtenKey = entry.0.isNull ? nil : try self.value(entry.0, keyType, key)
                let writtenValue = entry.1.isNull ? nil : try self.value(entry.1, valueType, element)
                if field.isMap {
                    entries.append(
                        .init(
                            writtenKey ?? schema.defaultValue(of: key), writtenValue ?? schema.defaultValue(of: element)
                        ))
                    continue
                }
                var message = schema.emptyMessage(field.typeIndex)
                let descriptor = schema.messages[field.typeIndex]
                if let place = descriptor.fieldIndex(name: "key") { message.values[place] = writtenKey }
                if let place = descriptor.fieldIndex(name: "value") { message.values[place] = writtenValue }
                messages.append(.message(message))
            }
            return field.isMap ? .map(entries) : .list(messages)
        case (.array(let values), .array(let element)):
            guard field.isRepeated, !field.isMap else { throw misfit(type, field) }
            var list: [ProtobufValue] = []
            list.reserveCapacity(values.count)
            for value in values {
                var single = field
                single.cardinality = .optional
                if value.isNull {
                    list.append(schema.defaultValue(of: single))
                } else if let written = try self.value(value, element, single) {
                    list.append(written)
                }
            }
            return .list(list)
        default: break
        }
        guard !field.isRepeated else { throw misfit(type, field) }
        return try scalar(value, type, field)
    }

    /// One value of a field, whatever its cardinality.
    func single(_ value: SQLValue, _ type: SQLType, _ field: FieldDescriptor) throws(FormatError) -> ProtobufValue {
        try scalar(value, type, field)
    }

    private func scalar(
        _ value: SQLValue, _ type: SQLType, _ field: FieldDescriptor
    ) throws(FormatError) -> ProtobufValue {
        switch (field.kind, value) {
        case (.bool, .boolean(let flag)): return .bool(flag)
        case (.int32, .int(let number)), (.sint32, .int(let number)), (.sfixed32, .int(let number)):
            return .int32(number)
        case (.int64, .bigint(let number)), (.sint64, .bigint(let number)), (.sfixed64, .bigint(let number)):
            return .int64(number)
        case (.int64, .int(let number)), (.sint64, .int(let number)), (.sfixed64, .int(let number)):
            return .int64(Int64(number))
        case (.uint32, .bigint(let number)), (.fixed32, .bigint(let number)):
            return .uint32(UInt32(truncatingIfNeeded: number))
        case (.uint64, .bigint(let number)), (.fixed64, .bigint(let number)):
            return .uint64(UInt64(bitPattern: number))
        case (.double, .double(let number)): return .double(number)
        case (.float, .double(let number)): return .float(Float(number))
        case (.string, .string(let text)): return .string(text)
        case (.bytes, .bytes(let bytes)): return .bytes(bytes)
        case (.enumeration, .string(let text)):
            guard let number = schema.enums[field.typeIndex].number(of: text) else {
                throw FormatError(
                    .serialization, "\(text) is no constant of \(schema.enums[field.typeIndex].fullName)")
            }
            return .enumeration(number)
        case (.message, _), (.group, _): return try message(value, type, field)
        default: throw misfit(type, field)
        }
    }

    private func message(
        _ value: SQLValue, _ type: SQLType, _ field: FieldDescriptor
    ) throws(FormatError) -> ProtobufValue {
        let descriptor = schema.messages[field.typeIndex]
        var message = schema.emptyMessage(field.typeIndex)
        func set(_ name: String, _ value: ProtobufValue) {
            if let place = descriptor.fieldIndex(name: name) { message.values[place] = value }
        }
        switch (descriptor.fullName, value) {
        case ("confluent.type.Decimal", .decimal(let decimal)):
            set("value", .bytes(decimal.bigEndian))
            set("precision", .uint32(UInt32(truncatingIfNeeded: decimal.precision)))
            set("scale", .int32(Int32(truncatingIfNeeded: decimal.scale)))
        case ("google.type.Date", .date(let days)):
            let date = CivilDate(days: Int(days))
            set("year", .int32(Int32(truncatingIfNeeded: date.year)))
            set("month", .int32(Int32(truncatingIfNeeded: date.month)))
            set("day", .int32(Int32(truncatingIfNeeded: date.day)))
        case ("google.type.TimeOfDay", .time(let time)):
            set("hours", .int32(time / 3_600_000))
            set("minutes", .int32(time / 60_000 % 60))
            set("seconds", .int32(time / 1000 % 60))
            set("nanos", .int32(time % 1000 * 1_000_000))
        case ("google.protobuf.Timestamp", .timestamp(let time)):
            // Nanoseconds count from the second before.
            let rest = time % 1000
            set("seconds", .int64(rest < 0 ? time / 1000 - 1 : time / 1000))
            set("nanos", .int32(Int32(truncatingIfNeeded: (rest < 0 ? rest + 1000 : rest) * 1_000_000)))
        case (let name, let value) where ProtobufEntries.wrapped(name) != nil && type.fields == nil:
            guard let inner = descriptor.fields.first else { throw misfit(type, field) }
            set(inner.name, try scalar(value, type, inner))
        case (_, .structure(let values)):
            guard case .structure(let fields) = type else { throw misfit(type, field) }
            return .message(try self.message(values, fields, field.typeIndex))
        default: throw misfit(type, field)
        }
        return .message(message)
    }

    private func misfit(_ type: SQLType, _ field: FieldDescriptor) -> FormatError {
        FormatError(.serialization, "The message has no place for field \"\(field.name)\" of type \(type)")
    }
}
