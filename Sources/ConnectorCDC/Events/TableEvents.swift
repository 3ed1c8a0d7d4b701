internal import ConnectCore

/// The schemas and codecs of one table's events, made once per definition.
final class TableEvents {
    static let transactionSchema = ConnectSchema(
        .structure, isOptional: true, name: "event.block", version: 1,
        fields: [.init("id", .string), .init("total_order", .int64), .init("data_collection_order", .int64)])

    /// A column that events have.
    struct Column {
        /// Among all of the table's.
        var index: Int
        var codec: ColumnCodec
        var rewrite: ColumnRules.Rewrite?
        var length: Int?
    }

    let table: TableDefinition
    let topic: String
    let columns: [Column]
    /// Of the table's column at a place: where it is among `columns`.
    let rowSchema: ConnectSchema
    let envelope: ConnectSchema
    let keySchema: ConnectSchema?
    /// Places of the key's columns in the table, with their codecs.
    let keyColumns: [(index: Int, codec: ColumnCodec)]
    let keyIsPrimary: Bool

    /// What is known of a way to write rows at once.
    enum Writing {
        case known(TableWriter?)
        /// Nothing; asked again after so many rows.
        case asked(Int)
    }

    var writing = Writing.asked(0)

    /// - Parameter codec: of the table's column at a place, with what its schema says besides; nil parameters for keys.
    init(
        _ table: TableDefinition, _ options: EventOptions, _ filters: TableFilters, _ rules: ColumnRules,
        source: ConnectSchema, codec: (_ index: Int, _ parameters: [ConnectSchema.Parameter]?) -> ColumnCodec
    ) {
        self.table = table
        topic = options.topic(of: table.id)
        var columns: [Column] = []
        var fields: [ConnectSchema.Field] = []
        for (index, column) in table.columns.enumerated() where filters.isCaptured(column.name, of: table.id) {
            let codec = codec(index, rules.parameters(column, of: table.id))
            if case .unknown = codec.kind { continue }
            columns.append(
                Column(
                    index: index, codec: codec, rewrite: rules.rewrite(column, of: table.id),
                    length: column.length))
            fields.append(.init(options.fieldName(column.name), codec.schema))
        }
        self.columns = columns
        let name = options.schemaName(topic)
        rowSchema = ConnectSchema(.structure, isOptional: true, name: name + ".Value", fields: fields)
        envelope = ConnectSchema(
            .structure, name: name + ".Envelope", version: 2,
            fields: [
                .init("before", rowSchema), .init("after", rowSchema), .init("source", source),
                .init("transaction", Self.transactionSchema), .init("op", .string), .init("ts_ms", .optionalInt64),
                .init("ts_us", .optionalInt64), .init("ts_ns", .optionalInt64),
            ])
        let names = rules.key(of: table) ?? table.primaryKey
        var keyColumns: [(Int, ColumnCodec)] = []
        var keyFields: [ConnectSchema.Field] = []
        for name in names {
            guard let index = table.index(of: name) else { continue }
            let codec = codec(index, nil)
            if case .unknown = codec.kind { continue }
            keyColumns.append((index, codec))
            keyFields.append(.init(options.fieldName(table.columns[index].name), codec.schema))
        }
        self.keyColumns = keyColumns
        keySchema =
            keyFields.isEmpty ? nil : ConnectSchema(.structure, name: name + ".Key", fields: keyFields)
        keyIsPrimary = names == table.primaryKey
    }

    /// Of a table of MySQL or MariaDB.
    convenience init(
        _ table: TableDefinition, _ config: MySQLConfig, _ filters: TableFilters, _ rules: ColumnRules,
        source: ConnectSchema
    ) {
        self.init(table, config.shared, filters, rules, source: source) { index, parameters in
            let column = table.columns[index]
            return ColumnCodec(
                column, config.modes, as: rules.conversion(of: column, in: table.id), parameters: parameters ?? [],
                doc: config.hasComments && parameters != nil ? column.comment : nil)
        }
    }

    /// - Parameter cells: parallel to the table's columns.
    func row(_ cells: [Cell], isStreaming: Bool) throws(ConnectError) -> ConnectValue {
        var values: [ConnectValue] = []
        values.reserveCapacity(columns.count)
        for column in columns { values.append(try value(column, cells, isStreaming)) }
        return .structure(ConnectStruct(rowSchema, values: values))
    }

    private func value(
        _ column: Column, _ cells: [Cell], _ isStreaming: Bool
    ) throws(ConnectError) -> ConnectValue {
        let value = try column.codec.value(cells[column.index], isStreaming: isStreaming)
        return column.rewrite.map { ColumnRules.apply($0, to: value, length: column.length) } ?? value
    }

    /// Whether two rows of the log are the same as events show them.
    func isSame(_ before: [Cell], _ after: [Cell]) throws(ConnectError) -> Bool {
        for column in columns where try value(column, before, true) != value(column, after, true) { return false }
        return true
    }

    func key(_ cells: [Cell], isStreaming: Bool) throws(ConnectError) -> SchemaAndValue {
        guard let keySchema else { return .null }
        var values: [ConnectValue] = []
        values.reserveCapacity(keyColumns.count)
        for (index, codec) in keyColumns { values.append(try codec.value(cells[index], isStreaming: isStreaming)) }
        return SchemaAndValue(keySchema, .structure(ConnectStruct(keySchema, values: values)))
    }

    /// The record of an event, processed now.
    ///
    /// - Parameters:
    ///   - before, after: rows by `rowSchema`, or null.
    ///   - source: by the schema of the envelope's field.
    ///   - transaction: by `transactionSchema`.
    ///   - operation: the text of the field `op`.
    func record(
        key: SchemaAndValue, before: ConnectValue, after: ConnectValue, source: ConnectValue,
        transaction: ConnectValue?, operation: ConnectValue, headers: [ConnectHeader] = [],
        origin: ConnectRecord.Origin
    ) -> ConnectRecord {
        let now = wallClockNanoseconds()
        return ConnectRecord(
            topic: topic, key: key,
            value: SchemaAndValue(
                envelope,
                .structure(
                    ConnectStruct(
                        envelope,
                        values: [
                            before, after, source, transaction ?? .null, operation, .int64(now / 1_000_000),
                            .int64(now / 1000), .int64(now),
                        ]))), headers: headers, origin: origin)
    }
}
