import Avro
import JSONFormat
import ProtobufFormat
import SQLTypes

/// What Connect's converters see in Avro schemas beyond their types.
enum AvroEntries {
    /// The types of key and value when an array of such items stands for a map whose keys can be null.
    static func fields(_ items: AvroSchema.ID, _ schema: AvroSchema) -> (key: AvroSchema.ID, value: AvroSchema.ID)? {
        guard case .record(let record) = schema.types[items].kind, record.fields.count == 2,
            let key = record.index(of: "key"), let value = record.index(of: "value")
        else { return nil }
        let isMarked = schema.types[items].properties.contains {
            $0.name == "connect.internal.type" && $0.value.text == "MapEntry"
        }
        guard isMarked || record.name.full == "io.confluent.connect.avro.MapEntry" else { return nil }
        return (record.fields[key].type, record.fields[value].type)
    }

    static func isNull(_ id: AvroSchema.ID, _ schema: AvroSchema) -> Bool {
        if case .primitive(.null) = schema.types[id].kind { true } else { false }
    }

    /// Branches other than null.
    static func values(_ branches: [AvroSchema.ID], _ schema: AvroSchema) -> [AvroSchema.ID] {
        branches.filter { !isNull($0, schema) }
    }

    /// Names of branches as fields, as the columns of Avro records have them.
    static func branchNames(_ branches: [AvroSchema.ID], _ schema: AvroSchema) -> [String] {
        let short = branches.map { schema.types[$0].name?.name ?? schema.types[$0].word }
        return Set(short).count == short.count ? short : branches.map { schema.types[$0].branchName }
    }

    /// The type itself, or the one branch of a union that is not null.
    static func value(_ id: AvroSchema.ID, _ schema: AvroSchema) -> AvroSchema.ID {
        guard case .union(let branches) = schema.types[id].kind else { return id }
        let values = values(branches, schema)
        return values.count == 1 ? values[0] : id
    }
}

/// What Connect's converters see in Protobuf messages beyond their fields.
enum ProtobufEntries {
    /// The fields of key and value when the messages of a field are the entries of a map.
    static func fields(
        _ field: FieldDescriptor, _ schema: ProtobufSchema
    ) -> (key: FieldDescriptor, value: FieldDescriptor)? {
        guard field.kind == .message, field.isRepeated else { return nil }
        let entry = schema.messages[field.typeIndex]
        guard field.isMap || entry.name.hasSuffix("Entry"), entry.fields.count == 2,
            let key = entry.fieldIndex(name: "key"), let value = entry.fieldIndex(name: "value")
        else { return nil }
        return (entry.fields[key], entry.fields[value])
    }

    /// The type that a message of Google's stands for, which is there so that it can be missing.
    static func wrapped(_ name: String) -> SQLType? {
        switch name {
        case "google.protobuf.DoubleValue", "google.protobuf.FloatValue": .double
        case "google.protobuf.Int64Value", "google.protobuf.UInt64Value", "google.protobuf.UInt32Value": .bigint
        case "google.protobuf.Int32Value": .int
        case "google.protobuf.BoolValue": .boolean
        case "google.protobuf.StringValue": .string
        case "google.protobuf.BytesValue": .bytes
        default: nil
        }
    }

    /// The digits that the options of a Decimal's field tell.
    static func decimal(
        _ field: FieldDescriptor, of message: Int, _ schema: ProtobufSchema
    ) -> (precision: Int, scale: Int) {
        var precision = 64
        var scale = 0
        for option in declaration(of: field, in: message, schema)?.options ?? []
        where option.parts.first?.name == "confluent.field_meta" {
            guard case .aggregate(let members) = option.value else { continue }
            for member in members where member.name == "params" {
                var list = [member.value]
                if case .list(let values) = member.value { list = values }
                for case .aggregate(let pair) in list {
                    var texts: [String: String] = [:]
                    for part in pair {
                        if case .string(let bytes) = part.value {
                            texts[part.name] = String(decoding: bytes, as: UTF8.self)
                        }
                    }
                    guard let number = texts["value"].flatMap({ Int($0) }) else { continue }
                    if texts["key"] == "precision" { precision = number }
                    if texts["key"] == "scale" { scale = number }
                }
            }
        }
        guard precision >= 1, 0...precision ~= scale else { return (64, 0) }
        return (precision, scale)
    }

    private static func declaration(
        of field: FieldDescriptor, in message: Int, _ schema: ProtobufSchema
    ) -> ProtoField? {
        let descriptor = schema.messages[message]
        let file = descriptor.file.isEmpty ? schema.file : schema.imports[descriptor.file]
        guard var types = file?.types, let path = descriptor.path else { return nil }
        var found: ProtoMessage?
        for step in path {
            let messages = types.compactMap { type -> ProtoMessage? in
                if case .message(let message) = type { message } else { nil }
            }
            guard messages.indices.contains(Int(step)) else { return nil }
            found = messages[Int(step)]
            types = messages[Int(step)].types
        }
        let all = (found?.fields ?? []) + (found?.oneofs.flatMap(\.fields) ?? [])
        return all.first { $0.number == field.number }
    }
}
