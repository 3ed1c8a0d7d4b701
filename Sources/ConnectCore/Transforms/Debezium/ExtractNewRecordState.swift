import Synchronization

/// `io.debezium.transforms.ExtractNewRecordState`: the row itself in the place of a change event.
struct ExtractNewRecordState: Transformation {
    /// What becomes of deletes and the tombstones behind them.
    private enum Deletes: String, Sendable, CaseIterable {
        case drop
        case tombstone
        case rewrite
        case rewriteWithTombstone = "rewrite-with-tombstone"
        case deleteToTombstone = "delete-to-tombstone"
    }

    /// A field of the event that is kept beside the row's: `op`, `source.ts_ms`, `before.name:alias`.
    private struct Addition: Sendable {
        var path: [String]
        var name: String

        init(_ text: String, prefix: String) {
            let parts = text.split(separator: ":", maxSplits: 1).map(\.trimmed)
            let source = parts.first ?? ""
            path = source.split(separator: ".").map(String.init)
            // Without a struct in front the field is the transaction's, the source's or, failing that, the event's.
            name = prefix + (parts.count > 1 ? parts[1] : source.replacing(".", with: "_"))
        }

        func find(_ event: ConnectStruct) -> (schema: ConnectSchema, value: ConnectValue)? {
            guard path.count == 1, let name = path.first else { return Self.find(path, event) }
            let place: [String] =
                switch name {
                case "op", "ts_ms", "ts_us", "ts_ns": [name]
                case "id", "data_collection_order", "total_order": ["transaction", name]
                default: ["source", name]
                }
            return Self.find(place, event) ?? Self.find([name], event)
        }

        private static func find(
            _ path: [String], _ event: ConnectStruct
        ) -> (schema: ConnectSchema, value: ConnectValue)? {
            var schema = event.schema
            var value = ConnectValue.structure(event)
            for step in path {
                guard let index = schema.index(of: step) else { return nil }
                // What is null stays null, also where the schema has a default.
                value = value.structure?.values[index] ?? .null
                schema = schema.fields[index].schema
            }
            return (schema, value)
        }
    }

    static let definition: ConfigDef = {
        var definition = ConfigDef()
        definition.define(
            "delete.tombstone.handling.mode", .string, .value(.string("tombstone")), nil, .medium,
            "What becomes of deletes: drop both records, tombstone keeps the tombstone only, rewrite makes a row marked "
                + "as deleted, rewrite-with-tombstone keeps both, delete-to-tombstone makes a tombstone of the delete.",
            width: .medium, displayName: "Delete and tombstone handling")
        definition.define(
            "route.by.field", .string, .value(.string("")), nil, .low, "A field of the row that names the topic.",
            width: .long)
        definition.define("add.fields.prefix", .string, .value(.string("__")), nil, .low, "In front of added fields.")
        definition.define(
            "add.fields", .list, .value(.list([])), nil, .low,
            "Fields of the event to add to the row: op, table, source.ts_ms, each with :alias if wanted.")
        definition.define("add.headers.prefix", .string, .value(.string("__")), nil, .low, "In front of added headers.")
        definition.define(
            "add.headers", .list, .value(.list([])), nil, .low, "Fields of the event to add as headers.")
        definition.define(
            "drop.fields.header.name", .string, .null, nil, .low, "A header with a list of the row's fields to drop.")
        definition.define(
            "drop.fields.from.key", .boolean, .value(.boolean(false)), nil, .low, "Whether the key loses them too.")
        definition.define(
            "drop.fields.keep.schema.compatible", .boolean, .value(.boolean(true)), nil, .low,
            "Whether only optional fields are dropped.")
        definition.define(
            "replace.null.with.default", .boolean, .value(.boolean(true)), nil, .low,
            "Whether a field that is null and has a default counts as the default where deletes are rewritten.",
            isInternal: true)
        definition.define("drop.tombstones", .boolean, .null, nil, .low, "An earlier option.", isInternal: true)
        definition.define("delete.handling.mode", .string, .null, nil, .low, "An earlier option.", isInternal: true)
        return definition
    }()

