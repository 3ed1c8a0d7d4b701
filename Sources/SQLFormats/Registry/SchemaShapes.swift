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

/// A JSON Schema as Connect's converter sees it.
struct JSONSchemaNode {
    enum Kind: String { case null, boolean, string, integer, number, array, object, map, union, unknown }

    let json: JSONValue

    init(_ json: JSONValue) { self.json = json }

    /// What a reference or a choice between null and one other stands for.
    func resolved(in root: JSONSchemaNode) -> JSONSchemaNode {
        var node = self
        for _ in 0..<32 {
            if let reference = node.json["$ref"]?.text, let target = root.target(reference) {
                node = target
                continue
            }
            let branches = node.branches
            guard branches.count == 1,
                node.json["oneOf"] != nil || node.json["anyOf"] != nil || node.json["allOf"] != nil
            else { break }
            node = branches[0]
        }
        return node
    }

    private func target(_ reference: String) -> JSONSchemaNode? {
        guard reference.hasPrefix("#") else { return nil }
        var json = self.json
        for part in reference.dropFirst().split(separator: "/") {
            var name = ""
            var rest = Substring(part)
            while let scalar = rest.popFirst() {
                if scalar == "~", let code = rest.popFirst() {
                    name += code == "1" ? "/" : "~"
                } else {
                    name.append(scalar)
                }
            }
            guard let next = json[name] else { return nil }
            json = next
        }
        return JSONSchemaNode(json)
    }

    /// The choices other than null.
    var branches: [JSONSchemaNode] {
        let list = json["oneOf"]?.elements ?? json["anyOf"]?.elements ?? json["allOf"]?.elements ?? []
        return list.map { JSONSchemaNode($0) }.filter { $0.kind != .null }
    }

    private var types: [String] {
        if let text = json["type"]?.text { return [text] }
        return (json["type"]?.elements ?? []).compactMap(\.text)
    }

    var kind: Kind {
        let types = types.filter { $0 != "null" }
        guard let type = types.first else {
            if !self.types.isEmpty { return .null }
            if json["oneOf"] != nil || json["anyOf"] != nil || json["allOf"] != nil { return .union }
            if json["properties"] != nil { return .object }
            return json["enum"] != nil || json["const"]?.text != nil ? .string : .unknown
        }
        switch type {
        case "boolean": return .boolean
        case "string": return .string
        case "integer": return .integer
        case "number": return .number
        case "array": return .array
        case "object":
            return connectType == "map" || json["properties"] == nil && additionalProperties != nil ? .map : .object
        default: return .unknown
        }
    }

    var title: String? { json["title"]?.text }
    var connectType: String? { json["connect.type"]?.text }

    func parameter(_ name: String) -> Int? { json["connect.parameters"]?[name]?.text.flatMap { Int($0) } }

    var items: JSONSchemaNode? { json["items"].flatMap { $0.members == nil ? nil : JSONSchemaNode($0) } }

    var additionalProperties: JSONSchemaNode? {
        json["additionalProperties"].flatMap { $0.members == nil ? nil : JSONSchemaNode($0) }
    }

    /// By their `connect.index`; without one in the order in which Java's hash maps have them, as the original has no
    /// other.
    var properties: [(name: String, node: JSONSchemaNode)] {
        let members = json["properties"]?.members ?? []
        let hashed = Self.hashOrder(members.map(\.0)).map { members[$0] }
        let placed = hashed.enumerated().map { place, member in
            (index: member.1["connect.index"]?.integer ?? Int64(place), member: member)
        }
        return placed.enumerated().sorted { ($0.element.index, $0.offset) < ($1.element.index, $1.offset) }
            .map { ($0.element.member.0, JSONSchemaNode($0.element.member.1)) }
    }

    /// The order in which a `java.util.HashMap` iterates over texts that were put in in this order.
    static func hashOrder(_ names: [String]) -> [Int] {
        var capacity = 16
        while Double(names.count) > 0.75 * Double(capacity) { capacity *= 2 }
        let buckets = names.map { name -> Int in
            var hash: UInt32 = 0
            for unit in name.utf16 { hash = hash &* 31 &+ UInt32(unit) }
            return Int((hash ^ hash >> 16) & UInt32(capacity - 1))
        }
        return names.indices.sorted { (buckets[$0], $0) < (buckets[$1], $1) }
    }
}
