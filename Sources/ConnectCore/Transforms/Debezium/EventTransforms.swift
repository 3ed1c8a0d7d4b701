import JSONFormat

/// `io.debezium.connector.mysql.transforms.ReadToInsertEvent`: rows of a snapshot as if they had been inserted.
struct ReadToInsertEvent: Transformation {
    static let definition = ConfigDef()

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard case .structure(var event) = record.value.value, ExtractNewRecordState.isEvent(event.schema),
            event["op"]?.string == "r"
        else { return record }
        try event.put("op", .string("c"))
        return record.with(.value, record.value.schema, .structure(event))
    }
}

/// `io.debezium.transforms.SchemaChangeEventFilter`: which kinds of definitions pass on the topic of schema changes.
struct SchemaChangeEventFilter: Transformation {
    private enum Kind: String, Sendable, CaseIterable {
        case create = "CREATE"
        case alter = "ALTER"
        case drop = "DROP"
        case truncate = "TRUNCATE"
        case database = "DATABASE"
    }

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "schema.change.event.include.list", .string, .required, .notEmpty, .low,
            "The kinds that pass, with commas: \(Kind.allCases.map(\.rawValue).joined(separator: ", ")). DATABASE is what "
                + "is about no table.", width: .short, displayName: "Schema change event include list")
        return definition
    }()

    private let kinds: Set<Kind>

    init(_ values: ConfigValues) throws(ConnectError) {
        var kinds: Set<Kind> = []
        let text = values.string("schema.change.event.include.list") ?? ""
        for name in text.split(separator: ",").map(\.trimmed) {
            guard let kind = Kind(rawValue: name) else {
                throw .config(
                    "schema.change.event.include.list", text,
                    "\(name) is none of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            kinds.insert(kind)
        }
        self.kinds = kinds
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard let name = record.value.schema?.name,
            name.hasSuffix(".SchemaChangeValue") || name.hasSuffix(".SchemaChangeKey"), !record.value.value.isNull
        else { return record }
        let change = try Requirements.structure(record.value.value, "Read schema change event to filter")
        guard case .array(let tables)? = change["tableChanges"] else { return nil }
        guard let first = tables.first else { return kinds.contains(.database) ? record : nil }
        guard let kind = first.structure?["type"]?.string.flatMap(Kind.init(rawValue:)), kinds.contains(kind) else {
            return nil
        }
        return record
    }
}

/// `io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent`: JSON in a message of PostgreSQL's log
/// as the row of an insertion, which `EventRouter` takes.
struct DecodeLogicalDecodingMessageContent: Transformation {
    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "fields.null.include", .boolean, .value(.boolean(false)), nil, .medium,
            "Whether members that are null become fields of optional bytes.")
        return definition
    }()

    private let keepsNulls: Bool
    private static let messageName = "io.debezium.connector.postgresql.MessageValue"

    init(_ values: ConfigValues) { keepsNulls = values.flag("fields.null.include") }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        guard let schema = record.value.schema, schema.name == Self.messageName else { return record }
        let event = try Requirements.structure(record.value.value, "Retrieve a record value")
        let message = try Requirements.structure(
            event["message"] ?? .null, "Retrieve content of a logical decoding message")
        guard message.schema.field("content")?.schema.kind == .bytes else {
            throw ConnectError(.connect, "The content of a logical decoding message is non-binary")
        }
        let content = message["content"]?.bytes ?? []
        let text = String(decoding: content, as: UTF8.self)
        guard text.first == "{" || text.first == "[", let json = JSONValue.parse(content),
            let row = JSONStructs.structure(json, nil, keepsNulls: keepsNulls), row.value.structure != nil
        else {
            throw ConnectError(
                .connect, "Unable to parse logical decoding message content JSON string '\(text.prefix(200))'")
        }
        var fields: [ConnectSchema.Field] = []
        var values: [ConnectValue] = []
        for (index, field) in schema.fields.enumerated() where field.name != "message" {
            fields.append(field)
            values.append(field.name == "op" ? .string("c") : event[index])
        }
        fields.append(.init("after", row.schema ?? .optionalString))
        values.append(row.value)
        // The name's end makes it an event for the transforms behind this one.
        let updated = ConnectSchema.structure(fields, name: Self.messageName + ".Envelope")
        var output = record.with(.value, updated, .structure(ConnectStruct(updated, values: values)))
        output.key = .null
        return output
    }
}

/// `io.debezium.transforms.VectorToJsonConverter`: vectors as JSON, for those who know no vectors.
struct VectorToJSON: Transformation {
    static let definition = ConfigDef()

    private static let json = "io.debezium.data.Json"
    private let schemas = UpdatedSchemas()

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        if record.value.value.isNull { return record }
        let structure = try Requirements.structure(record.value.value, "Value should be a struct")
        let updated = try schemas(structure.schema) { schema throws(ConnectError) in try Self.schema(schema, depth: 0) }
        return record.with(.value, updated, .structure(Self.value(structure, updated)))
    }

    private static func schema(_ schema: ConnectSchema, depth: Int) throws(ConnectError) -> ConnectSchema {
        guard depth < ConnectSchema.depthMax else { throw .data("Schema is nested too deep") }
        try schema.requireTree("vectors as JSON")
        var fields: [ConnectSchema.Field] = []
        for field in schema.fields {
            if isVector(field.schema) {
                let json = ConnectSchema(.string, isOptional: field.schema.isOptional, name: json, version: 1)
                fields.append(.init(field.name, json))
            } else if field.schema.kind == .structure {
                fields.append(.init(field.name, try Self.schema(field.schema, depth: depth + 1)))
            } else {
                fields.append(field)
            }
        }
        return schema.with(defaultValue: .some(nil), fields: fields)
    }

    private static func isVector(_ schema: ConnectSchema) -> Bool {
        ["io.debezium.data.DoubleVector", "io.debezium.data.FloatVector", "io.debezium.data.SparseDoubleVector"]
            .contains(schema.name)
    }

    private static func value(_ structure: ConnectStruct, _ updated: ConnectSchema) -> ConnectStruct {
        var values: [ConnectValue] = []
        for (index, field) in structure.schema.fields.enumerated() {
            let value = structure[index]
            if isVector(field.schema) {
                values.append(text(value).map { .string($0) } ?? .null)
            } else if case .structure(let inner) = value, field.schema.kind == .structure {
                values.append(.structure(Self.value(inner, updated.fields[index].schema)))
            } else {
                values.append(value)
            }
        }
        return ConnectStruct(updated, values: values)
    }

    private static func text(_ value: ConnectValue) -> String? {
        switch value {
        case .array(let numbers):
            return "{ \"values\": [" + numbers.map { JavaText.string($0) }.joined(separator: ", ") + "] }"
        case .structure(let vector):
            var entries: [(place: Int64, number: String)] = []
            if case .map(let map)? = vector["vector"] {
                entries = map.entries.map { ($0.key.integer ?? 0, JavaText.string($0.value)) }
            }
            entries.sort { $0.place < $1.place }
            return "{ \"dimensions\": \(vector["dimensions"]?.integer ?? 0), \"vector\": { "
                + entries.map { "\"\($0.place)\": \($0.number)" }.joined(separator: ", ") + " } }"
        default: return nil
        }
    }
}
