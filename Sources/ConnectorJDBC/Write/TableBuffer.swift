internal import ConnectCore

/// The records of one table that wait for the database, as cells. All of them have the same pair of schemas.
final class TableBuffer {
    private struct Column {
        var source: FieldsMetadata.Source
        var encoder: CellEncoder
    }

    let table: TableID
    private let settings: SinkSettings
    private var keySchema: ConnectSchema?
    private var valueSchema: ConnectSchema?
    private var isPrepared = false
    private var columns: [Column] = []
    private var keyColumns: [Column] = []
    private var update: TableWrite?
    private var delete: TableWrite?
    private var updates = CellRows(columnCount: 1)
    private var deletes = CellRows(columnCount: 1)

    init(_ table: TableID, _ settings: SinkSettings) {
        self.table = table
        self.settings = settings
    }

    /// Takes a record; what waits is written when it has other schemas, when enough is there, and when a row would be
    /// written before its own deletion.
    func add(
        _ record: ConnectRecord, _ database: any Database, _ structure: inout TableStructure,
        beforeChange: () throws(WriteFailure) -> Void
    ) throws(WriteFailure) {
        do throws(ConnectError) {
            try RecordRules.check(record, settings)
        } catch {
            throw WriteFailure(.refused, error)
        }
        // A deletion has no value schema, and that is no reason to prepare anything anew.
        let hasNewValueSchema = record.value.schema != nil && record.value.schema != valueSchema
        if !isPrepared || record.key.schema != keySchema || hasNewValueSchema {
            try flush(database)
            try prepare(record, database, &structure, beforeChange)
        }
        let isDeletion = record.value.value.isNull && delete != nil
        if !isDeletion, !deletes.isEmpty { try flush(database) }
        do throws(ConnectError) {
            if isDeletion {
                for column in keyColumns { deletes.append(try column.encoder.cell(try value(column.source, record))) }
            } else {
                // All cells or none: a row that is cut short would shift those behind it.
                var cells: [Cell] = []
                cells.reserveCapacity(columns.count)
                for column in columns { cells.append(try column.encoder.cell(try value(column.source, record))) }
                for cell in cells { updates.append(cell) }
            }
        } catch {
            throw WriteFailure(.refused, error)
        }
        if updates.rowCount + deletes.rowCount >= settings.batchCountMax { try flush(database) }
    }

    private func value(_ source: FieldsMetadata.Source, _ record: ConnectRecord) throws(ConnectError) -> ConnectValue {
        switch source {
        case .topic: return .string(record.topic)
        case .partition:
            if case .sink(_, let partition, _, _) = record.origin { return .int32(record.partition ?? partition) }
            return record.partition.map { .int32($0) } ?? .null
        case .offset: return record.kafkaOffset.map { .int64($0) } ?? .null
        case .key: return record.key.value
        case .keyField(let index):
            guard let structure = record.key.value.structure, index < structure.values.count else {
                throw .data("The key is not what its schema says")
            }
            return structure[index]
        case .valueField(let index):
            guard let structure = record.value.value.structure, index < structure.values.count else {
                throw .data("The value is not what its schema says")
            }
            return settings.replacesNull ? structure[index] : structure.values[index]
        }
    }

    private func prepare(
        _ record: ConnectRecord, _ database: any Database, _ structure: inout TableStructure,
        _ beforeChange: () throws(WriteFailure) -> Void
    ) throws(WriteFailure) {
        isPrepared = false
        keySchema = record.key.schema
        if record.value.schema != nil { valueSchema = record.value.schema }
        let metadata: FieldsMetadata
        do throws(ConnectError) {
            // A deletion keeps the columns of the rows before it, which may go on behind it.
            metadata = try FieldsMetadata(table, settings, key: keySchema, value: valueSchema)
            try checkMode(metadata)
        } catch {
            throw WriteFailure(.refused, error)
        }
        let definition = try structure.ensure(
            table, metadata.entries.map(\.field), database, beforeChange: beforeChange)
        func column(_ entry: FieldsMetadata.Entry) -> (Column, TableWrite.Column)? {
            guard let target = definition.column(entry.field.name) else { return nil }
            let isText =
                switch entry.field.kind {
                case .zonedTime, .zonedTimestamp, .instantText: true
                default: false
                }
            let encoder = CellEncoder(
                kind: entry.field.kind, field: entry.field.name, isRaw: target.family == (isText ? .text : .integer),
                zones: settings.zones)
            return (
                Column(source: entry.source, encoder: encoder),
                TableWrite.Column(target: target, isKey: entry.field.isKey)
            )
        }
        let all = metadata.entries.compactMap(column)
        let keys = metadata.keys.compactMap(column)
        columns = all.map(\.0)
        keyColumns = keys.map(\.0)
        let kind: TableWrite.Kind =
            switch settings.insertMode {
            case .insert: .insert
            case .upsert: .upsert
            case .update: .update
            }
        update = TableWrite(kind: kind, table: table, columns: all.map(\.1))
        delete = settings.deletes ? TableWrite(kind: .delete, table: table, columns: keys.map(\.1)) : nil
        updates = CellRows(columnCount: all.count)
        deletes = CellRows(columnCount: keys.count)
        isPrepared = true
    }

