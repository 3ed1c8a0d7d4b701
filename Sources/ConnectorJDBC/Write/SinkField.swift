internal import ConnectCore

/// A field of records that has a column.
struct SinkField: Sendable, Hashable, CustomStringConvertible {
    var name: String
    var schema: ConnectSchema
    var isKey: Bool
    let kind: ColumnKind

    /// - Parameter unit: of numbers that are instants.
    init(_ name: String, _ schema: ConnectSchema, isKey: Bool, instantsIn unit: ColumnKind.Unit? = nil) {
        self.name = name
        self.schema = schema
        self.isKey = isKey
        kind = ColumnKind(schema, instantsIn: unit)
    }

    var isOptional: Bool { !isKey && schema.isOptional }

    /// As the original shows it in messages.
    var description: String { "SinkRecordField{schema=\(schema), name='\(name)', isPrimaryKey=\(isKey)}" }
}

/// The columns of a table that records of one pair of schemas fill, and where their values come from.
struct FieldsMetadata: Sendable {
    enum Source: Sendable {
        case topic, partition, offset
        /// The whole key.
        case key
        case keyField(Int)
        case valueField(Int)
    }

    struct Entry: Sendable {
        var field: SinkField
        var source: Source
    }

    static let kafkaNames = ["__connect_topic", "__connect_partition", "__connect_offset"]

    /// In the order of a new table's columns.
    private(set) var entries: [Entry] = []

    var keys: [Entry] { entries.filter(\.field.isKey) }

    /// - Throws: `.connect` in the original's words.
    init(
        _ table: TableID, _ settings: SinkSettings, key: ConnectSchema?, value: ConnectSchema?
    ) throws(ConnectError) {
        if let value, value.kind != .structure {
            throw ConnectError(.connect, "Value schema must be of type Struct")
        }
        var found = try Self.keyEntries(table.name, settings, key, value)
        let keyNames = Set(found.map(\.field.name))
        for (index, field) in (value?.fields ?? []).enumerated() where !keyNames.contains(field.name) {
            guard settings.takes(field.name) else { continue }
            let taken = SinkField(
                field.name, field.schema, isKey: false, instantsIn: settings.instantUnit(field.name))
            found.append(Entry(field: taken, source: .valueField(index)))
        }
        guard !found.isEmpty else {
            throw ConnectError(
                .connect, "No fields found using key and value schemas for table: \(table.name)")
        }
        // Kafka's coordinates, then the value's fields in their order, then the key's by name.
        var order: [String: Int] = [:]
        for name in Self.kafkaNames + (value?.fields.map(\.name) ?? []) where order[name] == nil {
            order[name] = order.count
        }
        entries = found.sorted { a, b in
            let places = (order[a.field.name] ?? .max, order[b.field.name] ?? .max)
            if places.0 != places.1 { return places.0 < places.1 }
            return a.field.name.utf8.lexicographicallyPrecedes(b.field.name.utf8)
        }
    }

    private static func shown(_ names: [String]) -> String { "[" + names.joined(separator: ", ") + "]" }

    private static func keyEntries(
        _ table: String, _ settings: SinkSettings, _ key: ConnectSchema?, _ value: ConnectSchema?
    ) throws(ConnectError) -> [Entry] {
        let configured = settings.keyFields
        switch settings.keyMode {
        case .none: return []
        case .kafka:
            guard configured.isEmpty || configured.count == 3 else {
                throw ConnectError(
                    .connect,
                    "PK mode for table '\(table)' is KAFKA so there should either be no field names defined for "
                        + "defaults \(shown(kafkaNames)) to be applicable, or exactly 3, defined fields are: "
                        + shown(configured))
            }
            let names = configured.isEmpty ? kafkaNames : configured
            return [
                Entry(field: SinkField(names[0], .string, isKey: true), source: .topic),
                Entry(field: SinkField(names[1], .int32, isKey: true), source: .partition),
                Entry(field: SinkField(names[2], .int64, isKey: true), source: .offset),
            ]
        case .recordKey:
            guard let key else {
                throw ConnectError(
                    .connect, "PK mode for table '\(table)' is RECORD_KEY, but record key schema is missing")
            }
            if key.kind.isPrimitive {
                guard configured.count == 1 else {
                    throw ConnectError(
                        .connect,
                        "Need exactly one PK column defined since the key schema for records is a primitive type, "
                            + "defined columns are: \(shown(configured))")
                }
                let unit = settings.instantUnit(configured[0])
                return [
                    Entry(field: SinkField(configured[0], key, isKey: true, instantsIn: unit), source: .key)
                ]
            }
            guard key.kind == .structure else {
                throw ConnectError(
                    .connect, "Key schema must be primitive type or Struct, but is of type: \(key.kind.rawValue)")
            }
            return try fields(table, "RECORD_KEY", "key", settings, key) { .keyField($0) }
        case .recordHeader:
            guard let key, !key.fields.isEmpty else {
                throw ConnectError(
                    .connect,
                    "PK mode for table '\(table)' is RECORD_HEADER, but the record has no headers with a schema")
            }
            return try fields(table, "RECORD_HEADER", "header", settings, key) { .keyField($0) }
        case .recordValue:
            guard let value else {
                throw ConnectError(
                    .connect, "PK mode for table '\(table)' is RECORD_VALUE, but record value schema is missing")
            }
            return try fields(table, "RECORD_VALUE", "value", settings, value) { .valueField($0) }
        }
    }

    private static func fields(
        _ table: String, _ mode: String, _ part: String, _ settings: SinkSettings, _ schema: ConnectSchema,
        _ source: (Int) -> Source
    ) throws(ConnectError) -> [Entry] {
        let configured = settings.keyFields
        var entries: [Entry] = []
        for name in configured.isEmpty ? schema.fields.map(\.name) : configured {
            guard let index = schema.index(of: name) else {
                throw ConnectError(
                    .connect,
                    "PK mode for table '\(table)' is \(mode) with configured PK fields \(shown(configured)), but "
                        + "record "
                        + "\(part) schema does not contain field: \(name)")
            }
            let field = SinkField(
                name, schema.fields[index].schema, isKey: true, instantsIn: settings.instantUnit(name))
            entries.append(Entry(field: field, source: source(index)))
        }
        return entries
    }
}