    private let deletes: Deletes
    private let routeField: String?
    private let fields: [Addition]
    private let headers: [Addition]
    private let dropHeader: String?
    private let dropsFromKey: Bool
    private let keepsCompatible: Bool
    /// Only of rows that are marked as deleted or not: upstream's mark is an `InsertField`, which reads defaults.
    private let replacesNull: Bool
    private let lastDelete = LastDelete()
    private let schemas = ConnectCache<SchemaPair, ConnectSchema>(countMax: 64)

    private struct SchemaPair: Hashable, Sendable {
        var event: ConnectSchema
        var dropped: [String]
    }

    init(_ values: ConfigValues) throws(ConnectError) {
        deletes = try Self.deletes(values)
        routeField = values.text("route.by.field")
        let fieldPrefix = values.string("add.fields.prefix") ?? "__"
        let headerPrefix = values.string("add.headers.prefix") ?? "__"
        fields = values.list("add.fields").filter { !$0.isEmpty }.map { Addition($0, prefix: fieldPrefix) }
        headers = values.list("add.headers").filter { !$0.isEmpty }.map { Addition($0, prefix: headerPrefix) }
        dropHeader = values.text("drop.fields.header.name")
        dropsFromKey = values.flag("drop.fields.from.key")
        keepsCompatible = values.flag("drop.fields.keep.schema.compatible")
        replacesNull =
            (deletes == .rewrite || deletes == .rewriteWithTombstone) && values.flag("replace.null.with.default")
    }