    private func checkMode(_ metadata: FieldsMetadata) throws(ConnectError) {
        if metadata.keys.isEmpty {
            if settings.insertMode == .upsert {
                throw ConnectError(
                    .connect,
                    "Write to table '\(table)' in UPSERT mode requires key field names to be known, check the "
                        + "primary key "
                        + "configuration")
            }
            if settings.deletes { throw ConnectError(.connect, "Require primary keys to support delete") }
        }
        if settings.insertMode == .update, metadata.keys.count == metadata.entries.count,
            !(settings.deletes && valueSchema == nil)
        {
            throw ConnectError(
                .connect, "Write to table '\(table)' in UPDATE mode requires fields that are not of the primary key")
        }
    }

    /// Writes what waits: first the rows, then the deletions, which came after them.
    func flush(_ database: any Database) throws(WriteFailure) {
        guard !updates.isEmpty || !deletes.isEmpty else { return }
        do throws(SQLFailure) {
            if let update, !updates.isEmpty { try database.write(update, updates) }
            if let delete, !deletes.isEmpty { try database.write(delete, deletes) }
        } catch {
            throw WriteFailure(error, trimmed: settings.trimsMessages)
        }
        updates.removeAll()
        deletes.removeAll()
    }
}

/// What a record must have, given the configuration: the original's `RecordValidator`.
enum RecordRules {
    /// - Throws: `.connect` in the original's words.
    static func check(_ record: ConnectRecord, _ settings: SinkSettings) throws(ConnectError) {
        let needsKey = settings.keyMode == .recordKey || settings.deletes
        let needsValue = settings.keyMode == .recordValue || settings.keyMode == .none || !settings.deletes
        if needsKey {
            let kind = record.key.schema?.kind
            guard !record.key.value.isNull, let kind, kind == .structure || kind.isPrimitive else {
                throw failure(record, record.key, "key", "Struct or primitive key schema", settings)
            }
        }
        if needsValue {
            guard !record.value.value.isNull, record.value.schema?.kind == .structure else {
                throw failure(record, record.value, "Struct value", "Struct value schema", settings)
            }
        }
    }

    private static func failure(
        _ record: ConnectRecord, _ part: SchemaAndValue, _ wanted: String, _ wantedSchema: String,
        _ settings: SinkSettings
    ) -> ConnectError {
        var partition = record.partition ?? 0
        var offset: Int64 = 0
        if case .sink(_, let place, let at, _) = record.origin { (partition, offset) = (place, at) }
        let word = wanted.hasSuffix("key") ? "key" : "value"
        return ConnectError(
            .connect,
            "Sink connector '\(settings.connector)' is configured with 'delete.enabled=\(settings.deletes)' and "
                + "'\(settings.flavour.keyModeOption)=\(settings.keyMode.rawValue)' and therefore requires records "
                + "with a non-null \(wanted) and non-null \(wantedSchema), but found record at "
                + "(topic='\(record.topic)',partition=\(partition),"
                + "offset=\(offset),timestamp=\(record.timestamp.map { String($0) } ?? "null")) with a "
                + "\(simpleName(part.value)) \(word) and \(part.schema?.kind.rawValue.lowercased() ?? "null") "
                + "\(word) schema."
        )
    }

    private static func simpleName(_ value: ConnectValue) -> String {
        if case .bytes = value { return "byte[]" }
        return value.javaClass.split(separator: ".").last.map { String($0) } ?? value.javaClass
    }
}