    /// The options of earlier versions count where the new one is not given.
    private static func deletes(_ values: ConfigValues) throws(ConnectError) -> Deletes {
        let option = "delete.tombstone.handling.mode"
        if values.originals[option] == nil,
            values.string("delete.handling.mode") != nil || values["drop.tombstones"] != .null
        {
            let mode = values.string("delete.handling.mode") ?? "drop"
            guard ["drop", "rewrite", "none"].contains(mode.lowercased()) else {
                throw .config("The 'delete.handling.mode' value is invalid: Value must be one of drop, rewrite, none")
            }
            let dropsTombstones = values["drop.tombstones"] != .boolean(false)
            switch (mode.lowercased(), dropsTombstones) {
            case ("rewrite", true): return .rewrite
            case ("rewrite", false): return .rewriteWithTombstone
            case ("none", true): return .deleteToTombstone
            case ("none", false), ("drop", false): return .tombstone
            default: return .drop
            }
        }
        let text = values.string(option) ?? "tombstone"
        guard let known = Deletes(rawValue: text.lowercased()) else {
            throw .config(
                "The '\(option)' value is invalid: Value must be one of "
                    + Deletes.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return known
    }

    func apply(_ record: ConnectRecord) throws(ConnectError) -> ConnectRecord? {
        if record.value.value.isNull {
            // With `tombstone` too: there the delete in front has become one.
            guard deletes == .rewriteWithTombstone else { return nil }
            var record = record
            let known = lastDelete.headers(of: record)
            for addition in headers {
                if addition.path == ["op"] {
                    record.headers.append(ConnectHeader(addition.name, .string, .string("d")))
                } else if let header = known.first(where: { $0.name == addition.name }) {
                    record.headers.append(header)
                }
            }
            return record
        }
        // Heartbeats, schema changes and messages of others are no changes of rows.
        guard case .structure(let event) = record.value.value, let schema = record.value.schema, Self.isEvent(schema)
        else { return record }
        var record = record
        let after = event["after"]?.structure
        let isDelete = after == nil
        let added = headers.compactMap { addition -> ConnectHeader? in
            guard let (schema, value) = addition.find(event) else { return nil }
            return ConnectHeader(addition.name, schema.with(isOptional: true, defaultValue: .some(nil)), value)
        }
        if isDelete, !added.isEmpty, deletes == .rewriteWithTombstone { lastDelete.keep(record, added) }
        record.headers += added
        guard let row = after ?? event["before"]?.structure else {
            // A truncate has no row.
            return isDelete && event["op"]?.string == "t" ? nil : record
        }
        if isDelete, deletes == .drop { return nil }
        if let routeField {
            guard let field = row.schema.field(routeField) else {
                throw .data("\(routeField) is not a valid field name")
            }
            guard field.schema.kind == .string else { throw .data("Field '\(routeField)' is not of type STRING") }
            if let topic = row[routeField]?.string, !topic.trimmed.isEmpty { record.topic = topic }
        }
        let dropped = try dropHeader.map { name throws(ConnectError) in try Self.dropped(record, name) } ?? []
        if isDelete, deletes == .tombstone {
            record.value = SchemaAndValue(schema.field("after")?.schema, .null)
        } else if isDelete, deletes == .deleteToTombstone {
            record.value = .null
        } else {
            try rewrite(&record, event, row, isDelete, dropped)
        }
        if dropsFromKey, !dropped.isEmpty, case .structure(let key) = record.key.value {
            let kept = key.schema.fields.indices.filter { !dropped.contains(key.schema.fields[$0].name) }
            let updated = key.schema.with(fields: kept.map { key.schema.fields[$0] })
            record.key = SchemaAndValue(
                updated, .structure(ConnectStruct(updated, values: kept.map { key.values[$0] })))
        }
        return record
    }

    static func isEvent(_ schema: ConnectSchema) -> Bool {
        guard schema.kind == .structure, let name = schema.name, name.hasSuffix(".Envelope") || name == "Envelope"
        else {
            return false
        }
        return schema.index(of: "op") != nil && schema.index(of: "after") != nil
    }

    private static func dropped(_ record: ConnectRecord, _ name: String) throws(ConnectError) -> [String] {
        guard let header = record.headers.last(where: { $0.name == name }) else { return [] }
        guard case .array(let names) = header.value else {
            throw .data("Header \(name) is no array of field names")
        }
        return names.compactMap(\.string)
    }

    private func rewrite(
        _ record: inout ConnectRecord, _ event: ConnectStruct, _ row: ConnectStruct, _ isDelete: Bool,
        _ dropped: [String]
    ) throws(ConnectError) {
        let marksDeletes = deletes == .rewrite || deletes == .rewriteWithTombstone
        let kept = row.schema.fields.indices.filter { index in
            let field = row.schema.fields[index]
            return !dropped.contains(field.name) || (keepsCompatible && !field.schema.isOptional)
        }
        // What an event does not have is not added.
        var added: [(name: String, schema: ConnectSchema, value: ConnectValue)] = []
        for addition in fields {
            guard let found = addition.find(event) else { continue }
            added.append((addition.name, found.schema, found.value))
        }
        let pair = SchemaPair(event: event.schema, dropped: dropped)
        let schema: ConnectSchema
        if let known = schemas[pair] {
            schema = known
        } else {
            var all = kept.map { row.schema.fields[$0] }
            if marksDeletes { all.append(.init("__deleted", .optionalString)) }
            for found in added {
                // Any of them may be missing in other events of the topic.
                all.append(.init(found.name, found.schema.with(isOptional: true, defaultValue: .some(nil))))
            }
            schema = try .structure(basics: row.schema, isOptional: false, fields: all)
            schemas[pair] = schema
        }
        var values = kept.map { replacesNull ? row[$0] : row.values[$0] }
        if marksDeletes { values.append(.string(isDelete ? "true" : "false")) }
        values += added.map(\.value)
        record.value = SchemaAndValue(schema, .structure(ConnectStruct(schema, values: values)))
    }
}

/// The headers that a delete out of a source got, for the tombstone behind it, which has no event to take them from.
private final class LastDelete: Sendable {
    private struct Delete {
        var topic: String
        var key: ConnectValue
        var headers: [ConnectHeader]
    }

    private let last = Mutex<Delete?>(nil)

    func keep(_ record: ConnectRecord, _ headers: [ConnectHeader]) {
        guard case .source = record.origin else { return }
        last.withLock { $0 = Delete(topic: record.topic, key: record.key.value, headers: headers) }
    }

    /// None when the record in front was no delete of the same row.
    func headers(of tombstone: ConnectRecord) -> [ConnectHeader] {
        last.withLock { last in
            guard let delete = last, delete.topic == tombstone.topic, delete.key == tombstone.key.value
            else { return [] }
            return delete.headers
        }
    }
}
